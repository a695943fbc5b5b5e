/**
 * The simulated clusters of simulation.test.ts with many more seeds, half of them fresh in every run; a seed that fails is
 * printed with the command that replays it.
 */
import { longRunReason, testUnless } from "../support/skip.ts";
import { runSimulation } from "./simulation.ts";

const SEEDS = 2_000;

testUnless(longRunReason())("2,000 fixed seeds keep every promise", () => {
  for (let seed = 1_000; seed < 1_000 + SEEDS; seed++) runSimulation(seed);
}, 300_000);

testUnless(longRunReason())("2,000 fresh seeds keep every promise", () => {
  const first = Math.floor(Math.random() * 2 ** 30);
  for (let seed = first; seed < first + SEEDS; seed++) runSimulation(seed);
}, 300_000);

testUnless(longRunReason())("20 clusters of 1,000 nodes keep every promise", () => {
  const size = { nodes: 1_000, drivers: 60, tasks: 30, faults: 60 };
  for (let seed = 1; seed <= 20; seed++) runSimulation(seed, { size });
}, 900_000);
