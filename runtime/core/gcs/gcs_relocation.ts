/**
 * Actors that were told to start on a node and wait there for resources, while another node could start them now.
 * @module
 */
import type { ActorId, NodeId } from "../../common/ids.ts";
import type { Heartbeat } from "../../protocol/messages.ts";
import type { ActorManager } from "../actor/actor_manager.ts";
import type { PickRequest } from "../scheduler/pick_request.ts";
import { actorPick } from "./gcs_replies.ts";

interface Chooser {
  betterElsewhere(request: PickRequest, current: NodeId): boolean;
}

/** Those of a heartbeat's waiting actors that are better off elsewhere. */
export function* relocations(
  { nodeId, waitingActors }: Heartbeat,
  actors: ActorManager,
  choosers: { readonly scheduler: Chooser; readonly groups: Chooser },
): Iterable<{ readonly actorId: ActorId; readonly incarnation: number }> {
  for (const { actorId, incarnation } of waitingActors ?? []) {
    const record = actors.record(actorId);
    // The heartbeat is older than what happened to the actor meanwhile.
    if (record?.status.nodeId !== nodeId || record.status.incarnation !== incarnation) continue;
    const chooser = record.spec.strategy.type === "group" ? choosers.groups : choosers.scheduler;
    if (chooser.betterElsewhere(actorPick(record.spec, incarnation), nodeId)) yield { actorId, incarnation };
  }
}
