/**
 * Actors on this node: a lease, then the constructor in the leased worker, then the outcome to the head. What an actor's life
 * means is decided by the head.
 *
 *   leasing --granted--> constructing --answered--> running
 *      |                      |                        |
 *      +----------------------+------------------------+--> (gone), told to the head as actorStarted or workerExited
 * @module
 */
import { ObjectLostError, RuntimeEnvSetupError } from "../common/errors.ts";
import { type ActorId, creationTaskId, type NodeId, type ProcessId } from "../common/ids.ts";
import type {
  ActorSpec,
  ActorStatus,
  DeathCause,
  Grant,
  LeaseRequest,
  Strategy,
} from "../common/task_spec.ts";
import type { HeadMethods, NodeMethods } from "../protocol/messages.ts";
import { ByteWriter, encodeThrown } from "../protocol/serialization/mod.ts";
import { ActorFigureTable } from "./agent_actor_figures.ts";
import type { HeadLink } from "./agent_head_link.ts";
import type { Leases } from "./agent_leases.ts";
import type { Creation } from "./agent_creations.ts";
import { ActorWatches } from "./agent_actor_watches.ts";
import { LightActors } from "./agent_light_actors.ts";
import type { ProcessTable } from "./agent_processes.ts";
import type { Tracer } from "./agent_tracer.ts";
import type { WorkerProcess, WorkerProcesses } from "./agent_workers.ts";
import { visitArguments } from "./value_refs.ts";

/** An actor that the head told this node to run. */
interface LocalActor {
  readonly spec: ActorSpec;
  readonly incarnation: number;
  /** An earlier incarnation ended: its constructor may look for what that one has left. */
  readonly restarted: boolean;
  state: "leasing" | "constructing" | "running";
  grant: Grant | null;
  readonly creation: Creation;
  /** The head told it to end; its worker's end is meant then. */
  stopping: DeathCause | null;
}

export interface ActorsParts {
  readonly nodeId: NodeId;
  /** Of this node: more hosts of light actors than that are of no use. */
  readonly cpus: number;
  readonly head: HeadLink;
  readonly leases: Leases;
  readonly workers: WorkerProcesses;
  readonly processes: ProcessTable;
  readonly tracer: Tracer;
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number;
  readonly log: (text: string) => void;
}

export class Actors {
  readonly #parts: ActorsParts;
  /** All and only actors that run here or are about to. */
  readonly #actors: Map<ActorId, LocalActor> = new Map();
  readonly #byWorker: Map<ProcessId, LocalActor> = new Map();
  /** Who here hears of which actor. */
  readonly watches: ActorWatches;
  /** Those that share worker processes. */
  readonly light: LightActors;

  /** How they fare, for people. */
  readonly figures: ActorFigureTable;

  constructor(parts: ActorsParts) {
    this.#parts = parts;
    this.figures = new ActorFigureTable(parts.head);
    this.light = new LightActors(parts);
    this.watches = new ActorWatches(parts.head);
  }

  // ---- life ----------------------------------------------------------------------------------------------------------

