/**
 * The task submitter: a process's queue of tasks, the leases it holds, and which task goes to which leased worker.
 *
 * It owns: queues per scheduling class, open lease requests, granted leases with what is in flight on them, retry
 * decisions after a lost worker. It does not own: values, references, connections, argument resolution (a task comes here
 * when its arguments are ready), or when a worker may be granted (that is the agent's local scheduler).
 *
 *   submitted --1--> queued --2--> in flight --3--> done
 *                      ^              |
 *                      +------4-------+
 *
 *   1 submit(): into the queue of its class; leases are requested for the work that the queue holds. pushNow(): an idle
 *     worker gets its first task without waiting for the end of the submitter's tick.
 *   2 A lease has room: the worker is expected to be done with what it has within PIPELINE_US. Only functions that have
 *     measured short share a worker's pipeline; a task whose run time is unknown, or that must not be repeated
 *     (`exclusive`), goes alone.
 *   3 completed().
 *   4 handedBack(), retired(), workerUnreached(): not started, costs nothing. workerLost(): of a task that was alone there it
 *     costs a retry; of several nobody knows which one ran, so all go alone from now on and the culprit shows itself. A kill
 *     for low memory has a budget of its own (limits.memoryRetries), and the retry waits: delayed_retries.ts.
 *
 * A cancelled task that comes back is dropped (effects.dropped); of those that wait, whoever cancels one settles it and says
 * withdrawn(), and it leaves its queue with the next pump: taking out a million one by one would take for ever.
 *
 * A task with stored arguments has a class of its own: its lease request carries the arguments, so that the scheduler can
 * choose the node by where they are and pin them before the grant.
 * @module
 */
import { Deque } from "../../common/deque.ts";
import type { DeathCause, Grant } from "../../common/task_spec.ts";
import { DelayedRetries, hasRetry, memoryRetryDelayMs, useRetry } from "./delayed_retries.ts";
import { average, expected, PIPELINE_US, UNKNOWN_US } from "./expected_work.ts";
import { checkSubmitter, isArgumentKey } from "./task_submitter_check.ts";
import type {
  ClassQueue,
  Lease,
  SubmittedTask,
  SubmitterEffects,
  SubmitterLimits,
} from "./task_submitter_types.ts";

/** Arguments in a worker's pipeline, at most; one task may always go. */
const PIPELINE_BYTES = 8 * 1024 * 1024;
/** Tasks in flight on one worker, at most. */
const PIPELINE_TASKS_MAX = 1024;
/** Leases that are remembered as asked back too early. */
const ASKED_EARLY_MAX = 1_000;
/** Expected work per lease that is worth asking for another one. */
const WORK_PER_LEASE_US = 2_000;

/** So many workers of a class that cannot be reached one after the other are no bad luck: from then on they cost retries. */
export const UNREACHED_MAX = 5;

/** A worker that has not answered for this long is not counted on for what waits: another one is asked for. */
export const STALL_MS = 10;

/** See the module's header. One per process and job. */
export class TaskSubmitter<T extends SubmittedTask> {
  readonly #effects: SubmitterEffects<T>;
  readonly #limits: SubmitterLimits;
  readonly #queues = new Map<string, ClassQueue<T>>();
  /** All and only open requests, with their class. */
  readonly #requests = new Map<string, ClassQueue<T>>();
  /** All and only held leases. */
  readonly #leases = new Map<string, Lease<T>>();
  /** Tasks with stored arguments that wait for a free request slot. */
  readonly gated: Deque<T> = new Deque();
  readonly delayed: DelayedRetries<T> = new DelayedRetries();
  #argumentRequests = 0;
  #nextRequest = 1;
  /** Leases that were asked back and that are not held: their grants may be on their way. */
  readonly #askedEarly = new Set<string>();
  /** Classes that changed since the last pump. */
  readonly #dirty = new Set<ClassQueue<T>>();
  /** Those with cancelled tasks among the waiting ones. */
  readonly #unswept = new Set<ClassQueue<T>>();

  constructor(effects: SubmitterEffects<T>, limits: SubmitterLimits) {
    this.#effects = effects;
    this.#limits = limits;
  }

