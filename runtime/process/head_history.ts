/**
 * History on its way: what processes report of their tasks goes into the picture for people and, bounded, into the store.
 * After a restart the picture begins with what the store kept. Nothing depends on any of it.
 * @module
 */
import type { ProcessId } from "../common/ids.ts";
import type { FunctionCounts, TaskEventBatch, TaskRow, TraceStep } from "../common/task_event.ts";
import type { StoredFunctionCounts, StoredTask, StoredTraceStep } from "../io/storage/rows.ts";
import type { GcsStore } from "../io/storage/store_client.ts";
import type { ClusterView } from "../io/telemetry/cluster_view.ts";
import { orphanedMessage } from "../io/telemetry/open_rows.ts";
import {
  countsRow,
  type CountsSource,
  historyRows,
  reportedCounts,
  reportedStep,
  reportedTask,
} from "./head_records.ts";

/** Counts change with every batch; the store gets the newest ones this often. */
const COUNTS_INTERVAL_MS = 2_000;
/** Functions whose newest counts wait; above that they are written at once. */
const COUNTS_WAITING_MAX = 5_000;
/** Attempts and counts that a restarted head shows from before. */
const TASKS_RESTORED = 1_000;
const STEPS_ANSWERED = 500;

export class TaskHistory {
  readonly #store: GcsStore;
  readonly #view: ClusterView;
  readonly #nowMs: () => number;
  readonly #counts: Map<string, StoredFunctionCounts> = new Map();
  /** Who told of tasks and has not ended. */
  readonly #told: Map<string, CountsSource> = new Map();
  #countsWrittenMs = 0;

  constructor(store: GcsStore, view: ClusterView, nowMs: () => number) {
    this.#store = store;
    this.#view = view;
    this.#nowMs = nowMs;
    view.onProcessDied = (processId) => this.#processDied(processId);
  }

  /** Before the first batch arrives. What cannot be read is not shown. */
  async restore(): Promise<void> {
    const counts = await this.#store.query({ table: "functionCounts", limit: 1_000 });
    for (const batch of reportedCounts(counts as unknown as StoredFunctionCounts[])) {
      this.#view.applyTaskEvents(batch, true);
    }
    const batch = await this.#storedTasks("store");
    if (batch !== null) this.#view.applyTaskEvents(batch, true);
  }

  /** The telemetry process began anew: it gets the newest attempts that the store kept. */
  async restoreTelemetry(): Promise<void> {
    const batch = await this.#storedTasks(`store@${this.#nowMs()}`);
    if (batch !== null) this.#view.telemetry.take([batch], true);
  }

  async #storedTasks(processId: string): Promise<TaskEventBatch | null> {
    const tasks = await this.#store.query({ table: "tasks", limit: TASKS_RESTORED });
    const rows = (tasks as unknown as StoredTask[]).reverse().map(reportedTask);
    if (rows.length === 0) return null;
    const none = { nodeId: rows[0]!.nodeId!, jobId: null, counts: [], edges: [], steps: [], rowsDropped: 0 };
    return { processId, sequence: 1, rows, ...none };
  }

  take(batches: readonly TaskEventBatch[]): void {
    for (const batch of batches) {
      for (const row of historyRows(batch)) this.#store.record(row);
      for (const counts of batch.counts) this.#count(batch, counts);
      const { processId, nodeId, jobId, sequence } = batch;
      this.#told.set(processId, { processId, nodeId, jobId, sequence });
      // After its rows and counts: of what the last words of a process leave open, the view says at once that it has failed.
      this.#view.applyTaskEvents(batch);
    }
    if (this.#counts.size > COUNTS_WAITING_MAX) this.flush();
  }

  /** What the process left open has failed, in the store too. Agents report constructors, which their nodes' heirs run anew. */
  #processDied(processId: ProcessId): void {
    const owner = /^[dw]-([0-9a-z]+)$/.exec(processId)?.[1];
    if (owner === undefined) return;
    const message = orphanedMessage(processId);
    this.#store.record({ table: "tasks", orphaned: { owner, endMs: this.#nowMs(), message } });
    const told = this.#told.get(processId);
    if (told === undefined) return;
    this.#told.delete(processId);
    for (const counts of this.#view.counts.ofProcess(processId)) this.#count(told, counts);
  }

  #count(batch: CountsSource, counts: FunctionCounts): void {
    const row = countsRow(batch, counts, this.#nowMs());
    this.#counts.set(`${row.processId}/${row.type}/${row.name}`, row);
  }

  tick(): void {
    if (this.#nowMs() - this.#countsWrittenMs >= COUNTS_INTERVAL_MS) this.flush();
  }

  /** Give the store the counts that it does not have. */
  flush(): void {
    this.#countsWrittenMs = this.#nowMs();
    for (const row of this.#counts.values()) this.#store.record({ table: "functionCounts", put: row });
    this.#counts.clear();
  }

  /** The newest row of a task, from memory or from the store. */
  async newestRow(taskId: string): Promise<TaskRow | null> {
    const { rows: attempts } = await this.#view.telemetry.ask("task/reported", { id: taskId });
    const known = attempts.at(-1);
    if (known !== undefined) return known.row;
    const rows = await this.#store.query({
      table: "tasks",
      filters: [{ property: "taskId", operator: "=", value: taskId }],
      limit: STEPS_ANSWERED,
    });
    const stored = (rows as unknown as StoredTask[]).map(reportedTask);
    return stored.sort((a, b) => b.attempt - a.attempt)[0] ?? null;
  }

  /** The steps that a task took, from memory or from the store. */
  async trace(taskId: string): Promise<TraceStep[]> {
    const known = await this.#view.trace(taskId);
    if (known.length > 0) return known;
    const rows = await this.#store.query({
      table: "traceSteps",
      filters: [{ property: "taskId", operator: "=", value: String(taskId) }],
      limit: STEPS_ANSWERED,
    });
    return (rows as unknown as StoredTraceStep[]).reverse().map(reportedStep);
  }
}
