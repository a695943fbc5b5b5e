/**
 * A map that holds so many of the entries that were set last, and forgets the oldest, in constant time.
 * @module
 */
import { AgedSet } from "../../common/aged_set.ts";

export class RecentMap<K, V> {
  readonly #limit: number;
  readonly #values: Map<K, V> = new Map();
  readonly #keys: AgedSet<K> = new AgedSet();

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#values.size;
  }

  get(key: K): V | undefined {
    return this.#values.get(key);
  }

  has(key: K): boolean {
    return this.#values.has(key);
  }

  /** Now it is the newest. */
  set(key: K, value: V): void {
    this.#values.set(key, value);
    this.#keys.add(key);
    if (this.#keys.size > this.#limit) this.#values.delete(this.#keys.takeOldest()!);
  }

  delete(key: K): void {
    if (this.#values.delete(key)) this.#keys.delete(key);
  }

  /** The oldest first. */
  *[Symbol.iterator](): IterableIterator<[K, V]> {
    for (const key of this.#keys) yield [key, this.#values.get(key)!];
  }
}
