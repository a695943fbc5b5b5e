/**
 * One actor as one process uses it: its calls in order, its connection, and its handles here. What becomes of calls when
 * the actor restarts or dies is decided by the actor queue (core/worker/actor_queue.ts).
 * @module
 */
import { TASK_EVENT_INTERVAL_MS } from "../../common/config.ts";
import { PendingCallsLimitExceededError } from "../../common/errors.ts";
import type { TaskRow } from "../../common/task_event.ts";
import type { ActorId } from "../../common/ids.ts";
import type { ActorStatus, DeathCause } from "../../common/task_spec.ts";
import { ActorQueue, type ActorQueueEffects } from "../../core/worker/actor_queue.ts";
import { newHead, PushType, writePush } from "../../protocol/push.ts";
import { ByteWriter } from "../../protocol/serialization/mod.ts";
import type { ActorUse } from "./actor_uses.ts";
import { type CallArguments, encodeArguments } from "./arguments.ts";
import { constructorError, diedError, unavailableError } from "./actor_errors.ts";
import { laneOf } from "./concurrency_groups.ts";
import { callRow, recordCall } from "./call_rows.ts";
import type { CoreContext } from "./core_context.ts";
import type { HandleInfo } from "./handle_info.ts";
import type { HostClient, HostLink, HostLinks } from "./host_links.ts";
import { type ItemCall, itemsOption } from "./item_calls.ts";
import { cancelledError } from "./cancels.ts";
import { Entry } from "./entry.ts";
import { type CalledMethod, type MethodInfo, OwnCall } from "./own_call.ts";
import type { FunctionStats } from "./recorder.ts";
import { checkReply, readReplies, type Reply, settleReply } from "./replies.ts";
import type { AskHow } from "./work.ts";
import { linkFor } from "./weak_observer.ts";
import type { WorkerLink, WorkerLinkObserver } from "./worker_link.ts";

/** What is written leaves before another client writes. */
const writer = new ByteWriter();
const PUSH_FRAME_BYTES = 1024 * 1024;

/** What a client needs of the process's actors. */
export interface ActorRegistry {
  /** The client may have become busy, or idle (see `isBusy`). A busy one is kept: its handles may be held only by code that
   *  waits for it. */
  busyChanged(client: ActorClient): void;
  readonly hosts: HostLinks;
}

/** See the module's header. */
export class ActorClient implements WorkerLinkObserver, HostClient, ActorQueueEffects<OwnCall> {
  info: HandleInfo;
  /** Unreleased handles in this process. */
  handles = 0;
  /** This process has asked for it and has no answer yet. */
  isCreating = false;
  /** Constructor arguments of an actor that this process created: it may be constructed with them again. */
  args: CallArguments | null = null;
  /** While it is being created here. */
  making: { readonly createdMs: number; done: Promise<void> | null } | null = null;
  /** Keeps a counted actor alive; collected with the client. */
  use: ActorUse | null = null;
  /** The last handle of this process is gone, and the last call done. */
  isEnded = false;
  /** What is said of earlier incarnations does not concern it. */
  since = 0;
  readonly #core: CoreContext;
  readonly #registry: ActorRegistry;
  readonly #queue: ActorQueue<OwnCall>;
  #watchers: Set<() => void> | null = null;
  /** The one that was called last. */
  #method: CalledMethod | null = null;
  #methods: Map<string, CalledMethod> | null = null;
  #link: WorkerLink | null = null;
  /** Of a light actor: the link is its host's, and shared. */
  #host: HostLink | null = null;
  #linkIncarnation = 0;
  #pumpScheduled = false;
  /** When the call that was answered last had ended, in ms of the epoch. */
  #endedMs = 0;
  /** Why it could not be created (a taken name, unreachable GCS), or its constructor's error. */
  #creationError: Error | null = null;

