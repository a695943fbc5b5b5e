/**
 * One named piece of work of a benchmark, and how long a slice of it takes. No I/O but the work's own.
 * @module
 */

/** One named piece of work. */
export interface Workload {
  /** Operations that one `run` does. */
  readonly multiplier: number;
  /** Before its first run. */
  readonly open?: () => Promise<void>;
  readonly run: () => Promise<void>;
  /** When another workload begins. */
  readonly close?: () => Promise<void>;
}

export type Workloads = Readonly<Record<string, Workload>>;

/** What came of one slice. */
export interface Slice {
  /** Runs done. */
  readonly count: number;
  readonly ms: number;
  /** Microseconds of single runs; at most LAPS_MAX of them. */
  readonly laps: readonly number[];
}

const LAPS_MAX = 2_000;

/** Run until `ms` have passed, at least once. */
export async function takeSlice({ run }: Workload, ms: number): Promise<Slice> {
  const laps: number[] = [];
  const startMs = performance.now();
  let count = 0;
  let lastMs = startMs;
  do {
    await run();
    count++;
    const nowMs = performance.now();
    if (laps.length < LAPS_MAX) laps.push(Math.round((nowMs - lastMs) * 10_000) / 10);
    lastMs = nowMs;
  } while (lastMs - startMs < ms);
  return { count, ms: lastMs - startMs, laps };
}

/** The value below which `share` of the sorted values lie; NaN when there is none. */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}
