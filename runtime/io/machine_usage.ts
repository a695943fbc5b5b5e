/**
 * What the host's processors, memory, network and disk do: for people, with each heartbeat. Linux in full; elsewhere what
 * there is.
 * @module
 */
import { readFileSync, statfsSync } from "node:fs";
import { cpus, freemem, totalmem } from "node:os";
import type { MachineFigures } from "../protocol/node_rows.ts";
import { readSystemMemory } from "./memory_usage.ts";

/** How often the figures are measured; between, the last ones are told again. */
const INTERVAL_MS = 1_000;

/** The figures of one moment. */
export interface MachineUsage {
  /** Of all processors of this host, 0 to 100, over the last second. */
  readonly cpuPercent: number;
  /** Memory in use on this host, or in the container that this process is in. */
  readonly rssBytes: number;
  readonly machine: MachineFigures;
}

interface Counters {
  readonly atMs: number;
  readonly idleMs: number;
  readonly totalMs: number;
  readonly netIn: number;
  readonly netOut: number;
}

/** Measures this host. */
export class MachineMeter {
  readonly #spillDir: string | null;
  #last: Counters | null = null;
  #usage: MachineUsage | null = null;

  /** @param spillDir where objects are spilled to; null: nowhere. */
  constructor(spillDir: string | null) {
    this.#spillDir = spillDir;
  }

  /** The present figures, at most a second old. Rates are 0 in the first answer. */
  read(): MachineUsage {
    const atMs = performance.now();
    if (this.#usage !== null && this.#last !== null && atMs - this.#last.atMs < INTERVAL_MS) {
      return this.#usage;
    }
    const now = { atMs, ...processorTimes(), ...networkBytes() };
    const before = this.#last ?? now;
    const memory = readSystemMemory() ?? { usedBytes: totalmem() - freemem(), totalBytes: totalmem() };
    this.#last = now;
    this.#usage = {
      cpuPercent: percentBetween(before, now),
      rssBytes: memory.usedBytes,
      machine: {
        memoryBytes: memory.totalBytes,
        netInPerSecond: perSecond(before.netIn, now.netIn, now.atMs - before.atMs),
        netOutPerSecond: perSecond(before.netOut, now.netOut, now.atMs - before.atMs),
        ...this.#disk(),
      },
    };
    return this.#usage;
  }

  #disk(): { diskBytes: number; diskFreeBytes: number } {
    try {
      if (this.#spillDir === null) return { diskBytes: 0, diskFreeBytes: 0 };
      const { blocks, bavail, bsize } = statfsSync(this.#spillDir);
      return { diskBytes: blocks * bsize, diskFreeBytes: bavail * bsize };
    } catch {
      // The folder is made with the first spilled object.
      return { diskBytes: 0, diskFreeBytes: 0 };
    }
  }
}

function processorTimes(): { idleMs: number; totalMs: number } {
  let idleMs = 0, totalMs = 0;
  for (const { times } of cpus()) {
    idleMs += times.idle;
    totalMs += times.user + times.nice + times.sys + times.idle + times.irq;
  }
  return { idleMs, totalMs };
}

function percentBetween(before: Counters, now: Counters): number {
  const spent = now.totalMs - before.totalMs;
  return spent <= 0 ? 0 : Math.round(1000 * (1 - (now.idleMs - before.idleMs) / spent)) / 10;
}

/** A counter that went back was set anew. */
function perSecond(before: number, now: number, ms: number): number {
  return ms <= 0 || now <= before ? 0 : Math.round((now - before) * 1000 / ms);
}

/** Of all interfaces but the loopback; 0 where it is not told. */
export function networkBytes(table: string = networkTable()): { netIn: number; netOut: number } {
  let netIn = 0, netOut = 0;
  for (const line of table.split("\n").slice(2)) {
    const [name, ...fields] = line.trim().split(/[\s:]+/);
    if (name === undefined || name === "" || name === "lo") continue;
    netIn += Number(fields[0]);
    netOut += Number(fields[8]);
  }
  return { netIn, netOut };
}

function networkTable(): string {
  try {
    return readFileSync("/proc/net/dev", "utf8");
  } catch {
    return "";
  }
}
