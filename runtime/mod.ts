/**
 * mobula: Ray's programming model for TypeScript. Remote functions, actors and a distributed object store on Bun, Deno and
 * Node. This is the whole public API.
 * @module
 */
export { init, isInitialized, shutdown } from "./api/init.ts";
export { remote } from "./api/remote.ts";
export { asCompleted, get, mapTasks, put, release, wait } from "./api/objects.ts";
export { cancel } from "./api/cancel.ts";
export { checkpoint, exitActor, getActor, kill, ready } from "./api/actors.ts";
export { onShutdown, restoreState, saveState } from "./common/actor_hooks.ts";
export { getPlacementGroup, placementGroup, removePlacementGroup } from "./api/placement_groups.ts";
export { ActorPool, type NextOptions } from "./api/actor_pool.ts";
export { Pool, type PoolMapOptions, type PoolOptions } from "./api/pool.ts";
export { Queue, type QueueOptions } from "./io/core_worker/library/queue.ts";
export { type AcquireOptions, Semaphore, type SemaphoreOptions } from "./io/core_worker/library/semaphore.ts";
export { runtimeContext } from "./api/context.ts";
export { Counter, Gauge, Histogram, type HistogramOptions, type MetricOptions } from "./api/metrics.ts";
export { registerClass } from "./api/classes.ts";
export { setLogOptions } from "./api/driver_output.ts";
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
} from "./api/state.ts";
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
} from "./common/errors.ts";
export type {
  ActorHandle,
  ActorMethod,
  ActorOptions,
  CancelOptions,
  Cluster,
  ErrorClass,
  GetOptions,
  HandleOf,
  InitOptions,
  LogOptions,
  MethodOptions,
  ObjectRef,
  ObjectRefStream,
  PlacementGroup,
  PlacementGroupOptions,
  RefOr,
  RemoteClass,
  RemoteFunction,
  RuntimeContext,
  RuntimeEnv,
  SchedulingStrategy,
  TaskOptions,
} from "./common/public_types.ts";
export type { TraceEvent } from "../dashboard/api/timeline.ts";
