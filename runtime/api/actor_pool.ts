/**
 * ActorPool: work for several actors alike, each with one piece at a time.
 * @module
 */
import { Deque } from "../common/deque.ts";
import { GetTimeoutError, MobulaError } from "../common/errors.ts";
import { checkKnownOptions } from "../common/options.ts";
import type { ActorHandle, ObjectRef } from "../common/public_types.ts";
import { isActorHandle } from "../io/core_worker/actor_handle.ts";
import { currentCoreWorker } from "../io/core_worker/current.ts";
import { checkTimeout } from "../io/core_worker/library/library_calls.ts";
import { entryOf, isObjectRef } from "../io/core_worker/object_ref.ts";
import { checkIterable } from "./check_iterable.ts";
import { keepAlive } from "./keep_alive.ts";
import { get } from "./objects.ts";

type Work<T, V, R> = (actor: ActorHandle<T>, value: V) => ObjectRef<R>;

/** Options of ActorPool.getNext() and getNextUnordered(). */
export interface NextOptions {
  /** GetTimeoutError after this long; 0: what is there now. Default: wait without end. */
  timeoutMs?: number;
  /** At the timeout, give this result up: the next call asks for the one after it. Default false: it stays the next. */
  ignoreIfTimedOut?: boolean;
}

/** Entries of a list that are of no use any more, beyond as many as are of use. */
const STALE_MAX = 64;

/** One piece of work, from submit() until its result was taken. */
class Job<T> {
  readonly start: (actor: ActorHandle<T>) => ObjectRef<unknown>;
  readonly finished: PromiseWithResolvers<void> = Promise.withResolvers();
  ref: ObjectRef<unknown> | null = null;
  /** Starting it threw. */
  failure: { readonly error: unknown } | null = null;
  isFinished = false;
  /** Somebody takes its result, or nobody ever will. */
  isClaimed = false;
  isDropped = false;

  constructor(start: (actor: ActorHandle<T>) => ObjectRef<unknown>) {
    this.start = start;
  }

  async value(): Promise<unknown> {
    if (this.failure !== null) throw this.failure.error;
    try {
      return await get(this.ref!);
    } finally {
      this.ref!.release();
    }
  }

  drop(): void {
    this.isClaimed = true;
    this.isDropped = true;
    if (this.isFinished) this.ref?.release();
  }
}

/**
 * A pool of actors that are used alike. `fn` calls one of them with a value: `(actor, value) => actor.double.remote(value)`.
 * An actor has one piece of work at a time and takes the next as soon as it is done, whatever becomes of the result; a
 * failure leaves its actor in the pool. The pool itself is this process's own.
 */
export class ActorPool<T> {
  readonly #idle: Deque<ActorHandle<T>> = new Deque();
  /** Submitted, and no actor was free. */
  readonly #queued: Deque<Job<T>> = new Deque();
  /** Results that nobody took: in the order of submit(), and of those that are there in the order of their ends. */
  readonly #ordered: Deque<Job<T>> = new Deque();
  readonly #ended: Deque<Job<T>> = new Deque();
  readonly #wanting: Deque<(job: Job<T>) => void> = new Deque();
  #actors = 0;
  #unclaimed = 0;
  #isUnordered = false;

  /** @throws {TypeError} for anything but actor handles. */
  constructor(actors: Iterable<ActorHandle<T>>) {
    checkIterable(actors, "ActorPool: actors");
    for (const actor of actors) this.push(actor);
  }

  /** Give `fn` and a value to the next actor that is free; its result is for getNext() or getNextUnordered(). */
  submit<V, R>(fn: Work<T, V, R>, value: V): void {
    this.#ordered.push(this.#submit(fn, value));
    this.#unclaimed++;
  }

  /** Whether results are left to take. */
  hasNext(): boolean {
    return this.#unclaimed > 0;
  }

