/**
 * The SQL console: what a statement gives, and which tables there are. Types only.
 * @module
 */

/** A value of a result. A blob is shown as text that says how large it is; a whole number beyond 2^53 comes as text. */
export type SqlCell = string | number | null;

/** What one statement gave. */
export interface SqlResult {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly SqlCell[])[];
  /** Rows in all. */
  readonly total: number;
  /** Whether `total` is exact; else there are more, and they were not counted to the end. */
  readonly isTotalExact: boolean;
  /** Why there are fewer rows here than in all: the limit of rows, or of bytes. Null when all are here. */
  readonly cutBy: "rows" | "bytes" | null;
  /** Values that were too long and end in "…". */
  readonly cellsCut: number;
  readonly elapsedMs: number;
}

/** A table of the store, for people who write statements. */
export interface SqlTable {
  readonly name: string;
  /** What it holds, in a sentence. */
  readonly about: string;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
}

/** Body of POST /api/v1/sql. */
export interface SqlRequest {
  readonly sql: string;
  /** Rows; 1,000 by default, 10,000 at most. */
  readonly limit?: number;
}
