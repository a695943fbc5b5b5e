/**
 * Into which parts a large object is cut. When several nodes can send it, each sends one at a time, and who is done takes the
 * next, so that a slow holder sends less and what a failed one has not sent goes to the others. The connections over
 * which a lone holder sends share its parts out in the same way.
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

/** The parts of an object, in order. All of it is one part when sharing does not pay. */
export function partsOf(bytes: number): ByteRange[] {
  if (bytes < 2 * RANGE_BYTES) return [{ offset: 0, length: bytes }];
  const ranges: ByteRange[] = [];
  for (let offset = 0; offset < bytes; offset += RANGE_BYTES) {
    ranges.push({ offset, length: Math.min(RANGE_BYTES, bytes - offset) });
  }
  return ranges;
}

/** What `holders` nodes are asked for, in order: its parts, or all of it at once from a lone one. */
export function rangesOf(bytes: number, holders: number): ByteRange[] {
  return holders < 2 ? [{ offset: 0, length: bytes }] : partsOf(bytes);
}
