/**
 * The executor: a worker's side of pushes. Tasks of all callers run one at a time in the order of their arrival; an actor's
 * calls likewise, or up to maxConcurrency interleaved at their awaits. Replies leave in batches, but never later than the
 * next wait.
 *
 *   received --1--> queued --2--> running --3--> replied
 *                     \--4--> handed back, cancelled
 *
 *   1 With its caller's function, whose code came ahead of it.
 *   2 Arguments are read (stored ones fetched), then user code is called.
 *   3 The result is inline, or in the store; an error is a result too.
 *   4 The running task waits in get or wait, or the worker has run as often as it may (maxCalls): what was not started goes
 *     back to its submitter. Cancelled tasks are answered without running (what runs: running_cancels.ts).
 * @module
 */
import { taskErrorOf } from "../../common/errors.ts";
import { isLoadFailure } from "../code_bundle/bundle_loader.ts";
import { useUserStacks } from "../code_bundle/bundle_stacks.ts";
import { Deque } from "../../common/deque.ts";
import { returnId } from "../../common/ids.ts";
import {
  type CancelOrder,
  type ReplyHead,
  type ReplyResult,
  ReplyStatus,
  ValueKind,
} from "../../protocol/push.ts";
import { ByteWriter } from "../../protocol/serialization/mod.ts";
import { readArguments } from "./arguments.ts";
import type { Caller } from "./caller.ts";
import type { CoreWorker } from "./core_worker.ts";
import { abandon, type Held } from "./actor_uses.ts";
import type { ExecutionContext, TaskContext } from "./execution_context.ts";
import { isThenable, ItemInputs, resultValues } from "./item_inputs.ts";
import { ItemRunner } from "./item_runner.ts";
import type { BlockingObserver } from "./objects.ts";
import { ReplyBatch } from "./reply_batch.ts";
import { RunLimits } from "./run_limits.ts";
import { RunningCancels } from "./running_cancels.ts";
import type { Callable, HostedActor, WorkItem } from "./work_item.ts";
import type { VisibleDevices } from "./visible_devices.ts";
import { type Encoded, isInline, type RefSink } from "./value_codec.ts";

/** Inline results of one task, together; the rest is stored. A single one is smaller (INLINE_BYTES_MAX). */
const INLINE_SUM_BYTES_MAX = 8 * 1024 * 1024;
/** Synchronous tasks run in a row for this long before the event loop has a turn. */
const TURN_MS = 5;

/** Tasks behind one that has been waiting for this long go back to their submitters. */
const HAND_BACK_MS = 10;

/** Decoding arguments for longer gives the event loop a turn before user code runs: to hear that it was cancelled. */
const SLOW_DECODE_MS = 10;

const NOTHING = (): void => {};
const NO_BYTES = new Uint8Array(0);

/** See the module's header. */
export class Executor implements BlockingObserver {
  readonly #core: CoreWorker;
  readonly #context: ExecutionContext;
  readonly #devices: VisibleDevices | null;
  readonly #queue: Deque<WorkItem> = new Deque();
  readonly #scratch = new ByteWriter();
  readonly #replies = new ReplyBatch();
  readonly #items: ItemRunner;
  readonly inputs: ItemInputs;
  /** Told once that it has run some function as often as it may, and takes no more. */
  onRetired: () => void = NOTHING;
  #hasRetired = false;
  readonly #cancels: RunningCancels;
  readonly #limits = new RunLimits();
  /** When the event loop last had a turn. */
  #turnMs = 0;
  #running = 0;
  #draining = false;
  #blocked = 0;
  #toldBlocked = false;
  /** A task waits for something: what is in the queue is behind it. */
  #isBehind = false;
  #handBackTimer: ReturnType<typeof setTimeout> | null = null;
  #whenIdle: (() => void)[] = [];

  /** `exit` ends this process. */
  constructor(
    core: CoreWorker,
    context: ExecutionContext,
    devices: VisibleDevices | null,
    exit: () => void,
  ) {
    this.#core = core;
    this.#context = context;
    this.#devices = devices;
    this.#items = new ItemRunner(core, context, this.#replies, () => this.enter());
    this.inputs = new ItemInputs(core);
    this.#cancels = new RunningCancels({ core, context, exit, answer: (item) => this.#answerEarly(item) });
  }

  get actor(): HostedActor | null {
    return this.inputs.actor;
  }

