/**
 * Lists and sums of attempts. A filter on a column of shared texts looks at each text once, not at each attempt, so that a
 * million attempts are searched in milliseconds; a page continues after a place in the order of arrival.
 * @module
 */
import type {
  ListAnswer,
  ListQuery,
  StateRow,
  SummaryAnswer,
  SummaryQuery,
} from "../../../../dashboard/api/state.ts";
import { columnIndex, type Filter, parseFilters, passes } from "../filters.ts";
import { checkLimit } from "../state/state_table.ts";
import { TASK_COLUMNS } from "../state/task_columns.ts";
import { STATES, TYPES } from "./attempt_codes.ts";
import { type AttemptReader, kindName } from "./attempt_rows.ts";
import type { StringTable } from "./string_table.ts";

/** Groups of a sum. */
const GROUPS_MAX = 10_000;
const BY_MAX = 8;

type Predicate = (slot: number) => boolean;

/** @throws {RangeError} for a bad filter, limit or cursor. */
export function listTasks(reader: AttemptReader, query: ListQuery, dropped: number): ListAnswer {
  const limit = checkLimit(query.limit);
  const after = query.after === undefined ? Infinity : cursorOf(query.after);
  const isIn = predicateOf(reader, query.filters ?? []);
  const { order } = reader.store.columns.a;
  const newest = new NewestSlots(limit, order);
  let total = 0, following = 0;
  for (let slot = reader.store.size - 1; slot >= 0; slot--) {
    if (!isIn(slot)) continue;
    total++;
    if (order[slot]! >= after) continue;
    following++;
    newest.offer(slot);
  }
  const slots = newest.inOrder();
  const last = slots.at(-1);
  return {
    rows: slots.map((slot) => reader.row(slot, query.detail === true) as unknown as StateRow),
    total,
    next: following > slots.length && last !== undefined ? String(order[last]!) : null,
    dropped,
  };
}

function cursorOf(text: string): number {
  const order = /^\d{1,10}$/.test(text) ? Number(text) : NaN;
  if (Number.isNaN(order)) {
    throw new RangeError(
      `after ${JSON.stringify(text.slice(0, 80))} is no cursor: pass "next" of the answer before`,
    );
  }
  return order;
}

/** Whether an attempt passes all filters. @throws {RangeError} for a bad filter. */
export function predicateOf(reader: AttemptReader, filters: readonly string[]): Predicate {
  const parsed = parseFilters(filters, TASK_COLUMNS);
  const checks = parsed.map((filter) => ({ filter, ...checkOf(reader, filter) }));
  checks.sort((a, b) => a.cost - b.cost);
  const tests = checks.map(({ test }) => test);
  if (tests.length === 0) return () => true;
  if (tests.length === 1) return tests[0]!;
  return (slot) => {
    for (const test of tests) if (!test(slot)) return false;
    return true;
  };
}

/** One filter's check, and how dear it is. */
function checkOf(reader: AttemptReader, filter: Filter): { test: Predicate; cost: number } {
  const { store } = reader;
  const { a } = store.columns;
  const is = (value: unknown): boolean => passes(value, filter);
  const shared = (column: ArrayLike<number>, table: StringTable, value: (text: string) => unknown) => ({
    test: byText(column, table, (text) => is(value(text))),
    cost: 1,
  });
  const { name } = TASK_COLUMNS[filter.index]!;
  switch (name) {
    case "state":
      return { test: byCode(a.flags, 7, 0, STATES.map(is)), cost: 0 };
    case "type":
      return { test: byCode(a.flags, 3, 3, TYPES.map(is)), cost: 0 };
    case "name":
      return shared(a.kind, store.kinds, kindName);
    case "labelSelector":
    case "fallbackStrategy": {
      return shared(a.kind, store.kinds, (text) => {
        const at = text.indexOf("\u0000");
        return at < 0 ? null : (JSON.parse(text.slice(at + 1)) as Record<string, unknown>)[name];
      });
    }
    case "jobId":
      return shared(a.job, store.jobs, (text) => text);
    case "nodeId":
      return shared(a.node, store.nodes, (text) => text || null);
    case "workerId":
      return shared(a.worker, store.workers, (text) => text || null);
    case "actorId":
      return shared(a.actor, store.actors, (text) => text || null);
    case "errorType":
      return shared(a.error, store.errors, (text) => text === "" ? null : text.split("\u0000", 1)[0]);
    case "errorMessage":
      return shared(a.error, store.errors, (text) => text === "" ? null : text.split("\u0000")[1]);
    case "taskId":
      if (filter.operator === "=") return { test: oneTask(reader, filter.text), cost: 0 };
      return { test: (slot) => is(reader.taskId(slot)), cost: 3 };
    case "attempt":
      return { test: (slot) => is(a.attempt[slot]), cost: 2 };
    default: {
      const read = reader[name as "durationMs"];
      return { test: (slot) => is(read.call(reader, slot)), cost: 3 };
    }
  }
}

