/**
 * The GCS's decisions as one machine: the node, job and actor managers, the object directory and the global scheduler, and
 * who hears of what. The head feeds it the agents' requests and does what it says; the simulator does the same.
 *
 *   node manager --died--> scheduler, job manager, actor manager, directory     job manager --ended--> actors, objects
 *   actor manager --place--> scheduler --picked--> actor manager                actor manager --arguments--> directory
 *
 * It decides nothing that one of the machines could decide; it keeps only which request waits for which answer.
 *
 * How the head does the effects: in order; `persist…` and `forget…` queue a write; a reply or send with `afterCommit` leaves
 * when all writes that were queued before it are durable, the others at once. Two sends to one node keep their order.
 * @module
 */
import { assert } from "../../common/assert.ts";
import type { ActorId, NodeId, ProcessId } from "../../common/ids.ts";
import type { DeathCause } from "../../common/task_spec.ts";
import type { Heartbeat, NodeMethods } from "../../protocol/messages.ts";
import type { ActorEffect, ActorEvent } from "../actor/actor_events.ts";
import { ActorManager } from "../actor/actor_manager.ts";
import type { Core } from "../core.ts";
import type { DirectoryEffect, DirectoryEvent } from "../object/directory_events.ts";
import { ObjectDirectory } from "../object/object_directory.ts";
import { GlobalScheduler, type SchedulerEffect, type SchedulerEvent } from "../scheduler/global_scheduler.ts";
import { leasePickKey, pickRequestOf } from "../scheduler/pick_request.ts";
import { ArgumentWaits, isArgumentRequest } from "./argument_waits.ts";
import type { ActorRequest, GcsEffect, GcsEvent, GcsRecords, Of } from "./gcs_events.ts";
import { actorPick, actorPickKey, reply, replyCancelled, replyError, send } from "./gcs_replies.ts";
import { type JobEffect, type JobEvent, JobManager } from "./job_manager.ts";
import { OpenPicks } from "./open_picks.ts";
import { lostActors, lostJobs } from "./recovery.ts";
import { type NodeEffect, type NodeEvent, NodeManager } from "./node_manager.ts";

/** A node that comes back hears of the jobs that ended in this time before. */
export const ENDED_JOBS_TOLD_MS: number = 600_000;

export class Gcs implements Core<GcsEvent, GcsEffect> {
  readonly nodes: NodeManager;
  readonly jobs: JobManager;
  readonly actors: ActorManager;
  readonly objects: ObjectDirectory;
  readonly scheduler: GlobalScheduler;
  readonly #picks: OpenPicks = new OpenPicks();
  readonly #arguments: ArgumentWaits = new ArgumentWaits();
  /** The store's records have been compared with each other. */
  #recovered: boolean;

  /** `restored`: what the store holds after a restart of the head. Feed `tick` every HEARTBEAT_INTERVAL_MS. */
  constructor(nowMs: number, restored: GcsRecords | null = null) {
    this.nodes = new NodeManager(nowMs, restored?.nodes);
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
    this.#recovered = restored === null;
  }

  step(nowMs: number, event: GcsEvent): readonly GcsEffect[] {
    const out: GcsEffect[] = [];
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
        this.#pickNode(nowMs, event, out);
        break;
      case "cancelPick": {
        const key = leasePickKey(event.submitter, event.leaseRequestId);
        replyCancelled(this.#picks.takeTask(key), out);
        this.#stepScheduler(nowMs, { type: "cancelPick", key }, out);
        break;
      }
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
    return out;
  }

  check(): void {
    this.nodes.check();
    this.jobs.check();
    this.actors.check();
    this.objects.check();
    this.scheduler.check();
    for (const { actorId, incarnation } of this.#picks.actors()) {
      const status = this.actors.record(actorId)?.status;
      assert(
        status?.incarnation === incarnation && status.state !== "DEAD",
        `${actorId} is still to be placed`,
      );
    }
    for (const actorId of this.#arguments.actors()) {
      const state = this.actors.record(actorId)?.status.state;
      assert(state === "DEPENDENCIES_UNREADY", `${actorId} waits for its arguments`);
    }
  }

  #pickNode(nowMs: number, event: Of<GcsEvent, "pickNode">, out: GcsEffect[]): void {
    const request = pickRequestOf(event.request, event.nodeId, event.exclude, event.waitingAt);
    const { jobId, taskId } = event.request;
    // Resent: the first one's answer has no taker.
    replyCancelled(this.#picks.takeTask(request.key), out);
    this.#picks.addTask(request.key, { requestId: event.requestId, asker: event.nodeId, jobId, taskId });
    this.#stepScheduler(nowMs, { type: "requestPick", request }, out);
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
    reply(event.requestId, {}, true, out);
  }

  #actorRequest(nowMs: number, event: ActorRequest, out: GcsEffect[]): void {
    if (event.type === "createActor") {
      const { jobId, owner, actorId, detached } = event.spec;
      // A detached actor and its tasks may go on creating actors after the job has ended; of other workers of the job the
      // end is on its way, and what they own ends with them.
      const ended = owner.startsWith("d-") && !detached && !this.jobs.isRunning(jobId);
      const refused: DeathCause | null = ended
        ? { code: "JOB_ENDED", message: `actor ${actorId}'s job ${jobId} ended before it was created` }
        : null;
      return this.#stepActors(nowMs, { ...event, refused }, out);
    }
    this.#stepActors(nowMs, event, out);
    const { type } = event;
    if (type === "actorStarted" || type === "actorOutOfScope") reply(event.requestId, {}, true, out);
  }

