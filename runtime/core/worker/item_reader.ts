/**
 * The reader's side of a generator's items: which one is where, what was read, and when the producer must be told. One per
 * call; attempts follow each other.
 *
 *   expected --1--> unread --2--> read
 *      |               \---3--> dropped
 *      +----3--> dropped when it comes
 *
 *   1 report(), in order within an attempt. A further attempt begins again with what is missing, and what it repeats
 *     nevertheless is known by its index. Reports of an attempt that is over are late and mean nothing.
 *   2 take(). The producer is told in time: with a limit of n, as soon as it may stand still because of it, else after
 *     half of it; and whenever a quarter of the window of bytes was read.
 *   3 leave(): the reader wants no more.
 * @module
 */
import { assert } from "../../common/assert.ts";
import { Deque } from "../../common/deque.ts";

/** Inline items of one call that nobody has read, in bytes: beyond this the producer waits, then uses the store. */
export const UNREAD_BYTES_MAX: number = 8 * 1024 * 1024;
/** What an unread item costs besides its bytes. */
export const ITEM_OVERHEAD_BYTES: number = 64;

/** What becomes of a reported item. */
export type Arrival = "unread" | "repeated" | "unwanted";

/** See the module's header. */
export class ItemReader<T> {
  /** How many unread items the producer may be ahead; 0: no limit. */
  readonly #backpressure: number;
  /** Bytes that an item came inline with; 0 for a stored one. */
  readonly #inlineBytes: (item: T) => number;
  readonly #unread: Deque<T> = new Deque();
  #attempt = 0;
  /** The first index of the present attempt. */
  #from = 0;
  #received = 0;
  #read = 0;
  #toldItems = 0;
  /** Of this attempt's items. */
  #readBytes = 0;
  #toldBytes = 0;
  #left = false;

  constructor(backpressure: number, inlineBytes: (item: T) => number) {
    this.#backpressure = backpressure;
    this.#inlineBytes = inlineBytes;
  }

  /** Items that came, all told. */
  get received(): number {
    return this.#received;
  }
  get read(): number {
    return this.#read;
  }
  get unread(): number {
    return this.#unread.length;
  }
  get hasLeft(): boolean {
    return this.#left;
  }

  /** An attempt begins; answers what it must know. The same attempt begins again when it was not started. */
  begin(attempt: number): { from: number; read: number } {
    assert(attempt >= this.#attempt, "attempts follow each other");
    this.#attempt = attempt;
    this.#from = this.#received;
    this.#toldItems = this.#read;
    this.#readBytes = 0;
    this.#toldBytes = 0;
    return { from: this.#received, read: this.#read };
  }

  /** An item is here. Throws for one that cannot follow: its sender is broken. */
  report(attempt: number, index: number, item: T): Arrival {
    if (attempt !== this.#attempt || index < this.#received) return "repeated";
    if (index > this.#received) throw new Error(`item ${index} came, ${this.#received} is the next one`);
    this.#received++;
    if (this.#left) {
      this.#read++;
      return "unwanted";
    }
    this.#unread.push(item);
    return "unread";
  }

  /** The next unread item, still unread. */
  peek(): T | undefined {
    return this.#unread.peek();
  }

  take(): T | undefined {
    const item = this.#unread.shift();
    if (item === undefined) return undefined;
    const index = this.#read++;
    if (index >= this.#from) {
      const bytes = this.#inlineBytes(item);
      if (bytes > 0) this.#readBytes += bytes + ITEM_OVERHEAD_BYTES;
    }
    return item;
  }

  /** What the producer must hear now, after any number of the other calls; it counts as told. Null: nothing. */
  credit(): { items: number; bytes: number } | null {
    if (!this.#mustTell()) return null;
    this.#toldItems = this.#read;
    this.#toldBytes = this.#readBytes;
    return { items: this.#read, bytes: this.#readBytes };
  }

  #mustTell(): boolean {
    if (this.#left) return false;
    const items = this.#read - this.#toldItems;
    if (items === 0) return false;
    if (this.#readBytes - this.#toldBytes >= UNREAD_BYTES_MAX / 4) return true;
    const limit = this.#backpressure;
    // All that it was allowed to make is here: it stands still until it hears more.
    return limit > 0 && (items * 2 >= limit || this.#received >= this.#toldItems + limit);
  }

  /** Nothing more is wanted; answers what was not read. */
  leave(): T[] {
    this.#left = true;
    const unread = [...this.#unread];
    this.#unread.clear();
    this.#read = this.#received;
    return unread;
  }

  check(): void {
    assert(this.#read + this.#unread.length === this.#received, "what came is read or unread");
    assert(
      this.#toldItems <= this.#read && this.#toldBytes <= this.#readBytes,
      "nothing unread is told as read",
    );
    assert(this.#from <= this.#received, "an attempt begins with what is missing");
    assert(!this.#left || this.#unread.length === 0, "who has left keeps nothing");
  }
}
