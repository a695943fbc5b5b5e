/**
 * Checkpoints of durable actors at the head: written by the present incarnation alone, removed when the actor is dead.
 * @module
 */
import type { ActorId } from "../common/ids.ts";
import { MobulaError } from "../common/errors.ts";
import type { ActorRecord } from "../core/actor/actor_events.ts";
import type { Handlers } from "../io/transport/rpc.ts";
import { CHECKPOINT_PREFIX, checkpointKey } from "../protocol/key_value_messages.ts";
import type { HeadMethods } from "../protocol/messages.ts";
import type { KeyValueTable } from "./head_kv.ts";

type RecordOf = (actorId: ActorId) => ActorRecord | null;

/** `refuseWhenFull` throws while the store takes no writes. */
export function checkpointHandlers(
  kv: KeyValueTable,
  recordOf: RecordOf,
  refuseWhenFull: () => void,
): Handlers<HeadMethods> {
  return {
    saveCheckpoint: async ({ actorId, incarnation }, sections) => {
      refuseWhenFull();
      const status = recordOf(actorId)?.status;
      if (status === undefined || status.state === "DEAD" || status.incarnation !== incarnation) {
        throw new MobulaError(
          `The checkpoint of ${actorId}, incarnation ${incarnation}, is refused: ${
            status === undefined
              ? "it is not known"
              : `it is ${status.state}, incarnation ${status.incarnation}`
          }`,
          { code: "StaleIncarnation" },
        );
      }
      await kv.put(checkpointKey(actorId), sections[0] ?? new Uint8Array(0), true);
      return {};
    },
  };
}

/** The actor is dead for good, and durable with this; nothing where it has none. */
export function dropCheckpoint(kv: KeyValueTable, actorId: ActorId): void {
  // A store that fails ends the head; the next one sweeps.
  if (kv.has(checkpointKey(actorId))) kv.delete(checkpointKey(actorId)).catch(() => undefined);
}

/** At a head's start: those that the one before could not remove any more. */
export async function sweepCheckpoints(kv: KeyValueTable, recordOf: RecordOf): Promise<void> {
  for (const key of await kv.list(CHECKPOINT_PREFIX)) {
    const actorId = key.slice(CHECKPOINT_PREFIX.length) as ActorId;
    const state = recordOf(actorId)?.status.state ?? "DEAD";
    if (state === "DEAD") dropCheckpoint(kv, actorId);
  }
}
