/**
 * Cancellation as a submitting process sees it: which of its tasks and calls are to end, what has been done about each, and
 * what is to be done next. Whatever was cancelled stays so (`cancelled` is never taken back): nothing runs it again.
 *
 *   (none) --1--> withdrawn                          it had not left this process: it never runs
 *     \------2--> asked --3--> asked again, forced --4--> gone
 *
 *   1 request(), and it waits here: for arguments, for a worker, in its actor's queue.
 *   2 request(), and it is with a worker: the worker is asked to end it. With graceMs force follows then.
 *   3 Every ASK_AGAIN_MS, as long as it has not ended: the message may have been lost with a connection, or have come before
 *     the task. With force, which only grows, the worker is ended.
 *   4 It ended, in whatever way; it is forgotten at the next tick.
 *
 * It does not own: queues, connections, or how a task ends (core/worker/task_submitter.ts, actor_queue.ts).
 * @module
 */

/** How often a worker is asked again (Ray: 2 s). */
export const ASK_AGAIN_MS = 2_000;

/** What the machine must know of a task or call; the caller's own objects extend it. */
export interface CancelTarget {
  /** Set by the machine, for good. */
  cancelled: boolean;
  /** Its results are settled. */
  readonly ended: boolean;
}

/** How something is to be cancelled. */
export interface CancelRequest {
  readonly force: boolean;
  readonly recursive: boolean;
  /** Force follows after so many milliseconds; null: it does not. */
  readonly graceMs: number | null;
}

export interface CancellationEffects<T extends CancelTarget> {
  /** End a target that has not left this process. False when it has. */
  withdraw(target: T): boolean;
  /** Tell the worker that has it, or end that worker. */
  ask(target: T, how: { readonly force: boolean; readonly recursive: boolean }): void;
}

interface Asked {
  force: boolean;
  recursive: boolean;
  forceAtMs: number;
  askAtMs: number;
}

/** See the module's header. One per process. */
export class Cancellations<T extends CancelTarget> {
  readonly #effects: CancellationEffects<T>;
  /** Targets that workers have, and some that have ended since the last tick. */
  readonly #asked = new Map<T, Asked>();

  constructor(effects: CancellationEffects<T>) {
    this.#effects = effects;
  }

  /** Targets that workers have been asked about and that may not have ended. */
  get size(): number {
    return this.#asked.size;
  }

  /** Cancel a target. One that has ended stays as it is; repeating it changes nothing but may add force. */
  request(nowMs: number, target: T, { force, recursive, graceMs }: CancelRequest): void {
    if (target.ended) return;
    target.cancelled = true;
    if (this.#effects.withdraw(target)) return;
    let asked = this.#asked.get(target);
    if (asked === undefined) {
      asked = { force: false, recursive: false, forceAtMs: Infinity, askAtMs: 0 };
      this.#asked.set(target, asked);
    }
    asked.force ||= force;
    asked.recursive ||= recursive;
    if (graceMs !== null) asked.forceAtMs = Math.min(asked.forceAtMs, nowMs + graceMs);
    this.#ask(nowMs, target, asked);
  }

  /** Ask again where it is time. Answers when to call next; null when nothing is left to do. */
  tick(nowMs: number): number | null {
    let next: number | null = null;
    for (const [target, asked] of this.#asked) {
      if (target.ended) {
        this.#asked.delete(target);
        continue;
      }
      if (asked.forceAtMs <= nowMs && !asked.force) {
        asked.force = true;
        this.#ask(nowMs, target, asked);
      } else if (asked.askAtMs <= nowMs) this.#ask(nowMs, target, asked);
      // Ending the worker may have ended it already: seen at the next tick.
      const dueMs = asked.force ? asked.askAtMs : Math.min(asked.askAtMs, asked.forceAtMs);
      if (next === null || dueMs < next) next = dueMs;
    }
    return next;
  }

  /** The cluster is gone for this process. */
  clear(): void {
    this.#asked.clear();
  }

  check(): void {
    for (const [target, asked] of this.#asked) {
      if (!target.cancelled) throw new Error("a worker was asked to end what is not cancelled");
      if (asked.askAtMs === 0) throw new Error("a target that no worker was asked about");
    }
  }

  #ask(nowMs: number, target: T, asked: Asked): void {
    asked.askAtMs = nowMs + ASK_AGAIN_MS;
    this.#effects.ask(target, { force: asked.force, recursive: asked.recursive });
  }
}
