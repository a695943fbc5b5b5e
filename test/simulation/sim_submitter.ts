/**
 * The submitting half of a simulated process: the real TaskSubmitter, its dependencies between tasks, and what becomes of
 * results.
 * @module
 */
import {
  type JobId,
  type NodeId,
  type ObjectId,
  type ProcessId,
  returnId,
  type TaskId,
  taskId,
} from "../../runtime/common/ids.ts";
import type { ArgumentRef, DeathCause, Grant, LeaseRequest } from "../../runtime/common/task_spec.ts";
import { TaskSubmitter } from "../../runtime/core/worker/task_submitter.ts";
import type { Lease, SubmittedTask } from "../../runtime/core/worker/task_submitter_types.ts";
import type { ObjectReport } from "../../runtime/protocol/messages.ts";
import type { TaskPlan } from "./plan.ts";
import type { SimAgent } from "./sim_agent.ts";
import type { SimWorld } from "./sim_world.ts";

/** Results that contain refs are let go so much later than the others. */
const CONTAINERS_MS = 700;
/** How often a task is tried again after kills for low memory. */
export const MEMORY_RETRIES: number = 2;

export interface SimTask extends SubmittedTask {
  readonly plan: TaskPlan;
  readonly taskId: TaskId;
  /** Grows with every retry. */
  attempt: number;
  /** Retries that cost one, and those that did not. */
  usedRetries: number;
  freeRetries: number;
  /** After kills for low memory. */
  memoryRetries: number;
}

/** A task on its way to a worker. */
export interface Push {
  readonly leaseId: string;
  readonly owner: ProcessId;
  readonly ownerNode: NodeId;
  readonly jobId: JobId;
  readonly depth: number;
  readonly tasks: readonly SimTask[];
  /** The attempt of each task. */
  readonly attempts: readonly number[];
}

/** What a worker says of a task. */
export type PushReply =
  | {
    readonly type: "done";
    readonly leaseId: string;
    readonly sequence: number;
    readonly runMs: number;
    readonly ok: boolean;
    readonly object: ObjectReport | null;
    /** The worker's node. */
    readonly at: NodeId;
  }
  | { readonly type: "handedBack"; readonly leaseId: string; readonly sequences: readonly number[] };

/** A task of the plan as its submitter knows it. */
interface Entry {
  readonly plan: TaskPlan;
  readonly sequence: number;
  state: "waiting" | "submitted" | "finished" | "failed";
  object: ObjectReport | null;
  /** Where it was made. */
  at: NodeId | null;
}

export interface SubmitterOwner {
  readonly id: ProcessId;
  readonly agent: SimAgent;
  readonly jobId: JobId;
  readonly depth: number;
}

export class SimSubmitter {
  readonly #world: SimWorld;
  readonly #owner: SubmitterOwner;
  readonly #tasks: TaskSubmitter<SimTask>;
  /** All tasks of all runs; a worker's submitter has a run for each of its tasks that has children. */
  readonly #entries: Entry[] = [];
  /** Where the present run begins. */
  #base: number = 0;
  readonly #timings: Map<string, { estimateUs: number }> = new Map();
  #onDone: (ok: boolean) => void = () => undefined;
  #open: number = 0;
  #pumping: boolean = false;
  #reaping: boolean = false;
  #closed: boolean = false;

