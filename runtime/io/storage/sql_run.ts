/**
 * Runs one statement of a console on a store, read-only: parse, ask the engine for its program, judge it, run it, and keep
 * no more of the result than fits an answer. On a file every statement has a connection of its own that the engine itself
 * keeps from writing; nothing of one statement is left for the next.
 * @module
 */
import { existsSync, statSync } from "node:fs";
import { pathToFileURL } from "node:url";
import type { Client } from "@libsql/client";
import Database from "libsql";
import type { SqlCell, SqlResult } from "../../../dashboard/api/sql.ts";
import { StoreError } from "./store_error.ts";
import { HIDDEN_COLUMNS, type PlanFacts, planProblem, type PlanStep, standIn } from "./sql_plan.ts";
import { parseStatement, type Statement } from "./sql_statement.ts";

/** A value that is longer is cut. */
const CELL_LENGTH_MAX = 16_384;
/** Rows whose text is longer in all are not answered. */
const RESULT_LENGTH_MAX = 4 * 1024 * 1024;
/** When the answer is full, the rest is counted for so long. */
const COUNT_MS_MAX = 2_000;
/** What the engine may use for one statement, sorting included; beyond, it fails. */
const ENGINE_BYTES_MAX = 192 * 1024 * 1024;

type Raw = readonly unknown[];

