/**
 * Jobs that are kept: their list, and two of them side by side. Types only.
 * @module
 */

/** One kept job, as the list shows it. */
export interface HistoryRowDto {
  readonly jobId: string;
  /** What was started. */
  readonly name: string;
  readonly namespace: string;
  /** RUNNING: its record is from the way; the head that made it ended before the job did, or it still runs. */
  readonly state: string;
  readonly message: string;
  readonly startedMs: number;
  readonly endedMs: number | null;
  readonly madeMs: number;
  /** Tasks, exact. */
  readonly finished: number;
  readonly failed: number;
  readonly unfinished: number;
  /** Of the record in the store. */
  readonly bytes: number;
}

/** `history?q=&state=&from=&to=&limit=&after=`: newest first. */
export interface HistoryDto {
  readonly rows: readonly HistoryRowDto[];
  /** Rows that the filters let through. */
  readonly total: number;
  /** Kept jobs in all, and their bytes. */
  readonly kept: number;
  readonly keptBytes: number;
  /** Records that had to go, by age or for room, since the store was made. */
  readonly dropped: number;
  /** Pass as `after` for the rows that follow; null at the end. */
  readonly next: string | null;
}

/** Of two runs, what one function did in each. Null: it is not in that run. */
export interface ComparedFunction {
  readonly name: string;
  readonly type: string;
  readonly a: ComparedSide | null;
  readonly b: ComparedSide | null;
}

export interface ComparedSide {
  readonly finished: number;
  readonly failed: number;
  readonly runMs: number;
  /** Quantiles of recorded run times; null where none was recorded. */
  readonly p50: number | null;
  readonly p95: number | null;
  readonly mean: number | null;
  readonly resultBytes: number;
}

/** Where a job's answers come from. `record`: it is over, and this is what was kept of it. */
export interface RecordAboutDto {
  readonly jobId: string;
  readonly source: "live" | "record";
  readonly state: string | null;
}
