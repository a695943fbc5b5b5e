/**
 * How a process asks for workers: the request for a class of tasks, and what the first task's trace says of it.
 * @module
 */
import { labelWishesOf } from "../../common/labels.ts";
import type { LeaseRequest, RuntimeEnvSpec } from "../../common/task_spec.ts";
import type { ClassQueue } from "../../core/worker/task_submitter_types.ts";
import type { CoreContext } from "./core_context.ts";
import type { OwnTask } from "./own_task.ts";

export interface RequestedLease {
  readonly requestId: string;
  readonly queue: ClassQueue<OwnTask>;
  /** The task that would run first. */
  readonly first: OwnTask;
  readonly backlog: number;
  /** With its folder resolved. */
  readonly runtimeEnv: RuntimeEnvSpec;
}

export function leaseRequestOf(core: CoreContext, lease: RequestedLease): LeaseRequest {
  const { requestId, first, backlog, runtimeEnv } = lease;
  const { shape } = lease.queue;
  return {
    requestId,
    kind: "task",
    jobId: core.identity.jobId,
    submitter: core.identity.self,
    submitterNode: core.identity.node,
    taskId: first.id,
    name: first.call.name,
    classKey: shape.key,
    resources: shape.resources,
    strategy: shape.strategy,
    ...labelWishesOf(shape),
    runtimeEnv,
    args: first.storedArgs,
    backlog,
    depth: first.depth,
    ...(first.call.maxRetries === 0 && { retriable: false }),
  };
}

export function traceRequest(core: CoreContext, first: OwnTask, backlog: number): void {
  const { record } = first.call;
  if (record.exportedMs !== null) {
    const detail = `${record.name} goes to the function table as ${record.hash}`;
    core.recorder.step(first.id, "submit", 1, "export", detail, record.exportedMs);
    record.exportedMs = null;
  }
  core.recorder.step(
    first.id,
    "submit",
    2,
    "leaseRequest",
    `${first.call.name}: asks its local scheduler, backlog ${backlog}`,
  );
}
