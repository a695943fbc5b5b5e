/**
 * A bound for a log file that its process writes to all the time, through a descriptor that nobody can take from it. Instead of
 * being cut into parts, the file gives its beginning back to the disk (a hole is punched): what is in it stays where it
 * is, so that a reader, the tail and a line's address know nothing of it and no line is lost in between.
 *
 * Where the system cannot do that, the file's last part is copied to FILE.old and the file made empty; what is written
 * between the two is lost.
 * @module
 */
import { spawn } from "node:child_process";
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";

/** What a living worker's log may have on disk; and what is left when it has more. */
const LOG_BYTES_MAX = 64 * 1024 * 1024;
const LOG_BYTES_KEPT = 48 * 1024 * 1024;
const PAGE = 4096;
const BLOCK = 512;

export interface BoundedLog {
  readonly fd: number;
  readonly path: string;
  /** Up to here it was read; what follows must stay. */
  offset: number;
}

/** See the module's header. */
export class LogBounds {
  readonly #max: number;
  readonly #kept: number;
  readonly #punching = new Set<string>();
  #canPunch: boolean = process.platform === "linux";

  constructor(max: number = LOG_BYTES_MAX, kept: number = LOG_BYTES_KEPT) {
    this.#max = max;
    this.#kept = kept;
  }

  /** Shorten it if it is too large. */
  keep(log: BoundedLog): void {
    const { size, blocks } = fstatSync(log.fd);
    if (Math.min(size, blocks * BLOCK) <= this.#max || this.#punching.has(log.path)) return;
    // What the tail has not read is not given up.
    const end = Math.floor(Math.min(size - this.#kept, log.offset) / PAGE) * PAGE;
    if (end <= 0) return;
    if (this.#canPunch) this.#punch(log, end);
    else if (log.offset === size) this.#startAnew(log);
  }

  #punch({ path }: BoundedLog, bytes: number): void {
    this.#punching.add(path);
    const child = spawn("fallocate", ["--punch-hole", "--offset", "0", "--length", String(bytes), path], {
      stdio: "ignore",
    });
    child.unref();
    const done = (isPunched: boolean): void => {
      this.#punching.delete(path);
      if (!isPunched) this.#canPunch = false;
    };
    child.once("error", () => done(false));
    child.once("exit", (code) => done(code === 0));
  }

  #startAnew(log: BoundedLog): void {
    const old = openSync(`${log.path}.old`, "w", 0o600);
    const piece = new Uint8Array(64 * 1024);
    let at = log.offset - this.#kept;
    while (at < log.offset) {
      const length = readSync(log.fd, piece, 0, Math.min(piece.length, log.offset - at), at);
      if (length <= 0) break;
      writeSync(old, piece, 0, length);
      at += length;
    }
    closeSync(old);
    // The worker appends, so that what it writes next is at the new end.
    ftruncateSync(log.fd, 0);
    log.offset = 0;
  }
}

/** How often a file that somebody else follows is looked at. */
const LOOK_MS = 60_000;

/** Keep a file within the bound from now on; the answer ends that. */
export function boundLog(path: string): () => void {
  const bounds = new LogBounds();
  const timer = setInterval(() => {
    try {
      const fd = openSync(path, "r+");
      try {
        bounds.keep({ fd, path, offset: fstatSync(fd).size });
      } finally {
        closeSync(fd);
      }
    } catch {
      // It is not there (yet, or any more).
    }
  }, LOOK_MS);
  timer.unref?.();
  return () => clearInterval(timer);
}
