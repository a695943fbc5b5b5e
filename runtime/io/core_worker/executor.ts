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
 *   3 With what it gave or threw (answers.ts).
 *   4 The running task waits in get or wait, or the worker has run as often as it may (maxCalls): what was not started goes
 *     back to its submitter. Cancelled tasks are answered without running (what runs: running_cancels.ts).
 * @module
 */
import { isLoadFailure } from "../code_bundle/bundle_loader.ts";
import { Deque } from "../../common/deque.ts";
import { CallLanes } from "../../core/worker/call_lanes.ts";
import type { CancelOrder } from "../../protocol/push.ts";
import { Answers } from "./answers.ts";
import { readArguments } from "./arguments.ts";
import { CallMeter } from "./call_meter.ts";
import type { Caller } from "./caller.ts";
import type { CoreWorker } from "./core_worker.ts";
import type { ExecutionContext, TaskContext } from "./execution_context.ts";
import { isThenable, ItemInputs } from "./item_inputs.ts";
import { ItemRunner } from "./item_runner.ts";
import type { BlockingObserver } from "./objects.ts";
import { ReplyBatch } from "./reply_batch.ts";
import { RunLimits } from "./run_limits.ts";
import { RunningCancels } from "./running_cancels.ts";
import type { Callable, HostedActor, WorkItem } from "./work_item.ts";
import type { VisibleDevices } from "./visible_devices.ts";

/** Synchronous tasks run in a row for this long before the event loop has a turn. */
const TURN_MS = 5;

/** Tasks behind one that has been waiting for this long go back to their submitters. */
const HAND_BACK_MS = 10;

/** Decoding arguments for longer gives the event loop a turn before user code runs: to hear that it was cancelled. */
const SLOW_DECODE_MS = 10;

const NOTHING = (): void => {};

/** See the module's header. */
export class Executor implements BlockingObserver {
  readonly #core: CoreWorker;
  readonly #context: ExecutionContext;
  readonly #devices: VisibleDevices | null;
  readonly #queue: Deque<WorkItem> = new Deque();
  /** Of an actor with concurrency groups: what may not begin yet waits there. */
  #lanes: CallLanes<WorkItem> | null = null;
  /** Of a dedicated actor. */
  #meter: CallMeter | null = null;
  readonly #replies: ReplyBatch;
  readonly #items: ItemRunner;
  readonly #answers: Answers;
  readonly inputs: ItemInputs;
  /** Told once that it has run some function as often as it may, and takes no more. */
  onRetired: () => void = NOTHING;
  /** Told each time that nothing runs or waits any more. */
  onIdle: () => void = NOTHING;
  #hasRetired = false;
  readonly #cancels: RunningCancels;
  readonly #limits = new RunLimits();
  /** When the event loop last had a turn. */
  #turnMs = 0;
  #running = 0;
  #draining = false;
  #isLeaving = false;
  #blocked = 0;
  #toldBlocked = false;
  /** A task waits for something: what is in the queue is behind it. */
  #isBehind = false;
  #handBackTimer: ReturnType<typeof setTimeout> | null = null;
  #whenIdle: (() => void)[] = [];

