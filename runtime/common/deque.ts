/**
 * A double-ended queue with O(1) at both ends. An array's `shift` moves every element, which a queue of a million tasks
 * cannot afford; and an array that grows is copied each time, and looked through as a whole by a collector that finds it
 * changed. So a long queue is a ring and, behind it, a list of short arrays.
 * @module
 */

/** Of the ring and of each array behind it, at most; a power of two. */
const CHUNK = 1024;

interface Chunk<T> {
  readonly items: (T | undefined)[];
  length: number;
  next: Chunk<T> | null;
}

/** First in, first out, with room for what must go back to the front. */
export class Deque<T> {
  /** The ring. As long as a power of two, or none: there may be many that never hold anything. */
  #items: (T | undefined)[] = [];
  #head = 0;
  #count = 0;
  /** What comes after the ring, which is not empty then. */
  #first: Chunk<T> | null = null;
  #last: Chunk<T> | null = null;
  /** With what comes after the ring. */
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(item: T): void {
    this.#length++;
    if (this.#last !== null) return this.#pushBehind(this.#last, item);
    if (this.#count === this.#items.length) {
      if (this.#count === CHUNK) {
        this.#first = this.#last = newChunk(item);
        return;
      }
      this.#grow();
    }
    this.#items[(this.#head + this.#count) & (this.#items.length - 1)] = item;
    this.#count++;
  }

  #pushBehind(last: Chunk<T>, item: T): void {
    if (last.length < CHUNK) last.items[last.length++] = item;
    else this.#last = last.next = newChunk(item);
  }

  unshift(item: T): void {
    if (this.#count === CHUNK) this.#moveBehind();
    else if (this.#count === this.#items.length) this.#grow();
    this.#length++;
    this.#head = (this.#head - 1) & (this.#items.length - 1);
    this.#items[this.#head] = item;
    this.#count++;
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
    if (--this.#count === 0 && this.#first !== null) this.#advance(this.#first);
    return item;
  }

  /** The items from front to back; the queue must not change meanwhile. */
  *[Symbol.iterator](): IterableIterator<T> {
    for (let i = 0; i < this.#count; i++) yield this.#items[(this.#head + i) & (this.#items.length - 1)]!;
    for (let chunk = this.#first; chunk !== null; chunk = chunk.next) {
      for (let i = 0; i < chunk.length; i++) yield chunk.items[i]!;
    }
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
    this.#count = 0;
    this.#length = 0;
    this.#first = this.#last = null;
  }

  /** The first array behind the ring becomes the ring. */
  #advance(chunk: Chunk<T>): void {
    this.#items = chunk.items;
    this.#head = 0;
    this.#count = chunk.length;
    this.#first = chunk.next;
    if (chunk.next === null) this.#last = null;
  }

  /** The ring, which is full, becomes the first array behind a new one. */
  #moveBehind(): void {
    const chunk: Chunk<T> = { items: this.#inOrder(CHUNK), length: CHUNK, next: this.#first };
    this.#first = chunk;
    this.#last ??= chunk;
    this.#items = new Array(CHUNK);
    this.#head = 0;
    this.#count = 0;
  }

  #grow(): void {
    const size = this.#items.length;
    this.#items = this.#inOrder(size === 0 ? 4 : size * 2);
    this.#head = 0;
  }

  /** What is in the ring, in a new array of this length. */
  #inOrder(length: number): (T | undefined)[] {
    const items: (T | undefined)[] = new Array(length);
    const size = this.#items.length;
    for (let i = 0; i < this.#count; i++) items[i] = this.#items[(this.#head + i) & (size - 1)];
    return items;
  }
}

function newChunk<T>(item: T): Chunk<T> {
  const items: (T | undefined)[] = new Array(CHUNK);
  items[0] = item;
  return { items, length: 1, next: null };
}
