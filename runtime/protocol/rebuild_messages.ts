/**
 * How a lost object's owner is asked to make it again (messages.ts: agent -> the owner's agent -> the owner), and what the
 * owner asks the head.
 * @module
 */
import type { ActorId, NodeId, ObjectId, ProcessId } from "../common/ids.ts";
import type { Method } from "./method.ts";

export interface RebuildMethods {
  /** No copy is left: answered when the object exists again, `at` that node, or with why it cannot (ObjectLostError,
   *  ObjectReconstructionFailedError, OwnerDiedError, TaskCancelledError). `made`: how often it was made again; `lost`: the
   *  `made` of the copies that the asker found lost, so that many askers, and one that asks again, cause one run. */
  readonly rebuildObject: Method<
    { id: ObjectId; home: NodeId; lost: number },
    { at: NodeId; made: number }
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
