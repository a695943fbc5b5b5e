/**
 * Requests for places within the GCS: who asked, which machine answers (the global scheduler, or for work inside a placement
 * group its manager), and who hears of it: an agent, or the actor manager.
 * @module
 */
import { assert } from "../../common/assert.ts";
import type { ActorId, JobId, NodeId } from "../../common/ids.ts";
import type { ActorSpec, ActorStatus } from "../../common/task_spec.ts";
import type { ActorEvent } from "../actor/actor_events.ts";
import type { GlobalScheduler, SchedulerEffect, SchedulerEvent } from "../scheduler/global_scheduler.ts";
import { type PickRequest, pickRequestOf } from "../scheduler/pick_request.ts";
import type { GcsEffect, GcsEvent, Of } from "./gcs_events.ts";
import { type GroupOutcome, GroupSays } from "./gcs_groups.ts";
import { actorPick, actorPickKey, replyCancelled, replyError, replyPicked, send } from "./gcs_replies.ts";
import type { GroupEvent } from "./group_events.ts";
import type { JobManager } from "./job_manager.ts";
import { OpenPicks } from "./open_picks.ts";
import type { PlacementGroupManager } from "./placement_group_manager.ts";

export interface PlacesParts {
  readonly scheduler: GlobalScheduler;
  readonly groups: PlacementGroupManager;
  readonly jobs: JobManager;
  readonly actors: (nowMs: number, event: ActorEvent, out: GcsEffect[]) => void;
}

export class GcsPlaces {
  readonly #parts: PlacesParts;
  readonly #picks: OpenPicks = new OpenPicks();
  readonly #says: GroupSays = new GroupSays();
  /** In this step something turned out to be free. */
  #roomMade: boolean = false;

  constructor(parts: PlacesParts) {
    this.#parts = parts;
  }

