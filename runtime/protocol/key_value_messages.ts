/**
 * The messages about the key-value table, and about durable actors' checkpoints, which are rows of it: a part of HeadMethods
 * (messages.ts).
 * @module
 */
import type { ActorId } from "../common/ids.ts";
import type { Method } from "./method.ts";

export interface KeyValueMethods {
  /** Key-value; answered after the commit. Values are sections (section 0). */
  readonly kvPut: Method<{ key: string; overwrite: boolean }, { existed: boolean }>;
  readonly kvGet: Method<{ key: string }, { found: boolean }>;
  readonly kvDelete: Method<{ key: string }, { existed: boolean }>;
  readonly kvList: Method<{ prefix: string }, { keys: string[] }>;

  /** Section 0 is the checkpoint, which is read with kvGet; answered after the commit. Refused for any but the actor's present incarnation: one that was
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

/** And the histories of actors that restarted. */
export const ACTOR_EVENTS_PREFIX = "actor-events/";