  get leases(): ReadonlyMap<string, Lease<T>> {
    return this.#leases;
  }
  get queues(): ReadonlyMap<string, ClassQueue<T>> {
    return this.#queues;
  }

  /** Queue a task whose arguments are ready. Nothing is sent before pump(). */
  submit(task: T): void {
    if (task.storedArgs.length > 0 && this.#argumentRequests >= this.#limits.argumentRequests) {
      this.gated.push(task);
      return;
    }
    this.#enqueue(task, false);
  }

  /**
   * Push a task at once to a worker of its class that is held and has nothing to do, so that it runs while the submitter's
   * tick goes on. Answers the lease, or null when there is none: then it is not queued either. Of short tasks only the first
   * one of a tick goes so: the others share their workers' pipelines, and cost least together.
   */
  pushNow(nowMs: number, task: T, isFirst: boolean): Lease<T> | null {
    if (task.storedArgs.length > 0 || (!isFirst && expected(task) < PIPELINE_US)) return null;
    const queue = this.#queues.get(task.shape.key);
    if (queue === undefined || queue.waiting.length > 0) return null;
    for (const lease of queue.leases) {
      if (lease.inFlight.size > 0 || lease.reclaimed || lease.blocked) continue;
      this.#assign(lease, task, nowMs);
      this.#effects.push(lease, [task]);
      return lease;
    }
    return null;
  }

  /** Whether some tasks wait without an open request: pump() should be called again after STALL_MS. */
  get isWaiting(): boolean {
    for (const queue of this.#queues.values()) {
      if (queue.waiting.length > 0 && queue.requests.size === 0) return true;
    }
    return false;
  }

  /** Whether requests are open. */
  get isRequesting(): boolean {
    return this.#requests.size > 0;
  }

  /** Open requests behind which another number of tasks waits than the scheduler was told; now it counts as told. */
  backlogChanges(): [requestId: string, backlog: number][] {
    const changes: [string, number][] = [];
    for (const queue of this.#queues.values()) {
      const waiting = queue.waiting.length;
      if (queue.toldBacklog === waiting) continue;
      queue.toldBacklog = waiting;
      for (const requestId of queue.requests) changes.push([requestId, waiting]);
    }
    return changes;
  }

  /** Look at every class again, for those whose workers make no progress. */
  pumpAll(nowMs: number): void {
    for (const queue of this.#queues.values()) if (queue.waiting.length > 0) this.#dirty.add(queue);
    this.pump(nowMs);
  }

  /** Push what fits and ask for what is missing: once per tick, after any number of the other calls. */
  pump(nowMs: number): void {
    if (this.#unswept.size > 0) this.#sweep();
    for (const queue of this.#dirty) {
      this.#fill(queue, nowMs);
      this.#request(queue, nowMs);
      this.#forget(queue);
    }
    this.#dirty.clear();
  }

  granted(nowMs: number, requestId: string, grant: Grant): void {
    const queue = this.#requests.get(requestId);
    const lease: Lease<T> = {
      grant,
      requestId,
      queue: queue ?? UNUSED as unknown as ClassQueue<T>,
      inFlight: new Map(),
      loadUs: 0,
      loadBytes: 0,
      reclaimed: false,
      hasOneTurn: this.#askedEarly.delete(grant.leaseId),
      retired: false,
      blocked: false,
      idleSinceMs: nowMs,
      progressMs: nowMs,
    };
    // A grant that crossed its cancellation is not wanted any more.
    if (queue === undefined) return this.#effects.returnLease(lease);
    this.#closeRequest(requestId, queue);
    this.#leases.set(grant.leaseId, lease);
    queue.leases.add(lease);
    this.#dirty.add(queue);
  }

  /** The scheduler refused the class for good: its waiting tasks come back, to be failed by the caller. */
  rejected(requestId: string): T[] {
    const queue = this.#requests.get(requestId);
    if (queue === undefined) return []; // Crossed its cancellation.
    this.#closeRequest(requestId, queue);
    const tasks = [...queue.waiting].filter((task) => !task.cancelled);
    queue.waiting.clear();
    this.#dirty.add(queue);
    return tasks;
  }

  completed(nowMs: number, leaseId: string, sequence: number, runUs: number): T | undefined {
    const lease = this.#leases.get(leaseId);
    const task = lease?.inFlight.get(sequence);
    if (lease === undefined || task === undefined) return undefined; // Late: the lease was given up as lost.
    this.#land(lease, task, nowMs);
    lease.blocked = false;
    lease.queue.unreached = 0;
    const timing = task.timing;
    timing.estimateUs = timing.estimateUs === 0 ? Math.max(1, runUs) : average(timing.estimateUs, runUs);
    lease.queue.estimateUs = average(lease.queue.estimateUs, runUs);
    return task;
  }

  /** A worker's task blocks: it gives back tasks (perhaps none) that it has not started; they go to the front, in order. */
  handedBack(nowMs: number, leaseId: string, sequences: readonly number[]): void {
    const lease = this.#leases.get(leaseId);
    if (lease === undefined) return;
    lease.blocked = true;
    this.#takeBack(lease, sequences, nowMs);
    if (lease.inFlight.size === 0) lease.blocked = false;
  }

  /** A worker has run as often as it may: these tasks it has not started, and no more may go there. */
  retired(nowMs: number, leaseId: string, sequences: readonly number[]): void {
    const lease = this.#leases.get(leaseId);
    if (lease === undefined) return;
    this.#takeBack(lease, sequences, nowMs);
    lease.retired = true;
    lease.reclaimed = true;
  }

  #takeBack(lease: Lease<T>, sequences: readonly number[], nowMs: number): void {
    for (let i = sequences.length - 1; i >= 0; i--) {
      const task = lease.inFlight.get(sequences[i]!);
      if (task === undefined) continue;
      this.#land(lease, task, nowMs);
      this.#unstarted(task);
    }
    this.#dirty.add(lease.queue);
  }

  /** It comes back unstarted: to the front of its queue. */
  #unstarted(task: T): void {
    this.#effects.unstarted(task);
    if (task.cancelled) this.#effects.dropped(task);
    else this.#enqueue(task, true);
  }

