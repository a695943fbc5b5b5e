/**
 * Replays one simulated run and prints its trace: `bun test/simulation/replay.ts SEED [print|quiet]`. With `quiet` only
 * the result is printed, one line per seed of a comma-separated list, for the comparison between engines.
 * @module
 */
import process from "node:process";
import { runSimulation } from "./simulation.ts";

const [seeds = "", mode = "print"] = process.argv.slice(2);
const list = seeds.split(",").map(Number);
if (seeds === "" || list.some((seed) => !Number.isInteger(seed))) {
  console.error("usage: bun test/simulation/replay.ts SEED[,SEED…] [print|quiet]");
  process.exit(1);
}
for (const seed of list) {
  const result = runSimulation(seed, { mode: mode === "quiet" ? "full" : "print" });
  console.log(JSON.stringify(result));
}
