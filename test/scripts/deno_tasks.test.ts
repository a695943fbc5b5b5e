/** The tasks of deno.json, with dependencies installed by any package manager. */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "../..");

test("deno task runs Deno, and passes arguments on", () => {
  // Deno's own shell takes node_modules/.bin/deno for JavaScript, which it is not after npm install; sh runs it as it is.
  const { tasks } = JSON.parse(readFileSync(join(root, "deno.json"), "utf8")) as {
    tasks: Record<string, string>;
  };
  for (const command of Object.values(tasks)) expect(command).toMatch(/^sh -c 'exec deno .* "\$@"' --$/);
  const run = spawnSync(join(root, "node_modules/.bin/deno"), ["task", "lint", "--rules"], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1" },
  });
  expect(run.stderr).not.toContain("SyntaxError");
  expect({ status: run.status, out: run.stdout.includes("no-unused-vars") }).toEqual({
    status: 0,
    out: true,
  });
});
