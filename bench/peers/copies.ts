/**
 * What copying memory gives in a process of mobula's own runtime: the limit of the rows of gigabytes there.
 * @module
 */
import type { Workload, Workloads } from "../microbenchmarks/workload.ts";

const BYTES = 800 * 1024 * 1024;

/** In the tables of workloads: the copy that stands beside a row. */
export function copyOf(row: string): string {
  return `memory copy beside ${row}`;
}

/** Copies into memory that is warm, of as much as one run of the row puts. */
export function copyWorkloads(): Workloads {
  return {
    [copyOf("single client put gigabytes")]: copies(1),
    [copyOf("multi client put gigabytes")]: copies(10),
  };
}

function copies(count: number): Workload {
  let words: [from: BigInt64Array, to: BigInt64Array] | null = null;
  return {
    multiplier: count * 0.8,
    open: async () => {
      const length = BYTES / 8;
      words = await Promise.resolve([new BigInt64Array(length).fill(3n), new BigInt64Array(length).fill(5n)]);
    },
    run: async () => {
      for (let copy = 0; copy < count; copy++) words![1].set(words![0]);
      await Promise.resolve();
    },
    close: async () => {
      words = await Promise.resolve(null);
    },
  };
}
