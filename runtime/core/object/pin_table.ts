/**
 * Who pins what, found from both sides: an entry knows its holders, and a holder's death finds its entries without a search.
 * @module
 */
import { assert } from "../../common/assert.ts";
import type { ObjectId } from "../../common/ids.ts";
import type { Holder } from "./object_table_types.ts";

/** Something that can be pinned. Only PinTable changes `pins`. */
export interface Pinned {
  readonly id: ObjectId;
  /** How often each holder pins it; no zeros. */
  readonly pins: Map<Holder, number>;
}

export class PinTable<E extends Pinned> {
  /** All and only pinned entries by holder. */
  readonly #held = new Map<Holder, Set<E>>();

  add(holder: Holder, entry: E): void {
    entry.pins.set(holder, (entry.pins.get(holder) ?? 0) + 1);
    const held = this.#held.get(holder);
    if (held === undefined) this.#held.set(holder, new Set([entry]));
    else held.add(entry);
  }

  /** Takes `count` pins away, at most all. True when nobody pins the entry any more. */
  remove(holder: Holder, entry: E, count: number): boolean {
    const left = (entry.pins.get(holder) ?? 0) - count;
    if (left > 0) {
      entry.pins.set(holder, left);
      return false;
    }
    entry.pins.delete(holder);
    const held = this.#held.get(holder);
    held?.delete(entry);
    if (held?.size === 0) this.#held.delete(holder);
    return entry.pins.size === 0;
  }

  /** What the holder pins. */
  of(holder: Holder): E[] {
    return [...this.#held.get(holder) ?? []];
  }

  /** The object that the holder pins under this id. */
  find(holder: Holder, id: ObjectId): E | undefined {
    for (const entry of this.#held.get(holder) ?? []) if (entry.id === id) return entry;
    return undefined;
  }

  check(entries: Iterable<E>): void {
    let pairs = 0;
    for (const entry of entries) {
      for (const [holder, count] of entry.pins) {
        pairs++;
        assert(count > 0, "pin counts are positive");
        assert(this.#held.get(holder)?.has(entry) === true, `${holder}'s pins are known by holder`);
      }
    }
    for (const held of this.#held.values()) pairs -= held.size;
    assert(pairs === 0, "what is known by holder is pinned");
  }
}
