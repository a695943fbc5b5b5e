/**
 * Processes that inherited variables of an environment, also those that left their parent's group and session. Linux tells
 * (/proc); elsewhere none are found. Those of other users, whose environment is not readable, are none of them.
 * @module
 */
import { readdirSync, readFileSync } from "node:fs";

/** Pids of processes that began with all of these, but for those of one process group. */
export function markedProcesses(variables: Readonly<Record<string, string>>, exceptGroup: number): number[] {
  const marks = Object.entries(variables).map(([name, value]) => `\0${name}=${value}\0`);
  let names: string[];
  try {
    names = readdirSync("/proc");
  } catch {
    return [];
  }
  return names.filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    const environment = environmentOf(pid);
    if (environment === null || !marks.every((mark) => environment.includes(mark))) return false;
    return groupOf(pid) !== exceptGroup;
  });
}

/** After the name in brackets: state, parent, group. */
function groupOf(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[2]);
  } catch {
    return null;
  }
}

function environmentOf(pid: number): string | null {
  try {
    return `\0${readFileSync(`/proc/${pid}/environ`, "utf8")}`;
  } catch {
    return null; // It has ended, or is another user's.
  }
}
