/**
 * The worker processes of one node: which are coming up, idle, leased or on their way out. It answers who can take a
 * grant and whom to stop; it starts nothing by itself and knows nothing of resources.
 *
 *            start          ready               take
 *   (none) --------> starting -----> idle ----------------> leased
 *                        | failed     |  ^       giveBack      |
 *                        v            |  +---------------------+
 *                     (none)          | stop                   | stop
 *                                     v                        v
 *                                 stopping <-------------------+
 *                                     | exited (from any state)
 *                                     v
 *                                  (none)
 *
 * A worker is started for a runtime environment and bound to the job of its first lease: it may hold that job's
 * modules and globals, so that no other job ever sees it.
 * @module
 */
import { assert } from "../../common/assert.ts";
import type { JobId, ProcessId } from "../../common/ids.ts";
import type { RuntimeEnvSpec } from "../../common/task_spec.ts";

export interface PoolWorker {
  readonly workerId: ProcessId;
  readonly envHash: string;
  /** Null until its first lease. */
  jobId: JobId | null;
  state: "idle" | "leased" | "stopping";
  /** The lease that it serves; null unless leased. */
  leaseId: string | null;
  idleSinceMs: number;
  /** It owns live refs or actors: never reaped. */
  owns: boolean;
  /** It ends by itself, and is "stopping" until then. */
  retired: boolean;
}

export interface WorkerPoolLimits {
  /** Idle workers that are never reaped. */
  readonly idleKept: number;
  /** From so many workers on, an idle one ends for one that can serve what waits. */
  readonly softMax: number;
  readonly startingMax: number;
  readonly workersMax: number;
  readonly idleMs: number;
}

/** A start that takes longer may hang: nobody counts on it, and it is in nobody's way. */
export const SLOW_START_MS: number = 3_000;

export interface StartingWorker {
  readonly env: RuntimeEnvSpec;
  readonly sinceMs: number;
  slow: boolean;
}

export class WorkerPool {
  readonly #limits: WorkerPoolLimits;
  /** All and only workers that said hello and have not exited. */
  readonly #workers: Map<ProcessId, PoolWorker> = new Map();
  /** Idle workers, the one used last at the end: it is the warmest. */
  readonly #idle: Set<PoolWorker> = new Set();
  /** Starts without an outcome yet. */
  readonly #starting: Map<number, StartingWorker> = new Map();
  /** Of those: the slow ones. */
  #slowCount: number = 0;
  #startSequence: number = 0;

