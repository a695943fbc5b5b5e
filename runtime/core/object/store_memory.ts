/**
 * What a node's objects take of its memory: ranges of the pool, and small objects in the agent's own. Part of the object
 * table. Both count against one capacity, which is hard.
 * @module
 */
import { assert } from "../../common/assert.ts";
import { type Range, RangeAllocator } from "./range_allocator.ts";

/** One object's memory. */
export interface Taken {
  /** In the pool; null: in the agent's memory. */
  readonly offset: number | null;
  readonly size: number;
}

/** What a new object got; for one in the agent's memory without an offset. */
export type Allocated = Omit<Range, "offset"> & { readonly offset: number | null };
const INLINE: Allocated = { offset: null, isCold: false, dropped: [] };

export class StoreMemory {
  readonly #ranges: RangeAllocator;
  #inlineBytes = 0;

  /** `span`: addresses of the pool (RangeAllocator). */
  constructor(capacity: number, granuleBytes: number, span: number) {
    this.#ranges = new RangeAllocator(capacity, granuleBytes, span);
  }

  get capacity(): number {
    return this.#ranges.capacity;
  }
  get usedBytes(): number {
    return this.#ranges.usedBytes + this.#inlineBytes;
  }
  get freeBytes(): number {
    return this.capacity - this.usedBytes;
  }

  /** Bytes that an object takes up. */
  taken({ offset, size }: Taken): number {
    return offset === null ? size : this.#ranges.rounded(size);
  }

  /** Whether a new object of this size needs bytes of the pool that were never used: then the limit matters. */
  wouldExtend(size: number): boolean {
    return this.#ranges.wouldExtend(size);
  }
  setLimit(bytes: number): void {
    this.#ranges.setLimit(bytes);
  }

  /** Null when there is no room in one piece. */
  allocate(size: number, inline: boolean): Allocated | null {
    if (this.freeBytes < (inline ? size : this.#ranges.rounded(size))) return null;
    if (!inline) return this.#ranges.allocate(size);
    this.#inlineBytes += size;
    return INLINE;
  }

  free({ offset, size }: Taken): void {
    if (offset === null) this.#inlineBytes -= size;
    else this.#ranges.free(offset, size);
  }

  check(all: Iterable<Taken>): void {
    const used: [number, number][] = [];
    let inlineBytes = 0;
    for (const { offset, size } of all) {
      if (offset === null) inlineBytes += size;
      else used.push([offset, size]);
    }
    this.#ranges.check(used);
    assert(inlineBytes === this.#inlineBytes, "inline bytes add up");
    assert(this.usedBytes <= this.capacity, "the capacity is hard");
  }
}
