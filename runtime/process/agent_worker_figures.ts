/**
 * What the worker processes of this node use of their host, told to the head now and then, for people. A few are looked at
 * with each heartbeat, in turns: a node may have a thousand of them. Linux only; elsewhere nothing is told.
 * @module
 */
import type { ProcessId } from "../common/ids.ts";
import { processMemory } from "../io/memory_usage.ts";
import { processCpuSeconds } from "../io/process_usage.ts";
import type { WorkerFigures } from "../protocol/node_questions.ts";
import type { HeadLink } from "./agent_head_link.ts";
import type { WorkerProcesses } from "./agent_workers.ts";

/** Processes that are looked at with one heartbeat; 30 to 60 us each. */
const LOOKED_AT_ONCE = 16;
/** One process is looked at this often at most. */
const INTERVAL_MS = 1_900;
/** Smaller changes are no news. */
const BYTES_STEP = 1024 * 1024;
const PERCENT_STEP = 2;

interface Seen {
  atMs: number;
  cpuMs: number;
  told: WorkerFigures | null;
}

/** See the module's header. */
export class WorkerFigureReports {
  readonly #head: HeadLink;
  readonly #workers: WorkerProcesses;
  /** Those that were looked at last come last. */
  readonly #seen = new Map<ProcessId, Seen>();

  constructor(head: HeadLink, workers: WorkerProcesses) {
    this.#head = head;
    this.#workers = workers;
  }

  /** With each heartbeat. */
  tell(nowMs: number = performance.now()): void {
    for (const { id } of this.#workers.all()) {
      if (!this.#seen.has(id)) this.#seen.set(id, { atMs: -Infinity, cpuMs: 0, told: null });
    }
    const figures: WorkerFigures[] = [];
    let looked = 0;
    for (const [id, seen] of [...this.#seen]) {
      if (looked === LOOKED_AT_ONCE || nowMs - seen.atMs < INTERVAL_MS) break;
      looked++;
      this.#seen.delete(id);
      const pid = this.#workers.get(id)?.child.pid;
      if (pid === undefined) continue;
      const now = look(id, pid, nowMs, seen);
      if (now === null) continue;
      this.#seen.set(id, seen);
      if (isNews(seen.told, now)) figures.push(seen.told = now);
    }
    if (figures.length > 0) this.#head.notify("reportWorkerFigures", { figures });
  }

  /** The head may be a new one. */
  tellAgain(): void {
    for (const seen of this.#seen.values()) seen.told = null;
  }
}

/** Null for a process that is gone. */
function look(workerId: ProcessId, pid: number, nowMs: number, seen: Seen): WorkerFigures | null {
  const memory = processMemory(pid);
  const cpuSeconds = processCpuSeconds(pid);
  if (memory === null || cpuSeconds === null) return null;
  const cpuMs = cpuSeconds * 1_000;
  const passed = nowMs - seen.atMs;
  const cpuPercent = Number.isFinite(passed) && passed > 0
    ? Math.max(0, Math.round(100 * (cpuMs - seen.cpuMs) / passed))
    : 0;
  seen.atMs = nowMs;
  seen.cpuMs = cpuMs;
  return { workerId, rssBytes: memory.bytes, cpuPercent };
}

function isNews(told: WorkerFigures | null, now: WorkerFigures): boolean {
  return told === null || Math.abs(told.rssBytes - now.rssBytes) >= BYTES_STEP ||
    Math.abs(told.cpuPercent - now.cpuPercent) >= PERCENT_STEP ||
    (now.cpuPercent === 0 && told.cpuPercent !== 0);
}
