/** The examples that train, short: they learn under every runtime, on a running cluster and embedded, and draw it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CliSession } from "../support/cli.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { runProgram, RUNTIMES } from "../support/run_program.ts";
import { drawnLines } from "./drawn_lines.ts";

const PARAMETER_SERVER = "examples/parameter_server.ts";

const leftovers = watchLeftovers();
const session = new CliSession();
const out = mkdtempSync(join(tmpdir(), "mobula-test-"));
let env: Record<string, string> = {};

beforeAll(async () => {
  const node = ["--num-cpus", "2", "--object-store-bytes", "67108864"];
  const ports = ["--port", "0", "--dashboard-port", "0"];
  const { address } = await session.json<{ address: string }>("start", "--head", ...ports, ...node);
  await session.json("start", "--address", address, ...node);
  env = { MOBULA_SESSION_DIR: session.sessionDir, MOBULA_ADDRESS: address };
}, 60_000);
afterAll(async () => {
  await session.end();
  rmSync(out, { recursive: true, force: true });
  await leftovers.check();
});

for (const runtime of RUNTIMES) {
  test(`the parameter server learns as well with a worker killed, under ${runtime}`, async () => {
    const folder = join(out, `${runtime} ä`);
    const args = ["--steps", "600", "--out", folder];
    const printed = await runProgram(runtime, PARAMETER_SERVER, { env, args });
    expect(printed).toMatch(
      /^undisturbed: reads (8[5-9]|9\d)\.\d % of 2000 digits right; .*\d+, \d+, \d+, \d+;/,
    );
    expect(printed).toMatch(/^one worker killed: reads (8[5-9]|9\d)\.\d % .*: \d+ after its restart, \d+,/m);
    expect(printed).toEndWith("the same quality, with a worker killed and without\n");
    const path = join(folder, "parameter_server.svg");
    expect(printed).toContain(`loss curves: ${path}\n`);
    const lines = drawnLines(readFileSync(path, "utf8"));
    expect(lines.map(({ length }) => length)).toEqual([21, 21]);
    // In pictures, y grows downwards: the loss falls to a quarter at most, on the same axis from 0.
    for (const line of lines) expect(line.at(-1)![1] - line[0]![1]).toBeGreaterThan(150);
  });
}

test("numbers that are none are refused before anything starts", () => {
  const run = runProgram("bun", PARAMETER_SERVER, { args: ["--steps", "many"] });
  expect(run).rejects.toThrow("ended with 2: parameter_server: whole numbers, please");
});
