/**
 * Finds slots by key: open addressing with linear probing over slot numbers, without a copy of the keys. Removal moves later
 * entries back, so that no marks of removed ones pile up.
 * @module
 */
import { NONE } from "./attempt_columns.ts";

/** Entries for each slot. */
const ROOM = 1.4;

export class SlotIndex {
  #entries: Uint32Array = new Uint32Array(0);
  readonly #hashOf: (slot: number) => number;

  /** `hashOf`: of a slot that is in the index, 32 bits without sign. */
  constructor(hashOf: (slot: number) => number) {
    this.#hashOf = hashOf;
  }

  get bytes(): number {
    return this.#entries.byteLength;
  }

  /** Room for so many slots; what was in is to be inserted again. */
  reset(slots: number): void {
    this.#entries = new Uint32Array(Math.ceil(slots * ROOM)).fill(NONE);
  }

  insert(slot: number): void {
    const entries = this.#entries;
    let at = this.#hashOf(slot) % entries.length;
    while (entries[at] !== NONE) at = at + 1 === entries.length ? 0 : at + 1;
    entries[at] = slot;
  }

  /** The first slot of this hash that `isIt`; NONE for none. */
  find(hash: number, isIt: (slot: number) => boolean): number {
    const entries = this.#entries;
    let at = hash % entries.length;
    for (;;) {
      const slot = entries[at]!;
      if (slot === NONE || isIt(slot)) return slot;
      at = at + 1 === entries.length ? 0 : at + 1;
    }
  }

  remove(slot: number): void {
    const entries = this.#entries;
    const length = entries.length;
    let hole = this.#hashOf(slot) % length;
    while (entries[hole] !== slot) hole = hole + 1 === length ? 0 : hole + 1;
    let at = hole;
    for (;;) {
      at = at + 1 === length ? 0 : at + 1;
      const other = entries[at]!;
      if (other === NONE) break;
      const home = this.#hashOf(other) % length;
      // It may move to the hole unless its home lies behind the hole, on the way to where it is.
      const isBetween = hole <= at ? hole < home && home <= at : hole < home || home <= at;
      if (isBetween) continue;
      entries[hole] = other;
      hole = at;
    }
    entries[hole] = NONE;
  }
}
