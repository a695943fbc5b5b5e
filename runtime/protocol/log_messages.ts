/**
 * Messages about what workers print (messages.ts extends them).
 * @module
 */
import type { JobId } from "../common/ids.ts";
import type { OutputBatch } from "../common/log_lines.ts";
import type { LogAnswer, LogFileRow, LogPage, LogPart, LogQuery, LogText } from "../common/log_query.ts";
import type { Method, Notification } from "./method.ts";

/** Driver -> agent. */
export interface AgentMethods {
  /** Answered after `output` with what the driver's job's workers have printed so far, on this node and on those that this
   *  node is connected to. */
  readonly flushOutput: Method<Record<string, never>, Record<string, never>>;
}

/** Agent -> driver. */
export interface CoreMethods {
  /** What the workers of the driver's job printed, if it wants to hear it. */
  readonly output: Notification<{ batches: readonly OutputBatch[] }>;
}

/** Agent -> agent. */
export interface PeerMethods {
  /** For a job's drivers at the receiver: what its workers printed. */
  readonly output: Notification<{ jobId: JobId; batches: readonly OutputBatch[] }>;
  /** What the job's workers at the receiver have printed and what was not sent yet. */
  readonly flushOutput: Method<{ jobId: JobId }, { batches: OutputBatch[] }>;
}

/** Head -> agent, about the log files of its session's folder. What is asked for a folder is asked of one of its agents. */
export interface NodeQuestions {
  /** What tells the folder from all others. */
  readonly logFolder: Method<Record<string, never>, { folder: string }>;
  readonly searchLogs: Method<{ query: LogQuery }, LogPage>;
  readonly logFiles: Method<Record<string, never>, { files: LogFileRow[] }>;
  /** Null: the folder has no such file. */
  readonly logPart: Method<
    { file: string; at: number; before: number; count: number },
    { part: LogPart | null }
  >;
  readonly logText: Method<{ file: string; at: number }, { text: LogText | null }>;
}

/** Command line -> head: over all nodes. RangeError for what cannot be searched. */
export interface HeadQuestions {
  readonly searchLogs: Method<{ query: LogQuery }, LogAnswer>;
}
