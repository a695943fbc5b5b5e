/**
 * Filters of list queries: `column op value`, AND-ed. Operators: = != < > <= >= and ~ (contains, letter case aside).
 * A value may have the unit of its column: `durationMs>1.5s`, `bytes>=64MiB`, `startMs>2026-01-31T10:00:00Z`. The end of a
 * column's name that tells its unit or that it is an id may be left out (`node=n-1`, `bytes>1MB`, `dur>5s`).
 * @module
 */
import type { ColumnInfo, ColumnUnit } from "../../../dashboard/api/state.ts";
import { isNumeric } from "./state/column.ts";

type Operator = "=" | "!=" | "<" | ">" | "<=" | ">=" | "~";

export interface Filter {
  /** The column's place in the list of columns. */
  readonly index: number;
  readonly operator: Operator;
  readonly text: string;
  /** The text as a number in the column's unit; NaN when it is none. */
  readonly number: number;
  /** `=` and `!=` take no notice of letter case: the column has few values, and all are in capitals. */
  readonly anyCase: boolean;
}

const FILTERS_MAX = 20;
const FILTER_LENGTH_MAX = 500;
const FORM = /^\s*([A-Za-z_][A-Za-z0-9_]*)\s*(!=|<=|>=|=|<|>|~)\s*(.*)$/s;
/** What may be left out at the end of a column's name. */
const ENDINGS: readonly string[] = ["Id", "Ms", "Bytes"];
const SHORT_NAMES: Readonly<Record<string, string>> = { dur: "durationMs", error: "errorMessage" };

const MS_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  min: 60_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const BYTE_UNITS: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

/**
 * Parse filters against the columns that exist.
 * @throws {RangeError} for a filter that is no filter, an unknown column, or an ordering of something that is no number.
 */
export function parseFilters(filters: readonly string[], columns: readonly ColumnInfo[]): Filter[] {
  if (!Array.isArray(filters)) throw new RangeError("filters must be a list of texts");
  if (filters.length > FILTERS_MAX) {
    throw new RangeError(`too many filters: ${filters.length}, at most ${FILTERS_MAX}`);
  }
  return filters.map((text) => parseFilter(text, columns));
}

/**
 * The place of a column, by its name or the beginning of it.
 * @throws {RangeError} for an unknown one; `where` begins the message.
 */
export function columnIndex(name: string, columns: readonly ColumnInfo[], where: string): number {
  const names = [name, ...ENDINGS.map((ending) => name + ending), SHORT_NAMES[name] ?? name];
  for (const one of names) {
    const index = columns.findIndex((column) => column.name === one);
    if (index >= 0) return index;
  }
  const known = columns.map((column) => column.name).join(", ");
  throw new RangeError(`${where}no column "${name}"; there are ${known}`);
}

function parseFilter(filter: string, columns: readonly ColumnInfo[]): Filter {
  const match = typeof filter === "string" && filter.length <= FILTER_LENGTH_MAX ? FORM.exec(filter) : null;
  if (match === null) {
    throw new RangeError(
      `filter ${JSON.stringify(String(filter).slice(0, 80))} is not of the form "column op value", ` +
        "op one of = != < > <= >= ~",
    );
  }
  const [, name, operator, value] = match as unknown as [string, string, Operator, string];
  const index = columnIndex(name, columns, `filter ${JSON.stringify(filter)}: `);
  const column = columns[index]!;
  const text = value.trim();
  const number = isNumeric(column) ? numberOf(text, column.unit) : NaN;
  if (operator.startsWith("<") || operator.startsWith(">")) {
    if (!isNumeric(column)) {
      throw new RangeError(
        `filter ${JSON.stringify(filter)}: ${operator} orders numbers, and ${column.name} is none`,
      );
    }
    if (Number.isNaN(number)) {
      throw new RangeError(
        `filter ${JSON.stringify(filter)}: ${operator} needs ${wanted(column.unit)}, not "${text}"`,
      );
    }
  }
  return { index, operator, text, number, anyCase: column.schema.enum !== undefined };
}

function wanted(unit: ColumnUnit | null): string {
  switch (unit) {
    case "ms":
      return "a number of milliseconds, or a duration (500ms, 5s, 2min, 1h)";
    case "bytes":
      return "a number of bytes, or a size (64MiB, 1.5GB)";
    case "time":
      return "a time (milliseconds since the epoch, or 2026-01-31T10:00:00Z)";
    case null:
      return "a number";
  }
}

/** NaN for what is no number of this unit. */
function numberOf(text: string, unit: ColumnUnit | null): number {
  const plain = text === "" ? NaN : Number(text);
  if (!Number.isNaN(plain) || unit === null) return plain;
  if (unit === "time") return /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : NaN;
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]+)$/.exec(text);
  if (match === null) return NaN;
  const [, number, name] = match as unknown as [string, string, string];
  const units = unit === "ms" ? MS_UNITS : BYTE_UNITS;
  const key = name.toLowerCase();
  return Object.hasOwn(units, key) ? Number(number) * units[key]! : NaN;
}

/** Whether a value of the filter's column passes. One that is absent equals "" and "null", and is neither less nor greater. */
export function passes(value: unknown, filter: Filter): boolean {
  switch (filter.operator) {
    case "=":
      return equals(value, filter);
    case "!=":
      return !equals(value, filter);
    case "~":
      return value !== null && value !== undefined &&
        asText(value).toLowerCase().includes(filter.text.toLowerCase());
  }
  if (typeof value !== "number") return false;
  switch (filter.operator) {
    case "<":
      return value < filter.number;
    case ">":
      return value > filter.number;
    case "<=":
      return value <= filter.number;
    case ">=":
      return value >= filter.number;
  }
}

function equals(value: unknown, { text, number, anyCase }: Filter): boolean {
  if (value === null || value === undefined) return text === "" || text === "null";
  if (typeof value === "number") return value === number;
  const own = asText(value);
  return own === text || anyCase && own.toLowerCase() === text.toLowerCase();
}

function asText(value: unknown): string {
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
