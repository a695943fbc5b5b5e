/**
 * The local scheduler: one node's decisions about leases. It grants its own workers when a request fits here now and
 * its arguments are here or small (bottom-up); else the global scheduler is asked, which may name this node. It owns the
 * node's resources, its worker pool and every request and lease; it does not own how workers are started, how arguments
 * are fetched, or where other nodes are: those are effects.
 *
 *                 leaseRequested
 *                /      |1      \2
 *               v       |        v        3
 *          deciding ----|----> queued <--------> pulling
 *              |  ^  4  |       |   |       5
 *             6|  |7    |      6|   |8
 *              v  |     |       v   v
 *            forwarded <+-------+  starting --9--> granted (a lease)
 *                 |10
 *                 v
 *            granted elsewhere
 *
 *   1 spilled here, placed here by the head, or hard affinity: committed to this node
 *   2 it could run here but for resources; asked about elsewhere at once, and again while it waits, also when forwarded:
 *     it is taken back when another node, or this one, can start it at once
 *   3 resources are free (or the global scheduler said "here"), but arguments have to be fetched first
 *   4 the global scheduler said "here"            5 arguments are here and pinned
 *   6 the global scheduler named another node     7 that node refused or is lost
 *   8 resources taken                             9 a worker of its job and environment is idle
 *  10 that node granted
 *
 * Jobs in turn; within a job deeper requests first, round robin across classes within a depth. A request that small or
 * deeper ones keep overtaking is let through after a while. Resources come back exactly: check() adds them up.
 * @module
 */
import type { NodeId, ProcessId } from "../../common/ids.ts";
import type { ResourceSet } from "../../common/resources.ts";
import type { DeathCause, LeaseRequest } from "../../common/task_spec.ts";
import type { LeaseFacts } from "../../common/why_facts.ts";
import type { DemandRow, WorkerReport } from "../../protocol/messages.ts";
import type { Core } from "../core.ts";
import { BundleOrders } from "./bundle_orders.ts";
import type { BundleTable } from "./bundle_table.ts";
import { demandRows, type DemandView, reasonOf } from "./lease_demand.ts";
import { LeaseDispatch } from "./lease_dispatch.ts";
import { LeaseEndings } from "./lease_endings.ts";
import type { PendingRequest } from "./lease_queue.ts";
import { shapeOf } from "./lease_table.ts";
import {
  type LeaseOrigin,
  type LocalSchedulerConfig,
  type LocalSchedulerEffect,
  type LocalSchedulerEvent,
  requestKey,
} from "./local_scheduler_types.ts";
import type { MemoryCandidate } from "./memory_monitor.ts";
import { REOFFER_MS, RequestRouter } from "./request_router.ts";
import { SchedulerState } from "./scheduler_state.ts";
import { WorkerStarts } from "./worker_starts.ts";

/** What a request needs besides resources. */
type LeaseNeeds = Pick<LeaseRequest, "args" | "runtimeEnv">;

/** See the module's header. */
export class LocalScheduler implements Core<LocalSchedulerEvent, LocalSchedulerEffect> {
  readonly #state: SchedulerState;
  readonly #router: RequestRouter;
  readonly #starts: WorkerStarts;
  readonly #dispatch: LeaseDispatch;
  readonly #endings: LeaseEndings;
  readonly #bundles: BundleOrders;

  constructor(config: LocalSchedulerConfig) {
    this.#state = new SchedulerState(config);
    this.#router = new RequestRouter(this.#state);
    this.#starts = new WorkerStarts(this.#state);
    this.#dispatch = new LeaseDispatch(this.#state, this.#starts);
    this.#endings = new LeaseEndings(this.#state, this.#starts, this.#router);
    this.#bundles = new BundleOrders(this.#state, this.#endings, this.#router);
  }

  /** Units free now; CPU may be below zero while resumed tasks oversubscribe. */
  get available(): ResourceSet {
    return this.#state.resources.available;
  }
  get workerCount(): number {
    return this.#state.pool.size;
  }
  get pendingCount(): number {
    return this.#state.pending.size;
  }
  get leaseCount(): number {
    return this.#state.leases.size;
  }

  step(nowMs: number, event: LocalSchedulerEvent): readonly LocalSchedulerEffect[] {
    return this.stepAll(nowMs, [event]);
  }

