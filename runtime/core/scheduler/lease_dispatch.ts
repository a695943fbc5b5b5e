/**
 * Who gets free resources and idle workers next, and whose lease is asked back for those who wait. Part of the local
 * scheduler.
 * @module
 */
import { addResources, fits, type ResourceSet } from "../../common/resources.ts";
import type { PendingRequest } from "./lease_queue.ts";
import { groupOf, type HeldLease } from "./lease_table.ts";
import type { SchedulerState } from "./scheduler_state.ts";
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

export class LeaseDispatch {
  readonly #state: SchedulerState;
  readonly #starts: WorkerStarts;
  #leaseSequence: number = 0;
  /** When one more process may be started beside blocked ones. */
  #nextExcessMs: number = 0;
  /** Moving average of how long granted requests waited, in milliseconds. */
  waitMs: number = 0;

  constructor(state: SchedulerState, starts: WorkerStarts) {
    this.#state = state;
    this.#starts = starts;
  }

  /** Give out what is free: deeper requests first, one for each class in turn. */
  dispatch(): void {
    const { queue } = this.#state;
    const heldBack = new Set<string>();
    for (const depth of [...queue.depths()]) {
      let progress = true;
      while (progress) {
        progress = false;
        for (const classKey of queue.classesAt(depth)) {
          const entry = queue.first(depth, classKey);
          if (entry === undefined || !this.#place(entry, heldBack)) continue;
          progress = true;
          queue.rotate(depth, classKey);
        }
      }
    }
    this.serveWaiting();
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
    let classes = 0;
    for (const depth of queue.depths()) {
      for (const classKey of queue.classesAt(depth)) {
        if (++classes > RECLAIM_CLASSES_MAX) return;
        const entry = queue.first(depth, classKey)!;
        const pools = this.#state.poolsOf(entry.request);
        const lacking = pools[0]?.lacking(entry.request.resources) ?? [];
        if (lacking.length === 0) continue;
        const { lease, retryMs } = leases.chooseReclaim(
          nowMs,
          { waiting: entry, lacking, pools },
          hasPending,
        );
        if (lease !== null) this.#askBack(lease, groupOf(entry.request));
        else if (retryMs !== null) this.#state.wakeAt(retryMs);
      }
    }
  }

  /** Take resources for a request; false when it must go on waiting. */
  #place(entry: PendingRequest, heldBack: Set<string>): boolean {
    const state = this.#state;
    const { resources, runtimeEnv, jobId, strategy } = entry.request;
    // What is held back is the node's; a bundle's users are few.
    const ofNode = strategy.type !== "group";
    if (ofNode) { for (const name of heldBack) if (name in resources) return false; }
    const needsStart = state.pool.find(runtimeEnv.hash, jobId) === null;
    if (needsStart && this.#starts.backingOff(runtimeEnv.hash)) return false;
    const excess = needsStart ? this.#excessOf(entry) : 0;
    if (excess > 0 && state.nowMs < this.#nextExcessMs) {
      state.wakeAt(this.#nextExcessMs);
      return false;
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
        for (const name of state.resources.lacking(resources)) heldBack.add(name);
      }
      return false;
    }
    if (excess > 0) {
      this.#nextExcessMs = state.nowMs + Math.min(EXCESS_MS * 2 ** Math.min(excess, 10), EXCESS_MS_MAX);
    }
    state.hold(entry, allocation);
    this.#grantIfWorker(entry);
    return true;
  }

  /** How many blocked tasks it would run beside without being deeper than they are. */
  #excessOf(entry: PendingRequest): number {
    if (entry.request.kind === "actor") return 0;
    const { count, depth } = this.#state.leases.blocked();
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