function byCode(flags: Uint8Array, mask: number, shift: number, passes: readonly boolean[]): Predicate {
  return (slot) => passes[(flags[slot]! >> shift) & mask]!;
}

function byText(
  column: ArrayLike<number>,
  table: StringTable,
  passes: (text: string) => boolean,
): Predicate {
  // 0: not looked at yet.
  const known = new Uint8Array(table.size);
  return (slot) => {
    const index = column[slot]!;
    if (known[index] === 0) known[index] = passes(table.text(index)) ? 2 : 1;
    return known[index] === 2;
  };
}

function oneTask(reader: AttemptReader, taskId: string): Predicate {
  const slots = new Set(reader.store.attemptsOf(taskId));
  return (slot) => slots.has(slot);
}

/** The `limit` slots of the highest order: a heap whose root is the lowest of them. */
class NewestSlots {
  readonly #limit: number;
  readonly #order: Uint32Array;
  readonly #heap: number[] = [];

  constructor(limit: number, order: Uint32Array) {
    this.#limit = limit;
    this.#order = order;
  }

  offer(slot: number): void {
    const heap = this.#heap, order = this.#order;
    if (heap.length < this.#limit) {
      heap.push(slot);
      for (let at = heap.length - 1; at > 0;) {
        const parent = (at - 1) >> 1;
        if (order[heap[parent]!]! <= order[heap[at]!]!) break;
        [heap[parent], heap[at]] = [heap[at]!, heap[parent]!];
        at = parent;
      }
      return;
    }
    if (order[slot]! < order[heap[0]!]!) return;
    heap[0] = slot;
    for (let at = 0;;) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < heap.length && order[heap[child]!]! < order[heap[least]!]!) least = child;
      }
      if (least === at) return;
      [heap[least], heap[at]] = [heap[at]!, heap[least]!];
      at = least;
    }
  }

  /** Newest first. */
  inOrder(): number[] {
    return this.#heap.sort((x, y) => this.#order[y]! - this.#order[x]!);
  }
}

/** Exact counts by function and state, where they are asked for (FunctionProfileDto). */
export interface ExactCount {
  readonly name: string;
  readonly type: string;
  readonly state: string;
  readonly count: number;
}

/**
 * Attempts that pass, by the values of some columns. `exact`: what counters say of the same attempts, by name, type and state;
 * where it is more than what is recorded, a group has that many.
 * @throws {RangeError} for a bad filter or an unknown column.
 */
export function sumTasks(
  reader: AttemptReader,
  query: SummaryQuery,
  exact: readonly ExactCount[],
  dropped: number,
): SummaryAnswer {
  const by = groupColumns(query.by ?? ["name", "state"]);
  const isIn = predicateOf(reader, query.filters ?? []);
  const columns = by.map((name) => summedColumn(reader, name));
  const groups = new Map<string | number, TaskSum>();
  const isNumbered = columns.reduce((product, { size }) => product * size, 1) <= Number.MAX_SAFE_INTEGER;
  let total = 0, ungrouped = 0;
  for (let slot = 0; slot < reader.store.size; slot++) {
    if (!isIn(slot)) continue;
    total++;
    const key = isNumbered
      ? columns.reduce((code, column) => code * column.size + column.code(slot), 0)
      : columns.map((column) => column.code(slot)).join(" ");
    let group = groups.get(key);
    if (group === undefined) {
      if (groups.size >= GROUPS_MAX) {
        ungrouped++;
        continue;
      }
      groups.set(key, group = new TaskSum(columns.map((column) => column.value(slot))));
    }
    group.add(reader.durationMs(slot), reader.resultBytes(slot));
  }
  const merged = mergeEqual([...groups.values()]);
  if (by.every((name) => COUNTED.includes(name))) total += raise(merged, by, exact);
  const sorted = [...merged].sort((x, y) => y[1].count - x[1].count || (x[0] < y[0] ? -1 : 1));
  return { rows: sorted.map(([, group]) => group.row(by)), total, ungrouped, dropped };
}

/** Columns that counters know. */
const COUNTED: readonly string[] = ["name", "type", "state"];

