/**
 * Waiting for several entries at once: a get (all values, or the first failure) and a wait (enough that are ready).
 * @module
 */
import { GetTimeoutError } from "../../common/errors.ts";
import type { GetOptions } from "../../common/public_types.ts";
import type { Entry, EntryWaiter } from "./entry.ts";
import type { ObjectManager } from "./objects.ts";

/** One get of several entries: settles when all values are there, or the first one has failed. */
export class GetBatch implements EntryWaiter {
  readonly #objects: ObjectManager;
  readonly #entries: readonly Entry[];
  readonly #values: unknown[];
  readonly #requests = new Set<string>();
  #remaining = 0;
  readonly #done = Promise.withResolvers<void>();
  /** Entries that are asked for more than once in the batch. */
  readonly #indices = new Map<Entry, number[]>();

  constructor(objects: ObjectManager, entries: readonly Entry[], values: unknown[]) {
    this.#objects = objects;
    this.#entries = entries;
    this.#values = values;
  }

  /** What a timeout says: how many values are not there yet, and one of them that is still to be made. */
  get missing(): string {
    const [pending] = this.#indices.keys();
    const example = pending === undefined ? "" : `, such as ${pending.id}`;
    const maker = pending === undefined || pending.producer === "" ? "" : ` of ${pending.producer}`;
    return `${this.#remaining} of ${this.#entries.length} objects were not ready${example}${maker}`;
  }

  start(): Promise<void> {
    for (const [index, entry] of this.#entries.entries()) {
      const isAway = entry.state === "stored" || entry.state === "remote";
      if (!entry.isPending && !isAway) continue; // Filled in by the caller.
      this.#remaining++;
      if (isAway) {
        void this.#fetch(entry, index);
        continue;
      }
      const indices = this.#indices.get(entry);
      if (indices !== undefined) indices.push(index);
      else {
        this.#indices.set(entry, [index]);
        entry.onSettled(this);
      }
    }
    return this.#done.promise;
  }

  entrySettled(entry: Entry): void {
    const indices = this.#indices.get(entry)!;
    this.#indices.delete(entry);
    for (const index of indices) void this.#fetch(entry, index);
  }

  stop(): void {
    for (const entry of this.#indices.keys()) entry.offSettled(this);
    this.#objects.cancelRequests(this.#requests);
  }

  async #fetch(entry: Entry, index: number): Promise<void> {
    try {
      this.#values[index] = entry.state === "value"
        ? entry.payload
        : await this.#objects.valueOf(entry, this.#requests);
      if (--this.#remaining === 0) this.#done.resolve();
    } catch (error) {
      this.#done.reject(error);
    }
  }
}

/** One wait: settles when enough entries are ready. A failed one is ready too. */
export class WaitBatch implements EntryWaiter {
  readonly #objects: ObjectManager;
  readonly #entries: readonly Entry[];
  readonly #ready: boolean[];
  readonly #fetchLocal: boolean;
  readonly #requests = new Set<string>();
  readonly #indices = new Map<Entry, number>();
  readonly #done = Promise.withResolvers<void>();
  #missing: number;
  #stopped = false;

  readonly #onReady: ((index: number) => void) | undefined;

  constructor(
    objects: ObjectManager,
    entries: readonly Entry[],
    ready: boolean[],
    missing: number,
    fetchLocal: boolean,
    onReady?: (index: number) => void,
  ) {
    this.#onReady = onReady;
    this.#objects = objects;
    this.#entries = entries;
    this.#ready = ready;
    this.#missing = missing;
    this.#fetchLocal = fetchLocal;
  }

  start(): Promise<void> {
    for (const [index, entry] of this.#entries.entries()) {
      if (this.#ready[index]) continue;
      this.#indices.set(entry, index);
      if (entry.isPending) entry.onSettled(this);
      else void this.#await(entry);
    }
    return this.#done.promise;
  }

  entrySettled(entry: Entry): void {
    if (this.#objects.isReady(entry, this.#fetchLocal)) this.#mark(entry);
    else void this.#await(entry);
  }

  stop(): void {
    this.#stopped = true;
    for (const entry of this.#indices.keys()) if (entry.isPending) entry.offSettled(this);
    this.#objects.cancelRequests(this.#requests);
  }

  async #await(entry: Entry): Promise<void> {
    try {
      await this.#objects.waitRemote(entry, this.#fetchLocal, this.#requests);
    } catch {
      // Lost, or its agent is gone: get() will say why; for wait it is settled.
    }
    this.#mark(entry);
  }

  #mark(entry: Entry): void {
    if (this.#stopped) return;
    const index = this.#indices.get(entry)!;
    this.#ready[index] = true;
    this.#onReady?.(index);
    if (--this.#missing === 0) this.#done.resolve();
  }
}

/** Timers cannot be longer; nobody waits for 24 days to see that this one was. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** A poll (timeout 0) of what is not in this process: the agent has this long to say whether it is there. */
export const POLL_MS = 20;

/** Wait for `work` within the options' time (but at least `leastMs`) and signal. */
export function bounded(
  work: Promise<void>,
  options: GetOptions | undefined,
  what: () => string,
  leastMs: number,
): Promise<void> {
  const timeoutMs = options?.timeoutMs;
  const signal = options?.signal;
  if (timeoutMs === undefined && signal === undefined) return work;
  if (signal?.aborted) {
    work.catch(() => undefined); // Nobody waits for it any more.
    return Promise.reject(signal.reason);
  }
  const isTimed = timeoutMs !== undefined && timeoutMs <= TIMER_MAX_MS;
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", aborted);
    };
    const aborted = (): void => {
      stop();
      reject(signal!.reason);
    };
    const timer = !isTimed ? undefined : setTimeout(() => {
      stop();
      const cause = new DOMException(`timed out after ${timeoutMs} ms`, "TimeoutError");
      reject(new GetTimeoutError(`get timed out after ${timeoutMs} ms: ${what()}`, { cause }));
    }, Math.max(timeoutMs, leastMs));
    signal?.addEventListener("abort", aborted, { once: true });
    work.then(() => {
      stop();
      resolve();
    }, (error) => {
      stop();
      reject(error);
    });
  });
}
