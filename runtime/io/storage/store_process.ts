/**
 * The process that writes the GCS's store: libSQL's calls are synchronous, and a commit must stall neither heartbeats nor
 * scheduling. One process, one connection, one transaction at a time; each takes everything that has queued while the last
 * one ran. It ends when the head does, after committing what it was given.
 *
 *   opening --opened--> idle <--> committing --(away, full)--> waiting --(works again)--> committing
 *      |                             |
 *      +--refused: exit 1            +--integrity, I/O, superseded: failed, exit 70
 * @module
 */
import { connectRemote, type Database, openDatabase } from "./database.ts";
import { hasMoreToPrune, isHistory, pruneStatements, queryRows } from "./history.ts";
import { loadStore, type Row } from "./load.ts";
import type { HistoryRow, StoreWrite } from "./rows.ts";
import { StoreError, storeErrorOf } from "./store_error.ts";
import { storePlace } from "./store_url.ts";
import {
  type CommitMessage,
  type OpenMessage,
  packRows,
  type QueryMessage,
  StoreFrame,
  unpackWrites,
} from "./store_wire.ts";
import { ChildPipe } from "../transport/child_pipe.ts";
import { checkEpoch, planWrites, type Statement } from "./write_plan.ts";

/** Exit codes: refused at start, and failed later (sysexits' EX_SOFTWARE). */
const EXIT_REFUSED = 1;
const EXIT_FAILED = 70;
/** Waits between tries while the store is away, the last one again and again. */
const RETRY_MS = [50, 100, 250, 500, 1_000, 2_000];
/** Pruning runs when this many commits have passed, or by the clock. */
const PRUNE_EVERY_COMMITS = 500;
const PRUNE_EVERY_MS = 60_000;

interface PendingCommit {
  readonly sequence: number;
  readonly dropped: number;
  readonly writes: (StoreWrite | HistoryRow)[];
}

class StoreProcess {
  readonly #pipe: ChildPipe;
  #open: OpenMessage | null = null;
  #database: Database | null = null;
  #commits: PendingCommit[] = [];
  #queries: QueryMessage[] = [];
  /** The head is gone or has said close: finish and exit. */
  #closing = false;
  #running = false;
  #waiting = false;
  #commitsSincePrune = 0;
  #prunedMs: number = Date.now();
  /** Dropped before this head began. */
  #droppedBefore = 0;
  #droppedWritten = 0;

