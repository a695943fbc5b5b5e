/**
 * Semaphore: permits for the whole cluster; an actor gives them out.
 * @module
 */
import { GetTimeoutError } from "../../../common/errors.ts";
import { checkKnownOptions } from "../../../common/options.ts";
import type { ActorHandle } from "../../../common/public_types.ts";
import { randomHex } from "../core_host.ts";
import { checkCount, checkTimeout, valueOf, valueWithin, type WaitLimits } from "./library_calls.ts";
import { LibraryHandle } from "./library_handle.ts";
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

let actorOf: (semaphore: Semaphore) => LibraryHandle<SemaphoreActor>;

/**
 * A number of permits that processes of the cluster share. It travels as a value. A permit is given back by disposing of it
 * (`using permit = await semaphore.acquire()`), and also by the end of the task, or the process, that holds it. Who waits is
 * served in the order of the calls. It needs no CPU and ends when nobody refers to it any more. With a `name`, a second
 * Semaphore of that name is the same one, with the permits that it has.
 */
export class Semaphore {
  readonly #actor: LibraryHandle<SemaphoreActor>;
  #presence: Presence | null = null;

  static {
    actorOf = (semaphore) => semaphore.#actor;
  }

  /** @throws {TypeError | RangeError} for a number of permits that is no integer of at least 1, and for bad options. */
  constructor(permits: number, options: SemaphoreOptions = {}) {
    if ((permits as unknown) instanceof LibraryHandle) {
      this.#actor = permits as unknown as LibraryHandle<SemaphoreActor>;
    } else {
      checkCount("permits", permits, 1);
      checkKnownOptions(options, ["name"]);
      this.#actor = LibraryHandle.made(actorClass.create([permits], options), options.name);
    }
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
    const handle = this.#actor.now ?? await this.#actor.find();
    const presence = this.#presence ??= new Presence(handle);
    for (;;) {
      signal?.throwIfAborted();
      const id = randomHex(8);
      const { value, isOver } = await ask(handle, [id, presence.begin()], { timeoutMs, signal });
      const permit = new Permit(this, () => handle.release.remote(id).release());
      if (signal?.aborted) {
        if (value) permit[Symbol.dispose]();
        throw signal.reason;
      }
      if (value) return permit;
      if (isOver) throw new GetTimeoutError(`No permit of the semaphore was free within ${timeoutMs} ms`);
      presence.lost();
    }
  }

  get [Symbol.toStringTag](): string {
    return "Semaphore";
  }
}

/** Whether the permit of this id is given, and whether its limit was reached. */
async function ask(
  handle: Handle,
  [id, user]: readonly [id: string, user: string],
  limits: WaitLimits,
): Promise<{ readonly value: boolean; readonly isOver: boolean }> {
  if (limits.timeoutMs === 0) {
    return { value: await valueOf(handle.acquireNow.remote(id, user)), isOver: true };
  }
  return await valueWithin(handle.acquire.remote(id, user), limits, () => handle.withdraw.remote(id));
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

/** What a semaphore travels as, and back. */
export function dataOfSemaphore(semaphore: Semaphore): unknown {
  return actorOf(semaphore).data();
}

export function semaphoreOf(data: unknown): Semaphore {
  return new Semaphore(LibraryHandle.arrived<SemaphoreActor>(data) as never);
}
