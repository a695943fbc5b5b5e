/**
 * An agent's part of the session folder: its sockets, and how much of the machine it offers.
 * @module
 */
import { mkdirSync, rmSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { join } from "node:path";
import type { NodeId } from "../common/ids.ts";
import { toUnits } from "../common/resources.ts";
import type { NodeResources } from "./config.ts";

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

/** Makes the folders; what an agent of the same node left behind when it was killed goes. */
export function prepareAgentDir({ dir, logs }: AgentPaths): void {
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  mkdirSync(logs, { recursive: true, mode: 0o700 });
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
