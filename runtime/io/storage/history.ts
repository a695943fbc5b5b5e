/**
 * History for people: reading tasks and traces back, and keeping their tables small. Nothing here is needed for the cluster
 * to run. Reads are bounded in rows; they run on the writer's connection between two commits.
 * @module
 */
import type { StoreConnection } from "./file_client.ts";
import { JOB_HISTORY_BYTES, JOB_HISTORY_DAYS } from "../../common/config.ts";
import { type Row, rowOf } from "./load.ts";
import type { HistoryTable, TableName } from "./rows.ts";
import type { SqlValue, Statement } from "./write_plan.ts";
import { PLAN_BY_TABLE } from "./write_plan.ts";

export type FilterOperator = "=" | "!=" | "<" | ">" | "~";
export interface StoreFilter {
  /** A property of the row, such as `state`. */
  readonly property: string;
  readonly operator: FilterOperator;
  readonly value: string | number;
}
/** Rows of one table, newest first. `limit` at most 1,000. */
export interface StoreQuery {
  readonly table: TableName;
  readonly filters?: readonly StoreFilter[];
  readonly limit?: number;
  /** Rows to leave out before the first one that is answered. */
  readonly offset?: number;
}

/** How much history is kept. */
export interface HistoryLimits {
  readonly taskRowsMax: number;
  readonly stepRowsMax: number;
  readonly countRowsMax: number;
  readonly ageMs: number;
  /** Records of jobs: all of them in bytes, and how long the newest one of each is kept. */
  readonly recordBytesMax: number;
  readonly recordAgeMs: number;
}
/** A week, or a million attempts (about 300 MB); records of jobs longer. */
export const HISTORY_LIMITS: HistoryLimits = {
  taskRowsMax: 1_000_000,
  stepRowsMax: 200_000,
  countRowsMax: 20_000,
  ageMs: 7 * 24 * 3600 * 1000,
  recordBytesMax: JOB_HISTORY_BYTES,
  recordAgeMs: JOB_HISTORY_DAYS * 24 * 3600 * 1000,
};

const QUERY_ROWS_MAX = 1_000;
/** Rows that one pruning transaction removes at most: it stands between two commits. */
const PRUNE_ROWS = 2_000;

/** Throws RangeError for an unknown property or operator. */
export async function queryRows(client: StoreConnection, query: StoreQuery): Promise<Row[]> {
  const plan = PLAN_BY_TABLE.get(query.table);
  if (plan === undefined) throw new RangeError(`no table ${query.table}`);
  const args: SqlValue[] = [];
  const conditions = (query.filters ?? []).map((filter) => {
    const index = plan.properties.indexOf(filter.property);
    if (index < 0) {
      throw new RangeError(`${query.table} have no ${filter.property}; try ${plan.properties.join(", ")}`);
    }
    args.push(filter.value);
    const column = plan.columns[index]!;
    switch (filter.operator) {
      case "=":
        return `${column} = ?`;
      case "!=":
        return `${column} IS NOT ?`;
      case "<":
        return `${column} < ?`;
      case ">":
        return `${column} > ?`;
      case "~":
        return `instr(lower(${column}), lower(?)) > 0`;
      default:
        throw new RangeError(`no operator ${String(filter.operator)}; try =, !=, <, >, ~`);
    }
  });
  const where = conditions.length === 0 ? "" : `WHERE ${conditions.join(" AND ")}`;
  const limit = Math.max(0, Math.min(QUERY_ROWS_MAX, Math.trunc(query.limit ?? 100)));
  const hasRowid = isHistory(query.table);
  const order = hasRowid ? "rowid DESC" : plan.keyColumns.join(", ");
  args.push(limit, Math.max(0, Math.trunc(query.offset ?? 0)));
  const result = await client.execute({
    sql: `SELECT ${plan.columns.join(", ")} FROM ${plan.sqlName} ${where} ORDER BY ${order} LIMIT ? OFFSET ?`,
    args,
  });
  return result.rows.map((values) => rowOf(plan.properties, values));
}

/** Tables that nothing depends on, and that replicas may serve. */
export function isHistory(table: TableName): table is HistoryTable {
  return table === "tasks" || table === "traceSteps" || table === "functionCounts";
}

/**
 * One step of pruning: statements that remove what is over the limits, a bounded number of rows each. Repeat while
 * `PRUNE_ROWS` rows of any table went. Unfinished tasks go by age like all others: their process is long gone.
 */
export function pruneStatements(limits: HistoryLimits, nowMs: number): Statement[] {
  const overCount = (table: string, rowsMax: number): Statement => ({
    sql: `DELETE FROM ${table} WHERE rowid IN (SELECT rowid FROM ${table} ` +
      `WHERE rowid <= (SELECT coalesce(max(rowid), 0) FROM ${table}) - ? ORDER BY rowid LIMIT ${PRUNE_ROWS})`,
    args: [rowsMax],
  });
  const tooOld = (table: string, column: string): Statement => ({
    // Rows come in order of time, so the oldest have the lowest rowids: no index on time is needed.
    sql:
      `DELETE FROM ${table} WHERE rowid IN (SELECT rowid FROM ${table} ORDER BY rowid LIMIT ${PRUNE_ROWS}) ` +
      `AND ${column} < ?`,
    args: [nowMs - limits.ageMs],
  });
  return [
    ...pruneRecords(limits, nowMs),
    overCount("tasks", limits.taskRowsMax),
    tooOld("tasks", "submitted_ms"),
    overCount("trace_steps", limits.stepRowsMax),
    tooOld("trace_steps", "at_ms"),
    overCount("function_counts", limits.countRowsMax),
    tooOld("function_counts", "updated_ms"),
  ];
}

/** The oldest records go, by age and when all together are too large; how many went is counted. */
function pruneRecords(limits: HistoryLimits, nowMs: number): Statement[] {
  const counted: Statement = {
    sql: "INSERT INTO meta (key, value) SELECT 'job_records_dropped', changes() WHERE changes() > 0 " +
      "ON CONFLICT (key) DO UPDATE SET value = value + excluded.value",
    args: [],
  };
  return [
    { sql: "DELETE FROM job_records WHERE made_ms < ?", args: [nowMs - limits.recordAgeMs] },
    counted,
    {
      // The index holds both columns: no record is read for it.
      sql: "DELETE FROM job_records WHERE rowid IN (SELECT rowid FROM (SELECT rowid, sum(bytes) OVER " +
        "(ORDER BY made_ms DESC, rowid DESC) AS total FROM job_records) WHERE total > ?)",
      args: [limits.recordBytesMax],
    },
    counted,
  ];
}

/** Whether a pruning step that removed `counts` rows (by statement) has more to do. */
export function hasMoreToPrune(counts: readonly number[]): boolean {
  return counts.some((count) => count >= PRUNE_ROWS);
}
