/**
 * Goal: whatever happens, nothing is over-committed, granted twice, forgotten or leaked. Method: seeded random worlds
 * around the real machine, its invariants checked after each step; then the faults stop and everything must end with all
 * resources back. A failure prints its seed.
 */
import { test } from "bun:test";
import { strict as assert } from "node:assert";
import { HERE, THERE, World } from "./local_scheduler_world.ts";

const RUNS = 1000;
const STEPS = 60;

function run(seed: number): void {
  const world = new World(seed);
  world.send({ type: "prestart", count: world.prng.below(3) });
  world.send({ type: "peersChanged", alive: world.prng.chance(70) ? [HERE, THERE] : [HERE] });
  for (let step = 0; step < STEPS; step++) {
    if (world.prng.chance(60)) world.mischief();
    else world.advance();
  }
  world.calm = true;
  world.send({ type: "peersChanged", alive: [HERE, THERE] });
  const endMs = world.nowMs + 600_000;
  while (world.nowMs < endMs && (world.open.size > 0 || world.held.size > 0)) {
    if (!world.advance()) break;
  }
  assert.deepEqual([...world.open.keys()], [], "every request has an answer in the end");
  assert.deepEqual([...world.held.keys()], [], "every lease ends");
  // What is on its way: exits, returns, timers.
  const quietMs = world.nowMs + 60_000;
  while (world.nowMs < quietMs && world.advance());
  const available = world.machine.available;
  for (const name of Object.keys(world.total)) {
    assert.equal(available[name], world.total[name], `all ${name} is free again`);
  }
  assert.equal(world.machine.pendingCount, 0);
  assert.equal(world.machine.leaseCount, 0);
  assert.deepEqual([...world.pinned], [], "no argument stays pinned");
  assert(world.machine.workerCount <= 8, "idle workers beyond one for each CPU and four are gone");
}

test("random requests, faults and answers leave nothing over-committed, leaked or unanswered", () => {
  const first = Number(process.env.MOBULA_TEST_SEED ?? Date.now() % 1_000_000);
  const runs = process.env.MOBULA_TEST_SEED === undefined ? RUNS : 1;
  for (let seed = first; seed < first + runs; seed++) {
    try {
      run(seed);
    } catch (error) {
      throw new Error(`Seed ${seed} fails; again with MOBULA_TEST_SEED=${seed}.`, { cause: error });
    }
  }
});
