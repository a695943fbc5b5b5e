/**
 * What is asked of logs and how it is answered. Lines have one order over all files of all nodes: by time, then by file, then by
 * place in the file; answers come newest first.
 * @module
 */
import type { ActorId, JobId, NodeId, TaskId } from "./ids.ts";
import { LINE_LEVELS, type LineLevel } from "./log_lines.ts";

/** A line's place in the order. */
export interface LogPlace {
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Opaque. */
  readonly file: string;
  /** Of the line's first byte. */
  readonly offset: number;
}

/** All conditions hold; null is none. */
export interface LogQuery {
  /** A regular expression in each line. */
  readonly pattern: string | null;
  readonly ignoreCase: boolean;
  /** This or worse. */
  readonly level: LineLevel | null;
  /** Its id, or a function's name. */
  readonly task: string | null;
  /** Its id, its name or its class. */
  readonly actor: string | null;
  /** The beginning of its id, at least. */
  readonly node: string | null;
  /** A worker's id, or head, agent, supervisor, or another file's name without its end. */
  readonly source: string | null;
  readonly job: string | null;
  readonly file: string | null;
  /** Milliseconds since the epoch; from `fromMs`, before `toMs`. */
  readonly fromMs: number | null;
  readonly toMs: number | null;
  /** Only lines that are older in the order: where the answer before ended. */
  readonly before: LogPlace | null;
  readonly limit: number;
}

export interface LogLine extends LogPlace {
  readonly node: NodeId | null;
  /** As LogQuery.source. */
  readonly source: string;
  readonly pid: number | null;
  readonly level: LineLevel;
  readonly stream: "out" | "err";
  /** As LogMark.name. */
  readonly name: string | null;
  readonly task: TaskId | null;
  readonly actor: ActorId | null;
  readonly attempt: number;
  readonly job: JobId | null;
  /** At most LINE_SHOWN characters. */
  readonly text: string;
  /** Characters that were left out at its end. */
  readonly cut: number;
}

export interface LogPage {
  /** Newest first. */
  readonly lines: readonly LogLine[];
  /** Where to go on; null: there is nothing older. What is newer than it has been searched. */
  readonly next: LogPlace | null;
  readonly searchedBytes: number;
  readonly totalBytes: number;
  readonly files: number;
}

/** One file, as `logs/files` tells of it. */
export interface LogFileRow {
  readonly file: string;
  readonly source: string;
  readonly node: NodeId | null;
  readonly pid: number | null;
  /** On disk. */
  readonly bytes: number;
  readonly changedMs: number;
}

/** Lines of one file in order, around a place. */
export interface LogPart {
  readonly lines: readonly LogLine[];
  /** Of the file's text: what is before was given back to the disk. */
  readonly start: number;
  /** After the last of `lines`: where to go on. */
  readonly end: number;
  readonly size: number;
}

export const LIMIT_MAX = 1_000;
/** Characters of a line that an answer has. */
export const LINE_SHOWN = 4_000;
const TEXT_MAX = 500;

export const ANY_LINE: LogQuery = {
  pattern: null,
  ignoreCase: false,
  level: null,
  task: null,
  actor: null,
  node: null,
  source: null,
  job: null,
  file: null,
  fromMs: null,
  toMs: null,
  before: null,
  limit: 100,
};

/** Positive when `a` is newer. */
export function comparePlaces(a: LogPlace, b: LogPlace): number {
  return a.at - b.at || (a.file < b.file ? -1 : a.file > b.file ? 1 : a.offset - b.offset);
}

/** @throws {RangeError} with a sentence, for what cannot be searched. */
export function checkLogQuery(query: LogQuery): void {
  const { pattern, level, limit, fromMs, toMs, before } = query;
  if (pattern !== null) patternOf(query);
  for (const name of ["task", "actor", "node", "source", "job", "file"] as const) {
    const value: unknown = query[name];
    if (value === null || (typeof value === "string" && value.length <= TEXT_MAX)) continue;
    throw new RangeError(`${name} must be a text of at most ${TEXT_MAX} characters`);
  }
  if (level !== null && !LINE_LEVELS.includes(level)) {
    throw new RangeError(`level must be ${LINE_LEVELS.join(", ")}, is ${JSON.stringify(level)}`);
  }
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > LIMIT_MAX) {
    throw new RangeError(`limit must be an integer from 1 to ${LIMIT_MAX}, is ${String(limit)}`);
  }
  for (const ms of [fromMs, toMs, before?.at ?? null, before?.offset ?? null]) {
    if (ms !== null && !(typeof ms === "number" && ms >= 0)) {
      throw new RangeError(`times must be milliseconds since the epoch, not ${JSON.stringify(ms)}`);
    }
  }
}

/** Its regular expression. @throws {RangeError} for what is none. */
export function patternOf({ pattern, ignoreCase }: Pick<LogQuery, "pattern" | "ignoreCase">): RegExp {
  if (String(pattern).length > TEXT_MAX) throw new RangeError(`a pattern has at most ${TEXT_MAX} characters`);
  try {
    return new RegExp(String(pattern), ignoreCase ? "i" : "");
  } catch (error) {
    throw new RangeError((error as Error).message);
  }
}

/** Answers of all nodes. */
export interface LogAnswer extends LogPage {
  /** Nodes that do not answer: their lines are missing. */
  readonly unreachable: readonly NodeId[];
}

/** A piece of a file as text, without marks. */
export interface LogText {
  readonly text: string;
  /** Where to go on; `size` when this was the last. */
  readonly end: number;
  readonly size: number;
}

/** All logs of the cluster. */
export interface LogReader {
  /** @throws {RangeError} for what cannot be searched. */
  search(query: LogQuery): Promise<LogAnswer>;
  files(): Promise<{ files: LogFileRow[]; unreachable: NodeId[] }>;
  /** Null when nobody has the file. */
  part(file: string, at: number, before: number, count: number): Promise<LogPart | null>;
  /** Null when nobody has the file. */
  text(file: string, at: number): Promise<LogText | null>;
}
