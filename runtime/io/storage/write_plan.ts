/**
 * From writes to statements: one batch becomes, per table, one multi-row upsert (or a few, if it is large) and one delete.
 * Writes are absolute, so only the last one of each row counts. Statement texts are made once per row count; row counts are
 * rounded to a few sizes, so that the texts stay few.
 *
 * Parameters are always arrays: the binding ends the whole process on a bare object or buffer.
 * @module
 */
import { getTableColumns, getTableName } from "drizzle-orm";
import { getTableConfig } from "drizzle-orm/sqlite-core";
import { TABLES } from "./schema.ts";
import type { HistoryRow, OrphanedTasks, StoreWrite, TableName } from "./rows.ts";

export type SqlValue = string | number | null | Uint8Array;
/** One statement with positional parameters. */
export interface Statement {
  readonly sql: string;
  readonly args: SqlValue[];
}

/** How a table is written. */
export interface TablePlan {
  readonly name: TableName;
  readonly sqlName: string;
  /** Property names, in the order of the columns. */
  readonly properties: readonly string[];
  readonly columns: readonly string[];
  /** Property names of the primary key, in order. */
  readonly keyProperties: readonly string[];
  readonly keyColumns: readonly string[];
  /** Property of the one BLOB column, or null. */
  readonly blobProperty: string | null;
}

/** Rows of one statement; larger batches take several. Fits SQLite's 32,766 parameters for every table. */
const ROWS_PER_STATEMENT = 256;

function planOf(name: TableName): TablePlan {
  const table = TABLES[name];
  const byProperty = getTableColumns(table);
  const properties = Object.keys(byProperty);
  const config = getTableConfig(table);
  const keyColumns = config.primaryKeys[0]?.columns.map((column) => column.name) ??
    config.columns.filter((column) => column.primary).map((column) => column.name);
  const propertyOf = (column: string) =>
    properties.find((property) => byProperty[property]!.name === column)!;
  return {
    name,
    sqlName: getTableName(table),
    properties,
    columns: properties.map((property) => byProperty[property]!.name),
    keyProperties: keyColumns.map(propertyOf),
    keyColumns,
    blobProperty: properties.find((property) => byProperty[property]!.getSQLType() === "blob") ?? null,
  };
}

/** Every table's plan, in a fixed order: rows travel with the table's index in it. */
export const PLANS: readonly TablePlan[] = (Object.keys(TABLES) as TableName[]).map(planOf);
export const PLAN_BY_TABLE: ReadonlyMap<TableName, TablePlan> = new Map(
  PLANS.map((plan) => [plan.name, plan]),
);

/**
 * First statement of every commit: fails with a NOT NULL constraint when `epoch` is not the newest head's, and with it the
 * whole transaction, locally and remotely alike.
 */
export function checkEpoch(epoch: number): Statement {
  return { sql: "UPDATE head SET epoch = CASE WHEN epoch = ? THEN epoch END WHERE id = 1", args: [epoch] };
}

/** What one batch does to one table, by the first part of the key and then the rest of it. */
interface TableChanges {
  /** Ended with everything below them, before anything else. */
  readonly prefixes: Set<SqlValue>;
  readonly removes: Map<SqlValue, Map<string, SqlValue[]>>;
  readonly puts: Map<SqlValue, Map<string, SqlValue[]>>;
}

/** The statements of one batch, in order. */
export function planWrites(writes: readonly (StoreWrite | HistoryRow)[]): Statement[] {
  const orphaned: Statement[] = [];
  const tables = new Map<TableName, TableChanges>();
  for (const write of writes) {
    if ("orphaned" in write) {
      orphaned.push(orphanedTasks(write.orphaned));
      continue;
    }
    const plan = PLAN_BY_TABLE.get(write.table)!;
    let changes = tables.get(write.table);
    if (changes === undefined) {
      changes = { prefixes: new Set(), removes: new Map(), puts: new Map() };
      tables.set(write.table, changes);
    }
    if ("put" in write) addPut(plan, changes, write.put as unknown as Record<string, SqlValue>);
    else addRemove(plan, changes, write.remove);
  }
  const statements: Statement[] = [];
  for (const [name, changes] of tables) {
    const plan = PLAN_BY_TABLE.get(name)!;
    for (const keys of chunks([...changes.prefixes])) {
      statements.push({ sql: removePrefixSql(plan, keys.length), args: keys });
    }
    for (const rows of chunks(leaves(changes.removes))) {
      statements.push({ sql: removeSql(plan, rows.length), args: rows.flat() });
    }
    for (const rows of chunks(leaves(changes.puts))) {
      statements.push({ sql: upsertSql(plan, rows.length), args: rows.flat() });
    }
  }
  // After all rows: what a process told last, in the same batch, is no later than its end.
  return [...statements, ...orphaned];
}