  /** From now on this worker is this actor. */
  host(actor: HostedActor): void {
    this.inputs.actor = actor;
    if (actor.maxConcurrency > 1) this.#context.interleave();
  }

  /** It has run some function as often as it may (maxCalls): it takes no more, and ends when it can. */
  get isRetired(): boolean {
    return this.#limits.isReached;
  }

  receive(items: readonly WorkItem[]): void {
    if (this.isRetired) return this.#handBack(items);
    if (this.#blocked > 0 && this.inputs.actor === null) return this.#handBack(items);
    for (const item of items) this.#queue.push(item);
    if (!this.#draining) void this.#drain();
    else if (this.#isBehind) this.#handBackSoon();
  }

  /** A caller is gone: nobody waits for its tasks. What runs is run to its end. */
  forget(caller: Caller): void {
    this.#queue.removeWhere((item) => item.caller === caller);
    this.#replies.forget(caller);
  }

  /** A caller wants these to end. Those that are not known have ended, or were handed back. */
  cancel(caller: Caller, order: CancelOrder): void {
    const sequences = new Set(order.sequences);
    const unstarted = this.#queue.removeWhere((item) =>
      item.caller === caller && sequences.has(item.sequence)
    );
    const head = { startMs: Date.now(), runUs: 0, status: ReplyStatus.cancelled };
    for (const { sequence } of unstarted) this.#replies.add(caller, { sequence, ...head }, NO_BYTES);
    this.#cancels.cancel(caller, sequences, order);
    this.flush();
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
    if (context === null || this.inputs.actor !== null) return NOTHING;
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
    for (const [caller, sequences] of byCaller) caller.handBack(sequences, this.isRetired);
  }

  #currentCaller: Caller | null = null;

  /** Send all replies that wait. */
  flush(): void {
    this.#replies.flush();
  }

  // ---- running -------------------------------------------------------------------------------------------------------------

  async #drain(): Promise<void> {
    this.#draining = true;
    const limit = this.inputs.actor?.maxConcurrency ?? 1;
    this.#turnMs = performance.now();
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
          this.#turnMs = performance.now();
        } else {
          void waiting.then(() => {
            if (!this.#draining) void this.#drain();
          });
        }
      }
      if (performance.now() - this.#turnMs > TURN_MS) {
        this.flush();
        await new Promise((resolve) => setImmediate(resolve));
        this.#turnMs = performance.now();
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
    if (this.inputs.actor !== null) return await waiting;
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
    if (this.#devices !== null) this.#devices.show(this.inputs.assignedTo(item).gpuIds);
    const code = this.inputs.callableOf(item);
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
    this.#cancels.begin(item);
    try {
      code = await this.inputs.loadCallable(item);
      this.#turnMs = performance.now();
      values = await this.inputs.loadArguments(item);
    } catch (error) {
      this.#cancels.end(item);
      if (item.cancelled) return await this.#answerCancelled(item, performance.now()) ?? undefined;
      if (isLoadFailure(error)) return await this.#failed(item, error, performance.now()) ?? undefined;
      const head = { startMs: Date.now(), runUs: 0, status: ReplyStatus.systemError };
      return await this.#answer(item, head, this.#core.codec.encodeError(error)) ?? undefined;
    }
    return await this.#callIfWanted(item, code, values);
  }

  /** After a turn of the event loop, unless it was cancelled meanwhile. */
  async #callIfWanted(item: WorkItem, code: Callable, values: unknown[]): Promise<void> {
    this.#cancels.begin(item);
    if (performance.now() - this.#turnMs > SLOW_DECODE_MS) {
      // Two: what came in is read between them.
      for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
    this.#cancels.end(item);
    this.#turnMs = performance.now();
    const waiting = item.cancelled
      ? this.#answerCancelled(item, performance.now())
      : this.#call(item, code, values);
    if (waiting !== null) await waiting;
  }

  #call(item: WorkItem, code: Callable, values: unknown[]): Promise<void> | null {
    const startMs = performance.now();
    if (startMs - this.#turnMs > TURN_MS + SLOW_DECODE_MS) return this.#callIfWanted(item, code, values);
    const context = this.inputs.contextOf(item);
    if (item.target !== null && item.target.maxCalls > 0) this.#limits.started(item.target);
    item.context = context;
    let result: unknown;
    let isAsync: boolean;
    try {
      this.#currentCaller = item.caller;
      result = this.#context.run(context, () => code(...values));
      if (item.items !== null) return this.#settle(item, this.#items.run(item, context, result), startMs);
      isAsync = isThenable(result); // Runs user code where `then` is a getter.
    } catch (error) {
      return this.#failed(item, error, startMs);
    }
    if (isAsync) return this.#settle(item, result as PromiseLike<unknown>, startMs);
    return this.#finish(item, result, startMs);
  }

  async #settle(item: WorkItem, promise: PromiseLike<unknown>, startMs: number): Promise<void> {
    let result: unknown;
    this.#cancels.begin(item);
    try {
      result = await promise;
    } catch (error) {
      this.#cancels.end(item);
      return await this.#failed(item, error, startMs) ?? undefined;
    }
    this.#cancels.end(item);
    const waiting = this.#finish(item, result, startMs);
    if (waiting !== null) await waiting;
  }

  /** Reply with a result. Null when it went out; else its end. */
  #finish(item: WorkItem, result: unknown, startMs: number): Promise<void> | null {
    // What a cancelled call of an actor gives is nobody's, and a cancelled generator has not come to its end.
    if (item.cancelled && (item.target === null || item.items !== null)) {
      return this.#answerCancelled(item, startMs);
    }
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
    return this.#core.store.write(returnId(this.inputs.taskIdOf(item), index), encoded, {
      home: item.caller.node,
      owner: item.caller.id,
      isError: false,
      contains: encoded.refs,
      producer: this.inputs.nameOf(item),
    });
  }

  /** Reply with what user code threw. Null when it went out; else its end. */
  #failed(item: WorkItem, thrown: unknown, startMs: number): Promise<void> | null {
    if (this.#cancels.isCancellation(item, thrown)) return this.#answerCancelled(item, startMs);
    const runUs = Math.round((performance.now() - startMs) * 1000);
    const fields = {
      taskName: this.inputs.nameOf(item),
      taskId: this.inputs.taskIdOf(item),
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
    const head = { startMs: epochMs(startMs), runUs, status: ReplyStatus.error };
    return this.#answer(item, head, this.#core.codec.encodeError(error));
  }

  #answerCancelled(item: WorkItem, startMs: number): Promise<void> | null {
    const runUs = Math.round((performance.now() - startMs) * 1000);
    return this.#answer(item, { startMs: epochMs(startMs), runUs, status: ReplyStatus.cancelled }, NO_BYTES);
  }

  /** A task that failed may have taken over refs too: their lender must not hear of its end before they are counted. */
  #answer(item: WorkItem, head: Omit<ReplyHead, "sequence">, bytes: Uint8Array): Promise<void> | null {
    const reply = (): void => {
      const { sequence, caller } = item;
      if (!item.answered) this.#replies.add(caller, { sequence, ...head }, bytes);
      this.#done();
    };
    const { link } = this.#core;
    if (link.hasUnconfirmedHolds) return link.confirmHolds().then(reply, reply);
    reply();
    return null;
  }

  /** It was cancelled, and goes on all the same: its caller need not wait for it. */
  #answerEarly(item: WorkItem): void {
    item.answered = true;
    const { sequence, caller } = item;
    const head = { sequence, startMs: Date.now(), runUs: 0, status: ReplyStatus.cancelled };
    this.#replies.add(caller, head, NO_BYTES);
    this.flush();
  }

  #done(): void {
    this.#running--;
    if (this.#blocked > 0) this.#unblock(this.#context.current!);
    if (this.#limits.isReached) this.#retire();
    this.#currentCaller = null;
    if (this.inputs.actor === null) this.#core.itemCalls.leaveStreams();
    this.#context.leave();
    if (this.#running === 0 && this.#queue.length === 0) {
      this.flush();
      for (const resolve of this.#whenIdle.splice(0)) resolve();
    } else if (!this.#draining) void this.#drain();
  }

  /** What was not started runs elsewhere; results leave first. */
  #retire(): void {
    this.flush();
    if (!this.#hasRetired) this.onRetired();
    this.#hasRetired = true;
    const unstarted = [...this.#queue];
    this.#queue.clear();
    this.#handBack(unstarted);
  }
}

function epochMs(atMs: number): number {
  return performance.timeOrigin + atMs;
}
