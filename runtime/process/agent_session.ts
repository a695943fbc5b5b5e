/**
 * An agent's part of the session folder: its sockets, and how much of the machine it offers.
 * @module
 */
import { appendFileSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { join } from "node:path";
import type { NodeId } from "../common/ids.ts";
import { toUnits } from "../common/resources.ts";
import type { NodeResources } from "./config.ts";
import { processStart } from "./session.ts";

/** Pid and start of every worker that was started, one a line. */
const WORKERS_FILE = "workers";

/** What a node offers beside its store: the rest of its memory, less what the system itself needs (Ray: 70 %). */
const MEMORY_SHARE = 0.7;

/** Where an agent's files are. */
export interface AgentPaths {
  /** For this agent alone; removed at its end. */
  readonly dir: string;
  readonly socket: string;
  readonly logs: string;
}

export function agentPaths(sessionDir: string, nodeId: NodeId): AgentPaths {
  // Short: unix socket paths have little room.
  const dir = join(sessionDir, "n", nodeId.slice(2, 10));
  return { dir, socket: join(dir, "a.sock"), logs: join(sessionDir, "logs") };
}

/** Makes the folders; what an agent of the same node left behind when it was killed goes, its workers first. */
export function prepareAgentDir({ dir, logs }: AgentPaths): void {
  killLeftWorkers(dir);
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  mkdirSync(logs, { recursive: true, mode: 0o700 });
}

/** Notes a worker process, so that the node's next agent can end it should this one be killed while it computes. */
export function noteWorker(dir: string, pid: number): void {
  appendFileSync(join(dir, WORKERS_FILE), `${pid} ${processStart(pid) ?? "?"}\n`, { mode: 0o600 });
}

/** Workers end when their agent is gone, but not in the middle of synchronous code. */
function killLeftWorkers(dir: string): void {
  let text: string;
  try {
    text = readFileSync(join(dir, WORKERS_FILE), "utf8");
  } catch {
    return; // The first agent of this node, or one that ended in order.
  }
  for (const line of text.split("\n")) {
    const [pid, start] = line.split(" ");
    // The same number may be another process by now: its start tells.
    if (start === undefined || start === "?" || processStart(Number(pid)) !== start) continue;
    try {
      process.kill(Number(pid), "SIGKILL");
    } catch {
      // It ended just now.
    }
  }
}

/** The node's resources in units: what the user said, and for the rest what the machine has. */
export function resourcesOf(config: NodeResources): Record<string, number> {
  return toUnits({
    memory: Math.floor(totalmem() * MEMORY_SHARE),
    ...config.resources,
    CPU: config.numCpus ?? availableParallelism(),
    GPU: config.numGpus,
  });
}
