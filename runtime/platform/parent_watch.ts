/**
 * A thread that ends its process when the process's parent is gone: for runtimes and systems that cannot ask the kernel.
 * @module
 */
import process from "node:process";

/** How long a process may outlive its parent. */
export const PARENT_LOOK_MS: number = 500;

/** An orphan gets another parent, so a changed number is all there is to see. SIGKILL: exit() would end only the thread. */
const LOOK = `
const { workerData } = require("node:worker_threads");
const look = () => {
  if (process.ppid !== workerData.parent) process.kill(process.pid, "SIGKILL");
};
setInterval(look, workerData.everyMs);
look();
`;

/** Starts the thread. It does not keep the process alive. */
export function watchParent(): void {
  // Loaded here: processes that ask the kernel start without it.
  const { Worker } = process.getBuiltinModule("node:worker_threads");
  const workerData = { parent: process.ppid, everyMs: PARENT_LOOK_MS };
  const resourceLimits = { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 8 };
  const thread = new Worker(LOOK, { eval: true, workerData, resourceLimits });
  // Without it the process is what it was before: it ends when it next reads the end of its stdin.
  thread.on("error", () => undefined);
  thread.unref();
}
