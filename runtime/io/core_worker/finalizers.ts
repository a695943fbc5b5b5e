/**
 * What is done when something was collected that nobody released: it tells others, and an edge function may do that only while
 * it handles a request, which a collector's callback never does. There it waits for the next bytes that come.
 * @module
 */

/** Null: finalizers run when the runtime calls them. */
let waiting: (() => void)[] | null = null;

/** From now on finalizers wait for `runFinalizers`. */
export function deferFinalizers(): void {
  waiting ??= [];
}

/** Whether messages can leave only while a request is handled: none by finalizers or timers. */
export function areFinalizersDeferred(): boolean {
  return waiting !== null;
}

/** Run what waits. Call it where messages may be sent. */
export function runFinalizers(): void {
  if (waiting === null) return;
  for (const run of waiting.splice(0)) run();
}

/** A registry whose callback may send messages. */
export function sendingRegistry<T>(collected: (held: T) => void): FinalizationRegistry<T> {
  return new FinalizationRegistry((held) => {
    if (waiting === null) collected(held);
    else waiting.push(() => collected(held));
  });
}
