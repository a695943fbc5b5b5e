/**
 * Starts itself under the runtime that its first argument names, and prints what the child printed: the child tells its
 * runtime, arguments, folder and environment.
 */
import { runtimeName, spawnRuntime } from "#platform";
import type { RuntimeName } from "../../../runtime/common/task_spec.ts";

const [target, ...rest] = process.argv.slice(2);
if (target === "child") {
  console.log(JSON.stringify({
    runtime: runtimeName,
    rest,
    cwd: process.cwd(),
    env: { given: process.env.GIVEN, inherited: process.env.INHERITED },
  }));
} else {
  const child = spawnRuntime(target as RuntimeName, import.meta.filename, {
    args: ["child", "a b", "$HOME;"],
    cwd: "/",
    env: { PATH: process.env.PATH, GIVEN: "yes" },
    stdio: ["ignore", "inherit", "inherit"],
  });
  child.on("close", (code) => process.exit(code ?? 1));
}
