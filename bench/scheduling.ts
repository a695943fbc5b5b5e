/**
 * Decisions of the global scheduler: the real machine with simulated nodes, in simulated time. Nodes of 16 CPUs are kept 70 %
 * full with tasks of a second, so that below and above half use both occur, and heartbeats come as they do in a cluster:
 * one for about six decisions, whatever the number of nodes. Their cost is in the figures.
 * @module
 */
import { HEARTBEAT_INTERVAL_MS } from "../runtime/common/config.ts";
import type { JobId, NodeId, ObjectId } from "../runtime/common/ids.ts";
import { toUnits } from "../runtime/common/resources.ts";
import { GlobalScheduler } from "../runtime/core/scheduler/global_scheduler.ts";
import type { PickRequest } from "../runtime/core/scheduler/pick_request.ts";
import type { ArgumentPlace } from "../runtime/core/scheduler/scheduling_policy.ts";
import type { Heartbeat } from "../runtime/protocol/messages.ts";
import type { Contestant } from "./timing.ts";

/** Numbers of nodes that are compared; mobula's row is the largest. */
export const NODE_COUNTS = [10, 100, 1_000] as const;
/** What a decision may cost at 1,000 nodes, in times of what it costs at 10. */
export const COST_GROWTH_MAX = 3;

const NODE_CPUS = 16;
const USED_SHARE = 0.7;
const TASK_MS = 1_000;
const ONE_CPU = toUnits({ CPU: 1 });
const ARGUMENT = "o-bench-1.0" as ObjectId;

/** Requests without arguments, with a stored one of 64 MB that three nodes hold, or spread. */
export type Kind = "plain" | "argument" | "spread";

class Cluster {
  readonly #nodes: { nodeId: NodeId; running: number }[];
  readonly #byId: Map<NodeId, { running: number }>;
  readonly #scheduler: GlobalScheduler;
  readonly #kind: Kind;
  /** Nodes of the running tasks, in the order in which they end: a ring. */
  readonly #running: (NodeId | null)[];
  #decisions: number = 0;
  #heartbeats: number = 0;
  #nowMs: number = 0;

  constructor(count: number, kind: Kind) {
    this.#kind = kind;
    this.#nodes = Array.from({ length: count }, (_, index) => ({
      nodeId: `n-${index.toString(16).padStart(16, "0")}` as NodeId,
      running: 0,
    }));
    this.#byId = new Map(this.#nodes.map((node) => [node.nodeId, node]));
    this.#running = new Array(Math.round(count * NODE_CPUS * USED_SHARE)).fill(null);
    const holders = [1, 2, 3].map((third) => this.#nodes[Math.floor((count * third) / 4)]!.nodeId);
    const place: ArgumentPlace = { bytes: 64_000_000, nodes: new Set(holders) };
    this.#scheduler = new GlobalScheduler(() => place);
    const resources = toUnits({ CPU: NODE_CPUS, memory: 64e9 });
    for (const { nodeId } of this.#nodes) {
      this.#scheduler.step(0, { type: "nodeJoined", nodeId, resources, labels: {} });
    }
    // To the state that stays: every task slot used, every node heard of.
    for (let index = 0; index < 2 * this.#running.length; index++) this.decide();
  }

  /** One decision, with what happens in the cluster meanwhile. */
  decide(): void {
    const slot = this.#decisions++ % this.#running.length;
    this.#nowMs = (this.#decisions * TASK_MS) / this.#running.length;
    const ended = this.#running[slot] ?? null;
    if (ended !== null) this.#byId.get(ended)!.running--;
    const dueHeartbeats = (this.#nowMs / HEARTBEAT_INTERVAL_MS) * this.#nodes.length;
    while (this.#heartbeats < dueHeartbeats) this.#heartbeat();
    const request = this.#request();
    const [effect] = this.#scheduler.step(this.#nowMs, { type: "requestPick", request });
    if (effect?.type !== "picked") throw new Error(`no node was picked: ${JSON.stringify(effect)}`);
    this.#running[slot] = effect.nodeId;
    this.#byId.get(effect.nodeId)!.running++;
  }

  #request(): PickRequest {
    return {
      key: `w-bench/r${this.#decisions}`,
      kind: "task",
      asker: this.#nodes[this.#decisions % this.#nodes.length]!.nodeId,
      jobId: "j-bench" as JobId,
      name: "work",
      resources: ONE_CPU,
      strategy: this.#kind === "spread" ? { type: "spread" } : { type: "hybrid" },
      args: this.#kind === "argument"
        ? [{ id: ARGUMENT, home: this.#nodes[0]!.nodeId, bytes: 64_000_000 }]
        : [],
      exclude: [],
    };
  }

  #heartbeat(): void {
    const { nodeId, running } = this.#nodes[this.#heartbeats % this.#nodes.length]!;
    this.#heartbeats++;
    const waiting = Math.max(0, running - NODE_CPUS);
    const heartbeat: Heartbeat = {
      nodeId,
      epoch: 1,
      sequence: this.#heartbeats,
      available: toUnits({ CPU: Math.max(0, NODE_CPUS - running), memory: 64e9 }),
      demand: [],
      storeUsedBytes: 0,
      storeObjects: 0,
      storeSpilledBytes: 0,
      workers: running,
      cpuPercent: 0,
      rssBytes: 0,
      queueLength: waiting,
      queueWaitMs: waiting === 0 ? 0 : TASK_MS / 2,
      bandwidth: {},
    };
    this.#scheduler.step(this.#nowMs, { type: "heartbeatAccepted", heartbeat });
  }
}

/** One for each number of nodes, the largest first. */
export function deciding(kind: Kind): Contestant[] {
  return [...NODE_COUNTS].reverse().map((count, place) => {
    const cluster = new Cluster(count, kind);
    return {
      name: place === 0 ? "mobula" : `${count} nodes`,
      slice: (operations, lap) => {
        for (let index = 0; index < operations; index++) {
          cluster.decide();
          lap();
        }
        return Promise.resolve();
      },
    };
  });
}
