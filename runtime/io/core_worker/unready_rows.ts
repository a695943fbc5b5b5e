/**
 * Rows of tasks whose arguments are not known yet: they are under way, and no lease's or queue's.
 * @module
 */
import { TASK_EVENT_INTERVAL_MS } from "../../common/config.ts";
import type { TaskRow } from "../../common/task_event.ts";
import type { OwnTask } from "./own_task.ts";
import type { FunctionStats, RunningSource, TaskRecorder } from "./recorder.ts";

/** See the module's header. */
export class UnreadyRows implements RunningSource {
  /** In the order in which they were submitted. */
  readonly #tasks: Iterable<OwnTask>;
  readonly #recorder: TaskRecorder;
  readonly #nowMs: () => number;
  readonly #row: (task: OwnTask) => TaskRow;

  constructor(
    tasks: Iterable<OwnTask>,
    { recorder, nowMs, row }: {
      readonly recorder: TaskRecorder;
      readonly nowMs: () => number;
      readonly row: (task: OwnTask) => TaskRow;
    },
  ) {
    this.#tasks = tasks;
    this.#recorder = recorder;
    this.#nowMs = nowMs;
    this.#row = row;
  }

  running(): Map<FunctionStats, number> {
    return new Map();
  }

  longRunning(limit: number): TaskRow[] {
    const rows: TaskRow[] = [];
    const before = this.#nowMs() - TASK_EVENT_INTERVAL_MS;
    let looked = 0;
    for (const task of this.#tasks) {
      if (looked++ >= limit || task.submittedMs > before) break;
      if (!task.ended && this.#recorder.isNews(task, "PENDING_ARGS_AVAIL")) rows.push(this.#row(task));
    }
    return rows;
  }
}
