/**
 * After the faults have stopped everything ends: every task has an outcome, every request an answer.
 * @module
 */
import { groupsAreOver } from "./groups.ts";
import type { SimWorld } from "../sim_world.ts";

export function isQuiet(world: SimWorld): boolean {
  const { gcs } = world.head;
  if (gcs === null || gcs.scheduler.demand().length > 0 || gcs.objects.waiterCount > 0) return false;
  for (const driver of world.drivers) if (!driver.isSettled) return false;
  if (!groupsAreOver(world)) return false;
  for (const worker of world.workers.values()) if (worker.keepsRefs) return false;
  // A node that is lost for good must be known to be dead.
  if (gcs.nodes.members().some((nodeId) => !world.agents.has(nodeId))) return false;
  for (const agent of world.agents.values()) {
    const { nodeId, epoch } = agent.config;
    if (!agent.host.alive || gcs.nodes.state(nodeId) !== "ALIVE" || !gcs.nodes.isMember(nodeId, epoch)) {
      return false;
    }
    if (!agent.link.isUp || agent.link.openCount > 0) return false;
    if (agent.scheduler.pendingCount > 0 || agent.scheduler.leaseCount !== agent.actors.hostedCount) {
      return false;
    }
  }
  const settled = new Set(["ALIVE", "DEAD"]);
  return gcs.actors.records().every(({ status }) => settled.has(status.state));
}

/** Why it is not quiet, for the error. */
export function describeUnrest(world: SimWorld): string {
  const unrest: string[] = [];
  for (const driver of world.drivers) {
    if (!driver.isSettled) unrest.push(`${driver.id} (${driver.state}) waits: ${driver.submitter?.outcomes}`);
  }
  for (const agent of world.agents.values()) {
    const { scheduler, link, actors } = agent;
    unrest.push(
      `${agent.nodeId}: link ${link.isUp ? "up" : "down"} with ${link.openCount} requests, ` +
        `${scheduler.pendingCount} pending ${JSON.stringify(scheduler.demand())}, ` +
        `${scheduler.leaseCount} leases, ${actors.hostedCount} actors`,
    );
  }
  for (const worker of world.workers.values()) {
    if (worker.keepsRefs) unrest.push(`${worker.id} on ${worker.agent.nodeId} keeps refs`);
  }
  const { gcs } = world.head;
  unrest.push(`head: ${JSON.stringify(gcs?.scheduler.demand())}, ${gcs?.objects.waiterCount} waiters`);
  unrest.push(`groups: ${JSON.stringify(gcs?.groups.demand())}`);
  for (const { status } of gcs?.actors.records() ?? []) {
    if (status.state !== "ALIVE" && status.state !== "DEAD") unrest.push(JSON.stringify(status));
  }
  return unrest.join("\n");
}
