/**
 * When worker processes start and end: only for resources that are already held (and a few ahead of need), with
 * backoff after failures, the idle ones ended after a while. Part of the local scheduler.
 * @module
 */
import type { PendingRequest } from "./lease_queue.ts";
import type { PoolWorker } from "./worker_pool.ts";
import type { DeathCause, RuntimeEnvSpec } from "../../common/task_spec.ts";
import type { SchedulerState } from "./scheduler_state.ts";

const BACKOFF_MS = 100;
const BACKOFF_MS_MAX = 10_000;
/** A runtime environment of the user's own that failed this often in a row fails its requests. */
const ENV_FAILURES_MAX = 5;
/** Environments whose failures are remembered. */
const ENVS_MAX = 1_000;

export const PLAIN_ENV: RuntimeEnvSpec = { hash: "" };

interface StartFailures {
  readonly failures: number;
  readonly untilMs: number;
  readonly message: string;
}

export class WorkerStarts {
  readonly #state: SchedulerState;
  /** Environments whose last start failed. */
  readonly #failures: Map<string, StartFailures> = new Map();
  /** Plain workers to have before anybody asks. */
  #ahead: number = 0;

  constructor(state: SchedulerState) {
    this.#state = state;
  }

  failureOf(envHash: string): StartFailures | undefined {
    return this.#failures.get(envHash);
  }

  /** Whether workers of the environment must not be started at present. */
  backingOff(envHash: string): boolean {
    const failure = this.#failures.get(envHash);
    if (failure === undefined) return false;
    if (this.#state.nowMs < failure.untilMs) return true;
    // One request tries again; the others wait for its outcome.
    return this.#state.pool.startingFor(envHash) > 0 ||
      [...this.#state.awaitingWorker].some((entry) => entry.request.runtimeEnv.hash === envHash);
  }

  /** Start ahead of need, and keep one more plain worker idle for the next actor. */
  prestart(count: number): void {
    this.#ahead = Math.max(this.#ahead, count);
    this.#startAhead(count);
  }

  /** An unbound worker became an actor's for life: have another one ready before the next actor asks. */
  refill(): void {
    if (this.#ahead > 0) this.#startAhead(1);
  }

  /** Starts for requests that hold resources and find no idle worker. */
  startMissing(): void {
    const { awaitingWorker, pool } = this.#state;
    if (awaitingWorker.size === 0) return;
    const wanted = new Map<string, number>();
    for (const entry of awaitingWorker) {
      const { runtimeEnv, jobId } = entry.request;
      const rank = (wanted.get(runtimeEnv.hash) ?? 0) + 1;
      wanted.set(runtimeEnv.hash, rank);
      if (rank <= pool.startingFor(runtimeEnv.hash)) continue;
      if (pool.startsFull) return;
      // At the hard limit one worker makes room at a time: its place is free when it has exited.
      const victim = pool.full && pool.stoppingCount > 0 ? null : pool.makeRoom(runtimeEnv.hash, jobId);
      if (victim !== null) this.stop(victim, false, "It was idle and others needed its place.");
      if (pool.full) return;
      this.#start(runtimeEnv);
    }
  }

  /** Ends workers that nobody has needed for a while. */
  reap(): void {
    for (const worker of this.#state.pool.reapable(this.#state.nowMs)) {
      this.stop(worker, false, "It was idle.");
    }
    const next = this.#state.pool.nextReapMs();
    if (next !== null) this.#state.wakeAt(next);
  }

  stop(worker: PoolWorker, force: boolean, why: string, code: DeathCause["code"] = "EXITED"): void {
    if (worker.state === "stopping") return;
    this.#state.pool.stop(worker);
    const cause: DeathCause = { code, message: why };
    this.#state.emit({ type: "stopWorker", workerId: worker.workerId, force, cause });
  }

  succeeded(envHash: string): void {
    this.#failures.delete(envHash);
  }

  failed(env: RuntimeEnvSpec, message: string, final: boolean): void {
    const { nowMs, awaitingWorker, pending } = this.#state;
    const before = this.#failures.get(env.hash)?.failures ?? 0;
    // To be tried again, should somebody ask for it later, but nobody waits for that.
    const failures = final && env.hash !== "" ? Math.max(before + 1, ENV_FAILURES_MAX) : before + 1;
    const delayMs = Math.min(BACKOFF_MS * 2 ** before, BACKOFF_MS_MAX);
    if (this.#failures.size >= ENVS_MAX) this.#failures.delete(this.#failures.keys().next().value!);
    this.#failures.set(env.hash, { failures, untilMs: nowMs + delayMs, message });
    const sameEnv = (entry: PendingRequest): boolean => entry.request.runtimeEnv.hash === env.hash;
    const affected = [...awaitingWorker].filter(sameEnv);
    for (const entry of affected) this.#state.unhold(entry);
    const text = `A worker process did not start (${failures} in a row): ${message}`;
    // Once when it begins, and now and then while it lasts.
    if (failures === 1 || failures % 10 === 0) {
      this.#state.emit({ type: "warn", jobId: affected[0]?.request.jobId ?? null, text });
    }
    if (env.hash === "" || failures < ENV_FAILURES_MAX) return;
    for (const entry of [...pending.values()].filter(sameEnv)) {
      if (entry.phase === "forwarded") continue;
      this.#state.reject(
        entry,
        "RuntimeEnvSetupError",
        `Cannot set up its runtime environment: ${message}`,
        false,
      );
    }
  }

  #startAhead(count: number): void {
    const { pool, draining } = this.#state;
    if (draining || this.backingOff(PLAIN_ENV.hash)) return;
    while (pool.unboundFor(PLAIN_ENV.hash) + pool.startingFor(PLAIN_ENV.hash) < count) {
      if (pool.startsFull || pool.full) return;
      this.#start(PLAIN_ENV);
    }
  }

  #start(env: RuntimeEnvSpec): void {
    const startId = this.#state.pool.start(env);
    this.#state.emit({ type: "startWorker", startId, runtimeEnv: env });
  }
}
