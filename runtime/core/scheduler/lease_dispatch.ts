/**
 * Who gets free resources and idle workers next, and whose lease is asked back for those who wait. Part of the local
 * scheduler.
 * @module
 */
import type { JobId, ProcessId } from "../../common/ids.ts";
import { addResources, fits, type ResourceSet } from "../../common/resources.ts";
import type { PendingRequest } from "./lease_queue.ts";
import { groupOf, type HeldLease } from "./lease_table.ts";
import type { SchedulerState } from "./scheduler_state.ts";
import { StarvedRequests } from "./starved_requests.ts";
import type { WorkerStarts } from "./worker_starts.ts";

/** A request overtaken for this long keeps others (not deeper ones) from what it lacks … */
const OVERTAKEN_MS = 1_000;
/** … for so long in every period: what it waits for may never come free, and the others must not stop for ever. */
const HOLD_BACK_MS = 5_000;
const HOLD_BACK_PERIOD_MS = 10_000;
/** One more process beside blocked ones, for work that is no deeper than theirs: the next one waits this long, doubled for
 *  each that is blocked. Else a thousand tasks that wait for their children would be a thousand processes. */
const EXCESS_MS = 10;
const EXCESS_MS_MAX = 1_000;
/** Waiting classes for which leases are asked back in one step, at most. */
const RECLAIM_CLASSES_MAX = 32;

/** Resources that an overtaken request is waiting for, and its depth: only deeper ones may still take them. */
type HeldBack = Map<string, number>;

export class LeaseDispatch {
  readonly #state: SchedulerState;
  readonly #starts: WorkerStarts;
  readonly #starved: StarvedRequests;
  /** Where among the waiting classes the next ones are that leases are asked back for. */
  #reclaimFrom: number = 0;
  #leaseSequence: number = 0;
  /** When one more process of a job may be started beside its blocked ones; absent: now. */
  readonly #nextExcessMs: Map<JobId, number> = new Map();
  /** Moving average of how long granted requests waited, in milliseconds. */
  waitMs: number = 0;

  constructor(state: SchedulerState, starts: WorkerStarts) {
    this.#state = state;
    this.#starts = starts;
    this.#starved = new StarvedRequests(state);
  }