  /** No connection to the worker came about: what was to be pushed never left. */
  workerUnreached(nowMs: number, leaseId: string): void {
    const lease = this.#leases.get(leaseId);
    if (lease === undefined) return;
    if (++lease.queue.unreached > UNREACHED_MAX) return this.workerLost(nowMs, leaseId);
    for (const task of this.#giveUp(lease, nowMs)) this.#unstarted(task);
  }

  /** The worker is gone, for this reason where it is known. Tasks it had are retried while they may be. */
  workerLost(nowMs: number, leaseId: string, cause: DeathCause | null = null): void {
    const lease = this.#leases.get(leaseId);
    // Given up already; or the news overtook the grant, whose push will find nobody: workerUnreached().
    if (lease === undefined) return;
    const tasks = this.#giveUp(lease, nowMs);
    const inDoubt = tasks.length > 1;
    const lowMemory = cause?.code === "OUT_OF_MEMORY";
    for (const task of tasks) {
      if (task.cancelled || !hasRetry(task, cause, this.#limits.memoryRetries)) {
        this.#effects.lost(task, lease, cause);
        continue;
      }
      if (inDoubt) task.exclusive = true;
      else useRetry(task, cause);
      this.#effects.retried(task, !inDoubt, cause);
      if (lowMemory) this.delayed.add(task, nowMs + memoryRetryDelayMs(task.memoryKills));
      else this.#enqueue(task, true);
    }
  }

  /** Queue the delayed retries that are due. Returns when to call again, or null when none waits. */
  queueDelayed(nowMs: number): number | null {
    for (const task of this.delayed.takeDue(nowMs)) this.submit(task);
    return this.delayed.nextMs;
  }

  /** The lease is gone; answers what was in flight, the last one first, as it goes back to the front of its queue. */
  #giveUp(lease: Lease<T>, nowMs: number): T[] {
    this.#leases.delete(lease.grant.leaseId);
    lease.queue.leases.delete(lease);
    this.#dirty.add(lease.queue);
    const tasks = [...lease.inFlight.values()].reverse();
    lease.inFlight.clear();
    lease.loadUs = 0;
    lease.loadBytes = 0;
    lease.idleSinceMs = nowMs;
    return tasks;
  }

  /** Others wait for workers: this lease goes back as soon as what is in flight is done. */
  reclaim(leaseId: string): void {
    const lease = this.#leases.get(leaseId);
    if (lease === undefined) {
      // Late, or its grant is still on its way: nobody would ask again soon.
      if (this.#askedEarly.size >= ASKED_EARLY_MAX) this.#askedEarly.clear();
      this.#askedEarly.add(leaseId);
      return;
    }
    lease.reclaimed = true;
    this.#dirty.add(lease.queue);
  }

  /** A task that waits here was cancelled: it leaves with the next pump. */
  withdrawn(task: T): void {
    if (this.delayed.remove(task)) return;
    // No class of its own yet: it is passed over when its turn comes.
    const queue = this.#queues.get(this.#keyOf(task));
    if (queue !== undefined) this.#unswept.add(queue);
  }

  #sweep(): void {
    for (const queue of this.#unswept) {
      queue.waiting.removeWhere((task) => task.cancelled);
      this.#dirty.add(queue);
    }
    this.#unswept.clear();
  }

  /** Give back leases that have been idle for long. Returns when to look again, or null when nothing is idle. */
  reapIdle(nowMs: number): number | null {
    let next: number | null = null;
    for (const lease of this.#leases.values()) {
      if (lease.inFlight.size > 0) continue;
      const due = lease.idleSinceMs + this.#limits.leaseIdleMs;
      if (due <= nowMs) this.#giveBack(lease);
      else if (next === null || due < next) next = due;
    }
    return next;
  }

  /** The job ends: leases go back. Answers every task that was not done. */
  close(): T[] {
    const waiting = [...this.gated, ...this.delayed.takeAll()];
    for (const queue of this.#queues.values()) for (const task of queue.waiting) waiting.push(task);
    const tasks = waiting.filter((task) => !task.cancelled);
    for (const lease of this.#leases.values()) for (const task of lease.inFlight.values()) tasks.push(task);
    for (const requestId of this.#requests.keys()) this.#effects.cancelLease(requestId);
    for (const lease of this.#leases.values()) this.#effects.returnLease(lease);
    this.#requests.clear();
    this.#leases.clear();
    this.#queues.clear();
    this.gated.clear();
    this.#argumentRequests = 0;
    this.#dirty.clear();
    this.#unswept.clear();
    return tasks;
  }

  /** Throw when an invariant is broken. */
  check(): void {
    checkSubmitter({
      queues: this.#queues,
      requests: this.#requests,
      leases: this.#leases,
      limits: this.#limits,
    });
  }

  #keyOf(task: T): string {
    return task.storedArgs.length > 0 ? `${task.shape.key}#${task.sequence}` : task.shape.key;
  }

  #enqueue(task: T, front: boolean): void {
    const key = this.#keyOf(task);
    let queue = this.#queues.get(key);
    if (queue === undefined) {
      queue = {
        key,
        shape: task.shape,
        waiting: new Deque(),
        estimateUs: UNKNOWN_US,
        leases: new Set(),
        requests: new Set(),
        toldBacklog: 0,
        unreached: 0,
      };
      this.#queues.set(key, queue);
      if (isArgumentKey(key)) this.#argumentRequests++;
    }
    if (front) queue.waiting.unshift(task);
    else queue.waiting.push(task);
    this.#dirty.add(queue);
  }

  /** Push waiting tasks to leases with room, evenly, so that no worker gets all of a short burst. */
  #fill(queue: ClassQueue<T>, nowMs: number): void {
    for (const lease of queue.leases) {
      const isOver = lease.reclaimed || (lease.hasOneTurn && queue.waiting.length === 0);
      if (isOver && lease.inFlight.size === 0) this.#giveBack(lease);
    }
    let usable = 0;
    for (const lease of queue.leases) if (!lease.reclaimed && !lease.blocked) usable++;
    for (const lease of queue.leases) {
      if (queue.waiting.length === 0) return;
      if (lease.reclaimed || lease.blocked) continue;
      const share = Math.ceil(queue.waiting.length / usable);
      usable--;
      const batch: T[] = [];
      while (batch.length < share && this.#hasRoom(lease, queue.waiting.peek()!)) {
        const task = queue.waiting.shift()!;
        this.#assign(lease, task, nowMs);
        batch.push(task);
        if (queue.waiting.length === 0) break;
      }
      if (lease.hasOneTurn) lease.reclaimed = true;
      if (batch.length > 0) this.#effects.push(lease, batch);
      else if (lease.inFlight.size === 0) lease.idleSinceMs = nowMs;
    }
  }

  #assign(lease: Lease<T>, task: T, nowMs: number): void {
    task.expectedUs = expected(task);
    if (lease.inFlight.size === 0) lease.progressMs = nowMs;
    lease.inFlight.set(task.sequence, task);
    lease.loadUs += task.expectedUs;
    lease.loadBytes += task.bytes;
  }

  #hasRoom(lease: Lease<T>, task: T): boolean {
    if (lease.inFlight.size === 0) return true;
    if (task.exclusive || lease.inFlight.size >= PIPELINE_TASKS_MAX) return false;
    if (lease.loadUs + expected(task) > PIPELINE_US) return false;
    if (lease.loadBytes + task.bytes > PIPELINE_BYTES) return false;
    for (const first of lease.inFlight.values()) return !first.exclusive;
    return true;
  }

