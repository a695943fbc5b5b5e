/**
 * How often this worker may still run each function (maxCalls). A library that leaks, or that holds a GPU's memory, is rid of
 * only with its process.
 * @module
 */
import type { LoadedFunction } from "./caller.ts";

/** See the module's header. */
export class RunLimits {
  /** By code: several callers may have defined the same function. */
  readonly #runs = new Map<string, number>();
  #isReached = false;

  /** A function has run as often as it may: after what runs now, nothing more begins here. */
  get isReached(): boolean {
    return this.#isReached;
  }

  /** A function with a limit is called. */
  started({ hash, maxCalls }: LoadedFunction): void {
    const runs = (this.#runs.get(hash) ?? 0) + 1;
    this.#runs.set(hash, runs);
    if (runs >= maxCalls) this.#isReached = true;
  }
}
