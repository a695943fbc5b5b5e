/**
 * The comparison as Markdown.
 * @module
 */
import type { Figure } from "./compare.ts";

export interface Row {
  readonly workload: string;
  readonly figures: readonly Figure[];
  /** What mobula has to reach here, and whether it did. */
  readonly marks: readonly { readonly text: string; readonly isReached: boolean }[];
}

export function figureOf(row: Row, competitor: string): Figure | null {
  const found = row.figures.find((figure) => figure.competitor === competitor);
  return found === undefined || found.missing !== null ? null : found;
}

/** Competitors with more rows than this have a column of their own; the others are listed below. */
const COLUMN_ROWS_MIN = 4;

/** One line a workload with those that do (nearly) all of them, then those that do few: rates, and how many times that mobula reaches. */
export function markdown(rows: readonly Row[], baseline: ReadonlyMap<string, number>): string {
  const counts = new Map<string, number>();
  for (const { competitor } of rows.flatMap(({ figures }) => figures)) {
    if (competitor !== "mobula") counts.set(competitor, (counts.get(competitor) ?? 0) + 1);
  }
  const wide = [...counts.keys()].filter((name) =>
    counts.get(name)! > Math.min(COLUMN_ROWS_MIN, rows.length - 1)
  );
  const few = new Set([...counts.keys()].filter((name) => !wide.includes(name)));
  return `${wideTable(rows, wide, baseline)}\n\n${fewTable(rows, few)}`;
}

function wideTable(
  rows: readonly Row[],
  others: readonly string[],
  baseline: ReadonlyMap<string, number>,
): string {
  const columns = ["workload", "mobula /s", "p50", "p99", "spread", ...others, "baseline", "marks"];
  const lines = heading(columns);
  for (const row of rows) {
    const own = figureOf(row, "mobula");
    const against = baseline.get(row.workload);
    lines.push(line([
      row.workload,
      own === null ? whyMissing(row, "mobula") : amount(own.perSecond),
      ...(own === null ? ["", "", ""] : latency(own)),
      ...others.map((name) => otherCell(row, own, name)),
      against === undefined ? "" : times(against),
      row.marks.map(({ text, isReached }) => `${isReached ? "reached" : "**missed**"} ${text}`).join("; "),
    ]));
  }
  return lines.join("\n");
}

function fewTable(rows: readonly Row[], names: ReadonlySet<string>): string {
  const lines = heading(["workload", "beside it", "/s", "p50", "p99", "spread", "mobula is"]);
  for (const row of rows) {
    const own = figureOf(row, "mobula");
    for (const figure of row.figures.filter(({ competitor }) => names.has(competitor))) {
      const { competitor, missing, perSecond } = figure;
      const cells = missing !== null
        ? [whyMissing(row, competitor), "", "", "", ""]
        : [amount(perSecond), ...latency(figure), own === null ? "" : times(own.perSecond / perSecond)];
      lines.push(line([row.workload, competitor, ...cells]));
    }
  }
  return lines.join("\n");
}

function heading(columns: readonly string[]): string[] {
  return [line(columns), line(columns.map((_, index) => index === 0 ? "---" : "---:"))];
}

function latency({ p50Us, p99Us, spread }: Figure): string[] {
  return [duration(p50Us), duration(p99Us), spread.map((value) => value.toFixed(2)).join("–")];
}

function otherCell(row: Row, own: Figure | null, name: string): string {
  const other = figureOf(row, name);
  if (other === null) return whyMissing(row, name);
  const ratio = own === null ? "" : ` (${times(own.perSecond / other.perSecond)})`;
  return `${amount(other.perSecond)}${ratio}`;
}

function whyMissing(row: Row, name: string): string {
  const figure = row.figures.find(({ competitor }) => competitor === name);
  return figure === undefined ? "" : `failed: ${figure.missing?.slice(0, 60)}`;
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

export function times(ratio: number): string {
  return `${ratio < 0.1 ? ratio.toPrecision(2) : ratio.toFixed(ratio < 10 ? 2 : 0)}x`;
}

export function amount(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)}M`;
  if (value >= 1e4) return `${(value / 1e3).toFixed(1)}k`;
  return value >= 100 ? value.toFixed(0) : value.toFixed(2);
}

function duration(us: number): string {
  if (Number.isNaN(us)) return "";
  if (us >= 1e6) return `${(us / 1e6).toFixed(2)} s`;
  return us >= 1_000 ? `${(us / 1_000).toFixed(1)} ms` : `${us.toFixed(us < 100 ? 1 : 0)} us`;
}
