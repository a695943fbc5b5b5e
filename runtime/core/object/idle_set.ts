/**
 * Objects in the order in which they were last used, and the memory that they take together. Part of the object table.
 * @module
 */

export class IdleSet<E> {
  readonly #entries = new Set<E>();
  readonly #takenBy: (entry: E) => number;
  #bytes = 0;

  /** `takenBy`: bytes of memory that an entry takes up; it must not change while the entry is in the set. */
  constructor(takenBy: (entry: E) => number) {
    this.#takenBy = takenBy;
  }

  get size(): number {
    return this.#entries.size;
  }
  get bytes(): number {
    return this.#bytes;
  }
  has(entry: E): boolean {
    return this.#entries.has(entry);
  }
  /** Longest unused first. */
  [Symbol.iterator](): Iterator<E> {
    return this.#entries.values();
  }

  /** Whether the entry belongs here from now on. Entering again makes it the latest used. */
  note(entry: E, belongs: boolean): void {
    if (belongs === this.#entries.has(entry)) return;
    if (belongs) this.#entries.add(entry);
    else this.#entries.delete(entry);
    this.#bytes += belongs ? this.#takenBy(entry) : -this.#takenBy(entry);
  }

  /** Whether exactly the entries that `belongs` says are here, and their bytes add up. */
  isTrue(entries: Iterable<E>, belongs: (entry: E) => boolean): boolean {
    let bytes = 0;
    let count = 0;
    for (const entry of entries) {
      if (belongs(entry) !== this.#entries.has(entry)) return false;
      if (!this.#entries.has(entry)) continue;
      bytes += this.#takenBy(entry);
      count++;
    }
    return bytes === this.#bytes && count === this.#entries.size;
  }
}
