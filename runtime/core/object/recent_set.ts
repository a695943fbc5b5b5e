/**
 * A set that remembers the latest values and forgets the oldest, in constant time. (A Set whose first value is deleted over
 * and over is slow: engines skip the deleted ones at each look for the first.)
 * @module
 */

export class RecentSet<T> {
  readonly #half: number;
  #young = new Set<T>();
  #old = new Set<T>();

  /** Remembers at least the latest `size` / 2 values, and at most `size`. */
  constructor(size: number) {
    this.#half = Math.max(1, Math.floor(size / 2));
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  has(value: T): boolean {
    return this.#young.has(value) || this.#old.has(value);
  }

  add(value: T): void {
    if (this.#young.has(value)) return;
    this.#old.delete(value);
    this.#young.add(value);
    if (this.#young.size < this.#half) return;
    this.#old = this.#young;
    this.#young = new Set();
  }

  delete(value: T): void {
    this.#young.delete(value);
    this.#old.delete(value);
  }
}
