/**
 * The memory of a node's object store, as its agent owns it: one sparse file. Its pages come into being when they are first
 * written, and stay; the object table hands out ranges.
 * @module
 */
import { chmodSync, closeSync, ftruncateSync, openSync, statfsSync } from "node:fs";
import { totalmem } from "node:os";
import { join } from "node:path";
import { OBJECT_STORE_MEMORY_SHARE } from "../../common/config.ts";
import { MAPPABLE_ALIGNMENT } from "../../protocol/object_layout.ts";
import { PoolFile } from "./pool_files.ts";
import {
  bytesOfOthers,
  defaultPoolDir,
  makePoolFolder,
  POOL_FILE,
  removePoolFolder,
  reservedBytes,
  sweepPools,
} from "./pool_folder.ts";

/** How long a look at other pools' sizes is good for. */
const OTHERS_KNOWN_MS = 500;
/** Addresses of a pool, in capacities. */
const SPAN_FACTOR = 4;
/** Below this a store is hardly of use, and the user is told. */
const SMALL_BYTES = 64 * 1024 * 1024;

export interface ObjectPoolOptions {
  /** Folder for the pool; null: /dev/shm, or a temporary folder where there is none. */
  readonly dir: string | null;
  /** Bytes; null: OBJECT_STORE_MEMORY_SHARE of the memory, shared with the host's other agents. */
  readonly capacity: number | null;
  /** One line for the user. */
  readonly warn: (text: string) => void;
}

export class ObjectPool {
  readonly path: string;
  /** Bytes that objects may take, at most. */
  readonly capacity: number;
  /** Addresses for them: more than the capacity where pages can be given back, so that a large range is always found. */
  readonly span: number;
  readonly #dir: string;
  readonly #folder: string;
  readonly #file: PoolFile;
  /** Null for a pool whose size the user chose. */
  readonly #sharedBudget: number | null;
  #othersBytes = 0;
  #othersMs = -Infinity;
  readonly #onExit = (): void => removePoolFolder(this.#folder);
  #closed = false;

  /**
   * Makes the pool, after sweeping those of dead agents.
   * @throws {RangeError} for a capacity that is not a positive whole number of bytes.
   * @throws {Error} when the folder cannot be written; the message names it.
   */
  constructor(options: ObjectPoolOptions) {
    const { capacity, warn } = options;
    if (capacity !== null && (!Number.isSafeInteger(capacity) || capacity <= 0)) {
      throw new RangeError(`objectStoreBytes must be a positive whole number of bytes, not ${capacity}`);
    }
    this.#dir = options.dir ?? defaultPoolDir();
    sweepPools(this.#dir);
    this.#sharedBudget = capacity === null ? Math.floor(memoryBytes() * OBJECT_STORE_MEMORY_SHARE) : null;
    try {
      this.#folder = makePoolFolder(this.#dir, { shared: capacity === null });
    } catch (error) {
      throw new Error(
        `Cannot make the object store in ${this.#dir}: ${
          (error as Error).message
        }; choose another folder (--object-store-dir)`,
        { cause: error },
      );
    }
    this.capacity = this.#clamp(capacity ?? this.#sharedBudget!, warn);
    this.path = join(this.#folder, POOL_FILE);
    const fd = openSync(this.path, "wx", 0o600);
    chmodSync(this.path, 0o600);
    // Sparse: this takes no memory. A page exists from its first write on.
    ftruncateSync(fd, this.capacity * SPAN_FACTOR);
    closeSync(fd);
    this.#file = new PoolFile(this.path);
    this.span = this.#file.dropPages(0, MAPPABLE_ALIGNMENT) ? this.capacity * SPAN_FACTOR : this.capacity;
    process.on("exit", this.#onExit);
  }

  #clamp(wanted: number, warn: (text: string) => void): number {
    const available = this.#fileSystemBytes();
    const capacity = Math.min(wanted, available);
    const whole = capacity - capacity % MAPPABLE_ALIGNMENT;
    if (capacity < wanted) {
      warn(
        `The object store is ${whole} bytes instead of ${wanted}: ${this.#dir} has no more room` +
          (whole < SMALL_BYTES ? " (in a container, give it more shared memory, as with --shm-size)" : ""),
      );
    }
    return whole;
  }

  #fileSystemBytes(): number {
    const { bavail, bsize } = statfsSync(this.#dir);
    return bavail * bsize;
  }

  /** Up to where the pool's file may be filled now: what it has, and what the file system (and the host's budget) still
   *  gives. For the table's `limit`. */
  allowedBytes(nowMs: number): number {
    let free = this.#fileSystemBytes();
    const reserved = reservedBytes(this.path);
    if (this.#sharedBudget !== null) {
      if (nowMs - this.#othersMs > OTHERS_KNOWN_MS) {
        this.#othersBytes = bytesOfOthers(this.#dir, this.#folder);
        this.#othersMs = nowMs;
      }
      free = Math.min(free, this.#sharedBudget - this.#othersBytes - reserved);
    }
    return reserved + Math.max(0, free);
  }

  /** Bytes of a sealed range: a view of the pool where this runtime can map it, else a copy. */
  read(offset: number, length: number): Uint8Array {
    const view = this.#file.readableView(offset, length);
    if (view !== null) return view;
    const copy = new Uint8Array(length);
    this.#file.read(copy, offset);
    return copy;
  }

  /** Fills `target` from a sealed range. */
  copyTo(target: Uint8Array, offset: number): void {
    this.#file.copyTo(target, offset);
  }

  /** Writes a piece into a granted range. Throws ENOSPC. */
  write(offset: number, bytes: Uint8Array): void {
    this.#file.writePiece(bytes, offset);
  }

  /**
   * Memory for a piece of a granted range that some thread fills: the pool itself where this runtime can map it, else some
   * other, which `write` is to bring there. While `hold` lasts. The piece begins on a granule.
   */
  memory(offset: number, length: number): { readonly bytes: Uint8Array; readonly isPool: boolean } {
    const whole = Math.ceil(length / MAPPABLE_ALIGNMENT) * MAPPABLE_ALIGNMENT;
    const view = this.#file.populatedView(offset, whole);
    if (view === null) return { bytes: new Uint8Array(length), isPool: false };
    return { bytes: view.subarray(0, length), isPool: true };
  }

  /** What `memory` answers stays mapped until the answer is called. */
  hold(): () => void {
    return this.#file.hold();
  }

  /** Gives the pages of a range that nobody uses back. */
  dropPages(offset: number, length: number): void {
    this.#file.dropPages(offset, length);
  }

  /** The pages of a range were dropped since it was last used. */
  forget(offset: number, length: number): void {
    this.#file.forget(offset, length);
  }

  /** All of a range was written, by whomever: its pages exist, and the next writes of it are faster. */
  noteWritten(offset: number, length: number): void {
    this.#file.noteWritten(offset, length);
  }

  /** Removes the pool. Readers' mappings stay valid. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    process.off("exit", this.#onExit);
    this.#file.close();
    removePoolFolder(this.#folder);
  }
}

/** What this process may use: the machine's memory, or less in a container. */
function memoryBytes(): number {
  const constrained = process.constrainedMemory?.() ?? 0;
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}
