/**
 * Messages between a process and the reader it started (reader_process.ts): frames over the child's stdin and stdout, as
 * between the head and its store (store_wire.ts).
 *
 *   starter -> reader   open (once), ask (any number; one is worked on at a time)
 *   reader -> starter   answer
 * @module
 */
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
}

export interface SqlQuestion {
  readonly sql: string;
  /** Rows that are answered at most. */
  readonly limit: number;
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
