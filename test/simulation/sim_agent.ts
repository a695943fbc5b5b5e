/**
 * A simulated node agent: the real local scheduler, with worker processes, a store of object sizes, a link to the head and
 * connections to other agents around it. One instance is one incarnation (epoch).
 * @module
 */
import { HEARTBEAT_INTERVAL_MS } from "../../runtime/common/config.ts";
import type { JobId, NodeId, ProcessId } from "../../runtime/common/ids.ts";
import type { ResourceSet } from "../../runtime/common/resources.ts";
import type { DeathCause, Grant, LeaseRequest } from "../../runtime/common/task_spec.ts";
import { livingOf } from "../../runtime/core/gcs/membership.ts";
import { LocalScheduler } from "../../runtime/core/scheduler/local_scheduler.ts";
import { MemoryMonitor } from "../../runtime/core/scheduler/memory_monitor.ts";
import type {
  LeaseOrigin,
  LocalSchedulerEffect,
  LocalSchedulerEvent,
} from "../../runtime/core/scheduler/local_scheduler_types.ts";
import type { NodeRegistration, NodeRow, RefChange } from "../../runtime/protocol/messages.ts";
import { TurnBook } from "./checkers/fairness.ts";
import type { Host } from "./network.ts";
import { SimActors } from "./sim_actors.ts";
import type { SimDriver } from "./sim_driver.ts";
import type { FromHead } from "./sim_head.ts";
import { type Answer, SimLink } from "./sim_link.ts";
import { SimPeers } from "./sim_peers.ts";
import { SimObjects } from "./sim_objects.ts";
import type { Push, SimSubmitter } from "./sim_submitter.ts";
import { SimWorker } from "./sim_worker.ts";
import type { SimWorld } from "./sim_world.ts";

type EffectOf<T extends LocalSchedulerEffect["type"]> = Extract<LocalSchedulerEffect, { type: T }>;

/** What is held by a lease that has not ended, from the point of view of the books. */
export interface LeaseBook {
  readonly key: string;
  readonly workerId: ProcessId;
  readonly resources: ResourceSet;
  readonly isActor: boolean;
  /** Its worker was blocked: the CPU is lent to others, who may still have it when the worker goes on. */
  lent: boolean;
}

export interface AgentConfig {
  readonly nodeId: NodeId;
  readonly epoch: number;
  readonly resources: ResourceSet;
  readonly labels: Readonly<Record<string, string>>;
  /** The node wants another incarnation: it was fenced. */
  readonly onFenced: (agent: SimAgent) => void;
}

export class SimAgent {
  readonly nodeId: NodeId;
  readonly config: AgentConfig;
  readonly host: Host;
  readonly scheduler: LocalScheduler;
  readonly link: SimLink;
  readonly peers: SimPeers;
  readonly actors: SimActors;
  readonly store: SimObjects;
  readonly turns: TurnBook;
  readonly drivers: Map<ProcessId, SimDriver> = new Map();
  /** All and only leases that hold something. */
  readonly leases: Map<string, LeaseBook> = new Map();
  readonly #world: SimWorld;
  readonly #workers: Map<ProcessId, SimWorker> = new Map();
  readonly #forwarded: Map<string, Grant> = new Map();
  readonly #picks: Map<string, number> = new Map();
  readonly #memory: MemoryMonitor = new MemoryMonitor({ threshold: 0.9, minFreeBytes: null });
  #timerMs: number = Infinity;
  #heartbeats: number = 0;

  constructor(world: SimWorld, config: AgentConfig) {
    this.#world = world;
    this.config = config;
    this.nodeId = config.nodeId;
    this.host = { machine: config.nodeId, alive: true, pausedUntilMs: 0 };
    const { nodeId, epoch, resources, labels } = config;
    this.scheduler = new LocalScheduler({
      nodeId,
      leaseIdPrefix: `l-${nodeId}-${epoch}-`,
      resources,
      labels,
      workerIdleMs: 2_000,
    });
    this.peers = new SimPeers(world, this);
    this.actors = new SimActors(world, this);
    this.store = new SimObjects(world, this);
    this.turns = new TurnBook(world, this);
    const { loop, network, head } = world;
    this.link = new SimLink({
      loop,
      network,
      prng: world.faults.fork(),
      head,
      host: this.host,
      registration: () => this.#registration(),
      onRegistered: ({ nodes, endedActors, endedJobs }) => {
        this.#nodesChanged(nodes);
        this.actors.endAll(endedActors);
        for (const jobId of endedJobs) this.#jobEnded(jobId);
        for (const driver of this.drivers.values()) driver.watchAgain();
      },
      onFenced: () => this.config.onFenced(this),
      onOrder: (order) => this.#order(order),
    });
    this.#heartbeat();
  }

