/**
 * The executor: a worker's side of pushes. Tasks of all callers run one at a time in the order of their arrival; an actor's
 * calls likewise, or up to maxConcurrency interleaved at their awaits. Replies leave in batches, but never later than the
 * next wait.
 *
 *   received --1--> queued --2--> running --3--> replied
 *                     \--4--> handed back
 *
 *   1 With its caller's function, whose code came ahead of it.
 *   2 Arguments are read (stored ones fetched), then user code is called.
 *   3 The result is inline, or in the store; an error is a result too.
 *   4 The running task waits in get or wait: what was not started goes back to its submitter.
 * @module
 */
import { taskErrorOf } from "../../common/errors.ts";
import { Deque } from "../../common/deque.ts";
import { returnId, type TaskId, taskId } from "../../common/ids.ts";
import {
  type Assignment,
  type ReplyResult,
  ReplyStatus,
  ValueKind,
  writeReplyHead,
  writeResults,
} from "../../protocol/push.ts";
import { ByteWriter } from "../../protocol/serialization/mod.ts";
import { readArguments, type ReceivedArgument } from "./arguments.ts";
import type { Caller, LoadedFunction } from "./caller.ts";
import type { CoreWorker } from "./core_worker.ts";
import { abandon, type Held } from "./actor_uses.ts";
import { type ExecutionContext, lazyContext, type TaskContext } from "./execution_context.ts";
import type { BlockingObserver } from "./objects.ts";
import type { RefSink } from "./value_codec.ts";

/** How long replies may be held back to leave together. */
const REPLY_BATCH_MS = 1;
const REPLY_BATCH_BYTES = 256 * 1024;
/** Synchronous tasks run in a row for this long before the event loop has a turn. */
const TURN_MS = 5;

/** Tasks behind one that has been waiting for this long go back to their submitters. */
const HAND_BACK_MS = 10;

const NOTHING = (): void => {};

/** One pushed task or call. */
export interface WorkItem {
  readonly caller: Caller;
  readonly sequence: number;
  readonly attempt: number;
  readonly numReturns: number;
  readonly depth: number;
  /** A task's function, or null for an actor call. */
  readonly target: LoadedFunction | null;
  readonly method: string;
  readonly args: Uint8Array;
}

/** The actor that this worker hosts. */
export interface HostedActor {
  readonly instance: Record<string, unknown>;
  readonly className: string;
  readonly methods: Readonly<Record<string, unknown>>;
  readonly maxConcurrency: number;
  readonly assigned: Assignment;
}

// deno-lint-ignore no-explicit-any -- user code: any arguments, any result
type Callable = (...args: any[]) => unknown;

/** See the module's header. */
export class Executor implements BlockingObserver {
  readonly #core: CoreWorker;
  readonly #context: ExecutionContext;
  readonly #queue: Deque<WorkItem> = new Deque();
  readonly #scratch = new ByteWriter();
  readonly #callersWithReplies = new Set<Caller>();
  #actor: HostedActor | null = null;
  #running = 0;
  #draining = false;
  #blocked = 0;
  #toldBlocked = false;
  #firstReplyMs = 0;
  #whenIdle: (() => void)[] = [];

  constructor(core: CoreWorker, context: ExecutionContext) {
    this.#core = core;
    this.#context = context;
  }

  get actor(): HostedActor | null {
    return this.#actor;
  }

  /** From now on this worker is this actor. */
  host(actor: HostedActor): void {
    this.#actor = actor;
    if (actor.maxConcurrency > 1) this.#context.interleave();
  }

