/**
 * Clusters of the real machines under virtual time and random faults. Goal: every promise that the checkers name holds for
 * every seed; a seed that fails is printed with the command that replays it. Method: 200 fixed seeds here, more in the long
 * run; and the traces of some seeds, whole events and effects, are equal on the three runtimes.
 */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { runProgram, RUNTIMES } from "../support/run_program.ts";
import { runSimulation } from "./simulation.ts";

const SEEDS = 200;
const PER_TEST = 25;

describe("a simulated cluster keeps its promises", () => {
  for (let first = 1; first <= SEEDS; first += PER_TEST) {
    test(`with seeds ${first} to ${first + PER_TEST - 1}`, () => {
      let finished = 0;
      for (let seed = first; seed < first + PER_TEST; seed++) finished += runSimulation(seed).finished;
      // Not all of the work may be lost to the faults, else nothing was tested.
      expect(finished).toBeGreaterThan(PER_TEST * 5);
    }, 60_000);
  }
});

test("a cluster of 1,000 nodes keeps its promises", () => {
  const size = { nodes: 1_000, drivers: 40, tasks: 25, faults: 30 };
  const { finished } = runSimulation(1, { size });
  expect(finished).toBeGreaterThan(300);
}, 120_000);

/** Kinds of storm.ts: the head stands still for up to 8 s, an agent for up to 5 s. */
const PAUSES = [1, 9];

test("processes that stand still for a while cost no node its life", () => {
  for (let seed = 1; seed <= 30; seed++) {
    const { nodesDead } = runSimulation(seed, { kinds: PAUSES });
    expect(`seed ${seed}: ${nodesDead} dead`).toBe(`seed ${seed}: 0 dead`);
  }
}, 60_000);

test("one seed has one trace, run after run", () => {
  const full = { mode: "full" } as const;
  expect(runSimulation(7, full)).toEqual(runSimulation(7, full));
  expect(runSimulation(7, full).hash).not.toBe(runSimulation(8, full).hash);
});

test("one seed has one trace on Bun, Deno and Node", async () => {
  const program = join(import.meta.dirname, "replay.ts");
  const args = ["1,2,3,4,5,6,7,8,9,10,11,12", "quiet"];
  const traces = await Promise.all(RUNTIMES.map((runtime) => runProgram(runtime, program, { args })));
  expect(traces[0]!.trim().split("\n")).toHaveLength(12);
  expect(traces[1]).toBe(traces[0]!);
  expect(traces[2]).toBe(traces[0]!);
}, 60_000);
