/**
 * Queue: items between processes, first in, first out; an actor holds them.
 * @module
 */
import { ActorDiedError, QueueEmptyError, QueueFullError } from "../../../common/errors.ts";
import { checkKnownOptions } from "../../../common/options.ts";
import type { ActorHandle } from "../../../common/public_types.ts";
import { clientOf } from "../actor_handle.ts";
import { randomHex } from "../core_host.ts";
import { requireCoreWorker } from "../current.ts";
import { hold, letGo } from "../process_hold.ts";
import { checkCount, checkTimeout, valueOf, valueWithin } from "./library_calls.ts";
import { LibraryHandle } from "./library_handle.ts";
import { LibraryClass, type LibraryOptions } from "./library_class.ts";
import { Presence } from "./presence.ts";
import { QueueActor } from "./queue_actor.ts";

/** Options of a Queue. */
export interface QueueOptions extends LibraryOptions {
  /** Items that it holds at most. Default 0: no limit. */
  maxSize?: number;
}

type Handle = ActorHandle<QueueActor>;

/** How long shutdown() waits for items to be taken. */
const GRACE_MS = 5_000;

const actorClass = new LibraryClass(QueueActor, "Queue", ["presence"]);

let actorOf: (queue: Queue<unknown>) => LibraryHandle<QueueActor>;

/**
 * A queue that every process of the cluster may use: it travels as a value, in arguments, results and other values. Items
 * come out in the order in which they went in, each one once; who waits is served in the order of the calls. An item that is
 * a ref stays a ref. It needs no CPU and is not made again when its process dies (then it is ActorDiedError, and items are
 * lost). It ends when nobody refers to it any more. With a `name`, a second Queue of that name is the same queue.
 */
export class Queue<T> {
  readonly #actor: LibraryHandle<QueueActor>;
  #presence: Presence | null = null;

  static {
    actorOf = (queue) => queue.#actor;
  }

  /** @throws {TypeError | RangeError} for bad options. */
  constructor(options: QueueOptions = {}) {
    if ((options as unknown) instanceof LibraryHandle) {
      this.#actor = options as unknown as LibraryHandle<QueueActor>;
    } else {
      checkKnownOptions(options, ["maxSize", "name", "numCpus", "resources"]);
      const { maxSize = 0, ...actorOptions } = options;
      checkCount("Option maxSize", maxSize, 0);
      this.#actor = LibraryHandle.made(actorClass.create([maxSize], actorOptions), options.name);
    }
  }

  /**
   * Add an item; waits while the queue is full.
   * @throws {QueueFullError} after `timeoutMs`, with 0 at once: the item was not added.
   */
  async put(item: T, options: { timeoutMs?: number } = {}): Promise<void> {
    const timeoutMs = timeoutOf(options);
    if (timeoutMs === 0) return await this.#putNow([item]);
    const handle = this.#actor.now ?? await this.#actor.find();
    const id = randomHex(8);
    const put = handle.put.remote(id, [item]);
    const { value } = await valueWithin(put, { timeoutMs }, () => handle.withdraw.remote(id));
    this.#checkAdded(handle, value, 1);
  }

  /** Add these items now, all or none. @throws {QueueFullError} when there is no room for all: none was added. */
  async putBatch(items: Iterable<T>): Promise<void> {
    await this.#putNow([...items]);
  }

  async #putNow(items: readonly T[]): Promise<void> {
    const handle = this.#actor.now ?? await this.#actor.find();
    this.#checkAdded(handle, await valueOf(handle.putNow.remote(items)), items.length);
  }

  #checkAdded(handle: Handle, outcome: "added" | "full" | "closed", count: number): void {
    if (outcome === "closed") throw closedError(handle);
    if (outcome === "full") {
      throw new QueueFullError(`The queue has no room for ${count === 1 ? "an item" : `${count} items`}`);
    }
  }

  /**
   * Take the next item; waits while there is none.
   * @throws {QueueEmptyError} after `timeoutMs`, with 0 at once.
   */
  async get(options: { timeoutMs?: number } = {}): Promise<T> {
    const timeoutMs = timeoutOf(options);
    const handle = this.#actor.now ?? await this.#actor.find();
    if (timeoutMs === 0) return this.#taken(handle, await valueOf(handle.getNow.remote(1)))[0]!;
    const presence = this.#presence ??= new Presence(handle);
    for (;;) {
      const id = randomHex(8);
      const get = handle.get.remote(id, presence.begin());
      const { value, isOver } = await valueWithin(get, { timeoutMs }, () => handle.withdraw.remote(id));
      if (value !== "empty" || isOver) return this.#taken(handle, value)[0]!;
      presence.lost();
    }
  }

  /** Take the next `count` items now, all or none. @throws {QueueEmptyError} when there are fewer: none was taken. */
  async getBatch(count: number): Promise<T[]> {
    checkCount("count", count, 0);
    const handle = this.#actor.now ?? await this.#actor.find();
    return this.#taken(handle, await valueOf(handle.getNow.remote(count)));
  }

  #taken(handle: Handle, taken: readonly unknown[] | "empty" | "closed"): T[] {
    if (taken === "closed") throw closedError(handle);
    if (taken === "empty") throw new QueueEmptyError("The queue has nothing to give");
    return taken as T[];
  }

  /** How many items it holds now. */
  async size(): Promise<number> {
    return await valueOf((this.#actor.now ?? await this.#actor.find()).size.remote());
  }

  /**
   * End the queue: puts are refused from now on (ActorDiedError), what is there may be taken for up to 5 s, gets that wait in
   * vain fail. Resolves when its process is told to end; what was not taken is lost. `force`: now. Idempotent.
   */
  async shutdown(options: { force?: boolean } = {}): Promise<void> {
    checkKnownOptions(options, ["force"]);
    const { force = false } = options;
    if (typeof force !== "boolean") throw new TypeError(`Option force must be a boolean, is ${typeof force}`);
    const { actors, objects } = requireCoreWorker();
    const handle = this.#actor.now ?? await this.#actor.find();
    hold();
    try {
      if (!force) await drained(handle).catch((error) => notDead(error));
      await objects.blocking(actors.kill(handle, true));
    } finally {
      letGo();
    }
  }

  get [Symbol.toStringTag](): string {
    return "Queue";
  }
}

/** Resolves when everything was taken, or after the grace. */
async function drained(handle: Handle): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, GRACE_MS);
  try {
    await Promise.race([valueOf(handle.close.remote()), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function closedError(handle: Handle): Error {
  const { actorId } = clientOf(handle, "the queue").info;
  return new ActorDiedError("The queue was shut down", { actorId });
}

function notDead(error: unknown): void {
  if (!(error instanceof ActorDiedError)) throw error;
}

function timeoutOf(options: { timeoutMs?: number }): number | undefined {
  checkKnownOptions(options, ["timeoutMs"]);
  checkTimeout(options.timeoutMs);
  return options.timeoutMs;
}

/** What a queue travels as, and back. */
export function dataOfQueue(queue: Queue<unknown>): unknown {
  return actorOf(queue).data();
}

export function queueOf(data: unknown): Queue<unknown> {
  return new Queue(LibraryHandle.arrived<QueueActor>(data) as unknown as QueueOptions);
}
