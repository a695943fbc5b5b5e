/**
 * What a process and everything that it started takes, as the kernel counts it. Linux only.
 * @module
 */
import { readdirSync, readFileSync } from "node:fs";

/** In bytes: the proportional set size, in which pages that several processes map are divided among them. */
export interface TreeMemory {
  readonly total: number;
  /** The first process of the tree. */
  readonly root: number;
}

/** The memory of a process and its descendants now. What ends meanwhile counts as 0. */
export function treeMemory(rootPid: number): TreeMemory {
  let total = 0;
  for (const pid of treeOf(rootPid)) total += processMemory(pid);
  return { total, root: processMemory(rootPid) };
}

/**
 * Microseconds that all threads of a process and its descendants have run; with `program`, of those whose command line
 * contains it. What ended is not counted.
 */
export function treeCpuUs(rootPid: number, program = ""): number {
  let total = 0;
  for (const us of treeCpu(rootPid, program).values()) total += us;
  return total;
}

/** The same, by process. */
export function treeCpu(rootPid: number, program = ""): Map<number, number> {
  const byProcess = new Map<number, number>();
  for (const pid of treeOf(rootPid)) {
    if (program !== "" && !commandLineOf(pid).includes(program)) continue;
    let nanoseconds = 0;
    for (const thread of namesIn(`/proc/${pid}/task`)) {
      nanoseconds += Number(readText(`/proc/${pid}/task/${thread}/schedstat`).split(" ")[0]);
    }
    byProcess.set(pid, nanoseconds / 1_000);
  }
  return byProcess;
}

/** The newest process of the tree whose command line contains `program`. @throws {Error} when there is none. */
export function processIn(rootPid: number, program: string): number {
  const found = treeOf(rootPid).filter((pid) => commandLineOf(pid).includes(program));
  if (found.length === 0) throw new Error(`there is no process of ${program}`);
  return Math.max(...found);
}

function commandLineOf(pid: number): string {
  return readText(`/proc/${pid}/cmdline`);
}

function treeOf(rootPid: number): number[] {
  const parents = new Map<number, number>();
  for (const name of namesIn("/proc")) {
    const pid = Number(name);
    if (Number.isInteger(pid)) parents.set(pid, parentOf(pid));
  }
  return [...parents.keys()].filter((pid) => {
    for (let at: number | undefined = pid; at !== undefined && at > 1; at = parents.get(at)) {
      if (at === rootPid) return true;
    }
    return false;
  });
}

function parentOf(pid: number): number {
  const stat = readText(`/proc/${pid}/stat`);
  // The name in parentheses may hold spaces; after it come state and parent.
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1] ?? 0);
}

/** As TreeMemory.root: of this process alone. */
export function processMemory(pid: number): number {
  const pss = /^Pss:\s+(\d+) kB/m.exec(readText(`/proc/${pid}/smaps_rollup`));
  return pss === null ? 0 : Number(pss[1]) * 1024;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
