/**
 * The head's end of its store: queues writes in order, keeps at most two batches on their way, and says when they are
 * durable. The head serves from its own memory; `loaded` is what it starts from.
 *
 * Two queues with different promises: writes that somebody waits for are never dropped (beyond a bound new requests are to
 * be refused: `refusal`); history rows are, oldest finished ones first, and counted.
 * @module
 */
import type { ChildProcess } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { spawnRuntime } from "#platform";
import type { RuntimeName } from "../../common/task_spec.ts";
import { programHere } from "../../platform/runtime_folder.ts";
import { HISTORY_LIMITS, type HistoryLimits, type StoreQuery } from "./history.ts";
import { HistoryQueue } from "./history_queue.ts";
import type { HistoryRow, LoadedStore, StoredFunction, StoreWrite, TableName } from "./rows.ts";
import { StoreError } from "./store_error.ts";
import {
  type AnswerMessage,
  type CommittedMessage,
  type FailedMessage,
  type OpenedMessage,
  packWrites,
  type RowsMessage,
  type StateMessage,
  StoreFrame,
  unpackRows,
  writeBytes,
} from "./store_wire.ts";
import { ChildPipe } from "../transport/child_pipe.ts";
import { WriteQueue } from "./write_queue.ts";

/** Rows of one batch: a few hundred make full durability nearly free, more only makes waiters wait. */
const BATCH_ROWS_MAX = 500;
const BATCH_BYTES_MAX = 8 * 1024 * 1024;
/** One is committed while the next one is read. */
const BATCHES_IN_FLIGHT_MAX = 2;
/** Writes that may wait while the store is away. */
const QUEUED_WRITES_MAX = 200_000;
const QUEUED_BYTES_MAX = 256 * 1024 * 1024;
/** How long a new head waits for the store process of the one before it, which ends when it has committed its last batch. */
const LOCK_WAIT_MS = 5_000;
/** Less than a head has for its start, so that the reason is heard: the store, and not "not ready". */
const OPEN_TIMEOUT_MS = 15_000;
/** One row must fit a frame. */
export const STORE_VALUE_BYTES_MAX: number = 32 * 1024 * 1024;

export interface StoreOptions {
  /** `file:…`, `http(s)://…`, `libsql://…`; null: gcs.db in `dir`. */
  readonly url: string | null;
  /** Folder of the default file. */
  readonly dir: string;
  /** Runtime of the store process. */
  readonly runtime: RuntimeName;
  /** Cluster id, should the store be new. */
  readonly clusterId: string;
  /** The store failed for good (integrity, I/O, another head took over, its process died): the head must exit (70). */
  readonly onFatal: (error: StoreError) => void;
  /** The store is away or full (waiting), or works again. Called on changes. */
  readonly onState?: (state: { readonly waiting: boolean; readonly message: string }) => void;
  readonly limits?: Partial<HistoryLimits>;
  /** Bytes that a file may grow to; beyond, it counts as a full disk. */
  readonly fileBytesMax?: number;
  /** How long to wait for another head's store process to leave the file. Default 5 s: it ends by itself. */
  readonly lockWaitMs?: number;
  /** How long a server that does not answer is waited for at the start. Default 30 s; once open, there is no limit. */
  readonly openTimeoutMs?: number;
}

interface OpenQuery {
  readonly table: TableName;
  readonly resolve: (rows: Record<string, unknown>[]) => void;
  readonly reject: (error: Error) => void;
}

/** Starts the store process and loads. Rejects with StoreError when the store is refused (newer, corrupt, in use, …). */
export function openStore(options: StoreOptions): Promise<GcsStore> {
  return new Promise((resolve, reject) => {
    const store: GcsStore = new GcsStore(options, (error) => error === null ? resolve(store) : reject(error));
  });
}

/** A store that is open. */
export class GcsStore {
  readonly #options: StoreOptions;
  readonly #child: ChildProcess;
  readonly #pipe: ChildPipe;
  #settleOpen: ((error: StoreError | null) => void) | null;
  #loaded: LoadedStore | null = null;
  readonly #rows: Partial<Record<TableName, Record<string, unknown>[]>> = {};

  readonly #writes: WriteQueue = new WriteQueue();
  readonly #history: HistoryQueue = new HistoryQueue();
  /** Sequence of the newest batch that was sent. */
  #sent = 0;
  #flushScheduled = false;
  #waitingMessage: string | null = null;
  #failure: StoreError | null = null;
  #closing: (() => void) | null = null;
  #nextQuery = 1;
  readonly #queries: Map<number, OpenQuery> = new Map();
  #rowsSent = 0;

