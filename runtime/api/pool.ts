/**
 * Pool: map a function over items in a fixed number of processes, as multiprocessing.Pool does.
 * @module
 */
import { Deque } from "../common/deque.ts";
import { MobulaError } from "../common/errors.ts";
import { checkKnownOptions } from "../common/options.ts";
import type { ActorHandle, AnyFunction, ObjectRef, RemoteFunction } from "../common/public_types.ts";
import { requireCoreWorker } from "../io/core_worker/current.ts";
import { checkCount, valueOf } from "../io/core_worker/library/library_calls.ts";
import { LibraryClass } from "../io/core_worker/library/library_class.ts";
import { PoolActor } from "../io/core_worker/library/pool_actor.ts";
import { makeRemote } from "../io/core_worker/make_remote.ts";
import { ANONYMOUS } from "../io/function_exporter_names.ts";
import { exportFunction } from "../io/function_exporter.ts";
import { checkIterable } from "./check_iterable.ts";
import { keepAlive } from "./keep_alive.ts";
import { clusterResources } from "./state.ts";

/** Options of a Pool. */
export interface PoolOptions {
  /** Worker processes. Default: as many as the cluster has CPUs, which is also the most. */
  processes?: number;
}

/** Options of Pool.map() and Pool.imap(). */
export interface PoolMapOptions {
  /** Items that one process takes at a time. Default: map() a quarter of its share, rounded up; imap() 1. */
  chunkSize?: number;
}

type Process = ActorHandle<PoolActor>;

/** Its processes hold no CPU, are made again when they die, and run one chunk after the other. */
const actorClass = new LibraryClass(PoolActor, "PoolProcess", [], { maxConcurrency: 1, maxRestarts: -1 });

/** Chunks at one process at a time: one that runs, one that is there when it is done. */
const CHUNKS_EACH = 2;

/** Chunks for each process, by default. */
const CHUNKS_PER_PROCESS = 4;

/**
 * A fixed number of processes that functions are mapped over items in. They hold no CPUs of the cluster, start when they are
 * first needed, and keep what modules hold from call to call. A process that dies fails the calls that it had (they may or
 * may not have run) and is replaced. It ends with terminate(), `await using`, or when nobody refers to it any more.
 */
export class Pool {
  readonly #wanted: number | null;
  #processes: Promise<Process[]> | null = null;
  #isTerminated = false;
  /** Chunks that each process has, over all maps. */
  readonly #load = new Map<Process, number>();

  /** @throws {TypeError | RangeError} for bad options. */
  constructor(options: PoolOptions = {}) {
    checkKnownOptions(options, ["processes"]);
    const { processes } = options;
    if (processes !== undefined) checkCount("Option processes", processes, 1);
    this.#wanted = processes ?? null;
  }

  /**
   * `fn` of all items, in their order. `fn` travels as with remote().
   * @throws what the first failing call threw, as a TaskError; no further chunks begin then.
   * @throws {RangeError} for more processes than the cluster has CPUs.
   */
  map<T, R>(
    fn: (item: T) => R,
    items: Iterable<T>,
    options: PoolMapOptions = {},
  ): Promise<Awaited<R>[]> {
    let code: RemoteFunction<AnyFunction>;
    try {
      code = exported(fn, new Error());
      checkIterable(items, "Pool: items");
      checkMapOptions(options);
    } catch (error) {
      return Promise.reject(error);
    }
    return keepAlive(this.#map(code, [...items], options.chunkSize)) as Promise<Awaited<R>[]>;
  }

  /**
   * The same, one by one as they are asked for: items are read, and chunks begun, only so far ahead that the processes
   * are busy. Leaving the loop early begins no more.
   */
  imap<T, R>(
    fn: (item: T) => R,
    items: Iterable<T>,
    options: PoolMapOptions = {},
  ): AsyncIterableIterator<Awaited<R>> {
    const code = exported(fn, new Error());
    checkIterable(items, "Pool: items");
    checkMapOptions(options);
    return this.#imap(code, chunksOf(items, options.chunkSize ?? 1)) as AsyncIterableIterator<Awaited<R>>;
  }

  /** End the processes now: what runs fails, and so does every later call. Idempotent. */
  async terminate(): Promise<void> {
    if (this.#isTerminated) return;
    this.#isTerminated = true;
    const processes = await this.#processes?.catch(() => []) ?? [];
    const { actors } = requireCoreWorker();
    await keepAlive(Promise.all(processes.map((process) => actors.kill(process, true))));
  }

  /** As terminate(). */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.terminate();
  }

  async #map(code: RemoteFunction<AnyFunction>, items: unknown[], chunkSize?: number): Promise<unknown[]> {
    const { length } = await this.#start();
    const size = chunkSize ?? Math.max(1, Math.ceil(items.length / (CHUNKS_PER_PROCESS * length)));
    const values: unknown[] = [];
    for await (const value of this.#imap(code, chunksOf(items, size))) values.push(value);
    return values;
  }

  async *#imap(
    code: RemoteFunction<AnyFunction>,
    chunks: Iterable<unknown[]>,
  ): AsyncIterableIterator<unknown> {
    const processes = await this.#start();
    /** In order. Half of them may be done and wait for one before them. */
    const window = 2 * CHUNKS_EACH * processes.length;
    const begun: Deque<Promise<unknown[]>> = new Deque();
    const failed = Promise.withResolvers<never>();
    failed.promise.catch(() => undefined); // Heard by who waits.
    const next = (): Promise<unknown[]> => Promise.race([begun.shift()!, failed.promise]);
    try {
      for (const chunk of chunks) {
        const process = await this.#leastBusy(processes, failed.promise);
        const results = this.#run(process, code, chunk);
        results.catch(failed.reject);
        begun.push(results);
        if (begun.length >= window) yield* await keepAlive(next());
      }
      while (begun.length > 0) yield* await keepAlive(next());
    } finally {
      for (const rest of begun) rest.catch(() => undefined);
    }
  }

