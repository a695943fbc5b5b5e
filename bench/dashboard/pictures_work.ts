/**
 * Work that gives every page of the dashboard something to show; this process is its driver.
 * @module
 */
import { get, type HandleOf, type ObjectRef, placementGroup, put, remote } from "mobula";

const PAGES = 240;
const PAGE_BYTES = 60_000;

const fetchPage = remote(async (n: number, bytes: number): Promise<Uint8Array> => {
  await new Promise((resolve) => setTimeout(resolve, 15 + n % 7 * 10));
  if (n % 40 === 17) throw new RangeError(`page ${n} has no title`);
  if (n % 60 === 0) console.log(`fetched page ${n}: ${bytes} bytes`);
  return new Uint8Array(bytes).fill(n);
}, { name: "fetchPage", schedulingStrategy: "SPREAD" });

const parsePage = remote((page: Uint8Array): number[] => {
  const counts = new Array<number>(64).fill(0);
  for (let round = 0; round < 20; round++) for (const byte of page) counts[byte % 64]!++;
  if (counts[3]! > 0) console.error(`warning: ${counts[3]} letters outside of the alphabet`);
  return counts;
}, { name: "parsePage" });

const mergeCounts = remote(
  (...parts: number[][]): number[] => parts[0]!.map((_, i) => parts.reduce((sum, part) => sum + part[i]!, 0)),
  { name: "mergeCounts" },
);

const trainSlice = remote(async (seconds: number): Promise<void> => {
  for (let second = 0; second < seconds; second++) {
    console.log(`slice: ${second} of ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
}, { name: "trainSlice", numCpus: 0.4 });

const Index = remote(
  class Index {
    #pages = 0;
    add(counts: number[]): number {
      this.#pages++;
      return counts.length;
    }
    pages(): number {
      return this.#pages;
    }
    crash(): void {
      console.error("FATAL: the index is corrupt, giving up");
      process.exit(3);
    }
  },
  { numCpus: 0.2, maxRestarts: 4 },
);

/** What must stay referenced while pictures are taken. */
export type Kept = readonly unknown[];

/** Runs what ends, and leaves running and waiting what the pages should show so. Takes some seconds. */
export async function doWork(): Promise<Kept> {
  const index = Index.options({ name: "index" }).remote();
  const pages = Array.from({ length: PAGES }, (_, n) => fetchPage.remote(n, PAGE_BYTES));
  const counts = pages.map((page) => parsePage.remote(page));
  const added = counts.map((each) => index.add.remote(each));
  const settled = await Promise.allSettled(added.map((each) => get(each)));
  const good = counts.filter((_, n) => settled[n]!.status === "fulfilled");
  const merged: ObjectRef<number[]>[] = [];
  for (let at = 0; at < good.length; at += 30) merged.push(mergeCounts.remote(...good.slice(at, at + 30)));
  console.error("  pages are counted");
  await get(mergeCounts.remote(...merged));
  index.crash.remote();
  await waitForCalls(index);
  console.error("  the index is back");
  const weights = await put(new Float64Array(4_000_000));
  const group = await placementGroup([{ CPU: 0.4 }, { CPU: 0.4 }], {
    strategy: "STRICT_SPREAD",
    name: "trainers",
  });
  await group.wait(10_000);
  const huge = await placementGroup([{ CPU: 64 }], { name: "wants-64-cpus" });
  const inGroup = Index.options({
    name: "trainer",
    schedulingStrategy: { placementGroup: group, bundleIndex: 1 },
  }).remote();
  await get(inGroup.pages.remote());
  console.error("  the trainer is there");
  const slices = Array.from({ length: 5 }, () => trainSlice.remote(600));
  const waiting = [
    trainSlice.options({ name: "needsGpu", numGpus: 1 }).remote(1),
    trainSlice.options({ name: "needsMemory", memory: 2 ** 38 }).remote(1),
    Index.options({ name: "needsGpu", numGpus: 1 }).remote(),
  ];
  return [index, pages, counts, merged, weights, group, huge, inGroup, slices, waiting];
}

/** Until the actor is back after its crash. */
async function waitForCalls(index: HandleOf<typeof Index>): Promise<void> {
  for (;;) {
    const isBack = await get(index.pages.remote()).then(() => true, () => false);
    if (isBack) return;
  }
}
