/**
 * After quiescence: what the GCS says of placement groups is what the nodes hold, and ended jobs' groups hold nothing.
 * @module
 */
import type { SimWorld } from "../sim_world.ts";

export function checkGroups(world: SimWorld): void {
  const gcs = world.head.gcs!;
  const placed = new Set<string>();
  for (const { spec, state, placements } of gcs.groups.records()) {
    if (state === "REMOVED") continue;
    if (state !== "CREATED") world.fail(`${spec.groupId} is ${state} for ever`);
    if (!gcs.jobs.isRunning(spec.jobId)) world.fail(`${spec.groupId} lives on after its job ${spec.jobId}`);
    placements.forEach((nodeId, index) => placed.add(`${spec.groupId}/${index}@${nodeId}`));
  }
  for (const agent of world.agents.values()) {
    for (const { groupId, index, committed } of agent.scheduler.bundles.reports()) {
      const bundle = `${groupId}/${index}@${agent.nodeId}`;
      if (!placed.delete(bundle)) world.fail(`${bundle} is reserved, which the GCS does not know`);
      if (!committed) world.fail(`${bundle} is reserved and does not count`);
    }
  }
  for (const bundle of placed) world.fail(`${bundle} is not reserved`);
}
