/**
 * What the state API asks and answers: rows of tasks, actors, objects, nodes, workers, jobs and placement groups, the same
 * over HTTP, in the library and on the command line. Types only.
 * @module
 */

export type StateKind = "tasks" | "actors" | "objects" | "nodes" | "workers" | "jobs" | "placement-groups";

export type StateRow = Record<string, unknown>;

/** What a column's numbers are, for filters with units and for people. `time`: milliseconds since the epoch. */
export type ColumnUnit = "ms" | "time" | "bytes";

/** A JSON schema, the part of it that rows need. */
export interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly enum?: readonly (string | null)[];
  readonly items?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | JsonSchema;
  readonly description?: string;
}

/** One column, for those who do not make rows: filters, documents, pages. */
export interface ColumnInfo {
  readonly name: string;
  readonly schema: JsonSchema;
  /** One sentence for people. */
  readonly about: string;
  readonly unit: ColumnUnit | null;
  /** Left out unless details are asked for. */
  readonly detail: boolean;
  /** A summary tells its sum, mean, least and largest. */
  readonly measured: boolean;
}

/** A kind of row. */
export interface TableInfo {
  readonly kind: StateKind;
  /** One row of it: "a task's attempt". */
  readonly about: string;
  readonly idColumn: string;
  readonly columns: readonly ColumnInfo[];
  /** Columns that are there only when one id is asked for. */
  readonly ofOne: readonly ColumnInfo[];
  /** What a summary groups by unless said otherwise. */
  readonly by: readonly string[];
}

export interface ListQuery {
  /** AND-ed: "state=FAILED", "name~fetch", "durationMs>5s", "jobId!=j-1". */
  readonly filters?: readonly string[] | undefined;
  /** Rows in one answer; 100 by default, 10,000 at most. */
  readonly limit?: number | undefined;
  /** `next` of the answer before. */
  readonly after?: string | undefined;
  /** Also the columns that are long or seldom wanted. */
  readonly detail?: boolean | undefined;
}

export interface ListAnswer {
  /** Newest first. */
  readonly rows: StateRow[];
  /** Rows that the filters let through, in memory. */
  readonly total: number;
  /** Pass it as `after` for the rows that follow; null at the end. */
  readonly next: string | null;
  /** Rows of this kind that are no longer in memory. */
  readonly dropped: number;
}

export interface SummaryQuery {
  /** Columns that rows are grouped by; each kind has its own default. */
  readonly by?: readonly string[] | undefined;
  readonly filters?: readonly string[] | undefined;
}

export interface SummaryAnswer {
  /** The columns of `by`, `count`, and for each measured column `{ count, sum, mean, min, max }`; the largest first. */
  readonly rows: StateRow[];
  /** The sum of all counts. */
  readonly total: number;
  /** Rows whose group was left out, because there were too many groups. */
  readonly ungrouped: number;
  /** Rows of this kind that are no longer in memory and are not counted here. */
  readonly dropped: number;
}

/** Who answers for one kind, or for all of them. RangeError for what is no query. */
export interface StateTableReader {
  list(query: ListQuery): Promise<ListAnswer>;
  summarize(query: SummaryQuery): Promise<SummaryAnswer>;
}

/** The state API as a whole. RangeError for an unknown kind, column, operator, limit or cursor, TypeError for what is no id. */
export interface StateReader {
  readonly tables: readonly TableInfo[];
  list(kind: string, query?: ListQuery): Promise<ListAnswer>;
  summarize(kind: string, query?: SummaryQuery): Promise<SummaryAnswer>;
  /** All that is known of one id: no row when that is nothing, a task has one for each attempt. */
  get(id: string): Promise<StateRow[]>;
}
