/** One program under each runtime as driver, with workers of each runtime: it prints the same in all nine pairs. */
import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";
import { watchLeftovers } from "../support/leftovers.ts";
import { runProgram, RUNTIMES } from "../support/run_program.ts";

const leftovers = watchLeftovers();
afterAll(async () => {
  await leftovers.check();
});

const PROGRAM = join(import.meta.dirname, "programs", "conformance.ts");
/** Its last lines; those before say what became of 25 kinds of values. */
const EXPECTED = `hole: [false,3]
error as a value: [true,"kept","inner"]
sum: [19999900000,300000,0]
views: [99,0,199999,0,1600000]
made: ["Uint16Array",500000,7,0]
point: [true,6,7,13]
ref and function inside: 21
error is a: [true,true,true,true,false]
error has: [5,"task failing failed: above 5: größer","failing",0,{"unit":"m"}]
error of an argument: [true,6]
crash: true
attempt: 2
returns: ["a",200000]
calls: [101,103,106]
later: [1,2,3,4]
fail: [true,"task Account.fail failed: overdrawn"]
killed: ["ActorDiedError",false]
ready: [1,true]
timeout: [true,"GetTimeoutError","TimeoutError"]
completed: [1,2,3]
mapped: [1,4,9,16]
`;

let values: string | null = null;

for (const driver of RUNTIMES) {
  for (const worker of RUNTIMES) {
    test(`a ${driver} driver with ${worker} workers`, async () => {
      const out = await runProgram(driver, PROGRAM, { args: [worker] });
      const begin = out.indexOf("hole:");
      expect(out.slice(begin)).toBe(EXPECTED);
      values ??= out.slice(0, begin);
      expect(values.split("\n").length).toBe(27);
      expect(out.slice(0, begin)).toBe(values);
    });
  }
}
