/**
 * That a user of a library actor lives: a generator call that stands at its first item for as long as it does. It ends with
 * the process, and with the task that began it, and then the actor takes back what that user had.
 * @module
 */
import type { ActorHandle, ObjectRefStream } from "../../../common/public_types.ts";
import { randomHex } from "../core_host.ts";
import { requireCoreWorker } from "../current.ts";
import { workerState } from "../worker_state.ts";

/** What a library actor has for it. */
export interface Present {
  presence(user: string): AsyncGenerator<number, void, void>;
}

/** See the module's header. Held by what stands for the actor in this process: collected with it. */
export class Presence {
  readonly #handle: ActorHandle<Present>;
  #id = "";
  #scope: object | null = null;
  /** Held, not read: a stream that is forgotten ends. */
  #stream: ObjectRefStream<number> | null = null;

  constructor(handle: ActorHandle<Present>) {
    this.#handle = handle;
  }

  /** This user's id at the actor, which hears of it before whatever is called next. */
  begin(): string {
    const scope = scopeNow();
    if (this.#stream !== null && this.#scope === scope) return this.#id;
    this.#scope = scope;
    this.#id = randomHex(8);
    this.#stream = this.#handle.presence.options({ generatorBackpressure: 1 }).remote(this.#id);
    return this.#id;
  }

  /** The actor does not know it any more: the connection broke, and is there again. */
  lost(): void {
    this.#stream = null;
  }
}

/** What a stream that is opened now ends with: a task, else the process. An actor's calls share one. */
function scopeNow(): object {
  const core = requireCoreWorker();
  const state = workerState();
  if (state === null) return core;
  const { current } = state.context;
  return current?.actor ?? state.actor ?? current ?? core;
}
