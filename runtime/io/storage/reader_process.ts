/**
 * A process that reads the store for people: statements of the console, records of jobs that are over. It never writes and
 * never checkpoints, so that the writer stays the only one that does, and whoever started it may kill it at any moment:
 * that is how a statement is ended that takes too long. One question at a time; it ends with its starter's pipe.
 * @module
 */
import type { Client } from "@libsql/client";
import { connectRemote } from "./database.ts";
import { JobHistory } from "./job_history.ts";
import {
  type AnswerMessage,
  type AskMessage,
  type HistoryQuestion,
  ReaderFrame,
  type ReaderPlace,
  type ReaderQuestions,
  type RecordQuestion,
  type SqlQuestion,
} from "./reader_wire.ts";
import { openReadOnly, runOnFile, runOnServer } from "./sql_run.ts";
import { COLUMNS_QUERY, tablesOf } from "./sql_tables.ts";
import { StoreError } from "./store_error.ts";
import type { SqlValue } from "./write_plan.ts";
import { storePlace } from "./store_url.ts";
import { ChildPipe } from "../transport/child_pipe.ts";

type Row = Readonly<Record<string, unknown>>;

class Reader {
  readonly #pipe: ChildPipe;
  #place: ReaderPlace = { url: null, dir: "." };
  #client: Client | null = null;
  readonly #history: JobHistory = new JobHistory((sql, args) => this.#all(sql, args));
  #asked: AskMessage[] = [];
  #isRunning = false;

  constructor() {
    this.#pipe = new ChildPipe(process.stdin, process.stdout, (type, message) => {
      if (type === ReaderFrame.open) this.#place = message as ReaderPlace;
      else if (type === ReaderFrame.ask) this.#asked.push(message as AskMessage);
      void this.#run();
    }, () => process.exit(0));
  }

  async #run(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    for (let next = this.#asked.shift(); next !== undefined; next = this.#asked.shift()) {
      this.#pipe.send(ReaderFrame.answer, await this.#answer(next));
      await this.#pipe.drained();
    }
    this.#isRunning = false;
  }

  async #answer({ id, name, params }: AskMessage): Promise<AnswerMessage> {
    try {
      return { id, result: await this.#resultOf(name, params) };
    } catch (error) {
      const { message } = error as Error;
      return { id, error: { message, isUser: error instanceof RangeError || error instanceof StoreError } };
    }
  }

  #resultOf(name: keyof ReaderQuestions, params: unknown): Promise<unknown> {
    switch (name) {
      case "sql":
        return this.#sql(params as SqlQuestion);
      case "tables":
        return this.#tables();
      case "history":
        return this.#history.list(params as HistoryQuestion);
      case "recorded":
        return this.#history.recorded();
      case "recordAnswer":
        return this.#history.answer(params as RecordQuestion);
      case "recordBytes":
        return this.#history.bytes((params as { jobId: string }).jobId);
    }
  }

  async #sql({ sql, limit }: SqlQuestion): Promise<unknown> {
    const place = storePlace(this.#place.url, this.#place.dir);
    if (place.type === "file") return runOnFile(place.path, sql, limit);
    return await runOnServer(this.#server(place.url), sql, limit);
  }

  async #tables(): Promise<unknown> {
    return tablesOf(
      await this.#all(COLUMNS_QUERY),
      storePlace(this.#place.url, this.#place.dir).type === "file",
    );
  }

  /** Rows of a query of our own. */
  async #all(sql: string, args: SqlValue[] = []): Promise<Row[]> {
    const place = storePlace(this.#place.url, this.#place.dir);
    if (place.type === "remote") {
      return (await this.#server(place.url).execute({ sql, args })).rows as unknown as Row[];
    }
    const database = openReadOnly(place.path);
    try {
      return database.prepare(sql).all(args) as Row[];
    } finally {
      database.close();
    }
  }

  /** A replica, where there is one: it cannot write whatever it is told. */
  #server(url: string): Client {
    const { MOBULA_STORE_REPLICA_URL: replica, MOBULA_STORE_AUTH_TOKEN: authToken } = process.env;
    return this.#client ??= connectRemote(replica || url, authToken || null);
  }
}

// Ctrl-C reaches the whole group; whoever started it decides when it ends.
process.on("SIGINT", () => {});
new Reader();