  constructor(limits: WorkerPoolLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#workers.size + this.#starting.size;
  }
  get idleCount(): number {
    return this.#idle.size;
  }
  get startingCount(): number {
    return this.#starting.size;
  }
  get stoppingCount(): number {
    let count = 0;
    for (const worker of this.#workers.values()) if (worker.state === "stopping") count++;
    return count;
  }
  get(workerId: ProcessId): PoolWorker | undefined {
    return this.#workers.get(workerId);
  }
  workers(): Iterable<PoolWorker> {
    return this.#workers.values();
  }

  /** How many starts are under way for an environment, without slow ones. */
  startingFor(envHash: string): number {
    let count = 0;
    for (const start of this.#starting.values()) if (start.env.hash === envHash && !start.slow) count++;
    return count;
  }

  /** Whether a start of the environment takes long. */
  isSlow(envHash: string): boolean {
    for (const start of this.#starting.values()) if (start.slow && start.env.hash === envHash) return true;
    return false;
  }

  /** Whether a worker of the environment lives. */
  has(envHash: string): boolean {
    for (const worker of this.#workers.values()) {
      if (worker.envHash === envHash && worker.state !== "stopping") return true;
    }
    return false;
  }

  /** Whether the environment may have one more start: as long as none of it has come up, it has half of the places. */
  mayStart(envHash: string): boolean {
    if (envHash === "" || this.has(envHash)) return true;
    return this.startingFor(envHash) < Math.max(1, this.#limits.startingMax >> 1);
  }

  /** Starts that have become slow; their environments. */
  noteSlow(nowMs: number): Set<string> {
    const slow = new Set<string>();
    for (const start of this.#starting.values()) {
      if (start.slow || nowMs < start.sinceMs + SLOW_START_MS) continue;
      start.slow = true;
      this.#slowCount++;
      slow.add(start.env.hash);
    }
    return slow;
  }

  /** When `noteSlow` may next have an answer; null when nothing starts. */
  nextSlowMs(): number | null {
    for (const { slow, sinceMs } of this.#starting.values()) if (!slow) return sinceMs + SLOW_START_MS;
    return null;
  }

  /** Idle workers of an environment that belong to no job yet. */
  unboundFor(envHash: string): number {
    let count = 0;
    for (const worker of this.#idle) if (worker.jobId === null && worker.envHash === envHash) count++;
    return count;
  }

  /** Whether as many processes are coming up as may at once. */
  get startsFull(): boolean {
    return this.#starting.size - this.#slowCount >= this.#limits.startingMax;
  }
  /** Whether the node has as many worker processes as it may. */
  get full(): boolean {
    return this.size >= this.#limits.workersMax;
  }

  start(nowMs: number, env: RuntimeEnvSpec): number {
    const startId = ++this.#startSequence;
    this.#starting.set(startId, { env, sinceMs: nowMs, slow: false });
    return startId;
  }

  /** Null for a start that is not known: its outcome was already decided (it timed out, then came up). */
  ready(nowMs: number, startId: number, workerId: ProcessId): PoolWorker | null {
    const start = this.#starting.get(startId);
    if (start === undefined || this.#workers.has(workerId)) return null;
    this.#drop(startId, start);
    const worker: PoolWorker = {
      workerId,
      envHash: start.env.hash,
      jobId: null,
      state: "idle",
      leaseId: null,
      idleSinceMs: nowMs,
      owns: false,
      retired: false,
    };
    this.#workers.set(workerId, worker);
    this.#idle.add(worker);
    return worker;
  }

  startFailed(startId: number): StartingWorker | null {
    const start = this.#starting.get(startId);
    if (start === undefined) return null;
    this.#drop(startId, start);
    return start;
  }

  #drop(startId: number, start: StartingWorker): void {
    this.#starting.delete(startId);
    if (start.slow) this.#slowCount--;
  }

  /** An idle worker for a grant: one of the job if there is one, else one that belongs to no job. */
  find(envHash: string, jobId: JobId): PoolWorker | null {
    let own: PoolWorker | null = null;
    let unbound: PoolWorker | null = null;
    for (const worker of this.#idle) {
      if (worker.envHash !== envHash) continue;
      if (worker.jobId === jobId) own = worker;
      else if (worker.jobId === null) unbound = worker;
    }
    return own ?? unbound;
  }

  take(worker: PoolWorker, leaseId: string, jobId: JobId): void {
    if (worker.state !== "idle" || (worker.jobId !== null && worker.jobId !== jobId)) {
      throw new Error(`Cannot lease ${worker.workerId}: it is ${worker.state} and of job ${worker.jobId}.`);
    }
    this.#idle.delete(worker);
    worker.state = "leased";
    worker.leaseId = leaseId;
    worker.jobId = jobId;
  }

  giveBack(nowMs: number, worker: PoolWorker): void {
    if (worker.state !== "leased") throw new Error(`Cannot give back ${worker.workerId}: it is not leased.`);
    worker.state = "idle";
    worker.leaseId = null;
    worker.idleSinceMs = nowMs;
    this.#idle.add(worker);
  }

  /** It was told to end; it stays until its exit is seen. Its lease, if any, stays with it until then. */
  stop(worker: PoolWorker): void {
    this.#idle.delete(worker);
    worker.state = "stopping";
  }

  /** It takes no more work and ends by itself (maxCalls), when nobody uses what it owns. Its lease is over. */
  retire(worker: PoolWorker): void {
    this.stop(worker);
    worker.leaseId = null;
    worker.retired = true;
  }

  /** Retired workers of a job. */
  retiredOf(jobId: JobId): PoolWorker[] {
    return [...this.#workers.values()].filter((worker) => worker.retired && worker.jobId === jobId);
  }

  exited(workerId: ProcessId): PoolWorker | null {
    const worker = this.#workers.get(workerId);
    if (worker === undefined) return null;
    this.#workers.delete(workerId);
    this.#idle.delete(worker);
    return worker;
  }

  /** Idle workers of a job. */
  idleOf(jobId: JobId): PoolWorker[] {
    return [...this.#idle].filter((worker) => worker.jobId === jobId);
  }

  /** The longest idle worker that cannot serve (env, job), to make room for one that can; null below the soft limit. */
  makeRoom(envHash: string, jobId: JobId): PoolWorker | null {
    if (this.size < this.#limits.softMax) return null;
    for (const worker of this.#idle) {
      if (worker.owns) continue;
      if (worker.envHash !== envHash || (worker.jobId !== null && worker.jobId !== jobId)) return worker;
    }
    return null;
  }

  /** Workers that have been idle for too long, longest first; at least `idleKept` stay. */
  reapable(nowMs: number): PoolWorker[] {
    const result: PoolWorker[] = [];
    let left = this.#idle.size;
    for (const worker of this.#idle) {
      if (left <= this.#limits.idleKept) break;
      if (worker.owns || worker.idleSinceMs + this.#limits.idleMs > nowMs) continue;
      result.push(worker);
      left--;
    }
    return result;
  }

  /** When `reapable` may next have an answer; null while the pool is within its limit. */
  nextReapMs(): number | null {
    if (this.#idle.size <= this.#limits.idleKept) return null;
    let earliest: number | null = null;
    for (const worker of this.#idle) {
      if (!worker.owns && (earliest === null || worker.idleSinceMs < earliest)) earliest = worker.idleSinceMs;
    }
    return earliest === null ? null : earliest + this.#limits.idleMs;
  }

  check(): void {
    const slow = [...this.#starting.values()].filter((start) => start.slow).length;
    assert(slow === this.#slowCount, "slow starts are counted");
    assert(this.#starting.size - slow <= this.#limits.startingMax, "no more starts at once than allowed");
    for (const worker of this.#workers.values()) {
      assert((worker.state === "idle") === this.#idle.has(worker), "the idle set is the idle workers");
      if (worker.state === "idle") assert(worker.leaseId === null, "an idle worker has no lease");
      if (worker.state === "leased") assert(worker.jobId !== null, "a leased worker is bound to a job");
      if (worker.state === "leased") assert(worker.leaseId !== null, "a leased worker knows its lease");
    }
    for (const worker of this.#idle) assert(this.#workers.has(worker.workerId), "idle workers are known");
  }
}