  /** Give out what is free: one request for each job in turn, until no job can have more. */
  dispatch(): void {
    const { queue } = this.#state;
    // A worker that came up is for those that wait for it.
    this.serveWaiting();
    if (queue.size > 0) {
      const heldBack: HeldBack = new Map();
      for (const entry of this.#starved.all()) this.#place(entry, heldBack);
      let turns = queue.jobs().map((jobId) => this.#placements(jobId, heldBack));
      while (turns.length > 0) turns = turns.filter((placements) => placements.next().done !== true);
    }
    this.serveWaiting();
  }

  /** Places a job's requests, deeper ones first, one for each class in turn; pauses after each. */
  *#placements(jobId: JobId, heldBack: HeldBack): Generator<void> {
    const { queue } = this.#state;
    for (const depth of [...queue.depths(jobId)]) {
      let progress = true;
      while (progress) {
        progress = false;
        for (const classKey of queue.classesAt(jobId, depth)) {
          const entry = queue.first(jobId, depth, classKey);
          if (entry === undefined || !this.#place(entry, heldBack)) continue;
          progress = true;
          queue.rotate(jobId, depth, classKey);
          yield;
        }
      }
    }
  }

  /** Idle workers for requests that hold resources. */
  serveWaiting(): void {
    for (const entry of this.#state.awaitingWorker) this.#grantIfWorker(entry);
  }

  /** Ask for leases back on behalf of those who still wait. */
  reclaim(): void {
    const { queue, leases, pending, nowMs } = this.#state;
    if (queue.size === 0 || leases.size === 0) return;
    let pendingGroups: Set<string> | null = null;
    const hasPending = (group: string): boolean => {
      pendingGroups ??= new Set([...pending.values()].map((entry) => groupOf(entry.request)));
      return pendingGroups.has(group);
    };
    const isIdle = (submitter: ProcessId): boolean => this.#state.pool.get(submitter)?.state === "idle";
    for (const entry of this.#reclaimFor()) {
      const pools = this.#state.poolsOf(entry.request);
      const lacking = pools[0]?.lacking(entry.request.resources) ?? [];
      if (lacking.length === 0) continue;
      const view = { hasPending, isIdle, starved: this.#starved.has(entry), pools };
      const { lease, retryMs } = leases.chooseReclaim(nowMs, entry, lacking, view);
      if (lease !== null) this.#askBack(lease, groupOf(entry.request));
      else if (retryMs !== null) this.#state.wakeAt(retryMs);
    }
  }

  /** The node is to be left: every lease goes back after its present task. */
  askAllBack(): void {
    for (const lease of this.#state.leases.all()) {
      if (lease.request.kind === "task" && !lease.ending) this.#askBack(lease, groupOf(lease.request));
    }
  }

  /** The first of each waiting class; when there are very many classes, some of them, and others the next time. */
  #reclaimFor(): PendingRequest[] {
    const firsts = [...this.#state.queue.firsts()];
    if (firsts.length <= RECLAIM_CLASSES_MAX) return firsts;
    const from = this.#reclaimFrom % firsts.length;
    this.#reclaimFrom = from + RECLAIM_CLASSES_MAX;
    const some = firsts.slice(from, from + RECLAIM_CLASSES_MAX);
    return [...some, ...firsts.slice(0, RECLAIM_CLASSES_MAX - some.length)];
  }

  /** Take resources for a request; false when it must go on waiting. */
  #place(entry: PendingRequest, heldBack: HeldBack): boolean {
    const state = this.#state;
    const { resources, runtimeEnv, jobId, depth, strategy } = entry.request;
    // What is held back is the node's; a bundle's users are few.
    const ofNode = strategy.type !== "group";
    if (ofNode) { for (const [name, from] of heldBack) if (depth <= from && name in resources) return false; }
    const needsStart = state.pool.find(runtimeEnv.hash, jobId) === null;
    if (needsStart && this.#starts.backingOff(runtimeEnv.hash)) return false;
    const excess = needsStart ? this.#excessOf(entry) : 0;
    if (excess > 0) {
      const nextMs = this.#nextExcessMs.get(jobId) ?? 0;
      if (state.nowMs < nextMs) {
        state.wakeAt(nextMs);
        return false;
      }
    }
    if (!entry.argumentsReady) {
      // Resources are free, the arguments small or here: it stays, and takes them when its arguments are pinned.
      if (!state.fitsUnpromised(entry.request)) return false;
      state.commit(entry);
      return true;
    }
    const allocation = state.acquire(entry.request);
    if (allocation === null) {
      if (ofNode && this.#overtaken(entry)) {
        for (const name of state.resources.lacking(resources)) {
          heldBack.set(name, Math.max(depth, heldBack.get(name) ?? 0));
        }
      }
      return false;
    }
    if (excess > 0) this.#excessStarted(jobId, excess);
    state.hold(entry, allocation);
    this.#grantIfWorker(entry);
    return true;
  }

  #excessStarted(jobId: JobId, excess: number): void {
    const { nowMs } = this.#state;
    for (const [other, atMs] of this.#nextExcessMs) if (atMs <= nowMs) this.#nextExcessMs.delete(other);
    const delayMs = Math.min(EXCESS_MS * 2 ** Math.min(excess, 10), EXCESS_MS_MAX);
    this.#nextExcessMs.set(jobId, nowMs + delayMs);
  }

  /** How many blocked tasks of its job it would run beside without being deeper than they are. */
  #excessOf(entry: PendingRequest): number {
    if (entry.request.kind === "actor") return 0;
    const { count, depth } = this.#state.leases.blocked(entry.request.jobId);
    return count > 0 && entry.request.depth <= depth ? count : 0;
  }

  #grantIfWorker(entry: PendingRequest): void {
    const state = this.#state;
    const { request, key, origin } = entry;
    const worker = state.pool.find(request.runtimeEnv.hash, request.jobId);
    if (worker === null) return;
    const leaseId = `${state.config.leaseIdPrefix}${++this.#leaseSequence}`;
    if (worker.jobId === null) {
      state.emit({ type: "assignJob", workerId: worker.workerId, jobId: request.jobId });
    }
    state.granted(entry);
    state.pool.take(worker, leaseId, request.jobId);
    const allocation = entry.allocation!;
    const lease: HeldLease = {
      leaseId,
      key,
      request,
      origin,
      workerId: worker.workerId,
      allocation,
      sinceMs: state.nowMs,
      argumentsHeld: request.args.length > 0,
      askedBackMs: null,
      askedBackFor: null,
      ending: false,
    };
    state.leases.add(lease);
    this.waitMs += (state.nowMs - entry.sinceMs - this.waitMs) / 8;
    this.emitGrant(lease);
    if (request.kind === "actor") this.#starts.refill();
  }

  /** Tell the submitter; again when it asks again because the first answer was lost. */
  emitGrant(lease: HeldLease): void {
    const { key, request, origin, leaseId, workerId, allocation } = lease;
    const gpuIds = [...allocation.gpus.keys()];
    const { resources } = allocation;
    this.#state.emit({ type: "grant", key, request, origin, leaseId, workerId, resources, gpuIds });
  }

  #askBack(lease: HeldLease, group: string): void {
    lease.askedBackMs = this.#state.nowMs;
    lease.askedBackFor = group;
    const { submitter, submitterNode } = lease.request;
    this.#state.emit({ type: "reclaimLease", leaseId: lease.leaseId, submitter, submitterNode });
  }

  /** Whether others have been let past it for long, and it could run if they were not. */
  #overtaken(entry: PendingRequest): boolean {
    const waitedMs = this.#state.nowMs - entry.sinceMs;
    if (waitedMs < OVERTAKEN_MS || (waitedMs - OVERTAKEN_MS) % HOLD_BACK_PERIOD_MS >= HOLD_BACK_MS) {
      return false;
    }
    const attainable: Record<string, number> = { ...this.#state.resources.total };
    for (const lease of this.#state.leases.all()) {
      const { pool, resources } = lease.allocation;
      const forLife = lease.request.kind === "actor" && pool === this.#state.resources;
      if (forLife) addResources(attainable, resources, -1);
    }
    addResources(attainable, this.#state.bundles.taken, -1);
    return fits(attainable as ResourceSet, entry.request.resources);
  }
}
