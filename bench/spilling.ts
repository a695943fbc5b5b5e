/**
 * Spilling and restoring beside the disk itself: a store that is given more than it holds, then asked for what it wrote.
 *
 * Files, ours and the disk's row alike, are written through the page cache and not synced. They are read twice: from the disk,
 * after the kernel was made to forget them, which is what the mark is about; and from the page cache, as a user meets them who
 * spills less than the memory that is free. There the row beside ours is no disk but a copy of memory into a processor's cache.
 * @module
 */
import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readdirSync, readSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { get, ready, release, remote } from "../runtime/mod.ts";
import type { ObjectRef } from "../runtime/mod.ts";
import type { LocalCluster } from "../runtime/process/local_cluster.ts";
import { check } from "./pools.ts";
import type { Bench } from "./store.ts";
import type { Mark } from "./table.ts";
import { type Contestant, type Measurement, medianOf, missing, race, type Result } from "./timing.ts";

const MB = 1024 * 1024;
/** What is spilled, in objects of this size, from a store that holds 40 % of it. */
const SPILL_OBJECT_BYTES = 32 * MB;
const SPILL_OBJECTS = 20;
const SPILL_STORE_BYTES = 256 * MB;
/** Those put first: they are on disk alone when all are put. */
const SPILLED = SPILL_OBJECTS - SPILL_STORE_BYTES / SPILL_OBJECT_BYTES;

const NAME = "mobula";
const ROUNDS = 5;

const TITLES = {
  spill: "store: spill",
  restore: "store: restore from the disk",
  cached: "store: restore of files that the kernel has in memory",
} as const;

export function isSpillingWanted(bench: Bench): boolean {
  return Object.values(TITLES).some((title) => bench.isWanted(title));
}

/** Puts more than its node's store holds, and reads back what is on disk. */
const Spiller = remote(
  class {
    refs: ObjectRef<Uint8Array>[] = [];
    value = new Uint8Array(0);
    async fill(count: number, bytes: number): Promise<void> {
      const { put } = await import("mobula");
      if (this.value.length !== bytes) this.value = new Uint8Array(bytes).fill(1);
      for (let n = 0; n < count; n++) this.refs.push(await put(this.value));
    }
    async read(count: number): Promise<number> {
      const { get } = await import("mobula");
      let bytes = 0;
      for (const ref of this.refs.slice(0, count)) bytes += (await get(ref)).length;
      return bytes;
    }
    /** All but the first. */
    async drop(kept: number): Promise<void> {
      const { release } = await import("mobula");
      for (const ref of this.refs.splice(kept)) release(ref);
    }
  },
  { numCpus: 0 },
);

/** On a node of its own, whose store is small. */
export async function measureSpilling(bench: Bench, cluster: LocalCluster): Promise<void> {
  process.stderr.write(`${TITLES.spill}, restore ...\n`);
  const agent = await cluster.addAgent({ numCpus: 1, objectStoreBytes: SPILL_STORE_BYTES, prestart: 1 });
  const spiller = Spiller.options({ schedulingStrategy: { nodeId: agent.ready.nodeId } }).remote();
  await ready(spiller);
  const disk = new Disk(bench.folder);
  const bytes = SPILLED * SPILL_OBJECT_BYTES;
  const spill: Contestant = {
    name: NAME,
    slice: async () => void await call(spiller.fill.remote(SPILLED, SPILL_OBJECT_BYTES)),
  };
  const restore: Contestant = {
    name: NAME,
    slice: async () => check(await call(spiller.read.remote(SPILLED)), bytes),
  };
  const rounds = { spill: [] as Result[][], restore: [] as Result[][], cached: [] as Result[][] };
  const once: Measurement = { operations: 1, slices: 1, warmups: 0, bytes };
  const cold = [join(cluster.sessionDir, "spill"), bench.folder];
  for (let round = 0; round < ROUNDS; round++) {
    // A full store: from here on each object put means one written.
    await call(spiller.fill.remote(SPILL_OBJECTS - SPILLED, SPILL_OBJECT_BYTES));
    rounds.spill.push(await race([spill, disk.write], once));
    // What is in memory alone would have to be written first.
    await call(spiller.drop.remote(SPILLED));
    const why = forget(cold);
    rounds.restore.push(
      why === null
        ? await race([restore, disk.read], once)
        : [restore, disk.read].map(({ name }) => missing(name, why)),
    );
    rounds.cached.push(await race([restore, disk.read], once));
    await call(spiller.drop.remote(0));
  }
  disk.remove();
  // The first round warms up.
  const medians = (all: readonly Result[][]): Result[] =>
    [0, 1].map((index) => medianOf(all.slice(1).map((round) => round[index]!)));
  const mark = ({ name }: Contestant): Mark => ({ than: name, ratio: 0.7 });
  bench.add({ title: TITLES.spill, unit: "bytes", results: medians(rounds.spill), mark: mark(disk.write) });
  bench.add({
    title: TITLES.restore,
    unit: "bytes",
    results: medians(rounds.restore),
    mark: mark(disk.read),
  });
  bench.add({ title: TITLES.cached, unit: "bytes", results: medians(rounds.cached) });
}

/** Writes all files below these folders to the disk, and has the kernel forget them. Null, or why it cannot. */
function forget(folders: readonly string[]): string | null {
  for (const folder of folders) {
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      const flags = ["oflag=nocache", "conv=notrunc,fdatasync", "count=0"];
      const { status } = spawnSync("dd", [`of=${path}`, ...flags], { stdio: "ignore" });
      if (status !== 0) return "dd cannot empty the page cache here";
    }
  }
  return null;
}

async function call<T>(ref: ObjectRef<T>): Promise<T> {
  const value = await get(ref, { timeoutMs: 120_000 });
  release(ref);
  return value;
}

/** The same bytes by bare system calls: a file per object, as they are spilled. */
class Disk {
  readonly #folder: string;
  readonly #bytes = new Uint8Array(SPILL_OBJECT_BYTES).fill(1);

  constructor(folder: string) {
    this.#folder = mkdtempSync(join(folder, "disk-"));
  }

  get write(): Contestant {
    return this.#contestant("sequential write", "w", (fd) => writeSync(fd, this.#bytes));
  }

  get read(): Contestant {
    return this.#contestant("sequential read", "r", (fd) => readSync(fd, this.#bytes));
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #contestant(name: string, flags: string, move: (fd: number) => number): Contestant {
    return {
      name,
      slice: async () => {
        for (let n = 0; n < SPILLED; n++) {
          const fd = openSync(join(this.#folder, String(n)), flags);
          check(move(fd), SPILL_OBJECT_BYTES);
          closeSync(fd);
          await Promise.resolve();
        }
      },
    };
  }
}
