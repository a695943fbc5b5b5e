/**
 * What a function gave: whether it is still to come, and the values for its refs.
 * @module
 */

/** RangeError unless `result` is as many values as there are refs for. */
export function resultValues(result: unknown, numReturns: number): unknown[] {
  if (numReturns === 1) return [result];
  if (numReturns === 0) return [];
  if (!Array.isArray(result) || result.length !== numReturns) {
    const got = Array.isArray(result) ? `an array of ${result.length}` : typeof result;
    throw new RangeError(
      `The function must return an array of numReturns = ${numReturns} values, returned ${got}`,
    );
  }
  return result;
}

/** Whether it must be awaited. Runs user code where `then` is a getter. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null &&
    typeof (value as { then?: unknown }).then === "function";
}

/** A time of performance.now() as milliseconds since the epoch. */
export function epochMs(atMs: number): number {
  return performance.timeOrigin + atMs;
}