/** Whatever the process had submitted and not ended has failed. Its tasks lie side by side in the key's index. */
function orphanedTasks({ owner, endMs, message }: OrphanedTasks["orphaned"]): Statement {
  return {
    sql: "UPDATE tasks SET state = 'FAILED', end_ms = ?, error_type = 'OwnerDiedError', error_message = ? " +
      "WHERE task_id >= ? AND task_id < ? AND state NOT IN ('FINISHED', 'FAILED')",
    // The character after "-" is ".".
    args: [Math.round(endMs), bindable(message), `t-${owner}-`, `t-${owner}.`],
  };
}

function addPut(plan: TablePlan, changes: TableChanges, row: Record<string, SqlValue>): void {
  const values = plan.properties.map((property) => bindable(row[property]));
  const [first, rest] = splitKey(plan.keyProperties.map((property) => bindable(row[property])));
  below(changes.puts, first).set(rest, values);
  changes.removes.get(first)?.delete(rest);
}

function addRemove(plan: TablePlan, changes: TableChanges, rawKey: readonly SqlValue[]): void {
  const key = rawKey.map(bindable);
  const [first, rest] = splitKey(key);
  if (key.length === plan.keyColumns.length) {
    changes.puts.get(first)?.delete(rest);
    below(changes.removes, first).set(rest, [...key]);
    return;
  }
  if (key.length !== 1) throw new RangeError(`remove from ${plan.sqlName}: the whole key or its first part`);
  changes.puts.delete(first);
  changes.removes.delete(first);
  changes.prefixes.add(first);
}

/** The binding cuts texts at a NUL when it reads them: people see a replacement character instead of half a name. */
function bindable(value: SqlValue | undefined): SqlValue {
  if (value === undefined) return null;
  return typeof value === "string" && value.includes("\0") ? value.replaceAll("\0", "\ufffd") : value;
}

function splitKey(key: readonly SqlValue[]): [first: SqlValue, rest: string] {
  return [key[0]!, key.length === 1 ? "" : JSON.stringify(key.slice(1))];
}

function below(map: Map<SqlValue, Map<string, SqlValue[]>>, first: SqlValue): Map<string, SqlValue[]> {
  let inner = map.get(first);
  if (inner === undefined) map.set(first, inner = new Map());
  return inner;
}

function leaves(map: Map<SqlValue, Map<string, SqlValue[]>>): SqlValue[][] {
  const rows: SqlValue[][] = [];
  for (const inner of map.values()) for (const row of inner.values()) rows.push(row);
  return rows;
}

/** Chunks whose sizes are powers of two, so that there are at most nine texts a table. */
function* chunks<T>(rows: readonly T[]): Iterable<T[]> {
  let at = 0;
  while (at < rows.length) {
    let size = ROWS_PER_STATEMENT;
    while (size > rows.length - at) size >>= 1;
    yield rows.slice(at, at + size);
    at += size;
  }
}

const texts = new Map<string, string>();

function cached(kind: string, plan: TablePlan, count: number, make: () => string): string {
  const key = `${kind} ${plan.sqlName} ${count}`;
  let text = texts.get(key);
  if (text === undefined) texts.set(key, text = make());
  return text;
}

function upsertSql(plan: TablePlan, count: number): string {
  return cached("put", plan, count, () => {
    const row = `(${plan.columns.map(() => "?").join(", ")})`;
    const others = plan.columns.filter((column) => !plan.keyColumns.includes(column));
    const update = others.length === 0
      ? "NOTHING"
      : `UPDATE SET ${others.map((column) => `${column} = excluded.${column}`).join(", ")}`;
    return `INSERT INTO ${plan.sqlName} (${plan.columns.join(", ")}) VALUES ${
      new Array(count).fill(row).join(", ")
    } ` +
      `ON CONFLICT (${plan.keyColumns.join(", ")}) DO ${update}`;
  });
}

function removeSql(plan: TablePlan, count: number): string {
  return cached("remove", plan, count, () => {
    const key = plan.keyColumns.map((column) => `${column} = ?`).join(" AND ");
    if (plan.keyColumns.length > 1) {
      return `DELETE FROM ${plan.sqlName} WHERE ${new Array(count).fill(`(${key})`).join(" OR ")}`;
    }
    return `DELETE FROM ${plan.sqlName} WHERE ${plan.keyColumns[0]} IN (${
      new Array(count).fill("?").join(", ")
    })`;
  });
}

function removePrefixSql(plan: TablePlan, count: number): string {
  return cached("removePrefix", plan, count, () => {
    return `DELETE FROM ${plan.sqlName} WHERE ${plan.keyColumns[0]} IN (${
      new Array(count).fill("?").join(", ")
    })`;
  });
}