  async #run(process: Process, code: RemoteFunction<AnyFunction>, chunk: unknown[]): Promise<unknown[]> {
    this.#load.set(process, this.#load.get(process)! + 1);
    try {
      return await valueOf(process.run.remote(code, chunk) as ObjectRef<unknown[]>);
    } catch (error) {
      throw this.#isTerminated ? terminated() : error;
    } finally {
      this.#load.set(process, this.#load.get(process)! - 1);
      this.#wake.splice(0).forEach((wake) => wake());
    }
  }

  #wake: (() => void)[] = [];

  /** The process with the fewest chunks, when one has room. */
  async #leastBusy(processes: readonly Process[], failed: Promise<never>): Promise<Process> {
    for (;;) {
      if (this.#isTerminated) throw terminated();
      const [first, ...others] = processes;
      const best = others.reduce((a, b) => this.#load.get(b)! < this.#load.get(a)! ? b : a, first!);
      if (this.#load.get(best)! < CHUNKS_EACH) return best;
      await keepAlive(Promise.race([new Promise<void>((resolve) => this.#wake.push(resolve)), failed]));
    }
  }

  #start(): Promise<Process[]> {
    if (this.#isTerminated) return Promise.reject(terminated());
    return this.#processes ??= this.#begin();
  }

  async #begin(): Promise<Process[]> {
    try {
      const { CPU = 1 } = await clusterResources();
      const most = Math.max(1, Math.floor(CPU));
      const count = this.#wanted ?? most;
      if (count > most) {
        throw new RangeError(`Option processes is ${count}, and the cluster has ${most} CPUs`);
      }
      const processes = Array.from({ length: count }, () => actorClass.create([], {}));
      for (const process of processes) this.#load.set(process, 0);
      return processes;
    } catch (error) {
      this.#processes = null; // The cluster may grow, or answer the next time.
      throw error;
    }
  }

  get [Symbol.toStringTag](): string {
    return "Pool";
  }
}

/** The same function is exported once. */
const codes = new WeakMap<AnyFunction, RemoteFunction<AnyFunction>>();

/** `site`: made where the user's call came in, for the module that the function is in. */
function exported(fn: AnyFunction, site: Error): RemoteFunction<AnyFunction> {
  if (typeof fn !== "function") throw new TypeError(`Pool: fn must be a function, is ${typeof fn}`);
  let code = codes.get(fn);
  if (code === undefined) {
    code = makeRemote(fn, {}, (callable) => {
      const name = callable.name || ANONYMOUS;
      return { name, exported: exportFunction(callable, { name, site }) };
    }) as unknown as RemoteFunction<AnyFunction>;
    codes.set(fn, code);
  }
  return code;
}

function checkMapOptions(options: PoolMapOptions): void {
  checkKnownOptions(options, ["chunkSize"]);
  if (options.chunkSize !== undefined) checkCount("Option chunkSize", options.chunkSize, 1);
}

function* chunksOf(items: Iterable<unknown>, size: number): Generator<unknown[]> {
  let chunk: unknown[] = [];
  for (const item of items) {
    chunk.push(item);
    if (chunk.length < size) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}

function terminated(): Error {
  return new MobulaError("The pool was terminated", { code: "PoolTerminated" });
}