  constructor(world: SimWorld, owner: SubmitterOwner) {
    this.#world = world;
    this.#owner = owner;
    this.#tasks = new TaskSubmitter<SimTask>({
      requestLease: (requestId, queue, first, backlog) =>
        this.#toAgent((agent) => agent.requestLease(this.#request(requestId, queue.key, first, backlog))),
      cancelLease: (requestId) => this.#toAgent((agent) => agent.cancelLease(owner.id, requestId)),
      returnLease: (lease) => this.#toAgent((agent) => agent.returnLease(lease.grant, false)),
      push: (lease, tasks) => this.#push(lease, tasks),
      lost: (task, _lease, cause) => {
        world.tasks.lost(task, cause);
        this.#giveUp(task);
        this.#finish(task, false, null);
      },
      retried: (task, ran, cause) => {
        task.attempt++;
        if (ran && cause?.code === "OUT_OF_MEMORY") task.memoryRetries++;
        else if (ran) task.usedRetries++;
        else task.freeRetries++;
      },
      unstarted: () => undefined,
      dropped: (task) => this.#finish(task, false, null),
    }, { requestsPerClass: 4, leaseIdleMs: 500, argumentRequests: 8, memoryRetries: MEMORY_RETRIES });
  }

  /** Tasks without an outcome. */
  get openCount(): number {
    return this.#open;
  }
  get outcomes(): readonly string[] {
    return this.#entries.map((entry) => entry.state);
  }

  /** Runs the plans; `onDone` once all have an outcome. */
  run(plans: readonly TaskPlan[], onDone: (ok: boolean) => void): void {
    this.#onDone = onDone;
    this.#base = this.#entries.length;
    for (const plan of plans) {
      this.#entries.push({
        plan,
        sequence: this.#entries.length + 1,
        state: "waiting",
        object: null,
        at: null,
      });
      this.#open++;
    }
    if (this.#open === 0) return this.#world.loop.after(0, () => onDone(true));
    this.#submitReady();
  }

  granted(requestId: string, grant: Grant): void {
    if (this.#closed) return this.#toAgent((agent) => agent.returnLease(grant, false));
    this.#tasks.granted(this.#world.loop.nowMs, requestId, grant);
    this.#pump();
  }

  rejected(requestId: string, code: string, message: string): void {
    if (this.#closed) return;
    for (const task of this.#tasks.rejected(requestId)) {
      this.#world.tasks.refused(task, code, message);
      this.#finish(task, false, null);
    }
    this.#pump();
  }

  reclaim(leaseId: string): void {
    this.#tasks.reclaim(leaseId);
    this.#pump();
  }

  workerLost(leaseId: string, cause: DeathCause): void {
    if (this.#closed) return;
    this.#tasks.workerLost(this.#world.loop.nowMs, leaseId, cause);
    this.#queueDelayed();
    this.#pump();
  }

  /** The worker was gone before the push. Who still holds the lease heard of its loss before the grant, which means nothing. */
  workerUnreached(leaseId: string): void {
    const lease = this.#tasks.leases.get(leaseId);
    if (this.#closed || lease === undefined) return;
    this.#toAgent((agent) => agent.returnLease(lease.grant, true));
    this.#tasks.workerUnreached(this.#world.loop.nowMs, leaseId);
    this.#pump();
  }

  replied(reply: PushReply): void {
    if (this.#closed) return;
    const { nowMs } = this.#world.loop;
    if (reply.type === "handedBack") this.#tasks.handedBack(nowMs, reply.leaseId, reply.sequences);
    else {
      const task = this.#tasks.completed(nowMs, reply.leaseId, reply.sequence, reply.runMs * 1_000);
      if (task !== undefined && task.attempt > 0 && reply.object === null) this.#giveUp(task);
      if (task !== undefined) this.#finish(task, reply.ok, reply.object, reply.at);
    }
    this.#pump();
  }

  /** The process ends: leases go back, nobody waits for outcomes. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#world.refs.ownerGone(this.#owner.id);
    this.#tasks.close();
  }

  /** The process is gone without a word. */
  vanish(): void {
    this.#closed = true;
    this.#world.refs.ownerGone(this.#owner.id);
  }

  check(): void {
    this.#tasks.check();
  }

  /** An attempt may have stored a result before its reply was lost: it is for nobody. */
  #giveUp(task: SimTask): void {
    const { nodeId: home } = this.#owner.agent;
    const id = returnId(task.taskId, 0);
    const changes = [{ op: "own", id, home, at: null }, { op: "disown", id, home }] as const;
    this.#toAgent((agent) => agent.references(this.#owner.id, changes));
  }

  #toAgent(run: (agent: SimAgent) => void): void {
    const { agent } = this.#owner;
    this.#world.loop.after(0, () => {
      if (agent.host.alive) run(agent);
    });
  }

  /** Retries that wait. */
  #queueDelayed(): void {
    const { loop } = this.#world;
    const nextMs = this.#tasks.queueDelayed(loop.nowMs);
    if (nextMs === null) return;
    loop.after(nextMs - loop.nowMs, () => {
      if (this.#closed) return;
      this.#queueDelayed();
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#pumping || this.#closed) return;
    this.#pumping = true;
    this.#world.loop.after(0, () => {
      this.#pumping = false;
      if (this.#closed) return;
      this.#tasks.pump(this.#world.loop.nowMs);
      if (this.#tasks.leases.size > 0) this.#reap();
    });
  }

  #reap(): void {
    if (this.#reaping) return;
    this.#reaping = true;
    this.#world.loop.after(250, () => {
      this.#reaping = false;
      if (this.#closed) return;
      const next = this.#tasks.reapIdle(this.#world.loop.nowMs);
      this.#pump();
      if (next !== null || this.#tasks.leases.size > 0) this.#reap();
    });
  }

  #submitReady(): void {
    for (const entry of this.#entries) {
      if (entry.state !== "waiting") continue;
      const sources = entry.plan.args.map((index) => this.#entries[this.#base + index]!);
      if (sources.some((source) => source.state === "failed")) {
        entry.state = "failed";
        this.#open--;
        continue;
      }
      if (sources.some((source) => source.state !== "finished")) continue;
      entry.state = "submitted";
      this.#tasks.submit(this.#task(entry, sources));
    }
    this.#pump();
    if (this.#open === 0 && this.#entries.length > 0) this.#allDone();
  }

  #task({ plan, sequence }: Entry, sources: readonly Entry[]): SimTask {
    let timing = this.#timings.get(plan.shape.key);
    if (timing === undefined) this.#timings.set(plan.shape.key, timing = { estimateUs: 0 });
    return {
      plan,
      taskId: taskId(this.#owner.id, sequence),
      sequence,
      shape: plan.shape,
      timing,
      exclusive: plan.retries === 0,
      storedArgs: sources.flatMap(({ object, at }): ArgumentRef[] => {
        return object === null || at === null
          ? []
          : [{ id: object.id, home: object.home, bytes: object.bytes, at }];
      }),
      retriesLeft: plan.retries,
      attempt: 0,
      usedRetries: 0,
      freeRetries: 0,
      memoryRetries: 0,
      maxRetries: plan.retries,
      memoryKills: 0,
      cancelled: false,
      expectedUs: 0,
      bytes: 0,
    };
  }

  #request(requestId: string, classKey: string, first: SimTask, backlog: number): LeaseRequest {
    const { id, agent, jobId, depth } = this.#owner;
    const { resources, strategy, labelSelector, runtimeEnv } = first.shape;
    return {
      requestId,
      kind: "task",
      jobId,
      submitter: id,
      submitterNode: agent.nodeId,
      taskId: first.taskId,
      name: "work",
      classKey,
      resources,
      strategy,
      ...(labelSelector === undefined ? {} : { labelSelector }),
      runtimeEnv,
      args: first.storedArgs,
      backlog,
      depth,
    };
  }

  #push(lease: Lease<SimTask>, tasks: SimTask[]): void {
    const { id, agent, jobId, depth } = this.#owner;
    const push: Push = {
      leaseId: lease.grant.leaseId,
      owner: id,
      ownerNode: agent.nodeId,
      jobId,
      depth,
      tasks: [...tasks],
      attempts: tasks.map((task) => task.attempt),
    };
    this.#toAgent(() => agent.push(lease.grant, push));
  }

  #finish(task: SimTask, ok: boolean, object: ObjectReport | null, at: NodeId | null = null): void {
    const entry = this.#entries[task.sequence - 1]!;
    if (entry.state !== "submitted") this.#world.fail(`${task.taskId} has two outcomes`);
    if (object !== null && object.id !== returnId(task.taskId, 0)) {
      this.#world.fail(`${task.taskId} was answered with another object, ${object.id}`);
    }
    entry.state = ok ? "finished" : "failed";
    if (object !== null) this.#own(task, object, at);
    entry.object = object;
    entry.at = at;
    this.#open--;
    this.#submitReady();
  }

  #own(task: SimTask, { id, home }: ObjectReport, at: NodeId | null): void {
    const { id: owner, agent } = this.#owner;
    this.#world.refs.owned(id, owner);
    if (task.plan.borrows) { for (const arg of task.storedArgs) this.#world.refs.contains(id, arg.id); }
    agent.references(owner, [{ op: "own", id, home, at }]);
  }

  #letGo(entries: readonly Entry[]): void {
    const { id: owner, agent: { nodeId: home } } = this.#owner;
    const ids = entries.flatMap(({ object }): ObjectId[] => object === null ? [] : [object.id]);
    if (ids.length === 0 || this.#closed) return;
    for (const id of ids) this.#world.refs.released(id);
    this.#toAgent((agent) => agent.references(owner, ids.map((id) => ({ op: "disown", id, home }))));
  }

  #allDone(): void {
    const run = this.#entries.slice(this.#base);
    // What is inside of others is let go first: it lives as long as they do.
    this.#letGo(run.filter((entry) => !entry.plan.borrows));
    this.#world.loop.after(CONTAINERS_MS, () => this.#letGo(run.filter((entry) => entry.plan.borrows)));
    const ok = run.every((entry) => entry.state === "finished");
    const onDone = this.#onDone;
    this.#onDone = () => undefined;
    onDone(ok);
  }
}