  receive(items: readonly WorkItem[]): void {
    if (this.#blocked > 0 && this.#actor === null) return this.#handBack(items);
    for (const item of items) this.#queue.push(item);
    if (!this.#draining) void this.#drain();
  }

  /** A caller is gone: nobody waits for its tasks. What runs is run to its end. */
  forget(caller: Caller): void {
    this.#queue.removeWhere((item) => item.caller === caller);
    this.#callersWithReplies.delete(caller);
  }

  /** Resolves when nothing runs or waits: for a graceful end. */
  idle(): Promise<void> {
    if (this.#running === 0 && this.#queue.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle.push(resolve));
  }

  // ---- blocking (BlockingObserver) -----------------------------------------------------------------------------------------

  /** User code waits for an object. A task lends its CPU meanwhile; an actor keeps what it holds. Answers how it ends. */
  enter(): () => void {
    const context = this.#context.current;
    if (context === null || this.#actor !== null) return NOTHING;
    if (++this.#blocked === 1) {
      this.flush();
      // After the lease requests of what it waits for, which leave in a microtask that is queued already: the CPU that it
      // lends is for them before others.
      queueMicrotask(() => this.#tellBlocked(context));
      const unstarted = [...this.#queue];
      this.#queue.clear();
      this.#handBack(unstarted);
    }
    return () => {
      // A get that its task did not wait for may end after the task.
      if (this.#context.current === context && this.#blocked > 0 && --this.#blocked === 0) {
        this.#unblock(context);
      }
    };
  }

  #tellBlocked(context: TaskContext): void {
    if (this.#blocked === 0 || this.#context.current !== context) return;
    this.#toldBlocked = true;
    this.#core.link.notify("blocked", { taskId: context.taskId, blocked: true });
  }

  #unblock(context: TaskContext): void {
    this.#blocked = 0;
    if (!this.#toldBlocked) return; // It was over before anybody heard of it.
    this.#toldBlocked = false;
    this.#core.link.notify("blocked", { taskId: context.taskId, blocked: false });
  }

  /** Also with nothing to give back: the submitter learns that this worker is blocked. */
  #handBack(items: readonly WorkItem[]): void {
    const byCaller = new Map<Caller, number[]>();
    for (const { caller, sequence } of items) {
      const sequences = byCaller.get(caller);
      if (sequences === undefined) byCaller.set(caller, [sequence]);
      else sequences.push(sequence);
    }
    if (this.#currentCaller !== null && !byCaller.has(this.#currentCaller)) {
      byCaller.set(this.#currentCaller, []);
    }
    for (const [caller, sequences] of byCaller) caller.handBack(sequences);
  }

  #currentCaller: Caller | null = null;

  // ---- running -------------------------------------------------------------------------------------------------------------

  async #drain(): Promise<void> {
    this.#draining = true;
    const limit = this.#actor?.maxConcurrency ?? 1;
    let turnMs = performance.now();
    while (this.#queue.length > 0) {
      if (this.#running >= limit) {
        // The call that ends next goes on draining.
        this.#draining = false;
        return this.flush();
      }
      const item = this.#queue.shift()!;
      this.#running++;
      const waiting = this.#begin(item);
      if (waiting !== null) {
        this.flush();
        if (limit === 1) {
          await this.#handingBack(waiting);
          turnMs = performance.now();
        } else {
          void waiting.then(() => {
            if (!this.#draining) void this.#drain();
          });
        }
      }
      if (performance.now() - turnMs > TURN_MS) {
        this.flush();
        await new Promise((resolve) => setImmediate(resolve));
        turnMs = performance.now();
      }
    }
    this.#draining = false;
    this.flush();
    if (this.#running === 0 && this.#queue.length === 0) {
      for (const resolve of this.#whenIdle.splice(0)) resolve();
    }
  }

  /** What waits behind a task that takes its time may run elsewhere. */
  async #handingBack(waiting: Promise<void>): Promise<void> {
    if (this.#actor !== null || this.#queue.length === 0) return await waiting;
    const timer = setTimeout(() => {
      const unstarted = [...this.#queue];
      this.#queue.clear();
      this.#handBack(unstarted);
    }, HAND_BACK_MS);
    await waiting;
    clearTimeout(timer);
  }

  /** Run an item as far as it goes without waiting: null when it is done, else its end. */
  #begin(item: WorkItem): Promise<void> | null {
    const code = this.#callableOf(item);
    if (code === null) return this.#runSlowly(item);
    let values: unknown[];
    try {
      const received = readArguments(this.#core, item.args);
      values = [];
      for (const argument of received) {
        if (!("value" in argument)) return this.#runSlowly(item);
        values.push(argument.value);
      }
    } catch {
      return this.#runSlowly(item); // Says what is wrong, or loads a missing codec.
    }
    return this.#call(item, code, values);
  }

  /** With waits: for the code, a codec, or stored arguments. */
  async #runSlowly(item: WorkItem): Promise<void> {
    let code: Callable;
    let values: unknown[];
    try {
      code = await this.#loadCallable(item);
      values = await this.#loadArguments(item);
    } catch (error) {
      this.#replyError(item, error, Date.now(), 0, ReplyStatus.systemError);
      return this.#done();
    }
    const waiting = this.#call(item, code, values);
    if (waiting !== null) await waiting;
  }

  #call(item: WorkItem, code: Callable, values: unknown[]): Promise<void> | null {
    const context = this.#contextOf(item);
    const startMs = performance.now();
    let result: unknown;
    try {
      this.#currentCaller = item.caller;
      result = this.#context.run(context, () => code(...values));
    } catch (error) {
      this.#failed(item, error, startMs);
      return null;
    }
    if (isThenable(result)) return this.#settle(item, result, startMs);
    return this.#finish(item, result, startMs);
  }

  async #settle(item: WorkItem, promise: PromiseLike<unknown>, startMs: number): Promise<void> {
    let result: unknown;
    try {
      result = await promise;
    } catch (error) {
      return this.#failed(item, error, startMs);
    }
    const waiting = this.#finish(item, result, startMs);
    if (waiting !== null) await waiting;
  }

  /** Reply with a result. Null when it went out inline; else it is being stored. */
  #finish(item: WorkItem, result: unknown, startMs: number): Promise<void> | null {
    const runUs = Math.round((performance.now() - startMs) * 1000);
    if (item.numReturns !== 1 || this.#core.link.hasUnconfirmedHolds) {
      return this.#finishSlowly(item, result, startMs, runUs);
    }
    const scratch = this.#scratch;
    const sink: RefSink = { refs: [], held: [] };
    scratch.reset();
    try {
      const large = this.#core.codec.append(scratch, result, "result", sink);
      if (large !== null || sink.refs.length > 0) {
        abandon(large?.held ?? sink.held);
        return this.#finishSlowly(item, result, startMs, runUs);
      }
    } catch (error) {
      this.#failed(item, error, startMs);
      return null;
    }
    const writer = this.#replyTo(item.caller);
    writeReplyHead(writer, {
      sequence: item.sequence,
      status: ReplyStatus.value,
      startMs: epochMs(startMs),
      runUs,
    });
    writer.varint(scratch.position);
    writer.raw(scratch.bytes());
    this.#replied(item.caller);
    this.#done();
    return null;
  }

  /** Several results, large ones, or refs inside. */
  async #finishSlowly(item: WorkItem, result: unknown, startMs: number, runUs: number): Promise<void> {
    try {
      const values = resultValues(result, item.numReturns);
      const held: Held[] = [];
      const results: ReplyResult[] = [];
      for (const [index, value] of values.entries()) {
        const path = item.numReturns === 1 ? "result" : `result[${index}]`;
        const encoded = this.#core.codec.encode(value, path);
        held.push(...encoded.held);
        if (encoded.buffers.length === 0 && encoded.body.length <= 100 * 1024) {
          results.push({ kind: ValueKind.inline, bytes: encoded.body, contains: encoded.refs as never });
          continue;
        }
        const id = returnId(this.#taskIdOf(item), index);
        const size = await this.#core.store.write(id, encoded, {
          home: item.caller.node,
          owner: item.caller.id,
          isError: false,
          contains: encoded.refs,
          producer: this.#nameOf(item),
        });
        results.push({ kind: ValueKind.stored, size, contains: encoded.refs as never });
      }
      // Refs that this process took over during the task must be counted before their lender hears that it is done.
      if (this.#core.link.hasUnconfirmedHolds) await this.#core.link.confirmHolds();
      if (held.length > 0) item.caller.lend(item.sequence, held, this.#core.objects);
      const writer = this.#replyTo(item.caller);
      writeReplyHead(writer, {
        sequence: item.sequence,
        status: ReplyStatus.results,
        startMs: epochMs(startMs),
        runUs,
      });
      writeResults(writer, results);
      this.#replied(item.caller);
      this.#done();
    } catch (error) {
      this.#failed(item, error, startMs);
    }
  }

  #failed(item: WorkItem, thrown: unknown, startMs: number): void {
    const runUs = Math.round((performance.now() - startMs) * 1000);
    const error = taskErrorOf(thrown, {
      taskName: this.#nameOf(item),
      taskId: this.#taskIdOf(item),
      nodeId: this.#core.identity.node,
      attempt: item.attempt,
    });
    this.#replyError(item, error, epochMs(startMs), runUs, ReplyStatus.error);
    this.#done();
  }

  #replyError(item: WorkItem, error: unknown, startMs: number, runUs: number, status: number): void {
    const encoded = this.#core.codec.encodeError(error);
    const writer = this.#replyTo(item.caller);
    writeReplyHead(writer, { sequence: item.sequence, status, startMs, runUs });
    writer.varint(encoded.length);
    writer.raw(encoded);
    this.#replied(item.caller);
  }

  #done(): void {
    this.#running--;
    if (this.#blocked > 0) this.#unblock(this.#context.current!);
    this.#currentCaller = null;
    this.#context.leave();
    if (this.#running === 0 && this.#queue.length === 0) {
      this.flush();
      for (const resolve of this.#whenIdle.splice(0)) resolve();
    } else if (!this.#draining) void this.#drain();
  }

  // ---- code and arguments ----------------------------------------------------------------------------------------------------

  #callableOf(item: WorkItem): Callable | null {
    if (item.target !== null) return item.target.callable;
    const actor = this.#actor;
    if (actor === null || !Object.hasOwn(actor.methods, item.method)) return null;
    return (...values) => (actor.instance[item.method] as Callable).apply(actor.instance, values);
  }

  async #loadCallable(item: WorkItem): Promise<Callable> {
    if (item.target !== null) return await item.target.load();
    const code = this.#callableOf(item);
    if (code !== null) return code;
    throw new TypeError(`${this.#actor?.className ?? "This worker"} has no method ${item.method}`);
  }

  async #loadArguments(item: WorkItem): Promise<unknown[]> {
    for (;;) {
      try {
        return await this.resolveArguments(readArguments(this.#core, item.args));
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
      const target = { id: argument.id, home: argument.home as never };
      const stored = await this.#core.objects.fetch(target, "argument", requests);
      if (stored.isError) throw this.#core.codec.decodeError(stored.body);
      return this.#core.codec.decode(stored.body, stored.buffers);
    }));
  }

  #contextOf(item: WorkItem): TaskContext {
    return lazyContext(
      () => this.#taskIdOf(item),
      this.#nameOf(item),
      item.attempt,
      item.depth,
      this.#actor?.assigned ?? item.caller.assigned,
    );
  }

  #taskIdOf(item: WorkItem): TaskId {
    return taskId(item.caller.id, item.sequence);
  }

  #nameOf(item: WorkItem): string {
    return item.target?.name ?? `${this.#actor?.className}.${item.method}`;
  }

  // ---- replies -----------------------------------------------------------------------------------------------------------------

  #replyTo(caller: Caller): ByteWriter {
    if (this.#callersWithReplies.size === 0) this.#firstReplyMs = performance.now();
    this.#callersWithReplies.add(caller);
    return caller.replies;
  }

  #replied(caller: Caller): void {
    if (
      caller.replies.position > REPLY_BATCH_BYTES || performance.now() - this.#firstReplyMs > REPLY_BATCH_MS
    ) this.flush();
  }

  /** Send all replies that wait. */
  flush(): void {
    for (const caller of this.#callersWithReplies) caller.sendReplies();
    this.#callersWithReplies.clear();
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null &&
    typeof (value as { then?: unknown }).then === "function";
}

function epochMs(atMs: number): number {
  return performance.timeOrigin + atMs;
}

function resultValues(result: unknown, numReturns: number): unknown[] {
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
