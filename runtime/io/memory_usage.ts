/**
 * How much memory this host, or the container that this process is in, uses and has. Linux only: elsewhere nothing is known.
 * @module
 */
import { readFileSync } from "node:fs";

export interface MemoryUsage {
  readonly usedBytes: number;
  readonly totalBytes: number;
}

/** One process's own memory, without what it shares with others (the object store). */
export interface ProcessMemory {
  readonly pid: number;
  readonly name: string;
  readonly bytes: number;
}

/** Reads the present figures; null where they cannot be known. */
export type MemoryReader = () => MemoryUsage | null;

/** What the system says: the host's, or the limit of the control group (version 2 or 1) where that is smaller. */
export function readSystemMemory(): MemoryUsage | null {
  const host = hostMemory();
  if (host === null) return null;
  const group = groupMemory();
  return group !== null && group.totalBytes < host.totalBytes ? group : host;
}

/** For tests: "USED TOTAL" in bytes from a file; null while it is not there. */
export function readMemoryFile(path: string): MemoryUsage | null {
  const [used, total] = (text(path) ?? "").trim().split(/\s+/).map(Number);
  return Number.isFinite(used) && Number.isFinite(total) ? { usedBytes: used!, totalBytes: total! } : null;
}

function hostMemory(): MemoryUsage | null {
  const info = text("/proc/meminfo");
  const kilobytes = (name: string): number =>
    Number(new RegExp(`^${name}: +(\\d+)`, "m").exec(info ?? "")?.[1]);
  const total = kilobytes("MemTotal") * 1024;
  const available = kilobytes("MemAvailable") * 1024;
  if (Number.isNaN(total) || Number.isNaN(available)) return null;
  return { usedBytes: total - available, totalBytes: total };
}

/** Page cache that can be dropped at once does not count as used. */
function groupMemory(): MemoryUsage | null {
  for (const line of (text("/proc/self/cgroup") ?? "").split("\n")) {
    const [id, controllers, path] = line.split(":");
    const isV2 = id === "0" && controllers === "";
    if (path === undefined || !(isV2 || controllers!.split(",").includes("memory"))) continue;
    const folders = isV2
      ? [`/sys/fs/cgroup${path}`, "/sys/fs/cgroup"]
      : [`/sys/fs/cgroup/memory${path}`, "/sys/fs/cgroup/memory"];
    for (const folder of folders) {
      const usage = isV2
        ? groupUsage(folder, "memory.max", "memory.current", ["inactive_file", "active_file"])
        : groupUsage(folder, "memory.limit_in_bytes", "memory.usage_in_bytes", [
          "total_inactive_file",
          "total_active_file",
        ]);
      if (usage !== null) return usage;
    }
  }
  return null;
}

function groupUsage(
  folder: string,
  limit: string,
  current: string,
  cached: readonly string[],
): MemoryUsage | null {
  // "max" where there is no limit.
  const totalBytes = Number(text(`${folder}/${limit}`) ?? "max");
  const usedBytes = Number(text(`${folder}/${current}`) ?? "none");
  if (Number.isNaN(totalBytes) || Number.isNaN(usedBytes)) return null;
  const stat = text(`${folder}/memory.stat`) ?? "";
  let cache = 0;
  for (const name of cached) cache += Number(new RegExp(`^${name} (\\d+)`, "m").exec(stat)?.[1] ?? 0);
  return { usedBytes: Math.max(0, usedBytes - cache), totalBytes };
}

/** A process's own memory; null when it is gone or cannot be looked at. */
export function processMemory(pid: number): ProcessMemory | null {
  const status = text(`/proc/${pid}/status`);
  const kilobytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status ?? "")?.[1] ?? 0);
  const name = /^Name:\s+(.+)$/m.exec(status ?? "")?.[1];
  if (name === undefined) return null;
  return { pid, name, bytes: (kilobytes("VmRSS") - kilobytes("RssShmem")) * 1024 };
}

function text(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
