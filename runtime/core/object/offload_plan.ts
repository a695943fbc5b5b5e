/**
 * Where the objects of a node that leaves go: each that is nowhere else to the node with the most room left. A pure function
 * over what the object directory and the heartbeats say.
 * @module
 */
import type { NodeId, ObjectId } from "../../common/ids.ts";

/** A node that may take objects. */
export interface OffloadTarget {
  readonly nodeId: NodeId;
  readonly freeBytes: number;
}

/**
 * @param objects with the nodes that are known to hold them
 * @param leaving the node whose copies go
 * @returns per node what it should take; an object that fits nowhere is in none
 */
export function planOffload(
  objects: readonly {
    readonly id: ObjectId;
    readonly bytes: number;
    readonly holders: ReadonlySet<NodeId>;
  }[],
  leaving: NodeId,
  targets: readonly OffloadTarget[],
): { nodeId: NodeId; ids: ObjectId[] }[] {
  const plan = new Map<NodeId, { nodeId: NodeId; ids: ObjectId[] }>();
  const room = new Map(targets.map(({ nodeId, freeBytes }) => [nodeId, freeBytes]));
  const take = (nodeId: NodeId, id: ObjectId): void => {
    const known = plan.get(nodeId);
    if (known === undefined) plan.set(nodeId, { nodeId, ids: [id] });
    else known.ids.push(id);
  };
  for (const { id, bytes, holders } of objects) {
    // A copy elsewhere costs no transfer; it only has to be kept.
    const holder = targets.find(({ nodeId }) => nodeId !== leaving && holders.has(nodeId));
    if (holder !== undefined) {
      take(holder.nodeId, id);
      continue;
    }
    let best: NodeId | null = null;
    for (const [nodeId, free] of room) {
      if (nodeId !== leaving && free >= bytes && (best === null || free > room.get(best)!)) best = nodeId;
    }
    if (best === null) continue;
    take(best, id);
    room.set(best, room.get(best)! - bytes);
  }
  return [...plan.values()];
}
