/**
 * Messages between a process and the reader it started (reader_process.ts): frames over the child's stdin and stdout, as
 * between the head and its store (store_wire.ts).
 *
 *   starter -> reader   open (once), ask (any number; one is worked on at a time)
 *   reader -> starter   answer
 * @module
 */
import type { HistoryDto } from "../../../dashboard/api/history.ts";
import type { SqlResult, SqlTable } from "../../../dashboard/api/sql.ts";

export const ReaderFrame = { open: 48, ask: 49, answer: 50 } as const;

/** Which store: as --store says, and the folder of the default file. */
export interface ReaderPlace {
  readonly url: string | null;
  readonly dir: string;
}

/** What a reader can be asked, by name. */
export interface ReaderQuestions {
  /** Run one statement. */
  sql: { readonly params: SqlQuestion; readonly result: SqlResult };
  /** The tables that statements may name. */
  tables: { readonly params: Record<never, never>; readonly result: readonly SqlTable[] };
  /** Kept jobs, newest first. */
  history: { readonly params: HistoryQuestion; readonly result: HistoryDto };
  /** Which jobs have a record, and whether it was made when the job was over. */
  recorded: {
    readonly params: Record<never, never>;
    readonly result: readonly (readonly [jobId: string, isOver: boolean])[];
  };
  /** What a job's record answers; null when it does not know. */
  recordAnswer: { readonly params: RecordQuestion; readonly result: unknown };
  /** The record as it lies in the store: gzipped JSON, as base64. Null when there is none. */
  recordBytes: {
    readonly params: { readonly jobId: string };
    readonly result: { readonly gzip: string } | null;
  };
}

export interface SqlQuestion {
  readonly sql: string;
  /** Rows that are answered at most. */
  readonly limit: number;
}

export interface HistoryQuestion {
  /** Part of the name or the id. */
  readonly text: string | null;
  readonly state: string | null;
  /** Begun between these times. */
  readonly fromMs: number | null;
  readonly toMs: number | null;
  readonly limit: number;
  readonly after: string | null;
}

export interface RecordQuestion {
  readonly jobId: string;
  /** A question of the pages, such as "profile". */
  readonly name: string;
  /** Its parameters, as an address has them. */
  readonly query: string;
}

export interface AskMessage {
  readonly id: number;
  readonly name: keyof ReaderQuestions;
  readonly params: unknown;
}

export interface AnswerMessage {
  readonly id: number;
  readonly result?: unknown;
  /** `isUser`: what was asked is wrong, and says so in a sentence. */
  readonly error?: { readonly message: string; readonly isUser: boolean };
}
