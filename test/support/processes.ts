/**
 * Processes of a test's cluster by their pid, and promises that must reject.
 * @module
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { waitFor } from "./wait_for.ts";

/** Whether the process runs; a zombie does not. */
export function isAlive(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false;
  }
}

/** The one child of a process whose command names `entry`, such as "store_process". Throws when there is none. */
export function childOf(pid: number, entry: string): number {
  const { stdout } = spawnSync("pgrep", ["-P", String(pid), "-f", entry], { encoding: "utf8" });
  const pids = stdout.trim().split("\n").filter((line) => line !== "");
  if (pids.length !== 1) throw new Error(`process ${pid} has ${pids.length} children that run ${entry}`);
  return Number(pids[0]);
}

/** kill -9, and wait until it is gone. */
export async function endProcess(pid: number): Promise<void> {
  process.kill(pid, "SIGKILL");
  await waitFor(`process ${pid} is gone`, () => !isAlive(pid));
}

/** What a promise rejects with; throws when it does not. */
export async function rejection<E = Error>(promise: Promise<unknown>): Promise<E> {
  const outcome = await promise.then((value) => ({ value }), (error: E) => ({ error }));
  if ("value" in outcome) throw new Error(`It resolved, with ${JSON.stringify(outcome.value)}`);
  return outcome.error;
}
