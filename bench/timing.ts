/**
 * Timing: contestants of one measurement take turns in short slices, so that whatever else the machine does hits all of
 * them alike; the first slices warm up and do not count. Reported is the median of the slices, for single operations also
 * the 50th and 99th percentile of their latencies.
 * @module
 */

/** One way to do the work that is measured. */
export interface Contestant {
  readonly name: string;
  /** Do the work `operations` times. One at a time: `lap()` after each. */
  slice(operations: number, lap: () => void): Promise<void>;
}

export interface Measurement {
  /** Operations of one slice. */
  readonly operations: number;
  /** Slices that count; default 7. */
  readonly slices?: number;
  /** Slices before those; default 2. */
  readonly warmups?: number;
  /** Bytes of one operation, for a rate in GB/s. */
  readonly bytes?: number;
}

export interface Result {
  readonly name: string;
  /** Median over the slices. */
  readonly perSecond: number;
  readonly msPerOperation: number;
  /** 10^9 bytes a second, where operations have bytes. */
  readonly gigabytesPerSecond: number | null;
  /** Of single operations, where laps were taken. */
  readonly p50Us: number | null;
  readonly p99Us: number | null;
  /** Slowest and fastest slice relative to the median: how quiet the machine was. */
  readonly spread: readonly [low: number, high: number];
  /** Of each slice, in their order: contestants of one round stood side by side. */
  readonly rates: readonly number[];
  /** Why it could not be measured; the numbers are NaN then. */
  readonly missing: string | null;
}

/** The value below which `share` of the values lie, in whatever order they are given. NaN where there are none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = ascending(values);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

function ascending(values: readonly number[]): number[] {
  return [...values].sort((a, b) => a - b);
}

/** Measure all contestants in turns. One that fails is reported as missing, with its error, and the others go on. */
export async function race(contestants: readonly Contestant[], measurement: Measurement): Promise<Result[]> {
  const { operations, slices = 7, warmups = 2 } = measurement;
  const runs = contestants.map((contestant) => ({
    contestant,
    rates: [] as number[],
    laps: [] as number[],
    missing: null as string | null,
  }));
  for (let round = -warmups; round < slices; round++) {
    // Every other round goes backwards, so that nobody always follows the same neighbour.
    for (const run of round % 2 === 0 ? runs : [...runs].reverse()) {
      if (run.missing !== null) continue;
      const laps: number[] = [];
      let lastMs = performance.now();
      const startMs = lastMs;
      const lap = (): void => {
        const nowMs = performance.now();
        laps.push((nowMs - lastMs) * 1_000);
        lastMs = nowMs;
      };
      try {
        await run.contestant.slice(operations, lap);
      } catch (error) {
        run.missing = error instanceof Error ? error.message : String(error);
        continue;
      }
      if (round < 0) continue;
      run.rates.push(operations / ((performance.now() - startMs) / 1_000));
      for (const value of laps) run.laps.push(value);
    }
  }
  return runs.map(({ contestant, rates, laps, missing }) =>
    summarize(contestant.name, rates, laps, missing, measurement)
  );
}

/** Of single-slice results, the one with the median rate, with the spread of all. */
export function medianOf(results: readonly Result[]): Result {
  const failed = results.find((result) => result.missing !== null);
  if (failed !== undefined) return failed;
  const sorted = [...results].sort((a, b) => a.perSecond - b.perSecond);
  const middle = sorted[Math.floor(sorted.length / 2)]!;
  return {
    ...middle,
    spread: [sorted[0]!.perSecond / middle.perSecond, sorted.at(-1)!.perSecond / middle.perSecond],
  };
}

/**
 * Two contestants in pairs, one operation each, after one pair that warms up; `prepare` is not measured. Both are reported as
 * they were in the pair with the median ratio of the first to the second, and the ratios' spread is that of the pairs.
 */
export async function sideBySide(
  contestants: readonly [Contestant, Contestant],
  measurement: Measurement & { readonly slices: number },
  prepare: () => Promise<void>,
): Promise<Result[]> {
  const pairs: Result[][] = [];
  for (let pair = 0; pair <= measurement.slices; pair++) {
    await prepare();
    const order = pair % 2 === 0 ? contestants : [...contestants].reverse();
    const results = await race(order, { ...measurement, operations: 1, slices: 1, warmups: 0 });
    const failed = results.some(({ missing }) => missing !== null);
    const sorted = contestants.map(({ name }) => results.find((result) => result.name === name)!);
    if (failed) return sorted;
    if (pair > 0) pairs.push(sorted);
  }
  const ratio = ([one, other]: readonly Result[]): number => one!.perSecond / other!.perSecond;
  const middle = [...pairs].sort((a, b) => ratio(a) - ratio(b))[pairs.length >> 1]!;
  return middle.map((result, index) => {
    const rates = pairs.map((pair) => pair[index]!.perSecond);
    const spread = [Math.min(...rates) / result.perSecond, Math.max(...rates) / result.perSecond] as const;
    return { ...result, rates, spread };
  });
}

/** A contestant that cannot even start. */
export function missing(name: string, reason: string): Result {
  return summarize(name, [], [], reason, { operations: 0 });
}

function summarize(
  name: string,
  rates: readonly number[],
  laps: readonly number[],
  missing: string | null,
  { bytes }: Measurement,
): Result {
  const sorted = ascending(rates);
  const perSecond = missing === null ? percentile(sorted, 0.5) : NaN;
  const hasLaps = missing === null && laps.length > 0;
  return {
    name,
    perSecond,
    msPerOperation: 1_000 / perSecond,
    gigabytesPerSecond: bytes === undefined ? null : (perSecond * bytes) / 1e9,
    p50Us: hasLaps ? percentile(laps, 0.5) : null,
    p99Us: hasLaps ? percentile(laps, 0.99) : null,
    rates,
    spread: missing === null ? [sorted[0]! / perSecond, sorted.at(-1)! / perSecond] : [NaN, NaN],
    missing,
  };
}
