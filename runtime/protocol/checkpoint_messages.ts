/**
 * The messages about durable actors' checkpoints, a part of HeadMethods (messages.ts). A checkpoint is a row of the key-value
 * table; it is read with kvGet.
 * @module
 */
import type { ActorId } from "../common/ids.ts";
import type { Method } from "./method.ts";

export interface CheckpointMethods {
  /** Section 0 is the checkpoint; answered after the commit. Refused for any but the actor's present incarnation: one that was
   *  given up must not overwrite what its successor began with. */
  readonly saveCheckpoint: Method<{ actorId: ActorId; incarnation: number }, Record<string, never>>;
}

/** Bytes of a checkpoint, at most. */
export const CHECKPOINT_BYTES_MAX: number = 16 * 1024 * 1024;

/** Where in the key-value table the checkpoints are. */
export const CHECKPOINT_PREFIX = "checkpoint/";

export function checkpointKey(actorId: ActorId): string {
  return CHECKPOINT_PREFIX + actorId;
}
