/**
 * The verbs on objects: get, put, wait, asCompleted, mapTasks, release.
 * @module
 */
import { Deque } from "../common/deque.ts";
import { checkKnownOptions } from "../common/options.ts";
import type {
  ActorHandle,
  GetOptions,
  ObjectRef,
  ObjectRefStream,
  RefOr,
  RemoteFunction,
} from "../common/public_types.ts";
import { isActorHandle } from "../io/core_worker/actor_handle.ts";
import { currentCoreWorker, requireCoreWorker } from "../io/core_worker/current.ts";
import { type Entry, newRound } from "../io/core_worker/entry.ts";
import { entriesOf, entryOf, isObjectRef } from "../io/core_worker/object_ref.ts";
import { isStream, streamOf } from "../io/core_worker/object_ref_stream.ts";
import { stayAwake } from "../io/core_worker/stay_awake.ts";
import { hold, letGo } from "../io/core_worker/process_hold.ts";
import { cancel } from "./cancel.ts";
import { checkIterable } from "./check_iterable.ts";
import { keepAlive } from "./keep_alive.ts";

// deno-lint-ignore no-explicit-any -- refs of any type
type AnyRef = ObjectRef<any>;
type Values<R extends readonly AnyRef[]> = {
  -readonly [K in keyof R]: R[K] extends ObjectRef<infer T> ? T : never;
};

/**
 * The value of a ref, or of several in order; the first failure that is known rejects at once. Typed arrays come back as
 * views over shared memory where the runtime can map it: each with a buffer of its own (byteOffset 0), writable, and what
 * is written stays private to the reader.
 * @throws {TaskError} what the task threw; also an instance of the user's error class.
 * @throws {GetTimeoutError} after `timeoutMs`; the task goes on.
 */
export function get<T>(ref: ObjectRef<T>, options?: GetOptions): Promise<T>;
export function get<const R extends readonly AnyRef[]>(refs: R, options?: GetOptions): Promise<Values<R>>;
export function get(refs: unknown, options?: GetOptions): Promise<unknown> {
  try {
    if (options !== undefined) checkGetOptions(options);
    if (isObjectRef(refs)) return getOne(entryHere(refs, "get()'s argument"), options);
    if (!Array.isArray(refs)) {
      const what = isStream(refs) ? "a stream: read it with `for await`" : describe(refs);
      throw new TypeError(`get() takes a ref or an array of refs, not ${what}`);
    }
    const entries = entriesHere(refs, "get(): refs");
    return keepAlive(requireCoreWorker().objects.getMany(entries, options));
  } catch (error) {
    return Promise.reject(error);
  }
}

/** The entry of a ref of the cluster that this process is in. */
function entryHere(ref: unknown, what: string): Entry {
  return entryOf(ref, what, currentCoreWorker()?.objects ?? null);
}

function entriesHere(refs: readonly unknown[], what: string): Entry[] {
  return entriesOf(refs, what, currentCoreWorker()?.objects ?? null);
}

/** The same with streams among them: what stands for the next item or the end of each. */
function waitedFor(held: readonly unknown[], what: string): Entry[] {
  if (!held.some(isStream)) return entriesHere(held, what);
  return held.map((one, index) =>
    isStream(one) ? streamOf(one, currentCoreWorker()).next() : entryHere(one, `${what}[${index}]`)
  );
}

/** The way of most gets, with as few promises as it can have: one task's result, awaited without a time limit. */
function getOne(entry: Entry, options: GetOptions | undefined): Promise<unknown> {
  if (entry.state === "value") return Promise.resolve(entry.payload);
  const { objects } = requireCoreWorker();
  if (!entry.isPending || options !== undefined) return keepAlive(objects.getOne(entry, options));
  return new Promise((resolve, reject) => {
    hold();
    stayAwake();
    objects.whenSettled(entry, () => {
      letGo();
      if (entry.state === "value") return resolve(entry.payload);
      if (entry.state === "bytes") {
        try {
          return resolve(objects.here(entry));
        } catch {
          // It says why below, or loads a missing codec.
        }
      }
      keepAlive(objects.getOne(entry, undefined)).then(resolve, reject);
    });
  });
}

