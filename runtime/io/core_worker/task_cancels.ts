/**
 * Cancellation of one process's tasks: how one is taken out that waits here, how the worker of one that was pushed is told,
 * and what the refs of both become. Part of the task manager.
 * @module
 */
import { taskId } from "../../common/ids.ts";
import type { TaskSubmitter } from "../../core/worker/task_submitter.ts";
import type { Lease } from "../../core/worker/task_submitter_types.ts";
import { cancelledError } from "./cancels.ts";
import type { CoreContext } from "./core_context.ts";
import type { ItemCall } from "./item_calls.ts";
import type { CallShape, OwnTask } from "./own_task.ts";
import type { Reply } from "./replies.ts";
import type { AskHow } from "./work.ts";
import type { WorkerLink } from "./worker_link.ts";

/** What the task manager does for it. */
export interface TaskCancelsParts {
  readonly submitter: TaskSubmitter<OwnTask>;
  /** Null when the connection is lost: the lease's end is on its way. */
  linkOf(lease: Lease<OwnTask>): WorkerLink | null;
  /** End the worker with what it runs. */
  endWorker(link: WorkerLink, lease: Lease<OwnTask>): void;
  schedulePump(): void;
  fail(task: OwnTask, encoded: Uint8Array, reply: Reply | null): void;
}

/** See the module's header. */
export class TaskCancels {
  readonly #core: CoreContext;
  readonly #parts: TaskCancelsParts;

  constructor(core: CoreContext, parts: TaskCancelsParts) {
    this.#core = core;
    this.#parts = parts;
  }

  /** The refs of a call whose signal was aborted before it began. */
  refuse(call: CallShape, sequence: number): ItemCall["given"] {
    const { objects, identity } = this.#core;
    const id = taskId(identity.self, sequence);
    const encoded = objects.encodeError(cancelledError(call.name, id));
    const opened = call.items && this.#core.itemCalls.open(this.#core, sequence, call.name, call.items);
    const returns = opened?.returns ?? objects.newReturns(sequence, call.numReturns, call.name);
    for (const entry of returns) objects.settleError(entry, encoded);
    return opened?.given ?? objects.refsOf(returns);
  }

  /** End a task that waits here. False when a worker has it. */
  withdraw(task: OwnTask): boolean {
    if (this.#leaseWith(task) !== null) return false;
    const { stats } = task.call;
    if (task.stage === "heldBack") stats.pendingArgs--;
    else {
      stats.pendingNode--;
      this.#parts.submitter.withdrawn(task);
      this.#parts.schedulePump();
    }
    this.fail(task, null);
    return true;
  }

  /** Have its worker end it. The one that is first there is what the worker runs: force ends both. */
  ask(task: OwnTask, how: AskHow): void {
    const lease = this.#leaseWith(task);
    const link = lease === null ? null : this.#parts.linkOf(lease);
    if (lease === null || link === null) return;
    link.cancel(task.sequence, how);
    const [first] = lease.inFlight.values();
    if (how.force && first === task && link.wasOpened) this.#parts.endWorker(link, lease);
  }

  /** It never ran, its worker was ended, or it ended because it was cancelled. */
  fail(task: OwnTask, reply: Reply | null): void {
    for (const entry of task.returns) entry.cancelled = true;
    const encoded = this.#core.objects.encodeError(cancelledError(task.call.name, task.id));
    this.#parts.fail(task, encoded, reply);
  }

  /** The lease under which a worker has the task now. */
  #leaseWith(task: OwnTask): Lease<OwnTask> | null {
    const lease = task.pushed === null
      ? undefined
      : this.#parts.submitter.leases.get(task.pushed.grant.leaseId);
    return lease?.inFlight.get(task.sequence) === task ? lease : null;
  }
}
