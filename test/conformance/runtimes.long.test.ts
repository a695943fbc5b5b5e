/** Every behaviour case with workers on Deno and on Node; the ordinary run has them on Bun. */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { RUNTIME_VARIABLE } from "./cases.ts";

const FILE_TIMEOUT_MS = 900_000;
/** Those outside of this folder that name many cases. */
const OTHERS = ["actors", "names", "tasks", "waiting"].map((name) => `../e2e/${name}.test.ts`);
const files = readdirSync(import.meta.dirname).filter((name) =>
  /(?<!\.long)\.test\.ts$/.test(name) && name !== "cases.test.ts"
).concat(OTHERS);

for (const runtime of ["deno", "node"]) {
  for (const file of files) {
    test(
      `${file} with workers on ${runtime}`,
      () => {
        const path = join(import.meta.dirname, file);
        const args = ["test", "--timeout", "120000", path];
        const env = { ...process.env, [RUNTIME_VARIABLE]: runtime };
        const { status, stderr } = spawnSync(process.execPath, args, { env, encoding: "utf8" });
        expect(status, stderr).toBe(0);
      },
      FILE_TIMEOUT_MS,
    );
  }
}
