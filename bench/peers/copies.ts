/**
 * What copying memory gives in a process of mobula's own runtime: the limit of the rows of gigabytes there.
 * @module
 */
import type { Workloads } from "../microbenchmarks/workload.ts";

const WORDS = 200 * 1024 * 1024 / 8;
const TIMES = 4;

/** Among a peer's workloads. */
export const COPY_WORKLOAD = "memory copy";
/** Of one run, as Ray counts them: 1,000 MiB. */
export const COPY_GIGABYTES = 0.8;

/** Copies of 800 MiB together, into memory that is warm. */
export function copyWorkloads(): Workloads {
  let words: [from: BigInt64Array, to: BigInt64Array] | null = null;
  return {
    [COPY_WORKLOAD]: {
      multiplier: COPY_GIGABYTES,
      run: async () => {
        // Not in open(): slices of the row beside it come between, and each opens again.
        words ??= [new BigInt64Array(WORDS).fill(3n), new BigInt64Array(WORDS).fill(5n)];
        for (let time = 0; time < TIMES; time++) words[1].set(words[0]);
        await Promise.resolve();
      },
    },
  };
}
