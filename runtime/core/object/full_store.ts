/**
 * What is said of a store that has no room: who holds its bytes, and what to do.
 * @module
 */

/** Owners, and processes that pin, named in the line. */
const NAMED_MAX = 5;

/** What a stored object contributes. */
export interface HeldObject {
  readonly owner: string;
  readonly bytes: number;
  readonly pinnedBy: readonly string[];
}

/** A creator that got no room, and the store that has none. */
export interface FullStore {
  readonly id: string;
  readonly size: number;
  readonly used: number;
  readonly capacity: number;
  readonly graceMs: number;
  /** Why objects cannot be spilled to disk; null when that is not the reason. */
  readonly spillFailure: string | null;
  readonly objects: readonly HeldObject[];
}

/** It will never fit. */
export function tooLargeMessage(id: string, size: number, capacity: number): string {
  return `Cannot store ${id} (${size} bytes): the object store of this node has ${capacity} bytes in all; ` +
    "start the node with more (--object-store-bytes, objectStoreBytes)";
}

/** What is wrong, who holds what, and what to do. */
export function fullMessage(full: FullStore): string {
  const { id, size, used, capacity, graceMs, spillFailure } = full;
  const what = `Cannot store ${id} (${size} bytes): the object store of this node is full, ` +
    `${used} of ${capacity} bytes are taken and nothing was freed for ${graceMs} ms. ${
      holderTable(full.objects)
    } `;
  return spillFailure === null
    ? `${what}Release refs and views that are no longer needed, or start the node with more (--object-store-bytes)`
    : `${what}Objects cannot be spilled to disk: ${spillFailure}. Make room there or release refs`;
}

/** `Owners: d-1 12 objects 900 bytes, ... Read by: w-2 300 bytes, ...`, the largest first. */
function holderTable(objects: readonly HeldObject[]): string {
  const owners = new Map<string, { count: number; bytes: number }>();
  const readers = new Map<string, { count: number; bytes: number }>();
  for (const object of objects) {
    add(owners, object.owner, object.bytes);
    for (const reader of object.pinnedBy) add(readers, reader, object.bytes);
  }
  if (objects.length === 0) return "Nothing is stored; unfinished objects hold all of it.";
  return `Owners: ${describe(owners)}. Read by: ${readers.size === 0 ? "nobody" : describe(readers)}.`;
}

function add(sums: Map<string, { count: number; bytes: number }>, name: string, bytes: number): void {
  const sum = sums.get(name);
  if (sum === undefined) {
    sums.set(name, { count: 1, bytes });
  } else {
    sum.count++;
    sum.bytes += bytes;
  }
}

function describe(sums: ReadonlyMap<string, { count: number; bytes: number }>): string {
  const sorted = [...sums].sort(([a, x], [b, y]) => y.bytes - x.bytes || (a < b ? -1 : 1));
  const named = sorted.slice(0, NAMED_MAX).map(([name, { count, bytes }]) =>
    `${name} ${count} ${count === 1 ? "object" : "objects"} ${bytes} bytes`
  );
  if (sorted.length > NAMED_MAX) named.push(`${sorted.length - NAMED_MAX} more`);
  return named.join(", ");
}
