/**
 * One log file read backwards, a piece at a time, for the lines that a query asks for. It knows how new what is still to
 * come may be, so that several files can be read in the order of their lines.
 * @module
 */
import { closeSync, openSync, readSync } from "node:fs";
import { levelOf, type LogMark, markOf } from "../../common/log_lines.ts";
import {
  comparePlaces,
  LINE_SHOWN,
  type LogLine,
  type LogPlace,
  type LogQuery,
} from "../../common/log_query.ts";
import type { LineFilter } from "../../core/logs/line_filter.ts";
import { LINE_BYTES_MAX, LineReader, type ReadLine } from "../../core/logs/line_reader.ts";
import { type LogFile, logStart, originOf } from "./log_folder.ts";
import { pieceSearch } from "./piece_search.ts";

/** The first piece of a file, and the largest: each is twice the one before. */
const PIECE_BYTES_MIN = 32 * 1024;
const PIECE_BYTES_MAX = 1024 * 1024;
/** How far back a piece's mark is looked for. */
const MARK_BEFORE_BYTES = 512 * 1024;
/** Pieces of a binary search by time. */
const PROBE_BYTES = 64 * 1024;
const NEWLINE = 10;
const MARK_LINE: Uint8Array = new TextEncoder().encode("\n\x1e{");
const AT_START: Uint8Array = MARK_LINE.subarray(1);

/** See the module's header. */
export class FileScan {
  readonly #file: LogFile;
  readonly #query: LogQuery;
  readonly #filter: LineFilter;
  readonly #mayMatch: (piece: Buffer) => boolean;
  readonly #fd: number;
  readonly #start: number;
  readonly #lines: LogLine[] = [];
  /** Of what was not read. */
  #end: number;
  #boundMs: number;
  #pieceBytes = PIECE_BYTES_MIN;

  /** @throws the system's error when the file is gone. */
  constructor(file: LogFile, query: LogQuery, filter: LineFilter) {
    this.#file = file;
    this.#query = query;
    this.#filter = filter;
    this.#mayMatch = pieceSearch(filter.required, filter.ignoresCase);
    this.#fd = openSync(file.path, "r");
    this.#start = logStart(this.#fd);
    this.#end = file.size;
    // Lines of a file without marks have its own time.
    this.#boundMs = file.changedMs;
    const { before, toMs } = query;
    // Lines of the same time in later files were told before.
    const beforeMs = before === null ? Infinity : before.at - (file.id > before.file ? 1 : 0);
    const latest = Math.min(beforeMs, toMs ?? Infinity);
    if (before?.file === file.id) {
      this.#end = Math.min(this.#end, before.offset);
      this.#boundMs = Math.min(this.#boundMs, before.at);
    } else if (latest < file.changedMs) {
      this.#end = this.#endOf(latest);
      this.#boundMs = latest;
    }
    this.#boundMs = Math.min(this.#boundMs, this.#markBefore(this.#end)?.at ?? Infinity);
  }

