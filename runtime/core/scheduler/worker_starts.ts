/**
 * When worker processes start and end: only for resources that are already held (and a few ahead of need), with
 * backoff after failures, the idle ones ended after a while. An environment that fails or hangs blocks no other: what waits for
 * it gives its resources back, and it never has all places for starts. Part of the local scheduler.
 * @module
 */
import type { PendingRequest } from "./lease_queue.ts";
import type { ProcessId } from "../../common/ids.ts";
import { type StartFailure, StartFailures } from "./start_failures.ts";
import { type PoolWorker, SLOW_START_MS, type StartingWorker } from "./worker_pool.ts";
import type { DeathCause, RuntimeEnvSpec } from "../../common/task_spec.ts";
import type { SchedulerState } from "./scheduler_state.ts";

export const PLAIN_ENV: RuntimeEnvSpec = { hash: "" };

export class WorkerStarts {
  readonly #state: SchedulerState;
  readonly #failures: StartFailures = new StartFailures();
  /** Plain workers to have before anybody asks. */
  #ahead: number = 0;

  constructor(state: SchedulerState) {
    this.#state = state;
  }

  failureOf(envHash: string): StartFailure | undefined {
    return this.#failures.of(envHash);
  }

  /** Whether workers of the environment must not be started at present. */
  backingOff(envHash: string): boolean {
    const { pool, nowMs, awaitingWorker } = this.#state;
    // One that has never come up and takes long may hang: others of it wait for its outcome, and hold nothing meanwhile.
    if (pool.isSlow(envHash) && !pool.has(envHash)) return true;
    const failure = this.#failures.of(envHash);
    if (failure === undefined) return false;
    if (nowMs < failure.untilMs) return true;
    // One request tries again; the others wait for its outcome.
    return pool.startingFor(envHash) > 0 ||
      [...awaitingWorker].some((entry) => entry.request.runtimeEnv.hash === envHash);
  }

  /** A request that came while its environment is quarantined fails at once, unless a worker that lives may serve it. */
  refuseQuarantined(entry: PendingRequest): void {
    const { pool, nowMs } = this.#state;
    const { hash } = entry.request.runtimeEnv;
    const failure = this.#failures.quarantine(nowMs, hash);
    if (failure === null || pool.has(hash) || pool.startingFor(hash) > 0) return;
    if (entry.phase === "queued" || entry.phase === "pulling") this.#refuse(entry, failure);
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
    this.#releaseSlow();
    const wanted = new Map<string, number>();
    for (const entry of awaitingWorker) {
      const { runtimeEnv, jobId } = entry.request;
      const rank = (wanted.get(runtimeEnv.hash) ?? 0) + 1;
      wanted.set(runtimeEnv.hash, rank);
      if (rank <= pool.startingFor(runtimeEnv.hash) || !pool.mayStart(runtimeEnv.hash)) continue;
      if (pool.startsFull) return;
      // At the hard limit one worker makes room at a time: its place is free when it has exited.
      const victim = pool.full && pool.stoppingCount > 0 ? null : pool.makeRoom(runtimeEnv.hash, jobId);
      if (victim !== null) this.stop(victim, false, "It was idle and others needed its place.");
      if (pool.full) return;
      this.#start(runtimeEnv);
    }
  }

  /** Starts that take long may hang: what waits for them holds nothing meanwhile, and their place is free for others. */
  #releaseSlow(): void {
    const { pool, nowMs, awaitingWorker } = this.#state;
    for (const hash of pool.noteSlow(nowMs)) {
      if (pool.has(hash)) continue;
      for (const entry of [...awaitingWorker]) {
        if (entry.request.runtimeEnv.hash !== hash) continue;
        this.#state.unhold(entry);
        // What came free is given out in a step of its own.
        this.#state.wakeAt(nowMs);
      }
    }
    const next = pool.nextSlowMs();
    if (next !== null) this.#state.wakeAt(next);
  }

  /** Ends workers that nobody has needed for a while. What one of them has submitted would end with it: it stays. */
  reap(): void {
    const { pool, nowMs } = this.#state;
    let submitters: Set<ProcessId> | null = null;
    for (const worker of pool.reapable(nowMs)) {
      submitters ??= this.#submitters();
      if (submitters.has(worker.workerId)) worker.idleSinceMs = nowMs;
      else this.stop(worker, false, "It was idle.");
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

  /** Processes with work under way. */
  #submitters(): Set<ProcessId> {
    const { pending, leases } = this.#state;
    const submitters = new Set<ProcessId>();
    for (const { request } of pending.values()) submitters.add(request.submitter);
    for (const { request } of leases.all()) submitters.add(request.submitter);
    for (const { submitter } of leases.remote.values()) submitters.add(submitter);
    return submitters;
  }

  succeeded(envHash: string): void {
    this.#failures.succeeded(envHash);
  }

  failed({ env, sinceMs }: StartingWorker, message: string, final: boolean): void {
    const { nowMs, awaitingWorker, pending, pool } = this.#state;
    const sameEnv = (entry: PendingRequest): boolean => entry.request.runtimeEnv.hash === env.hash;
    const affected = [...awaitingWorker].filter(sameEnv);
    for (const entry of affected) this.#state.unhold(entry);
    const failure = this.#failures.failed(nowMs, env, sinceMs, message, final);
    if (failure === null) return;
    // A worker that lives may serve them yet.
    if (failure.quarantined && !pool.has(env.hash)) {
      for (const entry of [...pending.values()].filter(sameEnv)) {
        if (entry.phase !== "forwarded") this.#refuse(entry, failure);
      }
      return;
    }
    // Once when it begins, and now and then while it lasts.
    const { failures } = failure;
    if (failures !== 1 && failures % 10 !== 0) return;
    const text = `A worker process did not start (${failures} in a row): ${message}`;
    this.#state.emit({ type: "warn", jobId: affected[0]?.request.jobId ?? null, text });
  }

  #refuse(entry: PendingRequest, { failures, untilMs, message }: StartFailure): void {
    const { nowMs, config } = this.#state;
    const isPlain = entry.request.runtimeEnv.hash === "";
    const what = isPlain
      ? `No worker process starts on ${config.nodeId}`
      : "Cannot set up its runtime environment";
    const seconds = Math.ceil((untilMs - nowMs) / 1_000);
    const again = failures === 1 ? "" : ` (${failures} failures in a row, the next try is in ${seconds} s)`;
    const code = isPlain ? "WorkerCrashedError" : "RuntimeEnvSetupError";
    this.#state.reject(entry, code, `${what}${again}: ${message}`, false);
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
    const { pool, nowMs } = this.#state;
    const startId = pool.start(nowMs, env);
    this.#state.wakeAt(nowMs + SLOW_START_MS);
    this.#state.emit({ type: "startWorker", startId, runtimeEnv: env });
  }
}
