/**
 * How long tasks are expected to run, from those of their function that have: what decides how many share a worker's
 * pipeline, and how many workers are asked for.
 * @module
 */
import type { SubmittedTask } from "./task_submitter_types.ts";

/** Work that a leased worker should have in its pipeline, in microseconds of expected run time. */
export const PIPELINE_US = 2_000;
/** What a function is expected to take before it was measured: long enough to go alone. */
export const UNKNOWN_US: number = PIPELINE_US;

/** What one more run time makes of a moving average; never 0, which means unknown. */
export function average(estimateUs: number, runUs: number): number {
  return Math.max(1, estimateUs * 0.8 + runUs * 0.2);
}

/** Expected run time of a task, in microseconds. */
export function expected(task: SubmittedTask): number {
  return task.timing.estimateUs === 0 ? UNKNOWN_US : task.timing.estimateUs;
}
