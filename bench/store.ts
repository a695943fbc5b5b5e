/**
 * The object store beside what the machine allows: memory copy, a bare HTTP/2 stream, the disk. On an embedded cluster of its
 * own, so that nothing else lies in its stores.
 * @module
 */
import process from "node:process";
import { currentDriver } from "../runtime/api/init.ts";
import { get, init, put, release, remote, shutdown } from "../runtime/mod.ts";
import type { ObjectRef } from "../runtime/mod.ts";
import type { LocalCluster } from "../runtime/process/local_cluster.ts";
import { measureGetsOf } from "./gets.ts";
import { check } from "./pools.ts";
import { memoryCopy } from "./raw.ts";
import { isSpillingWanted, measureSpilling } from "./spilling.ts";
import type { Group, Mark } from "./table.ts";
import { type Contestant, type Measurement, medianOf, race, type Result } from "./timing.ts";

const NAME = "mobula";
const MB = 1024 * 1024;
const GB = 1024 * MB;
const LARGE = 256 * MB;
/** Room for two of the largest objects: the second is made while the first one's views are collected. */
const STORE_BYTES = 2.5 * GB;
const RECEIVERS = 8;
const RECEIVER_BYTES = 2.5 * LARGE;
/** What the section needs of the program around it. */
export interface Bench {
  isWanted(title: string): boolean;
  group(
    title: string,
    unit: Group["unit"],
    contestants: readonly Contestant[],
    measurement: Measurement,
    mark?: Mark,
  ): Promise<void>;
  add(group: Group): void;
  /** For files of this run. */
  readonly folder: string;
}

const TITLES = {
  put: "store: put of 256 MB",
  get: "store: get of 1 GB on its node",
  small: "store: put of 1 KB, from one client",
  broadcast: `store: 256 MB to ${RECEIVERS} agents`,
} as const;

const sizeOf = remote((value: Uint8Array) => value.length);

/** All groups of the section that are wanted; about a minute and a half. */
export async function measureStore(bench: Bench): Promise<void> {
  if (!Object.values(TITLES).some((title) => bench.isWanted(title)) && !isSpillingWanted(bench)) return;
  await init({ numCpus: 2, objectStoreBytes: STORE_BYTES, dashboard: false, logToDriver: false });
  try {
    const putMark: Mark = { than: "memory copy (warm)", ratio: 0.8 };
    await bench.group(
      TITLES.put,
      "bytes",
      [putting(LARGE), memoryCopy(LARGE)],
      { operations: 1, bytes: LARGE, slices: 11 },
      putMark,
    );
    await bench.group(TITLES.small, "calls", [putting(1_000)], { operations: 50_000, slices: 5 }, {
      perSecondMin: 50_000,
    });
    if (bench.isWanted(TITLES.get)) await gets(bench);
    if (bench.isWanted(TITLES.broadcast)) await broadcasts(bench);
    if (isSpillingWanted(bench)) await measureSpilling(bench, embedded());
  } finally {
    await shutdown();
  }
}

export function putting(bytes: number): Contestant {
  const value = new Uint8Array(bytes).fill(1);
  return {
    name: NAME,
    slice: async (operations, lap) => {
      for (let index = 0; index < operations; index++) {
        const ref = await put(value);
        lap();
        release(ref);
      }
    },
  };
}

async function gets(bench: Bench): Promise<void> {
  process.stderr.write(`${TITLES.get} ...\n`);
  for (const [runtime, where] of [["bun", ""], ["deno", ", a driver on Deno"]] as const) {
    const results = await measureGetsOf(NAME, runtime);
    bench.add({ title: `${TITLES.get}${where}`, unit: "ms", results, mark: { msMax: 1 } });
  }
}

/** In turns by hand: what is made ready for the next round must not be measured. The first round warms up. */
async function rounds(
  count: number,
  contestants: readonly Contestant[],
  bytes: number,
  prepare: () => Promise<void>,
): Promise<Result[]> {
  const all: Result[][] = [];
  for (let round = 0; round <= count; round++) {
    await prepare();
    all.push(await race(contestants, { operations: 1, slices: 1, warmups: 0, bytes }));
  }
  return contestants.map((_, index) => medianOf(all.slice(1).map((round) => round[index]!)));
}

function embedded(): LocalCluster {
  const local = currentDriver()?.local;
  if (!local) throw new Error("the cluster is not embedded");
  return local;
}

/** One more node; its id. */
async function addAgent(objectStoreBytes: number): Promise<string> {
  return (await embedded().addAgent({ numCpus: 1, objectStoreBytes, prestart: 1 })).ready.nodeId;
}

const on = (nodeId: string) => ({ schedulingStrategy: { nodeId } });

async function broadcasts(bench: Bench): Promise<void> {
  process.stderr.write(`${TITLES.broadcast} ...\n`);
  const nodes = await Promise.all(Array.from({ length: RECEIVERS }, () => addAgent(RECEIVER_BYTES)));
  const made: ObjectRef<Uint8Array>[] = [];
  const value = new Uint8Array(LARGE).fill(1);
  const prepare = async (): Promise<void> => {
    for (const ref of made.splice(0)) release(ref);
    made.push(await put(value), await put(value));
  };
  const send = (name: string, index: number, receivers: readonly string[]): Contestant => ({
    name,
    slice: async () => {
      const sizes = receivers.map((node) => sizeOf.options(on(node)).remote(made[index]!));
      for (const size of await get(sizes)) check(size, LARGE);
      for (const ref of sizes) release(ref);
    },
  });
  const one = "to one agent";
  const results = await rounds(5, [send(NAME, 0, nodes), send(one, 1, nodes.slice(0, 1))], LARGE, prepare);
  bench.add({ title: TITLES.broadcast, unit: "ms", results, mark: { than: one, ratio: 1 / 3 } });
  for (const ref of made) release(ref);
}
