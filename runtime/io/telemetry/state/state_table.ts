/**
 * One kind of row, listed and summarized: filtered, newest first, a page at a time. A page continues after a cursor that
 * names a place in the order, so rows that come or go in between are neither repeated nor skipped.
 *
 * A look at a million records takes a while: it is done in slices, between which the process does what else it has to do.
 * What a record says is read when its turn comes.
 * @module
 */
import type {
  ColumnInfo,
  ListAnswer,
  ListQuery,
  StateKind,
  StateRow,
  StateTableReader,
  SummaryAnswer,
  SummaryQuery,
  TableInfo,
} from "../../../../dashboard/api/state.ts";
import { columnIndex, type Filter, parseFilters, passes } from "../filters.ts";
import type { Column } from "./column.ts";

export const LIMIT_DEFAULT: number = 100;
export const LIMIT_MAX: number = 10_000;
/** Groups of one summary; rows of further ones are counted together. */
const GROUPS_MAX = 10_000;
const BY_MAX = 8;
/** How long a slice may take, and how many records are looked at between two looks at the clock. */
const SLICE_MS = 4;
const RECORDS_PER_LOOK = 256;

/** What a table is made of. A record's place in the order is (order, key): higher orders are newer, keys break ties. */
export interface TableSource<R> {
  readonly kind: StateKind;
  readonly about: string;
  readonly idColumn: string;
  readonly columns: readonly Column<R>[];
  /** Columns that somebody else adds when one id is asked for. */
  readonly ofOne?: readonly ColumnInfo[];
  readonly by: readonly string[];
  readonly records: () => Iterable<R>;
  readonly order: (record: R) => number;
  readonly key: (record: R) => string;
  /** Records that are no longer in memory. */
  readonly dropped: () => number;
}

interface Place {
  readonly order: number;
  readonly key: string;
}

interface Found<R> extends Place {
  readonly record: R;
}

export class StateTable<R> implements StateTableReader {
  readonly #source: TableSource<R>;

  constructor(source: TableSource<R>) {
    this.#source = source;
  }

  get info(): TableInfo {
    const { kind, about, idColumn, columns, ofOne = [], by } = this.#source;
    return { kind, about, idColumn, columns, ofOne, by };
  }

  /** @throws {RangeError} for a bad filter, limit or cursor. */
  async list(query: ListQuery): Promise<ListAnswer> {
    const { columns, order, key, dropped } = this.#source;
    const limit = checkLimit(query.limit);
    const after = query.after === undefined ? null : parseCursor(query.after);
    const page = new Page<R>(limit);
    let total = 0;
    await this.#each(query.filters, (record) => {
      total++;
      const found = { order: order(record), key: key(record), record };
      if (after === null || newestFirst(after, found) < 0) page.offer(found);
    });
    const { rows, more } = page.take();
    const shown = query.detail === true ? columns : columns.filter((column) => !column.detail);
    const last = rows.at(-1);
    return {
      rows: rows.map(({ record }) => rowOf(record, shown)),
      total,
      next: more && last !== undefined ? `${last.order}~${last.key}` : null,
      dropped: dropped(),
    };
  }

  /** @throws {RangeError} for a bad filter or an unknown column. */
  async summarize(query: SummaryQuery): Promise<SummaryAnswer> {
    const { columns, dropped } = this.#source;
    const by = groupColumns(query.by ?? this.#source.by, columns);
    const measured = columns.filter((column) => column.measured);
    const groups = new Map<string, { readonly row: StateRow; count: number; readonly sums: Sum[] }>();
    let total = 0, ungrouped = 0;
    await this.#each(query.filters, (record) => {
      total++;
      const values = by.map((column) => column.of(record));
      const groupKey = JSON.stringify(values);
      let group = groups.get(groupKey);
      if (group === undefined) {
        if (groups.size >= GROUPS_MAX) {
          ungrouped++;
          return;
        }
        const row = Object.fromEntries(by.map(({ name }, i) => [name, values[i]]));
        groups.set(groupKey, group = { row, count: 0, sums: measured.map(() => new Sum()) });
      }
      group.count++;
      for (const [i, column] of measured.entries()) group.sums[i]!.add(column.of(record));
    });
    const ordered = [...groups].sort((a, b) => b[1].count - a[1].count || (a[0] < b[0] ? -1 : 1));
    const rows = ordered.map(([, { row, count, sums }]) => ({
      ...row,
      count,
      ...Object.fromEntries(measured.map(({ name }, i) => [name, sums[i]!.row()])),
    }));
    return { rows, total, ungrouped, dropped: dropped() };
  }

  /** Every record that passes the filters, in slices. */
  async #each(filters: readonly string[] | undefined, take: (record: R) => void): Promise<void> {
    const { columns, records } = this.#source;
    const parsed = parseFilters(filters ?? [], columns);
    let sliceMs = performance.now();
    let seen = 0;
    for (const record of records()) {
      if (passesAll(record, parsed, columns)) take(record);
      if (++seen % RECORDS_PER_LOOK !== 0 || performance.now() - sliceMs < SLICE_MS) continue;
      await new Promise((resolve) => setImmediate(resolve));
      sliceMs = performance.now();
    }
  }
}

