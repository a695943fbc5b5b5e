/**
 * The newest rows of attempts that are under way, by who reported them: when a process dies, they are failures to show. Bounded;
 * all attempts are with the telemetry.
 * @module
 */
import type { TaskRow } from "../../common/task_event.ts";

const OPEN_MAX = 2_000;

/** Why a task whose submitter ended has failed. */
export function orphanedMessage(processId: string): string {
  return `its submitter ${processId} ended before it did`;
}

export class OpenRows {
  /** By `taskId#attempt`, oldest first. */
  readonly #rows: Map<string, { readonly row: TaskRow; readonly processId: string }> = new Map();

  apply(row: TaskRow, processId: string): void {
    const key = `${row.taskId}#${row.attempt}`;
    if (row.state === "FINISHED" || row.state === "FAILED") {
      this.#rows.delete(key);
      return;
    }
    this.#rows.set(key, { row, processId });
    if (this.#rows.size > OPEN_MAX) this.#rows.delete(this.#rows.keys().next().value!);
  }

  /** What the process had reported and not ended has failed. */
  processDied(processId: string, nowMs: number): TaskRow[] {
    const failed: TaskRow[] = [];
    for (const [key, known] of this.#rows) {
      if (known.processId !== processId) continue;
      this.#rows.delete(key);
      const message = orphanedMessage(processId);
      failed.push({
        ...known.row,
        state: "FAILED",
        endMs: nowMs,
        error: { type: "OwnerDiedError", message },
      });
    }
    return failed;
  }
}