/** Give groups the exact counts; how many more there are now. */
function raise(groups: Map<string, TaskSum>, by: readonly string[], exact: readonly ExactCount[]): number {
  const counts = new Map<string, { values: unknown[]; count: number }>();
  for (const row of exact) {
    const values = by.map((name) => row[name as "name"]);
    const key = JSON.stringify(values);
    counts.set(key, { values, count: (counts.get(key)?.count ?? 0) + row.count });
  }
  let more = 0;
  for (const [key, { values, count }] of counts) {
    if (count === 0) continue;
    let group = groups.get(key);
    if (group === undefined) groups.set(key, group = new TaskSum(values));
    more += Math.max(0, count - group.count);
    group.count = Math.max(group.count, count);
  }
  return more;
}

/** Sum, least and largest of some numbers. */
class Measure {
  count = 0;
  sum = 0;
  min: number = Infinity;
  max: number = -Infinity;

  add(value: number): void {
    this.count++;
    this.sum += value;
    if (value < this.min) this.min = value;
    if (value > this.max) this.max = value;
  }

  merge(other: Measure): void {
    this.count += other.count;
    this.sum += other.sum;
    this.min = Math.min(this.min, other.min);
    this.max = Math.max(this.max, other.max);
  }

  /** Null without any number. */
  row(): StateRow | null {
    if (this.count === 0) return null;
    return { count: this.count, sum: this.sum, mean: this.sum / this.count, min: this.min, max: this.max };
  }
}

class TaskSum {
  readonly values: readonly unknown[];
  readonly durationMs: Measure = new Measure();
  readonly resultBytes: Measure = new Measure();
  count = 0;

  constructor(values: readonly unknown[]) {
    this.values = values;
  }

  add(durationMs: number | null, resultBytes: number): void {
    this.count++;
    if (durationMs !== null) this.durationMs.add(durationMs);
    this.resultBytes.add(resultBytes);
  }

  merge(other: TaskSum): void {
    this.count += other.count;
    this.durationMs.merge(other.durationMs);
    this.resultBytes.merge(other.resultBytes);
  }

  row(by: readonly string[]): StateRow {
    return {
      ...Object.fromEntries(by.map((name, i) => [name, this.values[i]])),
      count: this.count,
      durationMs: this.durationMs.row(),
      resultBytes: this.resultBytes.row(),
    };
  }
}

/** Different codes may stand for one value: a name with different wishes, a type of error with different messages. */
function mergeEqual(groups: readonly TaskSum[]): Map<string, TaskSum> {
  const merged = new Map<string, TaskSum>();
  for (const group of groups) {
    const key = JSON.stringify(group.values);
    const known = merged.get(key);
    if (known === undefined) merged.set(key, group);
    else known.merge(group);
  }
  return merged;
}

/** Columns of `by` by their full names. */
function groupColumns(by: readonly string[]): string[] {
  if (!Array.isArray(by) || by.some((name) => typeof name !== "string")) {
    throw new RangeError("by must be a list of columns");
  }
  if (by.length > BY_MAX) {
    throw new RangeError(`too many columns to group by: ${by.length}, at most ${BY_MAX}`);
  }
  return by.map((name) => TASK_COLUMNS[columnIndex(name, TASK_COLUMNS, "by: ")]!.name);
}

interface SummedColumn {
  /** More than any code. */
  readonly size: number;
  readonly code: (slot: number) => number;
  readonly value: (slot: number) => unknown;
}

function summedColumn(reader: AttemptReader, column: string): SummedColumn {
  const { store } = reader;
  const { a } = store.columns;
  const value = valueOf(reader, column);
  const coded = (codes: ArrayLike<number>, size: number) => ({
    size,
    code: (slot: number) => codes[slot]!,
    value,
  });
  switch (column) {
    case "name":
    case "labelSelector":
    case "fallbackStrategy":
      return coded(a.kind, store.kinds.size);
    case "jobId":
      return coded(a.job, store.jobs.size);
    case "nodeId":
      return coded(a.node, store.nodes.size);
    case "workerId":
      return coded(a.worker, store.workers.size);
    case "actorId":
      return coded(a.actor, store.actors.size);
    case "errorType":
    case "errorMessage":
      return coded(a.error, store.errors.size);
    case "attempt":
      return coded(a.attempt, 0x1_0000);
    case "state":
      return { size: STATES.length, code: (slot) => a.flags[slot]! & 7, value };
    case "type":
      return { size: TYPES.length, code: (slot) => a.flags[slot]! >> 3, value };
    default:
      // Every attempt is looked at by itself: equal ones are put together in the end.
      return { size: store.size + 1, code: (slot) => slot, value };
  }
}

function valueOf(reader: AttemptReader, column: string): (slot: number) => unknown {
  switch (column) {
    case "attempt":
      return (slot) => reader.store.columns.a.attempt[slot];
    case "labelSelector":
    case "fallbackStrategy":
      return (slot) => reader.wishes(slot)[column];
    default:
      return reader[column as "nodeId"].bind(reader);
  }
}
