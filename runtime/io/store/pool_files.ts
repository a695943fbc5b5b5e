/**
 * The pools that a process reads and writes: one open file a pool, and one shared mapping of it that its writes reuse.
 * @module
 */
import { closeSync, constants, fstatSync, openSync, readSync, writeSync } from "node:fs";
import { mapShared } from "#platform";
import type { SharedRegion } from "../../platform/platform.ts";
import { MAPPABLE_ALIGNMENT } from "../../protocol/object_layout.ts";

/** Pools open at once: a process has one agent; more appear only when that agent was replaced. */
const POOLS_MAX = 4;
/** One call moves at most 2 GiB - 4 KiB on Linux; runtimes refuse lengths above 2^31 - 1. */
const CALL_BYTES_MAX = 1024 ** 3;
/** Pieces up to this size are gathered in the scratch memory before they are written. */
const GATHERED_BYTES_MAX = 32 * 1024;
const SCRATCH_BYTES = 128 * 1024;

let scratchBytes: Uint8Array | null = null;

/** Calls are synchronous, so that one memory serves all pools. */
function scratch(): Uint8Array {
  return scratchBytes ??= new Uint8Array(SCRATCH_BYTES);
}

/** How well a writer knows a granule of the pool. */
const UNSEEN = 0;
const WRITTEN = 1;
const POPULATED = 2;

/** One pool, open. */
export class PoolFile {
  readonly path: string;
  readonly fd: number;
  readonly size: number;
  /** State of each granule of MAPPABLE_ALIGNMENT bytes (a range never shares one with another). Made by the first write. */
  #granules: Uint8Array | null = null;
  /** Undefined: not tried yet. Null: cannot map, or no longer wants to. */
  #region: SharedRegion | null | undefined;
  /** Those who hold the mapping, and mappings that stay for them alone. */
  #holders = 0;
  readonly #dropped: SharedRegion[] = [];

