/**
 * No node is over-committed, each lease is granted once, to one request, on a worker that serves no other.
 * @module
 */
import type { SimAgent } from "../sim_agent.ts";
import type { SimWorld } from "../sim_world.ts";

export function checkLeases(world: SimWorld): void {
  const granted = new Map<string, string>();
  world.onGrant = (agent, leaseId, key) => {
    const before = granted.get(leaseId);
    if (before !== undefined) world.fail(`lease ${leaseId} of ${key} was granted to ${before} before`);
    granted.set(leaseId, key);
    checkHeld(world, agent);
    const worker = agent.leases.get(leaseId)!.workerId;
    if (!world.workers.get(worker)?.alive) {
      world.fail(`lease ${leaseId} is granted on ${worker}, which is not alive`);
    }
    for (const [other, book] of agent.leases) {
      if (other !== leaseId && book.workerId === worker) {
        world.fail(`${worker} serves ${leaseId} and ${other}`);
      }
    }
  };
}

/** What is held fits the node. Only the CPU of workers that were blocked may be in use twice for a while. */
function checkHeld(world: SimWorld, agent: SimAgent): void {
  const held: Record<string, number> = {};
  for (const book of agent.leases.values()) {
    for (const name in book.resources) {
      if (!(book.lent && name === "CPU")) held[name] = (held[name] ?? 0) + book.resources[name]!;
    }
  }
  for (const name in held) {
    const total = agent.config.resources[name] ?? 0;
    if (held[name]! > total) {
      world.fail(`${agent.nodeId} has ${total} ${name}, its leases hold ${held[name]}`);
    }
  }
}

/** After quiescence: nothing waits, nothing is held but by actors. */
export function checkLeasesReturned(world: SimWorld): void {
  for (const agent of world.agents.values()) {
    if (agent.scheduler.pendingCount > 0) {
      world.fail(`${agent.nodeId} still has requests: ${JSON.stringify(agent.scheduler.demand())}`);
    }
    const actors = agent.actors.hostedCount;
    if (agent.scheduler.leaseCount !== actors) {
      world.fail(`${agent.nodeId} has ${agent.scheduler.leaseCount} leases for ${actors} actors`);
    }
    agent.scheduler.check();
  }
}
