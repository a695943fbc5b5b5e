/**
 * Ray's timing protocol, shortened: a warm-up, then repeats of a fixed time; the rate is their median, their spread says how
 * quiet the machine was.
 * @module
 */
import { percentile, takeSlice, type Workload } from "./workload.ts";

const REPEATS = 4;
const WARMUP_SHARE = 0.25;
/** Of one slice, beyond what it was asked to take. */
const PATIENCE_MS = 60_000;

/** Microseconds are those of one run of the workload, which may be many operations. */
export interface Measured {
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Slowest and fastest repeat relative to the median. */
  readonly spread: readonly [low: number, high: number];
}

/** @throws {Error} when nothing comes of it for a minute. */
export async function measure(name: string, workload: Workload, ms: number): Promise<Measured> {
  const patient = <T>(work: Promise<T>): Promise<T> => within(PATIENCE_MS + ms, work, name);
  try {
    await patient(workload.open?.() ?? Promise.resolve());
    await patient(takeSlice(workload, ms * WARMUP_SHARE));
    const rates: number[] = [];
    const laps: number[] = [];
    for (let repeat = 0; repeat < REPEATS; repeat++) {
      const slice = await patient(takeSlice(workload, ms / REPEATS));
      rates.push(slice.count * workload.multiplier / (slice.ms / 1_000));
      for (const lap of slice.laps) laps.push(lap);
    }
    return summarize(rates, laps);
  } finally {
    await patient(workload.close?.() ?? Promise.resolve());
  }
}

/** Of rates in the order of measuring and single laps in microseconds, which may be none. */
export function summarize(rates: readonly number[], laps: readonly number[]): Measured {
  const sorted = [...rates].sort((a, b) => a - b);
  const sortedLaps = [...laps].sort((a, b) => a - b);
  const perSecond = percentile(sorted, 0.5);
  return {
    perSecond,
    p50Us: percentile(sortedLaps, 0.5),
    p99Us: percentile(sortedLaps, 0.99),
    spread: [sorted[0]! / perSecond, sorted.at(-1)! / perSecond],
  };
}

async function within<T>(ms: number, work: Promise<T>, name: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    const what = `${name}: nothing came of it in ${Math.round(ms / 1_000)} s`;
    timer = setTimeout(() => reject(new Error(`${what}; is the cluster busy? (mobula status)`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
