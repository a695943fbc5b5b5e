/**
 * Into which parts a large object is cut when several nodes can send it: each sends one at a time, and who is done takes
 * the next, so that a slow holder sends less and what a failed one has not sent goes to the others.
 * @module
 */

/** Large enough that asking for the next one costs nothing beside it, small enough to share out evenly. */
export const RANGE_BYTES: number = 16 * 1024 * 1024;
/** Holders that send one object at once: above that they only compete for this node's processor. */
export const SENDERS_MAX: number = 4;

/** Bytes [offset, offset + length) of an object. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** The parts of an object that `holders` nodes can send, in order. All of it is one part when sharing does not pay. */
export function rangesOf(bytes: number, holders: number): ByteRange[] {
  if (holders < 2 || bytes < 2 * RANGE_BYTES) return [{ offset: 0, length: bytes }];
  const ranges: ByteRange[] = [];
  for (let offset = 0; offset < bytes; offset += RANGE_BYTES) {
    ranges.push({ offset, length: Math.min(RANGE_BYTES, bytes - offset) });
  }
  return ranges;
}