  step(event: LocalSchedulerEvent): void {
    if (!this.host.alive) return;
    const effects = this.scheduler.step(this.#world.loop.nowMs, event);
    const types = (): string => effects.map((effect) => effect.type).join(",");
    this.#world.loop.trace(this.nodeId, `${event.type} -> ${types()}`, () => ({ event, effects }));
    for (const effect of effects) this.#perform(effect);
  }

  // What local processes ask.

  requestLease(request: LeaseRequest): void {
    this.leaseRequested(request, "own");
  }

  cancelLease(submitter: ProcessId, requestId: string): void {
    this.step({ type: "leaseCancelled", submitter, requestId });
  }

  returnLease({ leaseId, nodeId }: Grant, discardWorker: boolean): void {
    if (nodeId === this.nodeId) return this.leaseReturned(leaseId, discardWorker);
    this.step({ type: "remoteLeaseReturned", leaseId });
    this.peers.tell(nodeId, { kind: "returnLease", leaseId, discardWorker });
  }

  push({ nodeId, workerId }: Grant, push: Push): void {
    if (nodeId !== this.nodeId) return this.peers.tell(nodeId, { kind: "push", workerId, push });
    const worker = this.#workers.get(workerId);
    if (worker === undefined) {
      return this.#toSubmitter(push.owner, (owner) => owner.workerUnreached(push.leaseId));
    }
    worker.receive(push, (reply) => this.#toSubmitter(push.owner, (owner) => owner.replied(reply)));
  }

  blocked(worker: SimWorker, blocked: boolean): void {
    for (const book of this.leases.values()) if (book.workerId === worker.id) book.lent = true;
    this.step({ type: blocked ? "workerBlocked" : "workerUnblocked", workerId: worker.id });
  }

  /** From a process of this node. */
  references(process: ProcessId, changes: readonly RefChange[]): void {
    this.store.references.step({ type: "changed", process, changes });
  }

  // What other agents and the parts of this one ask.

  leaseRequested(request: LeaseRequest, origin: LeaseOrigin): void {
    let missingBytes = 0;
    this.turns.requested(request);
    for (const { id, bytes } of request.args) if (!this.store.isLocal(id)) missingBytes += bytes;
    this.step({ type: "leaseRequested", request, origin, missingBytes });
  }

  leaseReturned(leaseId: string, discardWorker: boolean): void {
    if (!discardWorker && this.leases.get(leaseId)?.isActor === false) this.leases.delete(leaseId);
    this.step({ type: "leaseReturned", leaseId, discardWorker });
  }

  submitterOf(id: ProcessId): SimSubmitter | null {
    return this.drivers.get(id)?.submitter ?? this.#workers.get(id)?.submitter ?? null;
  }

  hasProcess(id: string): boolean {
    return this.drivers.has(id as ProcessId) || this.#workers.has(id as ProcessId);
  }

  crashWorker(worker: SimWorker): void {
    this.workerExited(worker, false, { code: "WORKER_DIED", message: "it crashed" });
  }

  workerExited(worker: SimWorker, intended: boolean, cause: DeathCause): void {
    if (!this.#workers.delete(worker.id)) return;
    worker.die();
    this.actors.workerGone(worker);
    for (const [leaseId, book] of this.leases) if (book.workerId === worker.id) this.leases.delete(leaseId);
    const { id: workerId, actor } = worker;
    this.link.request({
      type: "workerExited",
      nodeId: this.nodeId,
      workerId,
      jobId: null,
      actorId: actor?.spec.actorId ?? null,
      incarnation: actor?.incarnation ?? 0,
      intended,
      cause,
    }, () => undefined);
    this.#memory.step({ type: "workerExited", workerId });
    this.step({ type: "workerExited", workerId, cause });
    this.step({ type: "submitterDied", submitter: workerId });
    this.store.processDied(workerId);
  }

  driverExited(driver: SimDriver, failed: boolean): void {
    if (!this.drivers.delete(driver.id)) return;
    this.step({ type: "submitterDied", submitter: driver.id });
    this.store.processDied(driver.id);
    const { jobId } = driver;
    if (jobId === null) return;
    this.link.request({ type: "endJob", jobId, reason: "the driver ended", failed }, () => undefined);
  }

  /** The whole node is gone: agent, workers, drivers. `silentMs`: how long its peers' connections stay open. */
  die(silentMs: number): void {
    if (!this.host.alive) return;
    this.#world.network.kill(this.host, silentMs);
    this.#world.ended.add(this.nodeId);
    for (const worker of this.#workers.values()) worker.die();
    for (const driver of this.drivers.values()) driver.vanish();
    this.#workers.clear();
    this.drivers.clear();
  }

  randomWorker(): SimWorker | null {
    return this.#workers.size === 0 ? null : this.#world.faults.pick([...this.#workers.values()]);
  }

  /** The node runs short of memory: the monitor ends one worker. */
  lowMemory(): void {
    const candidates = this.scheduler.running();
    const kill = this.#memory.step({ type: "read", usedBytes: 99, totalBytes: 100, candidates });
    const worker = kill === null ? undefined : this.#workers.get(kill.workerId);
    if (worker === undefined) return;
    this.#world.loop.after(
      1,
      () => this.workerExited(worker, false, { code: "OUT_OF_MEMORY", message: "low" }),
    );
  }

  #registration(): NodeRegistration {
    const { nodeId, epoch, resources, labels } = this.config;
    return {
      nodeId,
      epoch,
      address: `${nodeId}:1`,
      hostname: nodeId,
      pid: 1,
      runtime: "bun",
      sessionDir: "/",
      isHeadNode: false,
      resources,
      labels,
      objectStoreBytes: 1e9,
      objects: this.store.table.reports(),
      actors: this.actors.statuses(),
      bundles: this.scheduler.bundles.reports(),
      drivers: [...this.drivers.values()].flatMap(({ id, jobId }) =>
        jobId === null ? [] : [{ driverId: id, jobId }]
      ),
    };
  }

  #heartbeat(): void {
    if (!this.host.alive) return;
    const { loop, network, head } = this.#world;
    const { queueLength, queueWaitMs } = this.scheduler.load();
    const heartbeat = {
      nodeId: this.nodeId,
      epoch: this.config.epoch,
      sequence: ++this.#heartbeats,
      available: { ...this.scheduler.available },
      demand: [],
      storeUsedBytes: 0,
      storeObjects: this.store.table.counts().objects,
      storeSpilledBytes: 0,
      workers: this.#workers.size,
      cpuPercent: 0,
      rssBytes: 0,
      queueLength,
      queueWaitMs,
      waitingActors: this.actors.waiting(),
      bundles: this.scheduler.bundles.loads(),
      bandwidth: {},
    };
    const isPaused = this.host.pausedUntilMs > loop.nowMs;
    if (!isPaused) network.datagram(this.host, head.host, () => head.heartbeat(heartbeat));
    loop.after(HEARTBEAT_INTERVAL_MS, () => this.#heartbeat());
  }

  #order(order: Extract<FromHead, { kind: "order" }>): void {
    switch (order.method) {
      case "nodesChanged":
        return this.#nodesChanged(order.params.nodes);
      case "startActor":
        return this.actors.start(order.params.spec, order.params.incarnation);
      case "stopActor":
        return this.actors.stop(order.params.actorId, order.params.incarnation, order.params);
      case "actorStatus":
        for (const driver of this.drivers.values()) driver.heard(order.params.status);
        return;
      case "stopActors":
        for (const [actorId, incarnation] of order.params.actors) {
          this.actors.stop(actorId, incarnation, order.params);
        }
        return;
      case "startActors":
        for (const [index, actorId] of order.params.actorIds.entries()) {
          const spec = { ...order.params.common, actorId, args: [] };
          this.actors.start(spec, order.params.incarnations[index]!);
        }
        return;
      case "actorStatuses":
        for (const [actorId, incarnation] of order.params.actors) {
          const status = { ...order.params.common, actorId, incarnation };
          for (const driver of this.drivers.values()) driver.heard(status);
        }
        return;
      case "deleteObjects":
        return this.store.delete(order.params.ids);
      case "ownerless":
        return this.store.ownerless(order.params.objects);
      case "jobEnded":
        return this.#jobEnded(order.params.jobId);
      case "bundleOrders":
        for (const bundles of order.params.orders) this.step(bundles);
        return;
      case "shutdown":
        return this.config.onFenced(this);
      case "message":
        return;
      case "drain":
        return this.step({ type: "drain" });
      default:
        order satisfies never;
    }
  }

  #nodesChanged(nodes: readonly NodeRow[]): void {
    const died = this.peers.setNodes(nodes);
    this.step({ type: "peersChanged", alive: livingOf(nodes) });
    for (const node of died) this.store.nodeDied(node);
  }

