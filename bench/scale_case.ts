/**
 * One measurement of the scale section, in a process of its own so that its memory is its own:
 *
 *   scale_case.ts CASE COUNT      prints one line of JSON: the figures by name (see scale.ts)
 * @module
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { asCompleted, get, init, type ObjectRef, put, ready, remote, shutdown, wait } from "mobula";
import { check } from "./pools.ts";
import { treeCpuUs } from "./process_tree.ts";
import { percentile } from "./timing.ts";

/** Microseconds by name. */
type Figures = Record<string, number>;

const WORKERS = 2;
/** Small rounds are repeated until they are about so many tasks together. */
const TASKS_OF_ROUNDS = 50_000;
/** Of 5,000 calls each, before anything counts: until the code is compiled for good. */
const WARMUPS = 20;
/** More than what can be in flight: when the last ones are done, all are. */
const LAST = 4_096;

const echo = remote((value: number) => value);
const sum = remote((...values: (number | Uint8Array)[]) => {
  let total = 0;
  for (const value of values) total += typeof value === "number" ? value : value[0]!;
  return total;
});
const sumOf = remote(async (refs: ObjectRef<number>[]) => {
  const values = await get(refs);
  let total = 0;
  for (const value of values) total += value;
  return total;
});
const stored = remote((value: number) => new Uint8Array(200_000).fill(value));
const listOf = remote(async (count: number) =>
  await Promise.all(Array.from({ length: count }, (_, n) => put(n)))
);
/** Keeps its worker until the file is there. It sleeps and does not wait, so that nothing is handed back. */
const gate = remote((path: string) => {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  while (!existsSync(path)) Atomics.wait(cell, 0, 0, 1);
});
const Echo = remote(
  class {
    echo(value: number): number {
      return value;
    }
    gate(path: string): void {
      const cell = new Int32Array(new SharedArrayBuffer(4));
      while (!existsSync(path)) Atomics.wait(cell, 0, 0, 1);
    }
  },
);

const folder = mkdtempSync(join(tmpdir(), "mobula-scale-"));
let gates = 0;

/** Workers that are kept busy by `hold`; answers how they are let go, which resolves with the time when the first one was. */
async function closeGate(
  hold: (path: string) => ObjectRef<void>,
  workers: number,
): Promise<() => Promise<number>> {
  const path = join(folder, `gate${gates++}`);
  const held = Array.from({ length: workers }, () => hold(path));
  // Let the pushes leave: what is submitted next in this tick must find the workers taken.
  await new Promise((resolve) => setTimeout(resolve, 50));
  return async () => {
    writeFileSync(path, "");
    await Promise.race(held.map((ref) => get(ref)));
    const openedMs = performance.now();
    for (const ref of held) ref.release();
    return openedMs;
  };
}

interface Queued {
  readonly call: (value: number) => ObjectRef<number>;
  readonly hold: (path: string) => ObjectRef<void>;
  readonly workers: number;
  readonly keepsRefs: boolean;
  /** Calls in one tick. */
  readonly tick: number;
}

/**
 * Queue `count` calls behind a gate, then open it: microseconds a call for both, by the clock and of processor time (to
 * queue: this process; to run: all of them). Medians over the rounds by the clock, the mean of processor time.
 */
async function queued(count: number, { call, hold, workers, keepsRefs, tick }: Queued): Promise<Figures> {
  for (let warmup = 0; warmup < WARMUPS; warmup++) {
    await drained(Array.from({ length: 5_000 }, (_, index) => call(index)));
  }
  const submits: number[] = [];
  const drains: number[] = [];
  let submitCpuUs = 0;
  let drainCpuUs = 0;
  const rounds = Math.max(1, Math.floor(TASKS_OF_ROUNDS / count));
  for (let round = 0; round < rounds; round++) {
    const open = await closeGate(hold, workers);
    const refs: ObjectRef<number>[] = [];
    const usage = process.cpuUsage();
    const startMs = performance.now();
    for (let index = 0; index < count; index++) {
      const ref = call(index);
      if (keepsRefs || index >= count - LAST) refs.push(ref);
      else ref.release();
      if (index % tick === tick - 1) await new Promise((resolve) => setImmediate(resolve));
    }
    submits.push((performance.now() - startMs) * 1_000 / count);
    const { user, system } = process.cpuUsage(usage);
    submitCpuUs += user + system;
    drainCpuUs -= treeCpuUs(process.pid);
    const openedMs = await open();
    const values = await get(refs);
    drains.push((performance.now() - openedMs) * 1_000 / count);
    drainCpuUs += treeCpuUs(process.pid);
    check(values.at(-1), count - 1);
    check(values[0], count - refs.length);
    for (const ref of refs) ref.release();
  }
  const calls = rounds * count;
  return {
    submitUs: median(submits),
    drainUs: median(drains),
    submitCpuUs: submitCpuUs / calls,
    drainCpuUs: drainCpuUs / calls,
  };
}

