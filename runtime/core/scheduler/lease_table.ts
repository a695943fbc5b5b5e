/**
 * The leases of one node: which worker serves whom, and which lease to ask back when others wait. Also the leases that
 * other nodes granted to this node's submitters, so that they can be given back when a submitter dies.
 * @module
 */
import { assert } from "../../common/assert.ts";
import type { JobId, NodeId, ProcessId } from "../../common/ids.ts";
import type { LeaseRequest } from "../../common/task_spec.ts";
import type { PendingRequest } from "./lease_queue.ts";
import type { LeaseOrigin } from "./local_scheduler_types.ts";
import type { Allocation, NodeResources } from "./node_resources.ts";

/** A lease is kept at least this long before it is asked back, so that two classes do not trade one worker per task. */
export const LEASE_QUANTUM_MS: number = 2;
/** Work nearer to the root may wait longer for a lease that a blocked task holds: its children go first anyway, and it would
 *  only ask again. */
const DEEPER_QUANTUM_MS = 50;
/** A request to give back that had no effect for this long is repeated. */
const RECLAIM_AGAIN_MS = 1_000;
/** A busy lease comes back only after its present task: another one, perhaps idle, is asked for after this long … */
const RECLAIM_GAP_MS = 5;
/** … but no more than these at once for one waiting group. */
const RECLAIMS_PER_GROUP = 4;

/** One worker of this node in the service of one submitter. */
export interface HeldLease {
  readonly leaseId: string;
  readonly key: string;
  readonly request: LeaseRequest;
  readonly origin: LeaseOrigin;
  readonly workerId: ProcessId;
  readonly allocation: Allocation;
  readonly sinceMs: number;
  /** Whether stored arguments are kept here for it. */
  argumentsHeld: boolean;
  /** When its submitter was asked to give it back, and for which group; null when it was not. */
  askedBackMs: number | null;
  askedBackFor: string | null;
  /** Over for its submitter; the worker has been told to end and its resources are free when it has. */
  ending: boolean;
}

/** A lease at another node, of a submitter here. */
export interface RemoteLease {
  readonly leaseId: string;
  readonly nodeId: NodeId;
  readonly workerId: ProcessId;
  readonly submitter: ProcessId;
}

/** Who competes for workers: one submitter's tasks of one class. */
export function groupOf(request: LeaseRequest): string {
  return `${request.submitter}|${request.classKey}`;
}

/** The same for all tasks of one shape: those with stored arguments have a class each. */
export function shapeOf(request: LeaseRequest): string {
  return `${request.kind}|${request.submitter}|${request.classKey.split("#")[0]}`;
}

/** What the choice of a lease to ask back depends on besides the leases. */
export interface ReclaimView {
  /** Whether a group itself waits: one that does not has more than it needs. */
  readonly hasPending: (group: string) => boolean;
  /** Whether a submitter is a worker of this node that runs nothing: what it holds is of no use to a task. */
  readonly isIdle: (submitter: ProcessId) => boolean;
  /** Deeper work would never let it have anything, so that it has to give way this time. */
  readonly starved: boolean;
  /** What the waiting request draws from: leases that draw from others are of no use to it. */
  readonly pools: readonly NodeResources[];
}

export class LeaseTable {
  /** All and only leases whose worker has not exited and which were not returned. */
  readonly #held: Map<string, HeldLease> = new Map();
  readonly #byKey: Map<string, HeldLease> = new Map();
  readonly #byWorker: Map<ProcessId, HeldLease> = new Map();
  /** Task leases not ending, by group; no zero entries. */
  readonly #groupSizes: Map<string, number> = new Map();
  readonly remote: Map<string, RemoteLease> = new Map();

  get size(): number {
    return this.#held.size;
  }
  get(leaseId: string): HeldLease | undefined {
    return this.#held.get(leaseId);
  }
  ofKey(key: string): HeldLease | undefined {
    return this.#byKey.get(key);
  }
  ofWorker(workerId: ProcessId): HeldLease | undefined {
    return this.#byWorker.get(workerId);
  }
  /** A job's leases whose tasks are blocked, and the least depth among them. */
  blocked(jobId: JobId): { readonly count: number; readonly depth: number } {
    let count = 0;
    let depth = Infinity;
    for (const { allocation, request } of this.#held.values()) {
      if (!allocation.cpuLent || request.jobId !== jobId) continue;
      count++;
      if (request.depth < depth) depth = request.depth;
    }
    return { count, depth };
  }
  all(): Iterable<HeldLease> {
    return this.#held.values();
  }

