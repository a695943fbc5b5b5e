/**
 * Starts itself as a child under the runtime that its first argument names, says the child's pid when that is ready, and
 * waits. The child ends with its parent, and computes meanwhile.
 */
import { endWithParent, spawnRuntime } from "#platform";
import type { RuntimeName } from "../../../runtime/common/task_spec.ts";

const [target] = process.argv.slice(2);
if (target === "child") {
  endWithParent();
  process.stdout.write(`${process.pid}\n`, () => {
    for (;;);
  });
} else {
  const child = spawnRuntime(target as RuntimeName, import.meta.filename, {
    args: ["child"],
    stdio: ["pipe", "pipe", "inherit"],
  });
  child.stdout!.on("data", (text) => process.stdout.write(text));
  setInterval(() => undefined, 60_000);
}
