/**
 * Actors on one simulated agent: leased, constructed, stopped and reported as the real agent does, with constructors that
 * fail or crash by chance.
 * @module
 */
import type { ActorId, ProcessId } from "../../runtime/common/ids.ts";
import type { ActorSpec, ActorStatus, DeathCause } from "../../runtime/common/task_spec.ts";
import type { SimAgent } from "./sim_agent.ts";
import type { SimWorker } from "./sim_worker.ts";
import type { SimWorld } from "./sim_world.ts";

interface Hosted {
  readonly spec: ActorSpec;
  readonly incarnation: number;
  /** Waiting for a lease, in its constructor, alive. */
  state: "waiting" | "constructing" | "alive";
  worker: SimWorker | null;
}

export class SimActors {
  readonly #world: SimWorld;
  readonly #agent: SimAgent;
  readonly #hosted: Map<string, Hosted> = new Map();
  /** Incarnations that were here: an order that comes again does not start them again. */
  readonly #over: Set<string> = new Set();

  constructor(world: SimWorld, agent: SimAgent) {
    this.#world = world;
    this.#agent = agent;
  }

  /** Incarnations that run or are about to, for the registration. */
  statuses(): ActorStatus[] {
    return [...this.#hosted.values()].map(({ spec, incarnation, state, worker }) => ({
      actorId: spec.actorId,
      state: state === "alive" ? "ALIVE" : "PENDING_CREATION",
      incarnation,
      nodeId: this.#agent.nodeId,
      workerId: state === "alive" ? worker!.id : null,
      socketPath: state === "alive" ? `${worker!.id}.sock` : null,
      pid: state === "alive" ? 1 : null,
      restartsLeft: 0,
      deathCause: null,
    }));
  }

  waiting(): { actorId: ActorId; incarnation: number }[] {
    const { scheduler } = this.#agent;
    const waiting = [...this.#hosted.values()].filter(({ spec, incarnation, state }) =>
      state === "waiting" && scheduler.waitsForResources(spec.owner, actorKey(spec.actorId, incarnation))
    );
    return waiting.map(({ spec, incarnation }) => ({ actorId: spec.actorId, incarnation }));
  }

  get hostedCount(): number {
    return this.#hosted.size;
  }

  start(spec: ActorSpec, incarnation: number): void {
    const key = actorKey(spec.actorId, incarnation);
    // Sent again.
    if (this.#hosted.has(key) || this.#over.has(key)) return;
    this.#hosted.set(key, { spec, incarnation, state: "waiting", worker: null });
    this.#agent.leaseRequested({
      requestId: key,
      kind: "actor",
      jobId: spec.jobId,
      submitter: spec.owner,
      submitterNode: spec.ownerNode,
      taskId: `t-${spec.actorId.slice(2)}-c` as never,
      name: spec.className,
      classKey: key,
      resources: spec.resources,
      strategy: spec.strategy,
      runtimeEnv: spec.runtimeEnv,
      args: spec.args,
      backlog: 1,
      depth: 0,
      actorId: spec.actorId,
    }, "head");
  }

  /** A worker was leased for it: its constructor runs. */
  granted(key: string, leaseId: string, worker: SimWorker): void {
    const hosted = this.#hosted.get(key);
    // It was stopped meanwhile.
    if (hosted === undefined) return this.#agent.leaseReturned(leaseId, true);
    hosted.state = "constructing";
    hosted.worker = worker;
    worker.actor = { spec: hosted.spec, incarnation: hosted.incarnation };
    const { loop, faults } = this.#world;
    const ms = faults.chance(80) ? faults.between(1, 40) : faults.between(100, 1_500);
    if (this.#world.mishap(4)) return loop.after(ms, () => this.#agent.crashWorker(worker));
    const fails = this.#world.mishap(4);
    loop.after(ms, () => {
      if (worker.alive) this.#constructed(key, hosted, worker, fails);
    });
  }

  refused(key: string, message: string): void {
    const hosted = this.#hosted.get(key);
    if (hosted === undefined) return;
    this.#end(key);
    const { spec, incarnation } = hosted;
    this.#report(spec.actorId, incarnation, "w-none" as ProcessId, message);
  }

  stop(actorId: ActorId, incarnation: number, options: { graceful: boolean; cause: DeathCause }): void {
    const key = actorKey(actorId, incarnation);
    const hosted = this.#hosted.get(key);
    // It ended by itself, or never came.
    if (hosted === undefined) return void this.#over.add(key);
    if (hosted.worker === null) {
      this.#end(key);
      return this.#agent.step({ type: "leaseCancelled", submitter: hosted.spec.owner, requestId: key });
    }
    const { worker } = hosted;
    const ms = options.graceful ? this.#world.faults.below(200) : 0;
    this.#world.loop.after(ms, () => this.#agent.workerExited(worker, true, options.cause));
  }

  /** Those of the head's list that are still here end. */
  endAll(actorIds: readonly ActorId[]): void {
    for (const { spec, incarnation } of [...this.#hosted.values()]) {
      if (!actorIds.includes(spec.actorId)) continue;
      const cause: DeathCause = { code: "KILLED", message: "it ended while its node was away" };
      this.stop(spec.actorId, incarnation, { graceful: false, cause });
    }
  }

  workerGone(worker: SimWorker): void {
    if (worker.actor !== null) this.#end(actorKey(worker.actor.spec.actorId, worker.actor.incarnation));
  }

  #constructed(key: string, hosted: Hosted, worker: SimWorker, failed: boolean): void {
    if (this.#hosted.get(key) !== hosted) return;
    const { spec, incarnation } = hosted;
    this.#report(spec.actorId, incarnation, worker.id, failed ? "its constructor threw" : null);
    if (!failed) {
      hosted.state = "alive";
      return this.#agent.step({ type: "actorConstructed", workerId: worker.id });
    }
    const cause: DeathCause = { code: "CREATION_FAILED", message: "its constructor threw" };
    this.#agent.workerExited(worker, true, cause);
  }

  #report(actorId: ActorId, incarnation: number, workerId: ProcessId, problem: string | null): void {
    this.#agent.link.request({
      type: "actorStarted",
      actorId,
      incarnation,
      nodeId: this.#agent.nodeId,
      workerId,
      socketPath: `${workerId}.sock`,
      pid: 1,
      failed: problem !== null,
      message: problem ?? "",
      hasErrorValue: false,
    }, () => undefined);
  }

  #end(key: string): void {
    this.#hosted.delete(key);
    this.#over.add(key);
  }
}

function actorKey(actorId: ActorId, incarnation: number): string {
  return `${actorId}/${incarnation}`;
}
