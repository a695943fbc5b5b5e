/**
 * The tasks that one process submits: arguments in, refs out, pushes to leased workers, replies back, retries, and the
 * history of it all. The decisions are the task submitter's (core/worker/task_submitter.ts).
 * @module
 */
import { LEASE_IDLE_MS, LEASES_PENDING_PER_CLASS } from "../../common/config.ts";
import { PendingCallsLimitExceededError } from "../../common/errors.ts";
import type { DeathCause, Grant, RuntimeEnvSpec } from "../../common/task_spec.ts";
import { TaskSubmitter } from "../../core/worker/task_submitter.ts";
import type { ClassQueue, Lease } from "../../core/worker/task_submitter_types.ts";
import { type Assignment, newHead, PushType, readSequences, writePush } from "../../protocol/push.ts";
import { ByteReader, ByteWriter } from "../../protocol/serialization/mod.ts";
import { maxPendingTasks, taskOomRetries } from "../environment.ts";
import { heldAgain } from "./actor_uses.ts";
import { type CallArguments, encodeArguments } from "./arguments.ts";
import { lossOf } from "./cancels.ts";
import type { CoreContext } from "./core_context.ts";
import { Entry } from "./entry.ts";
import { ARGUMENT_REQUESTS } from "./explain.ts";
import type { TasksUnderWay } from "./held_refs.ts";
import { leaseRequestOf, traceRequest } from "./lease_requests.ts";
import type { ItemCall } from "./item_calls.ts";
import { type CallShape, OwnTask } from "./own_task.ts";
import { Rebuilds } from "./rebuilds.ts";
import { checkReply, readReplies, type Reply, settleReply } from "./replies.ts";
import { TaskCancels } from "./task_cancels.ts";
import { TaskHistory } from "./task_history.ts";
import { TaskPump } from "./task_pump.ts";
import { Timer } from "./timers.ts";
import { UnreadyRows } from "./unready_rows.ts";
import { lostError, lostMessage, WorkerFates } from "./worker_fates.ts";
import { WorkerLink, type WorkerLinkObserver } from "./worker_link.ts";

/** How long a dead worker's connection may take to end by itself. */
const LOST_GRACE_MS = 1_000;
/** Pushes above this go in several frames. */
const PUSH_FRAME_BYTES = 1024 * 1024;

/** See the module's header. */
export class TaskManager implements WorkerLinkObserver {
  readonly #core: CoreContext;
  readonly #submitter: TaskSubmitter<OwnTask>;
  readonly #pump: TaskPump;
  readonly #history: TaskHistory;
  readonly cancels: TaskCancels;
  readonly rebuilds: Rebuilds;
  readonly #links = new Map<string, { link: WorkerLink; lease: Lease<OwnTask> | null }>();
  readonly #writer = new ByteWriter();
  readonly items = (link: WorkerLink, header: Uint8Array): void =>
    this.#core.itemCalls.received(link, header);
  readonly #pendingMax: number;
  /** Those whose arguments are not known. */
  readonly #unready = new Set<OwnTask>();
  #pending = 0;
  readonly #fates = new WorkerFates();
  #closed: Error | null = null;

