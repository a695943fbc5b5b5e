/**
 * Light actors on this node: many in one worker process (core/actor/actor_hosts.ts decides which), constructed and ended in
 * batches. What an actor's life means is decided by the head.
 *
 *   waiting for a host --hostActors--> constructing --actorsHosted--> running
 *           |                              |                             |
 *           +------------------------------+-----------------------------+--> (gone), told to the head as actorsEnded,
 *                                                                             unless the head has ordered it
 * @module
 */
import {
  type CommonSpec,
  haveCommonSpec,
  packArguments,
  packSpecs,
  unpackActors,
} from "../common/actor_batches.ts";
import { RuntimeEnvSetupError } from "../common/errors.ts";
import { type ActorId, creationTaskId, type ProcessId } from "../common/ids.ts";
import type { ActorSpec, ActorStatus, DeathCause, Grant, LeaseRequest } from "../common/task_spec.ts";
import { ActorHosts, type HostId, type HostsEffect, type HostsEvent } from "../core/actor/actor_hosts.ts";
import type { ActorIncarnation, StartBatch } from "../protocol/light_actor_messages.ts";
import type { AgentMethods, HeadMethods } from "../protocol/messages.ts";
import { ByteWriter, encodeThrown } from "../protocol/serialization/mod.ts";
import type { ActorsParts } from "./agent_actors.ts";
import type { Creation } from "./agent_creations.ts";
import type { WorkerProcess } from "./agent_workers.ts";

/** Actors of one message to a host: it constructs them in turns of its event loop. */
const BATCH_MAX = 1_000;

/** An actor that the head told this node to run: few fields, there may be a hundred thousand. */
interface LightActor {
  readonly actorId: ActorId;
  readonly common: CommonSpec;
  readonly incarnation: number;
  /** Until its constructor has run. */
  making: Making | null;
  state: "waiting" | "constructing" | "running";
  /** The head told it to end after its calls. */
  stopping: DeathCause | null;
}

/** What is needed to construct one. */
interface Making {
  readonly spec: ActorSpec;
  readonly restarted: boolean;
  readonly creation: Creation;
  /** Until its host has them. */
  args: Uint8Array;
}

const NOTHING = new Uint8Array(0);

type EffectOf<T extends HostsEffect["type"]> = Extract<HostsEffect, { type: T }>;

/** See the module's header. */
export class LightActors {
  readonly #parts: ActorsParts;
  readonly #hosts: ActorHosts;
  /** All and only light actors that run here or are about to. */
  readonly #actors: Map<ActorId, LightActor> = new Map();
  /** Hosts that have a worker. */
  readonly #grants: Map<HostId, Grant> = new Map();
  readonly #byWorker: Map<ProcessId, HostId> = new Map();
  /** What hosts are told at the end of this tick. */
  readonly #drops: Map<ProcessId, ActorIncarnation[]> = new Map();
  readonly #gracefulDrops: Map<ProcessId, ActorIncarnation[]> = new Map();
  #dropsScheduled = false;
  readonly #timers: Set<ReturnType<typeof setTimeout>> = new Set();

  constructor(parts: ActorsParts) {
    this.#parts = parts;
    this.#hosts = new ActorHosts(parts.cpus);
  }

  /** NodeMethods.startActors. Repeated orders, and those for older incarnations, change nothing. */
  start(batch: StartBatch, block: Uint8Array): void {
    const ready = new Map<HostId, ActorId[]>();
    for (const [index, { spec, args }] of unpackActors(batch, block.slice()).entries()) {
      const incarnation = batch.incarnations[index]!;
      const known = this.#actors.get(spec.actorId);
      if (known !== undefined && known.incarnation >= incarnation) continue;
      // The head knows better: what ran here is over for it.
      if (known !== undefined) this.#end(known);
      const { tracer: { creations }, nowMs } = this.#parts;
      const creation = creations.begin(spec, incarnation, nowMs());
      const making = { spec, restarted: batch.restarted[index]!, creation, args };
      const { actorId } = spec;
      const { common } = batch;
      this.#actors.set(actorId, { actorId, common, incarnation, making, state: "waiting", stopping: null });
      const event: HostsEvent = { type: "actorWanted", key: hostKey(spec), actorId: spec.actorId };
      for (const effect of this.#hosts.step(nowMs(), event)) {
        if (effect.type !== "construct") this.#perform(effect);
        else ready.set(effect.hostId, [...ready.get(effect.hostId) ?? [], ...effect.actorIds]);
      }
    }
    for (const [hostId, actorIds] of ready) this.#construct(hostId, actorIds);
  }

