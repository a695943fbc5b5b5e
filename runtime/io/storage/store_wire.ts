/**
 * Messages between the head and its store process: frames over the child's stdin and stdout, a JSON header each, blobs as
 * sections. The head starts the process, so there is no handshake; the pipe's end is the head's end.
 *
 *   head -> store   open, commit (any number, in order), query, close
 *   store -> head   rows (while opening), opened; committed, state, answer; failed (and the process exits)
 * @module
 */
import type { HistoryLimits, StoreQuery } from "./history.ts";
import type { HistoryRow, StoreWrite, TableName } from "./rows.ts";
import type { StoreErrorCode } from "./store_error.ts";

/** Types of raw frames (32 and above). */
export const StoreFrame = {
  open: 32,
  commit: 33,
  query: 34,
  close: 35,
  rows: 36,
  opened: 37,
  committed: 38,
  state: 39,
  answer: 40,
  failed: 41,
} as const;

export interface OpenMessage {
  readonly url: string | null;
  /** Folder of the default file. */
  readonly dir: string;
  /** Cluster id of a store that is new. */
  readonly clusterId: string;
  readonly fileBytesMax: number | null;
  readonly lockWaitMs: number;
  readonly openTimeoutMs: number;
  readonly limits: HistoryLimits;
}
/** `writes`: rows whose blob is the index of a section. `dropped`: history rows that the head gave up, absolute since it began. */
export interface CommitMessage {
  readonly sequence: number;
  readonly dropped: number;
  readonly writes: readonly unknown[];
}
export interface QueryMessage {
  readonly id: number;
  readonly query: StoreQuery;
}
export interface RowsMessage {
  readonly table: TableName;
  readonly rows: readonly Record<string, unknown>[];
}
export interface OpenedMessage {
  readonly clusterId: string;
  readonly epoch: number;
  readonly schemaVersion: number;
  readonly isNew: boolean;
  readonly historyDropped: number;
}
/** Every commit up to `sequence` is durable. */
export interface CommittedMessage {
  readonly sequence: number;
}
/** Whether the store takes writes now; `code` and `message` say why not. */
export interface StateMessage {
  readonly waiting: boolean;
  readonly code: StoreErrorCode | null;
  readonly message: string;
}
export interface AnswerMessage {
  readonly id: number;
  readonly rows?: readonly Record<string, unknown>[];
  readonly error?: string;
}
export interface FailedMessage {
  readonly code: StoreErrorCode;
  readonly message: string;
}

/** The one column of bytes of the tables that have one. */
const BLOB_PROPERTY: Partial<Record<TableName, string>> = {
  functions: "source",
  actorSpecs: "args",
  actorErrors: "error",
  kv: "value",
  jobRecords: "record",
};

/** Take blobs out of writes, into `sections`. */
export function packWrites(writes: readonly (StoreWrite | HistoryRow)[], sections: Uint8Array[]): unknown[] {
  return writes.map((write) => {
    const property = BLOB_PROPERTY[write.table];
    if (property === undefined || !("put" in write)) return write;
    return { table: write.table, put: packRow(property, { ...write.put }, sections) };
  });
}

/** The opposite; blobs are copied, because a frame's sections are views of what was received. */
export function unpackWrites(
  writes: readonly unknown[],
  sections: readonly Uint8Array[],
): (StoreWrite | HistoryRow)[] {
  return writes.map((packed) => {
    const write = packed as { table: TableName; put?: Record<string, unknown> };
    const property = BLOB_PROPERTY[write.table];
    if (property !== undefined && write.put !== undefined) unpackRow(property, write.put, sections);
    return write as unknown as StoreWrite | HistoryRow;
  });
}

export function packRows(
  table: TableName,
  rows: readonly Record<string, unknown>[],
  sections: Uint8Array[],
): Record<string, unknown>[] {
  const property = BLOB_PROPERTY[table];
  if (property === undefined) return rows as Record<string, unknown>[];
  return rows.map((row) => packRow(property, { ...row }, sections));
}

export function unpackRows(
  table: TableName,
  rows: readonly Record<string, unknown>[],
  sections: readonly Uint8Array[],
): void {
  const property = BLOB_PROPERTY[table];
  if (property !== undefined) { for (const row of rows) unpackRow(property, row, sections); }
}

function packRow(
  property: string,
  row: Record<string, unknown>,
  sections: Uint8Array[],
): Record<string, unknown> {
  const bytes = row[property];
  // A function's row without source, while loading.
  if (bytes instanceof Uint8Array) row[property] = sections.push(bytes) - 1;
  return row;
}

function unpackRow(property: string, row: Record<string, unknown>, sections: readonly Uint8Array[]): void {
  const index = row[property];
  if (typeof index === "number") row[property] = sections[index]!.slice();
}

/** How large a write is in the queue, roughly: blobs exactly, the rest by a flat estimate. */
export function writeBytes(write: StoreWrite | HistoryRow): number {
  const property = BLOB_PROPERTY[write.table];
  if (property === undefined || !("put" in write)) return 256;
  const bytes = (write.put as unknown as Record<string, Uint8Array>)[property];
  return 256 + (bytes?.length ?? 0);
}
