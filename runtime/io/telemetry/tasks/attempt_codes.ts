/**
 * How columns say states, types and sizes.
 * @module
 */
import type { TaskType } from "../../../common/task_event.ts";
import type { TaskState } from "../../../common/task_spec.ts";

/** By code; a later one is further. */
export const STATES: readonly TaskState[] = [
  "PENDING_ARGS_AVAIL",
  "PENDING_NODE_ASSIGNMENT",
  "SUBMITTED_TO_WORKER",
  "RUNNING",
  "FINISHED",
  "FAILED",
];
export const RUNNING = 3;
export const FINISHED = 4;
export const FAILED = 5;

export const TYPES: readonly TaskType[] = ["NORMAL_TASK", "ACTOR_CREATION_TASK", "ACTOR_TASK"];

const LARGE = 0x8000_0000;

/** Up to 2 GiB exactly, above in KiB, rounded up; 2 TiB at most. */
export function packBytes(bytes: number): number {
  if (bytes <= 0) return 0;
  if (bytes < LARGE) return Math.round(bytes);
  return (LARGE | Math.min(0x7fff_ffff, Math.ceil(bytes / 1024))) >>> 0;
}

export function bytesOf(packed: number): number {
  return packed < LARGE ? packed : (packed - LARGE) * 1024;
}
