/**
 * How a lost object's owner is asked to make it again (messages.ts: agent -> the owner's agent -> the owner), and what the
 * owner asks the head.
 * @module
 */
import type { ActorId, NodeId, ObjectId, ProcessId, TaskId } from "../common/ids.ts";
import type { LabelWishes } from "../common/labels.ts";
import type { AssignedGroup } from "../common/placement_group.ts";
import type { ResourceSet } from "../common/resources.ts";
import type { RuntimeEnvSpec, Strategy } from "../common/task_spec.ts";
import type { RefTarget } from "./messages.ts";
import type { MakesAgain } from "./push.ts";
import type { Method, Notification } from "./method.ts";

export interface RebuildMethods {
  /** No copy is left: answered when the object exists again, `at` that node, or with why it cannot (ObjectLostError,
   *  ObjectReconstructionFailedError, OwnerDiedError, TaskCancelledError). `made`: how often it was made again; `lost`: the
   *  `made` of the copies that the asker found lost, so that many askers, and one that asks again, cause one run. */
  readonly rebuildObject: Method<
    { id: ObjectId; home: NodeId; lost: number },
    { at: NodeId; made: number }
  >;
}

/** A scheduling shape (core/worker/task_submitter_types.ts), with its folder resolved. */
export interface LineageShape extends LabelWishes {
  readonly key: string;
  readonly resources: ResourceSet;
  readonly strategy: Strategy;
  readonly runtimeEnv: RuntimeEnvSpec;
  readonly group?: AssignedGroup;
}

/** What it takes to submit a task again in another process: its function's place in the function table, and its options. */
export interface LineageCall {
  readonly hash: string;
  readonly functionName: string;
  readonly maxCalls: number;
  readonly name: string;
  readonly shape: LineageShape;
  readonly maxRetries: number;
  readonly numReturns: number;
  readonly retryExceptions: boolean | readonly string[];
  /** Null for what is no generator. */
  readonly items: { readonly backpressure: number; readonly limit: number | null } | null;
}

/** A task as its lineage travels. Its arguments by value are sections of the message, in order. */
export interface LineageTask {
  readonly task: TaskId;
  readonly retriesLeft: number;
  readonly call: LineageCall;
  /** Null: a section; all of them as one block: "block". */
  readonly args: readonly (RefTarget | null)[] | "block";
}

/** Driver, worker -> its agent. */
export interface LineageMethods {
  /** Refs of stored results have left this process: should it end before those who hold them, they are made again without
   *  it. Each task after those that it needs. `results`: those that are referenced; `stored`: arguments, and what made them.
   *  Tasks that are known are not changed. */
  readonly keepLineage: Notification<{
    tasks: (LineageTask & {
      results: number[];
      stored: { id: ObjectId; task: TaskId | null; owned: boolean }[];
    })[];
  }>;
  /** One of these was cancelled: it is not run again. */
  readonly cancelLineage: Notification<{ task: TaskId }>;
}

/** Agent -> agent -> driver, worker: to a process that holds a result of the last task, whose owner is gone. */
export interface HeirMethods {
  /** Run these; results of the last one are stored as those of `as`, the others' are for it only. `wanted`: a generator's
   *  items, by their task and its returns. Answered when the results of the last one exist. ObjectLostError when the receiver
   *  does not hold `id`. */
  readonly remakeObjects: Method<
    { id: ObjectId; as: MakesAgain; tasks: LineageTask[]; wanted: number[] },
    { made: { id: ObjectId; at: NodeId }[] }
  >;
}

/** Process -> head. */
export interface RebuildHeadMethods {
  /** Those of these objects that some node has, as far as the GCS knows. */
  readonly storedAmong: Method<{ ids: readonly ObjectId[] }, { stored: ObjectId[] }>;
  /** Of an actor whose calls' results `process` has, without a handle perhaps: it may want them made again (kept), it is done
   *  with what it revived the actor for (rebuilt), it has none any more (released). Repeating it changes nothing. */
  readonly actorLineage: Method<
    { actorId: ActorId; process: ProcessId; word: "kept" | "rebuilt" | "released" },
    Record<string, never>
  >;
  /** `process` has calls for an actor that may have gone out of scope: it is restarted then, and stays until `process` says
   *  "rebuilt". Answered after the commit, with the incarnation from which on it may be watched; `ending`: it is just going
   *  out of scope, ask again. ActorDiedError. */
  readonly reviveActor: Method<
    { actorId: ActorId; process: ProcessId },
    { incarnation: number; ending: boolean }
  >;
}
