/**
 * Filters of list queries: `column op value`, AND-ed. Operators: = != < > <= >= and ~ (contains, letter case aside).
 * @module
 */

type Operator = "=" | "!=" | "<" | ">" | "<=" | ">=" | "~";

export interface Filter {
  readonly column: string;
  readonly operator: Operator;
  readonly text: string;
  /** The text as a number, for the ordering operators. */
  readonly number: number;
}

const FILTERS_MAX = 20;
const FILTER_LENGTH_MAX = 500;
const FORM = /^\s*([A-Za-z_][A-Za-z0-9_]*)\s*(!=|<=|>=|=|<|>|~)\s*(.*)$/s;

/**
 * Parse filters against the columns that exist.
 * @throws {RangeError} for a filter that is no filter, an unknown column, or an ordering of something that is no number.
 */
export function parseFilters(filters: readonly string[], columns: readonly string[]): Filter[] {
  if (filters.length > FILTERS_MAX) {
    throw new RangeError(`too many filters: ${filters.length}, at most ${FILTERS_MAX}`);
  }
  return filters.map((text) => parseFilter(text, columns));
}

function parseFilter(filter: string, columns: readonly string[]): Filter {
  const match = typeof filter === "string" && filter.length <= FILTER_LENGTH_MAX ? FORM.exec(filter) : null;
  if (match === null) {
    throw new RangeError(
      `filter ${JSON.stringify(String(filter).slice(0, 80))} is not of the form "column op value", ` +
        "op one of = != < > <= >= ~",
    );
  }
  const [, column, operator, value] = match as unknown as [string, string, Operator, string];
  if (!columns.includes(column)) {
    throw new RangeError(
      `filter ${JSON.stringify(filter)}: no column "${column}"; there are ${columns.join(", ")}`,
    );
  }
  const text = value.trim();
  const number = text === "" ? NaN : Number(text);
  if (operator.startsWith("<") || operator.startsWith(">")) {
    if (Number.isNaN(number)) {
      throw new RangeError(`filter ${JSON.stringify(filter)}: ${operator} needs a number, not "${text}"`);
    }
  }
  return { column, operator, text, number };
}

/** Whether the row passes every filter. A value that is absent equals "" and "null", and is neither less nor greater. */
export function matches(row: Readonly<Record<string, unknown>>, filters: readonly Filter[]): boolean {
  for (const filter of filters) if (!matchesOne(row[filter.column], filter)) return false;
  return true;
}

function matchesOne(value: unknown, filter: Filter): boolean {
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

function equals(value: unknown, filter: Filter): boolean {
  if (value === null || value === undefined) return filter.text === "" || filter.text === "null";
  if (typeof value === "number") return value === filter.number;
  return asText(value) === filter.text;
}

function asText(value: unknown): string {
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
