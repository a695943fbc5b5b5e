/**
 * The steps that tasks really took, by task: the newest tasks, in bounded memory.
 * @module
 */
import type { TraceStep } from "../../common/task_event.ts";

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
    const steps = [...this.#tasks.get(taskId) ?? []];
    return steps.sort((a, b) => a.atMs - b.atMs || (a.journey === b.journey ? a.step - b.step : 0));
  }
}

/** A step that two processes passed on, or that was resent. */
function same(a: TraceStep, b: TraceStep): boolean {
  return a.atMs === b.atMs && a.name === b.name && a.journey === b.journey && a.processId === b.processId &&
    a.nodeId === b.nodeId && a.detail === b.detail;
}
