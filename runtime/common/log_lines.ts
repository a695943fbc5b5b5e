/**
 * What is known of a printed line. A worker's log file is what its process wrote, with marks between: lines of their own that
 * begin with a byte which no text begins with, and say of what follows when, by which task and how it was printed. A
 * worker writes one only when it prints, and only when something of it changed.
 * @module
 */
import type { ActorId, JobId, NodeId, ProcessId, TaskId } from "./ids.ts";

/** How much weight a line has, from the console's method or the line's own words. */
export type LineLevel = "debug" | "info" | "warning" | "error";
export const LINE_LEVELS: readonly LineLevel[] = ["debug", "info", "warning", "error"];

/** The first byte of a mark's line: ASCII's record separator. */
export const MARK_BYTE = 0x1e;
const MARK_START = "\x1e";
/** Marks are short: a longer line that begins like one is text. */
const MARK_LENGTH_MAX = 1_000;

/** Valid for what follows it in the file, until the next. */
export interface LogMark {
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Which of the two the process wrote to, and how. */
  readonly level: LineLevel;
  readonly stream: "out" | "err";
  /** `fetchPage#3`, `Counter`: what people call the task or actor; null for what no task printed. */
  readonly name: string | null;
  readonly task: TaskId | null;
  readonly actor: ActorId | null;
  /** 0 for the first. */
  readonly attempt: number;
  readonly job: JobId | null;
  /** Of the file, told in its first mark. */
  readonly origin?: LogOrigin;
}

/** Whose file it is. */
export interface LogOrigin {
  readonly node: NodeId;
  readonly worker: ProcessId;
  readonly pid: number;
}

/** A mark as it stands in a file, with its line's end. */
export function markText(mark: LogMark): string {
  const { at, level, stream, name, task, actor, attempt, job, origin } = mark;
  const said = {
    at,
    ...(level !== "info" && { l: LINE_LEVELS.indexOf(level) }),
    ...(stream === "err" && { e: 1 }),
    ...(name !== null && { n: name.slice(0, 200) }),
    ...(task !== null && { t: task }),
    ...(actor !== null && { a: actor }),
    ...(attempt !== 0 && { k: attempt }),
    ...(job !== null && { j: job }),
    ...(origin !== undefined && { o: [origin.node, origin.worker, origin.pid] }),
  };
  return `${MARK_START}${JSON.stringify(said)}\n`;
}

/** The mark of a line without its end; null for what is none. */
export function markOf(line: string): LogMark | null {
  if (!line.startsWith(`${MARK_START}{`) || line.length > MARK_LENGTH_MAX) return null;
  let said: Record<string, unknown>;
  try {
    said = JSON.parse(line.slice(1));
  } catch {
    return null; // Somebody printed a record separator.
  }
  if (typeof said["at"] !== "number") return null;
  const { o } = said;
  return {
    at: said["at"],
    level: LINE_LEVELS[said["l"] as number] ?? "info",
    stream: said["e"] === 1 ? "err" : "out",
    name: textOf(said["n"]),
    task: textOf(said["t"]) as TaskId | null,
    actor: textOf(said["a"]) as ActorId | null,
    attempt: typeof said["k"] === "number" ? said["k"] : 0,
    job: textOf(said["j"]) as JobId | null,
    ...(Array.isArray(o) &&
      { origin: { node: String(o[0]), worker: String(o[1]), pid: Number(o[2]) } as LogOrigin }),
  };
}

function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

/** What its words say of a line: a console's method says more, but not of what a program wrote by itself. */
export function levelOf(text: string, marked: LineLevel): LineLevel {
  if (marked !== "info") return marked;
  const head = text.slice(0, 300);
  if (
    /\b(FATAL|ERROR|error:|Uncaught|panic(ked)?:)|"level":\s*"(error|fatal)"|^\s*\w*(Error|Exception)\b:/
      .test(head)
  ) return "error";
  if (/\b(WARN|WARNING|warning:)\b|"level":\s*"warn(ing)?"/.test(head)) return "warning";
  return "info";
}

/** Lines of one task or actor on their way to the driver of their job. */
export interface OutputBatch {
  /** As LogMark.name. */
  readonly name: string | null;
  readonly pid: number;
  readonly node: NodeId;
  readonly worker: ProcessId;
  readonly level: LineLevel;
  readonly lines: readonly string[];
  /** Lines before these that were too many to pass on; they are in the worker's file. */
  readonly dropped: number;
}
