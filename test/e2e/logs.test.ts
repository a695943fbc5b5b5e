/** What workers print reaches their driver's stderr: labelled, whole, counted where it is too much, and before the driver is gone. */
import { afterAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { watchLeftovers } from "../support/leftovers.ts";
import { runtimeCommand, RUNTIMES } from "../support/run_program.ts";

const leftovers = watchLeftovers();
afterAll(() => leftovers.check());

function run(runtime: string, ...args: string[]): { stdout: string; stderr: string } {
  const [binary, ...rest] = runtimeCommand("bun", join(import.meta.dirname, "programs/printing.ts"));
  const ended = spawnSync(binary!, [...rest, runtime, ...args], {
    encoding: "utf8",
    maxBuffer: 64 << 20,
    env: { ...process.env, NO_COLOR: "1" },
  });
  expect(ended.status).toBe(0);
  return ended;
}

for (const runtime of RUNTIMES) {
  test(
    `lines of workers on ${runtime}: of two nodes, of an actor, too many at once, of one that is killed`,
    () => {
      const { stdout, stderr } = run(runtime);
      expect(stdout).toBe("it died\n");
      const place = String.raw`pid=\d+ n-[\da-f]{8}`;
      for (const word of ["one", "two"]) {
        expect(stderr).toMatch(new RegExp(`^\\(say#\\d+ ${place}\\) log ${word}$`, "m"));
        expect(stderr).toMatch(new RegExp(`^\\(say#\\d+ ${place}\\) part of ${word}, and its end$`, "m"));
        expect(stderr).toMatch(new RegExp(`^\\(say#\\d+ ${place}\\) error ${word}$`, "m"));
      }
      const nodes = new Set(
        Array.from(stderr.matchAll(/^\(say#\d+ pid=\d+ (n-\S+)\)/gm), ([, node]) => node),
      );
      expect(nodes.size).toBe(2);
      expect(stderr).toMatch(new RegExp(`^\\(Speaker:herald ${place}\\) from an actor$`, "m"));
      expect(stderr).toMatch(new RegExp(`^\\(lastWords#\\d+ ${place}\\) these are my last words$`, "m"));
      expect(stderr).toMatch(new RegExp(`^\\(lastWords#\\d+ ${place}\\) and these have no end$`, "m"));
      // Not one line is lost without being counted, and the last ones are there.
      const shown = stderr.match(/\) flood \d+$/gm)!.length;
      const dropped = Array.from(
        stderr.matchAll(/\[dropped (\d+) lines; mobula logs w-\w+ has them\]/g),
        ([, n]) => Number(n),
      );
      expect(shown + dropped.reduce((sum, n) => sum + n, 0)).toBe(200_000);
      expect(stderr).toContain("flood 199999\n");
      expect(stderr).not.toContain("\x1e");
    },
    30_000,
  );
}

test("logToDriver: false keeps all of it back", () => {
  const { stdout, stderr } = run("bun", "quiet");
  expect(stdout).toBe("it died\n");
  expect(stderr).toBe("");
}, 30_000);
