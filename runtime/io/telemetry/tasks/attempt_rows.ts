/**
 * Columns read back: the values of one attempt, as people see them.
 * @module
 */
import type { TaskRowDto } from "../../../../dashboard/api/tasks.ts";
import type { ErrorFacts } from "../../../common/task_event.ts";
import type { TaskRow } from "../../../common/task_event.ts";
import { FINISHED, RUNNING, STATES, TYPES } from "./attempt_codes.ts";
import { NONE } from "./attempt_columns.ts";
import type { AttemptStore } from "./attempt_store.ts";
import { errorOf } from "./error_texts.ts";
import { objectIdOf, taskIdOf } from "./task_ids.ts";

/** Reads attempts of one store. */
export class AttemptReader {
  readonly store: AttemptStore;

  constructor(store: AttemptStore) {
    this.store = store;
  }

  taskId(slot: number): string {
    const { owner, sequence } = this.store.columns.a;
    return taskIdOf(this.store.owners.text(owner[slot]!), sequence[slot]!);
  }
  parentTaskId(slot: number): string | null {
    const { parentOwner, parentSequence } = this.store.columns.a;
    if (parentOwner[slot] === 0) return null;
    return taskIdOf(this.store.owners.text(parentOwner[slot]!), parentSequence[slot]!);
  }
  name(slot: number): string {
    return kindName(this.store.kinds.text(this.store.columns.a.kind[slot]!));
  }
  type(slot: number): TaskRowDto["type"] {
    return TYPES[this.store.columns.a.flags[slot]! >> 3]!;
  }
  state(slot: number): TaskRowDto["state"] {
    return STATES[this.store.columns.a.flags[slot]! & 7]!;
  }
  nodeId(slot: number): string | null {
    return this.store.nodes.textOrNull(this.store.columns.a.node[slot]!);
  }
  workerId(slot: number): string | null {
    return this.store.workers.textOrNull(this.store.columns.a.worker[slot]!);
  }
  actorId(slot: number): string | null {
    return this.store.actors.textOrNull(this.store.columns.a.actor[slot]!);
  }
  jobId(slot: number): string {
    return this.store.jobs.text(this.store.columns.a.job[slot]!);
  }
  submittedMs(slot: number): number {
    return this.store.columns.a.submitted[slot]!;
  }
  pushedMs(slot: number): number | null {
    const { submitted, pushed } = this.store.columns.a;
    return known(submitted[slot]! + pushed[slot]!);
  }
  startMs(slot: number): number | null {
    const { submitted, start } = this.store.columns.a;
    return known(submitted[slot]! + start[slot]!);
  }
  endMs(slot: number): number | null {
    const { submitted, start, run } = this.store.columns.a;
    const begun = start[slot]!;
    return known(submitted[slot]! + (Number.isNaN(begun) ? 0 : begun) + run[slot]!);
  }
  /** Null when it did not begin or has not ended. */
  durationMs(slot: number): number | null {
    const { start, run } = this.store.columns.a;
    return Number.isNaN(start[slot]!) ? null : known(run[slot]!);
  }
  reportedMs(slot: number): number {
    const { submitted, reported } = this.store.columns.a;
    return (this.endMs(slot) ?? submitted[slot]!) + reported[slot]! / 16;
  }
  resultBytes(slot: number): number {
    return this.store.resultBytes(slot);
  }
  errorType(slot: number): string | null {
    const text = this.store.errors.textOrNull(this.store.columns.a.error[slot]!);
    return text === null ? null : text.split("\u0000", 1)[0]!;
  }
  errorMessage(slot: number): string | null {
    const text = this.store.errors.textOrNull(this.store.columns.a.error[slot]!);
    return text === null ? null : text.split("\u0000", 2)[1] ?? "";
  }
  error(slot: number): ErrorFacts | null {
    return errorOf(this.store.errors.textOrNull(this.store.columns.a.error[slot]!) ?? "");
  }
  wishes(slot: number): { labelSelector: unknown; fallbackStrategy: unknown } {
    const text = this.store.kinds.text(this.store.columns.a.kind[slot]!);
    const at = text.indexOf("\u0000");
    return at < 0 ? { labelSelector: null, fallbackStrategy: null } : JSON.parse(text.slice(at + 1));
  }

  /** Ids of the objects among its arguments. */
  args(slot: number): string[] {
    const { cells, owners } = this.store;
    const ids: string[] = [];
    for (let cell = this.store.columns.a.args[slot]!; cell !== NONE; cell = cells.next[cell]!) {
      ids.push(objectIdOf(owners.text(cells.owner[cell]!), cells.sequence[cell]!, cells.index[cell]!));
    }
    return ids;
  }

  isEnded(slot: number): boolean {
    return (this.store.columns.a.flags[slot]! & 7) >= FINISHED;
  }
  isRunning(slot: number): boolean {
    return (this.store.columns.a.flags[slot]! & 7) === RUNNING;
  }

  /** The row of a list. */
  row(slot: number, detail: boolean): TaskRowDto {
    const row = {
      taskId: this.taskId(slot),
      attempt: this.store.columns.a.attempt[slot]!,
      name: this.name(slot),
      type: this.type(slot),
      state: this.state(slot),
      jobId: this.jobId(slot),
      nodeId: this.nodeId(slot),
      workerId: this.workerId(slot),
      actorId: this.actorId(slot),
      submittedMs: rounded(this.submittedMs(slot)),
      startMs: this.startMs(slot),
      endMs: this.endMs(slot),
      durationMs: this.durationMs(slot),
      resultBytes: this.resultBytes(slot),
      errorType: this.errorType(slot),
      errorMessage: this.errorMessage(slot),
    };
    if (!detail) return row;
    return {
      ...row,
      pushedMs: this.pushedMs(slot),
      parentTaskId: this.parentTaskId(slot),
      args: this.args(slot),
      ...this.wishes(slot) as Pick<TaskRowDto, "labelSelector" | "fallbackStrategy">,
    };
  }

  /** The row as it was reported, as near as it is kept. */
  reported(slot: number): { row: TaskRow; processId: string; reportedMs: number } {
    const { durationMs: _, errorType: _type, errorMessage: _message, ...row } = this.row(slot, true);
    const error = this.error(slot);
    const processId = this.store.reporters.text(this.store.columns.a.reporter[slot]!);
    return { row: { ...row, error } as unknown as TaskRow, processId, reportedMs: this.reportedMs(slot) };
  }
}

/** The function's name in a kind's text. */
export function kindName(kind: string): string {
  const at = kind.indexOf("\u0000");
  return at < 0 ? kind : kind.slice(0, at);
}

/** Microseconds are what the columns keep. */
function rounded(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}

function known(ms: number): number | null {
  return Number.isNaN(ms) ? null : rounded(ms);
}
