/**
 * Sorts more random 64-bit integers than fit into memory: a shuffle through the object stores of three nodes, which spill to
 * disk what does not fit.
 *
 *     bun examples/sort.ts [--mb 1000] [--chunk-mb 64] [--store-mb 340] [--seed 1] [--stay]
 *
 * Map tasks make a chunk of numbers each and split it by value; reduce tasks gather one range of values from every map task and
 * sort it; check tasks read the sorted chunks again. The output is right when every chunk is in order, begins above the end of
 * the one before, and all together hold exactly the numbers that were made (count and checksums). It runs on an embedded
 * cluster of three nodes with `--store-mb` of memory each, or on the one that MOBULA_ADDRESS names. `--stay` keeps the sorted
 * chunks until Enter is pressed: look at them in the dashboard, and at what the tasks wrote into its logs.
 * @module
 */
import { parseArgs } from "node:util";
import { get, init, nodes, type ObjectRef, release, remote, wait } from "mobula";
import { showProgress } from "./support/progress.ts";
import { stayUntilEnter } from "./support/stay.ts";

/** What a set of numbers is known by, in any order: sums and exclusive ors of the lower and upper halves. */
interface Summary {
  readonly count: number;
  readonly sums: readonly [number, number];
  readonly xors: readonly [number, number];
}

interface CheckedChunk extends Summary {
  readonly ordered: boolean;
  readonly first: bigint;
  readonly last: bigint;
}

const NUMBER_BYTES = 8;

function summarize(halves: Int32Array): Summary {
  let [sumLow, sumHigh, xorLow, xorHigh] = [0, 0, 0, 0];
  for (let at = 0; at < halves.length; at += 2) {
    const low = halves[at]!, high = halves[at + 1]!;
    sumLow = sumLow + low | 0;
    sumHigh = sumHigh + high | 0;
    xorLow ^= low;
    xorHigh ^= high;
  }
  return { count: halves.length / 2, sums: [sumLow, sumHigh], xors: [xorLow, xorHigh] };
}

/** Random numbers as pairs of 32-bit halves, the lower one first (xorshift128 by Marsaglia). */
function randomHalves(seed: number, count: number): Int32Array {
  const halves = new Int32Array(2 * count);
  let [x, y, z, w] = [seed ^ 0x9e3779b9, seed + 362436069 | 0, 521288629, 88675123];
  for (let at = -32; at < halves.length; at++) {
    const t = x ^ x << 11;
    x = y;
    y = z;
    z = w;
    w = w ^ w >>> 19 ^ t ^ t >>> 8;
    if (at >= 0) halves[at] = w;
  }
  return halves;
}

/** Makes numbers and splits them into ranges of values. Returns their summary, then a range each. */
function makeAndSplit(seed: number, count: number, parts: number): [Summary, ...BigInt64Array[]] {
  const halves = randomHalves(seed, count);
  const partOf = (high: number): number => Math.floor((high + 2 ** 31) / 2 ** 32 * parts);
  const sizes = new Int32Array(parts);
  for (let at = 1; at < halves.length; at += 2) sizes[partOf(halves[at]!)]!++;
  const ranges = Array.from(sizes, (size) => new BigInt64Array(size));
  const views = ranges.map((range) => new Int32Array(range.buffer));
  const ends = new Int32Array(parts);
  for (let at = 0; at < halves.length; at += 2) {
    const part = partOf(halves[at + 1]!);
    const end = ends[part]!;
    views[part]![end] = halves[at]!;
    views[part]![end + 1] = halves[at + 1]!;
    ends[part] = end + 2;
  }
  return [summarize(halves), ...ranges];
}

/** Gathers one range of values from all map tasks, and sorts it. */
function gatherAndSort(...ranges: BigInt64Array[]): BigInt64Array {
  const sorted = new BigInt64Array(ranges.reduce((sum, range) => sum + range.length, 0));
  let at = 0;
  for (const range of ranges) {
    sorted.set(range, at);
    at += range.length;
  }
  console.log(`sorts ${sorted.length} numbers of ${ranges.length} ranges`);
  return sorted.sort();
}

function checkChunk(chunk: BigInt64Array): CheckedChunk {
  const halves = new Int32Array(chunk.buffer, chunk.byteOffset, 2 * chunk.length);
  let ordered = true;
  for (let at = 3; at < halves.length && ordered; at += 2) {
    const above = halves[at]! - halves[at - 2]!;
    ordered = above > 0 || (above === 0 && halves[at - 1]! >>> 0 >= halves[at - 3]! >>> 0);
  }
  return { ...summarize(halves), ordered, first: chunk[0]!, last: chunk.at(-1)! };
}

