/**
 * A stream's items themselves, in order. Small values are decoded as they are taken and never get a ref; stored ones are
 * fetched one ahead, as soon as they are the next.
 * @module
 */
import type { CoreContext } from "./core_context.ts";
import type { Entry } from "./entry.ts";
import type { ItemStream, Taken } from "./item_stream.ts";
import { hold, letGo } from "./process_hold.ts";

const END: IteratorResult<never, undefined> = Object.freeze({ done: true, value: undefined });

/** See the module's header. */
export class StreamValues<T> implements AsyncIterableIterator<T, undefined, void> {
  readonly #stream: ItemStream;
  readonly #core: CoreContext;
  /** Kept as long as this is: a stream that is collected stops. */
  readonly #owner: { return(): Promise<unknown> };
  /** The next item, on its way from a store. */
  #ahead: { readonly entry: Entry; readonly value: Promise<unknown> } | null = null;

  constructor(stream: ItemStream, core: CoreContext, owner: { return(): Promise<unknown> }) {
    this.#stream = stream;
    this.#core = core;
    this.#owner = owner;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Rejects once with what the generator threw; then it is at its end. */
  next(): Promise<IteratorResult<T, undefined>> {
    const taken = this.#stream.take();
    if (taken === undefined) {
      return new Promise((resolve) => this.#stream.whenNext((next) => resolve(this.#result(next))));
    }
    return this.#result(taken);
  }

  async return(): Promise<IteratorResult<T, undefined>> {
    await this.#owner.return();
    return END;
  }

  async throw(error: unknown): Promise<IteratorResult<T, undefined>> {
    await this.#owner.return();
    throw error;
  }

  #result(taken: Taken): Promise<IteratorResult<T, undefined>> {
    if (taken === null) return Promise.resolve(END);
    if (!(taken instanceof Uint8Array)) return this.#fetched(taken);
    let value: T;
    try {
      value = this.#core.codec.decode(taken, null) as T;
    } catch (error) {
      return this.#recovered(taken, error);
    }
    this.#lookAhead();
    return Promise.resolve({ done: false, value });
  }

  /** A class that this process has not met: with its codec the same bytes decode. */
  async #recovered(bytes: Uint8Array, error: unknown): Promise<IteratorResult<T, undefined>> {
    if (!await this.#core.codec.recover(error)) throw error;
    return { done: false, value: this.#core.codec.decode(bytes, null) as T };
  }

  async #fetched(entry: Entry): Promise<IteratorResult<T, undefined>> {
    const { objects } = this.#core;
    const ahead = this.#ahead?.entry === entry ? this.#ahead.value : null;
    this.#ahead = null;
    hold();
    const resume = objects.beginWait();
    try {
      const early = ahead === null ? FAILED : await ahead.catch(() => FAILED);
      const value = early === FAILED ? await objects.getOne(entry, undefined) : early;
      this.#lookAhead();
      return { done: false, value: value as T };
    } finally {
      letGo();
      resume();
      objects.drop(entry);
    }
  }

  #lookAhead(): void {
    const entry = this.#stream.peek();
    if (entry === undefined) this.#stream.onNext = () => this.#lookAhead();
    else if (!(entry instanceof Uint8Array) && entry.state === "stored" && this.#ahead?.entry !== entry) {
      // Counted by the stream until it is taken or the stream is left.
      const value = this.#core.objects.valueOf(entry, new Set());
      value.catch(() => undefined); // Asked again when it is taken, and told then.
      this.#ahead = { entry, value };
    }
  }
}

const FAILED: unique symbol = Symbol("failed");
