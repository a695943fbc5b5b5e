/**
 * How leases and requests end other than by an answer: given back, their worker, submitter, job or node gone. Part of the
 * local scheduler.
 * @module
 */
import type { JobId, NodeId, ProcessId } from "../../common/ids.ts";
import type { DeathCause, LeaseRequest } from "../../common/task_spec.ts";
import type { PendingRequest } from "./lease_queue.ts";
import type { HeldLease } from "./lease_table.ts";
import type { RequestRouter } from "./request_router.ts";
import type { SchedulerState } from "./scheduler_state.ts";
import type { WorkerStarts } from "./worker_starts.ts";

/** Ended jobs that are remembered. */
const ENDED_JOBS_MAX = 1_000;

export class LeaseEndings {
  readonly #state: SchedulerState;
  readonly #starts: WorkerStarts;
  readonly #router: RequestRouter;
  /** Jobs that ended lately: their workers are not kept. */
  readonly #endedJobs: Set<JobId> = new Set();

  constructor(state: SchedulerState, starts: WorkerStarts, router: RequestRouter) {
    this.#state = state;
    this.#starts = starts;
    this.#router = router;
  }

  /** A lease ends: its worker is idle again, or ends with it or later. Late and repeated ones find no lease. */
  returned(leaseId: string, discardWorker: boolean, retired: boolean): void {
    const state = this.#state;
    const lease = state.leases.get(leaseId);
    if (lease === undefined || lease.ending) return;
    if (discardWorker || lease.request.kind === "actor") {
      return this.#discard(lease, "WORKER_DIED", "Its submitter gave it up.");
    }
    const worker = state.pool.get(lease.workerId)!;
    this.#release(lease);
    if (retired) return state.pool.retire(worker);
    state.pool.giveBack(state.nowMs, worker);
    if (this.#endedJobs.has(lease.request.jobId)) {
      this.#starts.stop(worker, false, "Its job ended.", "JOB_ENDED");
    }
  }

  workerExited(workerId: ProcessId, cause: DeathCause): void {
    const state = this.#state;
    const worker = state.pool.exited(workerId);
    if (worker === null) return; // Repeated.
    const lease = state.leases.ofWorker(workerId);
    if (lease === undefined) return;
    const { submitter, submitterNode, kind } = lease.request;
    const tell = !lease.ending && kind === "task";
    this.#release(lease);
    if (!tell) return;
    state.emit({ type: "leaseLost", leaseId: lease.leaseId, workerId, submitter, submitterNode, cause });
  }

  /** Its requests and leases go; what its workers run has no taker. */
  submitterDied(submitter: ProcessId): void {
    const state = this.#state;
    for (const entry of [...state.pending.values()]) {
      if (entry.request.submitter === submitter && entry.origin === "own") this.#cancel(entry);
    }
    for (const lease of [...state.leases.all()]) {
      if (lease.request.submitter !== submitter || lease.request.kind === "actor") continue;
      this.#discard(lease, "OWNER_DIED", `The process that submitted its work, ${submitter}, is gone.`);
    }
    for (const remote of [...state.leases.remote.values()]) {
      if (remote.submitter !== submitter) continue;
      state.leases.remote.delete(remote.leaseId);
      const { leaseId, nodeId, workerId } = remote;
      state.emit({ type: "returnRemoteLease", nodeId, leaseId, workerId, discardWorker: true });
    }
  }

  /** Only the driver's own work ends here: what its tasks submitted ends with them, and a detached actor's goes on. */
  jobEnded(jobId: JobId): void {
    const state = this.#state;
    if (this.#endedJobs.size >= ENDED_JOBS_MAX) {
      this.#endedJobs.delete(this.#endedJobs.values().next().value!);
    }
    this.#endedJobs.add(jobId);
    const ofDriver = (request: LeaseRequest): boolean =>
      request.jobId === jobId && request.kind === "task" && request.submitter.startsWith("d-");
    for (const entry of [...state.pending.values()]) {
      if (!ofDriver(entry.request)) continue;
      this.#cancel(entry);
    }
    for (const lease of [...state.leases.all()]) {
      if (ofDriver(lease.request)) this.#discard(lease, "JOB_ENDED", `its job ${jobId} ended`);
    }
    const message = `its job ${jobId} ended`;
    for (const worker of state.pool.idleOf(jobId)) this.#starts.stop(worker, false, message, "JOB_ENDED");
    // Nobody uses any more what kept them.
    const cause: DeathCause = { code: "JOB_ENDED", message };
    for (const { workerId } of state.pool.retiredOf(jobId)) {
      state.emit({ type: "stopWorker", workerId, force: false, cause });
    }
  }

  /** What was passed on to the node comes back, and what it granted to submitters here is lost. */
  outgoingLost(nodeId: NodeId): void {
    const state = this.#state;
    for (const entry of [...state.pending.values()]) {
      if (entry.forwardedTo === nodeId) this.#router.cameBack(entry, nodeId);
    }
    for (const remote of [...state.leases.remote.values()]) {
      if (remote.nodeId !== nodeId) continue;
      state.leases.remote.delete(remote.leaseId);
      const { leaseId, workerId, submitter } = remote;
      const cause: DeathCause = { code: "NODE_DIED", message: `Its node ${nodeId} is gone or out of reach.` };
      const submitterNode = state.config.nodeId;
      state.emit({ type: "leaseLost", leaseId, workerId, submitter, submitterNode, cause });
    }
  }

  /** Its submitters' requests here have no taker, nor has what their leased workers run. */
  incomingLost(nodeId: NodeId): void {
    const state = this.#state;
    for (const entry of [...state.pending.values()]) {
      if (entry.origin === "peer" && entry.request.submitterNode === nodeId) this.#cancel(entry);
    }
    for (const lease of [...state.leases.all()]) {
      if (lease.request.submitterNode !== nodeId || lease.origin !== "peer") continue;
      this.#discard(lease, "OWNER_DIED", `The node of its submitter, ${nodeId}, is gone or out of reach.`);
    }
  }

  /** What it ran in is taken away: its submitter hears of it, its resources are free when the process is gone. */
  evicted(lease: HeldLease, cause: DeathCause): void {
    if (lease.ending) return;
    const { leaseId, workerId, request: { submitter, submitterNode, kind } } = lease;
    this.#discard(lease, cause.code, cause.message);
    if (kind === "task") {
      this.#state.emit({ type: "leaseLost", leaseId, workerId, submitter, submitterNode, cause });
    }
  }

  /** Nobody wants its answer; the answer ends the question all the same. */
  #cancel(entry: PendingRequest): void {
    this.#state.remove(entry);
    this.#state.emit({ type: "answerCancelled", key: entry.key, origin: entry.origin });
  }

  /** End a lease whose worker may still be busy: its resources are free when the process is gone. */
  #discard(lease: HeldLease, code: DeathCause["code"], why: string): void {
    if (lease.ending) return;
    const { pool, leases } = this.#state;
    const worker = pool.get(lease.workerId)!;
    leases.end(lease);
    this.#starts.stop(worker, true, why, code);
  }

  /** Give back all that a lease held. */
  #release(lease: HeldLease): void {
    this.#state.leases.remove(lease);
    lease.allocation.pool.release(lease.allocation);
    this.releaseArguments(lease);
  }

  /** Its arguments are not needed any more, at the latest when it ends. */
  releaseArguments(lease: HeldLease): void {
    if (!lease.argumentsHeld) return;
    lease.argumentsHeld = false;
    this.#state.emit({ type: "releaseArguments", key: lease.key });
  }
}
