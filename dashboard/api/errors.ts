/**
 * What the query `errors` answers: failures that look alike, in one row. Types only.
 * @module
 */
import type { ErrorGroupDto } from "./tasks.ts";

/** `errors?job=ID`, or of all jobs without one. */
export interface ErrorsDto {
  /** The newest first. */
  readonly groups: readonly ErrorGroupDto[];
  /** Groups in all. */
  readonly total: number;
  /** Failed attempts that were looked at, and all there are: more than that when not all are in memory. */
  readonly attempts: number;
  readonly attemptsTotal: number;
}