  constructor(core: CoreContext) {
    this.#core = core;
    this.#pendingMax = maxPendingTasks();
    this.#submitter = new TaskSubmitter<OwnTask>({
      requestLease: (requestId, queue, first, backlog) =>
        void this.#requestLease(requestId, queue, first, backlog),
      cancelLease: (requestId) => core.link.notify("cancelLease", { requestId }),
      returnLease: (lease) => this.#returnLease(lease),
      push: (lease, tasks) => this.#push(lease, tasks),
      lost: (task, lease, cause) => void this.#failLost(task, lease.grant, cause),
      retried: (task, ran, cause) => {
        if (ran) {
          const why = cause === null ? "" : `: ${cause.message}`;
          const error = lostError(
            cause,
            `the worker of attempt ${task.attempt} died, it is tried again${why}`,
          );
          this.#history.ended(task, "FAILED", null, core.objects.encodeError(error));
        }
        core.objects.registerAll(task.returns);
        task.attempt++;
        task.call.stats.submitted--;
        task.call.stats.pendingNode++;
      },
      unstarted: (task) => {
        task.call.stats.submitted--;
        task.call.stats.pendingNode++;
      },
      dropped: (task) => {
        task.call.stats.pendingNode--;
        this.cancels.fail(task, null);
      },
    }, {
      requestsPerClass: LEASES_PENDING_PER_CLASS,
      leaseIdleMs: LEASE_IDLE_MS,
      memoryRetries: taskOomRetries(),
      argumentRequests: ARGUMENT_REQUESTS,
    });
    this.#pump = new TaskPump(core, this.#submitter);
    this.#history = new TaskHistory(core, this.#submitter);
    const row = (task: OwnTask) => this.#history.unreadyRow(task);
    const { recorder } = core;
    recorder.addSource(new UnreadyRows(this.#unready, { recorder, nowMs: () => core.nowMs(), row }));
    this.rebuilds = new Rebuilds(core, this);
    this.cancels = new TaskCancels(core, {
      submitter: this.#submitter,
      linkOf: (lease) => this.#links.get(lease.grant.workerId)?.link ?? null,
      endWorker: (link, lease) => this.#endWorker(link, lease),
      schedulePump: () => this.#pump.schedule(),
      fail: (task, encoded, reply) => this.#fail(task, encoded, reply),
    });
  }

  get pending(): number {
    return this.#pending;
  }

  /** What is not done, for people's questions (explain.ts, held_refs.ts). */
  get underWay(): TasksUnderWay {
    return { unready: this.#unready, submitter: this.#submitter };
  }

  /** Submit one call; answers its refs or stream at once. */
  submit(call: CallShape, values: readonly unknown[]): ItemCall["given"] {
    if (this.#closed !== null) throw this.#closed;
    if (this.#pending >= this.#pendingMax) {
      throw new PendingCallsLimitExceededError(
        `This process has ${this.#pending} tasks pending, the limit (MOBULA_MAX_PENDING_TASKS): get or wait for some first`,
      );
    }
    const core = this.#core;
    const sequence = core.nextSequence();
    if (call.signal?.aborted) return this.cancels.refuse(call, sequence);
    const args = encodeArguments(core, values, call.name);
    if (call.items !== null) {
      const { returns, given } = core.itemCalls.open(core, sequence, call.name, call.items);
      this.#start(call, sequence, args, returns);
      return given;
    }
    if (call.numReturns === 1) {
      const entry = core.objects.newReturn(sequence, call.name);
      this.#start(call, sequence, args, entry);
      return core.objects.refOf(entry);
    }
    const returns = core.objects.newReturns(sequence, call.numReturns, call.name);
    this.#start(call, sequence, args, returns);
    return core.objects.refsOf(returns);
  }

  #start(call: CallShape, sequence: number, args: CallArguments, returns: Entry | readonly Entry[]): void {
    const core = this.#core;
    const parent = core.currentTask();
    const task = new OwnTask(sequence, call, args, returns, parent, core.nowMs());
    if (returns instanceof Entry) returns.maker = task;
    else for (const entry of returns) entry.maker = task;
    if (parent !== null) parent.adopt(task);
    this.begin(task);
  }

  /** Submit a task that is made. */
  begin(task: OwnTask): void {
    const core = this.#core;
    const { call, args } = task;
    if (call.signal !== null && !call.signal.aborted) core.cancels.join(call.signal, task);
    this.#pending++;
    core.recorder.touch();
    if (args.isReady && !core.namesPending) this.#enqueue(task);
    else {
      call.stats.pendingArgs++;
      this.#unready.add(task);
      task.stage = "heldBack";
      core.afterNames(() =>
        args.whenReady((failed) => {
          this.#unready.delete(task);
          if (task.ended) return; // It was cancelled before they were known.
          call.stats.pendingArgs--;
          task.stage = "open";
          if (failed !== null) this.#failArgument(task, failed);
          else this.#enqueue(task);
        })
      );
    }
  }

  #enqueue(task: OwnTask): void {
    if (this.#closed !== null) return this.#fail(task, this.#core.objects.encodeError(this.#closed));
    task.call.stats.pendingNode++;
    for (const argument of task.resolved) {
      this.#core.recorder.edge(argument.producer, task.call.name, argument.bytes);
    }
    if (this.#pump.noneIdle || !this.#pushNow(task)) this.#submitter.submit(task);
    this.#pump.schedule();
  }

  /** What an idle worker can begin with must not wait for the end of the tick: that may be long, if user code computes. */
  #pushNow(task: OwnTask): boolean {
    const lease = this.#submitter.pushNow(this.#core.nowMs(), task, !this.#pump.isScheduled);
    this.#pump.noneIdle = lease === null;
    if (lease === null) return false;
    this.#core.link.flush(); // Refs that go with it are known first.
    this.#links.get(lease.grant.workerId)!.link.flush();
    return true;
  }

  // ---- leases ----------------------------------------------------------------------------------------------------------

  async #requestLease(
    requestId: string,
    queue: ClassQueue<OwnTask>,
    first: OwnTask,
    backlog: number,
  ): Promise<void> {
    const core = this.#core;
    const { shape } = queue;
    try {
      if (core.identity.jobId === "") await core.connected;
    } catch {
      return; // It will never be: close() has failed all tasks.
    }
    let runtimeEnv: RuntimeEnvSpec = shape.runtimeEnv;
    try {
      // Only then: requests leave in the microtask that they are made in.
      if (shape.runtimeEnv.folder !== undefined) {
        runtimeEnv = await core.workingDirs.resolve(shape.runtimeEnv);
      }
    } catch (error) {
      return this.#rejected(requestId, error);
    }
    const request = leaseRequestOf(core, { requestId, queue, first, backlog, runtimeEnv });
    traceRequest(core, first, backlog);
    try {
      const { result } = await core.link.request("requestLease", request);
      if ("grant" in result) this.#granted(requestId, result.grant);
      this.#pump.schedule();
    } catch (error) {
      this.#rejected(requestId, error);
    }
  }

  #rejected(requestId: string, error: unknown): void {
    const encoded = this.#core.objects.encodeError(error);
    for (const task of this.#submitter.rejected(requestId)) {
      task.call.stats.pendingNode--;
      const cancelled = task.args.resolved.find((entry) => entry.cancelled);
      const reason = cancelled === undefined ? error : lossOf(cancelled, error);
      this.#fail(task, reason === error ? encoded : this.#core.objects.encodeError(reason));
    }
    this.#pump.schedule();
  }

  #granted(requestId: string, grant: Grant): void {
    if (this.#closed !== null) return; // The end of the job returns it.
    const held = this.#links.get(grant.workerId);
    if (held === undefined || held.link.isLost) {
      const link = new WorkerLink(grant.workerId, grant.nodeId, this.#core.openWorker(grant), this);
      this.#links.set(grant.workerId, { link, lease: null });
    }
    this.#submitter.granted(this.#core.nowMs(), requestId, grant);
    const lease = this.#submitter.leases.get(grant.leaseId);
    if (lease === undefined) return;
    const current = this.#links.get(grant.workerId)!;
    current.lease = lease;
    const { resources, gpuIds } = grant;
    const { group } = lease.queue.shape;
    const assignment: Assignment = { resources, gpuIds, ...(group && { group }) };
    current.link.send(PushType.assign, JSON.stringify(assignment));
  }

  #returnLease(lease: Lease<OwnTask>): void {
    const { leaseId, nodeId, workerId } = lease.grant;
    const held = this.#links.get(workerId);
    if (held?.lease === lease) held.lease = null;
    const retired = lease.retired ? { retired: true } : {};
    this.#core.link.notify("returnLease", { leaseId, nodeId, workerId, ...retired });
  }

  reclaim(leaseId: string): void {
    this.#submitter.reclaim(leaseId);
    this.#pump.schedule();
  }

  /** The agent says that the worker is dead. What it answered before may still be on its way: its connection's own end comes
   *  after that, and is waited for; until then nothing more goes there. */
  leaseLost(leaseId: string, cause: DeathCause): void {
    const lease = this.#submitter.leases.get(leaseId);
    if (lease === undefined) return;
    if (this.#fates.tell(leaseId, cause)) return;
    const { workerId } = lease.grant;
    const { link } = this.#links.get(workerId)!;
    const giveUp = (): void => {
      if (this.#links.get(workerId)?.link !== link || !this.#submitter.leases.has(leaseId)) return;
      this.#links.delete(workerId);
      this.#lostWorker(link, leaseId, cause);
      link.close();
    };
    if (!link.wasOpened) return giveUp();
    this.#submitter.reclaim(leaseId);
    Timer.background(giveUp, LOST_GRACE_MS);
  }

  // ---- pushes and replies --------------------------------------------------------------------------------------------

  #push(lease: Lease<OwnTask>, tasks: OwnTask[]): void {
    const { link } = this.#links.get(lease.grant.workerId)!;
    const writer = this.#writer;
    const pushed = { grant: lease.grant, atMs: this.#core.nowMs() };
    const head = newHead();
    writer.reset();
    for (const task of tasks) {
      if (writer.position > PUSH_FRAME_BYTES) {
        link.send(PushType.pushTasks, writer.bytes());
        writer.reset();
      }
      task.pushed = pushed;
      task.call.stats.pendingNode--;
      task.call.stats.submitted++;
      head.sequence = task.sequence;
      head.target = link.indexOf(task.call.record);
      head.attempt = task.attempt;
      head.numReturns = task.numReturns;
      head.depth = task.depth;
      head.items = task.call.items === null
        ? null
        : this.#core.itemCalls.pushed(task.sequence, link, task.attempt);
      head.as = task.as;
      writePush(writer, head, task);
    }
    link.send(PushType.pushTasks, writer.bytes());
    // They may have waited for so long that there was no more to tell of them.
    this.#core.recorder.touch();
  }

  /** The lease that the link serves; null when both or one of them was given up. */
  #leaseOf(link: WorkerLink): Lease<OwnTask> | null {
    const held = this.#links.get(link.workerId);
    return held?.link === link ? held.lease : null;
  }

  replies(link: WorkerLink, header: Uint8Array): void {
    const lease = this.#leaseOf(link);
    if (lease === null) return; // Late: the lease was given up as lost.
    const nowMs = this.#core.nowMs();
    const returned: number[] = [];
    readReplies(header, (reply) => {
      const pushed = lease.inFlight.get(reply.sequence);
      if (pushed === undefined) return; // A duplicate.
      checkReply(reply, pushed.numReturns);
      const task = this.#submitter.completed(nowMs, lease.grant.leaseId, reply.sequence, reply.runUs);
      if (task === undefined) return;
      if (this.#completed(task, reply, lease.grant)) returned.push(reply.sequence);
    });
    if (returned.length > 0) this.#core.acknowledgeReturned(link, returned);
    this.#pump.run();
  }

  /** True when the worker holds refs of the results until it is told that they are counted here. */
  #completed(task: OwnTask, reply: Reply, grant: Grant): boolean {
    const { stats } = task.call;
    stats.submitted--;
    if (reply.isCancelled) {
      this.cancels.fail(task, reply);
      return false;
    }
    if (reply.error !== null && this.#retriesError(task, reply)) {
      this.#history.ended(task, "FAILED", reply, null);
      task.attempt++;
      if (task.retriesLeft > 0) task.retriesLeft--;
      stats.pendingNode++;
      this.#submitter.submit(task);
      return false;
    }
    stats.runMs += reply.runUs / 1000;
    if (reply.error === null) stats.finished++;
    else stats.failed++;
    this.#history.ended(task, reply.error === null ? "FINISHED" : "FAILED", reply, null);
    if (reply.results !== null || task.call.items !== null) this.rebuilds.keep(task, reply.results);
    const holds = settleReply(this.#core, task.outcome, reply, grant.nodeId);
    this.#end(task);
    return holds;
  }

  /** What user code threw is retried if the user said so, a failure before it always. */
  #retriesError(task: OwnTask, { error, isSystemError }: Reply): boolean {
    const { retryExceptions } = task.call;
    if (task.retriesLeft === 0 || task.cancelled) return false;
    if (isSystemError) return this.#core.isTransient(error!);
    return retryExceptions !== false && this.#core.isRetried(error!, retryExceptions);
  }

  handedBack(link: WorkerLink, header: Uint8Array, retired: boolean): void {
    const lease = this.#leaseOf(link);
    if (lease === null) return;
    const sequences = readSequences(new ByteReader(header));
    const { leaseId } = lease.grant;
    if (retired) this.#submitter.retired(this.#core.nowMs(), leaseId, sequences);
    else this.#submitter.handedBack(this.#core.nowMs(), leaseId, sequences);
    this.#pump.run();
  }

  opened(): void {}

  lost(link: WorkerLink): void {
    const held = this.#links.get(link.workerId);
    if (held?.link !== link) return;
    this.#links.delete(link.workerId);
    const { lease } = held;
    if (lease === null) return;
    const { leaseId, nodeId, workerId } = lease.grant;
    this.#core.link.notify("returnLease", { leaseId, nodeId, workerId, workerLost: true });
    if (!link.wasOpened || lease.inFlight.size === 0) return this.#lostWorker(link, leaseId, null);
    // Why it died decides what it costs: a kill for low memory is no crash. Nothing more goes there meanwhile.
    this.#submitter.reclaim(leaseId);
    this.#fates.await(
      leaseId,
      this.#core.workerFate(lease.grant),
      (cause) => this.#lostWorker(link, leaseId, cause),
    );
  }

  /** Its worker is to end, whatever it does. */
  #endWorker(link: WorkerLink, { grant: { leaseId, nodeId, workerId } }: Lease<OwnTask>): void {
    this.#links.delete(workerId);
    link.close();
    this.#core.link.notify("returnLease", { leaseId, nodeId, workerId, workerLost: true });
    this.#lostWorker(link, leaseId, null);
  }

  #lostWorker(link: WorkerLink, leaseId: string, cause: DeathCause | null): void {
    if (link.wasOpened) this.#submitter.workerLost(this.#core.nowMs(), leaseId, cause);
    else this.#submitter.workerUnreached(this.#core.nowMs(), leaseId);
    this.#pump.queueDelayed();
  }

  // ---- ends ------------------------------------------------------------------------------------------------------------

  async #failLost(task: OwnTask, grant: Grant, known: DeathCause | null): Promise<void> {
    task.call.stats.submitted--;
    this.#core.objects.registerAll(task.returns);
    if (task.cancelled) return this.cancels.fail(task, null);
    task.stage = "ended"; // It is too late to cancel it.
    const cause = known ?? await this.#core.workerFate(grant);
    this.#fail(task, this.#core.objects.encodeError(lostError(cause, lostMessage(task, cause))));
  }

  /** An argument failed: the task fails without running, for the argument's reason. */
  #failArgument(task: OwnTask, failed: Entry): void {
    const encoded = this.#core.argumentError(failed, task.call.name, task.id);
    this.#history.ended(task, "FAILED", null, encoded);
    this.#settleFailed(task, encoded, failed);
  }

  #fail(task: OwnTask, encoded: Uint8Array, reply: Reply | null = null): void {
    this.#history.ended(task, "FAILED", reply, encoded);
    this.#settleFailed(task, encoded);
  }

  #settleFailed(task: OwnTask, encoded: Uint8Array, cause: Entry | null = null): void {
    task.call.stats.failed++;
    for (const entry of task.returns) this.#core.objects.settleError(entry, encoded, heldAgain(cause));
    this.#end(task);
  }

  #end(task: OwnTask): void {
    this.#pending--;
    task.stage = "ended";
    if (task.call.signal !== null) this.#core.cancels.leave(task.call.signal, task);
    task.releaseArguments();
  }

  /** The cluster is gone for this process: everything pending fails with `reason`. */
  close(reason: Error): void {
    this.#closed = reason;
    const encoded = this.#core.objects.encodeError(reason);
    const tasks = this.#submitter.close();
    for (const { link } of this.#links.values()) link.close();
    this.#links.clear();
    this.#fates.clear();
    this.#pump.close();
    // There may be a million, and nobody is left who would take their rows.
    for (const task of tasks) this.#settleFailed(task, encoded);
  }
}
