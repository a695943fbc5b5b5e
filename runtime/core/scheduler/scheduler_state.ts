/**
 * What the parts of one local scheduler share: its requests, leases, workers and resources, the present time and the
 * effects of the present step. The moves of a request between phases are here, because every part makes them.
 * @module
 */
import { assert } from "../../common/assert.ts";
import { WORKER_IDLE_MS } from "../../common/config.ts";
import type { NodeId } from "../../common/ids.ts";
import { matchesLabels, selectorsOf } from "../../common/labels.ts";
import { addResources, fits, RESOURCE_UNIT, type ResourceSet } from "../../common/resources.ts";
import type { LeaseRequest } from "../../common/task_spec.ts";
import { LeaseQueue, type PendingRequest } from "./lease_queue.ts";
import { LeaseTable } from "./lease_table.ts";
import type { LocalSchedulerConfig, LocalSchedulerEffect } from "./local_scheduler_types.ts";
import { BundleTable } from "./bundle_table.ts";
import { type Allocation, NodeResources } from "./node_resources.ts";
import { PACKED_SHARE, usedShare } from "./scheduling_policy.ts";
import { WorkerPool } from "./worker_pool.ts";

/** Requests waiting at once, unless configured. */
const REQUESTS_PENDING_MAX = 100_000;
/** Worker processes, unless configured. */
const WORKERS_MAX = 512;
/** Idle workers that are kept beside one for each CPU, at most: tasks that wait for others lend their CPUs, so that a node has
 *  more of them than CPUs, and to start a process for each wave of them takes longer than such a task. */
const WAITING_KEPT_MAX = 4;

export class SchedulerState {
  readonly config: LocalSchedulerConfig;
  readonly resources: NodeResources;
  /** Parts of the resources that belong to placement groups. */
  readonly bundles: BundleTable;
  readonly pool: WorkerPool;
  /** All and only requests in phase "queued". */
  readonly queue: LeaseQueue = new LeaseQueue();
  readonly leases: LeaseTable = new LeaseTable();
  /** All and only requests without an answer. */
  readonly pending: Map<string, PendingRequest> = new Map();
  /** All and only requests in phase "starting", in order. */
  readonly awaitingWorker: Set<PendingRequest> = new Set();
  /** Other nodes that are alive. */
  readonly peers: Set<NodeId> = new Set();
  draining: boolean = false;
  /** Questions to the global scheduler under way. */
  picks: number = 0;
  nowMs: number = 0;
  effects: LocalSchedulerEffect[] = [];
  /** Resources of requests that are decided to run here and hold none yet, so that not every newcomer thinks it fits. */
  readonly #promised: Record<string, number> = {};
  readonly #nodePools: readonly NodeResources[];
  /** What was queued in this step. */
  #arriving: Record<string, number> = {};
  /** The earliest time at which something is to be done, and the timer that is set. */
  #wakeMs: number | null = null;
  #timerMs: number | null = null;

  constructor(config: LocalSchedulerConfig) {
    this.config = config;
    this.resources = new NodeResources(config.resources);
    this.#nodePools = [this.resources];
    this.bundles = new BundleTable(this.resources);
    const cpus = Math.floor((config.resources["CPU"] ?? 0) / RESOURCE_UNIT);
    this.pool = new WorkerPool({
      softMax: Math.max(1, cpus),
      idleKept: config.idleWorkersKept ?? Math.max(1, cpus + Math.min(cpus, WAITING_KEPT_MAX)),
      startingMax: config.workersStartingMax ?? Math.max(2, cpus),
      workersMax: config.workersMax ?? WORKERS_MAX,
      idleMs: config.workerIdleMs ?? WORKER_IDLE_MS,
    });
  }

  get full(): boolean {
    return this.pending.size >= (this.config.requestsPendingMax ?? REQUESTS_PENDING_MAX);
  }

  emit(effect: LocalSchedulerEffect): void {
    this.effects.push(effect);
  }

  /** What a request draws from: the node's own, or bundles of its group; none where the group has none here. */
  poolsOf({ strategy }: LeaseRequest): readonly NodeResources[] {
    return strategy.type === "group" ? this.bundles.pools(strategy) : this.#nodePools;
  }

  /** Whether this node, idle, could run it, if need be by a fallback of its label selector. */
  feasible(request: LeaseRequest): boolean {
    return this.poolsOf(request).some((pool) => pool.feasible(request.resources)) &&
      selectorsOf(request).some((selector) => matchesLabels(this.config.labels, selector));
  }

