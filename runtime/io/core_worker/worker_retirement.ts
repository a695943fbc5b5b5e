/**
 * The end of a worker that has run a function as often as it may (maxCalls): when nothing is under way, its results have been
 * taken, and nobody uses what it owns.
 * @module
 */
import type { Caller } from "./caller.ts";
import type { CoreWorker } from "./core_worker.ts";
import type { Executor } from "./executor.ts";
import { Timer } from "./timers.ts";

/** How often a retired worker looks whether it can end. */
const LOOK_MS = 50;

/** See the module's header. One per worker. */
export class WorkerRetirement {
  readonly #core: CoreWorker;
  readonly #executor: Executor;
  readonly #end: () => void;
  readonly #callers = new Set<Caller>();

  /** `end`: let the process end in good order. */
  constructor(core: CoreWorker, executor: Executor, end: () => void) {
    this.#core = core;
    this.#executor = executor;
    this.#end = end;
    executor.onRetired = () => this.#look();
  }

  add(caller: Caller): void {
    this.#callers.add(caller);
  }
  delete(caller: Caller): void {
    this.#callers.delete(caller);
  }

  #look(): void {
    if (this.#canEnd) this.#end();
    else Timer.background(() => this.#look(), LOOK_MS);
  }

  get #canEnd(): boolean {
    const { tasks, actors, link } = this.#core;
    if (!this.#executor.isIdle || tasks.pending > 0 || actors.isBusy || link.owned > 0) return false;
    for (const caller of this.#callers) if (caller.isLending) return false;
    return true;
  }
}
