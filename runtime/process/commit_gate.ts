/**
 * Holds back what may leave only after a commit. Whatever goes through one gate keeps its order; what does not have to wait,
 * and finds nobody waiting, leaves at once.
 * @module
 */

import { StoreError } from "../io/storage/store_error.ts";

/** What the gate needs to know of the store. */
export interface Commits {
  /** Resolves when everything written before the call is durable. */
  committed(): Promise<void>;
}

interface Held {
  /** Resolves when it may leave. */
  readonly durable: Promise<void> | null;
  isDurable: boolean;
  /** The answer to a request: it is written a few microtasks after it has left. */
  readonly isAnswer: boolean;
  readonly leave: () => void;
}

/** One ordered way out: the messages to one node, for instance. */
export class CommitGate {
  readonly #commits: Commits;
  readonly #held: Held[] = [];
  #pumping = false;

  constructor(commits: Commits) {
    this.#commits = commits;
  }

  /** How many are held back. */
  get length(): number {
    return this.#held.length;
  }

  /**
   * Call `leave`, in order: now when it waits for nothing, else after the commit of all that was written before this call.
   * When the store fails for good it is never called: the head exits.
   */
  pass(afterCommit: boolean, leave: () => void, isAnswer: boolean = false): void {
    if (!afterCommit && this.#held.length === 0) return void leave();
    const durable = afterCommit ? this.#commits.committed() : null;
    const held: Held = { durable, isDurable: durable === null, isAnswer, leave };
    durable?.then(() => held.isDurable = true, () => undefined);
    this.#held.push(held);
    if (!this.#pumping) void this.#pump();
  }

  async #pump(): Promise<void> {
    this.#pumping = true;
    try {
      for (let next = this.#held[0]; next !== undefined; next = this.#held[0]) {
        if (!next.isDurable) {
          await next.durable;
          // What became durable with it says so in this very turn.
          await null;
        }
        if (next.isAnswer) await this.#answer();
        else {
          next.leave();
          this.#held.shift();
        }
      }
    } catch (error) {
      this.#held.length = 0;
      // The store failed for good: its own listener says so and ends the process. Anything else is our bug.
      if (!(error instanceof StoreError)) throw error;
    } finally {
      this.#pumping = false;
    }
  }

  /** Answers in a row leave together. What is behind them must not overtake them: it waits until they are written. */
  async #answer(): Promise<void> {
    let count = 0;
    for (const { isAnswer, isDurable, leave } of this.#held) {
      if (!isAnswer || !isDurable) break;
      leave();
      count++;
    }
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#held.splice(0, count);
  }
}
