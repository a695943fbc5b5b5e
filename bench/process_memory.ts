/**
 * Memory of a process and everything that it started, as the kernel counts it: proportional set size, in which pages that
 * several processes map are divided among them. Linux only.
 * @module
 */
import { readdirSync, readFileSync } from "node:fs";

/** What each kind of process takes, in bytes. */
export interface TreeMemory {
  readonly total: number;
  /** The first process of the tree. */
  readonly root: number;
}

/** The memory of `rootPid` and its descendants now. Processes that end meanwhile count as 0. */
export function treeMemory(rootPid: number): TreeMemory {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (Number.isInteger(pid)) parents.set(pid, parentOf(pid));
  }
  const isInTree = (pid: number): boolean => {
    for (let at: number | undefined = pid; at !== undefined && at > 1; at = parents.get(at)) {
      if (at === rootPid) return true;
    }
    return false;
  };
  let total = 0;
  for (const pid of parents.keys()) if (isInTree(pid)) total += memoryOf(pid);
  return { total, root: memoryOf(rootPid) };
}

function parentOf(pid: number): number {
  const stat = readText(`/proc/${pid}/stat`);
  // The name in parentheses may hold spaces; after it come state and parent.
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1] ?? 0);
}

function memoryOf(pid: number): number {
  const pss = /^Pss:\s+(\d+) kB/m.exec(readText(`/proc/${pid}/smaps_rollup`));
  return pss === null ? 0 : Number(pss[1]) * 1024;
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
