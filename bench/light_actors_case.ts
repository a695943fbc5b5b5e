/**
 * The measurement of the light actors' section, in a process of its own:
 *
 *   light_actors_case.ts COUNT      prints one line of JSON: LightFigures (light_actors.ts)
 * @module
 */
import process from "node:process";
import { get, init, listActors, type ObjectRef, ready, release, remote, shutdown } from "mobula";
import type { LightFigures } from "./light_actors.ts";
import { check } from "./pools.ts";
import { treeCpuUs, treeMemory } from "./process_tree.ts";
import { percentile } from "./timing.ts";

const WORKERS = 2;
/** Created before anything counts: hosts are there, code is loaded and compiled. */
const WARM_ACTORS = 1_000;
/** Idle processes give memory back after a while. */
const SETTLE_MS = 10_000;
const SLICES = 15;
const SINGLE_CALLS = 1_000;
const BATCHES = 20;
const IN_FLIGHT = 1_000;

class Cell {
  value = 0;
  increment(): number {
    return ++this.value;
  }
}
const Light = remote(Cell, { isolation: "shared" });
const Dedicated = remote(Cell, { numCpus: 0 });
type Call = () => ObjectRef<number>;

/** Calls a second: the median of slices that the two take in turns. */
async function compared(
  slice: (call: Call) => Promise<number>,
  calls: { readonly light: Call; readonly dedicated: Call },
): Promise<{ light: number; dedicated: number }> {
  const light: number[] = [];
  const dedicated: number[] = [];
  for (let round = -3; round < SLICES; round++) {
    const rates = [await timed(slice, calls.light), await timed(slice, calls.dedicated)];
    if (round < 0) continue;
    light.push(rates[0]!);
    dedicated.push(rates[1]!);
  }
  return { light: median(light), dedicated: median(dedicated) };
}

async function timed(slice: (call: Call) => Promise<number>, call: Call): Promise<number> {
  const startMs = performance.now();
  const count = await slice(call);
  return count / ((performance.now() - startMs) / 1_000);
}

async function oneAtATime(call: Call): Promise<number> {
  for (let n = 0; n < SINGLE_CALLS; n++) {
    const ref = call();
    await get(ref);
    ref.release();
  }
  return SINGLE_CALLS;
}

async function manyInFlight(call: Call): Promise<number> {
  for (let n = 0; n < BATCHES; n++) {
    const refs = Array.from({ length: IN_FLIGHT }, call);
    await get(refs);
    for (const ref of refs) ref.release();
  }
  return BATCHES * IN_FLIGHT;
}

function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

async function measure(count: number): Promise<LightFigures> {
  const warm = Array.from({ length: WARM_ACTORS }, () => Light.remote());
  await Promise.all(warm.map((actor) => ready(actor)));
  const memoryBefore = treeMemory(process.pid).total;
  let cpuUs = -treeCpuUs(process.pid);
  let startMs = performance.now();
  const actors = Array.from({ length: count }, () => Light.remote());
  await Promise.all(actors.map((actor) => ready(actor)));
  const createdPerSecond = count / ((performance.now() - startMs) / 1_000);
  cpuUs += treeCpuUs(process.pid);
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const memoryIdle = treeMemory(process.pid).total;

  startMs = performance.now();
  const refs = actors.map((actor) => actor.increment.remote());
  check((await get(refs)).reduce((sum, value) => sum + value, 0), count);
  const eachCalledPerSecond = count / ((performance.now() - startMs) / 1_000);
  for (const ref of refs) ref.release();

  const dedicated = Dedicated.remote();
  await ready(dedicated);
  const calls = {
    light: () => warm[0]!.increment.remote(),
    dedicated: () => dedicated.increment.remote(),
  };
  const single = await compared(oneAtATime, calls);
  const inFlight = await compared(manyInFlight, calls);

  startMs = performance.now();
  actors.forEach(release);
  while ((await listActors({ filters: ["state=ALIVE"], limit: 10 * WARM_ACTORS })).length > WARM_ACTORS + 1) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const endedPerSecond = count / ((performance.now() - startMs) / 1_000);
  const createCpuUs = cpuUs / count;
  return {
    createdPerSecond,
    memoryIdle,
    memoryBefore,
    eachCalledPerSecond,
    single,
    inFlight,
    createCpuUs,
    endedPerSecond,
  };
}

await init({ numCpus: WORKERS, dashboard: false, logToDriver: false });
const figures = await measure(Number(process.argv[2]));
await shutdown();
console.log(JSON.stringify(figures));
process.exit(0);
