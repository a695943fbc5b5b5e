/**
 * mobula/web: mobula for pages and edge functions, as drivers of a cluster that runs elsewhere. The names and types are those
 * of "mobula"; only init() differs. Web-standard APIs only, no code is evaluated, and no file is read.
 * @module
 */
export { init, isInitialized, shutdown } from "./init.ts";
export type { WebInitOptions } from "./options.ts";
export { remote } from "./remote.ts";
export { asCompleted, get, mapTasks, put, release, wait } from "../api/objects.ts";
export { cancel } from "../api/cancel.ts";
export { getActor, kill, ready } from "../api/actors.ts";
export { onShutdown, restoreState, saveState } from "../common/actor_hooks.ts";
export { getPlacementGroup, placementGroup, removePlacementGroup } from "../api/placement_groups.ts";
export { ActorPool, type NextOptions } from "../api/actor_pool.ts";
export { Queue, type QueueOptions } from "../io/core_worker/library/queue.ts";
export {
  type AcquireOptions,
  Semaphore,
  type SemaphoreOptions,
} from "../io/core_worker/library/semaphore.ts";
export { Counter, Gauge, Histogram, type HistogramOptions, type MetricOptions } from "../api/metrics.ts";
export { registerClass } from "./classes.ts";
export {
  availableResources,
  clusterResources,
  drainNode,
  type DrainOptions,
  getState,
  listActors,
  listJobs,
  listNodes,
  listObjects,
  type ListOptions,
  listPlacementGroups,
  listTasks,
  listWorkers,
  nodes,
  type StateRows,
  summarize,
  type SummarizeOptions,
  type SummaryRows,
  timeline,
  why,
} from "../api/state.ts";
export {
  ActorDiedError,
  ActorError,
  ActorUnavailableError,
  ActorUnschedulableError,
  AuthenticationError,
  GetTimeoutError,
  MobulaError,
  NameTakenError,
  NodeDiedError,
  ObjectFreedError,
  ObjectLostError,
  ObjectReconstructionFailedError,
  ObjectStoreFullError,
  OutOfDiskError,
  OutOfMemoryError,
  OwnerDiedError,
  PendingCallsLimitExceededError,
  PlacementGroupRemovedError,
  QueueEmptyError,
  QueueFullError,
  RefReleasedError,
  RuntimeEnvSetupError,
  TaskCancelledError,
  TaskError,
  TaskUnschedulableError,
  WorkerCrashedError,
} from "../common/errors.ts";
export type {
  ActorHandle,
  ActorMethod,
  ActorOptions,
  CancelOptions,
  Cluster,
  ErrorClass,
  GetOptions,
  HandleOf,
  MethodOptions,
  ObjectRef,
  ObjectRefStream,
  PlacementGroup,
  PlacementGroupOptions,
  RefOr,
  RemoteClass,
  RemoteFunction,
  RuntimeEnv,
  SchedulingStrategy,
  TaskOptions,
} from "../common/public_types.ts";
