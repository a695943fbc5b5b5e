/**
 * The producer's side of a generator's items: whether it may go on, and how the next item travels. One per attempt.
 *
 *   making <--credited()-- standing      next(): "make" | "stand" | "end"
 *      \------stop()----------\--> ending
 *
 * It stands when as many items are unread as the call allows. Inline items are limited by bytes as well (UNREAD_BYTES_MAX):
 * what finds no room waits, or goes to the store, which is the caller's choice. Credits say how far everything was read, so
 * that late and repeated ones change nothing.
 * @module
 */
import { assert } from "../../common/assert.ts";
import type { ItemsRequest } from "../../protocol/push.ts";
import { ITEM_OVERHEAD_BYTES, UNREAD_BYTES_MAX } from "./item_reader.ts";

/** See the module's header. */
export class ItemProducer {
  readonly #backpressure: number;
  readonly #limit: number | null;
  readonly #from: number;
  /** Null: all. */
  readonly #wanted: ReadonlySet<number> | null;
  /** Beyond this none is wanted. */
  readonly #end: number;
  #made = 0;
  #read: number;
  #sentBytes = 0;
  #readBytes = 0;
  #stopped = false;
  #surplus = false;

  constructor({ backpressure, limit, from, read, wanted }: ItemsRequest) {
    this.#backpressure = backpressure;
    this.#limit = limit;
    this.#from = from;
    this.#read = read;
    this.#wanted = wanted === null ? null : new Set(wanted);
    this.#end = wanted === null ? Infinity : (wanted.at(-1) ?? -1) + 1;
  }

  get isStopped(): boolean {
    return this.#stopped;
  }
  /** It made more items than there are refs for. */
  get hasSurplus(): boolean {
    return this.#surplus;
  }

  /** Before each item. "end": nobody wants another one. */
  next(): "make" | "stand" | "end" {
    if (this.#stopped || this.#surplus || this.#made >= this.#end) return "end";
    const isBehind = this.#made < this.#from;
    if (this.#backpressure > 0 && !isBehind && this.#made - this.#read >= this.#backpressure) return "stand";
    return "make";
  }

  /** It made one; answers its index, or null when it is not to be reported: it is there, surplus, or not wanted. */
  made(): number | null {
    if (this.#stopped) return null;
    if (this.#limit !== null && this.#made >= this.#limit) {
      this.#surplus = true;
      return null;
    }
    const index = this.#made++;
    if (this.#wanted !== null && !this.#wanted.has(index)) return null;
    return index < this.#from ? null : index;
  }

  /** Whether an item of so many bytes may travel inline now. One always may. */
  hasRoom(bytes: number): boolean {
    const unread = this.#sentBytes - this.#readBytes;
    return unread === 0 || unread + bytes + ITEM_OVERHEAD_BYTES <= UNREAD_BYTES_MAX;
  }

  /** An item leaves inline. */
  sent(bytes: number): void {
    // Empty values do not exist: every encoded one has a byte at least.
    this.#sentBytes += bytes + ITEM_OVERHEAD_BYTES;
  }

  credited(items: number, bytes: number): void {
    if (items > this.#made && items > this.#from) throw new Error(`${items} items read, ${this.#made} made`);
    if (bytes > this.#sentBytes) throw new Error(`${bytes} bytes read, ${this.#sentBytes} sent`);
    this.#read = Math.max(this.#read, items);
    this.#readBytes = Math.max(this.#readBytes, bytes);
  }

  /** The reader has left. Idempotent. */
  stop(): void {
    this.#stopped = true;
  }

  check(): void {
    assert(this.#readBytes <= this.#sentBytes, "only what was sent is read");
    assert(this.#read <= Math.max(this.#made, this.#from), "only what was made is read");
    const ahead = this.#made - Math.max(this.#read, this.#from);
    assert(this.#backpressure === 0 || ahead <= this.#backpressure, "it is no further ahead than it may be");
  }
}
