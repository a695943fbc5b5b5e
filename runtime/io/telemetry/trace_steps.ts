/**
 * The steps that tasks really took, by task: the newest tasks, in bounded memory.
 * @module
 */
import type { NodeId, ProcessId } from "../../common/ids.ts";
import type { TraceStep } from "../../common/task_event.ts";
import type { ReportedTask } from "../../../dashboard/api/tasks.ts";

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

/** Clocks of two processes of one host differ by less than this. */
const CLOCKS_DIFFER_MS = 2;
/** Within one number of the design's lists. */
const LATER_OF_ITS_NUMBER: ReadonlySet<string> = new Set(["spillback", "push", "record", "wake"]);
const LAST_OF_ITS_NUMBER: ReadonlySet<string> = new Set(["run"]);

function rank({ step, name }: TraceStep): number {
  return step + (LAST_OF_ITS_NUMBER.has(name) ? 0.6 : LATER_OF_ITS_NUMBER.has(name) ? 0.3 : 0);
}

/** As they happened. Neighbours whose times are too close to tell are put in the order of the design's lists, unless they are
 *  far apart there: an attempt's first steps come after the last ones of the attempt before. */
export function inOrder(steps: TraceStep[]): TraceStep[] {
  steps.sort((a, b) => a.atMs - b.atMs || rank(a) - rank(b));
  for (let i = 1; i < steps.length; i++) {
    for (let j = i; j > 0 && isSwapped(steps[j - 1]!, steps[j]!); j--) {
      [steps[j - 1], steps[j]] = [steps[j]!, steps[j - 1]!];
    }
  }
  return steps;
}

function isSwapped(a: TraceStep, b: TraceStep): boolean {
  const ahead = rank(a) - rank(b);
  return a.journey === b.journey && ahead > 0 && ahead < 5 && b.atMs - a.atMs < CLOCKS_DIFFER_MS;
}

/** The last steps of a submit, which processes tell in the task's row: push, run, result, record. */
export function stepsOfRow({ row, processId, reportedMs }: ReportedTask): TraceStep[] {
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
