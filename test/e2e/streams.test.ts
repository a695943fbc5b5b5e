/** Streams are the same to drivers of every runtime, and leave nothing behind. */
import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";
import { watchLeftovers } from "../support/leftovers.ts";
import { runProgram, RUNTIMES } from "../support/run_program.ts";

const leftovers = watchLeftovers();
const PROGRAM = join(import.meta.dirname, "programs/streams.ts");
const EXPECTED = `refs: [0,1,2,3]
many: 49995000
large: [300000,300001,300002,300003,300004]
method: [0,1,2]
broken: [0,true,true]
left: true
standing: 0
`;

for (const runtime of RUNTIMES) {
  test(`a driver reads streams under ${runtime}`, async () => {
    expect(await runProgram(runtime, PROGRAM)).toBe(EXPECTED);
    await leftovers.gone();
  }, 30_000);
}

afterAll(() => leftovers.check());
