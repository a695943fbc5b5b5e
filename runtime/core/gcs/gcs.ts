/**
 * The GCS's decisions as one machine: the node, job, actor and placement group managers, the object directory and the
 * global scheduler, and who hears of what. The head feeds it the agents' requests and does what it says; the simulator does the same.
 *
 *   node manager --died--> scheduler, job manager, actor manager, directory     job manager --ended--> actors, objects
 *   actor manager --place--> scheduler --picked--> actor manager                actor manager --arguments--> directory
 *   group manager --removed--> actor manager        work in a group --place--> group manager --picked--> actor manager
 *
 * It decides nothing that one of the machines could decide; it keeps only which request waits for which answer.
 *
 * How the head does the effects: in order; `persist…` and `forget…` queue a write; a reply or send with `afterCommit` leaves
 * when all writes that were queued before it are durable, the others at once. Two sends to one node keep their order.
 * @module
 */
import type { ActorId, NodeId } from "../../common/ids.ts";
import type { ActorSpec, ActorStatus, DeathCause } from "../../common/task_spec.ts";
import type { ActorEffect, ActorEvent } from "../actor/actor_events.ts";
import { ActorManager } from "../actor/actor_manager.ts";
import type { Core } from "../core.ts";
import type { DirectoryEffect, DirectoryEvent } from "../object/directory_events.ts";
import { ObjectDirectory } from "../object/object_directory.ts";
import { GlobalScheduler } from "../scheduler/global_scheduler.ts";
import { leasePickKey } from "../scheduler/pick_request.ts";
import { ArgumentWaits, isArgumentRequest } from "./argument_waits.ts";
import type { ActorRequest, GcsEffect, GcsEvent, GcsRecords, Of } from "./gcs_events.ts";
import { relocations } from "./gcs_relocation.ts";
import { nodeLoad } from "./gcs_groups.ts";
import { LightSends } from "./light_sends.ts";
import { GcsPlaces } from "./gcs_places.ts";
import { broadcast, reply, replyError, send } from "./gcs_replies.ts";
import { type JobEffect, type JobEvent, JobManager } from "./job_manager.ts";
import { PlacementGroupManager } from "./placement_group_manager.ts";
import { lostActors, lostGroups, lostJobs, lostOwners } from "./recovery.ts";
import { type NodeEffect, type NodeEvent, NodeManager } from "./node_manager.ts";

/** A node that comes back hears of the jobs that ended in this time before. */
export const ENDED_JOBS_TOLD_MS: number = 600_000;

export class Gcs implements Core<GcsEvent, GcsEffect> {
  readonly nodes: NodeManager;
  readonly jobs: JobManager;
  readonly actors: ActorManager;
  readonly objects: ObjectDirectory;
  readonly scheduler: GlobalScheduler;
  readonly groups: PlacementGroupManager;
  readonly #places: GcsPlaces;
  readonly #arguments: ArgumentWaits = new ArgumentWaits();
  readonly #lightSends: LightSends = new LightSends();
  /** The store's records have been compared with each other. */
  #recovered: boolean;