  /** Keep as many requests open as there is work beyond what the held leases can take. */
  #request(queue: ClassQueue<T>, nowMs: number): void {
    const waiting = queue.waiting.length;
    let helpful = 0;
    for (const lease of queue.leases) {
      if (!lease.blocked && !lease.reclaimed && nowMs - lease.progressMs < STALL_MS) helpful++;
    }
    const wanted = Math.min(
      waiting,
      Math.max(helpful === 0 ? 1 : 0, Math.floor(waiting * queue.estimateUs / WORK_PER_LEASE_US)),
      this.#limits.requestsPerClass,
    );
    for (const requestId of queue.requests) {
      if (queue.requests.size <= wanted) break;
      this.#closeRequest(requestId, queue);
      this.#effects.cancelLease(requestId);
    }
    while (queue.requests.size < wanted) {
      const requestId = `r${this.#nextRequest++}`;
      queue.requests.add(requestId);
      this.#requests.set(requestId, queue);
      if (isArgumentKey(queue.key)) this.#makeRoom(queue.shape.key);
      queue.toldBacklog = waiting;
      this.#effects.requestLease(requestId, queue, queue.waiting.peek()!, waiting);
    }
  }

  /** An idle lease of the same shape is of no use to a task that must choose its node, and stands in its way. */
  #makeRoom(shapeKey: string): void {
    const plain = this.#queues.get(shapeKey);
    if (plain === undefined || plain.waiting.length > 0) return;
    for (const lease of plain.leases) if (lease.inFlight.size === 0) return this.#giveBack(lease);
  }

  #closeRequest(requestId: string, queue: ClassQueue<T>): void {
    this.#requests.delete(requestId);
    queue.requests.delete(requestId);
  }

  #land(lease: Lease<T>, task: T, nowMs: number): void {
    lease.inFlight.delete(task.sequence);
    lease.progressMs = nowMs;
    lease.loadBytes -= task.bytes;
    lease.loadUs = lease.inFlight.size === 0 ? 0 : lease.loadUs - task.expectedUs;
    if (lease.inFlight.size === 0) lease.idleSinceMs = nowMs;
    this.#dirty.add(lease.queue);
  }

  #giveBack(lease: Lease<T>): void {
    this.#leases.delete(lease.grant.leaseId);
    lease.queue.leases.delete(lease);
    this.#dirty.add(lease.queue);
    this.#effects.returnLease(lease);
  }

  /** A class of one task ends with it; ordinary classes stay, there are few. */
  #forget(queue: ClassQueue<T>): void {
    if (!isArgumentKey(queue.key) || queue.waiting.length > 0 || queue.requests.size > 0) return;
    for (const lease of queue.leases) {
      if (lease.inFlight.size > 0) return;
      this.#giveBack(lease);
    }
    if (!this.#queues.delete(queue.key)) return;
    this.#argumentRequests--;
    let next = this.gated.shift();
    while (next?.cancelled) next = this.gated.shift();
    if (next !== undefined) this.#enqueue(next, false);
  }
}

const UNUSED = Object.freeze({ key: "", leases: new Set(), requests: new Set() });
