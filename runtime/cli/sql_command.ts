/**
 * `mobula sql "select …"`: one statement over the store's tables, by the head; or over the file of a cluster that is gone.
 * @module
 */
import { readFileSync } from "node:fs";
import type { SqlCell, SqlResult } from "../../dashboard/api/sql.ts";
import { withHead } from "./head_client.ts";
import { dim, print, printJson, table } from "./print.ts";
import { withStore } from "./store_file.ts";
import { type CommandDefinition, COMMON_FLAGS, type ParsedArguments, UsageError } from "./usage.ts";

const ROWS_DEFAULT = 1_000;
const ROWS_MAX = 10_000;
/** Characters of a value in a table; --json and --csv print all. */
const CELL_WIDTH_MAX = 60;
/** A file that nobody else reads may be asked for longer than a head. */
const FILE_TIMEOUT_MS = 60_000;

export const sqlCommand: CommandDefinition = {
  name: "sql",
  summary: "one statement that reads the store: jobs, tasks, actors, nodes, objects",
  positionals: [{ name: "STATEMENT", help: "SELECT …, or - for what stands on the input", isRequired: true }],
  flags: {
    ...COMMON_FLAGS,
    csv: { type: "boolean", help: "print comma-separated values" },
    limit: {
      type: "string",
      value: "N",
      help: `at most so many rows; default ${ROWS_DEFAULT}, maximum ${ROWS_MAX}`,
    },
    store: {
      type: "string",
      value: "FILE",
      help: "the store of a cluster that does not run: gcs.db, or its folder",
    },
  },
  examples: [
    [
      'mobula sql "select state, count(*) from tasks group by state"',
      "what became of the tasks that are kept",
    ],
    [
      "mobula sql \"select name, sql from sqlite_schema where type = 'table'\"",
      "the tables and their columns",
    ],
    [`mobula sql --csv "select * from jobs" > jobs.csv`, "for a spreadsheet"],
    ['mobula sql --store old/gcs.db "select * from jobs"', "a cluster that is gone"],
  ],
  run,
};

async function run(flags: ParsedArguments): Promise<number> {
  const sql = statementOf(flags.positionals[0]);
  const limit = flags.integer("limit", 1, ROWS_MAX) ?? ROWS_DEFAULT;
  if (flags.isSet("json") && flags.isSet("csv")) throw new UsageError("sql: --json or --csv, not both");
  const file = flags.text("store");
  const result = file === null
    ? await withHead(flags, (head) => head.ask("sql", { sql, limit }))
    : await withStore(file, (reader) => reader.ask("sql", { sql, limit }, FILE_TIMEOUT_MS));
  if (flags.isSet("json")) printJson(result);
  else if (flags.isSet("csv")) printCsv(result);
  else printTable(result);
  for (const warning of warningsOf(result)) process.stderr.write(`mobula: ${warning}\n`);
  return 0;
}

function statementOf(text: string | undefined): string {
  if (text === undefined) throw new UsageError('sql: say which statement, such as "select * from jobs"');
  return text === "-" ? readFileSync(0, "utf8") : text;
}

function printTable({ columns, rows, total, isTotalExact }: SqlResult): void {
  if (columns.length === 0) return print("no columns");
  print(table(columns, rows.map((row) => row.map(shortCell))));
  const all = `${isTotalExact ? "" : "more than "}${total}`;
  print(
    dim(
      rows.length === total
        ? `${total} ${total === 1 ? "row" : "rows"}`
        : `showing ${rows.length} of ${all} rows`,
    ),
  );
}

function shortCell(value: SqlCell): string {
  const text = value === null ? "" : String(value).replaceAll(/\s+/g, " ");
  return text.length > CELL_WIDTH_MAX ? `${text.slice(0, CELL_WIDTH_MAX - 1)}…` : text;
}

function printCsv({ columns, rows }: SqlResult): void {
  for (const row of [columns, ...rows]) print(row.map(csvCell).join(","));
}

/** As RFC 4180 has it. */
function csvCell(value: SqlCell): string {
  const text = value === null ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** What a file that is made from the output would be silent about. */
function warningsOf({ rows, total, isTotalExact, cutBy, cellsCut }: SqlResult): string[] {
  const warnings: string[] = [];
  if (cutBy !== null) {
    const why = cutBy === "bytes" ? "the answer was full" : "--limit allows more";
    warnings.push(`${rows.length} of ${isTotalExact ? "" : "more than "}${total} rows are shown: ${why}`);
  }
  if (cellsCut > 0) warnings.push(`${cellsCut} long values are cut`);
  return warnings;
}
