/**
 * How a lost object's owner is asked to make it again (messages.ts: agent -> the owner's agent -> the owner), and what the
 * owner asks the head.
 * @module
 */
import type { NodeId, ObjectId } from "../common/ids.ts";
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
}
