/**
 * History rows that wait for the store, bounded. When it is full, the oldest finished rows give way, failed ones last, and
 * what was lost is counted: a page that shows less must say so.
 * @module
 */
import { Deque } from "../../common/deque.ts";
import type { HistoryRow, StoreWrite } from "./rows.ts";

/** About 20 MB of rows. */
export const HISTORY_QUEUE_ROWS_MAX: number = 50_000;

interface Queued {
  readonly sequence: number;
  readonly row: HistoryRow;
}

export class HistoryQueue {
  /** Rows that matter less: finished tasks, steps, counts (a newer count replaces an older one anyway). */
  readonly #ordinary: Deque<Queued> = new Deque();
  /** Failed tasks, and ends of processes. */
  readonly #failed: Deque<Queued> = new Deque();
  readonly #rowsMax: number;
  #sequence = 0;
  #dropped = 0;

  constructor(rowsMax: number = HISTORY_QUEUE_ROWS_MAX) {
    this.#rowsMax = rowsMax;
  }

  get length(): number {
    return this.#ordinary.length + this.#failed.length;
  }

  /** Rows given up since the start. */
  get dropped(): number {
    return this.#dropped;
  }

  get isPressed(): boolean {
    return this.length * 2 > this.#rowsMax;
  }

  push(row: HistoryRow): void {
    if (this.length >= this.#rowsMax) {
      if (this.#ordinary.shift() === undefined) this.#failed.shift();
      this.#dropped++;
    }
    const isFailed = row.table === "tasks" && ("orphaned" in row || row.put.state === "FAILED");
    (isFailed ? this.#failed : this.#ordinary).push({ sequence: this.#sequence++, row });
  }

  /** Move up to `count` rows to `target`, in the order in which they came: a task's later row must replace its earlier one. */
  take(count: number, target: (StoreWrite | HistoryRow)[]): void {
    for (let taken = 0; taken < count; taken++) {
      const ordinary = this.#ordinary.peek();
      const failed = this.#failed.peek();
      if (ordinary === undefined && failed === undefined) return;
      const failedIsFirst = ordinary === undefined ||
        (failed !== undefined && failed.sequence < ordinary.sequence);
      target.push((failedIsFirst ? this.#failed.shift() : this.#ordinary.shift())!.row);
    }
  }
}
