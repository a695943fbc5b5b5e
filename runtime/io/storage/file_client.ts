/**
 * A connection to a local file that keeps its statements. `@libsql/client` prepares each statement anew, which is half of
 * what a commit of 500 rows takes; the engine below it lets them be kept. What it offers of the client is what the store
 * uses: execute, batch and close, with the same rows and the same error codes.
 * @module
 */
import { Buffer } from "node:buffer";
import Database from "libsql";
import type { Statement } from "./write_plan.ts";

/** A row by column, in the order of the columns and by their names. */
export interface ConnectionRow {
  readonly [column: string | number]: unknown;
}
export interface ConnectionAnswer {
  readonly rows: readonly ConnectionRow[];
  readonly rowsAffected: number;
}

/** What the store asks of a connection, local or remote. */
export interface StoreConnection {
  execute(statement: Statement | string): Promise<ConnectionAnswer>;
  /** One transaction: all of it or nothing. */
  batch(statements: (Statement | string)[], mode: "write" | "read"): Promise<ConnectionAnswer[]>;
  close(): void;
}

/** Statements that are kept: tables times kinds of writes times row counts, as far as they are in use. */
const KEPT_MAX = 128;
/** A kept statement holds the values of its last run until the next one: with larger blobs it is not kept. */
const KEPT_BLOB_BYTES_MAX = 64 * 1024;

type Value = Statement["args"][number];
type Prepared = ReturnType<Database.Database["prepare"]>;

/** See the module's header. */
export class FileClient implements StoreConnection {
  readonly #database: Database.Database;
  /** Writing statements by text; the one used last comes last. */
  readonly #kept: Map<string, Prepared> = new Map();

  /** Opens the file, or makes it. Throws what the engine throws, with its code. */
  constructor(path: string) {
    this.#database = new Database(path);
  }

  async execute(statement: Statement | string): Promise<ConnectionAnswer> {
    return this.#run(statement);
  }

  async batch(statements: (Statement | string)[], mode: "write" | "read"): Promise<ConnectionAnswer[]> {
    this.#run(mode === "write" ? "BEGIN IMMEDIATE" : "BEGIN DEFERRED");
    try {
      const answers = statements.map((statement) => this.#run(statement));
      this.#run("COMMIT");
      return answers;
    } catch (error) {
      // A full disk or an I/O error may have ended it already.
      if (this.#database.inTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  close(): void {
    this.#kept.clear();
    this.#database.close();
  }

  #run(statement: Statement | string): ConnectionAnswer {
    const sql = typeof statement === "string" ? statement : statement.sql;
    // Always an array: the binding ends the process on a bare object or buffer.
    const values: Value[] = [];
    let isLarge = false;
    if (typeof statement !== "string") {
      for (const value of statement.args) {
        const isBlob = value instanceof Uint8Array;
        if (isBlob && value.length > KEPT_BLOB_BYTES_MAX) isLarge = true;
        // Of bytes the binding takes buffers alone.
        values.push(isBlob ? Buffer.from(value.buffer, value.byteOffset, value.length) : value);
      }
    }
    const kept = this.#kept.get(sql);
    const prepared = isLarge || kept === undefined ? this.#database.prepare(sql) : kept;
    if (prepared.reader) return answerOf(prepared, values);
    if (!isLarge) this.#keep(sql, prepared);
    return { rows: [], rowsAffected: prepared.run(values).changes };
  }

  #keep(sql: string, prepared: Prepared): void {
    this.#kept.delete(sql);
    this.#kept.set(sql, prepared);
    if (this.#kept.size > KEPT_MAX) this.#kept.delete(this.#kept.keys().next().value!);
  }
}

function answerOf(prepared: Prepared, values: unknown[]): ConnectionAnswer {
  const columns = prepared.columns().map(({ name }) => name);
  const found = prepared.raw(true).all(values) as unknown[][];
  const rows = found.map((cells) => {
    const row: Record<string | number, unknown> = {};
    // Of columns of one name the first counts, as in the client.
    columns.forEach((name, at) => Object.hasOwn(row, name) || (row[name] = cells[at]));
    cells.forEach((cell, at) => Object.defineProperty(row, at, { value: cell }));
    return row;
  });
  return { rows, rowsAffected: 0 };
}
