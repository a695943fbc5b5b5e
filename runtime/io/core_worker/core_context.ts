/**
 * What the parts of a core worker share: who this process is, its link to the agent, and its objects, codec, functions
 * and history. Made by core_worker.ts.
 * @module
 */
import type { ErrorFacts } from "../../common/task_event.ts";
import type { JobId, NodeId, ProcessId, TaskId } from "../../common/ids.ts";
import type { RuntimeEnvRequest } from "../../common/runtime_env.ts";
import type { DeathCause } from "../../common/task_spec.ts";
import type { AssignedGroup } from "../../common/placement_group.ts";
import type { Assignment } from "../../protocol/push.ts";
import type { ActorUses } from "./actor_uses.ts";
import type { AgentLink } from "./agent_link.ts";
import type { Entry } from "./entry.ts";
import type { FunctionTable } from "./functions.ts";
import type { ItemCalls } from "./item_calls.ts";
import type { ObjectManager } from "./objects.ts";
import type { ActorRebuilds } from "./actor_rebuilds.ts";
import type { PushChannel } from "./push_channel.ts";
import type { Rebuilds } from "./rebuilds.ts";
import type { TaskRecorder } from "./recorder.ts";
import type { ValueCodec } from "./value_codec.ts";
import type { WorkerLink } from "./worker_link.ts";
import type { Puts } from "./puts.ts";
import type { CancelManager } from "./cancels.ts";
import type { Work } from "./work.ts";
import type { FolderAccess } from "./core_host.ts";

/** The task or call that user code runs in right now. */
export interface CurrentTask {
  readonly taskId: TaskId;
  /** How many tasks that may be blocked stand above what it submits: one more for a task, none for an actor. */
  readonly childDepth: number;
  /** What it may use. */
  readonly assigned: Assignment;
  /** It submitted this: cancelled with it. */
  adopt(work: Work): void;
}

/** Where a worker can be reached: a grant, or an actor's status. */
export interface WorkerAddress {
  readonly nodeId: NodeId;
  readonly workerId: ProcessId;
  readonly socketPath: string;
}

/** Who this process is. Node, job and namespace are "" until it is connected. */
export interface Identity {
  readonly self: ProcessId;
  node: NodeId;
  jobId: JobId;
  namespace: string;
}

/** See the module's header. */
export interface CoreContext {
  readonly identity: Identity;
  /** Why this process is no part of the cluster any more. */
  readonly closedReason: Error | null;
  /** It may not speak to the head. */
  readonly isRestricted: boolean;
  /** Resolves when the identity is known. */
  readonly connected: Promise<void>;
  /** The environment that tasks of this process have unless they say otherwise: the job's, in a worker its own. */
  readonly runtimeEnv: RuntimeEnvRequest;
  readonly workingDirs: FolderAccess;
  readonly link: AgentLink;
  readonly codec: ValueCodec;
  readonly objects: ObjectManager;
  readonly puts: Puts;
  readonly actorUses: ActorUses;
  readonly functions: FunctionTable;
  readonly recorder: TaskRecorder;
  readonly itemCalls: ItemCalls;
  readonly cancels: CancelManager;
  readonly rebuilds: Rebuilds;
  readonly actorRebuilds: ActorRebuilds;
  /** Milliseconds since the epoch, monotonic within the process. */
  nowMs(): number;
  currentTask(): CurrentTask | null;
  /** The placement group of the task that user code runs in, when it captures what that submits. */
  readonly inheritedGroup: AssignedGroup | null;
  openWorker(address: WorkerAddress): Promise<PushChannel>;
  nextSequence(): number;
  /** Runs now, or when the names that this process is registering are committed. */
  afterNames(run: () => void): void;
  readonly namesPending: boolean;
  /** Tell the worker that the refs in these results are counted here, once they are. */
  acknowledgeReturned(link: WorkerLink, sequences: readonly number[]): void;
  /** Whether an error may be retried under this option. */
  isRetried(error: Uint8Array, retryExceptions: boolean | readonly string[]): boolean;
  /** Whether a failure before a task began may be another one's luck. */
  isTransient(error: Uint8Array): boolean;
  workerFate(address: WorkerAddress): Promise<DeathCause>;
  /** The error of a call that cannot run because an argument failed. */
  argumentError(failed: Entry, name: string, task: TaskId): Uint8Array;
  /** What the history keeps of the encoded error that this task failed with. */
  describeError(error: Uint8Array | null, task: TaskId): ErrorFacts;
}
