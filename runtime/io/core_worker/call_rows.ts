/**
 * History rows of calls to actors, for people.
 * @module
 */
import type { TaskRow } from "../../common/task_event.ts";
import type { ActorStatus } from "../../common/task_spec.ts";
import type { CoreContext } from "./core_context.ts";
import type { HandleInfo } from "./handle_info.ts";
import type { OwnCall } from "./own_call.ts";

/** One call as its caller knows it. */
export function callRow(
  core: CoreContext,
  { info, status }: { readonly info: HandleInfo; readonly status: ActorStatus | null },
  call: OwnCall,
  state: TaskRow["state"],
  ran: Pick<TaskRow, "startMs" | "endMs" | "resultBytes" | "error">,
): TaskRow {
  return {
    taskId: call.id,
    attempt: call.attempt,
    jobId: core.identity.jobId,
    name: call.method.stats.name,
    type: "ACTOR_TASK",
    state,
    parentTaskId: call.parent?.taskId ?? null,
    actorId: info.actorId,
    nodeId: status?.nodeId ?? null,
    workerId: status?.workerId ?? null,
    submittedMs: call.submittedMs,
    pushedMs: call.pushedMs === 0 ? null : call.pushedMs,
    args: call.args.resolved.map((entry) => entry.id),
    ...ran,
  };
}
