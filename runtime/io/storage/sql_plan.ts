/**
 * What a statement would do, as the engine says itself (EXPLAIN): which trees it opens, which functions it calls, whether it
 * writes. What may be read is decided here, not by reading SQL: a statement cannot hide from the engine what it asks of it.
 *
 * libSQL's build brings functions that read and write files, and tables that show files and raw pages (readfile, writefile,
 * fsdir, sqlite_dbpage): functions and virtual tables pass only by name.
 * @module
 */

/** One step of the engine's program: a row of EXPLAIN. */
export interface PlanStep {
  readonly opcode: string;
  readonly p1: number;
  readonly p2: number;
  readonly p3: number;
  readonly p4: string | null;
}

/** A table or an index, a row of sqlite_schema. */
export interface SchemaRow {
  /** The table, also of an index. */
  readonly table: string;
  readonly rootPage: number;
}

/**
 * Tables whose values are not for a console, and which of their columns it shows: values that users keep, constructor
 * arguments and environment variables (they may be secrets), users' code.
 */
export const HIDDEN_COLUMNS: Readonly<Record<string, readonly (readonly [column: string, sql: string])[]>> = {
  kv: [["key", "key"], ["value_bytes", "length(value)"]],
  functions: [
    ["hash", "hash"],
    ["kind", "kind"],
    ["name", "name"],
    ["created_ms", "created_ms"],
    ["source_bytes", "length(source)"],
  ],
  actor_specs: [["actor_id", "actor_id"], ["args_bytes", "length(args)"]],
  actor_errors: [["actor_id", "actor_id"], ["error_bytes", "length(error)"]],
};

const FUNCTIONS: ReadonlySet<string> = new Set(
  ("-> ->> abs acos acosh asin asinh atan atan2 atanh avg ceil ceiling changes char coalesce concat concat_ws cos cosh count " +
    "cume_dist current_date current_time current_timestamp date datetime degrees dense_rank exp first_value floor format " +
    "glob group_concat hex ifnull iif instr json json_array json_array_length json_error_position json_extract " +
    "json_group_array json_group_object json_insert json_object json_patch json_quote json_remove json_replace json_set " +
    "json_type json_valid julianday lag last_value lead length like likelihood likely ln log log10 log2 lower ltrim max " +
    "median min mod mode nth_value ntile nullif octet_length percent_rank pi pow power printf quote radians random " +
    "randomblob rank regexp regexpi replace round row_number rtrim sign sin sinh sqlite_version sqrt stdev strftime " +
    "string_agg substr substring subtype sum tan tanh time timediff total trim trunc typeof unhex unicode unixepoch unlikely " +
    "upper variance lower_quartile upper_quartile zeroblob").split(" "),
);
const MODULES: ReadonlySet<string> = new Set([
  ...["json_each", "json_tree", "generate_series", "dbstat"],
  ...[
    "pragma_table_info",
    "pragma_table_xinfo",
    "pragma_table_list",
    "pragma_index_list",
    "pragma_index_info",
  ],
]);
const CALLS: ReadonlySet<string> = new Set([
  ...["Function", "PureFunc", "AggStep", "AggStep1", "AggInverse", "AggValue", "AggFinal"],
]);
const OPENS: ReadonlySet<string> = new Set(["OpenRead", "ReopenIdx", "OpenWrite"]);

export interface PlanFacts {
  readonly schema: readonly SchemaRow[];
  /** Virtual tables that the engine knows, in lower case. */
  readonly modules: readonly string[];
  /** Names in the statement (sql_statement.ts). */
  readonly names: ReadonlySet<string>;
  /** Whether the hidden tables have stand-ins of the same names, so that only `main.` leads to them. */
  readonly hasStandIns: boolean;
}

/** Why a program may not run, for whoever wrote the statement; null when it may. */
export function planProblem(steps: readonly PlanStep[], facts: PlanFacts): string | null {
  const tables = new Map(facts.schema.map(({ rootPage, table }) => [rootPage, table]));
  for (const { opcode, p1, p2, p3, p4 } of steps) {
    if (opcode === "Transaction" && p2 !== 0) return "This console only reads: the statement would write";
    if (opcode === "Vacuum" || opcode === "Checkpoint" || opcode === "JournalMode") {
      return "This console only reads: the statement would change the store";
    }
    if (CALLS.has(opcode)) {
      const name = (p4 ?? "").replace(/\(-?\d+\)$/, "").toLowerCase();
      if (!FUNCTIONS.has(name)) return `The function ${name} cannot be used here`;
    }
    if (OPENS.has(opcode) && p3 === 0) {
      const table = tables.get(p2);
      if (table !== undefined && Object.hasOwn(HIDDEN_COLUMNS, table)) return hiddenTable(table, facts);
    }
    if (opcode === "VOpen") {
      const known = facts.modules.find((name) => facts.names.has(name) && !MODULES.has(name));
      if (known !== undefined) return `The table ${known} cannot be read here`;
    }
    // The attached databases are 0 (the store), 1 (what is temporary); there are no others.
    if (opcode === "Transaction" && p1 > 1) return "Only the store can be read here";
  }
  return null;
}

function hiddenTable(table: string, facts: PlanFacts): string {
  const columns = HIDDEN_COLUMNS[table]!.map(([column]) => column).join(", ");
  return facts.hasStandIns
    ? `The values of ${table} are not shown here; \`${table}\` without a database's name has ${columns}`
    : `The table ${table} holds values that are not shown here`;
}

/** Statements that make the stand-in of a hidden table, in the temporary database. */
export function standIn(table: string): string {
  const columns = HIDDEN_COLUMNS[table]!.map(([column, sql]) => `${sql} AS ${column}`).join(", ");
  return `CREATE TEMP TABLE ${table} AS SELECT ${columns} FROM main.${table}`;
}
