/**
 * The platform contract, checked by one program on each runtime.
 */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { findRuntime } from "../../runtime/platform/spawn.ts";
import { runProgram, RUNTIMES } from "../support/run_program.ts";

const programs = join(import.meta.dirname, "programs");

for (const runtime of RUNTIMES) {
  test(
    `mappings are private, released when their memory is gone, and survive transfers on ${runtime}`,
    async () => {
      expect(JSON.parse(await runProgram(runtime, join(programs, "mappings_program.ts")))).toEqual([]);
    },
    20_000,
  );

  test(`${runtime} starts programs under every runtime, without a shell`, async () => {
    for (const target of RUNTIMES) {
      const out = await runProgram(runtime, join(programs, "spawn_program.ts"), {
        args: [target],
        env: { INHERITED: "no" },
      });
      expect(JSON.parse(out)).toEqual({
        runtime: target,
        rest: ["a b", "$HOME;"],
        cwd: "/",
        env: { given: "yes" },
      });
    }
  });
}

test("the environment names a runtime's binary, and a wrong name is an error that says which", () => {
  const self = { name: "bun", path: process.execPath } as const;
  process.env.MOBULA_DENO = "/nowhere/deno";
  try {
    expect(() => findRuntime("deno", self)).toThrow(
      "MOBULA_DENO is /nowhere/deno, which is not an executable file",
    );
    process.env.MOBULA_DENO = "/bin/sh";
    expect(findRuntime("deno", self)).toBe("/bin/sh");
  } finally {
    delete process.env.MOBULA_DENO;
  }
  expect(findRuntime("deno", self)).toContain("node_modules");
  expect(findRuntime("bun", self)).toBe(process.execPath);
});
