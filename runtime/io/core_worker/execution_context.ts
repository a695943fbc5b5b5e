/**
 * What user code in a worker can ask about where it runs, kept per task. A worker that runs one thing at a time keeps it in
 * a variable; an actor whose calls interleave keeps it per call, by AsyncLocalStorage.
 * @module
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { TaskId } from "../../common/ids.ts";
import type { Assignment } from "../../protocol/push.ts";
import type { CurrentTask } from "./core_context.ts";

export interface TaskContext extends CurrentTask {
  readonly taskName: string;
  readonly attempt: number;
  readonly assigned: Assignment;
}

/** See the module's header. */
export class ExecutionContext {
  #current: TaskContext | null = null;
  #perCall: AsyncLocalStorage<TaskContext> | null = null;

  /** Calls may interleave from now on. */
  interleave(): void {
    this.#perCall ??= new AsyncLocalStorage();
  }

  get current(): TaskContext | null {
    return this.#perCall === null ? this.#current : this.#perCall.getStore() ?? null;
  }

  /** One at a time: the task that runs until leave(). */
  enter(context: TaskContext): void {
    this.#current = context;
  }

  leave(): void {
    this.#current = null;
  }

  run<R>(context: TaskContext, body: () => R): R {
    if (this.#perCall !== null) return this.#perCall.run(context, body);
    this.#current = context;
    return body();
  }
}

/** A context whose task id is made as text only when somebody asks. */
export function lazyContext(
  id: () => TaskId,
  taskName: string,
  attempt: number,
  childDepth: number,
  assigned: Assignment,
): TaskContext {
  return {
    get taskId() {
      return id();
    },
    taskName,
    attempt,
    childDepth,
    assigned,
  };
}
