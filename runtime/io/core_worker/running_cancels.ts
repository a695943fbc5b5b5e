/**
 * Cancellation at the worker, of what it has begun: user code is told by its signal, what it has submitted is cancelled with
 * it, and force ends the process. What is not begun is the executor's to take out.
 *
 *   under way --1--> cancelled --2--> answered as cancelled
 *                        \-------3--> answered with what it gave (tasks only)
 *
 *   1 The submitter says so, perhaps several times; only the first time does something, but for force.
 *   2 User code throws the signal's reason, or another error that only says that; or it was not called yet. An actor's call
 *     whatever it gives, at the latest ABANDON_MS later: its value is of no use to anybody, its clean-up goes on.
 *   3 It took no notice, or made a result all the same.
 * @module
 */
import { TaskCancelledError } from "../../common/errors.ts";
import type { CancelOrder } from "../../protocol/push.ts";
import { cancelledError } from "./cancels.ts";
import type { Caller } from "./caller.ts";
import type { CoreContext } from "./core_context.ts";
import type { ExecutionContext, TaskContext } from "./execution_context.ts";
import type { WorkItem } from "./work_item.ts";

/** A cancelled call that goes on for longer is answered without waiting for its end. */
export const ABANDON_MS = 3_000;
/** What force still lets out of the process: replies, and orders to the workers of children. */
const FORCE_EXIT_MS = 20;

export interface RunningCancelsParts {
  readonly core: CoreContext;
  readonly context: ExecutionContext;
  /** Tell its caller that it was cancelled, now. */
  answer(item: WorkItem): void;
  /** End this process. */
  exit(): void;
}

/** See the module's header. */
export class RunningCancels {
  readonly #parts: RunningCancelsParts;
  /** Items that wait for something: only they can be under way when an order arrives. */
  readonly #underWay = new Set<WorkItem>();

  constructor(parts: RunningCancelsParts) {
    this.#parts = parts;
  }

  begin(item: WorkItem): void {
    this.#underWay.add(item);
  }
  end(item: WorkItem): void {
    this.#underWay.delete(item);
  }

  /** What runs with this context; null when it does not wait for anything. */
  itemOf(context: TaskContext): WorkItem | null {
    for (const item of this.#underWay) if (item.context === context) return item;
    return null;
  }

  /** Cancel those of the order that have begun. */
  cancel(caller: Caller, sequences: ReadonlySet<number>, order: CancelOrder): void {
    for (const item of this.#underWay) {
      if (item.caller === caller && sequences.has(item.sequence)) this.#cancel(item, order);
    }
  }

  /** Whether what user code threw only says that it was cancelled. */
  isCancellation(item: WorkItem, thrown: unknown): boolean {
    if (!item.cancelled) return false;
    // An actor's call: whatever it does.
    if (item.target === null) return true;
    if (thrown instanceof TaskCancelledError) return true; // The signal's own reason, or a child's.
    if (typeof thrown !== "object" || thrown === null) return false;
    const { name, cause } = thrown as { name?: unknown; cause?: unknown };
    return name === "AbortError" && (cause === undefined || cause instanceof TaskCancelledError);
  }

  /** Nobody waits for what is under way: user code is told to stop, its children are cancelled. */
  abandon(reason: Error): void {
    const { core, context } = this.#parts;
    for (const item of this.#underWay) {
      item.cancelled = item.answered = true;
      item.items?.stop();
      const running = item.context;
      if (running === null) continue;
      core.cancels.children(running.children, false);
      context.run(running, () => running.abort(reason));
    }
  }

  #cancel(item: WorkItem, { force, recursive }: CancelOrder): void {
    const { core, context, answer, exit } = this.#parts;
    if (!item.cancelled) {
      item.cancelled = true;
      const running = item.context;
      if (running !== null) {
        if (recursive) core.cancels.children(running.children, force);
        const reason = cancelledError(running.taskName, running.taskId);
        context.run(running, () => running.abort(reason));
      }
      if (item.target === null) setTimeout(() => this.#underWay.has(item) && answer(item), ABANDON_MS);
    }
    if (force && item.target !== null) setTimeout(exit, FORCE_EXIT_MS);
  }
}
