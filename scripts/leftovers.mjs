/**
 * What a run must not leave behind: its processes, and shared memory whose owner is dead.
 * @module
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";

/** Every process of a run inherits this variable with the run's own value. */
export const RUN_VARIABLE = "MOBULA_TEST_RUN";

/**
 * Waits shortly for a run's processes to end; what is left is described, and killed so that it disturbs nothing else.
 * @param {string} runId
 * @param {ReadonlySet<string>} sharedBefore
 * @returns {Promise<string[]>}
 */
export async function leftovers(runId, sharedBefore) {
  const deadlineMs = Date.now() + 3_000;
  let processes = processesOf(runId);
  while (processes.length > 0 && Date.now() < deadlineMs) {
    await delay(50);
    processes = processesOf(runId);
  }
  for (const { pid } of processes) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It ended just now.
    }
  }
  const shared = [...sharedMemory()].filter((name) => !sharedBefore.has(name));
  return [
    ...processes.map(({ pid, command }) => `process ${pid}: ${command}`),
    ...shared.map((name) => `shared memory /dev/shm/${name}`),
  ];
}

/**
 * Object pools in shared memory (`mobula-<pid>-<random>`) whose owning process is gone.
 * @returns {Set<string>}
 */
export function sharedMemory() {
  const folder = "/dev/shm";
  if (!existsSync(folder)) return new Set();
  return new Set(
    readdirSync(folder).filter((name) => {
      const owner = /^mobula-(\d+)-/.exec(name)?.[1];
      return owner !== undefined && !isAlive(Number(owner));
    }),
  );
}

/** The live processes that carry the run's variable; none where there is no /proc. */
function processesOf(runId) {
  if (!existsSync("/proc/self/environ")) return [];
  const found = [];
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    try {
      if (!readFileSync(`/proc/${name}/environ`, "latin1").includes(`${RUN_VARIABLE}=${runId}`)) continue;
      const command = readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ").trim();
      if (command !== "") found.push({ pid: Number(name), command }); // Without one it is a zombie.
    } catch {
      // It ended while it was looked at, or belongs to somebody else.
    }
  }
  return found;
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}
