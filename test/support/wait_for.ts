/**
 * Waiting for what becomes true by itself: never a fixed sleep.
 * @module
 */

const WITHIN_MS = 20_000;
const LOOK_EVERY_MS = 20;

/** Resolves with the first value that is neither false, null nor undefined. Throws with `what` after `withinMs`. */
export async function waitFor<T>(
  what: string,
  look: () => T | Promise<T>,
  withinMs: number = WITHIN_MS,
): Promise<NonNullable<Exclude<T, false>>> {
  const deadlineMs = performance.now() + withinMs;
  for (;;) {
    const value = await look();
    if (value !== false && value !== null && value !== undefined) {
      return value as NonNullable<Exclude<T, false>>;
    }
    if (performance.now() > deadlineMs) throw new Error(`Not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}