  constructor(options: StoreOptions, settleOpen: (error: StoreError | null) => void) {
    this.#options = options;
    this.#settleOpen = settleOpen;
    const { entry, args } = programHere("io/storage/store_process.ts");
    this.#child = spawnRuntime(options.runtime, entry, { args, stdio: ["pipe", "pipe", "inherit"] });
    this.#pipe = new ChildPipe(
      this.#child.stdout as Readable,
      this.#child.stdin as Writable,
      (type, message, sections) => this.#onMessage(type, message, sections),
      () => {},
    );
    this.#child.on("error", (error) => this.#ended(`cannot be started: ${error.message}`));
    // Not "exit": why it ended may still be in the pipe then.
    this.#child.on("close", (code, signal) => this.#ended(`ended with ${signal ?? `code ${code}`}`));
    this.#pipe.send(StoreFrame.open, {
      url: options.url,
      dir: options.dir,
      clusterId: options.clusterId,
      fileBytesMax: options.fileBytesMax ?? null,
      lockWaitMs: options.lockWaitMs ?? LOCK_WAIT_MS,
      openTimeoutMs: options.openTimeoutMs ?? OPEN_TIMEOUT_MS,
      limits: { ...HISTORY_LIMITS, ...options.limits },
    });
  }

  /** What the store held when it was opened. */
  get loaded(): LoadedStore {
    if (this.#loaded === null) throw new Error("the store is not open yet");
    return this.#loaded;
  }

  /** For people: `file:/…` or the server's address. */
  get url(): string {
    return this.#options.url ?? `file:${this.#options.dir}/gcs.db`;
  }

  /** Process id of the store process. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Why writes wait (the store is away, its disk is full), or null. */
  get waitingFor(): string | null {
    return this.#waitingMessage;
  }

  /** Writes and history rows that are not on their way yet, and rows that were dropped since this head began or before. */
  get counts(): { queued: number; historyQueued: number; historyDropped: number; rowsSent: number } {
    return {
      queued: this.#writes.length,
      historyQueued: this.#history.length,
      historyDropped: (this.#loaded?.historyDropped ?? 0) + this.#history.dropped,
      rowsSent: this.#rowsSent,
    };
  }

  /** Whether history should come slower: its queue is more than half full. */
  get isPressed(): boolean {
    return this.#history.isPressed;
  }

  /**
   * Whether new work should be refused: the store has been away for so long that its queue is full. Whoever takes requests
   * asks before anything has changed; what follows from what was accepted is written all the same.
   */
  get refusal(): StoreError | null {
    if (this.#failure !== null) return this.#failure;
    if (this.#writes.length < QUEUED_WRITES_MAX && this.#writes.bytes < QUEUED_BYTES_MAX) return null;
    return new StoreError(
      "STORE_UNAVAILABLE",
      `The store takes no writes and its queue is full: ${this.#waitingMessage ?? "it is too slow"}`,
    );
  }

  /** Queue one change, after all that were queued before. RangeError for a value that no frame can carry. */
  write(write: StoreWrite): void {
    const bytes = writeBytes(write);
    if (bytes > STORE_VALUE_BYTES_MAX) {
      throw new RangeError(
        `a ${write.table} row of ${bytes} bytes, limit ${STORE_VALUE_BYTES_MAX}: put it into the object store`,
      );
    }
    // It failed for good: the head is about to exit, and committed() rejects.
    if (this.#failure !== null) return;
    this.#writes.push(write);
    this.#schedule();
  }

  /** Queue a row of history; when there is no room, the oldest finished row gives way and is counted. */
  record(row: HistoryRow): void {
    this.#history.push(row);
    this.#schedule();
  }

  /** Resolves when everything written before this call is durable; at once when it is already. Rejects when the store failed. */
  committed(): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    return this.#writes.committed();
  }

  /** Rows of one table, for people; reads what is committed. RangeError for an unknown filter. */
  query(query: StoreQuery): Promise<Record<string, unknown>[]> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      const id = this.#nextQuery++;
      this.#queries.set(id, { table: query.table, resolve, reject });
      this.#pipe.send(StoreFrame.query, { id, query });
    });
  }

  /** A function with its source, or null. */
  async readFunction(hash: string): Promise<StoredFunction | null> {
    const rows = await this.query({
      table: "functions",
      filters: [{ property: "hash", operator: "=", value: hash }],
      limit: 1,
    });
    return (rows[0] as StoredFunction | undefined) ?? null;
  }

  /** Commit everything that is queued, and end the store process. */
  close(): Promise<void> {
    if (this.#failure !== null || this.#child.exitCode !== null) return Promise.resolve();
    return new Promise((resolve) => {
      this.#closing = resolve;
      this.#flush();
    });
  }

  /** End the store process at once; what is not committed is lost. Only for the way out after a failure. */
  kill(): void {
    this.#closing ??= () => {};
    this.#fail(new StoreError("STORE_ENDED", "The store was ended"));
    this.#child.kill("SIGKILL");
  }

  #schedule(): void {
    if (this.#flushScheduled || this.#loaded === null) return;
    this.#flushScheduled = true;
    // Writes of one turn share a batch.
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#flushScheduled = false;
    while (this.#failure === null && this.#writes.batchesInFlight < BATCHES_IN_FLIGHT_MAX) {
      if (this.#writes.length + this.#history.length === 0) break;
      this.#sent++;
      const batch: (StoreWrite | HistoryRow)[] = this.#writes.takeBatch(
        this.#sent,
        BATCH_ROWS_MAX,
        BATCH_BYTES_MAX,
      );
      this.#history.take(BATCH_ROWS_MAX - batch.length, batch);
      this.#rowsSent += batch.length;
      const sections: Uint8Array[] = [];
      const writes = packWrites(batch, sections);
      this.#pipe.send(
        StoreFrame.commit,
        { sequence: this.#sent, dropped: this.#history.dropped, writes },
        sections,
      );
    }
    const isEmpty = this.#writes.length + this.#history.length === 0;
    if (this.#closing !== null && isEmpty && this.#failure === null) this.#pipe.send(StoreFrame.close, {});
  }

  #onMessage(type: number, message: unknown, sections: readonly Uint8Array[]): void {
    switch (type) {
      case StoreFrame.rows: {
        const { table, rows } = message as RowsMessage;
        unpackRows(table, rows, sections);
        const known = this.#rows[table] ??= [];
        for (const row of rows) known.push(row);
        return;
      }
      case StoreFrame.opened:
        return this.#onOpened(message as OpenedMessage);
      case StoreFrame.committed:
        return this.#onCommitted((message as CommittedMessage).sequence);
      case StoreFrame.state: {
        const state = message as StateMessage;
        this.#waitingMessage = state.waiting ? state.message : null;
        this.#options.onState?.({ waiting: state.waiting, message: state.message });
        return;
      }
      case StoreFrame.answer:
        return this.#onAnswer(message as AnswerMessage, sections);
      case StoreFrame.failed: {
        const failed = message as FailedMessage;
        return this.#fail(new StoreError(failed.code, failed.message));
      }
    }
  }

  #onOpened(opened: OpenedMessage): void {
    const rows = this.#rows as { [T in TableName]?: never[] };
    this.#loaded = {
      ...opened,
      nodes: rows.nodes ?? [],
      jobs: rows.jobs ?? [],
      functions: rows.functions ?? [],
      actors: rows.actors ?? [],
      actorSpecs: rows.actorSpecs ?? [],
      actorErrors: rows.actorErrors ?? [],
      names: rows.names ?? [],
      kv: rows.kv ?? [],
      objects: rows.objects ?? [],
      objectLocations: rows.objectLocations ?? [],
      placementGroups: rows.placementGroups ?? [],
      submissions: rows.submissions ?? [],
    };
    this.#settleOpen?.(null);
    this.#settleOpen = null;
  }

  #onCommitted(sequence: number): void {
    this.#writes.durable(sequence);
    this.#flush();
  }

  #onAnswer(answer: AnswerMessage, sections: readonly Uint8Array[]): void {
    const open = this.#queries.get(answer.id);
    this.#queries.delete(answer.id);
    if (open === undefined) return;
    if (answer.error !== undefined) return open.reject(new RangeError(answer.error));
    const rows = (answer.rows ?? []) as Record<string, unknown>[];
    unpackRows(open.table, rows, sections);
    open.resolve(rows);
  }

  #ended(how: string): void {
    if (this.#closing !== null && this.#failure === null) {
      this.#failure = new StoreError("STORE_ENDED", "The store is closed");
      this.#closing();
      this.#closing = null;
      this.#writes.fail(this.#failure);
      return;
    }
    this.#fail(new StoreError("STORE_ENDED", `The store process ${how}`));
  }

  #fail(error: StoreError): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    this.#writes.fail(error);
    for (const open of this.#queries.values()) open.reject(error);
    this.#queries.clear();
    this.#closing?.();
    if (this.#settleOpen !== null) {
      this.#settleOpen(error);
      this.#settleOpen = null;
    } else if (this.#closing === null) {
      this.#options.onFatal(error);
    }
  }
}