  /** NodeMethods.stopActor; false for one that is not a light actor of this node. */
  stop(actorId: ActorId, incarnation: number, graceful: boolean, cause: DeathCause): boolean {
    const actor = this.#actors.get(actorId);
    if (actor === undefined) return false;
    if (actor.incarnation !== incarnation) return true; // Late: it is another one by now.
    if (!graceful || actor.state === "waiting") this.#end(actor);
    else if (actor.stopping === null) {
      actor.stopping = cause;
      this.#drop(actor, true);
    }
    return true;
  }

  ownerOf(actorId: ActorId): ProcessId | null {
    return this.#actors.get(actorId)?.common.owner ?? null;
  }

  incarnationOf(actorId: ActorId): number | null {
    return this.#actors.get(actorId)?.incarnation ?? null;
  }

  /** AgentMethods.actorsHosted. `sections`: errors of those that failed. */
  hosted(
    workerId: ProcessId,
    { hosted, failed }: AgentMethods["actorsHosted"]["params"],
    sections: readonly Uint8Array[],
  ): void {
    const { head, nodeId, nowMs, tracer: { creations } } = this.#parts;
    const grant = this.#grantOf(workerId);
    if (grant === null) return; // It is gone already, and they with it.
    const started: ActorIncarnation[] = [];
    for (const [actorId, incarnation] of hosted) {
      const actor = this.#current(actorId, incarnation);
      // Ended meanwhile: its host was told.
      if (actor === null) continue;
      // Said twice.
      if (actor.making === null) continue;
      creations.end(actor.making.creation, null, nowMs());
      actor.state = "running";
      actor.making = null;
      started.push([actorId, incarnation]);
    }
    const at = { nodeId, workerId, socketPath: grant.socketPath, pid: this.#pidOf(workerId) ?? 0 };
    if (started.length > 0) {
      head.request("actorsStarted", { ...at, actors: started }, [], { keep: true }).catch(() => undefined);
    }
    for (const [index, [actorId, incarnation, message]] of failed.entries()) {
      const actor = this.#current(actorId, incarnation);
      if (actor !== null) this.#failed(actor, workerId, message, sections[index]!.slice());
    }
  }

  /** AgentMethods.actorsLeft. */
  left(workerId: ProcessId, { actors, exited }: AgentMethods["actorsLeft"]["params"]): void {
    if (this.#grantOf(workerId) === null) return;
    const ended = new Map<string, { readonly cause: DeathCause; readonly actors: ActorIncarnation[] }>();
    for (const [actorId, incarnation] of actors) {
      const actor = this.#current(actorId, incarnation);
      if (actor === null) continue;
      const message = exited ? "it called exitActor()" : "it was told to end";
      const cause: DeathCause = actor.stopping ?? { code: "EXITED", message };
      this.#forget(actor);
      const known = ended.get(cause.code);
      if (known === undefined) ended.set(cause.code, { cause, actors: [[actorId, incarnation]] });
      else known.actors.push([actorId, incarnation]);
    }
    for (const { cause, actors: those } of ended.values()) this.#tellEnded(those, true, cause);
  }

  /** A worker is gone: the head must hear of its light actors, after it has heard of the process. */
  workerExited(worker: WorkerProcess, cause: DeathCause): void {
    const hostId = this.#byWorker.get(worker.id);
    if (hostId === undefined) return;
    this.#grants.delete(hostId);
    this.#byWorker.delete(worker.id);
    // The code that ended the process was one actor's; the others did not mean to end.
    const accident: DeathCause = cause.code === "EXITED" || cause.code === "KILLED"
      ? { code: "WORKER_DIED", message: `its worker process ended: ${cause.message}` }
      : cause;
    this.#hostGone(hostId, (actors) => this.#tellEnded(actors, false, accident));
  }

  /** For (re)registration. */
  statuses(): ActorStatus[] {
    return [...this.#actors.values()].filter(({ stopping }) => stopping === null).map((actor) => {
      const { actorId, common: { maxRestarts: restartsLeft }, incarnation, state } = actor;
      const hostId = this.#hosts.hostOf(actorId);
      const grant = hostId === null ? undefined : this.#grants.get(hostId);
      return {
        actorId,
        state: state === "running" ? "ALIVE" : "PENDING_CREATION",
        incarnation,
        nodeId: this.#parts.nodeId,
        workerId: grant?.workerId ?? null,
        socketPath: grant?.socketPath ?? null,
        pid: grant === undefined ? null : this.#pidOf(grant.workerId),
        restartsLeft,
        deathCause: null,
        shared: true,
      };
    });
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }

  // ---- hosts -------------------------------------------------------------------------------------------------------------

  #perform(effect: HostsEffect): void {
    switch (effect.type) {
      case "startHost":
        return this.#startHost(effect);
      case "construct":
        return this.#construct(effect.hostId, effect.actorIds);
      case "stopHost":
        return this.#stopHost(effect.hostId);
      case "setTimer":
        return this.#setTimer(effect.atMs);
      case "actorsLost":
        throw new Error("hostGone says what becomes of them");
      default:
        effect satisfies never;
    }
  }

