/**
 * The signal of code that nobody can cancel: a driver's.
 * @module
 */

let signal: AbortSignal | null = null;

/** The same one every time. */
export function neverAborted(): AbortSignal {
  signal ??= new AbortController().signal;
  return signal;
}
