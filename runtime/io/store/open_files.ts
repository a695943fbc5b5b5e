/**
 * Files that are read again and again, kept open: many objects lie in one file, and each is read in many pieces.
 * @module
 */
import { type FileHandle, open } from "node:fs/promises";

/** Files that nobody reads just now and that stay open. */
const IDLE_MAX = 8;

interface OpenFile {
  readonly path: string;
  readonly handle: Promise<FileHandle>;
  readers: number;
}

export class OpenFiles {
  /** By path, the longest unused first. */
  readonly #files = new Map<string, OpenFile>();

  /** Opens the file for `read`, or uses it open. It stays open until `read` is over, whatever is said meanwhile. Rejects as
   *  `open` and `read` do. */
  async use<T>(path: string, read: (file: FileHandle) => Promise<T>): Promise<T> {
    const file = this.#files.get(path) ?? this.#open(path);
    this.#files.delete(path);
    this.#files.set(path, file);
    file.readers++;
    try {
      return await read(await file.handle);
    } finally {
      file.readers--;
      if (this.#files.get(path) === file) this.#closeIdle(IDLE_MAX);
      else close(file);
    }
  }

  /** Whether somebody reads it just now. */
  isRead(path: string): boolean {
    return (this.#files.get(path)?.readers ?? 0) > 0;
  }

  #open(path: string): OpenFile {
    const file: OpenFile = { path, handle: open(path, "r"), readers: 0 };
    // The next one tries again.
    file.handle.catch(() => this.#files.get(path) === file && this.#files.delete(path));
    return file;
  }

  /** The file is gone, or will be: it is closed as soon as nobody reads it. */
  forget(path: string): void {
    const file = this.#files.get(path);
    this.#files.delete(path);
    if (file?.readers === 0) close(file);
  }

  /** Closes what nobody reads; what somebody does, when that is over. */
  close(): void {
    for (const path of [...this.#files.keys()]) this.forget(path);
  }

  #closeIdle(kept: number): void {
    const idle = [...this.#files.values()].filter(({ readers }) => readers === 0);
    for (const { path } of idle.slice(0, Math.max(0, idle.length - kept))) this.forget(path);
  }
}

/** Nobody waits for it: a file that was only read has nothing to lose. */
function close(file: OpenFile): void {
  if (file.readers === 0) file.handle.then((handle) => handle.close()).catch(() => undefined);
}
