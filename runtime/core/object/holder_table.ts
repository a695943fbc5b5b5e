/**
 * One line for people on who holds the bytes of a full store.
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

/** `Owners: d-1 12 objects 900 bytes, ... Read by: w-2 300 bytes, ...`, the largest first. */
export function holderTable(objects: readonly HeldObject[]): string {
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
