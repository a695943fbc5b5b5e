/**
 * The work of the thread pools: the same functions that mobula's tasks and actor run (mobula_work.ts).
 * @module
 */

/** A call that does nothing but come back with what it was given. */
export function echo(value: number): number {
  return value;
}