  #jobEnded(jobId: JobId): void {
    for (const driver of [...this.drivers.values()]) if (driver.jobId === jobId) driver.jobEnded();
    this.step({ type: "jobEnded", jobId });
  }

  #perform(effect: LocalSchedulerEffect): void {
    const { loop } = this.#world;
    switch (effect.type) {
      case "grant":
        return this.#grant(effect);
      case "reject":
        return this.#reject(effect);
      case "answerForwarded": {
        this.turns.answered(effect.key);
        const grant = this.#forwarded.get(effect.key)!;
        const { submitter, requestId } = splitKey(effect.key);
        return this.#toSubmitter(submitter, (owner) => owner.granted(requestId, grant));
      }
      case "answerCancelled":
        this.turns.answered(effect.key);
        if (effect.origin === "peer") this.peers.answerLease(effect.key, cancelled());
        return;
      case "pickNode":
        return this.#pick(effect);
      case "cancelPick": {
        const id = this.#picks.get(effect.key);
        if (id !== undefined) this.link.forget(id);
        this.#picks.delete(effect.key);
        return this.link.notify({
          type: "cancelPick",
          submitter: effect.submitter,
          leaseRequestId: effect.requestId,
        });
      }
      case "forward":
        return this.#forward(effect);
      case "forwardBacklog": {
        const { nodeId, submitter, requestId, backlog } = effect;
        return this.peers.tell(nodeId, { kind: "backlog", submitter, requestId, backlog });
      }
      case "cancelForward": {
        const { nodeId, submitter, requestId } = effect;
        return this.peers.tell(nodeId, { kind: "cancelLease", submitter, requestId });
      }
      case "returnRemoteLease": {
        const { nodeId, leaseId, discardWorker } = effect;
        return this.peers.tell(nodeId, { kind: "returnLease", leaseId, discardWorker });
      }
      case "pullArguments":
        return this.#pull(effect);
      case "argumentsLent":
        return this.store.argumentsLent(effect.key);
      case "releaseArguments":
        return this.store.releaseArguments(effect.key);
      case "startWorker":
        return this.#startWorker(effect.startId);
      case "stopWorker": {
        const worker = this.#workers.get(effect.workerId);
        if (worker === undefined) return;
        return loop.after(effect.force ? 1 : 5, () => this.workerExited(worker, true, effect.cause));
      }
      case "reclaimLease": {
        const { submitter, submitterNode, leaseId } = effect;
        if (submitterNode !== this.nodeId) {
          return this.peers.tellBack(submitterNode, { kind: "reclaim", submitter, leaseId });
        }
        return this.#toSubmitter(submitter, (owner) => owner.reclaim(leaseId));
      }
      case "leaseLost": {
        const { submitter, submitterNode, leaseId, cause } = effect;
        if (submitterNode !== this.nodeId) {
          return this.peers.tellBack(submitterNode, { kind: "leaseLost", submitter, leaseId, cause });
        }
        return this.#toSubmitter(submitter, (owner) => owner.workerLost(leaseId, cause));
      }
      case "setTimer":
        return this.#setTimer(effect.atMs);
      case "bundlesPrepared":
      case "bundlesCommitted":
      case "bundlesAsked":
        return void this.link.request(
          { type: "bundlesTold", nodeId: this.nodeId, words: [effect] },
          () => undefined,
        );
      case "assignJob":
      case "warn":
        return;
      default:
        effect satisfies never;
    }
  }

  /** One timer: the one before is later, and never fires. */
  #setTimer(atMs: number): void {
    const { loop } = this.#world;
    this.#timerMs = atMs;
    loop.after(atMs - loop.nowMs, () => {
      if (this.#timerMs !== atMs) return;
      this.#timerMs = Infinity;
      this.step({ type: "timer" });
    });
  }

  #toSubmitter(id: ProcessId, run: (submitter: SimSubmitter) => void): void {
    this.#world.loop.after(0, () => {
      const submitter = this.host.alive ? this.submitterOf(id) : null;
      if (submitter !== null) run(submitter);
    });
  }

  #grant({ key, request, origin, leaseId, workerId, resources }: EffectOf<"grant">): void {
    const isActor = request.kind === "actor";
    this.turns.granted(request);
    // A repeated answer to a repeated request is the same lease.
    if (!this.leases.has(leaseId)) {
      this.leases.set(leaseId, { key, workerId, resources, isActor, lent: false });
      this.#world.onGrant(this, leaseId, key);
    }
    if (isActor) return this.actors.granted(request.requestId, leaseId, this.#workers.get(workerId)!);
    const grant: Grant = { leaseId, nodeId: this.nodeId, workerId, socketPath: "", resources, gpuIds: [] };
    if (origin === "peer") return this.peers.answerLease(key, { type: "granted", grant });
    this.#toSubmitter(request.submitter, (owner) => owner.granted(request.requestId, grant));
  }

  #reject({ key, request, origin, code, message, retry }: EffectOf<"reject">): void {
    this.turns.answered(key);
    if (origin === "head") return this.actors.refused(request.requestId, message);
    if (origin === "peer") {
      return this.peers.answerLease(key, { type: "refused", code, message, fatal: !retry });
    }
    this.#toSubmitter(request.submitter, (owner) => owner.rejected(request.requestId, code, message));
  }

  #pick({ key, request, exclude, available, waitingAt }: EffectOf<"pickNode">): void {
    const answered = (answer: Answer): void => {
      this.#picks.delete(key);
      if (answer.ok) return this.step({ type: "nodePicked", key, nodeId: answer.result["nodeId"] as NodeId });
      const { code, message } = answer;
      this.step({ type: "pickFailed", key, fatal: FINAL_CODES.has(code), code, message });
    };
    const question = {
      type: "pickNode",
      nodeId: this.nodeId,
      request,
      exclude,
      available,
      waitingAt,
    } as const;
    const id = this.link.request(question, answered);
    this.#picks.set(key, id);
    // Like the real link's request timeout, but shorter than a simulation.
    this.#world.loop.after(10_000, () => {
      if (this.#picks.get(key) !== id || this.link.isUp) return;
      this.link.forget(id);
      answered({ ok: false, code: "GetTimeoutError", message: "the head is away" });
    });
  }

  #forward({ key, request, nodeId }: EffectOf<"forward">): void {
    this.peers.requestLease(nodeId, request, (answer) => {
      if (answer.type === "refused") {
        const { code, message, fatal } = answer;
        return this.step({ type: "forwardFailed", key, nodeId, fatal, code, message });
      }
      const { leaseId, workerId } = answer.grant;
      this.#forwarded.set(key, answer.grant);
      const { submitter } = request;
      this.step({ type: "forwardGranted", key, nodeId, leaseId, workerId, submitter });
      this.#forwarded.delete(key);
    });
  }

  #pull({ key, args, depth }: EffectOf<"pullArguments">): void {
    this.store.pinArguments(key, args, depth, (problem) => {
      if (problem === null) return this.step({ type: "argumentsReady", key });
      this.step({ type: "argumentsFailed", key, code: problem.code, message: problem.message });
    });
  }

  #startWorker(startId: number): void {
    const { loop, faults } = this.#world;
    loop.after(faults.between(5, 60), () => {
      if (!this.host.alive) return;
      if (this.#world.mishap(4)) {
        return this.step({ type: "workerStartFailed", startId, message: "it did not come up" });
      }
      const workerId = `w-${this.#world.randomId()}` as ProcessId;
      const worker = new SimWorker(this.#world, this, workerId);
      this.#workers.set(workerId, worker);
      this.#world.workers.set(workerId, worker);
      this.step({ type: "workerReady", startId, workerId });
    });
  }
}

/** What the head says about a request for good. */
const FINAL_CODES: ReadonlySet<string> = new Set(["TaskUnschedulableError", "PlacementGroupRemovedError"]);

function splitKey(key: string): { submitter: ProcessId; requestId: string } {
  const slash = key.indexOf("/");
  return { submitter: key.slice(0, slash) as ProcessId, requestId: key.slice(slash + 1) };
}

function cancelled(): { type: "refused"; code: string; message: string; fatal: boolean } {
  return { type: "refused", code: "TaskCancelledError", message: "cancelled", fatal: false };
}
