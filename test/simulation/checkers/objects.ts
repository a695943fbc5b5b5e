/**
 * After quiescence the directory is the truth: exactly the objects that lie on the nodes, at exactly these nodes; nobody waits
 * for anything, and no node believes that it is sending something.
 * @module
 */
import type { SimWorld } from "../sim_world.ts";

export function checkDirectory(world: SimWorld): void {
  const directory = world.head.gcs!.objects;
  let copies = 0;
  for (const agent of world.agents.values()) {
    const { sending } = agent.store.fanOut;
    if (sending > 0) world.fail(`${agent.nodeId} is still sending ${sending} objects`);
    for (const { id } of agent.store.table.reports()) {
      copies++;
      if (!directory.get(id)?.holders.has(agent.nodeId)) world.fail(`${id} lies on ${agent.nodeId} unknown`);
    }
  }
  let known = 0;
  for (const entry of directory.entries()) known += entry.holders.size;
  if (known !== copies) world.fail(`the directory knows ${known} copies, there are ${copies}`);
  if (directory.waiterCount > 0) world.fail(`${directory.waiterCount} requests still wait for objects`);
}
