/**
 * The history row of an actor's call, as its caller writes it.
 * @module
 */
import type { TaskRow } from "../../common/task_event.ts";
import type { ActorStatus } from "../../common/task_spec.ts";
import type { OwnCall } from "./own_call.ts";

/** What its caller knows only now. */
export interface CallOutcome {
  readonly state: TaskRow["state"];
  readonly startMs: number | null;
  readonly endMs: number | null;
  readonly resultBytes: number;
  readonly error: TaskRow["error"];
}

export function callRow(
  call: OwnCall,
  jobId: TaskRow["jobId"],
  status: ActorStatus | null,
  { state, startMs, endMs, resultBytes, error }: CallOutcome,
): TaskRow {
  return {
    taskId: call.id,
    attempt: call.attempt,
    jobId,
    name: call.method.stats.name,
    type: "ACTOR_TASK",
    state,
    parentTaskId: call.parent?.taskId ?? null,
    actorId: call.method.client.info.actorId,
    nodeId: status?.nodeId ?? null,
    workerId: status?.workerId ?? null,
    submittedMs: call.submittedMs,
    pushedMs: call.pushedMs === 0 ? null : call.pushedMs,
    startMs,
    endMs,
    args: call.args.resolved.map((entry) => entry.id),
    resultBytes,
    error,
  };
}
