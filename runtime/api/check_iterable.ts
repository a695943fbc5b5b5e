/**
 * Arguments that are looped over: runtimes say each in their own words what is wrong with those that cannot be.
 * @module
 */

/** @throws {TypeError} for what no `for … of` takes; with `isAsyncToo`, also no `for await … of`. `what` names it. */
export function checkIterable(value: unknown, what: string, isAsyncToo: boolean = false): void {
  const given = value as Partial<Iterable<unknown> & AsyncIterable<unknown>> | null | undefined;
  if (typeof given?.[Symbol.iterator] === "function") return;
  if (isAsyncToo && typeof given?.[Symbol.asyncIterator] === "function") return;
  throw new TypeError(
    `${what} must be iterable, such as an array; is ${value === null ? "null" : typeof value}`,
  );
}
