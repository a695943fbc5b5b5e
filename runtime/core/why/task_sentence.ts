/**
 * Why a task or an actor's call is where it is, in one sentence with the numbers. Pure: facts in, words out.
 * @module
 */
import type { NodeId, ProcessId } from "../../common/ids.ts";
import type { TaskRow } from "../../common/task_event.ts";
import type { CallFacts, LeaseFacts } from "../../common/why_facts.ts";
import { describeBytes } from "../scheduler/scheduling_policy.ts";
import { type ArgumentFacts, count, describeArguments, describeLease, duration } from "./words.ts";

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
}

export function taskSentence(facts: TaskFacts): string {
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
      const blocked = stage.blocked ? "; it waits in get or wait" : "";
      return `${who} runs on ${where} since ${since}${blocked}`;
    }
    case "actor":
      return `${who} ${waited} for its actor${describeActorQueue(facts)}`;
    case "actorWorker": {
      const since = duration(nowMs - stage.sinceMs);
      const ahead = stage.ahead === 0 ? "" : ` behind ${count(stage.ahead, "other call")} of its process`;
      return `${who} was sent to its actor ${since} ago and has no answer yet${ahead}; ${
        facts.actor ?? stage.actorId
      }`;
    }
    case "head":
      return `${who} ${waited} for the head, which has not answered its creation yet`;
    case "ended":
      return `${who} has ended`;
  }
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
    return `${who} finished${where}${ran}${ago}, with ${describeBytes(row.resultBytes)} of results`;
  }
  if (row.state === "FAILED") {
    const error = row.error === null
      ? "for an unknown reason"
      : `with ${row.error.type}: ${row.error.message}`;
    return `${who} failed${startMs === null ? " without having run" : where}${ran}${ago} ${error}`;
  }
  return `${who} was ${row.state}${where} when its process was last heard of`;
}
