/**
 * A broadcast between hosts whose links have a limited rate: what it costs beside sending to one of them. On one machine's
 * loopback all copies compete for its processors, and nothing is seen of who sends what to whom.
 * @module
 */
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { get, type ObjectRef, release, remote, wait } from "../runtime/mod.ts";
import { LinkedCluster } from "./linked_cluster.ts";
import { check } from "./pools.ts";
import { ShapedLinks } from "./shaped_links.ts";
import type { Bench } from "./store.ts";
import { type Contestant, medianOf, missing, race, type Result } from "./timing.ts";

const MB = 1024 * 1024;
const BYTES = 64 * MB;
const RECEIVERS = 8;
/** Little beside what this machine's processors can move in all. */
const MEGABITS = 500;
const ROUNDS = 3;
const TITLE = `store: 64 MB to ${RECEIVERS} agents, each behind a link of ${MEGABITS} Mbit/s`;
const ONE = "to one agent";

const make = remote((bytes: number) => new Uint8Array(bytes).fill(1));
const sizeOf = remote((value: Uint8Array) => value.length);
const on = (nodeId: string) => ({ schedulingStrategy: { nodeId } });

export async function measureBroadcast(bench: Bench): Promise<void> {
  if (!bench.isWanted(TITLE)) return;
  process.stderr.write(`${TITLE} ...\n`);
  const reason = ShapedLinks.whyNot();
  if (reason !== null) {
    return bench.add({ title: TITLE, unit: "ms", results: [missing("mobula", reason)] });
  }
  const links = ShapedLinks.make(RECEIVERS + 1, MEGABITS);
  const cluster = new LinkedCluster(links, mkdtempSync(join(bench.folder, "links-")), 3 * BYTES);
  try {
    const [source, ...receivers] = await cluster.start(RECEIVERS + 1);
    const results = await broadcasts(source!, receivers);
    bench.add({ title: TITLE, unit: "ms", results, mark: { than: ONE, ratio: 1 / 3 } });
  } finally {
    await cluster.stop();
    links.remove();
  }
}

async function broadcasts(source: string, receivers: readonly string[]): Promise<Result[]> {
  const made: ObjectRef<Uint8Array>[] = [];
  const send = (name: string, index: number, to: readonly string[]): Contestant => ({
    name,
    slice: async () => {
      const sizes = to.map((node) => sizeOf.options(on(node)).remote(made[index]!));
      for (const size of await get(sizes)) check(size, BYTES);
      for (const ref of sizes) release(ref);
    },
  });
  const contestants = [send("mobula", 0, receivers), send(ONE, 1, receivers.slice(0, 1))];
  const all: Result[][] = [];
  // The first round warms up.
  for (let round = 0; round <= ROUNDS; round++) {
    for (const ref of made.splice(0)) release(ref);
    for (const _ of contestants) made.push(make.options(on(source)).remote(BYTES));
    await wait(made, { numReturns: made.length, fetchLocal: false, timeoutMs: 60_000 });
    all.push(await race(contestants, { operations: 1, slices: 1, warmups: 0 }));
  }
  for (const ref of made) release(ref);
  return contestants.map((_, index) => medianOf(all.slice(1).map((round) => round[index]!)));
}