/**
 * Store a value; the ref is this process's. The value is copied by the time that this resolves: later changes to it are not
 * seen.
 * @throws {TypeError} with the path of what cannot travel (a function, a symbol, an unregistered class).
 * @throws {ObjectStoreFullError} when it does not fit.
 */
export async function put<T>(value: T): Promise<ObjectRef<T>> {
  return await keepAlive(requireCoreWorker().puts.put(value)) as ObjectRef<T>;
}

/**
 * Which refs are ready: at most `numReturns` (default 1), as soon as there are so many, or what is ready at the timeout. A
 * failed task is ready; a stream is when it has a next item or has ended. Answers the very ref objects that it was given, in their order.
 * @throws {TypeError | RangeError} for anything but an array of distinct refs, and for numReturns outside 1..length.
 */
// deno-lint-ignore no-explicit-any -- streams of any type
export async function wait<R extends AnyRef | ObjectRefStream<any>>(
  refs: readonly R[],
  options: GetOptions & { numReturns?: number; fetchLocal?: boolean } = {},
): Promise<[ready: R[], remaining: R[]]> {
  if (!Array.isArray(refs)) throw new TypeError(`wait() takes an array of refs, not ${describe(refs)}`);
  checkGetOptions(options, WAIT_OPTIONS);
  const { numReturns = 1, fetchLocal = true } = options;
  if (typeof fetchLocal !== "boolean") {
    throw new TypeError(`Option fetchLocal must be a boolean, is ${describe(fetchLocal)}`);
  }
  const entries = waitedFor(refs, "wait(): refs");
  const round = newRound();
  for (const entry of entries) {
    if (entry.seenIn(round)) throw new RangeError("wait() takes distinct refs; one is there twice");
  }
  if (refs.length === 0) return [[], []];
  checkInteger("numReturns", numReturns);
  if (numReturns < 1 || numReturns > refs.length) {
    throw new RangeError(
      `Option numReturns must be an integer from 1 to ${refs.length} (the number of refs), is ${numReturns}`,
    );
  }
  const found = await keepAlive(requireCoreWorker().objects.wait(entries, numReturns, fetchLocal, options));
  return [found.map((index) => refs[index]!), without(refs, found)];
}

/** All but those at `indices` (ascending). Fast for one: a loop that waits comes here with all that are left each time. */
function without<R>(refs: readonly R[], indices: readonly number[]): R[] {
  const rest = refs.slice();
  if (indices.length === 1) rest.splice(indices[0]!, 1);
  if (indices.length <= 1) return rest;
  let next = 0;
  return rest.filter((_, index) => {
    if (index !== indices[next]) return true;
    next++;
    return false;
  });
}

/** The refs in the order in which they finish, failed ones included: get(ref) is then immediate. */
export async function* asCompleted<T>(refs: Iterable<ObjectRef<T>>): AsyncIterableIterator<ObjectRef<T>> {
  checkIterable(refs, "asCompleted(): refs");
  const all = [...refs];
  const entries = entriesHere(all, "asCompleted(): refs");
  const { objects } = requireCoreWorker();
  const finished: Deque<ObjectRef<T>> = new Deque();
  let wake: (() => void) | null = null;
  const stop = objects.watch(entries, (index) => {
    finished.push(all[index]!);
    wake?.();
  });
  try {
    for (let left = all.length; left > 0; left--) {
      if (finished.length === 0) await keepAlive(new Promise<void>((resolve) => wake = resolve));
      yield finished.shift()!;
    }
  } finally {
    stop();
  }
}

/** Tasks that mapTasks has under way unless told otherwise. */
const MAP_IN_FLIGHT = 1_000;

/**
 * Map over inputs with at most `maxInFlight` (default 1,000) tasks at once; values in input order. The first failure stops
 * it, cancels the rest and throws: at once where a value would have to be waited for. Leaving the loop early cancels the rest
 * too.
 */
