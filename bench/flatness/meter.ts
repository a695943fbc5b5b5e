/**
 * What work costs: by the clock, and in processor time of this process and all that it started. Processor time stays
 * comparable while the machine does other things.
 * @module
 */
import process from "node:process";
import { treeCpu, treeMemory } from "../process_tree.ts";

/** Microseconds for each operation. */
export interface Cost {
  readonly wallUs: number;
  /** Without what the same processes use while nothing is asked of them; NaN where that is most of it, and nothing can be said. */
  readonly cpuUs: number;
}

/** How long the idle processes are watched. */
const IDLE_MS = 1_000;
const REPETITIONS = 5;

/** Processor time of all processes between two looks, without that of the looks: they take long where processes are many. */
class CpuSpan {
  readonly #others: ReadonlyMap<number, number> = treeCpu(process.pid);
  readonly #own: ReturnType<typeof process.cpuUsage> = process.cpuUsage();

  /** A process that ended meanwhile is not counted. */
  endUs(): number {
    const { user, system } = process.cpuUsage(this.#own);
    let total = user + system;
    for (const [pid, us] of treeCpu(process.pid)) {
      if (pid !== process.pid) total += Math.max(0, us - (this.#others.get(pid) ?? 0));
    }
    return total;
  }
}

/** Share of one processor that all processes use while nothing is asked of them. */
export async function idleShare(): Promise<number> {
  const span = new CpuSpan();
  const startMs = performance.now();
  await pause(IDLE_MS);
  return span.endUs() / ((performance.now() - startMs) * 1_000);
}

/** Do `work`, which is `operations` operations. `idle`: an idleShare(). */
export async function costOf(operations: number, idle: number, work: () => Promise<void>): Promise<Cost> {
  const span = new CpuSpan();
  const startMs = performance.now();
  await work();
  const wallUs = (performance.now() - startMs) * 1_000;
  const allUs = span.endUs();
  const cpuUs = allUs - idle * wallUs;
  return { wallUs: wallUs / operations, cpuUs: cpuUs < allUs / 2 ? NaN : cpuUs / operations };
}

/** The cheapest, in processor time, of some repetitions: whatever disturbs them makes them dearer. */
export async function leastCostOf(
  operations: number,
  idle: number,
  work: () => Promise<void>,
  repetitions: number = REPETITIONS,
): Promise<Cost> {
  let least = await costOf(operations, idle, work);
  for (let repetition = 1; repetition < repetitions; repetition++) {
    const cost = await costOf(operations, idle, work);
    if (Number.isNaN(least.cpuUs) || cost.cpuUs < least.cpuUs) least = cost;
  }
  return least;
}

/** Bytes of all processes together, now. */
export function memoryNow(): number {
  return treeMemory(process.pid).total;
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
