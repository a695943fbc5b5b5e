/**
 * What workers print, on its way to the driver of their job. A worker writes to a file, so that nothing of it is lost with
 * the agent and no pipe can hold the worker up; this reads what has been added and passes whole lines on.
 * @module
 */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync } from "node:fs";

/** How late a line may reach the driver. */
const INTERVAL_MS = 200;
/** Bytes of one worker that are passed on in one interval; the rest is in the file only. */
const BYTES_PER_INTERVAL = 64 * 1024;
/** A log that has grown to this size starts anew. */
const LOG_BYTES_MAX = 64 * 1024 * 1024;

/** One worker's log file. */
interface TailedLog {
  readonly fd: number;
  readonly path: string;
  /** Passes text on; false when there is nobody yet, and it is read again later. */
  readonly deliver: (text: string) => boolean;
  offset: number;
  /** Bytes after the last whole line. */
  rest: string;
}

export class LogTails {
  readonly #logs: Map<string, TailedLog> = new Map();
  readonly #buffer: Uint8Array = new Uint8Array(BYTES_PER_INTERVAL);
  readonly #timer: ReturnType<typeof setInterval>;

  constructor() {
    this.#timer = setInterval(() => this.#readAll(), INTERVAL_MS);
    this.#timer.unref?.();
  }

  /** Follow a worker's log file from its present end. */
  add(path: string, deliver: (text: string) => boolean): void {
    const fd = openSync(path, "r+");
    this.#logs.set(path, { fd, path, deliver, offset: fstatSync(fd).size, rest: "" });
  }

  /** The worker is gone: its last words, then no more. */
  remove(path: string): void {
    const log = this.#logs.get(path);
    if (log === undefined) return;
    this.#logs.delete(path);
    this.#read(log);
    if (log.rest !== "") log.deliver(log.rest);
    closeSync(log.fd);
  }

  close(): void {
    clearInterval(this.#timer);
    for (const path of [...this.#logs.keys()]) this.remove(path);
  }

  #readAll(): void {
    for (const log of this.#logs.values()) this.#read(log);
  }

  #read(log: TailedLog): void {
    const { size } = fstatSync(log.fd);
    if (size <= log.offset) return;
    const length = readSync(
      log.fd,
      this.#buffer,
      0,
      Math.min(size - log.offset, BYTES_PER_INTERVAL),
      log.offset,
    );
    let text = log.rest + new TextDecoder().decode(this.#buffer.subarray(0, length));
    const end = text.lastIndexOf("\n") + 1;
    // A line longer than all that is read at once goes in pieces.
    const whole = end === 0 && length === BYTES_PER_INTERVAL ? text.length : end;
    const skipped = size - log.offset - length;
    if (skipped > 0) text = `${text.slice(0, whole)}… ${skipped} bytes more in ${log.path}\n`;
    const delivered = skipped > 0 ? text : text.slice(0, whole);
    if (delivered !== "" && !log.deliver(delivered.trimEnd())) return;
    log.rest = skipped > 0 ? "" : text.slice(whole);
    log.offset = size > log.offset + length ? size : log.offset + length;
    if (size < LOG_BYTES_MAX) return;
    // The worker appends, so that what it writes next is at the new end.
    ftruncateSync(log.fd, 0);
    log.offset = 0;
  }
}
