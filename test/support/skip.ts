/**
 * Tests that cannot run everywhere: a skipped one carries its reason in its name, which `npm test` lists at the end.
 * @module
 */
import { test } from "bun:test";

/**
 * `test`, or, when there is a reason, a test that is skipped with it:
 *
 *     testUnless(skipReason("sqld"))("a replica serves reads", async () => { … });
 */
export function testUnless(
  reason: string | null,
): (name: string, body: () => void | Promise<void>, timeoutMs?: number) => void {
  if (reason === null) return (name, body, timeoutMs) => test(name, body, timeoutMs);
  return (name, body) => test.skip(`${name} [skipped: ${reason}]`, body);
}

/** Why a test of the long suite does not run now, or null: `npm run test:all` runs them. */
export function longRunReason(): string | null {
  return process.env.MOBULA_TEST_ALL === "1" ? null : "a long run; npm run test:all includes it";
}
