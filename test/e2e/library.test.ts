/** Library actors as a user's project has them, with mobula as its package: from each runtime, on workers of another one. */
import { afterAll, expect, test } from "bun:test";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { watchLeftovers } from "../support/leftovers.ts";
import { runProgram, RUNTIMES } from "../support/run_program.ts";

const leftovers = watchLeftovers();
const folder = mkdtempSync(join(tmpdir(), "mobula-library-"));
mkdirSync(join(folder, "node_modules"));
symlinkSync(join(import.meta.dirname, "../.."), join(folder, "node_modules/mobula"));
writeFileSync(join(folder, "package.json"), `{ "type": "module" }`);
cpSync(join(import.meta.dirname, "programs/library.ts"), join(folder, "library.ts"));

afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await leftovers.check();
});

for (const [i, driver] of RUNTIMES.entries()) {
  const worker = RUNTIMES[(i + 1) % 3]!;
  test(`from ${driver} on workers of ${worker}`, async () => {
    const out = await runProgram(driver, join(folder, "library.ts"), { args: [worker], cwd: folder });
    expect(JSON.parse(out)).toEqual({
      total: 10,
      empty: "QueueEmptyError",
      doubled: [2, 4, 6],
      mapped: [3, 6, 9],
      squared: [1, 4, 9],
    });
  }, 30_000);
}
