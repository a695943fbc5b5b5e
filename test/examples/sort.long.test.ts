/** The shuffle that is ten times larger than memory, as a user runs it: 1 GB through three stores of 34 MB each. */
import { afterAll, expect, test } from "bun:test";
import { watchLeftovers } from "../support/leftovers.ts";
import { runProgram } from "../support/run_program.ts";

const leftovers = watchLeftovers();
afterAll(async () => {
  await leftovers.check();
});

test("1 GB is sorted, all of it and nothing else, and leaves nothing behind", async () => {
  const args = ["--mb", "1000", "--chunk-mb", "16", "--store-mb", "34"];
  const out = await runProgram("bun", "examples/sort.ts", { args });
  expect(out).toMatch(/^126000000 numbers, 1008 MB in 63 chunks: in order, all of them and no others/);
}, 900_000);