  /**
   * The next result in the order of submit(); rejects as its call failed.
   * @throws {MobulaError} with the code "NoMoreResults" when there is none left.
   * @throws {RangeError} after getNextUnordered(), until all results were taken: an order is left no more.
   * @throws {GetTimeoutError} at the timeout; the result stays the next, unless `ignoreIfTimedOut`.
   */
  async getNext<R = unknown>(options: NextOptions = {}): Promise<R> {
    checkNextOptions(options);
    if (!this.hasNext()) throw noMoreResults();
    if (this.#isUnordered) {
      throw new RangeError("getNext() after getNextUnordered(): take what is left unordered too");
    }
    let job = this.#ordered.shift()!;
    while (job.isClaimed) job = this.#ordered.shift()!;
    this.#claim(job);
    try {
      await within(job.finished.promise, options.timeoutMs);
    } catch (error) {
      if (options.ignoreIfTimedOut === true) job.drop();
      else {
        this.#unclaim(job);
        this.#ordered.unshift(job);
      }
      throw error;
    }
    return await job.value() as R;
  }

  /** The next result, whichever is there first; else as getNext(). */
  async getNextUnordered<R = unknown>(options: NextOptions = {}): Promise<R> {
    checkNextOptions(options);
    if (!this.hasNext()) throw noMoreResults();
    this.#isUnordered = true;
    let job = this.#ended.shift();
    while (job?.isClaimed) job = this.#ended.shift();
    if (job === undefined) job = await this.#nextEnd(options);
    else this.#claim(job);
    return await job.value() as R;
  }