  /**
   * Events that came together: what is free is given out when all have been applied, so that a lease that goes back and a
   * request that comes with it are seen as one.
   */
  stepAll(nowMs: number, events: readonly LocalSchedulerEvent[]): readonly LocalSchedulerEffect[] {
    const state = this.#state;
    state.nowMs = nowMs;
    state.effects = [];
    const fresh: PendingRequest[] = [];
    let offerDue = false;
    for (const event of events) {
      const entry = this.#apply(event);
      if (entry !== null) fresh.push(entry);
      offerDue ||= event.type === "timer" || event.type === "peersChanged";
    }
    if (offerDue) this.#router.stayDue();
    state.bundles.settle();
    this.#dispatch.dispatch();
    state.settled();
    for (const entry of fresh) if (state.pending.has(entry.key)) this.#starts.refuseQuarantined(entry);
    for (const entry of fresh) if (state.pending.has(entry.key)) this.#router.offer(entry);
    if (offerDue) this.#router.offerDue();
    this.#starts.startMissing();
    this.#dispatch.reclaim();
    this.#starts.reap();
    this.#bundles.askUnheard();
    const dueMs = this.#router.nextDueMs();
    if (dueMs !== null) state.wakeAt(dueMs);
    state.setTimer();
    return state.effects;
  }

  /** Bundles of placement groups that this node holds, for registrations and heartbeats. */
  get bundles(): Pick<BundleTable, "reports" | "loads" | "changes" | "bundleOf"> {
    return this.#state.bundles;
  }

