/**
 * The local scheduler in its process: events go in one at a time, effects become messages, worker starts and answers.
 * @module
 */
import { errorOfCode } from "../common/errors.ts";
import type { NodeId, ProcessId } from "../common/ids.ts";
import { isUnits } from "../common/resources.ts";
import type { Grant, LeaseRequest } from "../common/task_spec.ts";
import { LocalScheduler } from "../core/scheduler/local_scheduler.ts";
import {
  type LeaseOrigin,
  type LocalSchedulerConfig,
  type LocalSchedulerEffect,
  type LocalSchedulerEvent,
  requestKey,
} from "../core/scheduler/local_scheduler_types.ts";
import type { ObjectStore } from "../io/store/store_host.ts";
import type { BundleWord } from "../protocol/group_messages.ts";
import type { AgentMethods } from "../protocol/messages.ts";
import type { HeadLink } from "./agent_head_link.ts";
import type { Peers } from "./agent_peers.ts";
import type { ProcessTable } from "./agent_processes.ts";
import type { Tracer } from "./agent_tracer.ts";
import type { WorkerProcesses } from "./agent_workers.ts";

/** A node's refusal that only means: ask another one. */
const REFUSED_HERE = "LeaseRefusedError";
/** What the head says about a request for good. */
const FINAL_PICK_CODES: ReadonlySet<string> = new Set([
  "TaskUnschedulableError",
  "ActorUnschedulableError",
  "PlacementGroupRemovedError",
]);
/** What another node says about a request for good, besides lost arguments. */
const FINAL_CODES: ReadonlySet<string> = new Set([
  "RuntimeEnvSetupError",
  "OwnerDiedError",
  "PlacementGroupRemovedError",
]);
/** A lease's end is followed by the worker's, unless the worker is merely idle. */
const IDLE_CAUSES: ReadonlySet<string> = new Set(["EXITED", "JOB_ENDED"]);

type LeaseAnswer = AgentMethods["requestLease"]["result"];
type EffectOf<T extends LocalSchedulerEffect["type"]> = Extract<LocalSchedulerEffect, { type: T }>;

interface Waiter {
  readonly resolve: (answer: LeaseAnswer) => void;
  readonly reject: (error: Error) => void;
}

/** The parts of the agent that leases need. */
export interface LeasesParts {
  readonly head: HeadLink;
  readonly peers: Peers;
  readonly processes: ProcessTable;
  readonly workers: WorkerProcesses;
  readonly store: ObjectStore;
  readonly tracer: Tracer;
  readonly nowMs: () => number;
  /** What this node has free changed by a bundle: the head need not wait for the next heartbeat. */
  readonly onBundlesChanged: () => void;
  readonly log: (text: string) => void;
}

export class Leases {
  readonly scheduler: LocalScheduler;
  readonly #parts: LeasesParts;
  readonly #nodeId: NodeId;
  /** Who waits for an answer, by request. Several when it was sent again. */
  readonly #waiters: Map<string, Waiter[]> = new Map();
  /** Grants of other nodes by lease, until the machine has said whether they are wanted: to the end of the run. */
  readonly #forwarded: Map<string, Grant> = new Map();
  /** Requests that the global scheduler was asked about: their grant here is not bottom-up. */
  readonly #handedOver: Set<string> = new Set();
  /** Workers that the machine bound to a job and that were not told yet. */
  readonly #newlyBound: Set<ProcessId> = new Set();
  #events: LocalSchedulerEvent[] = [];
  #scheduled: boolean = false;
  #bundleChanges: number = 0;
  #bundleWords: BundleWord[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerMs: number = Infinity;

  constructor(config: LocalSchedulerConfig, parts: LeasesParts) {
    this.scheduler = new LocalScheduler(config);
    this.#parts = parts;
    this.#nodeId = config.nodeId;
  }

  /** Apply an event at the end of this tick, together with those that come with it, and do what follows. */
  step(event: LocalSchedulerEvent): void {
    this.#events.push(event);
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => this.#run());
  }

