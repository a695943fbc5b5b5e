/**
 * What a run must not leave behind: its processes, and their shared memory.
 * @module
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";

/** Every process of a run inherits this variable with the run's own value. */
export const RUN_VARIABLE = "MOBULA_TEST_RUN";

/** How often the run's processes are noted: shared memory is blamed on a run by its owner's pid. */
const WATCH_INTERVAL_MS = 200;

/** Watches one run, and tells at its end what is left of it. */
export class RunWatch {
  #runId;
  #pids = new Set();
  #timer;

  /** @param {string} runId the value of RUN_VARIABLE that the run's processes have. */
  constructor(runId) {
    this.#runId = runId;
    this.#timer = setInterval(() => this.#note(), WATCH_INTERVAL_MS);
  }

  /**
   * Waits shortly for the run's processes to end; what is left is described, and killed so that it disturbs nothing else.
   * @returns {Promise<string[]>}
   */
  async end() {
    clearInterval(this.#timer);
    const deadlineMs = Date.now() + 3_000;
    let processes = this.#note();
    while (processes.length > 0 && Date.now() < deadlineMs) {
      await delay(50);
      processes = this.#note();
    }
    for (const { pid } of processes) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It ended just now.
      }
    }
    return [
      ...processes.map(({ pid, command }) => `process ${pid}: ${command}`),
      ...sharedMemory(this.#pids).map((path) => `shared memory ${path}`),
    ];
  }

  #note() {
    const processes = processesOf(this.#runId);
    for (const { pid } of processes) this.#pids.add(pid);
    return processes;
  }
}

/** Object pools in shared memory (`mobula-<pid>-<random>`) of these processes. */
function sharedMemory(pids) {
  const folder = "/dev/shm";
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((name) => pids.has(Number(/^mobula-(\d+)-/.exec(name)?.[1])))
    .map((name) => `${folder}/${name}`);
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