  #tick(nowMs: number, out: GcsEffect[]): void {
    if (!this.#recovered) this.#recover(nowMs, out);
    this.#stepNodes(nowMs, { type: "tick" }, out);
    this.#stepActors(nowMs, { type: "tick" }, out);
    this.#stepObjects(nowMs, { type: "tick" }, out);
    this.#stepScheduler(nowMs, { type: "tick" }, out);
  }

  #recover(nowMs: number, out: GcsEffect[]): void {
    this.#recovered = true;
    for (const event of lostJobs(this.nodes, this.jobs)) this.#stepJobs(nowMs, event, out);
    for (const event of lostActors(this.nodes, this.jobs, this.actors)) this.#stepActors(nowMs, event, out);
    const running = new Set<ProcessId>();
    for (const { state, driverId } of this.jobs.jobs()) if (state === "RUNNING") running.add(driverId);
    for (const { driverId: owner, message } of this.jobs.jobs()) {
      if (running.has(owner)) continue;
      this.#stepObjects(nowMs, { type: "ownerDied", owner, reason: `its job ended: ${message}` }, out);
    }
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
        this.#stepScheduler(nowMs, effect, out);
        this.#relocate(nowMs, effect.heartbeat, out);
        break;
      case "nodeStateChanged":
        this.#stepScheduler(nowMs, effect, out);
        break;
      case "nodeDied": {
        const { nodeId, reason } = effect;
        this.#picks.dropAsker(nodeId);
        // The scheduler first: what is placed again below must not go there.
        this.#stepScheduler(nowMs, { type: "nodeDied", nodeId, reason }, out);
        this.#stepJobs(nowMs, { type: "nodeDied", nodeId, reason }, out);
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
        this.#broadcast("nodesChanged", { nodes: this.nodes.rows() }, false, out);
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
    this.#stepScheduler(nowMs, { type: "nodeJoined", nodeId, resources, labels }, out);
    this.#stepScheduler(nowMs, { type: "nodeStateChanged", nodeId, state: "ALIVE" }, out);
  }

