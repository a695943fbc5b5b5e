/**
 * The newest task rows, one per attempt, in bounded memory: when it is full, the oldest finished row goes first, then the
 * oldest that still runs, and the oldest failed one last. What went is counted.
 * @module
 */
import { TASK_ROWS_IN_MEMORY } from "../../common/config.ts";
import type { TaskRow } from "../../common/task_event.ts";
import type { TaskState } from "../../common/task_spec.ts";

/** How far a task has come: late and reordered rows never bring one back. */
const PROGRESS: Record<TaskState, number> = {
  PENDING_ARGS_AVAIL: 0,
  PENDING_NODE_ASSIGNMENT: 1,
  SUBMITTED_TO_WORKER: 2,
  RUNNING: 3,
  FINISHED: 4,
  FAILED: 4,
};

/** Attempts of one task that a trace shows. */
const ATTEMPTS_LOOKED_AT = 32;

export interface KeptRow {
  readonly key: string;
  /** Grows with each new attempt: newest first is highest first. */
  readonly order: number;
  /** Who reported it: the submitter. */
  readonly processId: string;
  /** When its last news came. */
  reportedMs: number;
  row: TaskRow;
}

export class TaskRows {
  readonly #max: number;
  /** By `taskId#attempt`, oldest first; each row is in exactly one, by its state. */
  readonly #live = new Map<string, KeptRow>();
  readonly #finished = new Map<string, KeptRow>();
  readonly #failed = new Map<string, KeptRow>();
  #order = 0;
  evicted = 0;

  constructor(max: number = TASK_ROWS_IN_MEMORY) {
    this.#max = max;
  }

  get size(): number {
    return this.#live.size + this.#finished.size + this.#failed.size;
  }

  /** Take a row; the kept row if it is news, else null. */
  apply(row: TaskRow, processId: string, nowMs: number): KeptRow | null {
    if (PROGRESS[row.state] === undefined) return null;
    const key = `${row.taskId}#${row.attempt}`;
    const known = this.#find(key);
    if (known !== undefined) {
      if (PROGRESS[row.state] <= PROGRESS[known.row.state]) return null;
      this.#mapOf(known.row.state).delete(key);
      known.row = row;
      known.reportedMs = nowMs;
      this.#mapOf(row.state).set(key, known);
      return known;
    }
    const kept: KeptRow = { key, order: ++this.#order, processId, row, reportedMs: nowMs };
    this.#mapOf(row.state).set(key, kept);
    if (this.size > this.#max) this.#evict();
    return kept;
  }

  /** Rows of a dead submitter that were not final are failed now. */
  processDied(processId: string, nowMs: number): KeptRow[] {
    const failed: KeptRow[] = [];
    for (const kept of this.#live.values()) if (kept.processId === processId) failed.push(kept);
    for (const kept of failed) {
      this.#live.delete(kept.key);
      kept.row = {
        ...kept.row,
        state: "FAILED",
        endMs: nowMs,
        error: { type: "OwnerDiedError", message: `its submitter ${processId} ended before it did` },
      };
      this.#failed.set(kept.key, kept);
    }
    return failed;
  }

  /** The function's name of a task, when a row of it is in memory. */
  nameOf(taskId: string): string | null {
    return this.#find(`${taskId}#0`)?.row.name ?? this.#find(`${taskId}#1`)?.row.name ?? null;
  }

  /** The rows of a task's attempts, the first one first. */
  attemptsOf(taskId: string): KeptRow[] {
    const rows: KeptRow[] = [];
    for (let attempt = 0; attempt < ATTEMPTS_LOOKED_AT; attempt++) {
      const kept = this.#find(`${taskId}#${attempt}`);
      if (kept !== undefined) rows.push(kept);
    }
    return rows;
  }

  /** In no order. */
  all(): KeptRow[] {
    return [...this.#live.values(), ...this.#finished.values(), ...this.#failed.values()];
  }

  #find(key: string): KeptRow | undefined {
    return this.#finished.get(key) ?? this.#live.get(key) ?? this.#failed.get(key);
  }

  #mapOf(state: TaskState): Map<string, KeptRow> {
    return state === "FINISHED" ? this.#finished : state === "FAILED" ? this.#failed : this.#live;
  }

  #evict(): void {
    const from = this.#finished.size > 0 ? this.#finished : this.#live.size > 0 ? this.#live : this.#failed;
    from.delete(from.keys().next().value!);
    this.evicted++;
  }
}
