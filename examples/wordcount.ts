/**
 * Counts the words of every text file below a folder, as a map-reduce over the nodes of a cluster.
 *
 *     bun examples/wordcount.ts [FOLDER] [--check]
 *
 * This program reads the files and puts them into the object store in batches; map tasks, spread over the nodes, count a
 * batch each; reducers, one actor for each share of the words, add the counts up. So it needs no shared file system. It runs
 * on an embedded cluster of two nodes, or on the one that MOBULA_ADDRESS names. FOLDER is the installed node_modules unless
 * given. `--check` counts everything again in this process alone, and fails unless both agree exactly.
 * @module
 */
import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";
import { get, type HandleOf, init, nodes, type ObjectRef, put, remote, wait } from "mobula";
import { showProgress } from "./support/progress.ts";
import { readBatches, readTexts, textFiles } from "./support/text_files.ts";

/** How many reducers share the words, and so how many parts each map task returns. */
const PARTS = 4;
const BATCH_BYTES = 4 * 1024 * 1024;
/** Batches at work at once, for each CPU of the cluster: enough to keep it busy, few enough to bound memory. */
const BATCHES_PER_CPU = 3;

/** Words are runs of letters, digits and underscores, in lower case. Returns the counts in parts, and where it ran. */
async function countWords(bytes: Uint8Array, parts: number): Promise<[string, ...Map<string, number>[]]> {
  const { runtimeContext } = await import("mobula");
  const counts = Array.from({ length: parts }, () => new Map<string, number>());
  const text = new TextDecoder().decode(bytes).toLowerCase();
  for (const [word] of text.matchAll(/[\p{L}\p{N}_]+/gu)) {
    const part = counts[(word.charCodeAt(0) + word.length) % parts]!;
    part.set(word, (part.get(word) ?? 0) + 1);
  }
  return [runtimeContext().nodeId, ...counts];
}

const mapBatch = remote(countWords, {
  name: "mapBatch",
  numReturns: PARTS + 1,
  schedulingStrategy: "SPREAD",
});

const Reducer = remote(
  class Reducer {
    #counts = new Map<string, number>();
    add(part: Map<string, number>): number {
      for (const [word, count] of part) this.#counts.set(word, (this.#counts.get(word) ?? 0) + count);
      return this.#counts.size;
    }
    top(n: number): [string, number][] {
      return [...this.#counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)).slice(0, n);
    }
    all(): Map<string, number> {
      return this.#counts;
    }
  },
  { schedulingStrategy: "SPREAD" },
);

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { check: { type: "boolean", default: false } },
});
const folder = positionals[0] ?? fileURLToPath(new URL("../node_modules", import.meta.url));
const files = await textFiles(folder);
if (files.list.length === 0) {
  console.error(`No text files below ${folder}`);
  process.exit(1);
}

await using cluster = await init(process.env.MOBULA_ADDRESS ? {} : { numNodes: 2 });
console.error(`cluster ${cluster.address}, dashboard ${cluster.dashboardUrl ?? "off"}`);
const alive = (await nodes()).filter((node) => node.alive);
const cpus = alive.reduce((sum, node) => sum + (node.resources["CPU"] ?? 0), 0);
const startMs = performance.now();
const reducers = Array.from({ length: PARTS }, () => Reducer.remote());
const run = await mapReduce(reducers, Math.max(2, Math.round(cpus * BATCHES_PER_CPU)));
const seconds = (performance.now() - startMs) / 1000;

const top = (await get(reducers.map((reducer) => reducer.top.remote(20)))).flat()
  .sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)).slice(0, 20);
for (const [word, count] of top) console.log(`${String(count).padStart(9)}  ${word}`);
const megabytes = files.bytes / 1e6;
console.log(
  `${files.list.length} files, ${megabytes.toFixed(1)} MB in ${seconds.toFixed(2)} s, ${
    (megabytes / seconds).toFixed(1)
  } MB/s; ` +
    `${run.batches} batches on ${run.nodeIds.size} of ${alive.length} nodes`,
);
if (flags.check && !await agrees()) process.exitCode = 1;

/** Feeds batches to map tasks and their results to the reducers, with at most `inFlightMax` batches under way. */
async function mapReduce(
  reducers: readonly HandleOf<typeof Reducer>[],
  inFlightMax: number,
): Promise<{ batches: number; nodeIds: Set<string> }> {
  const progress = showProgress(files.bytes);
  const result = { batches: 0, nodeIds: new Set<string>() };
  /** By the reference to wait for: what goes with it. */
  const inFlight = new Map<ObjectRef<number>, () => Promise<void>>();
  const finishOne = async () => {
    const [[done]] = await wait([...inFlight.keys()]);
    await inFlight.get(done!)!();
    inFlight.delete(done!);
  };
  for await (const batch of readBatches(files.list, BATCH_BYTES)) {
    if (inFlight.size >= inFlightMax) await finishOne();
    const bytes = await put(batch);
    const [where, ...parts] = mapBatch.remote(bytes, PARTS) as [
      ObjectRef<string>,
      ...ObjectRef<Map<string, number>>[],
    ];
    const sums = parts.map((part, i) => reducers[i]!.add.remote(part));
    inFlight.set(sums.at(-1)!, async () => {
      const [nodeId] = await Promise.all([get(where), get(sums)]);
      result.nodeIds.add(nodeId);
      result.batches++;
      progress.advance(batch.length);
      // The references would go by themselves, but later: the store should hold only what is under way.
      for (const ref of [bytes, where, ...parts, ...sums]) ref.release();
    });
  }
  while (inFlight.size > 0) await finishOne();
  progress.end();
  return result;
}

/** Counts again, file by file, in this process, and compares every word. */
async function agrees(): Promise<boolean> {
  const expected = new Map<string, number>();
  for await (const bytes of readTexts(files.list)) {
    const [, counts] = await countWords(bytes, 1);
    for (const [word, count] of counts!) expected.set(word, (expected.get(word) ?? 0) + count);
  }
  const parts = await get(reducers.map((reducer) => reducer.all.remote()));
  const size = parts.reduce((sum, part) => sum + part.size, 0);
  const same = size === expected.size &&
    parts.every((part) => [...part].every(([word, count]) => expected.get(word) === count));
  const total = [...expected.values()].reduce((sum, count) => sum + count, 0);
  console.log(
    same
      ? `agrees exactly with a single process: ${expected.size} different words, ${total} in all`
      : `DIFFERS from a single process: ${size} different words, expected ${expected.size}`,
  );
  return same;
}
