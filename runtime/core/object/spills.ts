/**
 * What of a node's objects goes to disk when memory is short, what lies there, and which files nobody needs any more. Part of
 * the object table (object_table.ts), which owns ranges and pins.
 *
 * Of one object's bytes:
 *
 *     in memory --1--> being written --2--> in memory and on disk --3--> on disk --4--> in memory and on disk
 *         ^                  |
 *         +--------5---------+
 *
 *   1 Creators need room (or little is left): the primary copies that nobody reads, longest unused first, many small ones in
 *     a file. Copies whose primary is elsewhere are evicted instead.
 *   2 All bytes of the batch are written.     3 Its range is taken for something else: that costs nothing any more.
 *   4 Somebody reads it: a pull from this very node (pull_manager.ts) brought it back.
 *   5 The disk is full or broken: nothing is lost, and after a pause, doubled each time, it is tried again.
 *
 * A file goes when the last of its objects is gone.
 * @module
 */
import { assert } from "../../common/assert.ts";
import type { ObjectId } from "../../common/ids.ts";
import { IdleSet } from "./idle_set.ts";
import type { TableEffect } from "./object_table_types.ts";
import type { Pinned, PinTable } from "./pin_table.ts";

/** Objects in one file, at most (as in Ray). */
export const BATCH_OBJECTS_MAX: number = 2_000;
/** Batches that are written at once: the next one's pages are ready when the disk has taken the one before. */
const BATCHES_MAX = 2;
const PAUSE_MS = 1_000;
const PAUSE_MS_MAX = 30_000;

/** Where an object lies on disk; its length is the object's. */
export interface DiskPlace {
  readonly file: string;
  readonly offset: number;
}

/** What the table knows of an object that matters here. */
export interface Spillable extends Pinned {
  readonly id: ObjectId;
  readonly offset: number | null;
  readonly size: number;
  /** Null: only in memory. Changed here only. */
  disk: DiskPlace | null;
}

export class Spills<E extends Spillable> {
  readonly #batchBytes: number;
  /** A batch pins its entries until it is over. */
  readonly #pins: PinTable<E>;
  readonly #takenBy: (entry: E) => number;
  /** All and only entries that may be written. */
  readonly candidates: IdleSet<E>;
  readonly #batches = new Map<string, readonly E[]>();
  #writingBytes = 0;
  /** Objects that each file holds. */
  readonly #files = new Map<string, number>();
  #diskBytes = 0;
  #diskObjects = 0;
  #sequence = 0;
  #failure: { readonly message: string; readonly untilMs: number; readonly pauseMs: number } | null = null;

  /** `takenBy`: bytes of memory that an entry takes up. */
  constructor(batchBytes: number, pins: PinTable<E>, takenBy: (entry: E) => number) {
    this.#batchBytes = batchBytes;
    this.#pins = pins;
    this.#takenBy = takenBy;
    this.candidates = new IdleSet(takenBy);
  }

  /** Memory that could be had by writing. */
  get candidateBytes(): number {
    return this.#failure === null ? this.candidates.bytes : 0;
  }
  /** Memory that can be had as soon as batches under way are written. */
  get writingBytes(): number {
    return this.#writingBytes;
  }
  /** Why the last batch could not be written; null when it could. */
  get failure(): string | null {
    return this.#failure?.message ?? null;
  }
  get onDisk(): { readonly objects: number; readonly bytes: number } {
    return { objects: this.#diskObjects, bytes: this.#diskBytes };
  }

  /** When a disk that failed is tried again; null when it did not. */
  get retryMs(): number | null {
    return this.#failure?.untilMs ?? null;
  }

  /** Begin to write what takes `bytes` of memory, less what is being written, in batches of the usual size. */
  start(nowMs: number, bytes: number, effects: TableEffect[]): void {
    if (this.#failure !== null && nowMs < this.#failure.untilMs) return;
    while (this.#writingBytes < bytes && this.#batches.size < BATCHES_MAX && this.candidates.size > 0) {
      const entries: E[] = [];
      let taken = 0;
      for (const entry of this.candidates) {
        entries.push(entry);
        taken += this.#takenBy(entry);
        if (taken >= this.#batchBytes || entries.length >= BATCH_OBJECTS_MAX) break;
      }
      const batch = `spill ${++this.#sequence}`;
      for (const entry of entries) {
        this.candidates.note(entry, false);
        this.#pins.add(batch, entry);
      }
      this.#batches.set(batch, entries);
      this.#writingBytes += taken;
      const objects = entries.map(({ id, offset, size }) => ({ id, offset, size }));
      effects.push({ type: "spill", batch, objects });
    }
  }

  /** A batch is on disk, one object after the other. Answers its entries, whose pins under its name the table takes away; `isNeeded` says which are still objects. */
  written(
    batch: string,
    file: string,
    isNeeded: (entry: E) => boolean,
    effects: TableEffect[],
  ): readonly E[] {
    const entries = this.#end(batch);
    this.#failure = null;
    let offset = 0;
    let needed = 0;
    for (const entry of entries) {
      if (isNeeded(entry)) {
        entry.disk = { file, offset };
        this.#diskBytes += entry.size;
        needed++;
      }
      offset += entry.size;
    }
    this.#diskObjects += needed;
    if (needed > 0) this.#files.set(file, needed);
    else effects.push({ type: "deleteSpill", file });
    return entries;
  }

  failed(nowMs: number, batch: string, message: string): readonly E[] {
    const pauseMs = Math.min((this.#failure?.pauseMs ?? PAUSE_MS / 2) * 2, PAUSE_MS_MAX);
    this.#failure = { message, untilMs: nowMs + pauseMs, pauseMs };
    return this.#end(batch);
  }

  #end(batch: string): readonly E[] {
    const entries = this.#batches.get(batch);
    assert(entries !== undefined, `batch ${batch} is being written`);
    this.#batches.delete(batch);
    for (const entry of entries) this.#writingBytes -= this.#takenBy(entry);
    return entries;
  }

  /** The object is gone, or its file was found broken. */
  forget(entry: E, effects: TableEffect[]): void {
    if (entry.disk === null) return;
    const { file } = entry.disk;
    entry.disk = null;
    this.#diskBytes -= entry.size;
    this.#diskObjects--;
    const left = this.#files.get(file)! - 1;
    if (left > 0) this.#files.set(file, left);
    else {
      this.#files.delete(file);
      effects.push({ type: "deleteSpill", file });
    }
  }

  check(entries: Iterable<E>, mayBeWritten: (entry: E) => boolean): void {
    const files = new Map<string, number>();
    let bytes = 0;
    const all = [...entries];
    assert(this.candidates.isTrue(all, mayBeWritten), "all and only what may be written is known");
    for (const entry of all) {
      if (entry.disk === null) continue;
      files.set(entry.disk.file, (files.get(entry.disk.file) ?? 0) + 1);
      bytes += entry.size;
    }
    assert(bytes === this.#diskBytes, "bytes on disk add up");
    assert(files.size === this.#files.size, "all and only files with objects are kept");
    for (const [file, count] of files) assert(this.#files.get(file) === count, `${file} knows its objects`);
    const writing = [...this.#batches.values()].flat();
    const writingBytes = writing.reduce((sum, entry) => sum + this.#takenBy(entry), 0);
    assert(writingBytes === this.#writingBytes, "bytes being written add up");
    assert(this.#batches.size <= BATCHES_MAX, "batches at once are bounded");
  }
}
