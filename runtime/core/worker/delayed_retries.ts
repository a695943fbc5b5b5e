/**
 * Retries after a lost worker: what they cost, and those that wait for a while. A kill for low memory has a budget of its
 * own: it uses up nothing of maxRetries, but maxRetries 0 forbids its retry too (both as in Ray). The end of a drained node
 * costs nothing. Part of the task submitter.
 * @module
 */
import type { DeathCause } from "../../common/task_spec.ts";
import type { SubmittedTask } from "./task_submitter_types.ts";

/** The first retry after a kill for low memory waits this long, each further one twice as long (Ray: 1 s, doubling) … */
export const MEMORY_RETRY_MS: number = 1_000;
/** … but never longer than this. */
export const MEMORY_RETRY_MS_MAX: number = 60_000;

/** How long the retry waits that follows so many kills for low memory. */
export function memoryRetryDelayMs(kills: number): number {
  return Math.min(MEMORY_RETRY_MS_MAX, MEMORY_RETRY_MS * 2 ** Math.min(20, Math.max(0, kills - 1)));
}

/** Whether the task may be run again. `memoryRetries`: the budget for kills for low memory, -1 without end. */
export function hasRetry(task: SubmittedTask, cause: DeathCause | null, memoryRetries: number): boolean {
  if (cause?.code === "PREEMPTED") return task.maxRetries !== 0;
  if (cause?.code !== "OUT_OF_MEMORY") return task.retriesLeft !== 0;
  return task.maxRetries !== 0 && (memoryRetries < 0 || task.memoryKills < memoryRetries);
}

export function useRetry(task: SubmittedTask, cause: DeathCause | null): void {
  if (cause?.code === "OUT_OF_MEMORY") task.memoryKills++;
  else if (cause?.code !== "PREEMPTED" && task.retriesLeft > 0) task.retriesLeft--;
}

export class DelayedRetries<T> {
  readonly #dueMs: Map<T, number> = new Map();

  add(task: T, dueMs: number): void {
    this.#dueMs.set(task, dueMs);
  }

  /** Whether it waited here. */
  remove(task: T): boolean {
    return this.#dueMs.delete(task);
  }

  entries(): Iterable<readonly [T, number]> {
    return this.#dueMs;
  }

  /** When the first one is due; null when none waits. */
  get nextMs(): number | null {
    let next: number | null = null;
    for (const dueMs of this.#dueMs.values()) if (next === null || dueMs < next) next = dueMs;
    return next;
  }

  /** Those that are due, in the order in which they came; they wait no longer. */
  takeDue(nowMs: number): T[] {
    const due: T[] = [];
    for (const [task, dueMs] of this.#dueMs) {
      if (dueMs > nowMs) continue;
      this.#dueMs.delete(task);
      due.push(task);
    }
    return due;
  }

  takeAll(): T[] {
    return this.takeDue(Infinity);
  }
}
