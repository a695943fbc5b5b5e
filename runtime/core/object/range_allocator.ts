/**
 * Hands out ranges of one pool of bytes. It prefers ranges that were used before: their pages exist and are warm, fresh
 * ones cost the kernel a page each. It owns no bytes and knows no objects.
 *
 *     0 ........ used, warm and cold ranges ........ top ................ never used ................ span
 *
 * The pool's addresses may span more than its capacity, which counts pages. So a large range is found also where small ones
 * lie all over: pages of free ranges are given back to the kernel ("dropped"; the range is cold from then on), and as many
 * are taken elsewhere, in one piece.
 *
 * Everything is counted in granules. Free neighbours of one kind are merged at once; a free range notes its length at both of
 * its ends, negative when it is cold, and hangs in the list of its kind and size class (eight classes between a power of two
 * and the next). A request takes the smallest warm fit of its own class, else any warm range of the next larger class, else a
 * cold one, else it moves `top`. All this lies in typed arrays: maps and sets of this many entries become slow when keys come
 * and go (measured: 40 us for one delete and set).
 * @module
 */
import { assert } from "../../common/assert.ts";

/** Ranges of its own class that a request looks at, before it splits one of a larger class. */
const SEARCH_MAX = 32;
const CLASSES_PER_OCTAVE_BITS = 3;
const CLASS_COUNT = 32 << CLASSES_PER_OCTAVE_BITS;
const NONE = -1;

/** What a request got. */
export interface Range {
  readonly offset: number;
  /** Its pages were dropped: whoever has written there before must not rely on them. */
  readonly isCold: boolean;
  /** Pages that must be given back before the range is written: offset and bytes of each. */
  readonly dropped: readonly (readonly [offset: number, bytes: number])[];
}

export class RangeAllocator {
  readonly capacity: number;
  readonly granuleBytes: number;
  readonly #span: number;
  #top = 0;
  #limit: number;
  #used = 0;
  /** In cold ranges. */
  #cold = 0;
  /** By granule: length of the free range that begins or ends there (cold: negative), else 0. Grown with `top`, like the
   *  lists. */
  #lengths = new Int32Array(64);
  /** By first granule of a free range: its neighbours in the list of its class. */
  #next = new Int32Array(64);
  #previous = new Int32Array(64);
  readonly #warmHeads: Int32Array = new Int32Array(CLASS_COUNT).fill(NONE);
  readonly #coldHeads: Int32Array = new Int32Array(CLASS_COUNT).fill(NONE);

  /** Both are rounded down to whole granules. `span`: addresses of the pool; no pages are dropped when it is the capacity. */
  constructor(capacity: number, granuleBytes: number, span: number = capacity) {
    this.granuleBytes = granuleBytes;
    this.capacity = capacity - capacity % granuleBytes;
    this.#limit = this.capacity / granuleBytes;
    this.#span = Math.floor(span / granuleBytes);
  }

  get usedBytes(): number {
    return this.#used * this.granuleBytes;
  }

  /** Bytes below this were handed out once. */
  get top(): number {
    return this.#top * this.granuleBytes;
  }

