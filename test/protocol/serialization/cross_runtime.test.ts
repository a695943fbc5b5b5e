/**
 * Goal: bytes written by each runtime mean the same on the other two.
 * Method: each runtime encodes the sample values; each decodes what the two others wrote and describes it.
 */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { runProgram, RUNTIMES } from "../../support/run_program.ts";

const PROGRAM = join(import.meta.dir, "cross_runtime_program.ts");

test("bytes written by each runtime are read by the other two", async () => {
  const written = await Promise.all(RUNTIMES.map((runtime) => runProgram(runtime, PROGRAM)));
  const tables = written.map((text) => JSON.parse(text) as Record<string, [string, string]>);
  await Promise.all(RUNTIMES.map(async (reader, r) => {
    for (const [w, writer] of RUNTIMES.entries()) {
      if (w === r) continue;
      const read = JSON.parse(await runProgram(reader, PROGRAM, { input: written[w]! })) as Record<
        string,
        string
      >;
      const expected = Object.fromEntries(Object.entries(tables[w]!).map(([name, [, text]]) => [name, text]));
      expect({ writer, reader, read }).toEqual({ writer, reader, read: expected });
    }
  }));
}, 20_000);
