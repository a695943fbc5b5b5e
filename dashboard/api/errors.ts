/**
 * What the query `errors` answers: failures that look alike, in one row.
 * @module
 */
import type { ErrorGroupDto } from "./tasks.ts";

/** Failed attempts that groups stand for. */
export function attemptsOf(groups: readonly ErrorGroupDto[]): number {
  return groups.reduce((sum, { count, dependants = 0 }) => sum + count + dependants, 0);
}

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
