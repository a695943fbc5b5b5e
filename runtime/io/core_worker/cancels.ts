/**
 * Cancellation in one process: cancel() of its own refs and of borrowed ones, AbortSignals of calls, and the children of a
 * task that is cancelled here. What is done about each target is decided in core/worker/cancellation.ts.
 * @module
 */
import { ObjectLostError, TaskCancelledError } from "../../common/errors.ts";
import { type TaskId, taskOfObject } from "../../common/ids.ts";
import { Cancellations, type CancelRequest } from "../../core/worker/cancellation.ts";
import type { AgentMethods } from "../../protocol/messages.ts";
import { AbortGroups } from "./abort_groups.ts";
import type { CoreContext } from "./core_context.ts";
import type { Entry } from "./entry.ts";
import { Timer } from "./timers.ts";
import type { Work } from "./work.ts";

const BY_SIGNAL: CancelRequest = { force: false, recursive: true, graceMs: null };

/** See the module's header. */
export class CancelManager {
  readonly #core: CoreContext;
  readonly #machine: Cancellations<Work>;
  readonly #signals: AbortGroups;
  #timer: Timer | null = null;
  #timerMs = Infinity;

  constructor(core: CoreContext) {
    this.#core = core;
    this.#machine = new Cancellations<Work>({
      withdraw: (work) => work.withdraw(),
      ask: (work, how) => work.ask(how),
    });
    this.#signals = new AbortGroups((work) => this.#request(work, BY_SIGNAL));
  }

  /** Cancel what makes an object; resolves when its owner knows. An object that is there already stays as it is.
   *  RangeError for force on an actor's call. */
  async cancel(entry: Entry, request: CancelRequest): Promise<void> {
    const task = taskOfObject(entry.id);
    if (task === null) return; // Somebody put it.
    if (entry.owned) return this.#cancelOwned(entry, request);
    const { id, home } = entry;
    await this.#core.link.request("cancelTask", { id, home, ...request });
  }

  /** A borrower of one of our refs asks. */
  routed({ id, home: _home, ...request }: AgentMethods["cancelTask"]["params"]): Record<string, never> {
    const entry = this.#core.objects.find(id);
    // Nobody here holds it any more, so that it has ended.
    if (entry?.owned) this.#cancelOwned(entry, request);
    return {};
  }

  /** What a task that is cancelled here has submitted. */
  children(works: readonly Work[], force: boolean): void {
    for (const work of works) {
      this.#request(work, { force: force && !work.isCall, recursive: true, graceMs: null });
    }
  }

  /** The call ends when the signal says so; it is not aborted yet. */
  join(signal: AbortSignal, work: Work): void {
    this.#signals.join(signal, work);
  }
  leave(signal: AbortSignal, work: Work): void {
    this.#signals.leave(signal, work);
  }

  close(): void {
    this.#timer?.clear();
    this.#machine.clear();
  }

  #cancelOwned(entry: Entry, request: CancelRequest): void {
    const work = entry.maker;
    // It is kept: an object that was cancelled is never made again, should it be lost.
    entry.cancelled = true;
    this.#core.rebuilds.cancelled(entry.id);
    if (work === null) return;
    if (work.isCall && (request.force || request.graceMs !== null)) {
      entry.cancelled = work.cancelled;
      throw new RangeError(
        `${work.name} (${work.id}) is an actor's call, which cannot be cancelled by force (options force, graceMs): ` +
          "kill(handle) ends the actor",
      );
    }
    this.#request(work, request);
  }

  #request(work: Work, request: CancelRequest): void {
    const nowMs = this.#core.nowMs();
    this.#machine.request(nowMs, work, request);
    // A tick looks at every target: not for each of thousands that are cancelled together.
    if (this.#machine.size > 0 && (this.#timerMs === Infinity || request.graceMs !== null)) this.#tick(nowMs);
  }

  #tick(nowMs: number): void {
    const next = this.#machine.tick(nowMs);
    if (next === null || next >= this.#timerMs) return;
    this.#timer?.clear();
    this.#timerMs = next;
    this.#timer = Timer.background(() => {
      this.#timerMs = Infinity;
      this.#tick(this.#core.nowMs());
    }, Math.max(0, next - nowMs));
  }
}

/** Why an object cannot be had. One that was cancelled, if too late to stop it, is not made again when it is lost. */
export function lossOf(entry: Entry, error: unknown): unknown {
  const task = taskOfObject(entry.id);
  const isLost = error instanceof ObjectLostError || error instanceof TaskCancelledError;
  return entry.cancelled && task !== null && isLost ? cancelledError(entry.producer, task) : error;
}

/** What a cancelled task's refs reject with. */
export function cancelledError(name: string, taskId: TaskId): TaskCancelledError {
  // Where it is made says nothing to anybody, and would take most of the time that cancelling a task does.
  const limit = Error.stackTraceLimit;
  Reflect.set(Error, "stackTraceLimit", 0); // Not an assignment: Error may be frozen.
  try {
    return new TaskCancelledError(`${name} (${taskId}) was cancelled`, { taskId });
  } finally {
    Reflect.set(Error, "stackTraceLimit", limit);
  }
}
