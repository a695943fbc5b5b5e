/**
 * Placement groups are whole or hold nothing: a bundle of a group that is CREATED is held by its node; and after quiescence
 * no group is left and no node holds a bundle.
 * @module
 */
import type { SimWorld } from "../sim_world.ts";

export function checkGroupsWhole(world: SimWorld): void {
  const { gcs } = world.head;
  for (const { state, spec, placements } of gcs?.groups.records() ?? []) {
    if (state !== "CREATED") continue;
    for (const [index, nodeId] of placements.entries()) {
      const agent = world.agents.get(nodeId!);
      // One that died, or whose next incarnation has not registered: the head will hear of it.
      if (!agent?.host.alive || !gcs!.nodes.isMember(agent.nodeId, agent.config.epoch) || !agent.link.isUp) {
        continue;
      }
      const held = agent.scheduler.bundles.reports().some((bundle) =>
        bundle.groupId === spec.groupId && bundle.index === index && bundle.committed
      );
      if (!held) world.fail(`${spec.groupId} is CREATED, ${nodeId} does not hold its bundle ${index}`);
    }
  }
}

export function checkGroupsGone(world: SimWorld): void {
  for (const { state, spec } of world.head.gcs!.groups.records()) {
    if (state !== "REMOVED") world.fail(`${spec.groupId} is ${state} for ever`);
  }
  for (const agent of world.agents.values()) {
    const bundles = agent.scheduler.bundles.reports();
    if (bundles.length > 0) world.fail(`${agent.nodeId} still holds ${JSON.stringify(bundles)}`);
  }
}

/** Whether groups are over that were to be. */
export function groupsAreOver(world: SimWorld): boolean {
  const records = world.head.gcs?.groups.records() ?? [];
  return records.every(({ state }) => state === "REMOVED");
}
