/**
 * How the command line writes to people: tables with aligned columns, quantities with units.
 * @module
 */
import { styleText } from "node:util";

/** A reader that has seen enough (`mobula ls tasks | head`) is no failure. */
process.stdout.on("error", (error: Error & { code?: string }) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});

/** One line on stdout. */
export function print(line: string = ""): void {
  process.stdout.write(line + "\n");
}

/** Resolves when stdout takes more. */
export function drained(): Promise<void> {
  const { stdout } = process;
  if (!stdout.writableNeedDrain) return Promise.resolve();
  return new Promise((resolve) => {
    stdout.once("drain", resolve);
    stdout.once("close", resolve);
  });
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}

/** Rows under headings, columns as wide as their widest cell; numbers (cells that begin with a digit) to the right. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = headings.map((heading, i) =>
    Math.max(heading.length, ...rows.map((row) => (row[i] ?? "").length))
  );
  const isNumeric = headings.map((_, i) =>
    rows.length > 0 && rows.every((row) => /^[\d.]*$|^[\d.]+ (?:[KMGTP]i)?B?$/.test(row[i] ?? ""))
  );
  const format = (row: readonly string[]) =>
    headings.map((_, i) =>
      isNumeric[i] ? (row[i] ?? "").padStart(widths[i]!) : (row[i] ?? "").padEnd(widths[i]!)
    )
      .join("  ").trimEnd();
  return [dim(format(headings)), ...rows.map(format)].join("\n");
}

/** Faint on a terminal, plain elsewhere. */
export function dim(text: string): string {
  return process.stdout.isTTY === true ? styleText("dim", text) : text;
}

/** A cell of a table from any JSON value: times of day for `…Ms` columns that hold dates, long texts cut. */
export function cell(value: unknown, column: string = ""): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") {
    if (column.endsWith("Ms") && value > 1e12) return new Date(value).toISOString().slice(11, 23);
    return String(Math.round(value * 100) / 100);
  }
  const line = (typeof value === "object" ? JSON.stringify(value) : String(value)).replaceAll(/\s+/g, " ");
  return line.length > 60 ? line.slice(0, 59) + "…" : line;
}

/** How long something took or is ago. */
export function age(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${Math.round(ms / 1_000)} s`;
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`;
}

/** A line for each field of a row; lists of objects have a line for each. */
export function printFields(row: Readonly<Record<string, unknown>>): void {
  const width = Math.max(...Object.keys(row).map((name) => name.length));
  for (const [name, value] of Object.entries(row)) {
    print(`${name.padEnd(width)}  ${linesOf(value).join(`\n${" ".repeat(width + 2)}`)}`);
  }
}

/** A line, or one for each object of a list: `{"nodeId":"n-1","state":"IN_MEMORY"}`. */
function linesOf(value: unknown): string[] {
  const isList = Array.isArray(value) && value.length > 0 && typeof value[0] === "object";
  return (isList ? value : [value]).map((one) => typeof one === "string" ? one : JSON.stringify(one));
}
