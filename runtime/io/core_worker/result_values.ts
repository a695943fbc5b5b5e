/**
 * The values that a task gives for its refs.
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