  constructor(core: CoreContext, registry: ActorRegistry, info: HandleInfo) {
    this.#core = core;
    this.#registry = registry;
    this.info = info;
    const lanes = info.groups === undefined
      ? info.ordered
      : (call: OwnCall) => laneOf(this.info, call.options);
    this.#queue = new ActorQueue<OwnCall>(this, { laneOf: lanes });
  }

  get status(): ActorStatus | null {
    return this.#queue.status;
  }
  get pending(): number {
    return this.#queue.pending;
  }
  /** It is being created, has calls under way, or somebody waits for it. */
  get isBusy(): boolean {
    return this.isCreating || this.#queue.pending > 0 || this.#watchers !== null;
  }
  get calls(): ActorQueue<OwnCall> {
    return this.#queue;
  }

  /** Submit a call; answers its refs or stream at once. */
  call(
    method: string,
    options: MethodInfo,
    values: readonly unknown[],
    signal: AbortSignal | null,
  ): ItemCall["given"] {
    const { info } = this;
    if (info.maxPendingCalls >= 0 && this.#queue.pending >= info.maxPendingCalls) {
      throw new PendingCallsLimitExceededError(
        `${info.className} (${info.actorId}) has ${this.#queue.pending} calls pending from here, the limit (maxPendingCalls)`,
      );
    }
    const core = this.#core;
    const called = this.methodOf(method);
    const { name } = called.stats;
    const args = encodeArguments(core, values, name);
    const sequence = core.nextSequence();
    const items = itemsOption(options.streams, options);
    const opened = items && core.itemCalls.open(core, sequence, name, items);
    const { numReturns = 1 } = options;
    const returns = opened !== null
      ? opened.returns
      : numReturns === 1
      ? core.objects.newReturn(sequence, name)
      : core.objects.newReturns(sequence, numReturns, name);
    const parent = core.currentTask();
    const call = new OwnCall(sequence, called, options, args, returns, parent, core.nowMs());
    call.retriesLeft = options.maxTaskRetries ?? info.maxTaskRetries;
    if (returns instanceof Entry) returns.maker = call;
    else for (const entry of returns) entry.maker = call;
    if (parent !== null) parent.adopt(call);
    if (signal !== null) this.#join(signal, call);
    core.recorder.touch();
    if (core.namesPending) core.afterNames(() => this.submit(call));
    else this.submit(call);
    if (returns instanceof Entry) return core.objects.refOf(returns);
    return opened?.given ?? core.objects.refsOf(returns);
  }

  /** The GCS's word on the actor. `errorValue`: its constructor's error. */
  updated(status: ActorStatus, errorValue: Uint8Array | null): void {
    if (errorValue !== null) {
      this.#creationError ??= constructorError(this.info, this.#core.codec.decodeError(errorValue));
    }
    this.#queue.updated(status);
    if (status.state === "DEAD") this.#dropLink();
    this.#schedulePump();
    if (this.#watchers !== null) { for (const watcher of [...this.#watchers]) watcher(); }
  }

  /** It could not be created at all. */
  creationFailed(error: Error): void {
    this.#creationError = error;
    const cause: DeathCause = { code: "CREATION_FAILED", message: error.message };
    this.updated({
      actorId: this.info.actorId,
      state: "DEAD",
      incarnation: Number.MAX_SAFE_INTEGER,
      nodeId: null,
      workerId: null,
      socketPath: null,
      pid: null,
      restartsLeft: 0,
      deathCause: cause,
    }, null);
  }

  /** Resolves when its constructor has run; rejects when it is dead. */
  ready(): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): boolean => {
        const status = this.status;
        if (status?.state === "ALIVE") resolve();
        else if (status?.state === "DEAD") reject(this.#diedError(status.deathCause));
        else return false;
        if (this.#watchers?.delete(look) && this.#watchers.size === 0) this.#watchers = null;
        this.#registry.busyChanged(this);
        return true;
      };
      if (look()) return;
      (this.#watchers ??= new Set()).add(look);
      this.#registry.busyChanged(this);
    });
  }