const { values: flags } = parseArgs({
  options: {
    mb: { type: "string", default: "1000" },
    "chunk-mb": { type: "string", default: "64" },
    "store-mb": { type: "string", default: "340" },
    seed: { type: "string", default: "1" },
    stay: { type: "boolean", default: false },
  },
});
const [totalMb, chunkMb, storeMb, seed] = [flags.mb, flags["chunk-mb"], flags["store-mb"], flags.seed].map(
  Number,
);
if (![totalMb, chunkMb, storeMb].every((size) => size! > 0) || !Number.isSafeInteger(seed)) {
  console.error("sort: --mb, --chunk-mb and --store-mb take numbers above 0, --seed a whole number");
  process.exit(2);
}
/** As many ranges as chunks, so that a sorted chunk is about as large as one that was made. */
const chunks = Math.ceil(totalMb! / chunkMb!);
const numbersPerChunk = Math.floor(chunkMb! * 1e6 / NUMBER_BYTES);

const nodeOptions = process.env.MOBULA_ADDRESS
  ? {}
  : { numNodes: 3, numCpus: 1, objectStoreBytes: storeMb! * 1e6 };
// The terminal is the progress bar's: what tasks print goes to the logs alone.
await using cluster = await init({ ...nodeOptions, logToDriver: false });
console.error(`cluster ${cluster.address}, dashboard ${cluster.dashboardUrl ?? "off"}`);
const cpus = (await nodes()).filter(({ alive }) => alive)
  .reduce((sum, { resources }) => sum + (resources["CPU"] ?? 0), 0);
/** Enough to keep every CPU busy while arguments arrive, few enough to leave the stores room. */
const inFlightMax = Math.max(2, Math.ceil(1.5 * cpus));

const split = remote(makeAndSplit, { name: "split", numReturns: chunks + 1, schedulingStrategy: "SPREAD" });
const gather = remote(gatherAndSort, { name: "gather", schedulingStrategy: "SPREAD" });
const check = remote(checkChunk, { name: "check" });

const startMs = performance.now();
const made = await phase("split", chunks, (n) => {
  const [summary, ...ranges] = split.remote(seed! * 1_000_003 + n, numbersPerChunk, chunks) as [
    ObjectRef<Summary>,
    ...ObjectRef<BigInt64Array>[],
  ];
  return { last: summary, result: { summary, ranges } };
});
const sorted = await phase("sort", chunks, (n) => {
  const parts = made.map(({ ranges }) => ranges[n]!);
  const chunk = gather.remote(...parts);
  return { last: chunk, result: chunk, done: () => parts.forEach(release) };
});
const sortedMs = performance.now() - startMs;
const checked = await phase("check", chunks, (n) => {
  const outcome = check.remote(sorted[n]!);
  return { last: outcome, result: outcome };
});

const expected = total(await get(made.map(({ summary }) => summary)));
const reports = await get(checked);
const found = total(reports);
const inOrder = reports.every(({ ordered, first }, n) =>
  ordered && (n === 0 || reports[n - 1]!.last < first)
);
const same = JSON.stringify(expected) === JSON.stringify(found);
const megabytes = expected.count * NUMBER_BYTES / 1e6;
console.log(
  `${expected.count} numbers, ${megabytes.toFixed(0)} MB in ${chunks} chunks: ${
    inOrder ? "in order" : "NOT IN ORDER"
  }, ` +
    `${
      same ? "all of them and no others" : "NOT THE NUMBERS THAT WERE MADE"
    } (checksums ${found.sums}, ${found.xors})`,
);
console.error(
  `sorted in ${(sortedMs / 1000).toFixed(1)} s, ${(megabytes * 1000 / sortedMs).toFixed(0)} MB/s`,
);
console.error(
  `tasks: ${made.length} split, ${sorted.length} gather, ${checked.length} check; ${
    made.flatMap(({ ranges }) => ranges).length
  } ranges between them, ${sorted.length} sorted chunks held`,
);
if (!inOrder || !same) process.exitCode = 1;
if (flags.stay) await stayUntilEnter(cluster.dashboardUrl);

/** Runs `count` tasks, a bounded number at a time, and shows how far they are. Answers their results in order. */
async function phase<R>(
  name: string,
  count: number,
  submit: (n: number) => { last: ObjectRef<unknown>; result: R; done?: () => void },
): Promise<R[]> {
  console.error(`${name}: ${count} tasks`);
  const progress = showProgress(count * chunkMb! * 1e6);
  const results: R[] = [];
  const inFlight = new Map<ObjectRef<unknown>, (() => void) | undefined>();
  while (results.length < count || inFlight.size > 0) {
    if (results.length < count && inFlight.size < inFlightMax) {
      const { last, result, done } = submit(results.length);
      results.push(result);
      inFlight.set(last, done);
      continue;
    }
    const [[ready]] = await wait([...inFlight.keys()], { fetchLocal: false });
    inFlight.get(ready!)?.();
    inFlight.delete(ready!);
    progress.advance(chunkMb! * 1e6);
  }
  progress.end();
  return results;
}

/** The summary of several sets together. */
function total(summaries: readonly Summary[]): Summary {
  return summaries.reduce((a, b) => ({
    count: a.count + b.count,
    sums: [a.sums[0] + b.sums[0] | 0, a.sums[1] + b.sums[1] | 0],
    xors: [a.xors[0] ^ b.xors[0], a.xors[1] ^ b.xors[1]],
  }));
}
