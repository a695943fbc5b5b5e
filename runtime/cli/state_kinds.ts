/**
 * The kinds of rows that the state API has, for commands that take one.
 * @module
 */
import { UsageError } from "./usage.ts";

export const KINDS: readonly string[] = [
  "tasks",
  "actors",
  "objects",
  "nodes",
  "workers",
  "jobs",
  "placement-groups",
];
/** Filters of one question. */
export const FILTERS_MAX = 20;

/** UsageError unless it is a kind. */
export function checkKind(command: string, kind: string | undefined): asserts kind is string {
  if (kind !== undefined && KINDS.includes(kind)) return;
  const verb = command === "ls" ? "list" : "count";
  throw new UsageError(`${command}: say what to ${verb}: ${KINDS.join(", ")}`);
}
