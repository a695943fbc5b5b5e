/**
 * The memory monitor at work: reads the node's memory now and then, and kills the worker that the machine names
 * (core/scheduler/memory_monitor.ts). The cause that it leaves behind is what people read in OutOfMemoryError.
 * @module
 */
import { type MemorySettings, memorySettings } from "../io/environment.ts";
import {
  type MemoryReader,
  type MemoryUsage,
  type ProcessMemory,
  processMemory,
  readMemoryFile,
  readSystemMemory,
} from "../io/memory_usage.ts";
import type { NodeId, ProcessId } from "../common/ids.ts";
import type { DeathCause } from "../common/task_spec.ts";
import { type MemoryKill, MemoryMonitor } from "../core/scheduler/memory_monitor.ts";
import type { LocalScheduler } from "../core/scheduler/local_scheduler.ts";
import type { WorkerProcesses } from "./agent_workers.ts";

/** Processes that a cause names, the largest first. */
const TOP_PROCESSES = 5;

export interface MemoryParts {
  readonly nodeId: NodeId;
  readonly scheduler: LocalScheduler;
  readonly workers: WorkerProcesses;
  readonly log: (text: string) => void;
}

export class MemoryWatch {
  readonly #parts: MemoryParts;
  readonly #monitor: MemoryMonitor;
  readonly #read: MemoryReader;
  readonly #timer: ReturnType<typeof setInterval> | undefined;

  /** `settings`: by default those of the environment, which must be valid. */
  constructor(parts: MemoryParts, settings: MemorySettings = memorySettings()) {
    this.#parts = parts;
    this.#monitor = new MemoryMonitor(settings);
    const { testFile, intervalMs } = settings;
    this.#read = testFile === null ? readSystemMemory : () => readMemoryFile(testFile);
    if (intervalMs > 0) this.#timer = setInterval(() => this.#look(), intervalMs);
  }

  /** Workers that were ended for low memory since this agent began. */
  get kills(): number {
    return this.#monitor.kills;
  }

  workerExited(workerId: ProcessId): void {
    this.#monitor.step({ type: "workerExited", workerId });
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const usage = this.#read();
    if (usage === null) return;
    // The candidates are asked for only then: this runs four times a second for ever.
    if (usage.usedBytes <= this.#monitor.thresholdOf(usage.totalBytes)) return;
    const candidates = this.#parts.scheduler.running();
    const kill = this.#monitor.step({ type: "read", ...usage, candidates });
    if (kill === null) return;
    const name = candidates.find(({ workerId }) => workerId === kill.workerId)!.name;
    const cause: DeathCause = { code: "OUT_OF_MEMORY", message: this.#describe(kill, usage, name) };
    this.#parts.log(cause.message);
    this.#parts.workers.stop(kill.workerId, { force: true, idle: false, cause });
  }

  #describe({ workerId, thresholdBytes }: MemoryKill, usage: MemoryUsage, name: string): string {
    const processes = [...this.#parts.workers.all()].flatMap(({ child }) => {
      const memory = child.pid === undefined ? null : processMemory(child.pid);
      return memory === null ? [] : [memory];
    });
    const own = processMemory(process.pid);
    if (own !== null) processes.push({ ...own, name: "agent" });
    const pid = this.#parts.workers.get(workerId)?.child.pid ?? null;
    const bytes = processes.find((each) => each.pid === pid)?.bytes ?? 0;
    processes.sort((a, b) => b.bytes - a.bytes);
    const top = processes.slice(0, TOP_PROCESSES).map(({ pid, name, bytes }: ProcessMemory) =>
      `${name} (pid ${pid}) ${mebibytes(bytes)}`
    );
    return `node ${this.#parts.nodeId} is low on memory (${mebibytes(usage.usedBytes)} of ` +
      `${mebibytes(usage.totalBytes)} in use, the threshold is ${
        mebibytes(thresholdBytes)
      }), so that its worker ` +
      `${workerId} (pid ${pid ?? "?"}), which ran ${name} and used ${mebibytes(bytes)}, was ended; ` +
      `most memory here: ${
        top.join(", ")
      }. Ask for memory with the option \`memory\`, run fewer tasks at once ` +
      `(numCpus), or change MOBULA_MEMORY_USAGE_THRESHOLD`;
  }
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