  constructor(path: string) {
    this.path = path;
    this.fd = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW);
    this.size = fstatSync(this.fd).size;
  }

  /** Fills `target` from `offset` on. Throws when the file is shorter. */
  read(target: Uint8Array, offset: number): void {
    for (let done = 0; done < target.byteLength;) {
      const length = Math.min(target.byteLength - done, CALL_BYTES_MAX);
      const count = readSync(this.fd, target, done, length, offset + done);
      if (count === 0) throw new Error(`Pool ${this.path} ends before offset ${offset + done}`);
      done += count;
    }
  }

  /**
   * Writes the pieces one after another from `offset` on: through the mapping with `isMapped`, which `canMap` has answered for
   * the range, else by calls, which throw ENOSPC when the file system is full.
   */
  write(pieces: readonly Uint8Array[], offset: number, isMapped: boolean = false): void {
    const region = isMapped ? this.#region : null;
    const put = (bytes: Uint8Array): void => {
      if (region) region.copy(offset, bytes);
      else this.#writeAll(bytes, offset);
      offset += bytes.byteLength;
    };
    if (pieces.length === 1) return put(pieces[0]!);
    // Small pieces are gathered: a call costs more than copying them (and writev is slow on Deno).
    let gathered = 0;
    const flush = (): void => {
      put(scratch().subarray(0, gathered));
      gathered = 0;
    };
    for (const piece of pieces) {
      if (piece.byteLength <= GATHERED_BYTES_MAX) {
        if (gathered + piece.byteLength > SCRATCH_BYTES) flush();
        scratch().set(piece, gathered);
        gathered += piece.byteLength;
      } else {
        flush();
        put(piece);
      }
    }
    flush();
  }

  #writeAll(bytes: Uint8Array, offset: number): void {
    for (let done = 0; done < bytes.byteLength;) {
      const length = Math.min(bytes.byteLength - done, CALL_BYTES_MAX);
      const count = writeSync(this.fd, bytes, done, length, offset + done);
      done += count;
    }
  }

  /**
   * Whether a range is to be written through the mapping, because that is safe and pays.
   *
   * Measured (256 MB, Bun): pwrite 32 ms; into pages that this process has populated 14 ms; populating pages that exist
   * 54 ms; new pages 120 ms either way. So the first write of a range goes by pwrite, the second populates it, and those
   * after it run at memory-copy speed. Populating, unlike touching, fails instead of killing when the file system is full.
   */
  canMap(offset: number, length: number): boolean {
    const state = this.#rangeState(offset, length);
    if (state === UNSEEN) return false;
    if (this.#region === undefined) this.#region = mapShared(this.fd, this.size);
    return this.#region !== null && (state === POPULATED || this.#populate(this.#region, offset, length));
  }

  #populate(region: SharedRegion, offset: number, length: number): boolean {
    if (!region.populate(offset, length)) {
      this.#dropRegion();
      return false;
    }
    this.#setRangeState(offset, length, POPULATED);
    return true;
  }

  /**
   * Writes a piece of a range that arrives in many: through the mapping where its pages are known, else by a call. Say
   * `noteWritten` when all of the range is there. Throws ENOSPC.
   */
  writePiece(bytes: Uint8Array, offset: number): void {
    const start = offset - offset % MAPPABLE_ALIGNMENT;
    // Whole granules: pages are populated whole, and never much at a time.
    const end = Math.ceil((offset + bytes.byteLength) / MAPPABLE_ALIGNMENT) * MAPPABLE_ALIGNMENT;
    if (this.canMap(start, Math.min(end, this.size) - start)) this.#region!.copy(offset, bytes);
    else this.#writeAll(bytes, offset);
  }

  /**
   * A view of a range for a thread to write through, whose pages are made first where they are missing; null where this
   * runtime cannot map or the file system is full. Only while the mapping is held (`hold`).
   */
  populatedView(offset: number, length: number): Uint8Array | null {
    if (this.#region === undefined) this.#region = mapShared(this.fd, this.size);
    if (this.#region === null) return null;
    const isPopulated = this.#rangeState(offset, length) === POPULATED;
    return isPopulated || this.#populate(this.#region, offset, length)
      ? this.#region.view(offset, length)
      : null;
  }

  /** Views stay valid until the answer is called, also when this file is closed. */
  hold(): () => void {
    this.#holders++;
    return () => {
      if (--this.#holders > 0) return;
      for (const region of this.#dropped.splice(0)) region.unmap();
    };
  }

  /** A view of a range whose bytes were all written, by whomever; null where this runtime cannot map. For reading only, and
   *  only until `close`. */
  readableView(offset: number, length: number): Uint8Array | null {
    if (this.#region === undefined) this.#region = mapShared(this.fd, this.size);
    return this.#region?.view(offset, length) ?? null;
  }

  /** Fills `target` from a range whose bytes were all written, by whomever. */
  copyTo(target: Uint8Array, offset: number): void {
    if (this.#region === undefined) this.#region = mapShared(this.fd, this.size);
    if (this.#region === null) this.read(target, offset);
    else this.#region.read(offset, target);
  }

  /** A range was written by `write`: its pages exist. */
  noteWritten(offset: number, length: number): void {
    if (this.#rangeState(offset, length) !== UNSEEN) return;
    this.#granules ??= new Uint8Array(Math.ceil(this.size / MAPPABLE_ALIGNMENT));
    const end = Math.ceil((offset + length) / MAPPABLE_ALIGNMENT);
    for (let index = Math.floor(offset / MAPPABLE_ALIGNMENT); index < end; index++) {
      if (this.#granules[index] === UNSEEN) this.#granules[index] = WRITTEN;
    }
  }

  /** Gives the pages of a range that nobody uses back. False where this runtime or file system cannot. */
  dropPages(offset: number, length: number): boolean {
    if (this.#region === undefined) this.#region = mapShared(this.fd, this.size);
    this.forget(offset, length);
    return this.#region?.drop(offset, length) ?? false;
  }

  /** The pages of a range were dropped: it must be written as if for the first time. */
  forget(offset: number, length: number): void {
    if (this.#granules !== null) this.#setRangeState(offset, length, UNSEEN);
  }

  close(): void {
    this.#dropRegion();
    closeSync(this.fd);
  }

  #dropRegion(): void {
    if (this.#region && this.#holders > 0) this.#dropped.push(this.#region);
    else this.#region?.unmap();
    this.#region = null;
    this.#granules?.fill(UNSEEN);
  }

  /** The least of the range's granules. */
  #rangeState(offset: number, length: number): number {
    if (this.#granules === null) return UNSEEN;
    let state = POPULATED;
    const end = Math.ceil((offset + length) / MAPPABLE_ALIGNMENT);
    for (let index = Math.floor(offset / MAPPABLE_ALIGNMENT); index < end; index++) {
      state = Math.min(state, this.#granules[index]!);
    }
    return state;
  }

  #setRangeState(offset: number, length: number, state: number): void {
    this.#granules ??= new Uint8Array(Math.ceil(this.size / MAPPABLE_ALIGNMENT));
    this.#granules.fill(
      state,
      Math.floor(offset / MAPPABLE_ALIGNMENT),
      Math.ceil((offset + length) / MAPPABLE_ALIGNMENT),
    );
  }
}

/** The pools of a process by path. */
export class PoolFiles {
  readonly #files = new Map<string, PoolFile>();

  /** Throws when there is no such pool (any more). */
  open(path: string): PoolFile {
    const known = this.#files.get(path);
    if (known !== undefined) return known;
    const file = new PoolFile(path);
    this.#files.set(path, file);
    if (this.#files.size > POOLS_MAX) {
      const oldest = this.#files.values().next().value!;
      this.#files.delete(oldest.path);
      oldest.close();
    }
    return file;
  }

  /** Idempotent. Views that readers hold stay valid: a mapping needs no open file. */
  close(): void {
    for (const file of this.#files.values()) file.close();
    this.#files.clear();
  }
}