  /** `restored`: what the store holds after a restart of the head. Feed `tick` every HEARTBEAT_INTERVAL_MS. */
  constructor(nowMs: number, restored: GcsRecords | null = null, nodeReconnectMs?: number) {
    this.nodes = new NodeManager(nowMs, restored?.nodes, nodeReconnectMs);
    this.jobs = new JobManager(restored?.jobs);
    this.actors = new ActorManager(nowMs, restored?.actors);
    const isMember = (nodeId: NodeId): boolean => (this.nodes.state(nodeId) ?? "DEAD") !== "DEAD";
    this.objects = new ObjectDirectory(restored?.objects.filter(({ nodeId }) => isMember(nodeId)));
    this.scheduler = new GlobalScheduler((id) => {
      const entry = this.objects.get(id);
      return entry === null ? null : { bytes: entry.bytes, nodes: entry.holders };
    });
    for (const nodeId of this.nodes.members()) {
      const { resources, labels } = this.nodes.facts(nodeId)!;
      this.scheduler.step(nowMs, { type: "nodeJoined", nodeId, resources, labels });
      this.scheduler.step(nowMs, { type: "nodeStateChanged", nodeId, state: "SUSPECT" });
      if (this.nodes.drainOf(nodeId) !== null) this.scheduler.step(nowMs, { type: "nodeDraining", nodeId });
    }
    this.groups = new PlacementGroupManager(nowMs, () => this.scheduler.available(), restored?.groups);
    this.#places = new GcsPlaces({
      scheduler: this.scheduler,
      groups: this.groups,
      jobs: this.jobs,
      actors: (atMs, event, out) => this.#stepActors(atMs, event, out),
    });
    this.#recovered = restored === null;
  }

  step(nowMs: number, event: GcsEvent): readonly GcsEffect[] {
    const out: GcsEffect[] = [];
    this.#apply(nowMs, event, out);
    this.#places.flush(nowMs, out);
    this.#lightSends.flush(out);
    return out;
  }

  #apply(nowMs: number, event: GcsEvent, out: GcsEffect[]): void {
    switch (event.type) {
      case "registerNode":
      case "heartbeatReceived":
      case "connectionClosed":
        this.#stepNodes(nowMs, event, out);
        break;
      case "unregisterNode":
        this.#stepNodes(nowMs, event, out);
        reply(event.requestId, {}, true, out);
        break;
      case "drainNode": {
        const busy = event.ifIdle ? this.#busyReason(event.nodeId) : null;
        this.#stepNodes(nowMs, { ...event, busy }, out);
        break;
      }
      case "addJob":
        this.#stepJobs(nowMs, event, out);
        // A job that it lost the answer for was ended when its node registered again without it.
        this.#stepObjects(nowMs, { type: "ownerLives", owner: event.driverId }, out);
        break;
      case "endJob":
        this.#stepJobs(nowMs, event, out);
        reply(event.requestId, {}, true, out);
        break;
      case "pickNode":
        this.#places.pickNode(nowMs, event, out);
        break;
      case "cancelPick":
        this.#places.cancelTask(nowMs, leasePickKey(event.submitter, event.leaseRequestId), out);
        break;
      case "getGroup":
      case "timer":
        this.#places.stepGroups(nowMs, event, out);
        break;
      case "groupWishes":
        this.#places.groupWishes(nowMs, event, out);
        break;
      case "bundlesTold":
        this.#places.bundlesTold(nowMs, event, out);
        reply(event.requestId, {}, false, out);
        break;
      case "objectsReported":
        this.#stepObjects(nowMs, event, out);
        // At once: a node reports all that it holds to a head that restarted, so nothing depends on the store.
        reply(event.requestId, {}, false, out);
        break;
      case "locateObject":
      case "cancelLocate":
      case "objectsMadeAt":
        this.#stepObjects(nowMs, event, out);
        break;
      case "freeObjects":
        this.#stepObjects(nowMs, event, out);
        reply(event.requestId, {}, true, out);
        break;
      case "workerExited":
        this.#workerExited(nowMs, event, out);
        break;
      case "tick":
        this.#tick(nowMs, out);
        break;
      default:
        this.#actorRequest(nowMs, event, out);
    }
  }

  check(): void {
    this.nodes.check();
    this.jobs.check();
    this.actors.check();
    this.objects.check();
    this.scheduler.check();
    this.groups.check();
    const statusOf = (actorId: ActorId): ActorStatus | undefined => this.actors.record(actorId)?.status;
    this.#places.check(statusOf);
    this.#arguments.check(statusOf);
  }

  #workerExited(nowMs: number, event: Of<GcsEvent, "workerExited">, out: GcsEffect[]): void {
    const { workerId, actorId, incarnation, intended, cause } = event;
    const exited = { processId: workerId, actorId, incarnation, intended, cause };
    this.#stepActors(nowMs, { type: "processExited", ...exited }, out);
    this.#stepObjects(
      nowMs,
      { type: "ownerDied", owner: workerId, reason: `its owner ${workerId} died: ${cause.message}` },
      out,
    );
    this.#places.stepGroups(nowMs, { type: "processExited", processId: workerId }, out);
    reply(event.requestId, {}, true, out);
  }

  #actorRequest(nowMs: number, event: ActorRequest, out: GcsEffect[]): void {
    switch (event.type) {
      case "createActor":
        return this.#stepActors(nowMs, { ...event, refused: this.#refusal(event.spec) }, out);
      case "createActors":
        return this.#stepActors(nowMs, { ...event, refused: this.#refusal(event.specs[0]!) }, out);
      case "actorEvents":
        for (const each of event.events) this.#stepActors(nowMs, each, out);
        if (event.requestId !== null) reply(event.requestId, {}, true, out);
        return;
      default:
        this.#stepActors(nowMs, event, out);
    }
    switch (event.type) {
      case "actorStarted":
      case "actorsStarted":
      case "actorsEnded":
      case "actorOutOfScope":
      case "actorLineage":
        reply(event.requestId, {}, true, out);
    }
  }

  /** Why an actor may not be created, nor others of its process and job. */
  #refusal({ jobId, owner, actorId, detached }: ActorSpec): DeathCause | null {
    // A detached actor and its tasks may go on creating actors after the job has ended; of other workers of the job the
    // end is on its way, and what they own ends with them.
    const ended = owner.startsWith("d-") && !detached && !this.jobs.isRunning(jobId);
    const message = `actor ${actorId}'s job ${jobId} ended before it was created`;
    return ended ? { code: "JOB_ENDED", message } : null;
  }

  #tick(nowMs: number, out: GcsEffect[]): void {
    if (!this.#recovered) this.#recover(nowMs, out);
    this.#stepNodes(nowMs, { type: "tick" }, out);
    this.#stepActors(nowMs, { type: "tick" }, out);
    this.#stepObjects(nowMs, { type: "tick" }, out);
    this.#places.stepScheduler(nowMs, { type: "tick" }, out);
  }

  #recover(nowMs: number, out: GcsEffect[]): void {
    this.#recovered = true;
    for (const event of lostJobs(this.nodes, this.jobs)) this.#stepJobs(nowMs, event, out);
    for (const event of lostGroups(this.nodes, this.jobs, this.groups)) {
      this.#places.stepGroups(nowMs, event, out);
    }
    for (const event of lostActors(this.nodes, this.jobs, this.actors)) this.#stepActors(nowMs, event, out);
    for (const event of lostOwners(this.jobs)) this.#stepObjects(nowMs, event, out);
  }

  #stepNodes(nowMs: number, event: NodeEvent, out: GcsEffect[]): void {
    for (const effect of this.nodes.step(nowMs, event)) this.#nodeEffect(nowMs, effect, out);
  }

  #nodeEffect(nowMs: number, effect: NodeEffect, out: GcsEffect[]): void {
    switch (effect.type) {
      case "persistNode":
      case "forgetNode":
      case "closeConnection":
        out.push(effect);
        break;
      case "nodeAccepted":
        this.#accept(nowMs, effect, out);
        break;
      case "nodeRefused":
        replyError(effect.requestId, effect, false, out);
        break;
      case "heartbeatAccepted":
        this.#places.stepScheduler(nowMs, effect, out);
        for (const actor of relocations(effect.heartbeat, this.actors, this)) {
          this.#stepActors(nowMs, { type: "relocateActor", ...actor }, out);
        }
        this.#places.stepGroups(nowMs, nodeLoad(effect.heartbeat), out);
        break;
      case "nodeStateChanged": {
        this.#places.stepScheduler(nowMs, effect, out);
        const type = effect.state === "SUSPECT" ? "nodeSuspected" : "nodeJoined";
        this.#places.stepGroups(nowMs, { type, nodeId: effect.nodeId }, out);
        break;
      }
      case "nodeDied": {
        const { nodeId, reason } = effect;
        this.#places.nodeDied(nodeId);
        // The scheduler first: what is placed again below must not go there.
        this.#places.stepScheduler(nowMs, { type: "nodeDied", nodeId, reason }, out);
        this.#stepJobs(nowMs, { type: "nodeDied", nodeId, reason }, out);
        this.#places.stepGroups(nowMs, { type: "nodeDied", nodeId, reason }, out);
        this.#stepActors(nowMs, { type: "nodeDied", nodeId, reason }, out);
        this.#stepObjects(nowMs, { type: "nodeDied", nodeId, reason }, out);
        break;
      }
      case "nodeDraining":
        this.#drain(nowMs, effect, out);
        break;
      case "drainAnswered": {
        const { requestId, accepted, message } = effect;
        reply(requestId, { accepted, message }, true, out);
        break;
      }
      case "drainRefused":
        replyError(effect.requestId, effect, false, out);
        break;
      case "publishNodes":
        broadcast(this.nodes, "nodesChanged", { nodes: this.nodes.rows() }, false, out);
        break;
      default:
        effect satisfies never;
    }
  }

  #accept(nowMs: number, effect: Of<NodeEffect, "nodeAccepted">, out: GcsEffect[]): void {
    const { connection, registration, requestId } = effect;
    const { nodeId, epoch, resources, labels, objects, actors, drivers } = registration;
    out.push({ type: "nodeConnected", nodeId, epoch, connection });
    const follow: GcsEffect[] = [];
    this.#stepObjects(nowMs, { type: "nodeReported", nodeId, objects }, follow);
    this.#stepActors(nowMs, { type: "actorsReported", nodeId, actors }, follow);
    this.#stepJobs(nowMs, { type: "driversReported", nodeId, drivers }, follow);
    const lost = drivers.filter(({ jobId }) => !this.jobs.isRunning(jobId)).map(({ jobId }) => jobId);
    const endedJobs = new Set([...lost, ...this.jobs.endedSince(nowMs - ENDED_JOBS_TOLD_MS)]);
    const endedActors = this.actors.endedAmong(actors);
    reply(requestId, { nodes: this.nodes.rows(), endedJobs: [...endedJobs], endedActors }, true, out);
    // Orders come after the answer; nothing that they say is persisted later than what the answer promises.
    out.push(...follow);
    this.#places.stepScheduler(nowMs, { type: "nodeJoined", nodeId, resources, labels }, out);
    this.#places.stepScheduler(nowMs, { type: "nodeStateChanged", nodeId, state: "ALIVE" }, out);
    this.#places.stepGroups(
      nowMs,
      { type: "bundlesReported", nodeId, bundles: registration.bundles ?? [] },
      out,
    );
  }

  /** No more work goes there, and what has not begun there goes elsewhere. */
  #drain(nowMs: number, effect: Of<NodeEffect, "nodeDraining">, out: GcsEffect[]): void {
    const { nodeId, remainingMs, reason } = effect;
    this.#places.stepScheduler(nowMs, { type: "nodeDraining", nodeId }, out);
    send(nodeId, "drain", { remainingMs, reason }, true, out);
    for (const { spec: { actorId, strategy }, status } of this.actors.records()) {
      // One in a bundle has no other place.
      if (status.nodeId !== nodeId || status.state === "ALIVE" || strategy.type === "group") continue;
      this.#stepActors(nowMs, { type: "relocateActor", actorId, incarnation: status.incarnation }, out);
    }
  }

  /** Why a node is not idle, by its last heartbeat; null when it is. */
  #busyReason(nodeId: NodeId): string | null {
    const row = this.nodes.heartbeat(nodeId);
    const hosted = this.actors.records().filter(({ status }) =>
      status.nodeId === nodeId && status.state !== "DEAD"
    );
    if (hosted.length > 0) return `it hosts ${hosted.length} actors`;
    if (row === null) return null;
    if (row.queueLength > 0) return `${row.queueLength} tasks wait there`;
    const { leases = 0 } = row;
    return leases === 0 ? null : `${leases} ${leases === 1 ? "lease is" : "leases are"} held there`;
  }

  #stepJobs(nowMs: number, event: JobEvent, out: GcsEffect[]): void {
    for (const effect of this.jobs.step(nowMs, event)) this.#jobEffect(nowMs, effect, out);
  }

  #jobEffect(nowMs: number, effect: JobEffect, out: GcsEffect[]): void {
    switch (effect.type) {
      case "persistJob":
      case "forgetJob":
        out.push(effect);
        break;
      case "jobAdded":
        reply(effect.requestId, { jobId: effect.jobId, namespace: effect.namespace }, true, out);
        break;
      case "jobEnded": {
        const { jobId, driverId, reason } = effect;
        this.#places.jobEnded(jobId, out);
        this.#places.stepScheduler(nowMs, { type: "jobEnded", jobId }, out);
        this.#stepActors(nowMs, { type: "jobEnded", jobId }, out);
        this.#places.stepGroups(nowMs, { type: "jobEnded", jobId }, out);
        this.#stepObjects(
          nowMs,
          { type: "ownerDied", owner: driverId, reason: `its job ended: ${reason}` },
          out,
        );
        if (!this.jobs.jobs().some((job) => job.state === "RUNNING")) {
          this.#stepObjects(nowMs, { type: "lastJobEnded" }, out);
        }
        broadcast(this.nodes, "jobEnded", { jobId }, true, out);
        break;
      }
      default:
        effect satisfies never;
    }
  }

  #stepActors(nowMs: number, event: ActorEvent, out: GcsEffect[]): void {
    for (const effect of this.actors.step(nowMs, event)) this.#actorEffect(nowMs, effect, out);
  }

  #actorEffect(nowMs: number, effect: ActorEffect, out: GcsEffect[]): void {
    switch (effect.type) {
      case "persistActor":
      case "persistName":
      case "forgetActor":
        out.push(effect);
        break;
      case "actorFound":
        reply(effect.requestId, { actorId: effect.spec.actorId, spec: effect.spec }, true, out);
        break;
      case "actorsCreated":
      case "killDone":
        // Whoever is answered knows what became of it.
        this.#lightSends.flush(out);
        reply(effect.requestId, {}, true, out);
        break;
      case "actorRefused":
        replyError(effect.requestId, effect, true, out);
        break;
      case "actorRevived": {
        const { requestId, incarnation, ending } = effect;
        reply(requestId, { incarnation, ending }, true, out);
        break;
      }
      case "awaitDependencies":
        this.#awaitDependencies(nowMs, effect, out);
        break;
      case "cancelDependencies":
        this.#cancelDependencies(nowMs, effect.actorId, out);
        break;
      case "placeActor":
        this.#places.placeActor(nowMs, effect.spec, effect.incarnation, out);
        break;
      case "cancelPlacement":
        this.#places.cancelActor(nowMs, effect.actorId, effect.incarnation, out);
        break;
      case "startActor": {
        const { nodeId, spec, incarnation, restarted } = effect;
        if (spec.isolation === "shared") this.#lightSends.start(effect);
        else send(nodeId, "startActor", { spec, incarnation, restarted }, true, out);
        break;
      }
      case "stopActor": {
        const { nodeId, actorId, incarnation, graceful, cause } = effect;
        if (effect.shared === true) this.#lightSends.stop(effect);
        else send(nodeId, "stopActor", { actorId, incarnation, graceful, cause }, true, out);
        break;
      }
      case "publishStatus":
        this.#lightSends.publish(effect, out);
        break;
      default:
        effect satisfies never;
    }
  }

  #awaitDependencies(nowMs: number, effect: Of<ActorEffect, "awaitDependencies">, out: GcsEffect[]): void {
    for (const { requestId, arg } of this.#arguments.begin(effect.actorId, effect.args)) {
      // One that is lost has ended the wait for the others.
      if (!this.#arguments.has(requestId)) return;
      const locate = { requestId, nodeId: null, waitId: requestId, id: arg.id, home: arg.home, at: arg.at };
      this.#stepObjects(nowMs, { type: "locateObject", ...locate, wait: true }, out);
    }
  }

  #cancelDependencies(nowMs: number, actorId: ActorId, out: GcsEffect[]): void {
    for (const waitId of this.#arguments.cancel(actorId)) {
      this.#stepObjects(nowMs, { type: "cancelLocate", nodeId: null, waitId }, out);
    }
  }

  #stepObjects(nowMs: number, event: DirectoryEvent, out: GcsEffect[]): void {
    for (const effect of this.objects.step(nowMs, event)) this.#objectEffect(nowMs, effect, out);
  }

  #objectEffect(nowMs: number, effect: DirectoryEffect, out: GcsEffect[]): void {
    switch (effect.type) {
      case "persistObjects":
      case "objectLost":
        out.push(effect);
        break;
      case "deleteObjects":
        send(effect.nodeId, "deleteObjects", { ids: [...effect.ids] }, false, out);
        break;
      case "ownerless":
        send(effect.home, "ownerless", { objects: [...effect.objects] }, false, out);
        break;
      case "located": {
        const { requestId, nodes, bytes, isError, waited } = effect;
        if (this.#dependency(nowMs, requestId, null, out)) break;
        reply(requestId, { nodes, bytes, isError, waited }, false, out);
        break;
      }
      case "locateFailed":
        if (this.#dependency(nowMs, effect.requestId, problemOf(effect), out)) break;
        replyError(effect.requestId, effect, false, out);
        break;
      default:
        effect satisfies never;
    }
  }

  /** Whether the request was for an actor's constructor argument; `problem` is why the argument will never exist. */
  #dependency(nowMs: number, requestId: string, problem: string | null, out: GcsEffect[]): boolean {
    const resolved = this.#arguments.resolve(requestId);
    if (resolved === null) return isArgumentRequest(requestId);
    const { actorId, complete } = resolved;
    if (problem !== null) {
      this.#cancelDependencies(nowMs, actorId, out);
      this.#stepActors(nowMs, { type: "dependenciesFailed", actorId, message: problem }, out);
    } else if (complete) this.#stepActors(nowMs, { type: "dependenciesReady", actorId }, out);
    return true;
  }
}

/** Why an actor's argument will never exist. One that is lost may be made again: its node finds out when it pulls it. */
function problemOf({ code, message }: Of<DirectoryEffect, "locateFailed">): string | null {
  return code === "ObjectLostError" ? null : message;
}
