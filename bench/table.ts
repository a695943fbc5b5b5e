/**
 * The table: one group a measurement, mobula first, each row with its ratio to mobula's marks and to the others.
 * @module
 */
import type { Result } from "./timing.ts";

/** What mobula has to reach: at least `ratio` times the rate of the row `than`, at most `msMax` per operation, or a rate. */
export type Mark =
  | { readonly than: string; readonly ratio: number }
  | { readonly thanFastestOf: readonly string[]; readonly ratio: number }
  | { readonly msMax: number }
  | { readonly perSecondMin: number };

export interface Group {
  readonly title: string;
  readonly results: readonly Result[];
  /** How rates are shown. */
  readonly unit: "calls" | "items" | "bytes" | "rows" | "ms";
  readonly mark?: Mark;
}

const WIDTHS = [44, 14, 11, 11, 13, 12] as const;
const HEADINGS = ["", "rate", "p50", "p99", "spread", "mobula is"];

/** The whole table as text. Returns also how many marks were missed. */
export function formatTable(groups: readonly Group[]): { text: string; missed: string[] } {
  const missed: string[] = [];
  const lines = [row(HEADINGS), row(WIDTHS.map((width) => "-".repeat(width - 1)))];
  for (const group of groups) {
    lines.push("", group.title);
    const own = group.results.find(({ name }) => name === "mobula");
    for (const result of group.results) lines.push(resultRow(group, result, own));
    if (group.mark === undefined || own === undefined) continue;
    const { text, isReached } = judge(group.mark, own, group.results);
    lines.push(`  mark: ${text}`);
    if (!isReached) missed.push(`${group.title}: ${text}`);
  }
  return { text: lines.join("\n"), missed };
}

function resultRow(group: Group, result: Result, own: Result | undefined): string {
  if (result.missing !== null) return `  ${result.name}: missing (${result.missing.split("\n")[0]})`;
  const ratio = own === undefined || own === result || own.missing !== null
    ? ""
    : times(own.perSecond / result.perSecond);
  const [low, high] = result.spread;
  return row([
    `  ${result.name}`,
    rate(group, result),
    result.p50Us === null ? "" : micros(result.p50Us),
    result.p99Us === null ? "" : micros(result.p99Us),
    `${low.toFixed(2)}-${high.toFixed(2)}`,
    ratio,
  ]);
}

function rate({ unit }: Group, result: Result): string {
  switch (unit) {
    case "calls":
      return `${count(result.perSecond)}/s`;
    case "items":
      return `${count(result.perSecond)} items/s`;
    case "rows":
      return `${count(result.perSecond)} rows/s`;
    case "bytes":
      return `${(result.gigabytesPerSecond ?? NaN).toFixed(2)} GB/s`;
    case "ms":
      return result.msPerOperation < 0.1
        ? micros(result.msPerOperation * 1_000)
        : `${result.msPerOperation.toFixed(2)} ms`;
  }
}

function judge(mark: Mark, own: Result, results: readonly Result[]): { text: string; isReached: boolean } {
  if (own.missing !== null) return { text: `mobula was not measured: ${own.missing}`, isReached: false };
  if ("msMax" in mark) {
    const isReached = own.msPerOperation <= mark.msMax;
    return {
      text: verdict(isReached, `${own.msPerOperation.toFixed(2)} ms, at most ${mark.msMax} ms`),
      isReached,
    };
  }
  if ("perSecondMin" in mark) {
    const isReached = own.perSecond >= mark.perSecondMin;
    const text = `${count(own.perSecond)}/s, at least ${count(mark.perSecondMin)}/s`;
    return { text: verdict(isReached, text), isReached };
  }
  const names = "than" in mark ? [mark.than] : mark.thanFastestOf;
  const [other] = results.filter(({ name, missing }) => names.includes(name) && missing === null)
    .sort((a, b) => b.perSecond - a.perSecond);
  if (other === undefined) {
    return { text: `${names.join(", ")} missing: nothing to compare with`, isReached: false };
  }
  const ratio = own.perSecond / other.perSecond;
  const isReached = ratio >= mark.ratio;
  return {
    text: verdict(
      isReached,
      `${times(ratio)} ${other.name}, at least ${times(mark.ratio)}${roundSpread(own, other)}`,
    ),
    isReached,
  };
}

/** The ratio round by round: its middle half says what the next run may give. */
function roundSpread(own: Result, other: Result): string {
  const ratios = own.rates.map((rate, round) => rate / other.rates[round]!).filter((ratio) => ratio > 0)
    .sort((a, b) => a - b);
  if (ratios.length < 8) return "";
  const [low, high] = [0.25, 0.75].map((share) => times(ratios[Math.floor(ratios.length * share)]!));
  return ` (${low} to ${high} in the middle half of ${ratios.length} rounds)`;
}

function verdict(isReached: boolean, text: string): string {
  return `${isReached ? "reached" : "MISSED"}: ${text}`;
}

/** Cells in columns: the first one to the left, the others to the right. */
export function formatRow(cells: readonly string[], widths: readonly number[]): string {
  return cells.map((cell, index) => index === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[index]!))
    .join("")
    .trimEnd();
}

const row = (cells: readonly string[]): string => formatRow(cells, WIDTHS);

function count(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)}M`;
  if (value >= 1e4) return `${(value / 1e3).toFixed(1)}k`;
  return value.toFixed(value < 100 ? 1 : 0);
}

function micros(value: number): string {
  return value >= 10_000 ? `${(value / 1_000).toFixed(1)} ms` : `${value.toFixed(value < 100 ? 1 : 0)} us`;
}

function times(ratio: number): string {
  return `${ratio.toFixed(ratio < 10 ? 2 : 0)}x`;
}