  /** `exit` ends this process. `replies`: of several executors that share their callers. */
  constructor(
    core: CoreWorker,
    context: ExecutionContext,
    devices: VisibleDevices | null,
    exit: () => void,
    replies: ReplyBatch = new ReplyBatch(),
  ) {
    this.#core = core;
    this.#replies = replies;
    this.#context = context;
    this.#devices = devices;
    this.#items = new ItemRunner(core, context, this.#replies, () => this.enter());
    this.inputs = new ItemInputs(core);
    this.#cancels = new RunningCancels({
      core,
      context,
      exit,
      answer: (item) => {
        this.#answers.early(item);
        this.flush();
      },
    });
    this.#answers = new Answers(core, this.inputs, this.#cancels, this.#replies, (item) => this.#done(item));
  }

  get actor(): HostedActor | null {
    return this.inputs.actor;
  }

  /** From now on this worker is this actor; or this executor is a light actor's, until it is idle. */
  host(actor: HostedActor): void {
    this.inputs.actor = actor;
    this.#isLeaving = false;
    const { maxConcurrency, concurrencyGroups: groups } = actor;
    this.#lanes = groups === undefined ? null : new CallLanes(maxConcurrency, groups);
    if (maxConcurrency > 1 || this.#lanes !== null) this.#context.interleave();
  }

  /** Tell how the calls of the actor that this process is fare. */
  measure(actor: HostedActor): void {
    this.#meter = new CallMeter(actor, {
      counts: () => ({
        waiting: this.#queue.length + (this.#lanes?.waiting ?? 0),
        running: this.#running,
        answered: this.#replies.answered,
        runUs: this.#replies.runUs,
      }),
      tell: (figures) => this.#core.link.notify("actorFigures", { figures: [figures] }),
    });
  }

  /** It has run some function as often as it may (maxCalls): it takes no more, and ends when it can. */
  get isRetired(): boolean {
    return this.#limits.isReached;
  }

  receive(items: readonly WorkItem[]): void {
    if (this.isRetired) return this.#handBack(items);
    if (this.#isLeaving) return; // Their callers hear that the actor is dead.
    this.#meter?.came();
    if (this.#blocked > 0 && this.inputs.actor === null) return this.#handBack(items);
    if (this.#lanes === null) { for (const item of items) this.#queue.push(item); }
    else for (const item of items) if (this.#lanes.add(item)) this.#queue.push(item);
    if (!this.#draining) void this.#drain();
    else if (this.#isBehind) this.#handBackSoon();
  }

  /** A caller is gone: nobody waits for its tasks. What runs is run to its end. */
  forget(caller: Caller): void {
    this.#take((item) => item.caller === caller);
    this.#replies.forget(caller);
  }

  /** A caller wants these to end. Those that are not known have ended, or were handed back. */
  cancel(caller: Caller, order: CancelOrder): void {
    const sequences = new Set(order.sequences);
    const unstarted = this.#take((item) => item.caller === caller && sequences.has(item.sequence));
    for (const item of unstarted) this.#answers.unstarted(item);
    this.#cancels.cancel(caller, sequences, order);
    this.flush();
  }

  /** The actor is gone while its process goes on: nothing more begins, and what runs has no caller any more. */
  abandon(reason: Error): void {
    this.#isLeaving = true;
    this.#take(() => true);
    this.#cancels.abandon(reason);
  }

  /** Remove what was not begun. */
  #take(predicate: (item: WorkItem) => boolean): WorkItem[] {
    const waiting = this.#lanes?.removeWhere(predicate) ?? [];
    const admitted = this.#queue.removeWhere(predicate);
    if (this.#lanes !== null) {
      for (const item of admitted) this.#admitNext(item);
      if (this.#queue.length > 0 && !this.#draining) void this.#drain();
    }
    return [...admitted, ...waiting];
  }

  /** One of a group has ended, or will not begin. */
  #admitNext(item: WorkItem): void {
    const next = this.#lanes!.ended(item);
    if (next !== null) this.#queue.push(next);
  }

  /** The actor ends: nothing more begins, and the call that is running now, if it was that which said so, gives nothing. */
  leave(): void {
    this.#isLeaving = true;
    this.#take(() => true);
    const { current } = this.#context;
    if (current === null) return;
    const item = this.#currentItem?.context === current ? this.#currentItem : this.#cancels.itemOf(current);
    if (item === null) return;
    // Its caller hears that the actor is dead, whatever it does now.
    item.cancelled = item.answered = true;
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
    const current = this.#currentItem?.caller;
    if (current !== undefined && !byCaller.has(current)) byCaller.set(current, []);
    for (const [caller, sequences] of byCaller) caller.handBack(sequences, this.isRetired);
  }

  /** What was begun last. */
  #currentItem: WorkItem | null = null;

  /** Send all replies that wait. */
  flush(): void {
    this.#replies.flush();
  }

  // ---- running -------------------------------------------------------------------------------------------------------------

  async #drain(): Promise<void> {
    this.#draining = true;
    // With groups, what is in the queue may begin.
    const limit = this.#lanes === null ? this.inputs.actor?.maxConcurrency ?? 1 : Infinity;
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
      this.onIdle();
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
    const done = this.inputs.actor?.durable?.find(item) ?? null;
    if (done !== null) return this.#answers.again(item, done.reply);
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
      if (item.cancelled) return await this.#answers.cancelled(item, performance.now()) ?? undefined;
      if (isLoadFailure(error)) {
        return await this.#answers.failed(item, error, performance.now()) ?? undefined;
      }
      return await this.#answers.notRun(item, error) ?? undefined;
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
      ? this.#answers.cancelled(item, performance.now())
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
      this.#currentItem = item;
      result = this.#context.run(context, () => code(...values));
      if (item.items !== null) return this.#settle(item, this.#items.run(item, context, result), startMs);
      isAsync = isThenable(result); // Runs user code where `then` is a getter.
    } catch (error) {
      return this.#answers.failed(item, error, startMs);
    }
    if (isAsync) return this.#settle(item, result as PromiseLike<unknown>, startMs);
    return this.#answers.finish(item, result, startMs);
  }

  async #settle(item: WorkItem, promise: PromiseLike<unknown>, startMs: number): Promise<void> {
    let result: unknown;
    this.#cancels.begin(item);
    try {
      result = await promise;
    } catch (error) {
      this.#cancels.end(item);
      return await this.#answers.failed(item, error, startMs) ?? undefined;
    }
    this.#cancels.end(item);
    const waiting = this.#answers.finish(item, result, startMs);
    if (waiting !== null) await waiting;
  }

  #done(item: WorkItem): void {
    this.#running--;
    if (this.#lanes !== null) this.#admitNext(item);
    if (this.#blocked > 0) this.#unblock(this.#context.current!);
    if (this.#limits.isReached) this.#retire();
    this.#currentItem = null;
    if (this.#core.itemCalls.hasStreams && this.inputs.actor === null) this.#core.itemCalls.leaveStreams();
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
