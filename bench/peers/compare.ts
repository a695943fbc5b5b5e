/**
 * Measures peers in turns: for each workload one slice of each, again and again, so that whatever else the machine does
 * hits all of them alike. The first slice of each warms up and does not count.
 * @module
 */
import { percentile } from "../timing.ts";
import type { Slice } from "../microbenchmarks/workload.ts";

/** What takes part: a process (peer.ts) or a raw limit in this one. */
export interface Competitor {
  readonly name: string;
  readonly workloads: ReadonlySet<string>;
  /** Its slices count operations themselves, not runs of the workload. */
  readonly countsOperations?: true;
  slice(run: string, ms: number): Promise<Slice>;
}

export interface Figure {
  readonly competitor: string;
  readonly workload: string;
  /** Median over the rounds, in the workload's operations (GB for the two of gigabytes). */
  readonly perSecond: number;
  /** Of one run of the workload's function. */
  readonly p50Us: number;
  readonly p99Us: number;
  /** Slowest and fastest round relative to the median: the machine's noise. */
  readonly spread: readonly [low: number, high: number];
  readonly rates: readonly number[];
  /** Why there is none; the numbers are NaN then. */
  readonly missing: string | null;
}

export interface Plan {
  readonly rounds: number;
  readonly sliceMs: number;
  readonly warmupMs: number;
}

/** All that have the workload, in turns; every other round backwards, so that nobody always follows the same neighbour. */
export async function compare(
  workload: string,
  multiplier: number,
  competitors: readonly Competitor[],
  plan: Plan,
): Promise<Figure[]> {
  const runs = competitors.filter(({ workloads }) => workloads.has(workload)).map((competitor) => ({
    competitor,
    rates: [] as number[],
    laps: [] as number[],
    missing: null as string | null,
  }));
  for (let round = 0; round <= plan.rounds; round++) {
    for (const run of round % 2 === 0 ? runs : [...runs].reverse()) {
      if (run.missing !== null) continue;
      try {
        const told = await run.competitor.slice(workload, round === 0 ? plan.warmupMs : plan.sliceMs);
        if (round === 0) continue;
        const each = run.competitor.countsOperations === true ? 1 : multiplier;
        run.rates.push(told.count * each / (told.ms / 1_000));
        for (const lap of told.laps) run.laps.push(lap);
      } catch (error) {
        run.missing = String((error as Error).message).split("\n")[0]!;
      }
    }
  }
  return runs.map(({ competitor, rates, laps, missing }) =>
    figureFrom(competitor.name, workload, rates, laps, missing)
  );
}

/** A figure of rates in the order of measuring, and single laps in microseconds where there are any. */
export function figureFrom(
  competitor: string,
  workload: string,
  rates: readonly number[],
  laps: readonly number[] = [],
  missing: string | null = null,
): Figure {
  const sorted = [...rates].sort((a, b) => a - b);
  const perSecond = missing === null ? percentile(sorted, 0.5) : NaN;
  return {
    competitor,
    workload,
    perSecond,
    p50Us: percentile(laps, 0.5),
    p99Us: percentile(laps, 0.99),
    spread: [sorted[0]! / perSecond, sorted.at(-1)! / perSecond],
    rates,
    missing,
  };
}
