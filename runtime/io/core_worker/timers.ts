/**
 * Timers that need not keep a process alive. In a process they are those of `node:timers` (Deno's global ones give plain
 * numbers, which cannot be let go); a page and an edge function have only the global ones, and no process to keep.
 * @module
 */

/** What `process.getBuiltinModule("timers")` gives, as far as it is used here. */
interface TimerFunctions {
  setTimeout(run: () => void, ms: number): unknown;
  setInterval(run: () => void, ms: number): unknown;
  clearTimeout(handle: unknown): void;
}

interface Holding {
  ref?(): void;
  unref?(): void;
}

const host = globalThis as unknown as TimerFunctions & {
  process?: { getBuiltinModule?(name: string): TimerFunctions | undefined };
};
// Not imported: that would be an import of `node:` in what runs in a browser.
const timers: TimerFunctions = host.process?.getBuiltinModule?.("timers") ?? host;

/** One timer that is running. */
export class Timer {
  readonly #handle: unknown;

  private constructor(handle: unknown) {
    this.#handle = handle;
  }

  /** Runs once after `ms`; the process waits for it. */
  static once(run: () => void, ms: number): Timer {
    return new Timer(timers.setTimeout(run, ms));
  }

  /** Runs once after `ms`, unless the process ends before. */
  static background(run: () => void, ms: number): Timer {
    return Timer.once(run, ms).unref();
  }

  /** Keeps the process alive and does nothing else. */
  static hold(): Timer {
    return new Timer(timers.setInterval(() => {}, 0x3fff_ffff));
  }

  ref(): this {
    (this.#handle as Holding).ref?.();
    return this;
  }

  unref(): this {
    (this.#handle as Holding).unref?.();
    return this;
  }

  /** Idempotent. */
  clear(): void {
    timers.clearTimeout(this.#handle);
  }
}
