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
import { isLoadFailure } from "../code_bundle/bundle_loader.ts";
import { useUserStacks } from "../code_bundle/bundle_stacks.ts";
import { Deque } from "../../common/deque.ts";
import { returnId, type TaskId, taskId } from "../../common/ids.ts";
import {
  type Assignment,
  type ReplyHead,
  type ReplyResult,
  ReplyStatus,
  ValueKind,
} from "../../protocol/push.ts";
import { ByteWriter } from "../../protocol/serialization/mod.ts";
import { readArguments, type ReceivedArgument } from "./arguments.ts";
import type { Caller, LoadedFunction } from "./caller.ts";
import type { CoreWorker } from "./core_worker.ts";
import { abandon, type Held } from "./actor_uses.ts";
import { type ExecutionContext, lazyContext, type TaskContext } from "./execution_context.ts";
import type { ItemOutlet } from "./item_outlet.ts";
import { ItemRunner } from "./item_runner.ts";
import type { BlockingObserver } from "./objects.ts";
import { ReplyBatch } from "./reply_batch.ts";
import { epochMs, isThenable, resultValues } from "./task_results.ts";
import type { VisibleDevices } from "./visible_devices.ts";
import { type Encoded, isInline, type RefSink } from "./value_codec.ts";

/** Inline results of one task, together; the rest is stored. A single one is smaller (INLINE_BYTES_MAX). */
const INLINE_SUM_BYTES_MAX = 8 * 1024 * 1024;
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
  /** Null for what is no generator. */
  readonly items: ItemOutlet | null;
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
  readonly #devices: VisibleDevices | null;
  readonly #queue: Deque<WorkItem> = new Deque();
  readonly #scratch = new ByteWriter();
  readonly #replies = new ReplyBatch();
  readonly #items: ItemRunner;
  #actor: HostedActor | null = null;
  #running = 0;
  #draining = false;
  #blocked = 0;
  #toldBlocked = false;
  /** A task waits for something: what is in the queue is behind it. */
  #isBehind = false;
  #handBackTimer: ReturnType<typeof setTimeout> | null = null;
  #whenIdle: (() => void)[] = [];

  constructor(core: CoreWorker, context: ExecutionContext, devices: VisibleDevices | null) {
    this.#core = core;
    this.#context = context;
    this.#devices = devices;
    this.#items = new ItemRunner(core, context, this.#replies, () => this.enter());
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
    else if (this.#isBehind) this.#handBackSoon();
  }

  /** A caller is gone: nobody waits for its tasks. What runs is run to its end. */
  forget(caller: Caller): void {
    this.#queue.removeWhere((item) => item.caller === caller);
    this.#replies.forget(caller);
  }

  get isIdle(): boolean {
    return this.#running === 0 && this.#queue.length === 0;
  }

  /** Resolves when nothing runs or waits: for a graceful end. */
  idle(): Promise<void> {
    if (this.isIdle) return Promise.resolve();
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

  /** Send all replies that wait. */
  flush(): void {
    this.#replies.flush();
  }

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
    if (this.#actor !== null) return await waiting;
    this.#isBehind = true;
    if (this.#queue.length > 0) this.#handBackSoon();
    await waiting;
    this.#isBehind = false;
    if (this.#handBackTimer !== null) clearTimeout(this.#handBackTimer);
    this.#handBackTimer = null;
  }

  #handBackSoon(): void {
    this.#handBackTimer ??= setTimeout(() => {
      this.#handBackTimer = null;
      const unstarted = [...this.#queue];
      this.#queue.clear();
      this.#handBack(unstarted);
    }, HAND_BACK_MS);
  }

  /** Run an item as far as it goes without waiting: null when it is done, else its end. */
  #begin(item: WorkItem): Promise<void> | null {
    if (this.#devices !== null) this.#devices.show(this.#assignedTo(item).gpuIds);
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
      if (isLoadFailure(error)) return await this.#failed(item, error, performance.now()) ?? undefined;
      await this.#fail(item, error, { startMs: Date.now(), runUs: 0, status: ReplyStatus.systemError });
      return;
    }
    const waiting = this.#call(item, code, values);
    if (waiting !== null) await waiting;
  }

  #call(item: WorkItem, code: Callable, values: unknown[]): Promise<void> | null {
    const context = this.#contextOf(item);
    const startMs = performance.now();
    let result: unknown;
    let isAsync: boolean;
    try {
      this.#currentCaller = item.caller;
      result = this.#context.run(context, () => code(...values));
      if (item.items !== null) return this.#generate(item, context, result, startMs);
      isAsync = isThenable(result); // Runs user code where `then` is a getter.
    } catch (error) {
      return this.#failed(item, error, startMs);
    }
    if (isAsync) return this.#settle(item, result as PromiseLike<unknown>, startMs);
    return this.#finish(item, result, startMs);
  }

  /** A generator: it runs while its items are asked for, and gives nothing else. */
  #generate(item: WorkItem, context: TaskContext, made: unknown, startMs: number): Promise<void> {
    const ended = this.#items.run(item, context, made);
    return this.#settle(item, ended.finally(() => item.caller.ended(item.sequence)), startMs);
  }

  async #settle(item: WorkItem, promise: PromiseLike<unknown>, startMs: number): Promise<void> {
    let result: unknown;
    try {
      result = await promise;
    } catch (error) {
      return await this.#failed(item, error, startMs) ?? undefined;
    }
    const waiting = this.#finish(item, result, startMs);
    if (waiting !== null) await waiting;
  }

  /** Reply with a result. Null when it went out; else its end. */
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
      return this.#failed(item, error, startMs);
    }
    const { sequence, caller } = item;
    const head = { sequence, status: ReplyStatus.value, startMs: epochMs(startMs), runUs };
    this.#replies.add(caller, head, scratch.bytes());
    this.#done();
    return null;
  }

  /** Several results, large ones, or refs inside. */
  async #finishSlowly(item: WorkItem, result: unknown, startMs: number, runUs: number): Promise<void> {
    const held: Held[] = [];
    try {
      const results: ReplyResult[] = [];
      let inlineBytes = 0;
      for (const [index, value] of resultValues(result, item.numReturns).entries()) {
        const path = item.numReturns === 1 ? "result" : `result[${index}]`;
        const encoded = this.#core.codec.encode(value, path);
        for (const inner of encoded.held) held.push(inner);
        if (isInline(encoded) && inlineBytes + encoded.bytes <= INLINE_SUM_BYTES_MAX) {
          inlineBytes += encoded.bytes;
          results.push({ kind: ValueKind.inline, bytes: encoded.body, contains: encoded.refs as never });
        } else {
          const size = await this.#store(item, index, encoded);
          results.push({ kind: ValueKind.stored, size, contains: encoded.refs as never });
        }
      }
      // Refs that this process took over during the task must be counted before their lender hears that it is done.
      if (this.#core.link.hasUnconfirmedHolds) await this.#core.link.confirmHolds();
      if (held.length > 0) item.caller.lend(item.sequence, held, this.#core.objects);
      const { sequence, caller } = item;
      const head = { sequence, status: ReplyStatus.results, startMs: epochMs(startMs), runUs };
      this.#replies.addResults(caller, head, results);
    } catch (error) {
      abandon(held);
      return await this.#failed(item, error, startMs) ?? undefined;
    }
    this.#done();
  }

  #store(item: WorkItem, index: number, encoded: Encoded): Promise<number> {
    return this.#core.store.write(returnId(this.#taskIdOf(item), index), encoded, {
      home: item.caller.node,
      owner: item.caller.id,
      isError: false,
      contains: encoded.refs,
      producer: this.#nameOf(item),
    });
  }

  /** Reply with what user code threw. Null when it went out; else its end. */
  #failed(item: WorkItem, thrown: unknown, startMs: number): Promise<void> | null {
    const runUs = Math.round((performance.now() - startMs) * 1000);
    const fields = {
      taskName: this.#nameOf(item),
      taskId: this.#taskIdOf(item),
      nodeId: this.#core.identity.node,
      attempt: item.attempt,
    };
    let error: Error;
    try {
      useUserStacks(thrown);
      error = taskErrorOf(thrown, fields);
    } catch {
      error = taskErrorOf(new Error("what it threw cannot be read"), fields); // A getter that throws, for one.
    }
    return this.#fail(item, error, { startMs: epochMs(startMs), runUs, status: ReplyStatus.error });
  }

  /** A task that failed may have taken over refs too: their lender must not hear of its end before they are counted. */
  #fail(item: WorkItem, error: unknown, head: Omit<ReplyHead, "sequence">): Promise<void> | null {
    const reply = (): void => {
      const { sequence, caller } = item;
      if (item.items !== null) caller.ended(sequence);
      this.#replies.add(caller, { sequence, ...head }, this.#core.codec.encodeError(error));
      this.#done();
    };
    const { link } = this.#core;
    if (link.hasUnconfirmedHolds) return link.confirmHolds().then(reply, reply);
    reply();
    return null;
  }

  #done(): void {
    this.#running--;
    if (this.#blocked > 0) this.#unblock(this.#context.current!);
    this.#currentCaller = null;
    if (this.#core.openStreams.size > 0) this.#leaveStreams();
    this.#context.leave();
    if (this.#running === 0 && this.#queue.length === 0) {
      this.flush();
      for (const resolve of this.#whenIdle.splice(0)) resolve();
    } else if (!this.#draining) void this.#drain();
  }

  /** What a task opened and did not read to its end ends with it. An actor may go on reading in its next call. */
  #leaveStreams(): void {
    if (this.#actor === null) { for (const stream of [...this.#core.openStreams]) stream.leave(); }
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
      const stored = await this.#core.objects.fetch(argument, "argument", requests);
      if (stored.isError) throw this.#core.codec.decodeError(stored.body);
      return this.#core.codec.decode(stored.body, stored.buffers);
    }));
  }

  #contextOf(item: WorkItem): TaskContext {
    return lazyContext(
      () => this.#taskIdOf(item),
      this.#nameOf(item),
      item.attempt,
      // An actor never lends its CPUs: what it submits is no descendant of a blocked task unless its caller is.
      this.#actor === null ? item.depth + 1 : item.depth,
      this.#assignedTo(item),
    );
  }

  #assignedTo(item: WorkItem): Assignment {
    return this.#actor?.assigned ?? item.caller.assigned;
  }

  #taskIdOf(item: WorkItem): TaskId {
    return taskId(item.caller.id, item.sequence);
  }

  #nameOf(item: WorkItem): string {
    return item.target?.name ?? `${this.#actor?.className}.${item.method}`;
  }
}
