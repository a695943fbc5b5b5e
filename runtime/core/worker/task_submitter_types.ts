/**
 * What the task submitter (task_submitter.ts) knows of tasks, leases and scheduling classes, and what it asks for.
 * @module
 */
import type { Deque } from "../../common/deque.ts";
import type { LabelWishes } from "../../common/labels.ts";
import type { AssignedGroup } from "../../common/placement_group.ts";
import type { ResourceSet } from "../../common/resources.ts";
import type { RuntimeEnvRequest } from "../../common/runtime_env.ts";
import type { ArgumentRef, DeathCause, Grant, Strategy } from "../../common/task_spec.ts";

/** What leases are interchangeable for: equal keys, equal everything. */
export interface SchedulingShape extends LabelWishes {
  readonly key: string;
  readonly resources: ResourceSet;
  readonly strategy: Strategy;
  readonly runtimeEnv: RuntimeEnvRequest;
  /** The placement group of a group strategy, as its workers are told. */
  readonly group?: AssignedGroup;
}

/** Run-time estimate of one function in this process; shared by all of its tasks. */
export interface FunctionTiming {
  /** Moving average of run times in microseconds; 0 when never measured. */
  estimateUs: number;
}

/** What the submitter must know of a task; the caller's own task objects extend it. */
export interface SubmittedTask {
  readonly sequence: number;
  readonly shape: SchedulingShape;
  readonly timing: FunctionTiming;
  /** Nothing else may be in flight beside it: it must not be repeated, or it was in flight when a worker died. */
  exclusive: boolean;
  /** Of its arguments, as they are pushed. */
  readonly bytes: number;
  readonly storedArgs: readonly ArgumentRef[];
  /** System failures that may still be retried; -1 without end. */
  retriesLeft: number;
  /** What its retries were at first: 0 forbids those after kills for low memory too. */
  readonly maxRetries: number;
  /** How often it was killed for low memory. */
  memoryKills: number;
  /** For good: see cancellation.ts. */
  cancelled: boolean;
  /** What its run was expected to take when it was pushed, in microseconds: what its lease's load counts. */
  expectedUs: number;
}

/** One granted worker, with the tasks that it has. */
export interface Lease<T extends SubmittedTask> {
  readonly grant: Grant;
  readonly requestId: string;
  readonly queue: ClassQueue<T>;
  readonly inFlight: Map<number, T>;
  /** Expected run time of what is in flight. */
  loadUs: number;
  /** Arguments of what is in flight. */
  loadBytes: number;
  /** Give it back when what is in flight is done. */
  reclaimed: boolean;
  /** It was asked back before its grant came: it has one turn. */
  hasOneTurn: boolean;
  /** Its worker ends when it can (maxCalls): nobody may have it again. */
  retired: boolean;
  /** Its task waits in get or wait: nothing more goes there until it has answered. */
  blocked: boolean;
  idleSinceMs: number;
  /** When something was last pushed to the idle worker, or came back: a worker without progress is not counted on. */
  progressMs: number;
}

/** All tasks of one scheduling class that wait, and the leases for them. */
export interface ClassQueue<T extends SubmittedTask> {
  readonly key: string;
  readonly shape: SchedulingShape;
  readonly waiting: Deque<T>;
  /** Moving average of the class's run times, in microseconds. */
  estimateUs: number;
  readonly leases: Set<Lease<T>>;
  readonly requests: Set<string>;
  /** The number of waiting tasks that the scheduler was last told with its requests. */
  toldBacklog: number;
  /** Granted workers in a row that could not be reached. */
  unreached: number;
}

/** What the submitter asks of its surroundings. Called in the order in which things must happen. */
export interface SubmitterEffects<T extends SubmittedTask> {
  requestLease(requestId: string, queue: ClassQueue<T>, first: T, backlog: number): void;
  cancelLease(requestId: string): void;
  returnLease(lease: Lease<T>): void;
  push(lease: Lease<T>, tasks: T[]): void;
  /** Its worker died, and no retry is left. `cause`: why, where that is known already. */
  lost(task: T, lease: Lease<T>, cause: DeathCause | null): void;
  /** It may have started: the attempt number grows. `ran`: it surely had, which used up a retry. */
  retried(task: T, ran: boolean, cause: DeathCause | null): void;
  /** It was pushed and is back in its queue: it surely was not started. */
  unstarted(task: T): void;
  /** After unstarted(): it was cancelled meanwhile, so that it never runs. */
  dropped(task: T): void;
}

export interface SubmitterLimits {
  readonly requestsPerClass: number;
  readonly leaseIdleMs: number;
  /** How often one task is tried again after kills for low memory; -1 without end. */
  readonly memoryRetries: number;
  /** Tasks with stored arguments that ask for a lease or have one, at most: each is a class of its own. */
  readonly argumentRequests: number;
}
