/**
 * When the task submitter is looked at again: at the end of a tick in which something changed, and by timers for what changes
 * by itself (idle leases, delayed retries, leased workers that do not get on).
 * @module
 */
import { LEASE_IDLE_MS } from "../../common/config.ts";
import { STALL_MS, type TaskSubmitter } from "../../core/worker/task_submitter.ts";
import type { CoreContext } from "./core_context.ts";
import type { OwnTask } from "./own_task.ts";
import { Timer } from "./timers.ts";

/** See the module's header. */
export class TaskPump {
  readonly #core: CoreContext;
  readonly #submitter: TaskSubmitter<OwnTask>;
  #isScheduled = false;
  /** A task of this tick could not go at once: do not look again for each of a million. Cleared by run(). */
  noneIdle = false;
  #idleTimer: Timer | null = null;
  #delayTimer: Timer | null = null;
  #stallTimer: Timer | null = null;

  constructor(core: CoreContext, submitter: TaskSubmitter<OwnTask>) {
    this.#core = core;
    this.#submitter = submitter;
  }

  get isScheduled(): boolean {
    return this.#isScheduled;
  }

  /** At the end of this tick. */
  schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.run();
    });
  }

  run(): void {
    this.noneIdle = false;
    this.#submitter.pump(this.#core.nowMs());
    if (this.#idleTimer === null && this.#needsTicks()) this.#armIdleTimer(LEASE_IDLE_MS);
    if (this.#stallTimer === null && this.#submitter.isWaiting) this.#armStallTimer();
  }

  #needsTicks(): boolean {
    return this.#submitter.leases.size > 0 || this.#submitter.isRequesting;
  }

  /** Tasks wait for workers that we hold: look whether those get on. */
  #armStallTimer(): void {
    this.#stallTimer = Timer.once(() => {
      this.#stallTimer = null;
      this.#submitter.pumpAll(this.#core.nowMs());
      if (this.#submitter.isWaiting) this.#armStallTimer();
    }, STALL_MS);
  }

  /** Retries that wait: queue them when they are due. */
  queueDelayed(): void {
    this.#delayTimer?.clear();
    const nowMs = this.#core.nowMs();
    const next = this.#submitter.queueDelayed(nowMs);
    this.#delayTimer = next === null ? null : Timer.once(() => this.queueDelayed(), next - nowMs);
    this.schedule();
  }

  #armIdleTimer(ms: number): void {
    this.#idleTimer = Timer.background(() => {
      this.#idleTimer = null;
      const nowMs = this.#core.nowMs();
      const next = this.#submitter.reapIdle(nowMs);
      for (const [requestId, backlog] of this.#submitter.backlogChanges()) {
        this.#core.link.notify("leaseBacklog", { requestId, backlog });
      }
      if (this.#needsTicks()) {
        this.#armIdleTimer(next === null ? LEASE_IDLE_MS : Math.max(10, next - nowMs));
      }
    }, ms);
  }

  /** No timer fires any more. */
  close(): void {
    for (const timer of [this.#delayTimer, this.#idleTimer, this.#stallTimer]) timer?.clear();
  }
}
