/**
 * Writes that wait for the store, in order, and who waits for their commit. It knows batches by sequence, not how they
 * travel.
 *
 *   push -> queued --takeBatch--> on its way --durable--> committed, waiters resolved
 * @module
 */
import type { StoreWrite } from "./rows.ts";
import { writeBytes } from "./store_wire.ts";

interface Waiter {
  /** How many writes (of all since the start) must be durable. */
  readonly writes: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class WriteQueue {
  #writes: StoreWrite[] = [];
  /** Those before it have been taken. */
  #at = 0;
  #bytes = 0;
  /** Since the start: queued or taken, and durable. */
  #all = 0;
  #durable = 0;
  /** Batches on their way: with which sequence how many writes are durable. */
  readonly #inFlight: { readonly sequence: number; readonly writes: number }[] = [];
  /** In order of `writes`. */
  readonly #waiters: Waiter[] = [];

  /** Queued, not taken yet. */
  get length(): number {
    return this.#writes.length - this.#at;
  }
  /** Bytes of the queued ones, roughly. */
  get bytes(): number {
    return this.#bytes;
  }
  get batchesInFlight(): number {
    return this.#inFlight.length;
  }

  push(write: StoreWrite): void {
    this.#writes.push(write);
    this.#all++;
    this.#bytes += writeBytes(write);
  }

  /** Resolves when everything that was pushed before is durable; at once when it is already. */
  committed(): Promise<void> {
    const writes = this.#all;
    if (this.#durable === writes) return Promise.resolve();
    return new Promise((resolve, reject) => this.#waiters.push({ writes, resolve, reject }));
  }

  /** The oldest writes, up to these limits, one at least if there is one. They are on their way as batch `sequence`. */
  takeBatch(sequence: number, rowsMax: number, bytesMax: number): StoreWrite[] {
    let bytes = 0;
    let end = this.#at;
    while (end < this.#writes.length && end - this.#at < rowsMax) {
      const next = writeBytes(this.#writes[end]!);
      if (bytes + next > bytesMax && end > this.#at) break;
      bytes += next;
      end++;
    }
    const batch = this.#writes.slice(this.#at, end);
    this.#bytes -= bytes;
    this.#at = end;
    // What was taken is let go, now and then: moving a long queue with each batch would cost more.
    if (this.#at === this.#writes.length || this.#at > 10_000) {
      this.#writes = this.#writes.slice(this.#at);
      this.#at = 0;
    }
    this.#inFlight.push({ sequence, writes: this.#all - this.length });
    return batch;
  }

  /** Every batch up to `sequence` is durable. */
  durable(sequence: number): void {
    while (this.#inFlight.length > 0 && this.#inFlight[0]!.sequence <= sequence) {
      this.#durable = this.#inFlight.shift()!.writes;
    }
    let done = 0;
    while (done < this.#waiters.length && this.#waiters[done]!.writes <= this.#durable) done++;
    for (const waiter of this.#waiters.splice(0, done)) waiter.resolve();
  }

  /** Nothing will be durable any more. */
  fail(error: Error): void {
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
  }
}
