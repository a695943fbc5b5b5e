/**
 * How long a job's open attempts take yet: what functions are known to take, less what has passed of those that run, spread
 * over as many as run at once. Where there is no basis it says so: a rate of what ended lately tells nothing of what is left.
 * @module
 */

/** An observed work rate holds for functions that are this short; longer ones end too seldom to see it in seconds. */
const SHORT_MS = 2_000;
/** What runs this many times as long as the longest that ended is of another kind: no time of the others tells of it. */
const BEYOND_LONGEST = 2;

/** One function with open attempts. Times in milliseconds. */
export interface OpenFunction {
  /** Not begun. */
  readonly pending: number;
  readonly running: number;
  /** How long those of the running ones that are known have run; the others count as just begun. */
  readonly elapsedMs: readonly number[];
  /** Of ended attempts; null when none has. */
  readonly meanMs: number | null;
  readonly longestMs: number | null;
}

/**
 * Milliseconds until all has ended. Null when it cannot be known: a function of which nothing has ended, an attempt that
 * runs far longer than any did, or nothing that runs.
 *
 * @param workRate observed of late: milliseconds of run time in a millisecond; 0: nothing was observed.
 */
export function timeLeft(functions: readonly OpenFunction[], workRate: number): number | null {
  let workMs = 0, longestMs = 0, slowestMs = 0, running = 0, open = 0;
  for (const one of functions) {
    if (one.pending + one.running === 0) continue;
    open += one.pending + one.running;
    running += one.running;
    if (one.meanMs === null) return null;
    const unknown = Math.max(0, one.running - one.elapsedMs.length);
    workMs += (one.pending + unknown) * one.meanMs;
    longestMs = Math.max(longestMs, one.pending + unknown > 0 ? one.meanMs : 0);
    slowestMs = Math.max(slowestMs, one.meanMs);
    for (const elapsedMs of one.elapsedMs) {
      const restMs = restOf(elapsedMs, one.meanMs, Math.max(one.meanMs, one.longestMs ?? 0));
      if (restMs === null) return null;
      workMs += restMs;
      longestMs = Math.max(longestMs, restMs);
    }
  }
  const atOnce = slowestMs <= SHORT_MS && workRate > 0 ? workRate : running;
  if (open === 0 || atOnce === 0) return null;
  return Math.round(Math.max(longestMs, workMs / atOnce));
}

function restOf(elapsedMs: number, meanMs: number, longestMs: number): number | null {
  if (elapsedMs < meanMs) return meanMs - elapsedMs;
  if (elapsedMs < longestMs) return (longestMs - elapsedMs) / 2;
  return elapsedMs <= longestMs * BEYOND_LONGEST ? 0 : null;
}
