/**
 * Actors that tests steer other work with: a gate and a count, both without a CPU.
 * @module
 */
import { type HandleOf, remote } from "mobula";

/** A gate: whoever waits goes on when it is sent. `waiters` says that somebody really stands there. */
export const Signal = remote(
  class Signal {
    isOpen = false;
    waiting: (() => void)[] = [];
    async wait(): Promise<void> {
      if (!this.isOpen) await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
    send(): void {
      this.isOpen = true;
      for (const go of this.waiting.splice(0)) go();
    }
    close(): void {
      this.isOpen = false;
    }
    waiters(): number {
      return this.waiting.length;
    }
  },
  { numCpus: 0, maxConcurrency: 1_000 },
);
export type SignalHandle = HandleOf<typeof Signal>;

/** Counts executions, where the work that is counted may crash. */
export const Tally = remote(
  class Tally {
    count = 0;
    items: unknown[] = [];
    add(item: unknown = null): number {
      this.items.push(item);
      return ++this.count;
    }
    read(): number {
      return this.count;
    }
    /** What was added since the last time. */
    take(): unknown[] {
      this.count = 0;
      return this.items.splice(0);
    }
  },
  { numCpus: 0 },
);
export type TallyHandle = HandleOf<typeof Tally>;
