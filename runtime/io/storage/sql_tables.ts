/**
 * What the console lists beside its editor: each table with its columns and a sentence.
 * @module
 */
import type { SqlTable } from "../../../dashboard/api/sql.ts";
import { HIDDEN_COLUMNS } from "./sql_plan.ts";

const ABOUT: Readonly<Record<string, string>> = {
  tasks: "one row an attempt of a task: the newest ones, within the limits of the history",
  function_counts:
    "exact counts of each function in each process, as it told them last; what it left open when it ended has failed",
  trace_steps: "the steps that tasks took",
  jobs: "drivers, running and ended",
  submissions: "programs that were submitted as jobs",
  job_records: "what is kept of each job when it is over: totals here, the rest compressed",
  actors: "actors and what became of them",
  actor_specs: "what actors are made from; without its values",
  actor_errors: "errors of constructors; without their values",
  names: "registered names of live actors",
  nodes: "machines of the cluster, also those that left",
  objects: "stored objects",
  object_locations: "which node holds which object",
  placement_groups: "placement groups and where their bundles are",
  functions: "code that was exported; without the code",
  kv: "keys that users keep; without their values",
  meta: "facts of the cluster",
  head: "the epoch of the head that may write",
  schema_migrations: "the schema's versions",
};

/** All columns of all tables, in the order in which they were made. */
export const COLUMNS_QUERY: string =
  "SELECT m.name AS tableName, c.name AS columnName, c.type AS type FROM sqlite_schema AS m, pragma_table_info(m.name) AS c " +
  "WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name NOT LIKE 'libsql_%' ORDER BY m.rowid, c.cid";

/** The answer to COLUMNS_QUERY as tables: those that people ask about first come first. */
export function tablesOf(
  rows: readonly Readonly<Record<string, unknown>>[],
  hasStandIns: boolean,
): SqlTable[] {
  const tables = new Map<string, { name: string; type: string }[]>();
  for (const row of rows) {
    const table = String(row.tableName);
    if (!hasStandIns && Object.hasOwn(HIDDEN_COLUMNS, table)) continue;
    const columns = tables.get(table) ?? [];
    tables.set(table, columns);
    columns.push({ name: String(row.columnName), type: String(row.type) });
  }
  const order = Object.keys(ABOUT);
  const rank = (name: string): number => (order.indexOf(name) + order.length + 1) % (order.length + 1);
  return [...tables].sort(([a], [b]) => rank(a) - rank(b)).map(([name, columns]) => ({
    name,
    about: ABOUT[name] ?? "",
    columns: !Object.hasOwn(HIDDEN_COLUMNS, name) ? columns : HIDDEN_COLUMNS[name]!.map(([column, sql]) => ({
      name: column,
      type: columns.find((one) => one.name === sql)?.type ?? "INTEGER",
    })),
  }));
}
