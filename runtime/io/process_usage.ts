/**
 * What one process of this host uses. Linux only: elsewhere nothing is known of others.
 * @module
 */
import { readFileSync } from "node:fs";

export interface ProcessUsage {
  /** User and system time since it began. */
  readonly cpuSeconds: number;
  readonly rssBytes: number;
}

/** Ticks of /proc/PID/stat: 100 on every Linux that these runtimes run on. */
const TICKS_PER_SECOND = 100;

/** User and system time of a process since it began; null where it cannot be known, or when it is gone. */
export function processCpuSeconds(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name, in parentheses, may hold anything: fields are counted from behind it; utime and stime are the 14th and 15th.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const ticks = Number(fields[11]) + Number(fields[12]);
    return Number.isFinite(ticks) ? ticks / TICKS_PER_SECOND : null;
  } catch {
    return null;
  }
}

/** Null where it cannot be known, or when the process is gone. */
export function processUsage(pid: number): ProcessUsage | null {
  try {
    const cpuSeconds = processCpuSeconds(pid);
    const rssKilobytes = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    if (cpuSeconds === null || rssKilobytes === undefined) return null;
    return { cpuSeconds, rssBytes: Number(rssKilobytes) * 1024 };
  } catch {
    return null;
  }
}

/** Of this process, everywhere. */
export function ownUsage(): ProcessUsage {
  const { user, system } = process.cpuUsage();
  return { cpuSeconds: (user + system) / 1e6, rssBytes: process.memoryUsage.rss() };
}
