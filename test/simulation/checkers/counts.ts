/**
 * At rest the nodes agree on who holds what: a node that an object's home counts is there and holds the object, and a node
 * that holds an object of another home is counted there.
 * @module
 */
import type { SimWorld } from "../sim_world.ts";

export function checkCounts(world: SimWorld): void {
  for (const agent of world.agents.values()) {
    const { references } = agent.store;
    for (const { id, home } of references.counted()) {
      for (const node of references.holdersOf(id)) {
        if (world.agents.get(node)?.store.references.holds(id)) continue;
        world.fail(`${agent.nodeId} counts ${node} for ${id}, which does not hold it`);
      }
      // What was counted by a home that died is forgotten.
      if (home === agent.nodeId || world.fallen.has(home)) continue;
      if (world.agents.get(home)?.store.references.holdersOf(id).includes(agent.nodeId)) continue;
      world.fail(`${agent.nodeId} holds ${id}, and its home ${home} does not count it`);
    }
  }
}
