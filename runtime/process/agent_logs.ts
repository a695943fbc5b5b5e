/**
 * What workers print, on its way to the driver of their job. A worker writes to a file, so that nothing of it is lost with
 * the agent and no pipe can hold the worker up; this reads what has been added and passes whole lines on. A file that has
 * grown too large loses its beginning (log_bounds.ts).
 * @module
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { levelOf, type LineLevel, type LogMark, MARK_BYTE, markOf } from "../common/log_lines.ts";
import { LineReader, type ReadLine } from "../core/logs/line_reader.ts";
import { LogBounds } from "./log_bounds.ts";

/** How late a line may reach the driver. */
const INTERVAL_MS = 200;
/** Bytes of one worker that are passed on in one interval; of the rest only the number of lines is told. */
const BYTES_PER_INTERVAL = 64 * 1024;
/** Bytes of one worker that are read in one interval, if only to count their lines. */
const COUNTED_PER_INTERVAL = 8 * 1024 * 1024;
/** Lines of one message. */
const LINES_PER_BATCH = 500;
const NEWLINE = 10;

/** Lines of one origin, in order. */
export interface TailedLines {
  readonly mark: LogMark | null;
  readonly level: LineLevel;
  readonly lines: readonly string[];
  /** Lines before these that were not passed on. */
  readonly dropped: number;
}

/** One worker's log file. */
interface TailedLog {
  readonly fd: number;
  readonly path: string;
  /** Passes lines on; false when there is nobody yet, and they are read again later. */
  readonly deliver: (batches: readonly TailedLines[]) => boolean;
  offset: number;
  mark: LogMark | null;
  dropped: number;
}

export class LogTails {
  readonly #logs: Map<string, TailedLog> = new Map();
  readonly #buffer: Uint8Array = new Uint8Array(BYTES_PER_INTERVAL);
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #bounds: LogBounds;

  constructor(bounds: LogBounds = new LogBounds()) {
    this.#bounds = bounds;
    this.#timer = setInterval(() => {
      for (const log of this.#logs.values()) {
        this.#read(log);
        this.#bounds.keep(log);
      }
    }, INTERVAL_MS);
    this.#timer.unref?.();
  }

  /** Follow a worker's log file from its present end. */
  add(path: string, deliver: TailedLog["deliver"]): void {
    const fd = openSync(path, "r+");
    this.#logs.set(path, { fd, path, deliver, offset: fstatSync(fd).size, mark: null, dropped: 0 });
  }

  /** Pass on what is there now, rather than soon. */
  flush(path: string): void {
    const log = this.#logs.get(path);
    if (log !== undefined) this.#read(log);
  }

  /** The worker is gone: its last words, then no more. */
  remove(path: string): void {
    const log = this.#logs.get(path);
    if (log === undefined) return;
    this.#logs.delete(path);
    this.#read(log, true);
    closeSync(log.fd);
  }

  close(): void {
    clearInterval(this.#timer);
    for (const path of [...this.#logs.keys()]) this.remove(path);
  }

  /** `isLast`: what is no whole line is one. */
  #read(log: TailedLog, isLast = false): void {
    const { size } = fstatSync(log.fd);
    // Made shorter by somebody: from its new beginning.
    if (size < log.offset) log.offset = 0;
    if (size === log.offset) return;
    const skipped = size - log.offset - BYTES_PER_INTERVAL;
    const before = { offset: log.offset, mark: log.mark, dropped: log.dropped };
    if (skipped > 0 && !this.#count(log, skipped)) return;
    const batches = this.#lines(log, size, isLast);
    if (batches.length === 0 || log.deliver(batches)) return;
    Object.assign(log, before);
  }

  /** Too much at once: lines are counted, and marks read, up to the last part. False when that part is not reached yet. */
  #count(log: TailedLog, bytes: number): boolean {
    const end = log.offset + bytes;
    const to = Math.min(end, log.offset + COUNTED_PER_INTERVAL);
    while (log.offset < to) {
      const length = readSync(log.fd, this.#buffer, 0, this.#buffer.length, log.offset);
      const piece = this.#buffer.subarray(0, length);
      const whole = piece.lastIndexOf(NEWLINE) + 1;
      // The beginning of a line is left for the next time, but for a line that is longer than all that is read at once.
      if (whole === 0 && length < this.#buffer.length) break;
      countLines(piece.subarray(0, whole === 0 ? length : whole), log);
      log.offset += whole === 0 ? length : whole;
    }
    return to === end;
  }

  #lines(log: TailedLog, size: number, isLast: boolean): TailedLines[] {
    const batches: (TailedLines & { lines: string[] })[] = [];
    const reader = new LineReader(log.offset, (line) => {
      add(batches, line, log.dropped);
      log.dropped = 0;
    }, log.mark);
    let at = log.offset;
    while (at < size) {
      const length = readSync(log.fd, this.#buffer, 0, Math.min(this.#buffer.length, size - at), at);
      if (length <= 0) break;
      reader.feed(this.#buffer.subarray(0, length));
      at += length;
    }
    if (isLast) reader.end();
    log.offset = reader.offset;
    log.mark = reader.mark;
    return batches;
  }
}

function countLines(piece: Uint8Array, log: TailedLog): void {
  let start = 0;
  while (start < piece.length) {
    const found = piece.indexOf(NEWLINE, start);
    const end = found < 0 ? piece.length : found;
    const mark = piece[start] === MARK_BYTE
      ? markOf(new TextDecoder().decode(piece.subarray(start, end)))
      : null;
    if (mark === null) log.dropped++;
    else log.mark = mark;
    start = end + 1;
  }
}

function add(
  batches: (TailedLines & { lines: string[] })[],
  { text, mark }: ReadLine,
  dropped: number,
): void {
  const level = levelOf(text, mark?.level ?? "info");
  const last = batches.at(-1);
  const fits = last !== undefined && dropped === 0 && last.level === level &&
    last.lines.length < LINES_PER_BATCH &&
    last.mark?.name === mark?.name;
  if (fits) last.lines.push(text);
  else batches.push({ mark, level, lines: [text], dropped });
}