  /** NodeMethods.startActor. A repeated order, and one for an older incarnation, change nothing. */
  start({ spec, incarnation, restarted }: NodeMethods["startActor"]["params"], args: Uint8Array): void {
    const known = this.#actors.get(spec.actorId);
    if (known !== undefined) {
      if (known.incarnation >= incarnation) return;
      // The head knows better: what ran here is over for it.
      this.stop(spec.actorId, known.incarnation, false, {
        code: "KILLED",
        message: "A newer incarnation took its place.",
      });
    }
    const actor: LocalActor = {
      spec,
      incarnation,
      restarted,
      state: "leasing",
      grant: null,
      creation: this.#parts.tracer.creations.begin(spec, incarnation, this.#parts.nowMs()),
      stopping: null,
    };
    this.#actors.set(spec.actorId, actor);
    const bytes = args.slice();
    this.#parts.leases.request(leaseRequest(spec, incarnation), "head").then((answer) => {
      if ("grant" in answer) return this.#construct(actor, answer.grant, bytes);
      this.#forget(actor);
    }, (error: Error) => {
      this.#forget(actor);
      if (actor.stopping === null) this.#notPlaced(actor, error);
    });
  }

  /** NodeMethods.stopActor: at once, or after the calls that were submitted. Late orders find another incarnation. */
  stop(actorId: ActorId, incarnation: number, graceful: boolean, cause: DeathCause): void {
    if (this.light.stop(actorId, incarnation, graceful, cause)) return;
    const actor = this.#actors.get(actorId);
    if (actor === undefined || actor.incarnation !== incarnation) return;
    actor.stopping ??= cause;
    if (actor.grant === null) {
      const { owner: submitter } = actor.spec;
      this.#forget(actor);
      return this.#parts.leases.step({
        type: "leaseCancelled",
        submitter,
        requestId: actorLeaseId(actorId, incarnation),
      });
    }
    this.#parts.workers.stop(actor.grant.workerId, { force: !graceful, idle: false, cause });
  }

  /** The actor that a worker hosts or constructs. */
  hostedBy(workerId: ProcessId): ActorId | null {
    return this.#byWorker.get(workerId)?.spec.actorId ?? null;
  }

  /** The owner of an actor that runs here or is about to. */
  ownerOf(actorId: ActorId): ProcessId | null {
    return this.#actors.get(actorId)?.spec.owner ?? this.light.ownerOf(actorId);
  }

  /** The head says that these are over (they ended while this node was away). */
  ended(actorIds: readonly ActorId[]): void {
    for (const actorId of actorIds) {
      const incarnation = this.#actors.get(actorId)?.incarnation ?? this.light.incarnationOf(actorId);
      const cause: DeathCause = { code: "KILLED", message: "It ended while its node was away." };
      if (incarnation !== null) this.stop(actorId, incarnation, false, cause);
    }
  }

  /** A worker is gone: the head must know, for its actor and for all that it owned. */
  workerExited(
    worker: WorkerProcess,
    cause: DeathCause,
    intended: boolean,
  ): void {
    const { head, nodeId } = this.#parts;
    const actor = this.#byWorker.get(worker.id);
    if (actor !== undefined) this.#forget(actor);
    const params: HeadMethods["workerExited"]["params"] = {
      nodeId,
      workerId: worker.id,
      jobId: worker.jobId,
      actorId: actor?.spec.actorId ?? null,
      incarnation: actor?.incarnation ?? 0,
      // A killed actor may be restarted: whether it is, the head has decided before.
      intended: intended && actor?.stopping?.code !== "KILLED",
      cause: actor?.stopping ?? cause,
    };
    head.request("workerExited", params, [], { keep: true }).catch(() => undefined);
    this.light.workerExited(worker, cause);
  }

  /** For (re)registration: what runs here, and what is on its way. */
  statuses(): ActorStatus[] {
    const statuses = this.#statuses();
    for (const status of this.light.statuses()) statuses.push(status);
    return statuses;
  }

  #statuses(): ActorStatus[] {
    return [...this.#actors.values()].filter(({ stopping }) => stopping === null).map((actor) => {
      const { spec, incarnation, grant, state } = actor;
      return {
        actorId: spec.actorId,
        state: state === "running" ? "ALIVE" : "PENDING_CREATION",
        incarnation,
        nodeId: this.#parts.nodeId,
        workerId: grant?.workerId ?? null,
        socketPath: grant?.socketPath ?? null,
        pid: grant === null ? null : this.#pidOf(grant.workerId),
        restartsLeft: spec.maxRestarts,
        deathCause: null,
      };
    });
  }

  /** For heartbeats: actors that still wait for resources here. */
  waiting(): { actorId: ActorId; incarnation: number }[] {
    const { scheduler } = this.#parts.leases;
    const waiting: { actorId: ActorId; incarnation: number }[] = [];
    for (const { spec: { actorId, owner }, incarnation, state } of this.#actors.values()) {
      if (state !== "leasing" || waiting.length >= 1_000) continue;
      // One whose worker comes up holds what it needs: it is not better off elsewhere.
      if (!scheduler.waitsForResources(owner, actorLeaseId(actorId, incarnation))) continue;
      waiting.push({ actorId, incarnation });
    }
    return waiting;
  }

  // ---- within --------------------------------------------------------------------------------------------------------

  async #construct(actor: LocalActor, grant: Grant, args: Uint8Array): Promise<void> {
    const { processes, workers, leases } = this.#parts;
    const { workerId, leaseId, gpuIds } = grant;
    const process = processes.get(workerId);
    if (this.#actors.get(actor.spec.actorId) !== actor || process === undefined) {
      // Stopped, or its worker died, while the grant was on its way.
      leases.step({ type: "leaseReturned", leaseId, discardWorker: true });
      if (this.#actors.get(actor.spec.actorId) !== actor) return;
      this.#forget(actor);
      return this.#notPlaced(actor, new Error(`its worker ${workerId} ended before the constructor began`));
    }
    actor.grant = grant;
    actor.state = "constructing";
    const { creations } = this.#parts.tracer;
    creations.start(actor.creation, workerId, this.#parts.nowMs());
    this.#byWorker.set(workerId, actor);
    const { spec, incarnation, restarted } = actor;
    try {
      if (process.sandbox !== null) visitArguments(args, process.sandbox.grants);
      const { result, sections } = await process.rpc.request(
        "startActor",
        { spec, incarnation, restarted, leaseId, gpuIds: [...gpuIds] },
        [args],
      );
      const error = result.failed ? { type: "TaskError", message: result.message } : null;
      creations.end(actor.creation, error, this.#parts.nowMs());
      if (!result.failed) {
        actor.state = "running";
        leases.step({ type: "actorConstructed", workerId });
      }
      this.#tellStarted(actor, grant, result, sections);
      if (!result.failed) return;
      // Its end is told already.
      this.#forget(actor);
      workers.stop(workerId, {
        force: true,
        idle: false,
        cause: { code: "CREATION_FAILED", message: result.message },
      });
    } catch (error) {
      const { message } = error as Error;
      creations.end(actor.creation, { type: "WorkerCrashedError", message }, this.#parts.nowMs());
      // The worker is gone or going; its exit tells the head.
      this.#parts.log(`Constructing ${spec.actorId} failed: ${(error as Error).message}`);
      const cause: DeathCause = { code: "WORKER_DIED", message: (error as Error).message };
      workers.stop(workerId, { force: true, idle: false, cause });
    }
  }

  #tellStarted(
    actor: LocalActor,
    grant: Grant,
    { failed, message }: { failed: boolean; message: string },
    sections: readonly Uint8Array[],
  ): void {
    const params: HeadMethods["actorStarted"]["params"] = {
      actorId: actor.spec.actorId,
      incarnation: actor.incarnation,
      nodeId: this.#parts.nodeId,
      workerId: grant.workerId,
      socketPath: grant.socketPath,
      pid: this.#pidOf(grant.workerId) ?? 0,
      failed,
      message,
    };
    const owned = sections.map((section) => section.slice());
    this.#parts.head.request("actorStarted", params, owned, { keep: true }).catch(() => undefined);
  }

  /** This node could not even begin: the head places it anew or lets it die. */
  #notPlaced(actor: LocalActor, error: Error): void {
    const { head, nodeId } = this.#parts;
    const { actorId, jobId } = actor.spec;
    if (isForGood(error)) return this.#failedCreation(actor, error);
    const message = `${nodeId} could not start it: ${error.message}`;
    const params: HeadMethods["workerExited"]["params"] = {
      nodeId,
      workerId: `w-none-${actorId.slice(2)}` as ProcessId,
      jobId,
      actorId,
      incarnation: actor.incarnation,
      intended: false,
      cause: { code: "WORKER_DIED", message },
    };
    head.request("workerExited", params, [], { keep: true }).catch(() => undefined);
  }

  /** Its creation has failed with this error, without a constructor. */
  #failedCreation({ spec, incarnation }: LocalActor, error: Error): void {
    const writer = new ByteWriter();
    encodeThrown(writer, error, {});
    const params: HeadMethods["actorStarted"]["params"] = {
      actorId: spec.actorId,
      incarnation,
      nodeId: this.#parts.nodeId,
      workerId: `w-none-${spec.actorId.slice(2)}` as ProcessId,
      socketPath: "",
      pid: 0,
      failed: true,
      message: error.message,
    };
    const value = writer.buffer.slice(0, writer.position);
    this.#parts.head.request("actorStarted", params, [value], { keep: true }).catch(() => undefined);
  }

  #forget(actor: LocalActor): void {
    // One that waits for its worker only: a constructor's end is told where it is known.
    if (actor.grant === null) this.#parts.tracer.creations.end(actor.creation, null, this.#parts.nowMs());
    if (this.#actors.get(actor.spec.actorId) === actor) {
      this.#actors.delete(actor.spec.actorId);
      this.figures.ended(actor.spec.actorId);
    }
    if (actor.grant !== null) this.#byWorker.delete(actor.grant.workerId);
  }

  #pidOf(workerId: ProcessId): number | null {
    return this.#parts.workers.get(workerId)?.child.pid ?? null;
  }
}

