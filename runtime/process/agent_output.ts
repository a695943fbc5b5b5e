/**
 * Which driver hears what a worker printed: those of its job, at this node or at the one that leased it. Before a driver
 * ends, its node asks for what is still to come.
 * @module
 */
import type { JobId, NodeId } from "../common/ids.ts";
import type { OutputBatch } from "../common/log_lines.ts";
import type { TailedLines } from "./agent_logs.ts";
import type { AgentParts } from "./agent_handlers.ts";
import type { Peers } from "./agent_peers.ts";
import type { AttachedProcess, ProcessTable } from "./agent_processes.ts";
import type { WorkerProcess } from "./agent_workers.ts";

/** A driver's end waits so long for other nodes. */
const PEER_ANSWER_MS = 1_000;
const EMPTY: Record<string, never> = {};

/** See the module's header. */
export class OutputRouter {
  readonly #nodeId: NodeId;
  readonly #processes: ProcessTable;
  readonly #peers: Peers;
  readonly #parts: () => AgentParts;
  /** While a peer asks for the rest: it is answered with, not sent. */
  #collected: { readonly jobId: JobId; readonly batches: OutputBatch[] } | null = null;

  constructor(nodeId: NodeId, processes: ProcessTable, peers: Peers, parts: () => AgentParts) {
    this.#nodeId = nodeId;
    this.#processes = processes;
    this.#peers = peers;
    this.#parts = parts;
  }

  /** False when the worker has no job yet. */
  deliver({ id, child, jobId, homeNode }: WorkerProcess, lines: readonly TailedLines[]): boolean {
    if (jobId === null || homeNode === null) return false;
    const batches = lines.map(({ mark, level, lines, dropped }): OutputBatch => ({
      name: mark?.name ?? null,
      pid: child.pid ?? 0,
      node: this.#nodeId,
      worker: id,
      level,
      lines,
      dropped,
    }));
    if (homeNode === this.#nodeId) this.#processes.output(jobId, batches);
    else if (this.#collected?.jobId === jobId) this.#collected.batches.push(...batches);
    else {
      this.#peers.connect(homeNode).then((rpc) => rpc.notify("output", { jobId, batches }), () => undefined);
    }
    return true;
  }

  /** From another node. */
  arrived(jobId: JobId, batches: readonly OutputBatch[]): void {
    this.#processes.output(jobId, batches);
  }

  /** What the job's workers here have printed and nobody has heard. */
  collect(jobId: JobId): OutputBatch[] {
    const batches: OutputBatch[] = [];
    this.#collected = { jobId, batches };
    try {
      this.#parts().workers.flushOutput(jobId);
    } finally {
      this.#collected = null;
    }
    return batches;
  }

  /** AgentMethods.flushOutput */
  async flushFor({ jobId, role, quiet }: AttachedProcess): Promise<Record<string, never>> {
    if (role !== "driver" || jobId === null || quiet) return EMPTY;
    this.#parts().workers.flushOutput(jobId);
    await Promise.all(
      this.#peers.connected().map(async (rpc) => {
        try {
          const asked = rpc.request("flushOutput", { jobId }, [], { timeoutMs: PEER_ANSWER_MS });
          this.#processes.output(jobId, (await asked).result.batches);
        } catch {
          // It is gone, or busy: what it has is in its files.
        }
      }),
    );
    return EMPTY;
  }
}