  close(reason: Error): void {
    this.creationFailed(reason);
    this.#dropLink();
  }

  // ---- calls -------------------------------------------------------------------------------------------------------------

  submit(call: OwnCall): void {
    if (call.ended) return; // It was cancelled while it waited for names, or before.
    const { args } = call;
    if (args.isReady) this.#ready(call);
    else {
      call.enter("pendingArgs");
      args.whenReady((failed) => {
        if (call.ended) return; // It ended before they were known.
        if (failed === null) this.#ready(call);
        else if (this.#queue.remove(call)) {
          this.#fail(call, this.#core.argumentError(failed, call.method.stats.name, call.id));
        }
        this.#schedulePump();
      });
    }
    this.#queue.submit(call);
    if (this.#queue.pending === 1) this.#registry.busyChanged(this);
    if (this.#queue.inFlight.size > 0 || this.#pumpScheduled) this.#schedulePump();
    else this.#pumpNow();
  }

  /** An idle actor begins at once: the tick of this process may be long, if user code computes. */
  #pumpNow(): void {
    this.#queue.pump();
    if (this.#queue.inFlight.size === 0) return;
    // To a busy host it leaves at the end of the turn, with the calls to its other actors.
    if (this.#host !== null && !this.#host.isIdleBut(this.#queue.inFlight.size)) return;
    this.#core.link.flush(); // Refs that go with it are known first.
    (this.#host ?? this.#link)?.flush();
  }

  #ready(call: OwnCall): void {
    call.enter("pendingNode");
  }

  #schedulePump(): void {
    if (this.#pumpScheduled) return;
    this.#pumpScheduled = true;
    queueMicrotask(() => {
      this.#pumpScheduled = false;
      this.#queue.pump();
    });
  }

  /** ActorQueueEffects. */
  letGo(call: OwnCall): void {
    call.args.release();
  }

  /** ActorQueueEffects. */
  retried(call: OwnCall): void {
    this.#host?.forget(call.sequence);
    this.#core.objects.registerAll(call.returns);
    call.attempt++;
    call.enter("pendingNode");
  }

  /** ActorQueueEffects. */
  push(calls: OwnCall[]): void {
    const link = this.#link!;
    const host = this.#host;
    const nowMs = this.#core.nowMs();
    const head = newHead();
    writer.reset();
    for (const call of calls) {
      if (writer.position > PUSH_FRAME_BYTES) {
        link.send(PushType.pushCalls, writer.bytes());
        writer.reset();
      }
      call.pushedMs = nowMs;
      call.enter("submitted");
      call.describe(head);
      if (call.options.streams) {
        head.items = this.#core.itemCalls.pushed(call.sequence, link, call.attempt);
      }
      if (host === null) writePush(writer, head, call);
      else host.push(this, this.#linkIncarnation, head, call);
      for (const argument of call.resolved) {
        this.#core.recorder.edge(argument.producer, call.method.stats.name, argument.bytes);
      }
    }
    if (host === null) link.send(PushType.pushCalls, writer.bytes());
  }

  replies(link: WorkerLink, header: Uint8Array): void {
    if (link !== this.#link) return; // Of an incarnation that was given up.
    const returned: number[] = [];
    readReplies(header, (reply) => {
      if (this.replied(reply)) returned.push(reply.sequence);
    });
    if (returned.length > 0) this.#core.acknowledgeReturned(link, returned);
    this.repliesRead();
  }

  replied(reply: Reply): boolean {
    const pushed = this.#queue.inFlight.get(reply.sequence);
    if (pushed === undefined) return false; // Late: its incarnation or connection was given up.
    checkReply(reply, pushed.numReturns);
    const call = this.#queue.completed(reply.sequence);
    return call !== undefined && this.#completed(call, reply);
  }

  repliesRead(): void {
    this.#queue.pump();
    this.#settleBusy();
  }

  items(link: WorkerLink, header: Uint8Array): void {
    this.#core.itemCalls.received(link, header);
  }

  /** Of a durable actor: what it has answered up to this number is safe. */
  covered(link: WorkerLink, _actorId: ActorId, through: number): void {
    if (link === this.#link) this.#queue.covered(through);
  }

  #completed(call: OwnCall, reply: Reply): boolean {
    const { stats } = call.method;
    if (reply.isCancelled) {
      this.#failCancelled(call, reply);
      return false;
    }
    if (reply.error !== null && this.#retriesError(call, reply)) {
      if (call.retriesLeft > 0) call.retriesLeft--;
      recordCall(this.#core, this.status, call, "FAILED", reply);
      this.#queue.requeue(call);
      return false;
    }
    if (call.isAnswered) {
      this.#end(call, reply.error === null && this.#isKept(call));
      return false;
    }
    stats.runMs += reply.runUs / 1000;
    this.#endedMs = reply.startMs + reply.runUs / 1000;
    if (reply.error === null) stats.finished++;
    else stats.failed++;
    recordCall(this.#core, this.status, call, reply.error === null ? "FINISHED" : "FAILED", reply);
    // A durable actor's state would have it twice.
    if ((reply.results !== null || call.isGenerator) && this.info.checkpointEvery === undefined) {
      this.#core.rebuilds.keep(call, reply.results);
    }
    const holds = settleReply(this.#core, call.outcome, reply, this.#link!.nodeId);
    this.#end(call, reply.error === null && this.#isKept(call));
    return holds;
  }

  /** Its actor may lose it, and it may be repeated then. */
  #isKept(call: OwnCall): boolean {
    return this.info.checkpointEvery !== undefined && call.retriesLeft !== 0 && call.options.streams !== true;
  }

  #retriesError(call: OwnCall, { error, isSystemError }: Reply): boolean {
    const { retryExceptions = false } = call.options;
    if (call.retriesLeft === 0 || call.cancelled) return false;
    if (isSystemError) return this.#core.isTransient(error!);
    return retryExceptions !== false && this.#core.isRetried(error!, retryExceptions);
  }

  #end(call: OwnCall, isKept = false): void {
    call.enter("ended");
    if (call.signal !== null) this.#core.cancels.leave(call.signal, call);
    if (!isKept) return call.releaseArguments();
    call.isAnswered = true;
    this.#queue.keep(call);
  }

  handedBack(): void {}

  // ---- cancellation ------------------------------------------------------------------------------------------------------

  #join(signal: AbortSignal, call: OwnCall): void {
    if (signal.aborted) return this.#failCancelled(call, null);
    call.signal = signal;
    this.#core.cancels.join(signal, call);
  }

  /** End a call that has not left. False when the actor has it. */
  withdraw(call: OwnCall): boolean {
    if (call.isAnswered) return true;
    if (this.#queue.inFlight.get(call.sequence) === call) return false;
    if (call.stage !== "none") {
      this.#queue.withdrawn();
      this.#schedulePump();
    }
    this.#failCancelled(call, null);
    return true;
  }

  ask(call: OwnCall, how: AskHow): void {
    if (this.#queue.inFlight.get(call.sequence) === call) this.#link?.cancel(call.sequence, how);
  }

  #failCancelled(call: OwnCall, reply: Reply | null): void {
    for (const entry of call.returns) entry.cancelled = true;
    this.#fail(call, this.#core.objects.encodeError(cancelledError(call.name, call.id)), reply);
  }

  // ---- connection ----------------------------------------------------------------------------------------------------------

  /** ActorQueueEffects. */
  connect(status: ActorStatus): void {
    this.#dropLink();
    const { nodeId, workerId, socketPath, incarnation } = status;
    const address = { nodeId: nodeId!, workerId: workerId!, socketPath: socketPath! };
    this.#linkIncarnation = incarnation;
    if (status.shared === true) {
      this.#host = this.#registry.hosts.join(address, this);
      this.#link = this.#host.link;
      if (this.#host.isOpen) this.opened(this.#link);
    } else this.#link = linkFor(this.#core, address, this);
  }

  #dropLink(): void {
    const link = this.#link;
    const host = this.#host;
    this.#link = this.#host = null;
    if (host !== null) host.leave(this);
    else link?.close();
  }

  opened(link: WorkerLink): void {
    if (link !== this.#link) return;
    this.#queue.connected(this.#linkIncarnation);
    this.#queue.pump();
  }

  lost(link: WorkerLink): void {
    if (link !== this.#link) return;
    this.#link = this.#host = null;
    this.#queue.disconnected(this.#linkIncarnation);
    // Whether the actor died or only the connection broke is the GCS's to say; ask until it says something new.
    this.#registry.hosts.askAgain(this);
  }

  get isCutOff(): boolean {
    return this.#link === null && this.status?.state !== "DEAD";
  }

  // ---- ends ----------------------------------------------------------------------------------------------------------------

  /** ActorQueueEffects. */
  fail(call: OwnCall, kind: "died" | "unavailable", cause: DeathCause | null): void {
    this.#host?.forget(call.sequence);
    if (call.isAnswered) return this.#end(call);
    if (call.pushedMs > 0) this.#core.objects.registerAll(call.returns);
    if (call.cancelled) return this.#failCancelled(call, null);
    const error = kind === "died"
      ? this.#diedError(cause)
      : unavailableError(this.info, call.method.name, cause);
    this.#fail(call, this.#core.objects.encodeError(error));
  }

  #fail(call: OwnCall, encoded: Uint8Array, reply: Reply | null = null): void {
    call.method.stats.failed++;
    recordCall(this.#core, this.status, call, "FAILED", reply, encoded);
    for (const entry of call.returns) this.#core.objects.settleError(entry, encoded);
    this.#end(call);
    this.#settleBusy();
  }

  #settleBusy(): void {
    if (this.pending === 0) this.#registry.busyChanged(this);
  }

  #diedError(cause: DeathCause | null): Error {
    return this.#creationError ?? diedError(this.info, cause);
  }

  // ---- history ---------------------------------------------------------------------------------------------------------------

  methodOf(name: string): CalledMethod {
    if (this.#method?.name === name) return this.#method;
    let method = this.#methods?.get(name);
    if (method === undefined) {
      const stats = this.#core.recorder.stats(`${this.info.className}.${name}`, "ACTOR_TASK");
      method = { name, stats, client: this, owner: this.#core.identity.self };
      if (this.#method !== null) (this.#methods ??= new Map()).set(name, method);
      else return this.#method = method;
    }
    // Both stay known.
    if (this.#method !== null) this.#methods!.set(this.#method.name, this.#method);
    return this.#method = method;
  }

  /** What runs at the actor now, as far as this process knows. */
  running(): FunctionStats | null {
    const first = this.#queue.inFlight.values().next();
    return first.done ? null : first.value.method.stats;
  }

  /** Append rows of calls that have been under way for longer than a batch's interval, at most `limit`. */
  longRunning(limit: number, rows: TaskRow[]): void {
    const before = this.#core.nowMs() - TASK_EVENT_INTERVAL_MS;
    let isFirst = true;
    for (const call of this.#queue.inFlight.values()) {
      if (limit-- <= 0 || call.pushedMs > before) return;
      const state = isFirst ? "RUNNING" : "SUBMITTED_TO_WORKER";
      // Where calls run one at a time, it began when the one before it had ended.
      const startMs = isFirst ? Math.max(call.pushedMs, this.info.ordered ? this.#endedMs : 0) : null;
      isFirst = false;
      if (!this.#core.recorder.isNews(call, state)) continue;
      const outcome = { state, startMs, endMs: null, resultBytes: 0, error: null } as const;
      rows.push(callRow(call, this.#core.identity.jobId, this.status, outcome));
    }
  }
}
