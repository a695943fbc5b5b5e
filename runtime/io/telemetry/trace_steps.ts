/**
 * The steps that tasks really took, by task: the newest tasks, in bounded memory.
 * @module
 */
import type { NodeId, ProcessId } from "../../common/ids.ts";
import type { TraceStep } from "../../common/task_event.ts";
import type { KeptRow } from "./task_rows.ts";

const TASKS_MAX = 2_000;
const STEPS_PER_TASK_MAX = 64;

export class TraceSteps {
  /** By task, the one that was first told of first. */
  readonly #tasks = new Map<string, TraceStep[]>();

  add(step: TraceStep): void {
    let steps = this.#tasks.get(step.taskId);
    if (steps === undefined) {
      if (this.#tasks.size >= TASKS_MAX) this.#tasks.delete(this.#tasks.keys().next().value!);
      this.#tasks.set(step.taskId, steps = []);
    }
    if (steps.length >= STEPS_PER_TASK_MAX || steps.some((known) => same(known, step))) return;
    steps.push(step);
  }

  /** In the order in which they happened; clocks of nodes differ, so within one journey the step's number breaks ties. */
  of(taskId: string): TraceStep[] {
    return inOrder([...this.#tasks.get(taskId) ?? []]);
  }
}

/** As they happened; clocks of nodes differ, so within one journey the step's number breaks ties. */
export function inOrder(steps: TraceStep[]): TraceStep[] {
  return steps.sort((a, b) => a.atMs - b.atMs || (a.journey === b.journey ? a.step - b.step : 0));
}

/** The last steps of a submit, which processes tell in the task's row: push, run, result, record. */
export function stepsOfRow({ row, processId, reportedMs }: KeptRow): TraceStep[] {
  const { taskId, attempt, workerId, nodeId, pushedMs, startMs, endMs, state } = row;
  const steps: TraceStep[] = [];
  const which = attempt === 0 ? "" : `, attempt ${attempt}`;
  const add = (
    step: number,
    name: string,
    atMs: number | null,
    at: { nodeId: NodeId | null; processId: ProcessId | null },
    detail: string,
  ): void => {
    if (atMs === null) return;
    steps.push({ taskId, journey: "submit", step, name, ...at, atMs, detail: `${detail}${which}` });
  };
  const worker = { nodeId, processId: workerId };
  add(7, "push", pushedMs, { nodeId: null, processId: processId as ProcessId }, `to ${workerId}`);
  if (pushedMs === null) return steps;
  add(7, "run", startMs, worker, row.name);
  if (state !== "FINISHED" && state !== "FAILED") return steps;
  const outcome = row.error === null ? `${row.resultBytes} bytes` : `${row.error.type}: ${row.error.message}`;
  add(8, "result", endMs, worker, outcome);
  add(
    8,
    "record",
    Math.max(reportedMs, endMs ?? 0),
    { nodeId: null, processId: null },
    "the GCS has the row",
  );
  return steps;
}

/** A step that two processes passed on, or that was resent. */
function same(a: TraceStep, b: TraceStep): boolean {
  return a.atMs === b.atMs && a.name === b.name && a.journey === b.journey && a.processId === b.processId &&
    a.nodeId === b.nodeId && a.detail === b.detail;
}
