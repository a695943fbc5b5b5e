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

interface Choosers {
  readonly scheduler: Chooser;
  readonly groups: Chooser;
}

type Relocation = { readonly actorId: ActorId; readonly incarnation: number };

const NONE: readonly Relocation[] = Object.freeze([]);

/** Those of a heartbeat's waiting actors that are better off elsewhere. Most heartbeats have none that wait. */
export function relocations(
  heartbeat: Heartbeat,
  actors: ActorManager,
  choosers: Choosers,
): Iterable<Relocation> {
  const isAny = heartbeat.waitingActors !== undefined && heartbeat.waitingActors.length > 0;
  return isAny ? betterOff(heartbeat, actors, choosers) : NONE;
}

function* betterOff(
  { nodeId, waitingActors }: Heartbeat,
  actors: ActorManager,
  choosers: Choosers,
): Iterable<Relocation> {
  for (const { actorId, incarnation } of waitingActors ?? []) {
    const record = actors.record(actorId);
    // The heartbeat is older than what happened to the actor meanwhile.
    if (record?.status.nodeId !== nodeId || record.status.incarnation !== incarnation) continue;
    const chooser = record.spec.strategy.type === "group" ? choosers.groups : choosers.scheduler;
    if (chooser.betterElsewhere(actorPick(record.spec, incarnation), nodeId)) yield { actorId, incarnation };
  }
}
