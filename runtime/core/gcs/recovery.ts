/**
 * What a restarted head must still tell its machines. The old head may have died between the commits of what belongs
 * together (a node's death, and the ends of the jobs and actors on it): the records that are left say what is missing.
 * @module
 */
import type { NodeId, ProcessId } from "../../common/ids.ts";
import type { ActorManager } from "../actor/actor_manager.ts";
import type { ActorEvent } from "../actor/actor_events.ts";
import type { DirectoryEvent } from "../object/directory_events.ts";
import type { GroupEvent } from "./group_events.ts";
import type { JobEvent, JobManager } from "./job_manager.ts";
import type { NodeManager } from "./node_manager.ts";
import type { PlacementGroupManager } from "./placement_group_manager.ts";

const REASON = "it was dead when the head restarted";

/** Ends of jobs whose node is not a member any more. */
export function lostJobs(nodes: NodeManager, jobs: JobManager): JobEvent[] {
  const running = jobs.jobs().filter((job) => job.state === "RUNNING");
  return goneNodes(nodes, running.map((job) => job.nodeId)).map((nodeId) => ({
    type: "nodeDied",
    nodeId,
    reason: REASON,
  }));
}

/** Ends of actors whose node is not a member any more, or whose job has ended. After lostJobs. */
export function lostActors(nodes: NodeManager, jobs: JobManager, actors: ActorManager): ActorEvent[] {
  const living = actors.records().filter((record) => record.status.state !== "DEAD");
  const gone = goneNodes(nodes, living.flatMap(({ spec, status }) => [spec.ownerNode, status.nodeId]));
  const ended = new Set(living.map(({ spec }) => spec.jobId).filter((jobId) => !jobs.isRunning(jobId)));
  return [
    ...gone.map((nodeId): ActorEvent => ({ type: "nodeDied", nodeId, reason: REASON })),
    ...[...ended].map((jobId): ActorEvent => ({ type: "jobEnded", jobId })),
  ];
}

/** Ends of placement groups whose job has ended, and of bundles whose node is not a member any more. After lostJobs. */
export function lostGroups(
  nodes: NodeManager,
  jobs: JobManager,
  groups: PlacementGroupManager,
): GroupEvent[] {
  const live = groups.records().filter((record) => record.state !== "REMOVED");
  const gone = goneNodes(nodes, live.flatMap(({ spec, placements }) => [spec.ownerNode, ...placements]));
  const ended = new Set(live.map(({ spec }) => spec.jobId).filter((jobId) => !jobs.isRunning(jobId)));
  return [
    ...[...ended].map((jobId): GroupEvent => ({ type: "jobEnded", jobId })),
    ...gone.map((nodeId): GroupEvent => ({ type: "nodeDied", nodeId, reason: REASON })),
  ];
}

/** Ends of drivers that have no running job: nobody counts what they owned. After lostJobs. */
export function lostOwners(jobs: JobManager): DirectoryEvent[] {
  const running = new Set<ProcessId>();
  for (const { state, driverId } of jobs.jobs()) if (state === "RUNNING") running.add(driverId);
  return jobs.jobs().filter(({ driverId }) => !running.has(driverId)).map(({ driverId: owner, message }) => ({
    type: "ownerDied",
    owner,
    reason: `its job ended: ${message}`,
  }));
}

function goneNodes(nodes: NodeManager, mentioned: readonly (NodeId | null)[]): NodeId[] {
  const ids = new Set(mentioned.filter((nodeId) => nodeId !== null));
  return [...ids].filter((nodeId) => (nodes.state(nodeId) ?? "DEAD") === "DEAD");
}
