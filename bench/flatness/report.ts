/**
 * The curves as Markdown tables, for people and for the documentation.
 * @module
 */
import { type ChartName, CHARTS } from "./curves.ts";
import type { MeasuredCurve, Point } from "./growth.ts";

export interface MemoryFigure {
  readonly title: string;
  /** Of one, in all processes together; NaN where it could not be measured. */
  readonly bytes: number;
}

export interface Results {
  /** Processors, memory, runtime, load: what the figures depend on. */
  readonly machine: string;
  readonly rounds: number;
  readonly curves: readonly MeasuredCurve[];
  readonly memory: readonly MemoryFigure[];
  /** Processor time of idle processes: a share of one processor, by what idles. */
  readonly idle: readonly { readonly title: string; readonly share: number }[];
  /** Why some points are not there. */
  readonly missing: readonly string[];
}

/** Where the pictures lie beside the Markdown: FOLDER/flatness_NAME.svg. */
export function chartFile(chart: ChartName): string {
  return `flatness_${chart}.svg`;
}

export function markdown(results: Results): string {
  const parts = [
    "<!-- Written by `npm run bench:flatness -- --write`. -->",
    `${results.machine}, ${results.rounds} rounds. Each cell: µs of processor time of all processes for one operation, ` +
    "and by the clock in parentheses; medians of the rounds. *Growth* is the highest processor time relative to that of " +
    "any smaller size, *spread* the widest among the rounds of one size.",
  ];
  for (const [name, { title, note }] of Object.entries(CHARTS)) {
    const own = results.curves.filter(({ curve }) => curve.chart === name);
    if (own.length === 0) continue;
    parts.push(
      `**${title}**\n\n![${title}](${chartFile(name as ChartName)})`,
      curveTable(own),
      ...(note === undefined ? [] : [note]),
    );
  }
  if (results.memory.length > 0) {
    const rows = results.memory.map(({ title, bytes }) => [title, size(bytes)]);
    parts.push("**Memory of one more, in all processes together**", table(["one", "memory"], rows));
  }
  if (results.idle.length > 0) {
    const rows = results.idle.map(({ title, share }) => [title, `${(share * 100).toFixed(1)} %`]);
    parts.push(
      "**Processor time while nothing is asked**",
      table(["while these idle", "of one processor"], rows),
    );
  }
  if (results.missing.length > 0) {
    parts.push(`Not measured:\n\n${results.missing.map((line) => `- ${line}`).join("\n")}`);
  }
  return parts.join("\n\n") + "\n";
}

function curveTable(curves: readonly MeasuredCurve[]): string {
  const sizes = [...new Set(curves.flatMap(({ points }) => points.map((point) => point.size)))];
  sizes.sort((a, b) => a - b);
  const headings = [
    "operation",
    ...sizes.map((each) => each.toLocaleString("en-US")),
    "growth",
    "mark",
    "spread",
  ];
  const rows = curves.map(({ curve, points, growth, isFlat }) => [
    curve.title,
    ...sizes.map((each) => cell(points.find((point) => point.size === each))),
    `${growth.toFixed(2)}x`,
    isFlat === null ? "none" : `${isFlat ? "reached" : "**missed**"} ≤ ${curve.growthMax}x`,
    spread(points),
  ]);
  return table(headings, rows);
}

function cell(point: Point | undefined): string {
  if (point === undefined) return "";
  return `${micros(point.cpuUs)} (${micros(point.wallUs)})`;
}

function spread(points: readonly Point[]): string {
  const low = Math.min(...points.map((point) => point.spread[0]));
  const high = Math.max(...points.map((point) => point.spread[1]));
  return `${low.toFixed(2)}–${high.toFixed(2)}`;
}

function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const rule = headings.map((_, index) => index === 0 ? "---" : "---:");
  return [line(headings), line(rule), ...rows.map(line)].join("\n");
}

function micros(us: number): string {
  if (Number.isNaN(us)) return "missing";
  return us < 100 ? us.toFixed(us < 10 ? 2 : 1) : us.toFixed(0);
}

function size(bytes: number): string {
  if (Number.isNaN(bytes)) return "missing";
  if (bytes >= 1e6) return `${(bytes / 1e6).toFixed(1)} MB`;
  return bytes >= 1e4 ? `${(bytes / 1e3).toFixed(1)} KB` : `${Math.round(bytes)} bytes`;
}