  /** What waits here and why, for heartbeats and people. */
  demand(): DemandRow[] {
    return demandRows(this.#state.pending.values(), this.#view());
  }

  /** Why a request of this node waits; null when none of that name does. */
  reason(submitter: ProcessId, requestId: string): string | null {
    const entry = this.#state.pending.get(requestKey(submitter, requestId));
    return entry === undefined ? null : reasonOf(entry, this.#view());
  }

  /** A request of this node, for people; null when none of that name waits. */
  explain(
    submitter: ProcessId,
    requestId: string,
  ): (Omit<LeaseFacts, "pulls" | "preparing">) & LeaseNeeds | null {
    const entry = this.#state.pending.get(requestKey(submitter, requestId));
    if (entry === undefined) return null;
    const { phase, sinceMs, forwardedTo, request: { args, runtimeEnv } } = entry;
    const reason = reasonOf(entry, this.#view());
    return { nodeId: this.#state.config.nodeId, phase, sinceMs, reason, forwardedTo, args, runtimeEnv };
  }

  /** Whether anything here should come to its end before the node leaves: work, or what others still use of it. */
  get isBusy(): boolean {
    if (this.#state.leases.size > 0) return true;
    for (const worker of this.#state.pool.workers()) if (worker.owns) return true;
    return false;
  }

  /** What a worker's lease is for, for people; null without a lease. */
  workOf(workerId: ProcessId): Pick<WorkerReport, "work" | "bundle"> | null {
    const lease = this.#state.leases.ofWorker(workerId);
    if (lease === undefined) return null;
    const { name: work } = lease.request;
    const bundle = this.bundles.bundleOf(lease.allocation.pool);
    return bundle === null ? { work } : { work, bundle };
  }

  /** Work that is running or about to, as the memory monitor sees it: a lease's age stands for its task's. */
  running(): (MemoryCandidate & { readonly name: string })[] {
    return [...this.#state.leases.all()].filter(({ ending }) => !ending).map((lease) => {
      const { submitter: owner, retriable = true, name } = lease.request;
      return { workerId: lease.workerId, owner, retriable, sinceMs: lease.sinceMs, name };
    });
  }

  /** Leases that a request's submitter holds here for work of its shape. */
  leasesLike(request: LeaseRequest): number {
    let count = 0;
    for (const lease of this.#state.leases.all()) {
      if (lease.request.kind === "task" && shapeOf(lease.request) === shapeOf(request)) count++;
    }
    return count;
  }

  /** Whether a request of this node waits for resources, not for arguments or a worker that comes up. */
  waitsForResources(submitter: ProcessId, requestId: string): boolean {
    return this.#state.pending.get(requestKey(submitter, requestId))?.phase === "queued";
  }

  /** Whether it has its resources already, and lacks only a worker that comes up. */
  waitsForWorker(submitter: ProcessId, requestId: string): boolean {
    return this.#state.pending.get(requestKey(submitter, requestId))?.phase === "starting";
  }

  /** The load that heartbeats tell: tasks waiting here, and how long a request waits for its grant. */
  load(): { queueLength: number; queueWaitMs: number } {
    let queueLength = 0;
    for (const row of this.demand()) queueLength += row.count;
    return { queueLength, queueWaitMs: queueLength === 0 ? 0 : this.#dispatch.waitMs };
  }

  check(): void {
    this.#state.check();
  }

  /** Apply one event; returns a request that is new to the queues, to be offered elsewhere when nothing is free. */
  #apply(event: LocalSchedulerEvent): PendingRequest | null {
    switch (event.type) {
      case "leaseRequested":
        return this.#requested(event);
      case "leaseCancelled":
      case "backlogChanged":
      case "leaseReturned":
      case "remoteLeaseReturned":
      case "submitterDied":
      case "jobEnded":
        this.#applySubmitterEvent(event);
        return null;
      case "workerReady":
      case "workerStartFailed":
      case "workerExited":
      case "workerBlocked":
      case "workerUnblocked":
      case "actorConstructed":
      case "workerOwns":
        this.#applyWorkerEvent(event);
        return null;
      case "peersChanged":
        return this.#peersChanged(event.alive);
      case "peerLost":
        if (event.direction === "outgoing") this.#endings.outgoingLost(event.nodeId);
        else this.#endings.incomingLost(event.nodeId);
        return null;
      case "bundlesPrepare":
      case "bundlesCommit":
      case "bundlesRelease":
        this.#bundles.apply(event);
        return null;
      case "drain":
        return this.#drain();
      case "prestart":
        this.#starts.prestart(event.count);
        return null;
      case "timer":
        this.#state.timerFired();
        return null;
      default:
        this.#applyAnswer(event);
        return null;
    }
  }

  #applySubmitterEvent(event: SubmitterEvent): void {
    switch (event.type) {
      case "leaseCancelled": {
        const entry = this.#state.pending.get(requestKey(event.submitter, event.requestId));
        // Late: it was granted or refused meanwhile; the submitter returns a grant that it does not want.
        if (entry === undefined) return;
        this.#state.remove(entry);
        return this.#state.emit({ type: "answerCancelled", key: entry.key, origin: entry.origin });
      }
      case "backlogChanged":
        return this.#backlogChanged(event);
      case "leaseReturned":
        return this.#endings.returned(event.leaseId, event.discardWorker, event.retired === true);
      case "remoteLeaseReturned":
        this.#state.leases.remote.delete(event.leaseId);
        return;
      case "submitterDied":
        return this.#endings.submitterDied(event.submitter);
      case "jobEnded":
        return this.#endings.jobEnded(event.jobId);
    }
  }

  #applyWorkerEvent(event: WorkerEvent): void {
    const { pool, leases } = this.#state;
    switch (event.type) {
      case "workerReady": {
        const worker = pool.ready(this.#state.nowMs, event.startId, event.workerId);
        if (worker !== null) return this.#starts.succeeded(worker.envHash);
        // Its start was given up: nobody waits for it.
        const cause: DeathCause = { code: "EXITED", message: "It came up too late." };
        return this.#state.emit({ type: "stopWorker", workerId: event.workerId, force: true, cause });
      }
      case "workerStartFailed": {
        const start = pool.startFailed(event.startId);
        if (start !== null) this.#starts.failed(start, event.message, event.final === true);
        return;
      }
      case "workerExited":
        return this.#endings.workerExited(event.workerId, event.cause);
      case "workerBlocked":
      case "workerUnblocked": {
        const lease = leases.ofWorker(event.workerId);
        // Late: the lease is over, and with it what was lent.
        if (lease === undefined) return;
        const { allocation, key } = lease;
        if (event.type === "workerUnblocked") return allocation.pool.takeCpu(allocation);
        allocation.pool.lendCpu(allocation);
        // What it waits for may need arguments of its own.
        if (lease.argumentsHeld) this.#state.emit({ type: "argumentsLent", key });
        return;
      }
      case "actorConstructed": {
        const lease = leases.ofWorker(event.workerId);
        // For life they would take what arguments may hold together from every task that comes after it (as in Ray).
        if (lease !== undefined) this.#endings.releaseArguments(lease);
        return;
      }
      case "workerOwns": {
        const worker = pool.get(event.workerId);
        if (worker !== undefined) worker.owns = event.owns;
        return;
      }
    }
  }

  /** Answers to effects. A request that is gone, or in another phase, got its answer some other way. */
  #applyAnswer(event: AnswerEvent): void {
    const state = this.#state;
    const entry = state.pending.get(event.key);
    switch (event.type) {
      case "argumentsReady":
        if (entry?.phase !== "pulling") return;
        entry.argumentsReady = true;
        return state.enqueue(entry);
      case "argumentsFailed":
        if (entry?.phase !== "pulling") return;
        return state.reject(entry, event.code, event.message, false);
      case "nodePicked":
        if (entry?.picking === true) this.#router.picked(entry, event.nodeId);
        return;
      case "pickFailed":
        if (entry?.picking !== true) return;
        if (!event.fatal) return this.#router.pickFailed(entry);
        state.pickAnswered(entry);
        return state.reject(entry, event.code, event.message, false);
      case "forwardGranted": {
        const { leaseId, nodeId, workerId, submitter } = event;
        // Granted once and told twice: it was taken back and came there again while the first grant was on its way.
        if (state.leases.remote.has(leaseId)) return;
        if (entry?.forwardedTo !== nodeId) {
          // It crossed a cancellation, or its submitter died: nobody wants it.
          return state.emit({ type: "returnRemoteLease", nodeId, leaseId, workerId, discardWorker: false });
        }
        state.endPick(entry);
        state.pending.delete(entry.key);
        state.leases.remote.set(leaseId, { leaseId, nodeId, workerId, submitter });
        return state.emit({ type: "answerForwarded", key: entry.key, leaseId });
      }
      case "forwardFailed":
        if (entry?.forwardedTo !== event.nodeId) return;
        if (!event.fatal) return this.#router.cameBack(entry, event.nodeId);
        entry.forwardedTo = null;
        return state.reject(entry, event.code, event.message, false);
    }
  }

  #requested(event: Extract<LocalSchedulerEvent, { type: "leaseRequested" }>): PendingRequest | null {
    const state = this.#state;
    const { request, origin, missingBytes } = event;
    const key = requestKey(request.submitter, request.requestId);
    // Resent: still waiting, or its grant was lost on the way.
    if (state.pending.has(key)) return null;
    const lease = state.leases.ofKey(key);
    if (lease !== undefined) {
      if (!lease.ending) this.#dispatch.emitGrant(lease);
      return null;
    }
    const entry = newEntry(state.nowMs, key, request, origin, missingBytes);
    if (state.full) {
      const message =
        `Cannot queue the lease request of ${request.name}: ${state.pending.size} requests wait already.`;
      state.emit({
        type: "reject",
        key,
        request,
        origin,
        code: "PendingCallsLimitExceededError",
        message,
        retry: false,
      });
      return null;
    }
    state.pending.set(key, entry);
    this.#router.admit(entry);
    return state.pending.has(key) ? entry : null;
  }

  #backlogChanged(event: Extract<LocalSchedulerEvent, { type: "backlogChanged" }>): void {
    const { submitter, requestId, backlog } = event;
    const entry = this.#state.pending.get(requestKey(submitter, requestId));
    if (entry === undefined) return; // Late: it has its answer.
    entry.backlog = backlog;
    if (entry.forwardedTo === null) return;
    this.#state.emit({ type: "forwardBacklog", nodeId: entry.forwardedTo, submitter, requestId, backlog });
  }

  #peersChanged(alive: readonly NodeId[]): null {
    const { peers, config } = this.#state;
    let others = 0;
    let isSame = true;
    for (const nodeId of alive) {
      if (nodeId === config.nodeId) continue;
      others++;
      isSame &&= peers.has(nodeId);
    }
    // Most lists tell of states: in a large cluster they come often.
    if (isSame && others === peers.size) return null;
    const before = [...peers];
    peers.clear();
    for (const nodeId of alive) if (nodeId !== config.nodeId) peers.add(nodeId);
    for (const nodeId of before) {
      if (peers.has(nodeId)) continue;
      this.#endings.outgoingLost(nodeId);
      this.#endings.incomingLost(nodeId);
    }
    return null;
  }

