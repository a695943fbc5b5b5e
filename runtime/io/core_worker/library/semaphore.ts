/**
 * Semaphore: permits for the whole cluster; an actor gives them out.
 * @module
 */
import { GetTimeoutError } from "../../../common/errors.ts";
import { checkKnownOptions } from "../../../common/options.ts";
import type { ActorHandle } from "../../../common/public_types.ts";
import { clientOf } from "../actor_handle.ts";
import { randomHex } from "../core_host.ts";
import { checkCount, checkTimeout, valueOf, valueWithin, type WaitLimits } from "./library_calls.ts";
import { LibraryClass, type LibraryOptions } from "./library_class.ts";
import { Presence } from "./presence.ts";
import { SemaphoreActor } from "./semaphore_actor.ts";

/** Options of a Semaphore. */
export type SemaphoreOptions = Pick<LibraryOptions, "name">;

/** Options of Semaphore.acquire(). */
export interface AcquireOptions {
  /** GetTimeoutError after this long, with 0 when none is free now. Default: wait without end. */
  timeoutMs?: number;
  /** Aborting rejects with the signal's reason. */
  signal?: AbortSignal;
}

type Handle = ActorHandle<SemaphoreActor>;

const actorClass = new LibraryClass(SemaphoreActor, "Semaphore", ["presence"]);

/** In place of a number: a semaphore that arrived in a value. */
class Arrived {
  readonly handle: Handle;
  constructor(handle: Handle) {
    this.handle = handle;
  }
}

let handleIn: (semaphore: Semaphore) => Handle;

/**
 * A number of permits that processes of the cluster share. It travels as a value. A permit is given back by disposing of it
 * (`using permit = await semaphore.acquire()`), and also by the end of the task, or the process, that holds it. Who waits is
 * served in the order of the calls. It needs no CPU and ends when nobody refers to it any more. With a `name`, a second
 * Semaphore of that name is the same one, with the permits that it has.
 */
export class Semaphore {
  readonly #handle: Handle;
  readonly #presence: Presence;

  static {
    handleIn = (semaphore) => semaphore.#handle;
  }

  /** @throws {TypeError | RangeError} for a number of permits that is no integer of at least 1, and for bad options. */
  constructor(permits: number, options: SemaphoreOptions = {}) {
    if ((permits as unknown) instanceof Arrived) this.#handle = (permits as unknown as Arrived).handle;
    else {
      checkCount("permits", permits, 1);
      checkKnownOptions(options, ["name"]);
      this.#handle = actorClass.create([permits], options);
    }
    this.#presence = new Presence(this.#handle);
  }

  /**
   * A permit, which disposing of gives back.
   * @throws {GetTimeoutError} after `timeoutMs`; rejects with the reason of an aborted `signal`.
   */
  async acquire(options: AcquireOptions = {}): Promise<Disposable> {
    checkKnownOptions(options, ["timeoutMs", "signal"]);
    const { timeoutMs, signal } = options;
    checkTimeout(timeoutMs);
    if (signal !== undefined && !(signal instanceof AbortSignal)) {
      throw new TypeError(`Option signal must be an AbortSignal, is ${typeof signal}`);
    }
    for (;;) {
      signal?.throwIfAborted();
      const id = randomHex(8);
      const { value, isOver } = await this.#ask(id, { timeoutMs, signal });
      const permit = new Permit(this, () => this.#handle.release.remote(id).release());
      if (signal?.aborted) {
        if (value) permit[Symbol.dispose]();
        throw signal.reason;
      }
      if (value) return permit;
      if (isOver) throw new GetTimeoutError(`No permit of the semaphore was free within ${timeoutMs} ms`);
      this.#presence.lost();
    }
  }

  async #ask(id: string, limits: WaitLimits): Promise<{ value: boolean; isOver: boolean }> {
    const handle = this.#handle;
    const user = this.#presence.begin();
    if (limits.timeoutMs === 0) {
      return { value: await valueOf(handle.acquireNow.remote(id, user)), isOver: true };
    }
    return await valueWithin(handle.acquire.remote(id, user), limits, () => handle.withdraw.remote(id));
  }

  get [Symbol.toStringTag](): string {
    return "Semaphore";
  }
}

/** One permit; it keeps its semaphore, whose presence holds it. */
class Permit implements Disposable {
  #of: Semaphore | null;
  readonly #release: () => void;

  constructor(of: Semaphore, release: () => void) {
    this.#of = of;
    this.#release = release;
  }

  /** Idempotent. */
  [Symbol.dispose](): void {
    if (this.#of === null) return;
    this.#of = null;
    this.#release();
  }
}

/** What a semaphore travels as. */
export function handleOfSemaphore(semaphore: Semaphore): unknown {
  return handleIn(semaphore);
}

export function semaphoreOf(handle: unknown): Semaphore {
  clientOf(handle, "a semaphore's actor");
  return new Semaphore(new Arrived(handle as Handle) as never);
}
