/**
 * The history row of an actor's call, as its caller writes it.
 * @module
 */
import type { TaskRow } from "../../common/task_event.ts";
import type { ActorStatus } from "../../common/task_spec.ts";
import type { CoreContext } from "./core_context.ts";
import type { OwnCall } from "./own_call.ts";
import type { Reply } from "./replies.ts";

/** What its caller knows only now. */
export interface CallOutcome {
  readonly state: TaskRow["state"];
  readonly startMs: number | null;
  readonly endMs: number | null;
  readonly resultBytes: number;
  readonly error: TaskRow["error"];
}

/** A call has ended: its row, if the history takes one. `encoded`: its error, where that is not the reply's. */
export function recordCall(
  core: CoreContext,
  status: ActorStatus | null,
  call: OwnCall,
  state: "FINISHED" | "FAILED",
  reply: Reply | null,
  encoded: Uint8Array | null = null,
): void {
  const { recorder } = core;
  recorder.touch();
  if (state === "FINISHED" ? !recorder.wantsRow(call) : !recorder.wantsFailedRow(call)) return;
  const error = state === "FAILED" ? core.describeError(reply?.error ?? encoded, call.id) : null;
  const endMs = reply === null ? core.nowMs() : reply.startMs + reply.runUs / 1000;
  const itemBytes = call.options.streams ? core.itemCalls.bytesOf(call.sequence) : undefined;
  const resultBytes = itemBytes ?? reply?.bytes ?? 0;
  const outcome = { state, startMs: reply?.startMs ?? null, endMs, resultBytes, error };
  recorder.row(callRow(call, core.identity.jobId, status, outcome));
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
