/**
 * How flat a measured curve is.
 * @module
 */
import type { Curve } from "./curves.ts";
import type { Cost } from "./meter.ts";
import { percentile } from "../timing.ts";

export interface Point {
  readonly size: number;
  /** Medians over the rounds; NaN where no round gave a figure. */
  readonly wallUs: number;
  readonly cpuUs: number;
  /** Lowest and highest processor time relative to the median: how quiet the machine was. */
  readonly spread: readonly [low: number, high: number];
}

export interface MeasuredCurve {
  readonly curve: Curve;
  readonly points: readonly Point[];
  /** The highest cost, in processor time, relative to that of any smaller size. */
  readonly growth: number;
  /** Null where the curve has no mark. */
  readonly isFlat: boolean | null;
}

/** The rounds' costs of one size as one point. */
export function pointOf(size: number, costs: readonly Cost[]): Point {
  const cpu = costs.map(({ cpuUs }) => cpuUs).sort((a, b) => a - b);
  const wall = costs.map(({ wallUs }) => wallUs).sort((a, b) => a - b);
  if (cpu.length === 0) return { size, wallUs: NaN, cpuUs: NaN, spread: [NaN, NaN] };
  const median = percentile(cpu, 0.5);
  return {
    size,
    wallUs: percentile(wall, 0.5),
    cpuUs: median,
    spread: [cpu[0]! / median, cpu.at(-1)! / median],
  };
}

/** Judge the points, which are in the order of their sizes. */
export function judge(curve: Curve, points: readonly Point[]): MeasuredCurve {
  let lowest = Infinity;
  let growth = 0;
  for (const { cpuUs } of points) {
    // A size that failed makes the curve not flat.
    growth = Math.max(growth, Number.isNaN(cpuUs) ? Infinity : cpuUs / lowest);
    lowest = Math.min(lowest, cpuUs);
  }
  return { curve, points, growth, isFlat: curve.growthMax === null ? null : growth <= curve.growthMax };
}