  async #nextEnd({ timeoutMs, ignoreIfTimedOut = false }: NextOptions): Promise<Job<T>> {
    const next = Promise.withResolvers<Job<T>>();
    this.#wanting.push(next.resolve);
    try {
      return await within(next.promise, timeoutMs);
    } catch (error) {
      this.#wanting.removeWhere((want) => want === next.resolve);
      if (ignoreIfTimedOut) {
        let job = this.#ordered.shift();
        while (job?.isClaimed) job = this.#ordered.shift();
        if (job !== undefined) {
          this.#claim(job);
          job.drop();
        }
      }
      throw error;
    }
  }

  /**
   * Results of `fn` for all values, in their order. Values are read as actors become free. Earlier submissions' results are
   * dropped (as in Ray). The first failure stops it and throws; leaving the loop early stops it too: what has begun runs on.
   */
  async *map<V, R>(fn: Work<T, V, R>, values: Iterable<V>): AsyncIterableIterator<R> {
    checkIterable(values, "ActorPool: values");
    this.#dropAll();
    const jobs: Deque<Job<T>> = new Deque();
    try {
      for (const value of values) {
        jobs.push(this.#submitOwn(fn, value));
        if (jobs.length >= this.#window) yield await this.#first(jobs) as R;
      }
      while (jobs.length > 0) yield await this.#first(jobs) as R;
    } finally {
      this.#cancel(jobs);
    }
  }

  /** The same, in the order in which they are there. */
  async *mapUnordered<V, R>(fn: Work<T, V, R>, values: Iterable<V>): AsyncIterableIterator<R> {
    checkIterable(values, "ActorPool: values");
    this.#dropAll();
    const jobs = new Set<Job<T>>();
    const ended: Deque<Job<T>> = new Deque();
    let wake: (() => void) | null = null;
    const next = async (): Promise<R> => {
      if (ended.length === 0) await keepAlive(new Promise<void>((resolve) => wake = resolve));
      const job = ended.shift()!;
      jobs.delete(job);
      return await job.value() as R;
    };
    try {
      for (const value of values) {
        const job = this.#submitOwn(fn, value);
        jobs.add(job);
        void job.finished.promise.then(() => {
          ended.push(job);
          wake?.();
        });
        if (jobs.size >= this.#window) yield await next();
      }
      while (jobs.size > 0) yield await next();
    } finally {
      this.#cancel(jobs);
    }
  }

  /** Whether an actor is free. */
  hasFree(): boolean {
    return this.#idle.length > 0;
  }

  /** Add an actor, which takes what waits. */
  push(actor: ActorHandle<T>): void {
    if (!isActorHandle(actor)) throw new TypeError("An ActorPool is made of actor handles");
    this.#actors++;
    this.#free(actor);
  }

  /** Take a free actor out of the pool; undefined when none is free. */
  popIdle(): ActorHandle<T> | undefined {
    const actor = this.#idle.shift();
    if (actor !== undefined) this.#actors--;
    return actor;
  }

  /** What a map has submitted and not given: enough that no actor waits for its reader. */
  get #window(): number {
    return Math.max(1, 2 * this.#actors);
  }

  #submit<V, R>(fn: Work<T, V, R>, value: V): Job<T> {
    if (typeof fn !== "function") {
      throw new TypeError("ActorPool: fn must be a function (actor, value) => ref");
    }
    if (this.#actors === 0) throw new RangeError("The pool has no actors");
    const job = new Job<T>((actor) => fn(actor, value));
    const actor = this.#idle.shift();
    if (actor === undefined) this.#queued.push(job);
    else this.#start(job, actor);
    return job;
  }

  #submitOwn<V, R>(fn: Work<T, V, R>, value: V): Job<T> {
    const job = this.#submit(fn, value);
    job.isClaimed = true;
    return job;
  }

  #start(job: Job<T>, actor: ActorHandle<T>): void {
    try {
      const ref = job.start(actor);
      if (!isObjectRef(ref)) throw new TypeError("ActorPool: fn must return the ref of its call");
      job.ref = ref as ObjectRef<unknown>;
      const entry = entryOf(ref, "the call", currentCoreWorker()?.objects ?? null);
      if (entry.isPending) entry.onSettled({ entrySettled: () => this.#finished(job, actor) });
      else queueMicrotask(() => this.#finished(job, actor));
    } catch (error) {
      job.failure = { error };
      queueMicrotask(() => this.#finished(job, actor));
    }
  }

  #finished(job: Job<T>, actor: ActorHandle<T>): void {
    job.isFinished = true;
    job.finished.resolve();
    if (job.isDropped) job.ref?.release();
    else if (!job.isClaimed) this.#offer(job);
    this.#free(actor);
  }

  /** It is there, for whoever takes the next one. */
  #offer(job: Job<T>): void {
    const want = this.#wanting.shift();
    if (want === undefined) return this.#ended.push(job);
    this.#claim(job);
    want(job);
  }

  #free(actor: ActorHandle<T>): void {
    const job = this.#queued.shift();
    if (job === undefined) this.#idle.push(actor);
    else this.#start(job, actor);
  }

  #claim(job: Job<T>): void {
    job.isClaimed = true;
    if (--this.#unclaimed === 0) this.#isUnordered = false;
    // What is taken from one list is still in the other.
    for (const list of [this.#ordered, this.#ended]) {
      if (list.length > 2 * this.#unclaimed + STALE_MAX) list.removeWhere((one) => one.isClaimed);
    }
  }

  #unclaim(job: Job<T>): void {
    job.isClaimed = false;
    this.#unclaimed++;
    if (job.isFinished) this.#offer(job); // It ended in the meantime.
  }

  async #first(jobs: Deque<Job<T>>): Promise<unknown> {
    const job = jobs.shift()!;
    await keepAlive(job.finished.promise);
    return await job.value();
  }

  /** What was submitted before a map. */
  #dropAll(): void {
    this.#cancel([...this.#ordered].filter((job) => !job.isClaimed));
    this.#ordered.clear();
    this.#ended.clear();
    this.#unclaimed = 0;
    this.#isUnordered = false;
  }

  /** What has not begun never does, what has begun is nobody's. */
  #cancel(jobs: Iterable<Job<T>>): void {
    for (const job of jobs) job.drop();
    this.#queued.removeWhere((job) => job.isDropped);
  }

  get [Symbol.toStringTag](): string {
    return "ActorPool";
  }
}

function noMoreResults(): Error {
  return new MobulaError("The pool has no more results: everything submitted was taken", {
    code: "NoMoreResults",
  });
}

function checkNextOptions(options: NextOptions): void {
  checkKnownOptions(options, ["timeoutMs", "ignoreIfTimedOut"]);
  checkTimeout(options.timeoutMs);
  const { ignoreIfTimedOut } = options;
  if (ignoreIfTimedOut !== undefined && typeof ignoreIfTimedOut !== "boolean") {
    throw new TypeError(`Option ignoreIfTimedOut must be a boolean, is ${typeof ignoreIfTimedOut}`);
  }
}

/** @throws {GetTimeoutError} */
async function within<R>(promise: Promise<R>, timeoutMs: number | undefined): Promise<R> {
  if (timeoutMs === undefined || timeoutMs === Infinity) return await keepAlive(promise);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    const error = new GetTimeoutError(`No result of the pool was ready within ${timeoutMs} ms`);
    timer = setTimeout(() => reject(error), Math.min(timeoutMs, 2 ** 31 - 1));
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