  /** No more work goes there, and what has not begun there goes elsewhere. */
  #drain(nowMs: number, effect: Of<NodeEffect, "nodeDraining">, out: GcsEffect[]): void {
    const { nodeId, remainingMs, reason } = effect;
    this.#stepScheduler(nowMs, { type: "nodeDraining", nodeId }, out);
    send(nodeId, "drain", { remainingMs, reason }, true, out);
    for (const { spec: { actorId }, status } of this.actors.records()) {
      if (status.nodeId !== nodeId || status.state === "ALIVE") continue;
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

  /** Actors that were told to start on a node and wait there for resources, while another node could start them now. */
  #relocate(nowMs: number, heartbeat: Heartbeat, out: GcsEffect[]): void {
    for (const { actorId, incarnation } of heartbeat.waitingActors ?? []) {
      const record = this.actors.record(actorId);
      // The heartbeat is older than what happened to the actor meanwhile.
      if (record?.status.nodeId !== heartbeat.nodeId || record.status.incarnation !== incarnation) continue;
      if (!this.scheduler.betterElsewhere(actorPick(record.spec, incarnation), heartbeat.nodeId)) continue;
      this.#stepActors(nowMs, { type: "relocateActor", actorId, incarnation }, out);
    }
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
        for (const pick of this.#picks.takeJob(jobId)) replyCancelled(pick, out);
        this.#stepScheduler(nowMs, { type: "jobEnded", jobId }, out);
        this.#stepActors(nowMs, { type: "jobEnded", jobId }, out);
        this.#stepObjects(
          nowMs,
          { type: "ownerDied", owner: driverId, reason: `its job ended: ${reason}` },
          out,
        );
        if (!this.jobs.jobs().some((job) => job.state === "RUNNING")) {
          this.#stepObjects(nowMs, { type: "lastJobEnded" }, out);
        }
        this.#broadcast("jobEnded", { jobId }, true, out);
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
      case "killDone":
        reply(effect.requestId, {}, true, out);
        break;
      case "actorRefused":
        replyError(effect.requestId, effect, true, out);
        break;
      case "awaitDependencies":
        this.#awaitDependencies(nowMs, effect, out);
        break;
      case "cancelDependencies":
        this.#cancelDependencies(nowMs, effect.actorId, out);
        break;
      case "placeActor": {
        const { spec, incarnation } = effect;
        const request = actorPick(spec, incarnation);
        this.#picks.addActor(request.key, { actorId: spec.actorId, incarnation });
        this.#stepScheduler(nowMs, { type: "requestPick", request }, out);
        break;
      }
      case "cancelPlacement": {
        const key = actorPickKey(effect.actorId, effect.incarnation);
        this.#picks.takeActor(key);
        this.#stepScheduler(nowMs, { type: "cancelPick", key }, out);
        break;
      }
      case "startActor": {
        const { nodeId, spec, incarnation, restarted } = effect;
        send(nodeId, "startActor", { spec, incarnation, restarted }, true, out);
        break;
      }
      case "stopActor": {
        const { nodeId, actorId, incarnation, graceful, cause } = effect;
        send(nodeId, "stopActor", { actorId, incarnation, graceful, cause }, true, out);
        break;
      }
      case "publishStatus":
        for (const nodeId of effect.nodes) send(nodeId, "actorStatus", { status: effect.status }, true, out);
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
      case "located": {
        const { requestId, nodes, bytes, isError, waited } = effect;
        if (this.#dependency(nowMs, requestId, null, out)) break;
        reply(requestId, { nodes, bytes, isError, waited }, false, out);
        break;
      }
      case "locateFailed":
        if (this.#dependency(nowMs, effect.requestId, effect.message, out)) break;
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

  #stepScheduler(nowMs: number, event: SchedulerEvent, out: GcsEffect[]): void {
    for (const effect of this.scheduler.step(nowMs, event)) this.#schedulerEffect(nowMs, effect, out);
  }

  #schedulerEffect(nowMs: number, effect: SchedulerEffect, out: GcsEffect[]): void {
    if (effect.type === "warnInfeasible") {
      const { jobId, text } = effect;
      const job = this.jobs.job(jobId);
      if (job !== null) send(job.nodeId, "message", { jobId, level: "warning", text }, false, out);
      return;
    }
    const actor = this.#picks.takeActor(effect.key);
    if (actor !== undefined) {
      const event: ActorEvent = effect.type === "picked"
        ? { type: "actorPlaced", ...actor, nodeId: effect.nodeId }
        : { type: "actorUnschedulable", ...actor, message: effect.message };
      return this.#stepActors(nowMs, event, out);
    }
    const pick = this.#picks.takeTask(effect.key);
    assert(pick !== undefined, `${effect.key} was asked for`);
    const { requestId, taskId } = pick;
    if (effect.type === "pickFailed") {
      return replyError(requestId, { code: "TaskUnschedulableError", message: effect.message }, false, out);
    }
    const where = { nodeId: null, processId: null, atMs: nowMs, detail: effect.detail };
    const steps = [{ taskId, journey: "submit", step: 4, name: "globalPick", ...where }];
    reply(requestId, { nodeId: effect.nodeId, steps }, false, out);
  }

  #broadcast<M extends keyof NodeMethods>(
    method: M,
    params: NodeMethods[M]["params"],
    afterCommit: boolean,
    out: GcsEffect[],
  ): void {
    for (const nodeId of this.nodes.members()) {
      if (this.nodes.connectionOf(nodeId) !== null) send(nodeId, method, params, afterCommit, out);
    }
  }
}