function passesAll<R>(record: R, filters: readonly Filter[], columns: readonly Column<R>[]): boolean {
  for (const filter of filters) if (!passes(columns[filter.index]!.of(record), filter)) return false;
  return true;
}

function rowOf<R>(record: R, columns: readonly Column<R>[]): StateRow {
  const row: StateRow = {};
  for (const { name, of } of columns) row[name] = of(record);
  return row;
}

/** The newest of what is offered: never much more than a page is kept. */
class Page<R> {
  readonly #limit: number;
  #found: Found<R>[] = [];
  #more = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  offer(found: Found<R>): void {
    this.#found.push(found);
    if (this.#found.length >= 2 * this.#limit + 64) this.#cut();
  }

  take(): { readonly rows: readonly Found<R>[]; readonly more: boolean } {
    this.#cut();
    return { rows: this.#found, more: this.#more };
  }

  #cut(): void {
    this.#found.sort(newestFirst);
    if (this.#found.length <= this.#limit) return;
    this.#more = true;
    this.#found.length = this.#limit;
  }
}

/** Of the numbers of a column. */
class Sum {
  #count = 0;
  #sum = 0;
  #min = Infinity;
  #max = -Infinity;

  add(value: unknown): void {
    if (typeof value !== "number") return;
    this.#count++;
    this.#sum += value;
    if (value < this.#min) this.#min = value;
    if (value > this.#max) this.#max = value;
  }

  /** Null without any number. */
  row(): StateRow | null {
    if (this.#count === 0) return null;
    const [count, sum] = [this.#count, this.#sum];
    return { count, sum, mean: sum / count, min: this.#min, max: this.#max };
  }
}

function newestFirst(a: Place, b: Place): number {
  return b.order - a.order || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);
}

/** @throws {RangeError} unless it is a whole number from 1 to 10,000; the default for none. */
export function checkLimit(limit: number | undefined): number {
  if (limit === undefined) return LIMIT_DEFAULT;
  if (Number.isInteger(limit) && limit >= 1 && limit <= LIMIT_MAX) return limit;
  throw new RangeError(`limit ${limit} is not a whole number from 1 to ${LIMIT_MAX}`);
}

function parseCursor(cursor: string): Place {
  const at = cursor.indexOf("~");
  const order = at > 0 ? Number(cursor.slice(0, at)) : NaN;
  if (!Number.isFinite(order)) {
    throw new RangeError(
      `after ${JSON.stringify(cursor.slice(0, 80))} is no cursor: pass "next" of the answer before`,
    );
  }
  return { order, key: cursor.slice(at + 1) };
}

function groupColumns<R>(by: readonly string[], columns: readonly Column<R>[]): Column<R>[] {
  if (!Array.isArray(by) || by.some((name) => typeof name !== "string")) {
    throw new RangeError("by must be a list of columns");
  }
  if (by.length > BY_MAX) {
    throw new RangeError(`too many columns to group by: ${by.length}, at most ${BY_MAX}`);
  }
  return by.map((name) => columns[columnIndex(name, columns, "by: ")]!);
}