  constructor() {
    this.#pipe = new ChildPipe(
      process.stdin,
      process.stdout,
      (type, message, sections) => this.#onMessage(type, message, sections),
      () => this.#end(),
    );
  }

  #onMessage(type: number, message: unknown, sections: readonly Uint8Array[]): void {
    switch (type) {
      case StoreFrame.open:
        void this.#start(message as OpenMessage);
        return;
      case StoreFrame.commit: {
        const { sequence, dropped, writes } = message as CommitMessage;
        this.#commits.push({ sequence, dropped, writes: unpackWrites(writes, sections) });
        break;
      }
      case StoreFrame.query:
        this.#queries.push(message as QueryMessage);
        break;
      case StoreFrame.close:
        this.#end();
        return;
    }
    void this.#run();
  }

  #end(): void {
    this.#closing = true;
    void this.#run();
  }

  async #start(message: OpenMessage): Promise<void> {
    this.#open = message;
    const authToken = process.env.MOBULA_STORE_AUTH_TOKEN || null;
    const startedMs = performance.now();
    let place;
    try {
      place = storePlace(message.url, message.dir);
    } catch (error) {
      return this.#fail(error, EXIT_REFUSED);
    }
    for (let attempt = 0;; attempt++) {
      try {
        this.#database = await openDatabase({
          place,
          authToken,
          clusterId: message.clusterId,
          nowMs: Date.now(),
          fileBytesMax: message.fileBytesMax,
          lockWaitMs: message.lockWaitMs,
        });
        await this.#load(this.#database);
        break;
      } catch (error) {
        this.#database?.close();
        this.#database = null;
        const failure = storeErrorOf(error, place.type === "remote");
        const isOver = this.#closing || performance.now() - startedMs > message.openTimeoutMs;
        if (!failure.isTransient || isOver) return this.#fail(failure, EXIT_REFUSED);
        this.#say(failure);
        await pause(RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)]!);
      }
    }
    void this.#run();
  }

  async #load(database: Database): Promise<void> {
    await loadStore(database.client, async (table, rows) => {
      for (const part of byFrame(rows)) {
        const sections: Uint8Array[] = [];
        const packed = packRows(table, part, sections);
        this.#pipe.send(StoreFrame.rows, { table, rows: packed }, sections);
        await this.#pipe.drained();
      }
    });
    const counted = await database.client.execute("SELECT value FROM meta WHERE key = 'history_dropped'");
    this.#droppedBefore = Number(counted.rows[0]?.value ?? 0);
    this.#pipe.send(StoreFrame.opened, {
      clusterId: database.clusterId,
      epoch: database.epoch,
      schemaVersion: database.schemaVersion,
      isNew: database.isNew,
      historyDropped: this.#droppedBefore,
    });
    this.#say(null);
  }

  /** The loop: commits first, then one query, then pruning; ends when nothing is left. */
  async #run(): Promise<void> {
    if (this.#running) return;
    if (this.#database === null) {
      // The head ended while the store was opening (or before): nothing was accepted, so nothing is lost.
      if (this.#closing && this.#open === null) process.exit(0);
      return;
    }
    this.#running = true;
    try {
      for (;;) {
        if (this.#commits.length > 0) await this.#commit();
        else if (this.#queries.length > 0) await this.#answer(this.#queries.shift()!);
        else if (this.#closing) return await this.#finish();
        else if (this.#pruneIsDue()) await this.#prune();
        else break;
        // Let the pipe be read between two transactions: what has come meanwhile joins the next one.
        await new Promise((resolve) => setImmediate(resolve));
      }
    } catch (error) {
      return this.#fail(error, EXIT_FAILED);
    } finally {
      this.#running = false;
    }
  }

  async #commit(): Promise<void> {
    const commits = this.#commits;
    this.#commits = [];
    const last = commits[commits.length - 1]!;
    const statements = planWrites(
      commits.length === 1 ? last.writes : commits.flatMap((commit) => commit.writes),
    );
    if (last.dropped !== this.#droppedWritten) {
      statements.push({
        sql:
          "INSERT INTO meta (key, value) VALUES ('history_dropped', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        args: [String(this.#droppedBefore + last.dropped)],
      });
    }
    if (!await this.#transaction(statements)) return;
    this.#droppedWritten = last.dropped;
    this.#commitsSincePrune++;
    this.#pipe.send(StoreFrame.committed, { sequence: last.sequence });
  }

  /** Try until it is durable; false only when the head is gone and the store is away. Throws what is fatal. */
  async #transaction(statements: readonly Statement[]): Promise<boolean> {
    const database = this.#database!;
    const batch = [checkEpoch(database.epoch), ...statements];
    for (let attempt = 0;; attempt++) {
      try {
        await database.client.batch(batch, "write");
        this.#say(null);
        return true;
      } catch (error) {
        const failure = storeErrorOf(error, database.isRemote);
        if (!failure.isTransient) throw failure;
        if (this.#closing) return false;
        this.#say(failure);
        if (failure.code === "STORE_FULL") await this.#makeRoom();
        await pause(RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)]!);
      }
    }
  }

  /** History gives way to what was promised. A disk that has no room for the removal either is left to its owner. */
  async #makeRoom(): Promise<void> {
    const database = this.#database!;
    try {
      await database.client.batch([
        checkEpoch(database.epoch),
        "DELETE FROM tasks WHERE rowid IN (SELECT rowid FROM tasks ORDER BY rowid LIMIT 1000)",
        "DELETE FROM trace_steps WHERE rowid IN (SELECT rowid FROM trace_steps ORDER BY rowid LIMIT 1000)",
      ], "write");
    } catch (error) {
      const failure = storeErrorOf(error, database.isRemote);
      if (!failure.isTransient) throw failure;
    }
  }

  #pruneIsDue(): boolean {
    if (this.#commitsSincePrune === 0) return false;
    return this.#commitsSincePrune >= PRUNE_EVERY_COMMITS || Date.now() - this.#prunedMs >= PRUNE_EVERY_MS;
  }

  async #prune(): Promise<void> {
    const database = this.#database!;
    try {
      const statements = pruneStatements(this.#open!.limits, Date.now());
      const results = await database.client.batch([checkEpoch(database.epoch), ...statements], "write");
      if (hasMoreToPrune(results.slice(1).map((result) => result.rowsAffected))) return;
    } catch (error) {
      const failure = storeErrorOf(error, database.isRemote);
      if (!failure.isTransient) throw failure;
    }
    this.#commitsSincePrune = 0;
    this.#prunedMs = Date.now();
  }

  async #answer(message: QueryMessage): Promise<void> {
    const sections: Uint8Array[] = [];
    try {
      const rows = await this.#read(message);
      this.#pipe.send(StoreFrame.answer, {
        id: message.id,
        rows: packRows(message.query.table, rows, sections),
      }, sections);
    } catch (error) {
      this.#pipe.send(StoreFrame.answer, {
        id: message.id,
        error: error instanceof Error ? error.message : String(error),
      });
    }
  }

  /** History comes from the replica when there is one and it answers; what may be needed at once is read where it is written. */
  async #read(message: QueryMessage): Promise<Record<string, unknown>[]> {
    const replica = process.env.MOBULA_STORE_REPLICA_URL;
    if (replica && isHistory(message.query.table)) {
      const client = connectRemote(replica, process.env.MOBULA_STORE_AUTH_TOKEN || null);
      try {
        return await queryRows(client, message.query);
      } catch (error) {
        if (error instanceof RangeError) throw error;
      } finally {
        client.close();
      }
    }
    return await queryRows(this.#database!.client, message.query);
  }

  /** Tell the head whether writes go through, when that changes. */
  #say(failure: StoreError | null): void {
    if (failure === null && !this.#waiting) return;
    const isNew = this.#waiting !== (failure !== null);
    this.#waiting = failure !== null;
    if (!isNew) return;
    this.#pipe.send(StoreFrame.state, {
      waiting: failure !== null,
      code: failure?.code ?? null,
      message: failure?.message ?? "",
    });
  }

  async #fail(error: unknown, exitCode: number): Promise<void> {
    const failure = storeErrorOf(error, this.#database?.isRemote ?? false);
    this.#pipe.send(StoreFrame.failed, { code: failure.code, message: failure.message });
    await this.#exit(exitCode);
  }

  /** Everything is committed and nobody asks any more. */
  async #finish(): Promise<void> {
    // The log beside the file holds the same: a full disk is no reason to fail now.
    await this.#database?.settle().catch(() => undefined);
    await this.#exit(0);
  }

  async #exit(exitCode: number): Promise<void> {
    // Whether the head still reads is unknown; the end must not depend on it.
    await Promise.race([this.#pipe.drained(), pause(1_000)]);
    this.#database?.close();
    process.exit(exitCode);
  }
}

/** Parts whose bytes fit a frame (64 MB); one row alone always does. */
function* byFrame(rows: readonly Row[]): Iterable<Row[]> {
  let part: Row[] = [];
  let bytes = 0;
  for (const row of rows) {
    let rowBytes = 0;
    for (const value of Object.values(row)) if (value instanceof Uint8Array) rowBytes += value.length;
    if (bytes + rowBytes > 16 * 1024 * 1024 && part.length > 0) {
      yield part;
      part = [];
      bytes = 0;
    }
    part.push(row);
    bytes += rowBytes;
  }
  if (part.length > 0) yield part;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

// Ctrl-C reaches the whole group; the head decides when its store ends.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => {});
new StoreProcess();