  /** Whether this node meets the label selector itself: else only the head knows whether another one does. */
  preferred(request: LeaseRequest): boolean {
    return matchesLabels(this.config.labels, request.labelSelector);
  }

  /** Whether it would fit beside everything that is decided to run here. */
  fitsUnpromised(request: LeaseRequest): boolean {
    const { resources, strategy } = request;
    // A bundle has few users, and what is promised of it is not counted: its work may have to wait after all.
    if (strategy.type === "group") return this.poolsOf(request).some((pool) => pool.fitsNow(resources));
    for (const name in resources) {
      if ((this.resources.available[name] ?? 0) - (this.#promised[name] ?? 0) < resources[name]!) {
        return false;
      }
    }
    return fits(this.resources.available, resources);
  }

  /** Take what it needs, or null when that is not free. */
  acquire(request: LeaseRequest): Allocation | null {
    for (const pool of this.poolsOf(request)) {
      const allocation = pool.acquire(request.resources);
      if (allocation !== null) return allocation;
    }
    return null;
  }

  /** Whether it fits here, and so much is in use, or will be, that other nodes are as good for it (Ray's hybrid policy). */
  isPacked(request: ResourceSet): boolean {
    const available = this.unpromised();
    return fits(available, request) &&
      usedShare({ total: this.resources.total, available }, request) >= PACKED_SHARE;
  }

  /** What is free here, less what is decided; some of it may be negative. */
  unpromised(): Record<string, number> {
    const available: Record<string, number> = { ...this.resources.available };
    addResources(available, this.#promised, -1);
    addResources(available, this.#arriving, -1);
    return available;
  }

  /** It was queued in this step and, it seems, gets what it asks for: the next one that came with it shall know. */
  arrived(request: ResourceSet): void {
    addResources(this.#arriving, request, 1);
  }

  /** What was queued in this step holds what it got, or waits. */
  settled(): void {
    this.#arriving = {};
  }

  /** It runs here; first its arguments come here, if it has any. */
  commit(entry: PendingRequest): void {
    this.endPick(entry);
    this.#promise(entry);
    if (entry.argumentsReady) return this.enqueue(entry);
    this.dequeue(entry);
    entry.phase = "pulling";
    const { taskId, args, depth } = entry.request;
    this.emit({ type: "pullArguments", key: entry.key, taskId, args, depth });
  }

  enqueue(entry: PendingRequest): void {
    if (entry.phase === "queued" && this.queue.has(entry)) {
      if (entry.committed) this.queue.promote(entry);
      return;
    }
    entry.phase = "queued";
    this.queue.add(entry);
  }

  /** Its resources are held; it waits for a worker. */
  hold(entry: PendingRequest, allocation: NonNullable<PendingRequest["allocation"]>): void {
    this.endPick(entry);
    this.dequeue(entry);
    this.#uncommit(entry);
    entry.phase = "starting";
    entry.allocation = allocation;
    this.awaitingWorker.add(entry);
  }

  /** The reverse: no worker comes up, so others may use the resources meanwhile. */
  unhold(entry: PendingRequest): void {
    assert(entry.allocation !== null, `${entry.key} holds resources`);
    entry.allocation.pool.release(entry.allocation);
    entry.allocation = null;
    this.awaitingWorker.delete(entry);
    this.#promise(entry);
    this.enqueue(entry);
  }

  /** It is not for this node (any more): nothing of this node is held for it. */
  detach(entry: PendingRequest): void {
    this.endPick(entry);
    if (entry.request.args.length > 0 && (entry.argumentsReady || entry.phase === "pulling")) {
      this.emit({ type: "releaseArguments", key: entry.key });
      entry.argumentsReady = false;
    }
    this.dequeue(entry);
    this.#uncommit(entry);
    entry.allocation?.pool.release(entry.allocation);
    entry.allocation = null;
    this.awaitingWorker.delete(entry);
    entry.phase = "deciding";
  }

  /** It has its answer, or nobody waits for one. */
  remove(entry: PendingRequest): void {
    if (entry.forwardedTo !== null) this.takeBack(entry);
    this.detach(entry);
    this.pending.delete(entry.key);
  }

  /** It waits at another node no longer; a grant that crosses this goes back. */
  takeBack(entry: PendingRequest): void {
    assert(entry.forwardedTo !== null, `${entry.key} waits at another node`);
    const { submitter, requestId } = entry.request;
    this.emit({ type: "cancelForward", nodeId: entry.forwardedTo, submitter, requestId });
    entry.forwardedTo = null;
    entry.phase = "deciding";
  }

  reject(entry: PendingRequest, code: string, message: string, retry: boolean): void {
    this.remove(entry);
    const { key, request, origin } = entry;
    this.emit({ type: "reject", key, request, origin, code, message, retry });
  }

  /** Its resources and pins become a lease's. */
  granted(entry: PendingRequest): void {
    assert(entry.phase === "starting", `${entry.key} waits for a worker`);
    this.awaitingWorker.delete(entry);
    this.pending.delete(entry.key);
  }

  pickAsked(entry: PendingRequest): void {
    assert(!entry.picking, `${entry.key} is asked about once at a time`);
    entry.picking = true;
    this.picks++;
  }

  pickAnswered(entry: PendingRequest): void {
    assert(entry.picking, `${entry.key} was asked about`);
    entry.picking = false;
    this.picks--;
  }

  endPick(entry: PendingRequest): void {
    if (!entry.picking) return;
    this.pickAnswered(entry);
    const { submitter, requestId } = entry.request;
    this.emit({ type: "cancelPick", key: entry.key, submitter, requestId });
  }

  wakeAt(atMs: number): void {
    if (this.#wakeMs === null || atMs < this.#wakeMs) this.#wakeMs = atMs;
  }

  timerFired(): void {
    this.#timerMs = null;
  }

  /** At the end of a step: one timer, only when it must be earlier than the one that is set. */
  setTimer(): void {
    const atMs = this.#wakeMs;
    this.#wakeMs = null;
    if (atMs === null || (this.#timerMs !== null && this.#timerMs <= atMs)) return;
    this.#timerMs = atMs;
    this.emit({ type: "setTimer", atMs });
  }

  check(): void {
    this.resources.check();
    this.bundles.check();
    this.pool.check();
    this.queue.check();
    this.leases.check();
    const promised: Record<string, number> = {};
    let queued = 0;
    let picks = 0;
    for (const [key, entry] of this.pending) {
      assert(key === entry.key, `${key} is stored under its key`);
      if (entry.phase === "queued") queued++;
      if (entry.picking) picks++;
      assert((entry.phase === "queued") === this.queue.has(entry), `${key} is queued or not, in both books`);
      assert(
        (entry.phase === "starting") === (entry.allocation !== null),
        `${key} holds resources when starting`,
      );
      assert((entry.phase === "starting") === this.awaitingWorker.has(entry), `${key} waits for a worker`);
      assert((entry.phase === "forwarded") === (entry.forwardedTo !== null), `${key} is forwarded somewhere`);
      assert(entry.origin === "own" || entry.phase !== "forwarded", `${key} was spilled once and stays`);
      assert(entry.origin === "own" || !entry.picking, `${key} is not offered again`);
      if (entry.committed && isOfNode(entry)) addResources(promised, entry.request.resources, 1);
      assert(this.leases.ofKey(key) === undefined, `${key} has no lease yet`);
    }
    assert(queued === this.queue.size, "every queued request is pending");
    assert(picks === this.picks, "questions under way are counted");
    for (const name of new Set([...Object.keys(promised), ...Object.keys(this.#promised)])) {
      assert((promised[name] ?? 0) === (this.#promised[name] ?? 0), `promised ${name} adds up`);
    }
    for (const lease of this.leases.all()) {
      const worker = this.pool.get(lease.workerId);
      assert(worker !== undefined, `${lease.leaseId}'s worker is known`);
      assert(worker.leaseId === lease.leaseId, `${lease.workerId} knows its lease`);
      assert((worker.state === "stopping") === lease.ending, `${lease.leaseId} ends with its worker`);
    }
  }

  dequeue(entry: PendingRequest): void {
    if (entry.phase === "queued" && this.queue.has(entry)) this.queue.remove(entry);
  }

  #promise(entry: PendingRequest): void {
    if (entry.committed) return;
    entry.committed = true;
    if (isOfNode(entry)) addResources(this.#promised, entry.request.resources, 1);
  }

  #uncommit(entry: PendingRequest): void {
    if (!entry.committed) return;
    entry.committed = false;
    if (isOfNode(entry)) addResources(this.#promised, entry.request.resources, -1);
  }
}

/** Whether it draws from the node itself, not from a placement group's bundle. */
function isOfNode({ request }: PendingRequest): boolean {
  return request.strategy.type !== "group";
}
