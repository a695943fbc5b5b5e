/**
 * A set that knows which of its values it has had for longest, in constant time. (The first value of a Set, where the first
 * is deleted over and over, is slow: engines skip all the deleted ones at each look for it.)
 * @module
 */
import { Deque } from "./deque.ts";

/** Places of values that left which may stand in the line before it is swept. */
const STALE_MIN = 16;

/** For bounded memories that forget the oldest. */
export class AgedSet<T> {
  /** Of each value the number of its place in the line. */
  readonly #turns: Map<T, number> = new Map();
  /** Values in the order of their coming, places of some that left or came again included. */
  #line: Deque<T> = new Deque();
  /** The number of the line's first place; the places after it have the numbers after it. */
  #firstTurn: number = 0;

  get size(): number {
    return this.#turns.size;
  }

  has(value: T): boolean {
    return this.#turns.has(value);
  }

  /** Now it is the newest, whether it was there or not. */
  add(value: T): void {
    this.#turns.set(value, this.#firstTurn + this.#line.length);
    this.#line.push(value);
    if (this.#line.length > 2 * this.#turns.size + STALE_MIN) this.#sweep();
  }

  delete(value: T): boolean {
    return this.#turns.delete(value);
  }

  /** Remove and answer the value that was added first; undefined when there is none. */
  takeOldest(): T | undefined {
    while (this.#line.length > 0) {
      const value = this.#line.shift()!;
      const isCurrent = this.#turns.get(value) === this.#firstTurn++;
      if (!isCurrent) continue;
      this.#turns.delete(value);
      return value;
    }
    return undefined;
  }

  /** Values in the order of their coming. */
  *[Symbol.iterator](): IterableIterator<T> {
    let turn = this.#firstTurn;
    for (const value of this.#line) if (this.#turns.get(value) === turn++) yield value;
  }

  /** Make the line anew, without stale places. */
  #sweep(): void {
    const values = [...this];
    this.#line = new Deque();
    this.#firstTurn = 0;
    for (const value of values) {
      this.#turns.set(value, this.#line.length);
      this.#line.push(value);
    }
  }
}
