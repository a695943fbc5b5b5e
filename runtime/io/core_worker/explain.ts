/**
 * Where one of this process's calls stands: what a process adds to "why is it not running?". Only looks.
 * @module
 */
import type { TaskId } from "../../common/ids.ts";
import type { CallFacts, CallStage, MissingArgument, StandingFacts } from "../../common/why_facts.ts";
import type { ActorQueue } from "../../core/worker/actor_queue.ts";
import type { TaskSubmitter } from "../../core/worker/task_submitter.ts";
import { taskId } from "../../common/ids.ts";
import type { CallArguments } from "./arguments.ts";
import type { HandleInfo } from "./handle_info.ts";
import type { TasksUnderWay } from "./held_refs.ts";
import type { OwnCall } from "./own_call.ts";
import type { OwnTask } from "./own_task.ts";

/** Tasks with stored arguments of one process that ask for leases of their own, at most. */
export const ARGUMENT_REQUESTS = 64;

/** The number of a task among those of the process `self`; null when it is another's. */
export function sequenceOf(id: TaskId, self: string): number | null {
  const prefix = `t-${self.slice(2)}-`;
  if (!id.startsWith(prefix)) return null;
  const sequence = Number.parseInt(id.slice(prefix.length), 36);
  return taskId(self as never, sequence) === id ? sequence : null;
}

/** Refs among the arguments that this process has no value for. */
export function missingOf(args: CallArguments): MissingArgument[] {
  const missing = args.resolved.filter(({ state }) => state === "pending" || state === "remote");
  return missing.map(({ id, home }) => ({ id, home }));
}

/** A task that is not done; null when there is none of that number. `unready`: those whose arguments are not known. */
export function explainTask(
  sequence: number,
  { unready, submitter }: TasksUnderWay,
): CallFacts | null {
  for (const task of unready) {
    if (task.sequence !== sequence || task.ended) continue;
    const missing = missingOf(task.args);
    return factsOf(task, missing.length === 0 ? { at: "names" } : { at: "arguments", missing });
  }
  for (const { grant: { nodeId, workerId }, inFlight, blocked } of submitter.leases.values()) {
    const task = inFlight.get(sequence);
    if (task === undefined) continue;
    const ahead = [...inFlight.keys()].indexOf(sequence);
    const sinceMs = task.pushed?.atMs ?? task.submittedMs;
    return factsOf(task, { at: "worker", nodeId, workerId, sinceMs, ahead, blocked });
  }
  return explainQueued(sequence, submitter);
}

function explainQueued(sequence: number, submitter: TaskSubmitter<OwnTask>): CallFacts | null {
  for (const { waiting, leases, requests } of submitter.queues.values()) {
    let ahead = 0;
    for (const task of waiting) {
      if (task.sequence === sequence) {
        return factsOf(task, { at: "queue", ahead, workers: leases.size, requests: [...requests] });
      }
      ahead++;
    }
  }
  let ahead = 0;
  for (const task of submitter.gated) {
    if (task.sequence === sequence) return factsOf(task, { at: "gate", limit: ARGUMENT_REQUESTS, ahead });
    ahead++;
  }
  for (const [task, untilMs] of submitter.delayed.entries()) {
    if (task.sequence === sequence) return factsOf(task, { at: "delay", untilMs });
  }
  return null;
}

function factsOf({ call, submittedMs, attempt }: OwnTask, stage: CallStage): CallFacts {
  return { name: call.name, submittedMs, attempt, stage };
}

/** A call to an actor that is not done; null when there is none of that number. */
export function explainCall(
  sequence: number,
  { actorId }: HandleInfo,
  queue: ActorQueue<OwnCall>,
): CallFacts | null {
  const found = queue.find(sequence);
  if (found === null) return null;
  const { call, ahead, isSent, holdsBack } = found;
  const facts = { name: call.method.stats.name, submittedMs: call.submittedMs, attempt: call.attempt };
  if (isSent) return { ...facts, stage: { at: "actorWorker", actorId, sinceMs: call.pushedMs, ahead } };
  if (!call.ready) return { ...facts, stage: { at: "arguments", missing: missingOf(call.args) } };
  const behind = holdsBack === null ? null : { taskId: holdsBack.id, missing: missingOf(holdsBack.args) };
  return { ...facts, stage: { at: "actor", actorId, ahead, behind } };
}

/** A generator's call, with what its reader knows. */
export function withStanding(facts: CallFacts, stands: StandingFacts | null): CallFacts {
  const { stage } = facts;
  if (stands === null || stage.at !== "worker" && stage.at !== "actorWorker") return facts;
  return { ...facts, stage: { ...stage, stands } };
}
