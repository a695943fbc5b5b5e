/**
 * Messages between the head and its telemetry process (ChildPipe).
 *
 *   head -> telemetry   open, batches (any number, in order), died, job, mark, lost, query
 *   telemetry -> head   took (the batches up to this one are worked in), answer (its JSON is the section)
 * @module
 */
import type { JobDto } from "../../../dashboard/api_types.ts";
import type { TelemetryParams } from "../../../dashboard/api/tasks.ts";
import type { TimelineMarker } from "../../../dashboard/api/timeline.ts";
import type { TaskEventBatch } from "../../common/task_event.ts";

/** Types of raw frames (32 and above). */
export const TelemetryFrame = {
  open: 32,
  batches: 33,
  died: 34,
  job: 35,
  mark: 36,
  lost: 37,
  query: 38,
  took: 39,
  answer: 40,
} as const;

export interface OpenTelemetry {
  readonly attemptsMax: number;
}
export interface BatchesMessage {
  readonly sequence: number;
  readonly batches: readonly TaskEventBatch[];
  readonly isHistory: boolean;
}
/** A process is gone. */
export interface DiedMessage {
  readonly id: string;
}
export interface JobMessage {
  readonly job: JobDto;
}
export interface MarkMessage {
  readonly marker: TimelineMarker;
}
/** Rows that did not reach the telemetry process, absolute. */
export interface LostMessage {
  readonly rows: number;
}
export interface QueryMessage {
  readonly id: number;
  readonly name: string;
  readonly params: TelemetryParams;
}
/** `attempts` are kept now, `evicted` had to go. */
export interface TookMessage {
  readonly sequence: number;
  readonly attempts: number;
  readonly evicted: number;
}
/** Without an error, the answer's JSON is the section. `isRange`: what was asked for makes no sense. */
export interface AnswerMessage {
  readonly id: number;
  readonly error?: string;
  readonly isRange?: boolean;
}
