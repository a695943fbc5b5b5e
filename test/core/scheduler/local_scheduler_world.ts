/**
 * A small world around one local scheduler: it performs the effects (worker starts, pulls, answers of a global
 * scheduler and of other nodes) after random delays, and keeps books of its own to compare with. Its submitters behave
 * as real ones do: they return leases after a while, at once when asked, and some die.
 * @module
 */
import { strict as assert } from "node:assert";
import type { JobId, NodeId, ObjectId, ProcessId, TaskId } from "../../../runtime/common/ids.ts";
import { Prng } from "../../../runtime/common/prng.ts";
import { toUnits } from "../../../runtime/common/resources.ts";
import type { LeaseRequest, Strategy } from "../../../runtime/common/task_spec.ts";
import { LocalScheduler } from "../../../runtime/core/scheduler/local_scheduler.ts";
import {
  type LocalSchedulerEffect,
  type LocalSchedulerEvent,
  requestKey,
} from "../../../runtime/core/scheduler/local_scheduler_types.ts";

export const HERE: NodeId = "n-here" as NodeId;
export const THERE: NodeId = "n-there" as NodeId;

/** A request with everything irrelevant filled in. */
export function leaseRequest(
  changes: Partial<LeaseRequest> & { cpu?: number; gpu?: number } = {},
): LeaseRequest {
  const { cpu = 1, gpu = 0, ...rest } = changes;
  return {
    requestId: "r1",
    kind: "task",
    jobId: "j-1" as JobId,
    submitter: "d-1" as ProcessId,
    submitterNode: HERE,
    taskId: "t-1-1" as TaskId,
    name: "work",
    classKey: `cpu${cpu}gpu${gpu}`,
    resources: toUnits({ CPU: cpu, GPU: gpu }),
    strategy: { type: "hybrid" },
    runtimeEnv: { hash: "" },
    args: [],
    backlog: 1,
    depth: 0,
    ...rest,
  };
}

interface HeldGrant {
  readonly leaseId: string;
  readonly key: string;
  readonly workerId: ProcessId;
  readonly submitter: ProcessId;
  readonly kind: "task" | "actor";
}

interface Later {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

export class World {
  readonly prng: Prng;
  readonly machine: LocalScheduler;
  nowMs: number = 1_000_000;
  /** Requests without an answer. */
  readonly open: Map<string, LeaseRequest> = new Map();
  readonly held: Map<string, HeldGrant> = new Map();
  readonly live: Set<ProcessId> = new Set();
  readonly pinned: Set<string> = new Set();
  /** Once faults stop, workers start and other nodes answer. */
  calm: boolean = false;
  readonly #queue: Later[] = [];
  #order: number = 0;
  #sequence: number = 0;
  readonly #submitters: ProcessId[] = [];
  readonly #starting: Set<number> = new Set();
  readonly total: Readonly<Record<string, number>> = toUnits({ CPU: 4, GPU: 2, memory: 100 });

  constructor(seed: number) {
    this.prng = new Prng(seed);
    this.machine = new LocalScheduler({
      nodeId: HERE,
      leaseIdPrefix: "l-",
      resources: this.total,
      labels: { zone: "a" },
      workersMax: 12,
      workerIdleMs: 500,
    });
    for (let index = 1; index <= 4; index++) this.#submitters.push(`d-${index}` as ProcessId);
  }

  send(event: LocalSchedulerEvent): void {
    const effects = this.machine.step(this.nowMs, event);
    this.machine.check();
    for (const effect of effects) this.#perform(effect);
  }

  after(ms: number, run: () => void): void {
    this.#queue.push({ atMs: this.nowMs + ms, order: this.#order++, run });
  }

  /** Run what is due next; false when nothing is left. */
  advance(): boolean {
    if (this.#queue.length === 0) return false;
    let best = 0;
    for (let index = 1; index < this.#queue.length; index++) {
      const a = this.#queue[index]!;
      const b = this.#queue[best]!;
      if (a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)) best = index;
    }
    const [next] = this.#queue.splice(best, 1);
    this.nowMs = Math.max(this.nowMs, next!.atMs);
    next!.run();
    return true;
  }

