/** The example programs, as users run them: the same results on all runtimes, against one cluster and embedded. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CliSession } from "../support/cli.ts";
import { runProgram, RUNTIMES } from "../support/run_program.ts";

const QUICKSTART = "examples/quickstart.ts";
const WORDCOUNT = "examples/wordcount.ts";
const STREAM = "examples/stream.ts";
const SORT = "examples/sort.ts";
const EXPECTED = `1 + 2 = 3
(1 + 2) + 10 = 13
increments: [1,2]
counter: 2
sum of a million numbers: 499999500000
waited for: [10,20,30,40] left: 0
flaky: succeeded on attempt 3
after kill: ActorDiedError
`;

const session = new CliSession();
const texts = mkdtempSync(join(tmpdir(), "mobula-test-"));
let env: Record<string, string> = {};

beforeAll(async () => {
  const start = [
    "start",
    "--port",
    "0",
    "--dashboard-port",
    "0",
    "--num-cpus",
    "2",
    "--object-store-bytes",
    "268435456",
  ];
  const { address } = await session.json<{ address: string }>(...start, "--head");
  await session.json("start", "--address", address, "--num-cpus", "2", "--object-store-bytes", "268435456");
  env = { MOBULA_SESSION_DIR: session.sessionDir, MOBULA_ADDRESS: address };
  mkdirSync(join(texts, "below"));
  const text = "To be, or not to be: that is the question.\n".repeat(100_000);
  for (const name of ["a.txt", "b.txt", "c.txt"]) writeFileSync(join(texts, name), text);
  writeFileSync(join(texts, "below", "ä.txt"), "\ufeffÜber über ÜBER naïve 数 数 x_1 x_1");
  writeFileSync(join(texts, "below", "empty.txt"), "");
  writeFileSync(join(texts, "below", "binary"), new Uint8Array([116, 111, 0, 116, 111]));
}, 60_000);
afterAll(async () => {
  await session.end();
  rmSync(texts, { recursive: true, force: true });
});

for (const runtime of RUNTIMES) {
  test(`the quickstart prints the same under ${runtime}`, async () => {
    expect(await runProgram(runtime, QUICKSTART, { env })).toBe(EXPECTED);
  });

  test(`the word count runs on both nodes and agrees exactly under ${runtime}`, async () => {
    const out = await runProgram(runtime, WORDCOUNT, { env, args: [texts, "--check"] });
    expect(out.split("\n").slice(0, 2)).toEqual(["   600000  be", "   600000  to"]);
    expect(out).toContain("        3  über\n");
    expect(out).toMatch(/^4 files, 12\.9 MB in .* MB\/s; 4 batches on 2 of 2 nodes$/m);
    expect(out).toContain("agrees exactly with a single process: 12 different words, 3000008 in all\n");
  });

  test(`the stream counts all there is, or ends when it was enough, under ${runtime}`, async () => {
    const all = await runProgram(runtime, STREAM, { env, args: [texts, "be", "--enough", "1000000"] });
    expect(all).toBe(`"be" 600000 times in 301 blocks of 1000 lines\nthat is all there is\n`);
    const some = await runProgram(runtime, STREAM, { env, args: [texts, "be", "--enough", "5000"] });
    expect(some).toBe(`"be" 6000 times in 3 blocks of 1000 lines\nenough: the rest was not read\n`);
  });
}

for (const runtime of ["deno", "node"]) {
  test(`agents and workers under ${runtime} give the same, found by "auto"`, async () => {
    const other = new CliSession();
    try {
      const options = [
        "--port",
        "0",
        "--dashboard-port",
        "0",
        "--num-cpus",
        "2",
        "--object-store-bytes",
        "67108864",
      ];
      await other.json("start", "--head", "--runtime", runtime, ...options);
      const env = { MOBULA_SESSION_DIR: other.sessionDir, MOBULA_ADDRESS: "auto" };
      expect(await runProgram("bun", QUICKSTART, { env })).toBe(EXPECTED);
    } finally {
      await other.end();
    }
  });
}

test("without an address the quickstart brings its own cluster, and prints the same", async () => {
  expect(await runProgram("bun", QUICKSTART)).toBe(EXPECTED);
});

test("the sort through stores that hold half of it is in order and complete", async () => {
  const out = await runProgram("bun", SORT, { args: ["--mb", "100", "--chunk-mb", "8", "--store-mb", "17"] });
  expect(out).toMatch(/^13000000 numbers, 104 MB in 13 chunks: in order, all of them and no others/);
});

test("a folder that is not there is a clear failure", async () => {
  const missing = join(texts, "missing");
  expect(runProgram("bun", WORDCOUNT, { env, args: [missing] })).rejects.toThrow("missing");
});
