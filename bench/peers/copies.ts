/**
 * What copying memory gives in a process of mobula's own runtime: the limit of the rows of gigabytes there. Node maps no
 * memory, so that the only copy into memory that others share is a write into a file of /dev/shm; it is the limit there.
 * @module
 */
import { existsSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { Workloads } from "../microbenchmarks/workload.ts";

const WORDS = 200 * 1024 * 1024 / 8;
const TIMES = 4;
const SHARED = "/dev/shm";

/** Among a peer's workloads. */
export const COPY_WORKLOAD = "memory copy";
/** Of one run, as Ray counts them: 1,000 MiB. */
export const COPY_GIGABYTES = 0.8;

/** Copies of 800 MiB together, into memory that is warm. */
export function copyWorkloads(): Workloads {
  const isNode = process.versions["bun"] === undefined && process.versions["deno"] === undefined;
  const isFile = isNode && existsSync(SHARED);
  let copy: (() => void) | null = null;
  return {
    [COPY_WORKLOAD]: {
      multiplier: COPY_GIGABYTES,
      run: async () => {
        // Not in open(): slices of the row beside it come between, and each opens again.
        copy ??= isFile ? copyToFile() : copyInMemory();
        for (let time = 0; time < TIMES; time++) copy();
        await Promise.resolve();
      },
    },
  };
}

function copyInMemory(): () => void {
  const [from, to] = [new BigInt64Array(WORDS).fill(3n), new BigInt64Array(WORDS).fill(5n)];
  return () => to.set(from);
}

/** The file has no name any more and ends with this process. */
function copyToFile(): () => void {
  const folder = mkdtempSync(join(SHARED, "mobula-bench-"));
  const file = openSync(join(folder, "copy"), "w+");
  rmSync(folder, { recursive: true });
  const from = new Uint8Array(new BigInt64Array(WORDS).fill(3n).buffer);
  const copy = (): void => {
    if (writeSync(file, from, 0, from.length, 0) !== from.length) throw new Error(`${SHARED} is full`);
  };
  copy();
  return copy;
}