export async function* mapTasks<A, R>(
  fn: RemoteFunction<(input: A) => R>,
  inputs: Iterable<RefOr<A>> | AsyncIterable<RefOr<A>>,
  options: { maxInFlight?: number } = {},
): AsyncIterableIterator<Awaited<R>> {
  checkKnownOptions(options, ["maxInFlight"]);
  const { maxInFlight = MAP_IN_FLIGHT } = options;
  checkInteger("maxInFlight", maxInFlight);
  if (maxInFlight < 1) {
    throw new RangeError(`Option maxInFlight must be an integer of at least 1, is ${maxInFlight}`);
  }
  if (typeof fn?.remote !== "function") {
    throw new TypeError(`mapTasks() takes a remote function, not ${describe(fn)}: remote(fn) makes one`);
  }
  checkIterable(inputs, "mapTasks(): inputs", true);
  const pending = new MappedTasks();
  try {
    for await (const input of inputs as AsyncIterable<RefOr<A>>) {
      pending.add(fn.remote(input as never) as AnyRef);
      if (pending.size >= maxInFlight) yield await pending.next() as Awaited<R>;
    }
    while (pending.size > 0) yield await pending.next() as Awaited<R>;
  } finally {
    pending.cancel();
  }
}

/** The tasks that mapTasks has under way, in order. */
class MappedTasks {
  readonly #pending: Deque<{ readonly ref: AnyRef; readonly entry: Entry }> = new Deque();
  /** Rejects as the first task that failed. */
  readonly #failure = Promise.withResolvers<never>();

  constructor() {
    this.#failure.promise.catch(() => undefined); // Heard by those that wait.
  }

  get size(): number {
    return this.#pending.length;
  }

  add(ref: AnyRef): void {
    if (!isObjectRef(ref)) {
      throw new TypeError("mapTasks() takes functions with one result: no generators, and numReturns 1");
    }
    const entry = entryHere(ref, "the task");
    this.#pending.push({ ref, entry });
    if (!entry.isPending) return;
    entry.onSettled({
      entrySettled: () => {
        if (entry.state !== "error" || entry.released) return;
        requireCoreWorker().objects.getOne(entry, undefined).catch(this.#failure.reject);
      },
    });
  }

  /** The first one's value. */
  async next(): Promise<unknown> {
    const { ref, entry } = this.#pending.shift()!;
    try {
      return entry.isPending ? await Promise.race([get(ref), this.#failure.promise]) : await get(ref);
    } catch (error) {
      await cancel(ref);
      throw error;
    } finally {
      ref.release();
    }
  }

  cancel(): void {
    for (const { ref } of this.#pending) {
      // It resolves at once: the ref is this process's own.
      void cancel(ref);
      ref.release();
    }
    this.#pending.clear();
  }
}

/** Drop a ref, stream or handle now; idempotent. Finalizers do the same, late. */
// deno-lint-ignore no-explicit-any -- refs and handles of any type
export function release(held: ObjectRef<any> | ObjectRefStream<any> | ActorHandle<any>): void {
  if (isObjectRef(held) || isStream(held)) held.release();
  else if (isActorHandle(held)) held[Symbol.dispose]();
  else throw new TypeError(`release() takes a ref, a stream or an actor handle, not ${describe(held)}`);
}

const GET_OPTIONS: readonly string[] = ["timeoutMs", "signal"];
const WAIT_OPTIONS: readonly string[] = [...GET_OPTIONS, "numReturns", "fetchLocal"];

function checkGetOptions(options: GetOptions | undefined, known: readonly string[] = GET_OPTIONS): void {
  if (options === undefined) return;
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`Options must be an object, not ${describe(options)}`);
  }
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw new TypeError(`Unknown option ${name}; known: ${known.join(", ")}`);
  }
  const { timeoutMs, signal } = options;
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError(`Option signal must be an AbortSignal, is ${describe(signal)}`);
  }
  if (timeoutMs === undefined) return;
  if (typeof timeoutMs !== "number" || Number.isNaN(timeoutMs)) {
    throw new TypeError(`Option timeoutMs must be a number of milliseconds, is ${describe(timeoutMs)}`);
  }
  if (timeoutMs < 0) throw new RangeError(`Option timeoutMs must be at least 0, is ${timeoutMs}`);
}

function checkInteger(name: string, value: unknown): void {
  if (!Number.isInteger(value)) {
    throw new TypeError(
      `Option ${name} must be an integer, is ${typeof value === "number" ? value : describe(value)}`,
    );
  }
}

function describe(value: unknown): string {
  return value === null ? "null" : Array.isArray(value) ? "an array" : typeof value;
}
