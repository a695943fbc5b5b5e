/**
 * The part of "why" that is about places: nodes, workers and jobs, and what their state means for the tasks there.
 * @module
 */
import type { NodeId, TaskId } from "../common/ids.ts";
import { jobSentence, nodeSentence, workerSentence } from "../core/why/place_sentence.ts";
import { duration } from "../core/why/words.ts";
import type { HeadServices } from "./head_methods.ts";

/** Null for one that nobody knows. */
export function placeSentence({ gcs, view }: HeadServices, id: string, nowMs: number): string | null {
  if (id.startsWith("n-")) {
    const row = gcs.nodes.rows().find(({ nodeId }) => nodeId === id);
    if (row === undefined) return null;
    return nodeSentence({ row, isFenced: row.state === "DEAD" && view.nodes.history.isFenced(id), nowMs });
  }
  if (id.startsWith("w-")) {
    const row = view.workers.rows.get(id);
    return row === undefined ? null : workerSentence({ ...row, nowMs });
  }
  const job = gcs.jobs.jobs().find(({ jobId }) => jobId === id);
  return job === undefined ? null : jobSentence({ ...job, nowMs });
}

/** What is wrong with a node, for what runs there; null: nothing. */
export function nodeTrouble({ gcs }: HeadServices, nodeId: NodeId, nowMs: number): string | null {
  const row = gcs.nodes.rows().find((one) => one.nodeId === nodeId);
  if (row === undefined || row.state === "ALIVE") return null;
  const silent = duration(nowMs - row.heardMs);
  return row.state === "DEAD"
    ? `${nodeId} is dead: ${row.stateMessage}`
    : `${nodeId} is suspect: nothing was heard of it for ${silent}`;
}

/** Of a task whose submitter is gone: when that was a driver, what became of it. */
export function withDriver(
  { gcs }: HeadServices,
  id: TaskId,
  ended: string | null,
  nowMs: number,
): string | null {
  const driverId = `d-${id.slice(2, id.lastIndexOf("-"))}`;
  const job = gcs.jobs.jobs().find((one) => one.driverId === driverId);
  if (job === undefined) return ended;
  const sentence = jobSentence({ ...job, nowMs });
  // What finished before its driver's end is explained without it.
  if (ended !== null) {
    return ended.includes("OwnerDiedError") ? `${ended.replace(/\.$/, "")}; ${sentence}` : ended;
  }
  return `${id} is over with its driver, and no row of it was kept; ${sentence}`;
}