  #drain(): null {
    const state = this.#state;
    this.#dispatch.askAllBack();
    // Said again: what waits is looking for another node already.
    if (state.draining) return null;
    state.draining = true;
    for (const entry of [...state.pending.values()]) {
      if (entry.phase === "forwarded") continue;
      state.detach(entry);
      entry.nextPickMs = state.nowMs;
      this.#router.admit(entry);
    }
    return null;
  }

  #view(): DemandView {
    const { resources, config, leases, peers, draining } = this.#state;
    const failureOf: DemandView["failureOf"] = (envHash) => this.#starts.failureOf(envHash);
    return { resources, labels: config.labels, leases: leases.size, peers: peers.size, draining, failureOf };
  }
}

type EventOf<T extends LocalSchedulerEvent["type"]> = Extract<LocalSchedulerEvent, { type: T }>;
type SubmitterEvent = EventOf<
  | "leaseCancelled"
  | "backlogChanged"
  | "leaseReturned"
  | "remoteLeaseReturned"
  | "submitterDied"
  | "jobEnded"
>;
type WorkerEvent = EventOf<
  | "workerReady"
  | "workerStartFailed"
  | "workerExited"
  | "workerBlocked"
  | "workerUnblocked"
  | "actorConstructed"
  | "workerOwns"
>;
type AnswerEvent = EventOf<
  "argumentsReady" | "argumentsFailed" | "nodePicked" | "pickFailed" | "forwardGranted" | "forwardFailed"
>;

function newEntry(
  nowMs: number,
  key: string,
  request: LeaseRequest,
  origin: LeaseOrigin,
  missingBytes: number | null,
): PendingRequest {
  return {
    key,
    request,
    origin,
    sinceMs: nowMs,
    phase: "deciding",
    backlog: request.backlog,
    committed: false,
    argumentsReady: request.args.length === 0,
    missingBytes,
    picking: false,
    decideByMs: null,
    nextPickMs: nowMs,
    pickBackoffMs: REOFFER_MS,
    exclude: [],
    allocation: null,
    forwardedTo: null,
  };
}
