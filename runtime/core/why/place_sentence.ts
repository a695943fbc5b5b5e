/**
 * Why a node, a worker or a job is as it is, in one sentence with the numbers. Pure: facts in, words out.
 * @module
 */
import type { NodeRow } from "../../protocol/node_rows.ts";
import { count, duration } from "./words.ts";

export interface NodePlaceFacts {
  readonly row: NodeRow;
  /** It was declared dead, and what asks in its name is refused. */
  readonly isFenced: boolean;
  readonly nowMs: number;
}

export function nodeSentence({ row, isFenced, nowMs }: NodePlaceFacts): string {
  const { nodeId, state, stateMessage, hostname, drain, heardMs, workers, leases, demand } = row;
  const who = `${nodeId} (${hostname})`;
  const said = stateMessage === "" ? "" : `: ${stateMessage.replace(/\.$/, "")}`;
  if (state === "DEAD") {
    const heard = isFenced ? " still speaks and is refused" : " must join anew to be heard";
    return `${who} is dead${said}; it was heard of last ${
      duration(nowMs - heardMs)
    } ago, and is fenced: this run of its agent${heard}`;
  }
  if (state === "SUSPECT") {
    return `${who} is suspect: nothing was heard of it for ${
      duration(nowMs - heardMs)
    }${said}; it is dead if that lasts`;
  }
  const waiting = demand.reduce((sum, one) => sum + one.count, 0);
  const first = demand[0] === undefined
    ? ""
    : `, the first of them ${demand[0].name}: ${demand[0].reason.replace(/\.$/, "")}`;
  const queue = waiting === 0 ? "nothing waits there" : `${count(waiting, "request")} wait there${first}`;
  const leaving = drain === undefined
    ? ""
    : `; it is drained (${drain.reason}) and leaves in ${duration(drain.deadlineMs - nowMs)} at the latest`;
  return `${who} is alive with ${count(workers, "worker")}, ${
    count(leases, "lease")
  } held, and ${queue}${leaving}`;
}

export interface WorkerPlaceFacts {
  readonly workerId: string;
  readonly nodeId: string;
  readonly pid: number | null;
  readonly state: string;
  readonly actorId: string | null;
  readonly jobId: string | null;
  readonly startedMs: number;
  readonly endedMs: number | null;
  readonly exitDetail: string | null;
  readonly nowMs: number;
}

export function workerSentence(facts: WorkerPlaceFacts): string {
  const { workerId, nodeId, pid, state, actorId, jobId, startedMs, endedMs, exitDetail, nowMs } = facts;
  const who = `${workerId} of ${nodeId}${pid === null ? "" : ` (pid ${pid})`}`;
  if (state === "DEAD") {
    const ago = endedMs === null ? "" : ` ${duration(nowMs - endedMs)} ago`;
    return `${who} ended${ago}: ${exitDetail?.replace(/\.$/, "") ?? "nobody told why"}`;
  }
  const job = jobId === null ? "" : ` for ${jobId}`;
  const since = duration(nowMs - startedMs);
  switch (state) {
    case "STARTING":
      return `${who} has been starting for ${since}`;
    case "ACTOR":
      return `${who} hosts ${actorId}${job}; it was started ${since} ago`;
    case "LEASED":
      return `${who} runs tasks${job}; it was started ${since} ago`;
    default:
      return `${who} is idle; it was started ${since} ago`;
  }
}

export interface JobPlaceFacts {
  readonly jobId: string;
  readonly driverId: string;
  readonly state: string;
  readonly message: string;
  readonly startedMs: number;
  readonly endedMs: number | null;
  readonly nowMs: number;
}

export function jobSentence(
  { jobId, driverId, state, message, startedMs, endedMs, nowMs }: JobPlaceFacts,
): string {
  const who = `${jobId} (driver ${driverId})`;
  if (endedMs === null) return `${who} has been ${state.toLowerCase()} for ${duration(nowMs - startedMs)}`;
  const why = message === "" ? "" : `: ${message.replace(/\.$/, "")}`;
  return `${who} ${state.toLowerCase()} ${duration(nowMs - endedMs)} ago${why}`;
}
