/**
 * Hands out ranges of one pool of bytes. It prefers ranges that were used before: their pages exist and are warm, fresh
 * ones cost the kernel a page each. It owns no bytes and knows no objects.
 *
 *     0 ............. used and free ranges ............. top ...... never used ...... limit ... capacity
 *
 * Free neighbours are merged at once. A request takes the smallest free range of its size class that fits, else the oldest
 * of a larger class, else it moves `top`. Operations cost a few map look-ups, whatever the number of ranges.
 * @module
 */
import { assert } from "../../common/assert.ts";

/** A size class is searched this far for the best fit before a larger class is split. */
const SEARCH_MAX = 32;

export class RangeAllocator {
  readonly capacity: number;
  readonly granuleBytes: number;
  /** Everything from here on was never handed out. */
  #top = 0;
  #limit: number;
  #usedBytes = 0;
  /** All and only free ranges below `top`: length by start, and start by end. */
  readonly #lengths = new Map<number, number>();
  readonly #starts = new Map<number, number>();
  /** Starts of free ranges whose length in granules has its highest bit at the index. */
  readonly #classes: Set<number>[] = [];

  /** `capacity` is rounded down to whole granules. */
  constructor(capacity: number, granuleBytes: number) {
    this.granuleBytes = granuleBytes;
    this.capacity = capacity - capacity % granuleBytes;
    this.#limit = this.capacity;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Bytes below this were handed out once: their pages exist, or are about to. */
  get top(): number {
    return this.#top;
  }

  /** What a request of `bytes` takes. */
  rounded(bytes: number): number {
    return Math.max(1, Math.ceil(bytes / this.granuleBytes)) * this.granuleBytes;
  }

  /** Fresh ranges end at `bytes` from now on (the file system has no more); ranges that were used stay usable. */
  setLimit(bytes: number): void {
    this.#limit = Math.max(0, Math.min(bytes, this.capacity));
  }

  /** Whether a request would need bytes that were never used. */
  wouldExtend(bytes: number): boolean {
    return this.#find(this.rounded(bytes)) === null;
  }

  /** The start of a range for `bytes`, or null when there is none. */
  allocate(bytes: number): number | null {
    const length = this.rounded(bytes);
    const found = this.#find(length);
    if (found !== null) {
      const free = this.#lengths.get(found)!;
      this.#removeFree(found);
      if (free > length) this.#addFree(found + length, free - length);
      this.#usedBytes += length;
      return found;
    }
    // A free range that touches the top is grown instead of left behind.
    const start = this.#starts.get(this.#top) ?? this.#top;
    if (start + length > this.#limit) return null;
    if (start < this.#top) this.#removeFree(start);
    this.#top = start + length;
    this.#usedBytes += length;
    return start;
  }

  /** Gives back the range that `allocate` answered for `bytes`. */
  free(start: number, bytes: number): void {
    let length = this.rounded(bytes);
    assert(start >= 0 && start + length <= this.#top, `range ${start}+${length} was not handed out`);
    this.#usedBytes -= length;
    const before = this.#starts.get(start);
    if (before !== undefined) {
      length += start - before;
      this.#removeFree(before);
      start = before;
    }
    const after = this.#lengths.get(start + length);
    if (after !== undefined) {
      this.#removeFree(start + length);
      length += after;
    }
    this.#addFree(start, length);
  }

  /** Throws when free ranges overlap, touch, or do not add up with the used ones (`used`: start and bytes of each). */
  check(used: Iterable<readonly [start: number, bytes: number]>): void {
    const ranges: [number, number, boolean][] = [];
    for (const [start, bytes] of used) ranges.push([start, this.rounded(bytes), true]);
    for (const [start, length] of this.#lengths) ranges.push([start, length, false]);
    ranges.sort((a, b) => a[0] - b[0]);
    let end = 0;
    let usedBytes = 0;
    let wasFree = false;
    for (const [start, length, isUsed] of ranges) {
      assert(start === end, `ranges leave no gap and do not overlap (${start} after ${end})`);
      assert(isUsed || !wasFree, "free neighbours are merged");
      end = start + length;
      wasFree = !isUsed;
      if (isUsed) usedBytes += length;
    }
    assert(end === this.#top, "ranges reach the top");
    assert(usedBytes === this.#usedBytes, "used bytes add up");
    assert(this.#starts.size === this.#lengths.size, "free ranges are known by both ends");
  }

  #find(length: number): number | null {
    const size = this.#classOf(length);
    let best: number | null = null;
    let bestLength = Infinity;
    let searched = 0;
    for (const start of this.#classes[size] ?? []) {
      const free = this.#lengths.get(start)!;
      if (free >= length && free < bestLength) {
        best = start;
        bestLength = free;
      }
      if (free === length || ++searched >= SEARCH_MAX) break;
    }
    if (best !== null) return best;
    for (let larger = size + 1; larger < this.#classes.length; larger++) {
      for (const start of this.#classes[larger]!) return start;
    }
    // The rest of its own class, when a long list hid a fit.
    if (searched >= SEARCH_MAX) {
      for (const start of this.#classes[size]!) if (this.#lengths.get(start)! >= length) return start;
    }
    return null;
  }

  #classOf(length: number): number {
    return 31 - Math.clz32(length / this.granuleBytes);
  }

  #addFree(start: number, length: number): void {
    this.#lengths.set(start, length);
    this.#starts.set(start + length, start);
    const size = this.#classOf(length);
    while (this.#classes.length <= size) this.#classes.push(new Set());
    this.#classes[size]!.add(start);
  }

  #removeFree(start: number): void {
    const length = this.#lengths.get(start)!;
    this.#lengths.delete(start);
    this.#starts.delete(start + length);
    this.#classes[this.#classOf(length)]!.delete(start);
  }
}
