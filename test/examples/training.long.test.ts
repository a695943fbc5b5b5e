/** The examples that train, whole, as users run them: embedded, under every runtime. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { watchLeftovers } from "../support/leftovers.ts";
import { runProgram, RUNTIMES } from "../support/run_program.ts";

const leftovers = watchLeftovers();
const out = mkdtempSync(join(tmpdir(), "mobula-test-"));
afterAll(async () => {
  rmSync(out, { recursive: true, force: true });
  await leftovers.check();
});

for (const runtime of RUNTIMES) {
  test(`the parameter server reads most digits after all its steps, under ${runtime}`, async () => {
    const printed = await runProgram(runtime, "examples/parameter_server.ts", { args: ["--out", out] });
    expect(printed).toMatch(/^undisturbed: reads 9[4-9]\.\d %/);
    expect(printed).toMatch(/^one worker killed: reads 9[4-9]\.\d % .*: \d+ after its restart,/m);
  }, 120_000);

  test(`the controller's policy sorts words that it has never seen, under ${runtime}`, async () => {
    const printed = await runProgram(runtime, "examples/rl_controller.ts", { args: ["--out", out] });
    expect(printed).toMatch(/^after 300 steps it sorts (9\d|100)\.\d % of 500 words/m);
  }, 120_000);
}