async function drained(refs: ObjectRef<number>[]): Promise<void> {
  await get(refs);
  for (const ref of refs) ref.release();
}

function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

const tasks = {
  call: (value: number) => echo.remote(value),
  hold: (path: string) => gate.remote(path),
  workers: WORKERS,
};
const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
const sumTo = (count: number): number => count * (count - 1) / 2;

/** Time `work` over several rounds after one that warms up: microseconds for each of `count`. */
async function timed(count: number, work: () => Promise<unknown>, rounds = 5): Promise<Figures> {
  const taken: number[] = [];
  for (let round = -1; round < rounds; round++) {
    const startMs = performance.now();
    await work();
    if (round >= 0) taken.push((performance.now() - startMs) * 1_000 / count);
  }
  return { us: median(taken) };
}

const cases: Record<string, (count: number) => Promise<Figures>> = {
  "tasks-kept": (count) => queued(count, { ...tasks, keepsRefs: true, tick: Infinity }),
  "tasks-released": (count) => queued(count, { ...tasks, keepsRefs: false, tick: Infinity }),
  "tasks-ticks": (count) => queued(count, { ...tasks, keepsRefs: true, tick: 1_000 }),
  "calls-kept": async (count) => {
    const actor = Echo.remote();
    await ready(actor);
    const call = (value: number): ObjectRef<number> => actor.echo.remote(value);
    const hold = (path: string): ObjectRef<void> => actor.gate.remote(path);
    return queued(count, { call, hold, workers: 1, keepsRefs: true, tick: Infinity });
  },
  "fan-in": async (count) => {
    const refs = range(count).map((value) => echo.remote(value));
    await get(refs);
    return timed(count, async () => check(await get(sum.remote(...refs)), sumTo(count)));
  },
  "fan-in-pending": (count) =>
    timed(count, async () => {
      const refs = range(count).map((value) => echo.remote(value));
      check(await get(sum.remote(...refs)), sumTo(count));
    }),
  "fan-in-stored": async (count) => {
    const refs = range(100).map(() => stored.remote(1));
    const small = range(count - refs.length).map((value) => echo.remote(value));
    await wait(refs, { numReturns: refs.length });
    return timed(
      count,
      async () => check(await get(sum.remote(...refs, ...small)), 100 + sumTo(count - 100)),
    );
  },
  "fan-in-nested": (count) =>
    timed(count, async () => {
      const refs = range(count).map((value) => echo.remote(value));
      check(await get(sumOf.remote(refs)), sumTo(count));
      for (const ref of refs) ref.release();
    }),
  "get": async (count) => {
    const refs = range(count).map((value) => echo.remote(value));
    await get(refs);
    return timed(count, () => get(refs), 21);
  },
  "get-pending": (count) =>
    timed(count, async () => drained(range(count).map((value) => echo.remote(value)))),
  "get-containing": (count) =>
    timed(count, async () => {
      const refs = await get(listOf.remote(count)) as ObjectRef<number>[];
      check((await get(refs)).at(-1), count - 1);
      for (const ref of refs) ref.release();
    }),
  "wait-loop": (count) =>
    timed(count, async () => {
      let left: ObjectRef<number>[] = range(count).map((value) => echo.remote(value));
      while (left.length > 0) {
        const [done, remaining] = await wait(left);
        for (const ref of done) ref.release();
        left = remaining;
      }
    }),
  "as-completed": (count) =>
    timed(count, async () => {
      let seen = 0;
      for await (const ref of asCompleted(range(count).map((value) => echo.remote(value)))) {
        seen++;
        ref.release();
      }
      check(seen, count);
    }),
};

const [name = "", count = ""] = process.argv.slice(2);
const run = cases[name];
if (run === undefined) throw new Error(`no case ${name}: ${Object.keys(cases).join(", ")}`);
try {
  await init({ numCpus: WORKERS, dashboard: false, logToDriver: false });
  const figures = await run(Number(count));
  await shutdown();
  console.log(JSON.stringify(figures));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
