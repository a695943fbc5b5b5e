/**
 * Runs the suite's seeds from 1 on until one fails and prints which, and what found it: `bun run_seeds.ts COUNT`.
 * @module
 */
import process from "node:process";
import { SimulationFailure } from "../sim_world.ts";
import { runSimulation } from "../simulation.ts";

const count = Number(process.argv[2]);
let found: { seed: number | null; checker: string; message: string; seeds: number } = {
  seed: null,
  checker: "",
  message: "",
  seeds: count,
};
for (let seed = 1; seed <= count; seed++) {
  try {
    runSimulation(seed);
  } catch (error) {
    if (!(error instanceof SimulationFailure)) throw error;
    const cause = error.cause as Error;
    found = { seed, checker: finderOf(cause), message: cause.message, seeds: seed };
    break;
  }
}
console.log(JSON.stringify(found));

/** The source that threw: a checker, a part of the simulator that saw something impossible, or a machine's own check. */
function finderOf(error: Error): string {
  for (const line of (error.stack ?? "").split("\n")) {
    const path = /(test\/simulation|runtime)\/[\w./]+\.ts/.exec(line)?.[0];
    if (path === undefined || path.endsWith("/sim_world.ts") || path.endsWith("/assert.ts")) continue;
    return path.replace(/^test\/simulation\/|^runtime\//, "");
  }
  return "unknown";
}