  close(): void {
    closeSync(this.#fd);
  }

  /** Nothing that comes is newer. Null when nothing comes. */
  get bound(): LogPlace | null {
    if (this.#lines.length > 0) return this.#lines[0]!;
    const { fromMs } = this.#query;
    if (this.#end <= this.#start || (fromMs !== null && this.#boundMs < fromMs)) return null;
    return { at: this.#boundMs, file: this.#file.id, offset: this.#end };
  }

  get hasLine(): boolean {
    return this.#lines.length > 0;
  }

  take(): LogLine {
    return this.#lines.shift()!;
  }

  /** Reads the next piece. Answers how many bytes it was. */
  read(): number {
    const end = this.#end;
    const from = Math.max(this.#start, end - this.#pieceBytes);
    this.#pieceBytes = Math.min(PIECE_BYTES_MAX, this.#pieceBytes * 2);
    let bytes = this.#bytes(from, end);
    let at = from;
    if (from > this.#start) {
      // From a line's beginning on; a line that is longer than the piece is cut.
      const line = bytes.indexOf(NEWLINE) + 1;
      if (line > 0 && line < bytes.length) {
        bytes = bytes.subarray(line);
        at += line;
      }
    }
    this.#end = at;
    if (this.#mayHave(bytes, at) && this.#filter.takesPiece(new TextDecoder().decode(bytes))) {
      this.#take(bytes, at, this.#markBefore(at));
    }
    this.#boundMs = Math.min(this.#boundMs, firstMark(bytes, at === this.#start)?.at ?? Infinity);
    return end - at;
  }

  /** Judged by the bytes alone, which is fast. */
  #mayHave(bytes: Uint8Array, at: number): boolean {
    const { names } = this.#filter;
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (!this.#mayMatch(buffer)) return false;
    return names.every((name) => buffer.includes(name)) || this.#filter.takesMark(this.#markBefore(at));
  }

  #take(bytes: Uint8Array, at: number, mark: LogMark | null): void {
    const found: LogLine[] = [];
    const reader = new LineReader(at, (line) => {
      const shown = this.#lineOf(line);
      if (shown !== null) found.push(shown);
    }, mark);
    reader.feed(bytes);
    reader.end();
    for (let i = found.length - 1; i >= 0; i--) this.#lines.push(found[i]!);
  }

  #lineOf({ offset, text, mark }: ReadLine): LogLine | null {
    if (!this.#filter.takesMark(mark)) return null;
    const level = levelOf(text, mark?.level ?? "info");
    if (!this.#filter.takesText(text, level)) return null;
    const { fromMs, toMs, before } = this.#query;
    const at = mark?.at ?? this.#file.changedMs;
    const place = { at, file: this.#file.id, offset };
    if ((fromMs !== null && at < fromMs) || (toMs !== null && at >= toMs)) return null;
    if (before !== null && comparePlaces(place, before) >= 0) return null;
    return logLine(this.#file, { offset, text, mark });
  }

  #bytes(from: number, to: number): Uint8Array {
    const bytes = new Uint8Array(Math.max(0, to - from));
    return bytes.subarray(0, readSync(this.#fd, bytes, 0, bytes.length, from));
  }

  /** What is valid at an offset. */
  #markBefore(offset: number): LogMark | null {
    for (let end = offset; end > this.#start && end > offset - MARK_BEFORE_BYTES;) {
      const from = Math.max(this.#start, end - PROBE_BYTES);
      // Over the edge: a mark may stand across it.
      const bytes = this.#bytes(from, Math.min(offset, end + LINE_BYTES_MAX / 16));
      const mark = lastMark(bytes, from === this.#start);
      if (mark !== null) return mark;
      end = from;
    }
    return null;
  }

  /** Up to where lines are at most as new as this. */
  #endOf(ms: number): number {
    let low = this.#start;
    let high = this.#end;
    while (high - low > PROBE_BYTES) {
      const middle = Math.floor((low + high) / 2);
      const mark = firstMark(this.#bytes(middle, Math.min(this.#end, middle + PROBE_BYTES)), false);
      if (mark === null) break; // Nobody knows: all of it is looked at.
      if (mark.at <= ms) low = middle;
      else high = middle;
    }
    return Math.min(this.#end, high + PROBE_BYTES);
  }
}

/** A line as people get it. */
export function logLine(file: LogFile, { offset, text, mark }: ReadLine): LogLine {
  const origin = mark?.origin ?? originOf(file);
  return {
    at: mark?.at ?? file.changedMs,
    file: file.id,
    offset,
    node: origin?.node ?? null,
    source: file.source,
    pid: origin?.pid ?? null,
    level: levelOf(text, mark?.level ?? "info"),
    stream: mark?.stream ?? "out",
    name: mark?.name ?? null,
    task: mark?.task ?? null,
    actor: mark?.actor ?? null,
    attempt: mark?.attempt ?? 0,
    job: mark?.job ?? null,
    text: text.slice(0, LINE_SHOWN),
    cut: Math.max(0, text.length - LINE_SHOWN),
  };
}

/** `isStart`: the bytes begin with a line. */
function firstMark(bytes: Uint8Array, isStart: boolean): LogMark | null {
  if (isStart && startsWith(bytes, 0, AT_START)) {
    const mark = markAt(bytes, 0);
    if (mark !== null) return mark;
  }
  for (let at = find(bytes, 0); at >= 0; at = find(bytes, at + 1)) {
    const mark = markAt(bytes, at + 1);
    if (mark !== null) return mark;
  }
  return null;
}

function lastMark(bytes: Uint8Array, isStart: boolean): LogMark | null {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (
    let at = buffer.lastIndexOf(MARK_LINE);
    at >= 0;
    at = at === 0 ? -1 : buffer.lastIndexOf(MARK_LINE, at - 1)
  ) {
    const mark = markAt(bytes, at + 1);
    if (mark !== null) return mark;
  }
  return isStart && startsWith(bytes, 0, AT_START) ? markAt(bytes, 0) : null;
}

function find(bytes: Uint8Array, from: number): number {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).indexOf(MARK_LINE, from);
}

function startsWith(bytes: Uint8Array, at: number, start: Uint8Array): boolean {
  return start.every((byte, i) => bytes[at + i] === byte);
}

function markAt(bytes: Uint8Array, at: number): LogMark | null {
  const end = bytes.indexOf(NEWLINE, at);
  return end < 0 ? null : markOf(new TextDecoder().decode(bytes.subarray(at, end)));
}
