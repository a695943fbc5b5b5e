/**
 * What user code in a worker can ask about where it runs, kept per task. A worker that runs one thing at a time keeps it in
 * a variable; an actor whose calls interleave keeps it per call, by AsyncLocalStorage.
 * @module
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { TaskId } from "../../common/ids.ts";
import type { Assignment } from "../../protocol/push.ts";
import type { CurrentTask } from "./core_context.ts";
import type { ActorFacts } from "./worker_state.ts";
import type { Work } from "./work.ts";

const NO_CHILDREN: readonly Work[] = Object.freeze([]);
/** Children beyond which those that have ended are forgotten. */
const CHILDREN_MIN = 64;

/** One task or call that runs, or an actor's constructor. Its id is made as text only when somebody asks. */
export class TaskContext implements CurrentTask {
  readonly taskName: string;
  readonly attempt: number;
  readonly childDepth: number;
  readonly assigned: Assignment;
  /** The light actor that it runs in; null where the process is the actor, or none. */
  actor: ActorFacts | null = null;
  readonly #id: () => TaskId;
  #abort: AbortController | null = null;
  #reason: Error | null = null;
  #children: Work[] | null = null;
  #pruneAt = CHILDREN_MIN;

  constructor(id: () => TaskId, taskName: string, attempt: number, childDepth: number, assigned: Assignment) {
    this.#id = id;
    this.taskName = taskName;
    this.attempt = attempt;
    this.childDepth = childDepth;
    this.assigned = assigned;
  }

  get taskId(): TaskId {
    return this.#id();
  }

  /** Made when somebody asks for it: most tasks never do. */
  get signal(): AbortSignal {
    if (this.#abort === null) {
      this.#abort = new AbortController();
      if (this.#reason !== null) this.#abort.abort(this.#reason);
    }
    return this.#abort.signal;
  }

  /** It is cancelled. */
  abort(reason: Error): void {
    this.#reason ??= reason;
    this.#abort?.abort(this.#reason);
  }

  /** What it has submitted and what may not have ended. */
  get children(): readonly Work[] {
    return this.#children ?? NO_CHILDREN;
  }

  adopt(work: Work): void {
    const children = this.#children ??= [];
    if (children.length >= this.#pruneAt) {
      this.#children = children.filter((child) => !child.ended);
      this.#pruneAt = Math.max(CHILDREN_MIN, this.#children.length * 2);
      this.#children.push(work);
    } else children.push(work);
  }
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