/** Whether it is the same wherever it is tried: its environment is wrong, or an argument is lost. */
function isForGood(error: Error): boolean {
  return error instanceof ObjectLostError || error instanceof RuntimeEnvSetupError;
}

/** The name of its lease request; the submitter is its owner. */
export function actorLeaseId(actorId: ActorId, incarnation: number): string {
  return `actor-${actorId}-${incarnation}`;
}

function leaseRequest(spec: ActorSpec, incarnation: number): LeaseRequest {
  // The head has chosen: here. What it draws from, a bundle or the node, is still the spec's word.
  const strategy: Strategy = spec.strategy.type === "group" ? spec.strategy : { type: "hybrid" };
  return {
    requestId: actorLeaseId(spec.actorId, incarnation),
    kind: "actor",
    jobId: spec.jobId,
    submitter: spec.owner,
    submitterNode: spec.ownerNode,
    taskId: creationTaskId(spec.actorId),
    name: spec.className,
    classKey: `actor:${JSON.stringify([spec.resources, strategy])}:${spec.runtimeEnv.hash}`,
    resources: spec.resources,
    strategy,
    runtimeEnv: spec.runtimeEnv,
    args: spec.args,
    backlog: 1,
    depth: 0,
    actorId: spec.actorId,
    retriable: spec.maxRestarts !== 0,
    namespace: spec.namespace,
  };
}
