/**
 * What agents tell the head of light actors, many in a message (HeadMethods of light_actor_messages.ts).
 * @module
 */
import { unpackActors } from "../common/actor_batches.ts";
import type { NodeId } from "../common/ids.ts";
import type { GcsEvent } from "../core/gcs/gcs_events.ts";
import type { Handlers } from "../io/transport/rpc.ts";
import type { HeadMethods } from "../protocol/messages.ts";
import type { HeadServices } from "./head_methods.ts";

const NOTHING: Uint8Array = new Uint8Array(0);

/** `ask` puts a request to the GCS; `refuseWhenFull` throws while the store takes no new work. */
export function lightActorHandlers(
  { actorBytes, effects }: HeadServices,
  nodeId: NodeId,
  ask: <R>(event: (requestId: string) => GcsEvent) => Promise<R>,
  refuseWhenFull: () => void,
): Handlers<HeadMethods> {
  return {
    createActors: (batch, sections) => {
      refuseWhenFull();
      const actors = unpackActors(batch, sections[0] ?? NOTHING);
      if (actors.length === 0) throw new RangeError("a batch of no actors");
      for (const { spec, args } of actors) actorBytes.offer(spec.actorId, args);
      const specs = actors.map(({ spec }) => spec);
      return ask((requestId) => ({ type: "createActors", requestId, nodeId, specs }));
    },
    watchActors: ({ actorIds }) => {
      const events = actorIds.map((actorId) => ({ type: "watchActor" as const, nodeId, actorId }));
      effects.step({ type: "actorEvents", requestId: null, events });
    },
    unwatchActors: ({ actorIds }) => {
      const events = actorIds.map((actorId) => ({ type: "unwatchActor" as const, nodeId, actorId }));
      effects.step({ type: "actorEvents", requestId: null, events });
    },
    actorsOutOfScope: ({ actorIds }) => {
      const events = actorIds.map((actorId) => ({ type: "actorOutOfScope" as const, actorId }));
      return ask((requestId) => ({ type: "actorEvents", requestId, events }));
    },
    actorsStarted: (params) => ask((requestId) => ({ ...params, type: "actorsStarted", requestId, nodeId })),
    actorsEnded: (params) => ask((requestId) => ({ ...params, type: "actorsEnded", requestId, nodeId })),
  };
}
