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
  readonly #done = Promise.withResolvers<void>();
  #remaining = 0;
  #isOver = false;

  constructor(objects: ObjectManager, entries: readonly Entry[], values: unknown[]) {
    this.#objects = objects;
    this.#entries = entries;
    this.#values = values;
  }

  /** What a timeout says: how many values are not there yet, and one of them that is still to be made. */
  get missing(): string {
    const pending = this.#entries.find((entry) => entry.isPending);
    const example = pending === undefined ? "" : `, such as ${pending.id}`;
    const maker = pending === undefined || pending.producer === "" ? "" : ` of ${pending.producer}`;
    return `${this.#remaining} of ${this.#entries.length} objects were not ready${example}${maker}`;
  }

  start(): Promise<void> {
    for (let index = 0; index < this.#entries.length; index++) {
      const entry = this.#entries[index]!;
      const isAway = isElsewhere(entry);
      if (!entry.isPending && !isAway) continue; // Filled in by the caller.
      this.#remaining++;
      if (isAway) void this.#fetch(entry, index);
      else entry.onSettled(this, index);
    }
    return this.#done.promise;
  }

  entrySettled(entry: Entry, index: number): void {
    // The first failure is the answer: to make an error of each of a million that failed together takes seconds.
    if (this.#isOver) return;
    if (isElsewhere(entry)) return void this.#fetch(entry, index);
    try {
      this.#arrived(index, this.#objects.here(entry));
    } catch (error) {
      this.#fail(error);
    }
  }

  stop(): void {
    this.#isOver = true;
    if (this.#remaining > 0) { for (const entry of this.#entries) entry.offSettled(this); }
    this.#objects.cancelRequests(this.#requests);
  }

  async #fetch(entry: Entry, index: number): Promise<void> {
    try {
      this.#arrived(index, await this.#objects.valueOf(entry, this.#requests));
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#isOver = true;
    this.#done.reject(error);
  }

  #arrived(index: number, value: unknown): void {
    this.#values[index] = value;
    if (--this.#remaining === 0) this.#done.resolve();
  }
}

/** Its value is in a store, here or on another node. */
function isElsewhere({ state }: Entry): boolean {
  return state === "stored" || state === "remote";
}

/** One wait: settles when enough entries are ready. A failed one is ready too. */
export class WaitBatch implements EntryWaiter {
  readonly #objects: ObjectManager;
  readonly #entries: readonly Entry[];
  readonly #fetchLocal: boolean;
  readonly #onReady: ((index: number) => void) | undefined;
  readonly #requests = new Set<string>();
  /** What the agent has said to be ready, or lost; most waits ask it nothing. */
  #answered: Set<Entry> | null = null;
  readonly #done = Promise.withResolvers<void>();
  #missing: number;
  #stopped = false;

  /** `missing`: how many of the entries that are not ready yet must be. */
  constructor(
    objects: ObjectManager,
    entries: readonly Entry[],
    missing: number,
    fetchLocal: boolean,
    onReady?: (index: number) => void,
  ) {
    this.#objects = objects;
    this.#entries = entries;
    this.#missing = missing;
    this.#fetchLocal = fetchLocal;
    this.#onReady = onReady;
  }

  start(): Promise<void> {
    for (let index = 0; index < this.#entries.length; index++) {
      const entry = this.#entries[index]!;
      if (entry.isPending) entry.onSettled(this, index);
      else if (!this.isReady(entry)) void this.#ask(entry, index);
    }
    return this.#done.promise;
  }

  isReady(entry: Entry): boolean {
    return this.#objects.isReady(entry, this.#fetchLocal) || this.#answered?.has(entry) === true;
  }

  entrySettled(entry: Entry, index: number): void {
    if (this.isReady(entry)) this.#ready(index);
    else void this.#ask(entry, index);
  }

  stop(): void {
    this.#stopped = true;
    for (const entry of this.#entries) if (entry.isPending) entry.offSettled(this);
    this.#objects.cancelRequests(this.#requests);
  }

  async #ask(entry: Entry, index: number): Promise<void> {
    try {
      await this.#objects.waitRemote(entry, this.#fetchLocal, this.#requests);
    } catch {
      // Lost, or its agent is gone: get() will say why; for wait it is settled.
    }
    if (this.#stopped) return;
    (this.#answered ??= new Set()).add(entry);
    this.#ready(index);
  }

  #ready(index: number): void {
    this.#onReady?.(index);
    if (--this.#missing === 0) this.#done.resolve();
  }
}

/** Indices of the first `wanted` entries for which `is` holds. */
export function firstOf(entries: readonly Entry[], wanted: number, is: (entry: Entry) => boolean): number[] {
  const found: number[] = [];
  for (let index = 0; index < entries.length && found.length < wanted; index++) {
    if (is(entries[index]!)) found.push(index);
  }
  return found;
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