  /** Bytes whose pages exist, or are about to. */
  get warmBytes(): number {
    return (this.#top - this.#cold) * this.granuleBytes;
  }

  /** What a request of `bytes` takes. */
  rounded(bytes: number): number {
    return this.#granules(bytes) * this.granuleBytes;
  }

  /** No more pages than `bytes` from now on (the file system has no more); those that exist stay usable. */
  setLimit(bytes: number): void {
    this.#limit = Math.floor(Math.max(0, Math.min(bytes, this.capacity)) / this.granuleBytes);
  }

  /** Whether a request would need pages that do not exist. */
  wouldExtend(bytes: number): boolean {
    return this.#find(this.#granules(bytes), this.#warmHeads) === NONE;
  }

  /** A range for `bytes`, or null when there is none. */
  allocate(bytes: number): Range | null {
    const length = this.#granules(bytes);
    const warm = this.#find(length, this.#warmHeads);
    if (warm !== NONE) return this.#take(warm, length, false);
    if (this.#used + length > this.#limit) return null;
    const last = this.#top === 0 ? 0 : this.#lengths[this.#top - 1]!;
    const mayGrow = this.#top - Math.abs(last) + length <= this.#span;
    const missing = this.#pagesWith(length - Math.max(0, last)) - this.#limit;
    // A free range that touches the top is grown instead of left behind.
    if (mayGrow && last >= 0 && (last > 0 || missing <= 0)) {
      if (last > 0) this.#removeFree(this.#top - last, last);
      return this.#grow(this.#top - last, length, false, this.#drop(missing));
    }
    if (!mayGrow && this.#find(length, this.#coldHeads) === NONE) return null;
    const dropped = this.#drop(this.#pagesWith(length) - this.#limit);
    const cold = this.#find(length, this.#coldHeads);
    if (cold !== NONE) return this.#take(cold, length, true, dropped);
    const below = Math.max(0, -this.#lengths[this.#top - 1]!);
    if (below > 0) this.#removeFree(this.#top - below, below);
    return this.#grow(this.#top - below, length, below > 0, dropped);
  }

  /** Pages that exist when so many more do. */
  #pagesWith(more: number): number {
    return this.#top - this.#cold + more;
  }

  #take(start: number, length: number, isCold: boolean, dropped: Range["dropped"] = []): Range {
    const free = Math.abs(this.#lengths[start]!);
    this.#removeFree(start, free);
    if (free > length) this.#addFree(start + length, free - length, isCold);
    this.#used += length;
    return { offset: start * this.granuleBytes, isCold, dropped };
  }

  /** From `start`, all free from there to the top, and beyond. */
  #grow(start: number, length: number, isCold: boolean, dropped: Range["dropped"]): Range {
    this.#growTo(start + length);
    this.#top = start + length;
    this.#used += length;
    return { offset: start * this.granuleBytes, isCold, dropped };
  }

  /** Makes warm free ranges cold, the largest first, until `count` pages are dropped. */
  #drop(count: number): [number, number][] {
    const dropped: [number, number][] = [];
    for (let index = CLASS_COUNT - 1; index >= 0 && count > 0; index--) {
      while (count > 0 && this.#warmHeads[index] !== NONE) {
        const start = this.#warmHeads[index]!;
        const free = this.#lengths[start]!;
        const part = Math.min(free, count);
        this.#removeFree(start, free);
        if (part < free) this.#addFree(start, free - part, false);
        this.#addMerged(start + free - part, part, true);
        dropped.push([(start + free - part) * this.granuleBytes, part * this.granuleBytes]);
        count -= part;
      }
    }
    return dropped;
  }

  /** Gives back the range that `allocate` answered for `bytes`. */
  free(offset: number, bytes: number): void {
    const start = offset / this.granuleBytes;
    const length = this.#granules(bytes);
    assert(start >= 0 && start + length <= this.#top, `range ${offset}+${bytes} was not handed out`);
    this.#used -= length;
    this.#addMerged(start, length, false);
  }

  /** A free range, one with its neighbours of the same kind. */
  #addMerged(start: number, length: number, isCold: boolean): void {
    const kind = isCold ? -1 : 1;
    const before = start === 0 ? 0 : this.#lengths[start - 1]! * kind;
    if (before > 0) {
      start -= before;
      length += before;
      this.#removeFree(start, before);
    }
    const end = start + length;
    const after = end === this.#top ? 0 : this.#lengths[end]! * kind;
    if (after > 0) {
      length += after;
      this.#removeFree(end, after);
    }
    this.#addFree(start, length, isCold);
  }

  /** Throws when free ranges overlap, touch, or do not add up with the used ones (`used`: start and bytes of each). */
  check(used: Iterable<readonly [start: number, bytes: number]>): void {
    const ranges: [start: number, length: number, kind: "used" | "warm" | "cold"][] = [];
    for (const [start, bytes] of used) {
      ranges.push([start / this.granuleBytes, this.#granules(bytes), "used"]);
    }
    for (const kind of ["warm", "cold"] as const) {
      const sign = kind === "warm" ? 1 : -1;
      for (const [index, head] of (kind === "warm" ? this.#warmHeads : this.#coldHeads).entries()) {
        let previous = NONE;
        for (let start = head; start !== NONE; start = this.#next[start]!) {
          const length = this.#lengths[start]! * sign;
          assert(
            length > 0 && classOf(length) === index,
            "a free range hangs in the list of its kind and class",
          );
          assert(
            this.#lengths[start + length - 1] === length * sign,
            "a free range notes its length at both ends",
          );
          assert(this.#previous[start] === previous, "lists are linked both ways");
          ranges.push([start, length, kind]);
          previous = start;
        }
      }
    }
    ranges.sort((a, b) => a[0] - b[0]);
    const sums = { used: 0, warm: 0, cold: 0 };
    let end = 0;
    let before: string | null = null;
    for (const [start, length, kind] of ranges) {
      assert(start === end, `ranges leave no gap and do not overlap (${start} after ${end})`);
      assert(kind === "used" || kind !== before, "free neighbours of one kind are merged");
      end = start + length;
      before = kind;
      sums[kind] += length;
    }
    assert(end === this.#top && end <= this.#span, "ranges reach the top, within the span");
    assert(sums.used === this.#used, "used bytes add up");
    assert(sums.cold === this.#cold, "cold bytes add up");
    assert(this.#used * this.granuleBytes <= this.capacity, "the capacity is hard");
  }

  #granules(bytes: number): number {
    return Math.max(1, Math.ceil(bytes / this.granuleBytes));
  }

  #find(length: number, heads: Int32Array): number {
    const own = classOf(length);
    let best = NONE;
    let searched = 0;
    for (let start = heads[own]!; start !== NONE && searched < SEARCH_MAX; start = this.#next[start]!) {
      const free = Math.abs(this.#lengths[start]!);
      if (free >= length && (best === NONE || free < Math.abs(this.#lengths[best]!))) best = start;
      if (free === length) return start;
      searched++;
    }
    if (best !== NONE) return best;
    for (let larger = own + 1; larger < CLASS_COUNT; larger++) {
      if (heads[larger] !== NONE) return heads[larger]!;
    }
    // A long list of its own class may hide a fit: better slow than full.
    for (let start = heads[own]!; start !== NONE; start = this.#next[start]!) {
      if (Math.abs(this.#lengths[start]!) >= length) return start;
    }
    return NONE;
  }

  #addFree(start: number, length: number, isCold: boolean): void {
    const signed = isCold ? -length : length;
    this.#lengths[start] = signed;
    this.#lengths[start + length - 1] = signed;
    if (isCold) this.#cold += length;
    const heads = isCold ? this.#coldHeads : this.#warmHeads;
    const index = classOf(length);
    const head = heads[index]!;
    this.#next[start] = head;
    this.#previous[start] = NONE;
    if (head !== NONE) this.#previous[head] = start;
    heads[index] = start;
  }

  #removeFree(start: number, length: number): void {
    const isCold = this.#lengths[start]! < 0;
    this.#lengths[start] = 0;
    this.#lengths[start + length - 1] = 0;
    if (isCold) this.#cold -= length;
    const next = this.#next[start]!;
    const previous = this.#previous[start]!;
    if (next !== NONE) this.#previous[next] = previous;
    if (previous !== NONE) this.#next[previous] = next;
    else (isCold ? this.#coldHeads : this.#warmHeads)[classOf(length)] = next;
  }

  #growTo(granules: number): void {
    let size = this.#lengths.length;
    if (size >= granules) return;
    while (size < granules) size *= 2;
    const [lengths, next, previous] = [this.#lengths, this.#next, this.#previous];
    this.#lengths = new Int32Array(size);
    this.#next = new Int32Array(size);
    this.#previous = new Int32Array(size);
    this.#lengths.set(lengths);
    this.#next.set(next);
    this.#previous.set(previous);
  }
}

/** Exact below 2^CLASSES_PER_OCTAVE_BITS granules, then by the bits after the highest one. */
function classOf(granules: number): number {
  const octave = 31 - Math.clz32(granules);
  const shift = octave - CLASSES_PER_OCTAVE_BITS;
  if (shift < 0) return granules;
  return ((shift + 1) << CLASSES_PER_OCTAVE_BITS) +
    ((granules >> shift) & ((1 << CLASSES_PER_OCTAVE_BITS) - 1));
}