  add(lease: HeldLease): void {
    assert(!this.#byWorker.has(lease.workerId), `${lease.workerId} serves one lease at a time`);
    this.#held.set(lease.leaseId, lease);
    this.#byKey.set(lease.key, lease);
    this.#byWorker.set(lease.workerId, lease);
    this.#count(lease, 1);
  }

  /** Over for its submitter; it still holds its worker and resources. */
  end(lease: HeldLease): void {
    if (lease.ending) return;
    this.#count(lease, -1);
    lease.ending = true;
  }

  remove(lease: HeldLease): void {
    this.end(lease);
    this.#held.delete(lease.leaseId);
    this.#byKey.delete(lease.key);
    this.#byWorker.delete(lease.workerId);
  }

  /**
   * The lease to ask back for a request that lacks resources, or null: one of the group that holds most, if that is
   * more than its share, children's before their parents', the oldest first. Work of other jobs is neither deeper nor
   * shallower. `retryMs` is when to look again.
   */
  chooseReclaim(
    nowMs: number,
    waiting: PendingRequest,
    lacking: readonly string[],
    view: ReclaimView,
  ): { readonly lease: HeldLease | null; readonly retryMs: number | null } {
    const group = groupOf(waiting.request);
    const own = this.#groupSizes.get(group) ?? 0;
    let best: HeldLease | null = null;
    let bestSize = 0;
    let retryMs: number | null = null;
    let outstanding = 0;
    for (const lease of this.#held.values()) {
      if (lease.request.kind === "actor" || lease.ending || !view.pools.includes(lease.allocation.pool)) {
        continue;
      }
      const asked = lease.askedBackMs !== null && nowMs < lease.askedBackMs + RECLAIM_AGAIN_MS;
      if (asked && lease.askedBackFor === group) {
        const nextMs = lease.askedBackMs! + RECLAIM_GAP_MS;
        if (++outstanding >= RECLAIMS_PER_GROUP) return { lease: null, retryMs: null };
        if (nowMs < nextMs) return { lease: null, retryMs: nextMs };
      }
      const holder = groupOf(lease.request);
      if (asked || holder === group) continue;
      if (!lacking.some((name) => holds(lease, name))) continue;
      const size = this.#groupSizes.get(holder) ?? 0;
      const sameJob = lease.request.jobId === waiting.request.jobId;
      const deeper = sameJob ? waiting.request.depth - lease.request.depth : 0;
      // A holder that waits itself has work for what it holds: deeper work keeps it, shallower gives way, equal shares.
      const keeps = deeper < 0 ? !view.starved : deeper === 0 && size <= own;
      if (keeps && view.hasPending(holder)) continue;
      const inUse = deeper < 0 && !view.starved && this.#isWaitedFor(lease, view);
      const due = lease.sinceMs + (inUse ? DEEPER_QUANTUM_MS : LEASE_QUANTUM_MS);
      if (nowMs < due) {
        if (retryMs === null || due < retryMs) retryMs = due;
        continue;
      }
      const preferred = best === null || size > bestSize ||
        (size === bestSize && lease.request.depth > best.request.depth);
      if (preferred) {
        best = lease;
        bestSize = size;
      }
    }
    return { lease: best, retryMs };
  }

  /** Whether the task that took the lease may be blocked on what runs there; nobody knows of submitters elsewhere. */
  #isWaitedFor({ request: { submitter } }: HeldLease, { isIdle }: ReclaimView): boolean {
    return this.#byWorker.get(submitter)?.allocation.cpuLent ?? !isIdle(submitter);
  }

  check(): void {
    const sizes = new Map<string, number>();
    for (const lease of this.#held.values()) {
      assert(this.#byWorker.get(lease.workerId) === lease, `${lease.leaseId} is its worker's lease`);
      assert(this.#byKey.get(lease.key) === lease, `${lease.leaseId} is its request's lease`);
      if (lease.request.kind === "actor" || lease.ending) continue;
      const group = groupOf(lease.request);
      sizes.set(group, (sizes.get(group) ?? 0) + 1);
    }
    assert(this.#byWorker.size === this.#held.size, "every worker in the table has a lease");
    assert(this.#byKey.size === this.#held.size, "every request in the table has a lease");
    assert(sizes.size === this.#groupSizes.size, "groups are those with leases");
    for (const [group, size] of sizes) {
      assert(this.#groupSizes.get(group) === size, `${group} knows its size`);
    }
  }

  #count(lease: HeldLease, by: 1 | -1): void {
    if (lease.request.kind === "actor" || lease.ending) return;
    const group = groupOf(lease.request);
    const size = (this.#groupSizes.get(group) ?? 0) + by;
    if (size === 0) this.#groupSizes.delete(group);
    else this.#groupSizes.set(group, size);
  }
}

/** Whether its end would free some of a resource: a blocked task's CPUs are free already. */
function holds({ request, allocation }: HeldLease, name: string): boolean {
  return (request.resources[name] ?? 0) > 0 && !(name === "CPU" && allocation.cpuLent);
}