/** Rows for one answer, as they come. */
class Collector {
  readonly rows: SqlCell[][] = [];
  readonly #limit: number;
  readonly #startMs: number = performance.now();
  #length = 0;
  #total = 0;
  #cutBy: SqlResult["cutBy"] = null;
  #cellsCut = 0;
  #fullMs = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** False when no more rows need to come. */
  take(row: Raw): boolean {
    this.#total++;
    if (this.#cutBy === null) {
      if (this.rows.length >= this.#limit) this.#fill("rows");
      else this.#keep(row);
    }
    // A look at the clock now and then.
    const isLate = this.#cutBy !== null && this.#total % 512 === 0 &&
      performance.now() - this.#fullMs > COUNT_MS_MAX;
    return !isLate;
  }

  result(columns: readonly string[], isTotalExact: boolean): SqlResult {
    return {
      columns,
      rows: this.rows,
      total: this.#total,
      isTotalExact,
      cutBy: this.#cutBy,
      cellsCut: this.#cellsCut,
      elapsedMs: Math.round((performance.now() - this.#startMs) * 10) / 10,
    };
  }

  #keep(row: Raw): void {
    const cells = row.map((value) => this.#cell(value));
    let length = 2;
    for (const cell of cells) length += typeof cell === "string" ? cell.length + 3 : 10;
    if (this.#length + length > RESULT_LENGTH_MAX) return this.#fill("bytes");
    this.#length += length;
    this.rows.push(cells);
  }

  #fill(by: "rows" | "bytes"): void {
    this.#cutBy = by;
    this.#fullMs = performance.now();
  }

  #cell(value: unknown): SqlCell {
    const cell = cellOf(value);
    if (typeof cell !== "string" || cell.length <= CELL_LENGTH_MAX) return cell;
    this.#cellsCut++;
    return `${cell.slice(0, CELL_LENGTH_MAX)}…`;
  }
}

function cellOf(value: unknown): SqlCell {
  if (value === null || value === undefined || typeof value === "string") return value ?? null;
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : String(value);
  }
  // JSON knows no infinity.
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  const { byteLength } = value as ArrayBuffer;
  return `<blob of ${byteLength} bytes>`;
}

/** On a file. RangeError says, to whoever wrote the statement, what is wrong with it. */
export function runOnFile(path: string, sql: string, limit: number): SqlResult {
  const statement = parseStatement(sql);
  const database = openReadOnly(path);
  try {
    for (const table of Object.keys(HIDDEN_COLUMNS)) {
      if (statement.names.has(table) && hasTable(database, table)) database.exec(standIn(table));
    }
    database.exec(`PRAGMA hard_heap_limit = ${ENGINE_BYTES_MAX}`);
    // The engine's own wall; what is typed cannot take it down: no such PRAGMA passes.
    database.exec("PRAGMA query_only = ON");
    // The program that was judged is the one that runs: nobody changes the tables in between.
    database.exec("BEGIN");
    return asUserError(() => readFile(database, statement, new Collector(limit)));
  } finally {
    database.close();
  }
}

function readFile(database: Database.Database, statement: Statement, collector: Collector): SqlResult {
  const { kind, sql, names } = statement;
  if (kind === "select") {
    const steps = database.prepare(`EXPLAIN ${sql}`).all() as PlanStep[];
    judge(steps, { ...factsOf((query) => database.prepare(query).all() as Row[]), names, hasStandIns: true });
  }
  const prepared = database.prepare(sql);
  if (!prepared.reader) return collector.result([], true);
  prepared.raw(true).safeIntegers(true);
  const columns = prepared.columns().map(({ name }) => name);
  let isExact = true;
  for (const row of prepared.iterate()) {
    if (collector.take(row as Raw)) continue;
    isExact = false;
    break;
  }
  return collector.result(columns, isExact);
}

/** On a libSQL server, whose connections can all write: the engine's program is what keeps a statement to reading. */
export async function runOnServer(client: Client, sql: string, limit: number): Promise<SqlResult> {
  const statement = parseStatement(sql);
  if (statement.kind === "select") {
    const [explained, schema, modules] = await client.batch([
      `EXPLAIN ${statement.sql}`,
      SCHEMA_QUERY,
      MODULES_QUERY,
    ], "read").catch(rethrowUserError);
    const answers = new Map([[SCHEMA_QUERY, schema!], [MODULES_QUERY, modules!]]);
    const facts = factsOf((query) => answers.get(query)!.rows as unknown as Row[]);
    judge(explained!.rows as unknown as PlanStep[], { ...facts, names: statement.names, hasStandIns: false });
  }
  const collector = new Collector(limit);
  const [result] = await client.batch([bounded(statement, limit)], "read").catch(rethrowUserError);
  let isExact = true;
  for (const row of result!.rows) {
    isExact = collector.take(Array.from({ length: row.length }, (_, i) => row[i]));
  }
  // One row more than wanted was asked for: there may be more of them.
  if (result!.rows.length > limit) isExact = false;
  return collector.result(result!.columns, isExact);
}

/** A server would send everything: it is asked for one row more than is shown. */
function bounded({ kind, sql }: Statement, limit: number): string {
  return kind === "select" ? `SELECT * FROM (${sql}\n) LIMIT ${limit + 1}` : sql;
}

type Row = Readonly<Record<string, unknown>>;
const SCHEMA_QUERY = "SELECT tbl_name, rootpage FROM sqlite_schema WHERE rootpage > 0";
const MODULES_QUERY = "SELECT lower(name) AS name FROM pragma_module_list";

function factsOf(all: (query: string) => Row[]): Pick<PlanFacts, "schema" | "modules"> {
  return {
    schema: all(SCHEMA_QUERY).map((row) => ({ table: String(row.tbl_name), rootPage: Number(row.rootpage) })),
    modules: all(MODULES_QUERY).map((row) => String(row.name)),
  };
}

function judge(steps: readonly PlanStep[], facts: PlanFacts): void {
  const problem = planProblem(steps, facts);
  if (problem !== null) throw new RangeError(problem);
}

function hasTable(database: Database.Database, table: string): boolean {
  return database.prepare("SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = ?").get([
    table,
  ]) !==
    undefined;
}

/** A connection that cannot write and never checkpoints: SQLite refuses both on a read-only one. */
export function openReadOnly(path: string): Database.Database {
  if (!existsSync(path)) throw new RangeError(`There is no store at ${path}`);
  const url = pathToFileURL(path).href.replace("file://", "file:");
  try {
    return checked(new Database(`${url}?mode=ro`, { timeout: 5_000 }));
  } catch (error) {
    // A folder that cannot be written has no room for the log's index; without a log there is nothing to index.
    const hasLog = existsSync(`${path}-wal`) && statSync(`${path}-wal`).size > 0;
    if (!/CANTOPEN|READONLY/.test(String((error as { code?: unknown }).code)) || hasLog) {
      throw storeProblem(error, path);
    }
  }
  try {
    return checked(new Database(`${url}?immutable=1`));
  } catch (error) {
    throw storeProblem(error, path);
  }
}

/** Opening reads nothing yet. */
function checked(database: Database.Database): Database.Database {
  try {
    const found = database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'schema_migrations'").get();
    if (found !== undefined) return database;
    throw new StoreError("STORE_FOREIGN", "it is not a mobula store");
  } catch (error) {
    database.close();
    throw error;
  }
}

function storeProblem(error: unknown, path: string): RangeError {
  return new RangeError(`Cannot read the store ${path}: ${(error as Error).message}`, { cause: error });
}

/** What the engine says of a statement is for its writer. */
function asUserError<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    return rethrowUserError(error);
  }
}

function rethrowUserError(error: unknown): never {
  if (error instanceof RangeError) throw error;
  const { code, message } = error as { code?: unknown; message: string };
  if (String(code).startsWith("SQLITE_NOMEM")) {
    throw new RangeError("The statement needs more memory than a console may use", { cause: error });
  }
  if (/^(SQLITE|SQL_|SERVER)/.test(String(code))) {
    throw new RangeError(message.replace(/^[A-Z_]+: /, ""), { cause: error });
  }
  throw error;
}
