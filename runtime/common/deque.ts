/**
 * A double-ended queue with O(1) at both ends. An array's `shift` moves every element, which a queue of a million tasks
 * cannot afford.
 * @module
 */

/** First in, first out, with room for what must go back to the front. */
export class Deque<T> {
  /** As long as a power of two, or none: there may be many that never hold anything. */
  #items: (T | undefined)[] = [];
  #head = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(item: T): void {
    if (this.#length === this.#items.length) this.#grow();
    this.#items[(this.#head + this.#length) & (this.#items.length - 1)] = item;
    this.#length++;
  }

  unshift(item: T): void {
    if (this.#length === this.#items.length) this.#grow();
    this.#head = (this.#head - 1) & (this.#items.length - 1);
    this.#items[this.#head] = item;
    this.#length++;
  }

  peek(): T | undefined {
    return this.#length === 0 ? undefined : this.#items[this.#head];
  }

  shift(): T | undefined {
    if (this.#length === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#items.length - 1);
    this.#length--;
    return item;
  }

  /** The items from front to back; the queue must not change meanwhile. */
  *[Symbol.iterator](): IterableIterator<T> {
    for (let i = 0; i < this.#length; i++) yield this.#items[(this.#head + i) & (this.#items.length - 1)]!;
  }

  /** Remove every item that `predicate` accepts; the rest keep their order. */
  removeWhere(predicate: (item: T) => boolean): T[] {
    const removed: T[] = [];
    const kept: T[] = [];
    for (const item of this) (predicate(item) ? removed : kept).push(item);
    if (removed.length > 0) {
      this.clear();
      for (const item of kept) this.push(item);
    }
    return removed;
  }

  clear(): void {
    this.#items = [];
    this.#head = 0;
    this.#length = 0;
  }

  #grow(): void {
    const size = this.#items.length;
    const items: (T | undefined)[] = new Array(size === 0 ? 4 : size * 2);
    for (let i = 0; i < size; i++) items[i] = this.#items[(this.#head + i) & (size - 1)];
    this.#items = items;
    this.#head = 0;
  }
}
