/**
 * The object table at work on the pool: makes room, keeps inline bytes, and says what came and went.
 * @module
 */
import { errorOfCode, MobulaError, ObjectLostError } from "../../common/errors.ts";
import type { ObjectId } from "../../common/ids.ts";
import { ObjectTable } from "../../core/object/object_table.ts";
import type { Seal, StoredEntry, TableEffect, TableEvent } from "../../core/object/object_table_types.ts";
import type { ObjectReport } from "../../protocol/messages.ts";
import { MAPPABLE_ALIGNMENT } from "../../protocol/object_layout.ts";
import type { ObjectPool } from "./object_pool.ts";
import { isPassing, type ReadTarget, SPILL_PART_BYTES, type SpillFiles } from "./spill_files.ts";

/** What is written to disk at a time: much enough for the disk, little enough for those who wait. */
const SPILL_BATCH_BYTES = 32 * 1024 * 1024;
const SPILL_BATCH_SHARE = 1 / 8;

/** What happens to objects here. */
export interface SpaceListener {
  /** An object can be read from now on. */
  sealed(id: ObjectId, report: ObjectReport): void;
  /** It is not here any more: evicted (others have it), or deleted. */
  removed(id: ObjectId, evicted: boolean): void;
  /** Its bytes are on disk alone from now on, or in memory again. */
  unloaded(id: ObjectId): void;
  restored(id: ObjectId): void;
  /** Objects could not be written to disk, or one could not be read from there: why. */
  spillFailed(message: string): void;
  spillBroken(id: ObjectId, message: string): void;
  collectGarbage(): void;
}

/** Room for an object: null for one in this process's memory. `isCold`: its pages were dropped since it was last used. */
export interface GrantedRoom {
  readonly offset: number | null;
  readonly isCold: boolean;
}

/** A creator that waits for its range. */
interface PendingCreate {
  readonly holder: string;
  readonly id: ObjectId;
  readonly size: number;
  readonly resolve: (room: GrantedRoom) => void;
  readonly reject: (error: Error) => void;
}

export class ObjectSpace {
  readonly table: ObjectTable;
  readonly #pool: ObjectPool;
  readonly #files: SpillFiles | null;
  readonly #nowMs: () => number;
  readonly #listener: SpaceListener;
  /** Bytes of all and only inline objects in the table. */
  readonly #inline = new Map<ObjectId, Uint8Array>();
  readonly #creates = new Map<string, PendingCreate>();
  #requests = 0;
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(
    pool: ObjectPool,
    options: {
      readonly graceMs?: number;
      readonly nowMs: () => number;
      /** Where objects go when memory is short; null: nowhere. */
      readonly files: SpillFiles | null;
    },
    listener: SpaceListener,
  ) {
    this.#pool = pool;
    this.#files = options.files;
    this.#nowMs = options.nowMs;
    this.#listener = listener;
    this.table = new ObjectTable({
      capacity: pool.capacity,
      granuleBytes: MAPPABLE_ALIGNMENT,
      span: pool.span,
      ...(options.graceMs === undefined ? {} : { graceMs: options.graceMs }),
      ...(options.files === null ? {} : {
        spillBatchBytes: Math.min(SPILL_BATCH_BYTES, Math.ceil(pool.capacity * SPILL_BATCH_SHARE)),
      }),
    });
  }

  /** Room for an object. Rejects with ObjectStoreFullError or OutOfDiskError. */
  create(holder: string, id: ObjectId, size: number, inline: boolean): Promise<GrantedRoom> {
    return new Promise((resolve, reject) => {
      const requestId = `c${++this.#requests}`;
      this.#creates.set(requestId, { holder, id, size, resolve, reject });
      if (!inline && this.table.wouldExtend(size)) this.#refreshLimit();
      this.step({ type: "create", requestId, holder, id, size, inline });
    });
  }

  /** The object is complete; `bytes` for an inline one, `pin`: the holder pins it. Throws ObjectLostError when the holder is not creating it. */
  seal(holder: string, id: ObjectId, seal: Seal, bytes: Uint8Array | null, pin: boolean = false): void {
    if (bytes !== null && this.table.get(id)?.resident !== true) this.#inline.set(id, bytes);
    this.step({ type: "seal", holder, id, seal, pin });
  }

  /** An object that a holder waits to make; null: none. */
  waitingOf(holder: string): { id: ObjectId; bytes: number } | null {
    for (const create of this.#creates.values()) {
      if (create.holder === holder) return { id: create.id, bytes: create.size };
    }
    return null;
  }

  abort(holder: string, id: ObjectId): void {
    this.#rejectCreates((create) => create.holder === holder && create.id === id, "it was aborted");
    this.step({ type: "abort", holder, id });
  }

  holderDied(holder: string): void {
    this.#rejectCreates((create) => create.holder === holder, `${holder} is gone`);
    this.step({ type: "holderDied", holder });
  }

  /** Bytes of an inline object. */
  inlineBytes(id: ObjectId): Uint8Array {
    return this.#inline.get(id)!;
  }

  /** A part of an object in memory: a view where there is one. RangeError outside of its bounds. */
  bytesOf(entry: StoredEntry, offset: number, length: number): Uint8Array {
    if (!entry.resident) throw new Error(`${entry.id} is on disk alone`);
    const whole = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
    if (!whole || offset + length > entry.size) {
      throw new RangeError(`Cannot read ${length} bytes at ${offset} of ${entry.id}: it has ${entry.size}`);
    }
    if (entry.offset !== null) return this.#pool.read(entry.offset + offset, length);
    return this.inlineBytes(entry.id).subarray(offset, offset + length);
  }

