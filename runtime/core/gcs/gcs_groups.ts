/**
 * Placement groups within the GCS: what the manager says, as effects of the GCS, and what it leaves to the other machines.
 * @module
 */
import type { NodeId } from "../../common/ids.ts";
import type { Heartbeat, NodeMethods, NodeOrder } from "../../protocol/messages.ts";
import type { GcsEffect, GroupRequest, Of } from "./gcs_events.ts";
import { reply, replyError, send } from "./gcs_replies.ts";
import type { GroupEffect, GroupEvent } from "./group_events.ts";
import type { JobManager } from "./job_manager.ts";

/** What the other machines must do. */
export type GroupOutcome = Of<
  GroupEffect,
  "assigned" | "picked" | "pickRemoved" | "groupRemoved" | "warnInfeasible"
>;

/** What the GCS does itself is put into `out`; the rest is given back. */
export function groupEffect(effect: GroupEffect, out: GcsEffect[]): GroupOutcome | null {
  switch (effect.type) {
    case "persistGroup":
    case "forgetGroup":
    case "setTimer":
      out.push(effect);
      return null;
    case "groupFound":
      reply(effect.requestId, { ...effect.info }, true, out);
      return null;
    case "removeDone":
      reply(effect.requestId, {}, true, out);
      return null;
    case "groupWaited":
      reply(effect.requestId, { created: effect.created }, true, out);
      return null;
    case "groupRefused":
      replyError(effect.requestId, effect, true, out);
      return null;
    case "prepareBundles": {
      const { nodeId, groupId, attempt, bundles } = effect;
      return order(nodeId, "prepareBundles", { groupId, attempt, bundles }, out);
    }
    case "commitBundles": {
      const { nodeId, groupId, attempt } = effect;
      return order(nodeId, "commitBundles", { groupId, attempt }, out);
    }
    case "releaseBundles": {
      const { nodeId, groupId, indices, removed, message } = effect;
      return order(nodeId, "releaseBundles", { groupId, indices, removed, message }, out);
    }
    default:
      return effect;
  }
}

/** A heartbeat as the manager takes it. */
export function nodeLoad({ nodeId, available, bundles }: Heartbeat): GroupEvent {
  return { type: "nodeLoad", nodeId, available, bundles: bundles ?? [] };
}

/** After the commit: a restarted head must know of every placement that counts somewhere, and of every removal. */
function order<M extends NodeOrder>(
  nodeId: NodeId,
  method: M,
  params: NodeMethods[M]["params"],
  out: GcsEffect[],
): null {
  send(nodeId, method, params, true, out);
  return null;
}

/** A request of an agent as the manager takes it: a job that has ended gets no more groups. */
export function groupEvent(event: GroupRequest | Of<GroupEvent, "timer">, jobs: JobManager): GroupEvent {
  if (event.type !== "createGroup") return event;
  const { jobId, owner, detached, byDetachedActor } = event.spec;
  const running = jobs.isRunning(jobId);
  // Detached actors and their tasks go on after their job, and what they create ends with them.
  const isWorker = owner.startsWith("w-");
  const refused = running || detached || isWorker ? null : `its job ${jobId} has ended`;
  return { ...event, refused, endsWithOwner: byDetachedActor || (!running && isWorker) };
}
