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
const RL_CONTROLLER = "examples/rl_controller.ts";

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

/** What the controller prints, by the runtime of the program. */
const runs: string[] = [];

for (const runtime of RUNTIMES) {
  test(`the controller teaches its policy to sort, the same each time, under ${runtime}`, async () => {
    const args = ["--letters", "4", "--steps", "140", "--out", join(out, "sorted")];
    const printed = await runProgram(runtime, RL_CONTROLLER, { env, args });
    for (const [, prompt, answer] of printed.matchAll(/^(\w{4}) -> (\w{4})$/gm)) {
      expect([...answer!].sort()).toEqual([...prompt!].sort());
    }
    expect(printed).toMatch(/after 140 steps it sorts 9\d\.\d % of 500 words .*; before: [0-2]\.\d %\n$/);
    const path = join(out, "sorted", "rl_controller.svg");
    expect(printed).toContain(`reward curve: ${path}\n`);
    const [rewards, sorted] = drawnLines(readFileSync(path, "utf8"));
    expect([rewards!.length, sorted!.length]).toEqual([140, 21]);
    // The axis from 0 to 1 is 288 high, and y grows downwards.
    expect(rewards![0]![1] - rewards!.at(-1)![1]).toBeGreaterThan(0.6 * 288);
    runs.push(printed);
    expect(printed).toBe(runs[0]!);
  });
}

test("the controller's answers are scored while others are still written", async () => {
  const rows = await Promise.all(["generate", "score"].map(runsOf));
  const [written, scored] = rows as [Run[], Run[]];
  expect(written.length).toBeGreaterThan(100);
  const during = scored.filter((score) =>
    written.some(({ startMs, endMs }) => startMs < score.startMs && score.startMs < endMs)
  );
  expect(during.length).toBeGreaterThan(20);
});

interface Run {
  readonly startMs: number;
  readonly endMs: number;
}

/** The finished calls of an actor's method, as the cluster recorded them. */
async function runsOf(method: string): Promise<Run[]> {
  return await session.json<Run[]>("ls", "tasks", `name~${method}`, "state=FINISHED", "--limit", "2000");
}

test("a policy that could not learn is a failure", () => {
  const run = runProgram("bun", RL_CONTROLLER, {
    env,
    args: ["--letters", "4", "--steps", "2", "--out", out],
  });
  expect(run).rejects.toThrow("ended with 1");
});

test("numbers that are none are refused before anything starts", () => {
  const run = runProgram("bun", PARAMETER_SERVER, { args: ["--steps", "many"] });
  expect(run).rejects.toThrow("ended with 2: parameter_server: whole numbers, please");
});
