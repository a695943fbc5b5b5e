/** The placement group manager in a small world where connections break, nodes die and heads die half-way. */
import { expect, test } from "bun:test";
import { GroupWorld, TOTAL } from "./placement_groups_world.ts";

const SEEDS = Number(process.env.SEEDS ?? 20);

test("after faults every group is whole, and after its removal nothing is held", () => {
  const seen = new Map<string, number>();
  for (let seed = 1; seed <= SEEDS; seed++) {
    try {
      const world = new GroupWorld(seed, 4);
      const stormMs = world.nowMs + 8_000;
      for (let step = 0; world.nowMs < stormMs; step++) {
        world.advance();
        if (step % 3 === 0) world.mischief();
      }
      world.calm = true;
      const calmMs = world.nowMs + 10_000;
      while (world.nowMs < calmMs) world.advance();
      for (const { state, spec, message } of world.live) {
        expect(state, `${spec.groupId}: ${message}`).toBe("CREATED");
      }
      for (const { spec } of world.live) world.remove(spec.groupId);
      const endMs = world.nowMs + 1_000;
      while (world.nowMs < endMs) world.advance();
      for (const { nodeId, resources, bundles } of world.nodes.values()) {
        expect(bundles.reports(), nodeId).toEqual([]);
        expect(resources.available, nodeId).toEqual(TOTAL);
      }
      for (const [state, count] of world.seen) seen.set(state, (seen.get(state) ?? 0) + count);
    } catch (error) {
      throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
    }
  }
  // The storm was one: every state was seen, often.
  for (const state of ["PENDING", "PREPARED", "CREATED", "RESCHEDULING", "REMOVED"]) {
    expect(seen.get(state) ?? 0, state).toBeGreaterThan(SEEDS);
  }
});
