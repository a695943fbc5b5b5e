/**
 * What an agent tells the head of its worker processes, for people: all of them when anything has changed, else nothing.
 * @module
 */
import type { ActorId, ProcessId } from "../common/ids.ts";
import type { WorkerReport } from "../protocol/messages.ts";
import type { HeadLink } from "./agent_head_link.ts";
import type { WorkerProcesses } from "./agent_workers.ts";

export interface WorkerRowsParts {
  readonly head: HeadLink;
  readonly workers: WorkerProcesses;
  /** What its lease is for; null without one. */
  readonly workOf: (worker: ProcessId) => Pick<WorkerReport, "work" | "bundle"> | null;
  /** The actor that it hosts or constructs. */
  readonly actorOf: (worker: ProcessId) => ActorId | null;
}

export class WorkerRows {
  readonly #parts: WorkerRowsParts;
  #told: string = "";

  constructor(parts: WorkerRowsParts) {
    this.#parts = parts;
  }

  /** Call now and then while the head can be reached. */
  tell(): void {
    const workers = this.rows();
    const text = JSON.stringify(workers);
    if (text === this.#told) return;
    this.#told = text;
    this.#parts.head.notify("reportWorkers", { workers });
  }

  /** The head may be a new one, and has heard nothing. */
  tellAgain(): void {
    this.#told = "";
  }

  /** As they are now. */
  rows(): WorkerReport[] {
    return [...this.#parts.workers.all()].map((worker) => {
      const { id: workerId, child, runtime, jobId, startedMs, ready } = worker;
      const actorId = this.#parts.actorOf(workerId);
      const work = this.#parts.workOf(workerId);
      const state = !ready ? "STARTING" : actorId !== null ? "ACTOR" : work !== null ? "LEASED" : "IDLE";
      return { workerId, pid: child.pid ?? null, runtime, state, jobId, actorId, ...work, startedMs };
    });
  }
}
