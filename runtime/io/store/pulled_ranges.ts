/**
 * The memory of objects on their way here: each has a range of the pool (a small one, memory of the agent), which it fills
 * from other nodes or from this node's disk until it is sealed or given up.
 *
 *     reserved --> being filled --> sealed
 *                      |
 *                      +--> given up --> free: not before the last thread that reads from disk has stopped writing there
 *
 * @module
 */
import { INLINE_BYTES_MAX } from "../../common/config.ts";
import type { ObjectId } from "../../common/ids.ts";
import type { Seal } from "../../core/object/object_table_types.ts";
import type { ObjectPool } from "./object_pool.ts";
import type { ObjectSpace } from "./object_space.ts";
import { SPILL_PART_BYTES } from "./spill_files.ts";

interface Pulled {
  /** In whose name the range is held; of this pull alone, so that the next pull of the object has a range of its own. */
  readonly holder: string;
  /** Undefined until there is room; null for one in the agent's memory. */
  offset: number | null | undefined;
  /** Reads from disk that may still write there. */
  readings: number;
  /** What is to be done with the range when there are none. */
  end: (() => void) | null;
}

/** How a restored object comes in. */
export interface Restoring {
  /** Bytes that are here and need not be read again. */
  readonly from: number;
  /** Where an object in the agent's memory goes, else null. */
  readonly memory: Uint8Array | null;
  readonly signal: AbortSignal;
  /** So many bytes from the start are here, checked. */
  arrived(bytes: number): void;
}

export class PulledRanges {
  readonly #space: ObjectSpace;
  readonly #pool: ObjectPool;
  readonly #onFreed: () => void;
  /** All and only objects that were reserved, and neither sealed nor given up. */
  readonly #pulled = new Map<ObjectId, Pulled>();
  #sequence = 0;

  /** `onFreed`: room was given back. */
  constructor(space: ObjectSpace, pool: ObjectPool, onFreed: () => void) {
    this.#space = space;
    this.#pool = pool;
    this.#onFreed = onFreed;
  }

  /** Room for an object. Resolves with an offset of the pool, or null for one in the agent's memory. Rejects as `create`. */
  async reserve(id: ObjectId, size: number): Promise<number | null> {
    const holder = `pull:${++this.#sequence}`;
    const pulled: Pulled = { holder, offset: undefined, readings: 0, end: null };
    this.#pulled.set(id, pulled);
    const { offset, isCold } = await this.#space.create(holder, id, size, isInline(size));
    if (isCold) this.#pool.forget(offset!, size);
    pulled.offset = offset;
    return offset;
  }

  /** Gives the room back, or the wait for it up. */
  release(id: ObjectId): void {
    const pulled = this.#pulled.get(id);
    if (pulled === undefined) return;
    this.#endWith(id, pulled, () => {
      this.#space.abort(pulled.holder, id);
      this.#onFreed();
    });
  }

  /** At once, or when no thread writes into the range any more. */
  #endWith(id: ObjectId, pulled: Pulled, end: () => void): void {
    this.#pulled.delete(id);
    if (pulled.readings === 0) end();
    else pulled.end = end;
  }

  write(offset: number, bytes: Uint8Array): void {
    this.#pool.write(offset, bytes);
  }

  /** Brings a spilled object into its room. Rejects when the disk has lost it, when it was given up, and with ENOSPC. */
  async restore(id: ObjectId, { from, memory, signal, arrived }: Restoring): Promise<void> {
    const pulled = this.#pulled.get(id)!;
    const letGo = this.#pool.hold();
    pulled.readings++;
    try {
      const copied = new Set<number>();
      await this.#space.restore(id, from - from % SPILL_PART_BYTES, {
        memory: (at, length) => {
          signal.throwIfAborted();
          if (memory !== null) return memory.subarray(at, at + length);
          const { bytes, isPool } = this.#pool.memory(pulled.offset! + at, length);
          if (!isPool) copied.add(at);
          return bytes;
        },
        done: (at, bytes) => {
          signal.throwIfAborted();
          if (copied.delete(at)) this.#pool.write(pulled.offset! + at, bytes);
          arrived(at + bytes.byteLength);
        },
      });
    } finally {
      letGo();
      if (--pulled.readings === 0) pulled.end?.();
    }
  }

  /** Publishes the object; `bytes` for one in the agent's memory. The `readers` pin it. */
  seal(id: ObjectId, seal: Seal, bytes: Uint8Array | null, readers: Iterable<string>): void {
    const pulled = this.#pulled.get(id)!;
    const { holder } = pulled;
    // Pinned until those who wait for it have pinned it: the next creator's need would take it away again.
    this.#space.seal(holder, id, seal, bytes, true);
    for (const reader of readers) this.#space.step({ type: "pin", holder: reader, id });
    const entry = this.#space.table.get(id);
    if (typeof entry?.offset === "number") this.#pool.noteWritten(entry.offset, entry.size);
    this.#endWith(id, pulled, () => {
      this.#space.step({ type: "unpin", holder, id, count: 1 });
      this.#onFreed();
    });
  }
}

/** Whether an object of this size lies in the agent's memory. */
function isInline(size: number): boolean {
  return size <= INLINE_BYTES_MAX;
}