  /** Ask for a lease; resolves when it is granted here or elsewhere, or cancelled. */
  request(request: LeaseRequest, origin: LeaseOrigin): Promise<LeaseAnswer> {
    checkRequest(request);
    const key = requestKey(request.submitter, request.requestId);
    return new Promise((resolve, reject) => {
      const waiters = this.#waiters.get(key);
      if (waiters === undefined) this.#waiters.set(key, [{ resolve, reject }]);
      else waiters.push({ resolve, reject });
      const namespace = request.namespace ?? this.#parts.processes.get(request.submitter)?.namespace ?? "";
      const named = { ...request, namespace };
      this.step({
        type: "leaseRequested",
        request: named,
        origin,
        missingBytes: this.#missingBytes(request),
      });
    });
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #run(): void {
    // What effects cause at once follows in the same run.
    while (this.#events.length > 0) {
      const events = this.#events;
      this.#events = [];
      for (const effect of this.scheduler.stepAll(this.#parts.nowMs(), events)) this.#perform(effect);
    }
    // Wanted, returned, or a repetition: the machine has decided on all of them.
    this.#forwarded.clear();
    this.#scheduled = false;
    this.#tellOfBundles();
    if (this.scheduler.bundles.changes === this.#bundleChanges) return;
    this.#bundleChanges = this.scheduler.bundles.changes;
    this.#parts.onBundlesChanged();
  }

  #missingBytes({ args }: LeaseRequest): number | null {
    let missing: number | null = 0;
    for (const { id, bytes } of args) {
      if (this.#parts.store.isLocal(id)) continue;
      // An unknown size may be a large one.
      if (bytes === 0) return null;
      missing += bytes;
    }
    return missing;
  }

  #perform(effect: LocalSchedulerEffect): void {
    const { workers, store, head, processes, log } = this.#parts;
    switch (effect.type) {
      case "grant":
        return this.#grant(effect);
      case "answerForwarded":
        return this.#answerForwarded(effect);
      case "answerCancelled":
        return this.#settle(effect.key, (waiter) => waiter.resolve({ cancelled: true }));
      case "reject": {
        const code = effect.retry ? REFUSED_HERE : effect.code;
        return this.#settle(effect.key, (waiter) => waiter.reject(errorOfCode(code, effect.message)));
      }
      case "pickNode":
        return this.#pickNode(effect);
      case "cancelPick":
        return head.notify("cancelPick", { submitter: effect.submitter, requestId: effect.requestId });
      case "forward":
        return this.#forward(effect);
      case "forwardBacklog":
      case "cancelForward":
      case "returnRemoteLease":
        return this.#tellPeer(effect);
      case "pullArguments":
        return this.#pull(effect);
      case "argumentsLent":
        return store.argumentsLent(effect.key);
      case "releaseArguments":
        return store.releaseArguments(effect.key);
      case "startWorker":
        return workers.start(effect.startId, effect.runtimeEnv);
      case "stopWorker": {
        const { workerId, force, cause } = effect;
        return workers.stop(workerId, { force, idle: IDLE_CAUSES.has(cause.code), cause });
      }
      case "assignJob":
        this.#newlyBound.add(effect.workerId);
        return;
      case "reclaimLease":
      case "leaseLost":
        return this.#tellSubmitter(effect);
      case "bundlesPrepared":
      case "bundlesCommitted":
      case "bundlesAsked":
        this.#bundleWords.push(effect);
        return;
      case "warn":
        log(effect.text);
        return processes.message(effect.jobId, "warning", effect.text);
      case "setTimer":
        return this.#setTimer(effect.atMs);
      default:
        effect satisfies never;
    }
  }

  /** What a run says of bundles is one message, kept until the head has heard it, however often it restarts. */
  #tellOfBundles(): void {
    if (this.#bundleWords.length === 0) return;
    const words = this.#bundleWords;
    this.#bundleWords = [];
    void this.#parts.head.request("bundlesTold", { words }, [], { keep: true }).catch(() => undefined);
  }

  #settle(key: string, answer: (waiter: Waiter) => void): void {
    const waiters = this.#waiters.get(key);
    this.#waiters.delete(key);
    this.#handedOver.delete(key);
    if (waiters !== undefined) { for (const waiter of waiters) answer(waiter); }
  }

  #grant({ key, request, leaseId, workerId, resources, gpuIds, origin }: EffectOf<"grant">): void {
    const worker = this.#parts.workers.get(workerId);
    // Pushes to a restricted worker go through its agent: what tells them good is known here only.
    const socketPath = worker === undefined || worker.secret !== null ? "" : worker.socketPath;
    const grant: Grant = { leaseId, nodeId: this.#nodeId, workerId, socketPath, resources, gpuIds };
    const detail = `${workerId} for ${request.submitter}`;
    if (request.kind === "task") {
      if (origin === "own" && !this.#handedOver.has(key)) this.#trace(request, 3, "localGrant", detail);
      this.#trace(request, 7, "grant", detail);
    }
    const answer = (): void => this.#settle(key, (waiter) => waiter.resolve({ grant }));
    if (this.#newlyBound.delete(workerId)) void this.#bindWorker(workerId, request).then(answer);
    else answer();
  }

  #answerForwarded({ key, leaseId }: EffectOf<"answerForwarded">): void {
    const grant = this.#forwarded.get(leaseId)!;
    this.#forwarded.delete(leaseId);
    this.#settle(key, (waiter) => waiter.resolve({ grant }));
  }

  #pickNode({ key, request, exclude, available, optional, waitingAt }: EffectOf<"pickNode">): void {
    const { head, tracer } = this.#parts;
    if (optional && !head.isUp) {
      const message = "The head is away.";
      return this.step({ type: "pickFailed", key, fatal: false, code: "HeadUnavailable", message });
    }
    this.#handedOver.add(key);
    this.#trace(request, 3, "handOver", this.scheduler.reason(request.submitter, request.requestId) ?? "");
    head.request("pickNode", { request, exclude: [...exclude], available, waitingAt }).then(
      ({ result }) => {
        tracer.steps(result.steps);
        this.step({ type: "nodePicked", key, nodeId: result.nodeId });
      },
      (error: Error) => {
        const code = codeOf(error);
        this.step({
          type: "pickFailed",
          key,
          fatal: FINAL_PICK_CODES.has(code),
          code,
          message: error.message,
        });
      },
    );
  }

  #forward({ key, request, nodeId }: EffectOf<"forward">): void {
    const failed = (error: Error): void => {
      const code = codeOf(error);
      // What is about the request itself is final; what is about that node is not.
      const fatal = code.startsWith("Object") || FINAL_CODES.has(code);
      this.step({ type: "forwardFailed", key, nodeId, fatal, code, message: error.message });
    };
    this.#trace(request, 4, "spillback", `to ${nodeId}`);
    this.#parts.peers.request(nodeId, "requestLease", request).then(({ result }) => {
      if (!("grant" in result)) return failed(new Error(`${nodeId} cancelled the request.`));
      const { grant } = result;
      const { leaseId, workerId } = grant;
      this.#forwarded.set(leaseId, grant);
      this.step({ type: "forwardGranted", key, nodeId, leaseId, workerId, submitter: request.submitter });
    }).catch(failed);
  }

  #tellPeer(effect: EffectOf<"forwardBacklog" | "cancelForward" | "returnRemoteLease">): void {
    const { peers } = this.#parts;
    switch (effect.type) {
      case "forwardBacklog": {
        const { nodeId, submitter, requestId, backlog } = effect;
        return peers.notify(nodeId, "leaseBacklog", { submitter, requestId, backlog });
      }
      case "cancelForward": {
        const { nodeId, submitter, requestId } = effect;
        return peers.notify(nodeId, "cancelLease", { submitter, requestId });
      }
      case "returnRemoteLease": {
        const { nodeId, leaseId, workerId, discardWorker } = effect;
        this.#forwarded.delete(leaseId);
        return peers.notify(nodeId, "returnLease", { leaseId, nodeId, workerId, workerLost: discardWorker });
      }
    }
  }

  #pull({ key, args, taskId, depth }: EffectOf<"pullArguments">): void {
    const { store, tracer } = this.#parts;
    const ids = args.map(({ id }) => id);
    tracer.argumentsOf(key, taskId, ids);
    store.pinArguments(key, args, depth).then(
      () => this.step({ type: "argumentsReady", key }),
      (error: Error) =>
        this.step({ type: "argumentsFailed", key, code: codeOf(error), message: error.message }),
    ).finally(() => tracer.argumentsDone(key, ids));
  }

  /** The worker must know its job before its first task, which comes on another connection: wait until it does. */
  async #bindWorker(workerId: ProcessId, request: LeaseRequest): Promise<void> {
    const process = this.#parts.processes.get(workerId);
    if (process === undefined) return;
    const worker = this.#parts.workers.get(workerId);
    if (worker !== undefined) {
      worker.jobId = request.jobId;
      worker.homeNode = request.submitterNode;
    }
    process.jobId = request.jobId;
    process.namespace = request.namespace ?? "";
    const { jobId, namespace } = process;
    // A worker that dies instead is told to the submitter as a lost lease.
    await process.rpc.request("assignJob", { jobId, namespace }).catch(() => undefined);
  }

  #tellSubmitter(effect: EffectOf<"reclaimLease" | "leaseLost">): void {
    const { processes, peers } = this.#parts;
    const { submitter, submitterNode, leaseId } = effect;
    const here = submitterNode === this.#nodeId;
    if (effect.type === "reclaimLease") {
      if (here) processes.notify(submitter, "reclaimLease", { leaseId });
      else peers.notifyBack(submitterNode, "reclaimLease", { leaseId, submitter });
      return;
    }
    const { workerId, cause } = effect;
    if (here) processes.notify(submitter, "leaseLost", { leaseId, workerId, cause });
    else peers.notifyBack(submitterNode, "leaseLost", { leaseId, submitter, workerId, cause });
  }

  #setTimer(atMs: number): void {
    if (atMs >= this.#timerMs) return;
    clearTimeout(this.#timer);
    this.#timerMs = atMs;
    // One millisecond late rather than early: an early timer would only be set again.
    this.#timer = setTimeout(() => {
      this.#timerMs = Infinity;
      this.step({ type: "timer" });
    }, Math.max(0, atMs - this.#parts.nowMs()) + 1);
  }

  #trace(request: LeaseRequest, step: number, name: string, detail: string): void {
    this.#parts.tracer.step(
      { taskId: request.taskId, journey: "submit", step, name, detail },
      request.submitter,
    );
  }
}

function codeOf(error: Error): string {
  const code = (error as { code?: unknown }).code;
  return typeof code === "string" ? code : "MobulaError";
}

/** What a submitter says decides about resources: it must at least be possible. */
function checkRequest(request: LeaseRequest): void {
  for (const [name, units] of Object.entries(request.resources)) {
    if (!isUnits(units)) {
      throw new RangeError(`Cannot lease for ${request.name}: ${name} is ${units} units.`);
    }
  }
  if (!Number.isSafeInteger(request.depth) || request.depth < 0) {
    throw new RangeError(`Cannot lease for ${request.name}: its depth is ${request.depth}.`);
  }
}
