/**
 * The processes that are attached to an agent: drivers and workers, by their connections.
 * @module
 */
import type { ActorId, JobId, ProcessId } from "../common/ids.ts";
import type { OutputBatch } from "../common/log_lines.ts";
import type { DriverRuntime } from "../common/task_spec.ts";
import type { AgentMethods, CoreMethods, MessageLevel } from "../protocol/messages.ts";
import type { Sandbox } from "./agent_sandbox.ts";
import type { Rpc } from "../io/transport/rpc.ts";

export type ProcessRpc = Rpc<AgentMethods, CoreMethods>;

/** One attached process. */
export interface AttachedProcess {
  readonly id: ProcessId;
  readonly role: "driver" | "worker";
  readonly rpc: ProcessRpc;
  readonly pid: number;
  readonly runtime: DriverRuntime;
  /** On another host, or without access to this node's memory: objects come and go by messages. */
  readonly remote: boolean;
  /** What a restricted worker may ask for; null: everything that its role may. */
  readonly sandbox: Sandbox | null;
  /** A driver's job once it is registered; a worker's once it is bound. */
  jobId: JobId | null;
  namespace: string;
  /** Objects and actors that it owns and that are counted here: an idle worker with any is not reaped. */
  owned: number;
  /** A driver that does not want to hear what its job's workers print. */
  quiet: boolean;
  /** The driver said good-bye: its end is no failure. */
  ended: boolean;
  readonly watching: Set<ActorId>;
}

/** Processes attached at once. */
const PROCESSES_MAX = 10_000;

export class ProcessTable {
  readonly #processes: Map<ProcessId, AttachedProcess> = new Map();

  get size(): number {
    return this.#processes.size;
  }
  get isFull(): boolean {
    return this.#processes.size >= PROCESSES_MAX;
  }
  get(id: ProcessId): AttachedProcess | undefined {
    return this.#processes.get(id);
  }
  all(): Iterable<AttachedProcess> {
    return this.#processes.values();
  }
  add(process: AttachedProcess): void {
    this.#processes.set(process.id, process);
  }
  delete(id: ProcessId): void {
    this.#processes.delete(id);
  }

  get hasDrivers(): boolean {
    for (const { role } of this.#processes.values()) if (role === "driver") return true;
    return false;
  }

  drivers(): { driverId: ProcessId; jobId: JobId }[] {
    const drivers: { driverId: ProcessId; jobId: JobId }[] = [];
    for (const { id, role, jobId } of this.#processes.values()) {
      if (role === "driver" && jobId !== null) drivers.push({ driverId: id, jobId });
    }
    return drivers;
  }

  /** Tell a process; one that is gone needs no telling. */
  notify<K extends keyof CoreMethods & string>(
    id: ProcessId,
    method: K,
    params: CoreMethods[K]["params"],
    sections?: readonly Uint8Array[],
  ): void {
    this.#processes.get(id)?.rpc.notify(method, params as never, sections);
  }

  /** What a job's workers printed, to its drivers here that want it. */
  output(jobId: JobId, batches: readonly OutputBatch[]): void {
    for (const { role, rpc, jobId: own, quiet } of this.#processes.values()) {
      if (role === "driver" && own === jobId && !quiet) rpc.notify("output", { batches });
    }
  }

  /** A line for the user: to the job's drivers here, or to all of them when it is nobody's. */
  message(jobId: JobId | null, level: MessageLevel, text: string): void {
    for (const { role, rpc, jobId: own } of this.#processes.values()) {
      if (role === "driver" && (jobId === null || own === jobId)) rpc.notify("message", { level, text });
    }
  }
}
