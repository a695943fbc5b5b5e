/**
 * For what can only be our own bug. Operating errors (a lost node, a full store, bad input) never come through here.
 * @module
 */

/** Throws when `condition` is false. The message names what was expected and the ids that it concerns. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${message}`);
}