  /** From the disk into `target`, from `offset` on. A file that is broken is none: the object must come from elsewhere. */
  async restore(id: ObjectId, offset: number, target: ReadTarget): Promise<void> {
    const entry = this.table.get(id);
    if (entry === undefined) throw new Error(`${id} was deleted`);
    const holder = `restore:${++this.#requests}`;
    this.step({ type: "pin", holder, id });
    let inTarget = false;
    const watched = <T>(act: () => T): T => {
      inTarget = true;
      const result = act();
      inTarget = false;
      return result;
    };
    try {
      await this.#readSpilled(entry, { offset, length: entry.size - offset }, {
        memory: (at, length) => watched(() => target.memory(at, length)),
        done: (at, bytes) => watched(() => target.done(at, bytes)),
      });
    } catch (error) {
      if (!inTarget && !this.#closed && !isPassing(error)) {
        this.#listener.spillBroken(id, (error as Error).message);
        this.step({ type: "spillBroken", id });
      }
      throw error;
    } finally {
      this.step({ type: "unpin", holder, id, count: 1 });
    }
  }

  /** A part of a spilled object. The object is pinned by the caller. */
  async partOfSpilled(entry: StoredEntry, offset: number, length: number): Promise<Uint8Array> {
    const skipped = offset % SPILL_PART_BYTES;
    const parts: Uint8Array[] = [];
    await this.#readSpilled(entry, { offset: offset - skipped, length: length + skipped }, {
      memory: (_at, bytes) => new Uint8Array(bytes),
      done: (_at, bytes) => void parts.push(bytes),
    });
    const read = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    return read.subarray(skipped, skipped + length);
  }

  async #readSpilled(
    entry: StoredEntry,
    range: { readonly offset: number; readonly length: number },
    target: ReadTarget,
  ): Promise<void> {
    const { id, disk, size } = entry;
    if (disk === null || this.#files === null) throw new Error(`${id} is not on disk`);
    await this.#files.read(disk, { size, ...range }, target);
  }

  step(event: TableEvent): void {
    for (const effect of this.table.step(this.#nowMs(), event)) this.#perform(effect);
  }

  #perform(effect: TableEffect): void {
    switch (effect.type) {
      case "granted":
        this.#takeCreate(effect.requestId)?.resolve({
          offset: effect.offset,
          isCold: effect.isCold === true,
        });
        break;
      case "dropPages":
        this.#pool.dropPages(effect.offset, effect.bytes);
        break;
      case "createFailed":
        this.#takeCreate(effect.requestId)?.reject(errorOfCode(effect.code, effect.message));
        break;
      case "sealed":
        if (effect.first) this.#listener.sealed(effect.id, effect.report);
        break;
      case "sealRefused":
        this.#inline.delete(effect.id);
        throw new ObjectLostError(effect.message, { objectId: effect.id });
      case "removed":
        this.#inline.delete(effect.id);
        this.#listener.removed(effect.id, effect.evicted);
        break;
      case "unloaded":
        this.#inline.delete(effect.id);
        this.#listener.unloaded(effect.id);
        break;
      case "restored":
        this.#listener.restored(effect.id);
        break;
      case "spill":
        void this.#spill(effect);
        break;
      case "deleteSpill":
        this.#files!.delete(effect.file);
        break;
      case "collectGarbage":
        this.#listener.collectGarbage();
        break;
      case "setTimer":
        this.#setTimer(effect.atMs);
        break;
      default:
        effect satisfies never;
    }
  }

  async #spill({ batch, objects }: Extract<TableEffect, { type: "spill" }>): Promise<void> {
    const sources = objects.map(({ id, offset, size }) => {
      // Taken now: a deleted object's bytes stay in the pool until the batch is over, but not here.
      const inline = offset === null ? this.inlineBytes(id) : null;
      const read = (at: number, length: number): Uint8Array =>
        inline?.subarray(at, at + length) ?? this.#pool.read(offset! + at, length);
      return { size, read };
    });
    let event: TableEvent;
    // Threads read the pool, also when the store is closed meanwhile.
    const letGo = this.#pool.hold();
    try {
      event = { type: "spilled", batch, file: await this.#files!.write(sources) };
    } catch (error) {
      const { message } = error as Error;
      if (!this.#closed) this.#listener.spillFailed(message);
      event = { type: "spillFailed", batch, message };
    } finally {
      letGo();
    }
    if (!this.#closed) this.step(event);
  }

  #takeCreate(requestId: string): PendingCreate | undefined {
    const create = this.#creates.get(requestId);
    this.#creates.delete(requestId);
    return create;
  }

  #rejectCreates(matches: (create: PendingCreate) => boolean, why: string): void {
    for (const [requestId, create] of this.#creates) {
      if (!matches(create)) continue;
      this.#creates.delete(requestId);
      create.reject(cancelled(why));
    }
  }

  #refreshLimit(): void {
    this.step({ type: "limit", bytes: this.#pool.allowedBytes(this.#nowMs()) });
  }

  #setTimer(atMs: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      // The file system may have room again.
      this.#refreshLimit();
      this.step({ type: "timer" });
    }, Math.max(0, atMs - this.#nowMs()));
  }

  close(): void {
    this.#closed = true;
    this.#rejectCreates(() => true, "the node's object store is closed");
    if (this.#timer !== null) clearTimeout(this.#timer);
  }
}

/** What a call that is no longer wanted is answered; nobody reads it but logs. */
export function cancelled(why: string): MobulaError {
  return new MobulaError(`The request was cancelled: ${why}`, { code: "RequestCancelled" });
}
