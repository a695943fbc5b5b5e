/**
 * Hands out ranges of one pool of bytes. It prefers ranges that were used before: their pages exist and are warm, fresh
 * ones cost the kernel a page each. It owns no bytes and knows no objects.
 *
 *     0 ............. used and free ranges ............. top ...... never used ...... limit ... capacity
 *
 * Everything is counted in granules. Free neighbours are merged at once; a free range notes its length at both of its ends,
 * and hangs in the list of its size class (eight classes between a power of two and the next). A request takes the
 * smallest fit of its own class, else any range of the next larger class, else it moves `top`. All this lies in typed arrays:
 * maps and sets of this many entries become slow when keys come and go (measured: 40 us for one delete and set).
 * @module
 */
import { assert } from "../../common/assert.ts";

/** Ranges of its own class that a request looks at, before it splits one of a larger class. */
const SEARCH_MAX = 32;
const CLASSES_PER_OCTAVE_BITS = 3;
const CLASS_COUNT = 32 << CLASSES_PER_OCTAVE_BITS;
const NONE = -1;

export class RangeAllocator {
  readonly capacity: number;
  readonly granuleBytes: number;
  #top = 0;
  #limit: number;
  #used = 0;
  /** By granule: length of the free range that begins or ends there, else 0. Grown with `top`, like the lists. */
  #lengths = new Uint32Array(64);
  /** By first granule of a free range: its neighbours in the list of its class. */
  #next = new Int32Array(64);
  #previous = new Int32Array(64);
  readonly #heads: Int32Array = new Int32Array(CLASS_COUNT).fill(NONE);

  /** `capacity` is rounded down to whole granules. */
  constructor(capacity: number, granuleBytes: number) {
    this.granuleBytes = granuleBytes;
    this.capacity = capacity - capacity % granuleBytes;
    this.#limit = this.capacity / granuleBytes;
  }

  get usedBytes(): number {
    return this.#used * this.granuleBytes;
  }

  /** Bytes below this were handed out once: their pages exist, or are about to. */
  get top(): number {
    return this.#top * this.granuleBytes;
  }

  /** What a request of `bytes` takes. */
  rounded(bytes: number): number {
    return this.#granules(bytes) * this.granuleBytes;
  }

  /** Fresh ranges end at `bytes` from now on (the file system has no more); ranges that were used stay usable. */
  setLimit(bytes: number): void {
    this.#limit = Math.floor(Math.max(0, Math.min(bytes, this.capacity)) / this.granuleBytes);
  }

  /** Whether a request would need bytes that were never used. */
  wouldExtend(bytes: number): boolean {
    return this.#find(this.#granules(bytes)) === NONE;
  }

  /** The start of a range for `bytes`, or null when there is none. */
  allocate(bytes: number): number | null {
    const length = this.#granules(bytes);
    const found = this.#find(length);
    if (found !== NONE) {
      const free = this.#lengths[found]!;
      this.#removeFree(found, free);
      if (free > length) this.#addFree(found + length, free - length);
      this.#used += length;
      return found * this.granuleBytes;
    }
    // A free range that touches the top is grown instead of left behind.
    const last = this.#top === 0 ? 0 : this.#lengths[this.#top - 1]!;
    const start = this.#top - last;
    if (start + length > this.#limit) return null;
    if (last > 0) this.#removeFree(start, last);
    this.#growTo(start + length);
    this.#top = start + length;
    this.#used += length;
    return start * this.granuleBytes;
  }

  /** Gives back the range that `allocate` answered for `bytes`. */
  free(offset: number, bytes: number): void {
    let start = offset / this.granuleBytes;
    let length = this.#granules(bytes);
    assert(start >= 0 && start + length <= this.#top, `range ${offset}+${bytes} was not handed out`);
    this.#used -= length;
    const before = start === 0 ? 0 : this.#lengths[start - 1]!;
    if (before > 0) {
      start -= before;
      length += before;
      this.#removeFree(start, before);
    }
    const end = start + length;
    const after = end === this.#top ? 0 : this.#lengths[end]!;
    if (after > 0) {
      length += after;
      this.#removeFree(end, after);
    }
    this.#addFree(start, length);
  }

  /** Throws when free ranges overlap, touch, or do not add up with the used ones (`used`: start and bytes of each). */
  check(used: Iterable<readonly [start: number, bytes: number]>): void {
    const ranges: [start: number, length: number, isUsed: boolean][] = [];
    for (const [start, bytes] of used) ranges.push([start / this.granuleBytes, this.#granules(bytes), true]);
    for (const [index, head] of this.#heads.entries()) {
      let previous = NONE;
      for (let start = head; start !== NONE; start = this.#next[start]!) {
        const length = this.#lengths[start]!;
        assert(classOf(length) === index, "a free range hangs in the list of its class");
        assert(this.#lengths[start + length - 1] === length, "a free range notes its length at both ends");
        assert(this.#previous[start] === previous, "lists are linked both ways");
        ranges.push([start, length, false]);
        previous = start;
      }
    }
    ranges.sort((a, b) => a[0] - b[0]);
    let end = 0;
    let usedLength = 0;
    let wasFree = false;
    for (const [start, length, isUsed] of ranges) {
      assert(start === end, `ranges leave no gap and do not overlap (${start} after ${end})`);
      assert(isUsed || !wasFree, "free neighbours are merged");
      end = start + length;
      wasFree = !isUsed;
      if (isUsed) usedLength += length;
    }
    assert(end === this.#top, "ranges reach the top");
    assert(usedLength === this.#used, "used bytes add up");
  }

  #granules(bytes: number): number {
    return Math.max(1, Math.ceil(bytes / this.granuleBytes));
  }

  #find(length: number): number {
    const own = classOf(length);
    let best = NONE;
    let searched = 0;
    for (let start = this.#heads[own]!; start !== NONE && searched < SEARCH_MAX; start = this.#next[start]!) {
      const free = this.#lengths[start]!;
      if (free >= length && (best === NONE || free < this.#lengths[best]!)) best = start;
      if (free === length) return start;
      searched++;
    }
    if (best !== NONE) return best;
    for (let larger = own + 1; larger < CLASS_COUNT; larger++) {
      if (this.#heads[larger] !== NONE) return this.#heads[larger]!;
    }
    // A long list of its own class may hide a fit: better slow than full.
    for (let start = this.#heads[own]!; start !== NONE; start = this.#next[start]!) {
      if (this.#lengths[start]! >= length) return start;
    }
    return NONE;
  }

  #addFree(start: number, length: number): void {
    this.#lengths[start] = length;
    this.#lengths[start + length - 1] = length;
    const index = classOf(length);
    const head = this.#heads[index]!;
    this.#next[start] = head;
    this.#previous[start] = NONE;
    if (head !== NONE) this.#previous[head] = start;
    this.#heads[index] = start;
  }

  #removeFree(start: number, length: number): void {
    this.#lengths[start] = 0;
    this.#lengths[start + length - 1] = 0;
    const next = this.#next[start]!;
    const previous = this.#previous[start]!;
    if (next !== NONE) this.#previous[next] = previous;
    if (previous !== NONE) this.#next[previous] = next;
    else this.#heads[classOf(length)] = next;
  }

  #growTo(granules: number): void {
    let size = this.#lengths.length;
    if (size >= granules) return;
    while (size < granules) size *= 2;
    const [lengths, next, previous] = [this.#lengths, this.#next, this.#previous];
    this.#lengths = new Uint32Array(size);
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
