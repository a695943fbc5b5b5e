/**
 * A worker's process, started by the agent with a WorkerConfig in the environment.
 * @module
 */
import process from "node:process";
import { PROCESS_CONFIG_VARIABLE } from "./config.ts";
import { endWithParent, runtimeName } from "#platform";
import { dropStartVariables } from "./start_variables.ts";
import { Worker, type WorkerConfig } from "./worker.ts";

/** Be the worker that the environment says; ends the process when it cannot. */
export function runWorker(): void {
  const config = JSON.parse(process.env[PROCESS_CONFIG_VARIABLE] ?? "null") as WorkerConfig | null;
  if (config === null) {
    console.error(`${PROCESS_CONFIG_VARIABLE} is not set: workers are started by an agent`);
    process.exit(64);
  }
  // User code sees the environment that it was given, not our own.
  delete process.env[PROCESS_CONFIG_VARIABLE];
  dropStartVariables(runtimeName, process.env);

  // A promise that user code forgot is the task's mistake, not the end of the worker.
  process.on(
    "unhandledRejection",
    (reason) => console.error("mobula: unhandled rejection in user code:", reason),
  );
  // The agent's end of the pipe closes when the agent is gone, however it went. Code that never yields does not see that: for
  // it there is the kernel, or a thread. An agent that was gone before will not be missed by either.
  // A restricted worker may neither: its starter has asked the kernel.
  const isEndedByKernel = config.secret === null && endWithParent();
  if (config.agentPid !== process.ppid && !isAlive(config.agentPid)) process.exit(1);
  // Opening it takes a tenth of a start, and who is killed needs to read nothing.
  if (!isEndedByKernel) {
    process.stdin.on("end", () => process.exit(1)).on("error", () => process.exit(1)).resume();
  }

  Worker.start(config).catch((error) => {
    console.error(`worker ${config.workerId} cannot start: ${(error as Error).stack}`);
    process.exit(1);
  });
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as { code?: string }).code === "EPERM";
  }
}
