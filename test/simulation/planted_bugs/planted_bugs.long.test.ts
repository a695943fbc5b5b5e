/**
 * The simulation finds bugs: each bug of bugs.ts is planted alone in a copy of the machines, and some seed must fail.
 */
import { describe, expect } from "bun:test";
import { longRunReason, testUnless } from "../../support/skip.ts";
import { PLANTED_BUGS, SEEDS } from "./bugs.ts";
import { find } from "./planted_bug.ts";

describe("the simulation finds", () => {
  for (const bug of PLANTED_BUGS) {
    testUnless(longRunReason())(`"${bug.name}" in ${bug.file}`, async () => {
      const { seed, seeds } = await find(bug, SEEDS);
      expect(seed, `${seeds} seeds passed`).not.toBeNull();
    }, 150_000);
  }
});