  #step(event: HostsEvent): void {
    for (const effect of this.#hosts.step(this.#parts.nowMs(), event)) this.#perform(effect);
  }

  #startHost({ hostId, actorId }: EffectOf<"startHost">): void {
    const { leases, processes } = this.#parts;
    const { common } = this.#actors.get(actorId)!;
    leases.request(hostLease(hostId, actorId, common), "head").then((answer) => {
      if (!("grant" in answer)) {
        return this.#noHost(hostId, new Error("its request for a worker was withdrawn"));
      }
      const { grant } = answer;
      if (processes.get(grant.workerId) === undefined) {
        leases.step({ type: "leaseReturned", leaseId: grant.leaseId, discardWorker: true });
        return this.#noHost(hostId, new Error(`its worker ${grant.workerId} ended before it began`));
      }
      this.#grants.set(hostId, grant);
      this.#byWorker.set(grant.workerId, hostId);
      this.#step({ type: "hostReady", hostId });
      // All that waited for it are gone meanwhile.
      if (this.#hosts.sizeOf(hostId) === 0) this.#step({ type: "timer" });
    }, (error: Error) => this.#noHost(hostId, error));
  }

  /** There is no worker to be had: the head places them anew, or lets them die of an environment that is wrong everywhere. */
  #noHost(hostId: HostId, error: Error): void {
    const cause: DeathCause = {
      code: "WORKER_DIED",
      message: `${this.#parts.nodeId} could not start it: ${error.message}`,
    };
    this.#hostGone(hostId, (actors) => {
      if (!(error instanceof RuntimeEnvSetupError)) return this.#tellEnded(actors, false, cause);
      const writer = new ByteWriter();
      encodeThrown(writer, error, {});
      const value = writer.buffer.slice(0, writer.position);
      for (const [actorId, incarnation] of actors) {
        const nowhere = `w-none-${actorId.slice(2)}` as ProcessId;
        this.#tellFailed(actorId, incarnation, nowhere, error.message, value);
      }
    });
  }

  #hostGone(hostId: HostId, tell: (actors: readonly ActorIncarnation[]) => void): void {
    for (const effect of this.#hosts.step(this.#parts.nowMs(), { type: "hostGone", hostId })) {
      if (effect.type !== "actorsLost") {
        this.#perform(effect);
        continue;
      }
      const lost: ActorIncarnation[] = [];
      for (const actorId of effect.actorIds) {
        const actor = this.#actors.get(actorId)!;
        this.#forget(actor);
        lost.push([actorId, actor.incarnation]);
      }
      tell(lost);
    }
  }

  #construct(hostId: HostId, actorIds: readonly ActorId[]): void {
    const { workerId } = this.#grants.get(hostId)!;
    const { processes, nowMs, tracer: { creations } } = this.#parts;
    const host = processes.get(workerId);
    // Its end is on its way, and takes them along.
    if (host === undefined) return;
    let rest = actorIds.map((actorId) => this.#actors.get(actorId)!);
    for (const actor of rest) {
      actor.state = "constructing";
      creations.start(actor.making!.creation, workerId, nowMs());
    }
    while (rest.length > 0) {
      let size = 1;
      while (size < rest.length && size < BATCH_MAX && haveCommonSpec(rest[0]!.common, rest[size]!.common)) {
        size++;
      }
      const making = rest.slice(0, size).map((actor) => actor.making!);
      const incarnations = rest.slice(0, size).map((actor) => actor.incarnation);
      rest = rest.slice(size);
      const { argBytes, block } = packArguments(making.map(({ args }) => args));
      const packed = packSpecs(making.map(({ spec }) => spec));
      const restarted = making.map((each) => each.restarted);
      for (const each of making) each.args = NOTHING;
      host.rpc.notify("hostActors", { ...packed, argBytes, incarnations, restarted }, [block]);
    }
  }

  #stopHost(hostId: HostId): void {
    const grant = this.#grants.get(hostId);
    if (grant === undefined) return;
    const cause: DeathCause = { code: "EXITED", message: "It hosts no actors any more." };
    this.#parts.workers.stop(grant.workerId, { force: false, idle: true, cause });
  }

  #setTimer(atMs: number): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#step({ type: "timer" });
    }, Math.max(0, atMs - this.#parts.nowMs()) + 1);
    this.#timers.add(timer);
  }

  // ---- actors ------------------------------------------------------------------------------------------------------------

  #current(actorId: ActorId, incarnation: number): LightActor | null {
    const actor = this.#actors.get(actorId);
    return actor?.incarnation === incarnation ? actor : null;
  }

  #grantOf(workerId: ProcessId): Grant | null {
    const hostId = this.#byWorker.get(workerId);
    return hostId === undefined ? null : this.#grants.get(hostId) ?? null;
  }

  #failed(actor: LightActor, workerId: ProcessId, message: string, error: Uint8Array): void {
    const { tracer: { creations }, nowMs } = this.#parts;
    if (actor.making === null) return; // Said twice.
    creations.end(actor.making.creation, { type: "TaskError", message }, nowMs());
    this.#forget(actor);
    this.#tellFailed(actor.actorId, actor.incarnation, workerId, message, error);
  }

  /** Now; its calls there are not waited for. */
  #end(actor: LightActor): void {
    if (actor.state !== "waiting") this.#drop(actor, false);
    this.#forget(actor);
  }

  #drop({ actorId, incarnation }: LightActor, graceful: boolean): void {
    const hostId = this.#hosts.hostOf(actorId);
    const grant = hostId === null ? undefined : this.#grants.get(hostId);
    if (grant === undefined) return;
    const drops = graceful ? this.#gracefulDrops : this.#drops;
    const known = drops.get(grant.workerId);
    if (known === undefined) drops.set(grant.workerId, [[actorId, incarnation]]);
    else known.push([actorId, incarnation]);
    if (this.#dropsScheduled) return;
    this.#dropsScheduled = true;
    queueMicrotask(() => this.#sendDrops());
  }

  #sendDrops(): void {
    this.#dropsScheduled = false;
    for (const [drops, graceful] of [[this.#drops, false], [this.#gracefulDrops, true]] as const) {
      for (const [workerId, actors] of drops) {
        this.#parts.processes.notify(workerId, "dropActors", { actors, graceful });
      }
      drops.clear();
    }
  }

  #forget(actor: LightActor): void {
    const { actorId, making } = actor;
    if (making !== null) this.#parts.tracer.creations.end(making.creation, null, this.#parts.nowMs());
    this.#actors.delete(actorId);
    this.#step({ type: "actorGone", actorId });
  }

  #tellEnded(actors: readonly ActorIncarnation[], intended: boolean, cause: DeathCause): void {
    const { head, nodeId } = this.#parts;
    const params: HeadMethods["actorsEnded"]["params"] = { nodeId, actors, intended, cause };
    head.request("actorsEnded", params, [], { keep: true }).catch(() => undefined);
  }

  #tellFailed(
    actorId: ActorId,
    incarnation: number,
    workerId: ProcessId,
    message: string,
    error: Uint8Array,
  ): void {
    const { head, nodeId } = this.#parts;
    const nowhere = { nodeId, workerId, socketPath: "", pid: 0 };
    const params = { actorId, incarnation, ...nowhere, failed: true, message };
    head.request("actorStarted", params, [error], { keep: true }).catch(() => undefined);
  }

  #pidOf(workerId: ProcessId): number | null {
    return this.#parts.workers.get(workerId)?.child.pid ?? null;
  }
}

/** Who may share a process. */
function hostKey({ jobId, namespace, detached, runtimeEnv }: CommonSpec): string {
  return JSON.stringify([jobId, namespace, detached, runtimeEnv.hash]);
}

/** The worker of a host holds nothing; what its actors hold is their own. */
function hostLease(hostId: HostId, actorId: ActorId, spec: CommonSpec): LeaseRequest {
  const strategy = { type: "hybrid" } as const;
  return {
    requestId: `host-${hostId}`,
    kind: "actor",
    jobId: spec.jobId,
    submitter: spec.owner,
    submitterNode: spec.ownerNode,
    taskId: creationTaskId(actorId),
    name: `light actors of ${spec.className}`,
    classKey: `host:${spec.runtimeEnv.hash}`,
    resources: {},
    strategy,
    runtimeEnv: spec.runtimeEnv,
    args: [],
    backlog: 1,
    depth: 0,
    // Many end with it: the memory monitor looks for others first.
    retriable: false,
    namespace: spec.namespace,
  };
}
