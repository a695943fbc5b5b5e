/**
 * What the pipes of a page have in common: listeners, and what came while nobody reads. Web-standard APIs only.
 * @module
 */
import { runFinalizers } from "../io/core_worker/finalizers.ts";
import type { BytePipe } from "../io/transport/byte_pipe.ts";

type Event = "data" | "end" | "close" | "drain" | "error";
type Listener = (value: never) => void;

/** A byte pipe without its way up. */
export abstract class ClientPipe implements BytePipe {
  readonly #listeners = new Map<Event, Listener[]>();
  #held: Uint8Array[] = [];
  #isEnded = false;
  #isPaused = false;
  #isClosed = false;

  abstract write(chunk: Uint8Array, written?: () => void): boolean;
  /** Nothing is written any more; what was, still leaves. */
  abstract end(): void;
  /** Ends the connection at once; `closed` is called after it. */
  protected abstract abort(): void;
  /** More can be read; a pipe that reads by itself is woken. */
  protected wake(): void {}

  on(event: Event, listener: Listener): this {
    const listeners = this.#listeners.get(event);
    if (listeners === undefined) this.#listeners.set(event, [listener]);
    else listeners.push(listener);
    return this;
  }

  get destroyed(): boolean {
    return this.#isClosed;
  }

  protected get isPaused(): boolean {
    return this.#isPaused;
  }

  cork(): void {}
  uncork(): void {}

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.wake();
    // As in a Duplex, nothing is delivered before the caller is done.
    queueMicrotask(() => this.#deliver());
  }

  destroy(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#held = [];
    this.abort();
    queueMicrotask(() => this.#emit("close"));
  }

  /** Bytes came. */
  protected received(chunk: Uint8Array): void {
    if (this.#isClosed || chunk.length === 0) return;
    runFinalizers();
    this.#held.push(chunk);
    this.#deliver();
  }

  /** The peer has ended. */
  protected ended(): void {
    this.#isEnded = true;
    this.#deliver();
  }

  /** It is over; `error` says why, where it should not be. */
  protected closed(error: Error | null): void {
    if (this.#isClosed) return;
    if (error !== null) this.#emit("error", error);
    this.destroy();
  }

  #deliver(): void {
    while (!this.#isPaused && !this.#isClosed && this.#held.length > 0) {
      this.#emit("data", this.#held.shift());
    }
    if (!this.#isEnded || this.#isPaused || this.#isClosed || this.#held.length > 0) return;
    this.#isEnded = false;
    this.#emit("end");
  }

  #emit(event: Event, value?: unknown): void {
    for (const listener of this.#listeners.get(event) ?? []) listener(value as never);
  }
}
