/**
 * Why a task or an actor's call is where it is, in one sentence with the numbers. Pure: facts in, words out.
 * @module
 */
import { byteText } from "../../common/byte_text.ts";
import type { NodeId, ProcessId } from "../../common/ids.ts";
import type { TaskRow } from "../../common/task_event.ts";
import type { CallFacts, LeaseFacts, WorkerFacts } from "../../common/why_facts.ts";
import {
  type ArgumentFacts,
  count,
  describeArguments,
  describeLease,
  describeRoom,
  describeStanding,
  duration,
} from "./words.ts";

/** Of the error of an attempt that was tried again. */
const PAST_MESSAGE_MAX = 300;

/** What is known of a call that its process still has. */
export interface TaskFacts {
  /** A task's, or, of an actor that nobody but its creator knows, the actor's. */
  readonly id: string;
  readonly nowMs: number;
  /** The process that submitted it, and its node. */
  readonly owner: ProcessId;
  readonly node: NodeId;
  readonly call: CallFacts;
  readonly lease: LeaseFacts | null;
  readonly remote: LeaseFacts | null;
  readonly cluster: string | null;
  /** Those that are not there yet. */
  readonly missing: readonly ArgumentFacts[];
  /** For a call: the sentence about its actor. */
  readonly actor: string | null;
  /** How the attempt before this one ended; null for the first one, and where that is not known. */
  readonly before?: PastAttempt | null;
  /** What its worker waits for at its node; null: nothing that the node knows of. */
  readonly worker?: WorkerFacts | null;
  /** What is wrong with the node of its worker; null: nothing. */
  readonly trouble?: string | null;
}

export interface PastAttempt {
  readonly attempt: number;
  readonly endMs: number | null;
  readonly errorType: string;
  readonly errorMessage: string;
}

export function taskSentence(facts: TaskFacts): string {
  return `${present(facts)}${past(facts)}`;
}

/** How the attempt before ended, cut where it is long. */
function past({ before, nowMs }: TaskFacts): string {
  if (before == null) return "";
  const { attempt, endMs, errorType, errorMessage } = before;
  const ago = endMs === null ? "" : ` ${duration(nowMs - endMs)} ago`;
  const said = errorMessage.replace(/\.$/, "");
  const message = said.length > PAST_MESSAGE_MAX ? `${said.slice(0, PAST_MESSAGE_MAX)}…` : said;
  return `; attempt ${attempt} failed${ago} with ${errorType}: ${message}`;
}

function present(facts: TaskFacts): string {
  const { id, call, nowMs } = facts;
  const { name, stage } = call;
  const tries = call.attempt === 0 ? "" : `, attempt ${call.attempt}`;
  const who = `${id} (${name}${tries})`;
  const waited = `has waited ${duration(nowMs - call.submittedMs)}`;
  switch (stage.at) {
    case "names":
      return `${who} ${waited} for the commit of an actor's name that its process ${facts.owner} registers: ` +
        "what it submits later comes later";
    case "arguments":
      return `${who} ${waited} for ${describeArguments(facts.missing)}`;
    case "gate":
      return `${who} ${waited}: ${stage.limit} tasks with stored arguments of its process may ask for workers at once, ` +
        `and ${stage.ahead} wait before it`;
    case "delay":
      return `${who} is tried again in ${duration(stage.untilMs - nowMs)}`;
    case "queue":
      return `${who} ${waited} for a worker${describeQueue(facts)}`;
    case "worker": {
      const where = `worker ${stage.workerId} of ${stage.nodeId}`;
      const since = duration(nowMs - stage.sinceMs);
      if (stage.ahead > 0) {
        return `${who} was pushed to ${where} ${since} ago and waits behind ${
          count(stage.ahead, "task")
        } there`;
      }
      return `${who} has been running for ${since} on ${where}${waitingInside(facts)}`;
    }
    case "actor":
      return `${who} ${waited} for its actor${describeActorQueue(facts)}`;
    case "actorWorker": {
      const since = duration(nowMs - stage.sinceMs);
      const ahead = stage.ahead === 0 ? "" : ` behind ${count(stage.ahead, "other call")} of its process`;
      const stands = stage.stands == null ? "" : `: ${describeStanding(stage.stands)}`;
      return `${who} was sent to its actor ${since} ago and has no answer yet${ahead}${stands}; ${
        facts.actor ?? stage.actorId
      }`;
    }
    case "head":
      return `${who} ${waited} for the head, which has not answered its creation yet`;
    case "ended":
      return `${who} has ended`;
  }
}

/** What a task that runs waits for. */
function waitingInside({ call: { stage }, worker, trouble }: TaskFacts): string {
  if (stage.at !== "worker") return "";
  if (trouble != null) return `; ${trouble}`;
  if (stage.stands != null) return `; ${describeStanding(stage.stands)}`;
  if (worker?.creating != null) {
    const { id, bytes, room } = worker.creating;
    return `; it waits for room in the object store of ${stage.nodeId} for ${id} (${byteText(bytes)})${
      describeRoom(room)
    }`;
  }
  return stage.blocked ? "; it waits in get or wait" : "";
}

function describeQueue({ call, lease, remote, cluster }: TaskFacts): string {
  const { stage } = call;
  if (stage.at !== "queue") return "";
  const ahead = stage.ahead === 0 ? "" : `, behind ${count(stage.ahead, "task")} of its kind`;
  const workers = stage.workers === 0 ? "" : `, with ${count(stage.workers, "worker")} at work on them`;
  if (lease !== null) return `${ahead}${workers}; ${describeLease(lease, remote, cluster)}`;
  return stage.requests.length === 0
    ? `${ahead}${workers}; no further worker is worth asking for`
    : `${ahead}${workers}; its request for one is on its way`;
}

function describeActorQueue({ call, missing, actor }: TaskFacts): string {
  const { stage } = call;
  if (stage.at !== "actor") return "";
  const ahead = stage.ahead === 0 ? "" : `, behind ${count(stage.ahead, "call")}`;
  if (stage.behind !== null) {
    return `${ahead}: calls leave in order, and ${stage.behind.taskId} waits for ${
      describeArguments(missing)
    }`;
  }
  return `${ahead}; ${actor ?? stage.actorId}`;
}

/** How a task ended (or what was last heard of it), from its newest row; `attempts`: how many executions are known. */
export function rowSentence(row: TaskRow, nowMs: number): string {
  const who = `${row.taskId} (${row.name}${row.attempt === 0 ? "" : `, attempt ${row.attempt}`})`;
  const where = row.workerId === null ? "" : ` on worker ${row.workerId} of ${row.nodeId}`;
  const { startMs, endMs } = row;
  const ran = startMs === null || endMs === null ? "" : ` after running ${duration(endMs - startMs)}`;
  const ago = endMs === null ? "" : `, ${duration(nowMs - endMs)} ago`;
  if (row.state === "FINISHED") {
    return `${who} finished${where}${ran}${ago}, with ${byteText(row.resultBytes)} of results`;
  }
  if (row.state === "FAILED") {
    const error = row.error === null
      ? "for an unknown reason"
      : `with ${row.error.type}: ${row.error.message.replace(/\.$/, "")}`;
    return `${who} failed${where === "" ? " without having run" : where}${ran}${ago} ${error}`;
  }
  return `${who} was ${row.state}${where} when its process was last heard of`;
}
