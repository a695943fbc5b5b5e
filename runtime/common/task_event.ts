/**
 * History: what processes tell the head about their tasks, for people. Batched, absolute where it counts (so that a
 * resent or lost batch never makes a total wrong), and never needed for correctness.
 * @module
 */
import type { ActorId, JobId, NodeId, ObjectId, ProcessId, TaskId } from "./ids.ts";
import type { LabelWishes } from "./labels.ts";
import type { TaskState } from "./task_spec.ts";

export type TaskType = "NORMAL_TASK" | "ACTOR_CREATION_TASK" | "ACTOR_TASK";

/** The failure of another task that a task failed with. */
export interface RootFailure {
  readonly taskId: string;
  /** Its function's name. */
  readonly name: string;
  readonly type: string;
  readonly message: string;
}

/** What the history keeps of a failure. */
export interface ErrorFacts {
  /** The class, as `TaskError(RangeError)`. */
  readonly type: string;
  readonly message: string;
  /** Frames of user code, a line each, the innermost first; absent where there are none, or it is not its own failure. */
  readonly stack?: string;
  /** Absent: it is its own. */
  readonly root?: RootFailure;
}

/** One task's row: a short task sends one, in its final state; a longer one is resent when its state changes. */
export interface TaskRow extends LabelWishes {
  readonly taskId: TaskId;
  readonly attempt: number;
  readonly jobId: JobId;
  readonly name: string;
  readonly type: TaskType;
  readonly state: TaskState;
  readonly parentTaskId: TaskId | null;
  readonly actorId: ActorId | null;
  readonly nodeId: NodeId | null;
  readonly workerId: ProcessId | null;
  /** Milliseconds since the epoch; null for what has not happened. */
  readonly submittedMs: number;
  readonly pushedMs: number | null;
  readonly startMs: number | null;
  readonly endMs: number | null;
  /** Refs among the arguments. */
  readonly args: readonly ObjectId[];
  readonly resultBytes: number;
  readonly error: ErrorFacts | null;
}

/** Exact counts of one function (or actor method) in one process, absolute since the process began. */
export interface FunctionCounts {
  readonly name: string;
  readonly type: TaskType;
  readonly pendingArgs: number;
  readonly pendingNode: number;
  readonly submitted: number;
  readonly running: number;
  readonly finished: number;
  readonly failed: number;
  /** Sum and count of run times, for a mean. */
  readonly runMs: number;
}

/** Data that flowed from one function's results to another's arguments in one process, absolute. `from` may be "put". */
export interface FunctionEdge {
  readonly from: string;
  readonly to: string;
  readonly count: number;
  readonly bytes: number;
}

/**
 * One step of the journeys of the design (section 3), as it happened. `journey` and `step` are the list's name and
 * number; `about` is the task (submit) or the object (get) that it belongs to.
 */
export interface TraceStep {
  readonly taskId: TaskId;
  readonly journey: "submit" | "get";
  readonly step: number;
  /** What was done: `export`, `queue`, `leaseRequest`, `localGrant`, `handOver`, `globalPick`, `spillback`, `argsLocal`,
   *  `argsLookup`, `pull`, `grant`, `push`, `run`, `result`, `record`; for get `local`, `lookup`, `callback`, `pull`, `wake`. */
  readonly name: string;
  readonly nodeId: NodeId | null;
  readonly processId: ProcessId | null;
  readonly atMs: number;
  readonly detail: string;
}

/** What one process (a submitter, an agent) reports at once. Resent until acknowledged, hence `sequence`. */
export interface TaskEventBatch {
  readonly processId: string;
  readonly nodeId: NodeId;
  readonly jobId: JobId | null;
  readonly sequence: number;
  readonly counts: readonly FunctionCounts[];
  readonly edges: readonly FunctionEdge[];
  readonly rows: readonly TaskRow[];
  readonly steps: readonly TraceStep[];
  /** Rows that were not recorded because the rate was over the limit; absolute. */
  readonly rowsDropped: number;
}