  /** An agent asks for a lease request. */
  pickNode(nowMs: number, event: Of<GcsEvent, "pickNode">, out: GcsEffect[]): void {
    const { nodeId, exclude, waitingAt, available } = event;
    const request = pickRequestOf(event.request, nodeId, exclude, waitingAt, available);
    const { jobId, taskId } = event.request;
    // Resent: the first one's answer has no taker.
    replyCancelled(this.#picks.takeTask(request.key), out);
    this.#picks.addTask(request.key, { requestId: event.requestId, asker: event.nodeId, jobId, taskId });
    this.#request(nowMs, request, out);
  }

  /** An agent does not want its lease request placed any more. */
  cancelTask(nowMs: number, key: string, out: GcsEffect[]): void {
    replyCancelled(this.#picks.takeTask(key), out);
    this.#cancel(nowMs, key, out);
  }

  placeActor(nowMs: number, spec: ActorSpec, incarnation: number, out: GcsEffect[]): void {
    const request = actorPick(spec, incarnation);
    this.#picks.addActor(request.key, { actorId: spec.actorId, incarnation });
    this.#request(nowMs, request, out);
  }

  cancelActor(nowMs: number, actorId: ActorId, incarnation: number, out: GcsEffect[]): void {
    const key = actorPickKey(actorId, incarnation);
    this.#picks.takeActor(key);
    this.#cancel(nowMs, key, out);
  }

  nodeDied(nodeId: NodeId): void {
    this.#picks.dropAsker(nodeId);
  }

  jobEnded(jobId: JobId, out: GcsEffect[]): void {
    for (const pick of this.#picks.takeJob(jobId)) replyCancelled(pick, out);
  }

  stepScheduler(nowMs: number, event: SchedulerEvent, out: GcsEffect[]): void {
    for (const effect of this.#parts.scheduler.step(nowMs, event)) this.#schedulerEffect(nowMs, effect, out);
  }

  stepGroups(nowMs: number, event: GroupEvent, out: GcsEffect[]): void {
    this.#stepAllGroups(nowMs, [event], out);
  }

  /** What a process wishes of groups, in one message. */
  groupWishes(nowMs: number, { requestId, wishes }: Of<GcsEvent, "groupWishes">, out: GcsEffect[]): void {
    this.#stepAllGroups(nowMs, this.#says.events(requestId, wishes, this.#parts.jobs), out);
  }

  /** What a node tells of its bundles, in one message. */
  bundlesTold(nowMs: number, { nodeId, words }: Of<GcsEvent, "bundlesTold">, out: GcsEffect[]): void {
    this.#stepAllGroups(nowMs, words.map((word) => ({ ...word, nodeId })), out);
  }

  /** The end of a step: what it says of groups leaves. */
  flush(nowMs: number, out: GcsEffect[]): void {
    for (;;) {
      const events = this.#says.flush(out);
      // When all that made room has been said: what is placed there comes after it, and finds it.
      if (this.#roomMade) events.push({ type: "roomMade" });
      this.#roomMade = false;
      if (events.length === 0) return;
      this.#stepAllGroups(nowMs, events, out);
    }
  }

  check(statusOf: (actorId: ActorId) => ActorStatus | undefined): void {
    this.#picks.check(statusOf);
  }

  #stepAllGroups(nowMs: number, events: readonly GroupEvent[], out: GcsEffect[]): void {
    for (const effect of this.#parts.groups.stepAll(nowMs, events)) {
      const outcome = this.#says.effect(effect, out);
      if (outcome !== null) this.#groupOutcome(nowMs, outcome, out);
    }
  }

  #request(nowMs: number, request: PickRequest, out: GcsEffect[]): void {
    if (request.strategy.type === "group") this.stepGroups(nowMs, { type: "requestPick", request }, out);
    else this.stepScheduler(nowMs, { type: "requestPick", request }, out);
  }

  /** Of a lease or an actor; whether it asked for a place in a group is not said again. */
  #cancel(nowMs: number, key: string, out: GcsEffect[]): void {
    this.stepScheduler(nowMs, { type: "cancelPick", key }, out);
    this.stepGroups(nowMs, { type: "cancelPick", key }, out);
  }

  #schedulerEffect(nowMs: number, effect: SchedulerEffect, out: GcsEffect[]): void {
    if (effect.type === "warnInfeasible") {
      const { jobId, text } = effect;
      const job = this.#parts.jobs.job(jobId);
      if (job !== null) send(job.nodeId, "message", { jobId, level: "warning", text }, false, out);
      return;
    }
    const actor = this.#picks.takeActor(effect.key);
    if (actor !== undefined) {
      const event: ActorEvent = effect.type === "picked"
        ? { type: "actorPlaced", ...actor, nodeId: effect.nodeId }
        : { type: "actorUnschedulable", ...actor, message: effect.message };
      return this.#parts.actors(nowMs, event, out);
    }
    const pick = this.#picks.takeTask(effect.key);
    assert(pick !== undefined, `${effect.key} was asked for`);
    if (effect.type === "picked") return replyPicked(nowMs, pick, effect, out);
    replyError(pick.requestId, { code: "TaskUnschedulableError", message: effect.message }, false, out);
  }

  #groupOutcome(nowMs: number, outcome: GroupOutcome, out: GcsEffect[]): void {
    const { scheduler, actors } = this.#parts;
    switch (outcome.type) {
      case "assigned":
        return scheduler.assign(nowMs, outcome.nodeId, outcome.resources);
      case "unassigned":
        if (scheduler.unassign(outcome.nodeId, outcome.resources)) this.#roomMade = true;
        return;
      case "groupRemoved":
        return actors(nowMs, outcome, out);
      case "pickRemoved": {
        const { key, groupId, message } = outcome;
        if (this.#picks.takeActor(key) !== undefined) {
          return actors(nowMs, { type: "groupRemoved", groupId, message }, out);
        }
        const { requestId } = this.#picks.takeTask(key)!;
        return replyError(requestId, { code: "PlacementGroupRemovedError", message }, false, out);
      }
      case "picked":
        return this.#schedulerEffect(nowMs, { ...outcome, costs: [] }, out);
      case "warnInfeasible":
        return this.#schedulerEffect(nowMs, outcome, out);
      default:
        outcome satisfies never;
    }
  }
}
