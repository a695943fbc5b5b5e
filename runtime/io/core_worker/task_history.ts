/**
 * The history of one process's tasks: rows of ended ones as they end, and of those under way when a batch is made.
 * @module
 */
import { TASK_EVENT_INTERVAL_MS } from "../../common/config.ts";
import type { TaskRow } from "../../common/task_event.ts";
import type { TaskSubmitter } from "../../core/worker/task_submitter.ts";
import type { CoreContext } from "./core_context.ts";
import type { OwnTask } from "./own_task.ts";
import type { FunctionStats, RunningSource } from "./recorder.ts";
import type { Reply } from "./replies.ts";

type Times = Pick<TaskRow, "startMs" | "endMs" | "resultBytes" | "error">;

const NOT_STARTED: Times = { startMs: null, endMs: null, resultBytes: 0, error: null };

/** See the module's header. */
export class TaskHistory implements RunningSource {
  readonly #core: CoreContext;
  readonly #submitter: TaskSubmitter<OwnTask>;

  constructor(core: CoreContext, submitter: TaskSubmitter<OwnTask>) {
    this.#core = core;
    this.#submitter = submitter;
    core.recorder.addSource(this);
  }

  /** An attempt ended; without a reply it never ran, and `encoded` says why. */
  ended(task: OwnTask, state: "FINISHED" | "FAILED", reply: Reply | null, encoded: Uint8Array | null): void {
    const { recorder } = this.#core;
    recorder.touch();
    if (state === "FINISHED" ? !recorder.wantsRow(task) : !recorder.wantsFailedRow(task)) return;
    const error = state === "FAILED" ? this.#core.describeError(reply?.error ?? encoded, task.id) : null;
    const startMs = reply === null ? null : reply.startMs;
    const endMs = reply === null ? this.#core.nowMs() : reply.startMs + reply.runUs / 1000;
    const itemBytes = task.call.items === null ? undefined : this.#core.itemCalls.bytesOf(task.sequence);
    const resultBytes = itemBytes ?? reply?.bytes ?? 0;
    recorder.row(this.#row(task, state, { startMs, endMs, resultBytes, error }));
  }

  running(): Map<FunctionStats, number> {
    const counts = new Map<FunctionStats, number>();
    for (const lease of this.#submitter.leases.values()) {
      const first = lease.inFlight.values().next();
      if (!first.done) counts.set(first.value.call.stats, (counts.get(first.value.call.stats) ?? 0) + 1);
    }
    return counts;
  }

  longRunning(limit: number, mostWaiting: number): TaskRow[] {
    const rows: TaskRow[] = [];
    const { recorder } = this.#core;
    const before = this.#core.nowMs() - TASK_EVENT_INTERVAL_MS;
    let looked = 0;
    for (const lease of this.#submitter.leases.values()) {
      let isFirst = true;
      for (const task of lease.inFlight.values()) {
        if (looked++ >= limit) return rows;
        if (task.pushed!.atMs > before) break;
        const state = isFirst ? "RUNNING" : "SUBMITTED_TO_WORKER";
        const times = isFirst ? { ...NOT_STARTED, startMs: task.pushed!.atMs } : NOT_STARTED;
        if (recorder.isNews(task, state)) rows.push(this.#row(task, state, times));
        isFirst = false;
      }
    }
    let waited = 0;
    const waiting = [...this.#submitter.queues.values()].map((queue) => queue.waiting);
    for (const tasks of [...waiting, this.#submitter.gated]) {
      for (const task of tasks) {
        if (looked++ >= limit || waited++ >= mostWaiting || task.submittedMs > before) break;
        const state = "PENDING_NODE_ASSIGNMENT";
        if (recorder.isNews(task, state)) rows.push(this.#row(task, state, NOT_STARTED));
      }
    }
    return rows;
  }

  #row(task: OwnTask, state: TaskRow["state"], times: Times): TaskRow {
    return {
      taskId: task.id,
      attempt: task.attempt,
      jobId: this.#core.identity.jobId,
      name: task.call.name,
      type: "NORMAL_TASK",
      state,
      parentTaskId: task.parent?.taskId ?? null,
      actorId: null,
      nodeId: task.pushed?.grant.nodeId ?? null,
      workerId: task.pushed?.grant.workerId ?? null,
      submittedMs: task.submittedMs,
      pushedMs: task.pushed?.atMs ?? null,
      args: task.args.resolved.map((entry) => entry.id),
      labelSelector: task.call.shape.labelSelector,
      fallbackStrategy: task.call.shape.fallbackStrategy,
      ...times,
    };
  }

  /** The row of one whose arguments are not known yet. */
  unreadyRow(task: OwnTask): TaskRow {
    return this.#row(task, "PENDING_ARGS_AVAIL", NOT_STARTED);
  }
}