  /** One random thing that users, other nodes or bad luck do. */
  mischief(): void {
    const { prng } = this;
    switch (prng.below(14)) {
      case 0: {
        const keys = [...this.open.values()];
        if (keys.length === 0) return;
        const { submitter, requestId } = prng.pick(keys);
        return this.send({ type: "leaseCancelled", submitter, requestId });
      }
      case 1:
        return this.#killSomeWorker();
      case 2:
        if (prng.chance(20)) this.#killSomeSubmitter();
        return;
      case 3:
        if (prng.chance(20)) {
          const direction = prng.chance(50) ? "outgoing" : "incoming";
          this.send({ type: "peerLost", nodeId: THERE, direction });
        }
        return;
      case 4:
        return this.send({ type: "peersChanged", alive: prng.chance(70) ? [THERE, HERE] : [HERE] });
      case 5:
        if (prng.chance(10)) this.#endSomeJob();
        return;
      case 6: {
        const requests = [...this.open.values()];
        if (requests.length === 0) return;
        const { submitter, requestId } = prng.pick(requests);
        return this.send({ type: "backlogChanged", submitter, requestId, backlog: prng.below(50) });
      }
      case 7: {
        // Resent.
        const requests = [...this.open.values()];
        if (requests.length === 0) return;
        return this.send({
          type: "leaseRequested",
          request: prng.pick(requests),
          origin: "own",
          missingBytes: 0,
        });
      }
      default:
        return this.#request();
    }
  }

  #request(): void {
    const { prng } = this;
    const fromPeer = prng.chance(15);
    const actor = prng.chance(8);
    const submitter = fromPeer ? "d-far" as ProcessId : prng.pick(this.#submitters);
    const strategy: Strategy = prng.chance(70)
      ? { type: "hybrid" }
      : prng.chance(50)
      ? { type: "spread" }
      : { type: "nodeAffinity", nodeId: prng.pick([HERE, THERE]), soft: prng.chance(50) };
    const withArgs = prng.chance(30);
    const cpu = prng.pick([0, 0.5, 1, 1, 1, 2, 4]);
    const gpu = prng.pick([0, 0, 0, 0.5, 1, 2]);
    const env = prng.pick(["", "", "", "e1"]);
    const request = leaseRequest({
      requestId: `r${++this.#sequence}`,
      kind: actor ? "actor" : "task",
      submitter,
      submitterNode: fromPeer ? THERE : HERE,
      jobId: `j-${prng.between(1, 2)}` as JobId,
      cpu,
      gpu,
      classKey: `${cpu}/${gpu}/${env}/${JSON.stringify(strategy)}`,
      strategy,
      runtimeEnv: { hash: env },
      depth: prng.pick([0, 0, 0, 1, 2]),
      args: withArgs ? [{ id: "o-1" as ObjectId, home: HERE, bytes: 1000 }] : [],
      backlog: prng.between(1, 20),
      ...(prng.chance(5) ? { labelSelector: { zone: "b" } } : {}),
    });
    // An actor's request comes from the head, whoever owns it.
    const origin = actor ? "head" : fromPeer ? "peer" : "own";
    this.open.set(requestKey(request.submitter, request.requestId), request);
    const missingBytes = withArgs ? prng.pick([0, 1000, 100_000_000, null]) : 0;
    this.send({ type: "leaseRequested", request, origin, missingBytes });
  }

