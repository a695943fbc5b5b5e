/**
 * Placement groups within the GCS: what the manager says, as effects of the GCS, and what it leaves to the other machines.
 * @module
 */
import type { GroupOutcome as Answer } from "../../protocol/group_messages.ts";
import type { Heartbeat } from "../../protocol/messages.ts";
import type { GcsEffect, GroupWish, Of } from "./gcs_events.ts";
import { reply, replyError, send } from "./gcs_replies.ts";
import { GroupBatches, OrderBatches } from "./group_batches.ts";
import type { GroupEffect, GroupEvent } from "./group_events.ts";
import type { JobManager } from "./job_manager.ts";

/** What the other machines must do. */
export type GroupOutcome = Of<
  GroupEffect,
  "assigned" | "unassigned" | "picked" | "pickRemoved" | "groupRemoved" | "warnInfeasible"
>;

/** What a step says of groups; orders and answers of messages leave at its end. */
export class GroupSays {
  readonly #batches: GroupBatches = new GroupBatches();
  readonly #orders: OrderBatches = new OrderBatches();

  /** A message's wishes as the manager takes them. */
  events(requestId: string, wishes: readonly GroupWish[], jobs: JobManager): GroupEvent[] {
    const names = this.#batches.open(requestId, wishes.length);
    return wishes.map((wish, place) => groupEvent(names[place]!, wish, jobs));
  }

  /** What the GCS does itself is put into `out`, or kept until the end of the step; the rest is given back. */
  effect(effect: GroupEffect, out: GcsEffect[]): GroupOutcome | null {
    switch (effect.type) {
      case "persistGroup":
      case "forgetGroup":
      case "setTimer":
        out.push(effect);
        return null;
      case "groupFound":
        return this.#answer(effect.requestId, { created: false }, { ...effect.info }, out);
      case "removeDone":
        return this.#answer(effect.requestId, { created: false }, {}, out);
      case "groupWaited": {
        const answer = { created: effect.created };
        return this.#answer(effect.requestId, answer, answer, out);
      }
      case "groupRefused": {
        const { requestId, code, message } = effect;
        if (!this.#batches.take(requestId, { code, message })) replyError(requestId, effect, true, out);
        return null;
      }
      case "prepareBundles": {
        const { nodeId, groupId, attempt, bundles, final } = effect;
        // A restarted head that does not know of these may have them given back: nothing has been promised yet.
        this.#orders.add(nodeId, { type: "bundlesPrepare", groupId, attempt, bundles, final }, !final);
        return null;
      }
      case "commitBundles": {
        const { nodeId, groupId, attempt } = effect;
        // It must know of every placement that counts somewhere, and of every removal.
        this.#orders.add(nodeId, { type: "bundlesCommit", groupId, attempt }, true);
        return null;
      }
      case "releaseBundles": {
        const { nodeId, groupId, indices, removed, message } = effect;
        this.#orders.add(nodeId, { type: "bundlesRelease", groupId, indices, removed, message }, true);
        return null;
      }
      default:
        return effect;
    }
  }

  /**
   * The end of a step: what it ordered and answered goes out. Gives the cancelling, as events, of waits whose message was
   * answered without them: whoever asked asks again.
   */
  flush(out: GcsEffect[]): GroupEvent[] {
    for (const { nodeId, orders, afterCommit } of this.#orders.take()) {
      send(nodeId, "bundleOrders", { orders }, afterCommit, out);
    }
    const over: GroupEvent[] = [];
    for (const { requestId, outcomes, undecided } of this.#batches.answered()) {
      reply(requestId, { outcomes }, true, out);
      for (const name of undecided) over.push({ type: "cancelWait", requestId: name });
    }
    return over;
  }

  #answer(
    requestId: string,
    outcome: Answer,
    alone: Readonly<Record<string, unknown>>,
    out: GcsEffect[],
  ): null {
    if (!this.#batches.take(requestId, outcome)) reply(requestId, alone, true, out);
    return null;
  }
}

/** A heartbeat as the manager takes it. */
export function nodeLoad({ nodeId, available, bundles }: Heartbeat): GroupEvent {
  return { type: "nodeLoad", nodeId, available, bundles: bundles ?? [] };
}

/** A wish as the manager takes it: a job that has ended gets no more groups. */
function groupEvent(requestId: string, wish: GroupWish, jobs: JobManager): GroupEvent {
  if (wish.type !== "createGroup") return { ...wish, requestId };
  const { jobId, owner, detached, byDetachedActor } = wish.spec;
  const running = jobs.isRunning(jobId);
  // Detached actors and their tasks go on after their job, and what they create ends with them.
  const isWorker = owner.startsWith("w-");
  const refused = running || detached || isWorker ? null : `its job ${jobId} has ended`;
  return { ...wish, requestId, refused, endsWithOwner: byDetachedActor || (!running && isWorker) };
}
