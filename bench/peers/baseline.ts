/**
 * The baseline file: what each workload reached when it was written, as a share of the limit that stood beside it in the same
 * run. Machines differ, and one machine differs from hour to hour; the share does so less.
 * @module
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { yardstickOf } from "./limits.ts";
import { figureOf, type Row } from "./tables.ts";

/** A workload below this part of its baseline is told. */
const TOLD_BELOW = 0.7;

export interface Baseline {
  readonly machine: string;
  /** Of the day, such as 2026-11-23. */
  readonly date: string;
  /** By workload: mobula's rate over that of its yardstick. */
  readonly shares: Readonly<Record<string, number>>;
  /** By workload, on that machine: for people. */
  readonly rates: Readonly<Record<string, number>>;
}

/** Mobula's rate as a share of the limit beside it; null where one of them is missing. */
export function shareOf(row: Row): number | null {
  const own = figureOf(row, "mobula");
  const limit = figureOf(row, yardstickOf(row.workload));
  return own === null || limit === null ? null : own.perSecond / limit.perSecond;
}

/** Null when there is no such file. @throws {Error} when it holds something else. */
export function readBaseline(path: string): Baseline | null {
  if (!existsSync(path)) return null;
  const read = JSON.parse(readFileSync(path, "utf8")) as Baseline;
  if (typeof read.shares !== "object") throw new Error(`${path} is no baseline: it has no "shares"`);
  return read;
}

/** How many times its baseline each workload reaches now. */
export function againstBaseline(
  rows: readonly Row[],
  baseline: Baseline | null,
): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const row of rows) {
    const [now, then] = [shareOf(row), baseline?.shares[row.workload]];
    if (now !== null && then !== undefined) found.set(row.workload, now / then);
  }
  return found;
}

/** One line each. */
export function slower(against: ReadonlyMap<string, number>): string[] {
  return [...against].filter(([, ratio]) => ratio < TOLD_BELOW).map(([workload, ratio]) =>
    `${workload}: ${ratio.toFixed(2)}x its baseline`
  );
}

/** What a run gave becomes the baseline; workloads that it left out keep theirs. */
export function writeBaseline(path: string, machine: string, rows: readonly Row[]): void {
  const before = readBaseline(path);
  const shares: Record<string, number> = { ...before?.shares };
  const rates: Record<string, number> = { ...before?.rates };
  for (const row of rows) {
    const [share, own] = [shareOf(row), figureOf(row, "mobula")];
    if (share === null || own === null) continue;
    shares[row.workload] = Number(share.toPrecision(3));
    rates[row.workload] = Number(own.perSecond.toPrecision(3));
  }
  const written: Baseline = { machine, date: new Date().toISOString().slice(0, 10), shares, rates };
  writeFileSync(path, `${JSON.stringify(written, null, 2)}\n`);
}