  #perform(effect: LocalSchedulerEffect): void {
    const { prng } = this;
    switch (effect.type) {
      case "grant":
        return this.#granted(effect);
      case "reject":
        this.#close(effect.key);
        return;
      case "answerCancelled":
        this.#close(effect.key);
        return;
      case "answerForwarded":
        this.#close(effect.key);
        this.after(
          prng.below(100),
          () => this.send({ type: "remoteLeaseReturned", leaseId: effect.leaseId }),
        );
        return;
      case "pickNode": {
        const { key } = effect;
        this.after(prng.below(30), () => {
          if (!this.calm && prng.chance(10)) {
            const fatal = prng.chance(30);
            return this.send({
              type: "pickFailed",
              key,
              fatal,
              code: "TaskUnschedulableError",
              message: "no",
            });
          }
          const nodeId = this.calm || prng.chance(60) ? HERE : THERE;
          // A request that this node cannot run goes to the other one.
          const other = effect.request.labelSelector !== undefined || effect.exclude.includes(HERE);
          this.send({ type: "nodePicked", key, nodeId: other ? THERE : nodeId });
        });
        return;
      }
      case "forward": {
        const { key, request, nodeId } = effect;
        this.after(prng.below(80), () => {
          if (!this.calm && prng.chance(30)) {
            const fatal = prng.chance(20);
            return this.send({ type: "forwardFailed", key, nodeId, fatal, code: "X", message: "no" });
          }
          const leaseId = `far-${++this.#sequence}`;
          const workerId = `w-far${this.#sequence}` as ProcessId;
          this.send({ type: "forwardGranted", key, nodeId, leaseId, workerId, submitter: request.submitter });
        });
        return;
      }
      case "pullArguments": {
        assert(!this.pinned.has(effect.key), "arguments are pinned once");
        this.pinned.add(effect.key);
        const { key } = effect;
        this.after(prng.below(60), () => {
          if (!this.calm && prng.chance(10)) {
            return this.send({ type: "argumentsFailed", key, code: "ObjectLostError", message: "gone" });
          }
          this.send({ type: "argumentsReady", key });
        });
        return;
      }
      case "argumentsLent":
        return;
      case "releaseArguments":
        assert(this.pinned.delete(effect.key), "only pinned arguments are released");
        return;
      case "startWorker":
        return this.#startWorker(effect.startId);
      case "stopWorker":
        this.after(prng.below(10), () => this.#exit(effect.workerId));
        return;
      case "reclaimLease":
        this.after(prng.below(10), () => this.#giveBack(effect.leaseId, false));
        return;
      case "leaseLost":
        this.held.delete(effect.leaseId);
        return;
      case "setTimer":
        this.after(effect.atMs - this.nowMs, () => this.send({ type: "timer" }));
        return;
      default:
        return;
    }
  }

  #granted(effect: Extract<LocalSchedulerEffect, { type: "grant" }>): void {
    const { leaseId, key, workerId, request } = effect;
    assert(this.live.has(workerId), "a lease's worker is alive");
    for (const other of this.held.values()) {
      assert(other.workerId !== workerId, "a worker serves one lease at a time");
    }
    assert.equal(effect.gpuIds.length, Math.ceil((request.resources["GPU"] ?? 0) / 10_000));
    this.#close(key);
    this.held.set(leaseId, { leaseId, key, workerId, submitter: request.submitter, kind: request.kind });
    if (request.kind === "task" && this.prng.chance(30)) {
      this.after(this.prng.below(20), () => this.send({ type: "workerBlocked", workerId }));
      this.after(20 + this.prng.below(40), () => this.send({ type: "workerUnblocked", workerId }));
    }
    if (request.kind === "actor") {
      this.after(this.prng.below(20), () => this.send({ type: "actorConstructed", workerId }));
    }
    const lastsMs = this.prng.pick([1, 5, 20, 200, 3_000]);
    this.after(lastsMs, () => this.#giveBack(leaseId, this.prng.chance(5)));
  }

  #giveBack(leaseId: string, discardWorker: boolean): void {
    if (!this.held.delete(leaseId)) return;
    this.send({ type: "leaseReturned", leaseId, discardWorker });
  }

  #close(key: string): void {
    assert(this.open.delete(key), `${key} is answered once`);
  }

  #startWorker(startId: number): void {
    this.#starting.add(startId);
    this.after(this.prng.between(1, 40), () => {
      this.#starting.delete(startId);
      if (!this.calm && this.prng.chance(10)) {
        return this.send({ type: "workerStartFailed", startId, message: "it did not come up" });
      }
      const workerId = `w-${startId}` as ProcessId;
      this.live.add(workerId);
      this.send({ type: "workerReady", startId, workerId });
    });
  }

  #exit(workerId: ProcessId): void {
    if (!this.live.delete(workerId)) return;
    for (const grant of this.held.values()) if (grant.workerId === workerId) this.held.delete(grant.leaseId);
    this.send({ type: "workerExited", workerId, cause: { code: "WORKER_DIED", message: "exit" } });
    // What it had submitted goes with it.
    this.send({ type: "submitterDied", submitter: workerId });
  }

  #killSomeWorker(): void {
    if (this.live.size > 0) this.#exit(this.prng.pick([...this.live]));
  }

  #killSomeSubmitter(): void {
    const index = this.prng.below(this.#submitters.length);
    const submitter = this.#submitters[index]!;
    this.#submitters[index] = `d-${++this.#sequence}` as ProcessId;
    for (const grant of [...this.held.values()]) {
      // Actors live by the head's word alone.
      if (grant.submitter === submitter && grant.kind === "task") this.held.delete(grant.leaseId);
    }
    this.send({ type: "submitterDied", submitter });
  }

  #endSomeJob(): void {
    this.send({ type: "jobEnded", jobId: `j-${this.prng.between(1, 2)}` as JobId });
  }
}
