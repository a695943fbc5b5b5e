/**
 * What a worker needs before user code can be called: the code of an item, its arguments, and what it may ask about itself.
 * @module
 */
import { type TaskId, taskId } from "../../common/ids.ts";
import type { Assignment } from "../../protocol/push.ts";
import { readArguments, type ReceivedArgument } from "./arguments.ts";
import type { CoreWorker } from "./core_worker.ts";
import { TaskContext } from "./execution_context.ts";
import type { Callable, HostedActor, WorkItem } from "./work_item.ts";

/** See the module's header. */
export class ItemInputs {
  /** What this worker is, if it is one. */
  actor: HostedActor | null = null;
  readonly #core: CoreWorker;

  constructor(core: CoreWorker) {
    this.#core = core;
  }

  /** Null for code that is not loaded yet, and for a method that there is not. */
  callableOf(item: WorkItem): Callable | null {
    if (item.target !== null) return item.target.callable;
    const { actor } = this;
    if (actor === null || !Object.hasOwn(actor.methods, item.method)) return null;
    return (...values) => (actor.instance[item.method] as Callable).apply(actor.instance, values);
  }

  async loadCallable(item: WorkItem): Promise<Callable> {
    if (item.target !== null) return await item.target.load();
    const code = this.callableOf(item);
    if (code !== null) return code;
    throw new TypeError(`${this.actor?.className ?? "This worker"} has no method ${item.method}`);
  }

  loadArguments(item: WorkItem): Promise<unknown[]> {
    return this.loadValues(item.args);
  }

  /** The values of an arguments' block; codecs that are missing are loaded. */
  async loadValues(args: Uint8Array): Promise<unknown[]> {
    for (;;) {
      try {
        return await this.resolveArguments(readArguments(this.#core, args));
      } catch (error) {
        if (!await this.#core.codec.recover(error)) throw error;
      }
    }
  }

  /** Values of arguments, stored ones fetched together. */
  async resolveArguments(received: readonly ReceivedArgument[]): Promise<unknown[]> {
    const requests = new Set<string>();
    return await Promise.all(received.map(async (argument) => {
      if ("value" in argument) return argument.value;
      const stored = await this.#core.objects.fetch(argument, "argument", requests);
      if (stored.isError) throw this.#core.codec.decodeError(stored.body);
      return this.#core.codec.decode(stored.body, stored.buffers);
    }));
  }

  contextOf(item: WorkItem): TaskContext {
    // An actor never lends its CPUs: what it submits is no descendant of a blocked task unless its caller is.
    const childDepth = this.actor === null ? item.depth + 1 : item.depth;
    const name = this.nameOf(item);
    const id = (): TaskId => this.taskIdOf(item);
    const context = new TaskContext(id, name, item.attempt, childDepth, this.assignedTo(item));
    this.actor?.durable?.enter(context);
    if (this.actor?.facts !== undefined) context.actor = this.actor.facts;
    return context;
  }

  assignedTo(item: WorkItem): Assignment {
    return this.actor?.assigned ?? item.caller.assigned;
  }

  taskIdOf(item: WorkItem): TaskId {
    return taskId(item.caller.id, item.sequence);
  }

  nameOf(item: WorkItem): string {
    return item.target?.name ?? `${this.actor?.className}.${item.method}`;
  }
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null &&
    typeof (value as { then?: unknown }).then === "function";
}

/** What one function gave as its `numReturns` results. RangeError where it is not that. */
export function resultValues(result: unknown, numReturns: number): unknown[] {
  if (numReturns === 1) return [result];
  if (numReturns === 0) return [];
  if (!Array.isArray(result) || result.length !== numReturns) {
    const got = Array.isArray(result) ? `an array of ${result.length}` : typeof result;
    throw new RangeError(
      `The function must return an array of numReturns = ${numReturns} values, returned ${got}`,
    );
  }
  return result;
}
