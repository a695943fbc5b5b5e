/**
 * The planted bugs (bugs.ts): that there are twenty, that each still fits the sources, and that some of them, which seeds
 * find quickly, are found. planted_bugs.long.test.ts finds them all.
 */
import { expect, test } from "bun:test";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PLANTED_BUGS, SEEDS } from "./bugs.ts";
import { find, plant } from "./planted_bug.ts";

/** Found within few seeds, by different checkers. */
const QUICK = [
  "capacity is compared with the total",
  "a remote grant that crosses its cancellation leaks",
  "an exited worker is still idle",
  "freed objects come back",
];

test("every planted bug fits the sources, by a name of its own", () => {
  const folder = mkdtempSync(join(tmpdir(), "mobula-planted-"));
  try {
    const core = join(import.meta.dirname, "../../../runtime/core");
    for (const bug of PLANTED_BUGS) {
      cpSync(join(core, bug.file), join(folder, "runtime/core", bug.file));
      plant(bug, folder);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  expect(new Set(PLANTED_BUGS.map((bug) => bug.name)).size).toBe(PLANTED_BUGS.length);
  expect(PLANTED_BUGS.length).toBeGreaterThanOrEqual(20);
});

test("a bug whose place is gone is refused", async () => {
  const gone = { ...PLANTED_BUGS[0]!, text: "this stands nowhere" };
  await expect(find(gone, 1)).rejects.toThrow("stands 0 times");
});

for (const name of QUICK) {
  test(`the simulation finds "${name}"`, async () => {
    const bug = PLANTED_BUGS.find((planted) => planted.name === name)!;
    const { seed } = await find(bug, SEEDS);
    expect(seed).not.toBeNull();
  }, 60_000);
}
