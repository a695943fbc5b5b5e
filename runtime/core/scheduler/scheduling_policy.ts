/**
 * Which node is best for a request: pure functions over a view of the nodes. Hard conditions first (resources that a
 * node has at all, labels, affinity), then the least expected wait: queue time plus the time that the arguments take to get there.
 * @module
 */
import type { NodeId } from "../../common/ids.ts";
import { unmetLabels } from "../../common/labels.ts";
import { describeResources, fits, RESOURCE_UNIT, type ResourceSet } from "../../common/resources.ts";
import type { Strategy } from "../../common/task_spec.ts";

/** Throughput between nodes until it has been measured: 1 GB/s. */
export const BANDWIDTH_DEFAULT: number = 1e9;
/** What a wait of unknown length is taken for. */
const WAIT_UNKNOWN_MS = 20;

/** What is asked for. */
export interface Demand {
  readonly resources: ResourceSet;
  readonly strategy: Strategy;
  readonly labelSelector?: Readonly<Record<string, string>> | undefined;
}

/** A stored argument: its size and where it is. */
export interface ArgumentPlace {
  readonly bytes: number;
  readonly nodes: ReadonlySet<NodeId>;
}

/** A node as the scheduler sees it. */
export interface NodeView {
  readonly nodeId: NodeId;
  readonly total: ResourceSet;
  /** Free by the last heartbeat, less what was assigned since; may be negative. */
  readonly available: ResourceSet;
  readonly labels: Readonly<Record<string, string>>;
  readonly queueLength: number;
  readonly queueWaitMs: number;
  /** Requests assigned since the last heartbeat that did not fit what was free. */
  readonly overflow: number;
  /** Bytes per second that this node was seen to pull from others. */
  readonly bandwidth: Readonly<Record<NodeId, number>>;
}

/** What a node would cost: why a choice was made, for the trace. */
export interface NodeCost {
  readonly nodeId: NodeId;
  readonly availableNow: boolean;
  readonly queueMs: number;
  readonly moveBytes: number;
  /** Bytes per second of the slowest transfer that is needed; BANDWIDTH_DEFAULT when nothing moves. */
  readonly bandwidth: number;
  readonly totalMs: number;
}

/** Why a node can never run the demand, or "" if it can. */
export function obstacle(node: NodeView, demand: Demand): string {
  const problems = unmetLabels(node.labels, demand.labelSelector);
  const missing: string[] = [];
  for (const name in demand.resources) {
    const has = node.total[name] ?? 0;
    const needs = demand.resources[name]!;
    if (has < needs) missing.push(`${name} ${needs / RESOURCE_UNIT} (has ${has / RESOURCE_UNIT})`);
  }
  if (missing.length > 0) problems.unshift(`it needs ${missing.join(", ")}`);
  return problems.join("; ");
}

/** How near a node comes to a demand that it cannot meet: the number of unmet conditions, then the missing share. */
export function shortfall(node: NodeView, demand: Demand): number {
  let unmet = unmetLabels(node.labels, demand.labelSelector).length;
  let share = 0;
  for (const name in demand.resources) {
    const has = node.total[name] ?? 0;
    const needs = demand.resources[name]!;
    if (has >= needs) continue;
    unmet++;
    share += (needs - has) / needs;
  }
  return unmet * 1_000 + share;
}

/** What it would cost to run the demand on this (feasible) node. */
export function costOf(node: NodeView, demand: Demand, args: readonly ArgumentPlace[]): NodeCost {
  const availableNow = fits(node.available, demand.resources);
  let queueMs = 0;
  if (!availableNow) {
    const known = Math.max(node.queueWaitMs, WAIT_UNKNOWN_MS + 5 * node.queueLength);
    queueMs = Math.round(known * (1 + node.overflow / Math.max(1, node.queueLength)));
  }
  let moveBytes = 0;
  let moveMs = 0;
  let slowest = Infinity;
  for (const arg of args) {
    if (arg.nodes.size === 0 || arg.nodes.has(node.nodeId)) continue;
    let best = 0;
    for (const holder of arg.nodes) best = Math.max(best, node.bandwidth[holder] || BANDWIDTH_DEFAULT);
    moveBytes += arg.bytes;
    moveMs += (arg.bytes * 1_000) / best;
    slowest = Math.min(slowest, best);
  }
  const bandwidth = slowest === Infinity ? BANDWIDTH_DEFAULT : slowest;
  return {
    nodeId: node.nodeId,
    availableNow,
    queueMs,
    moveBytes,
    bandwidth,
    totalMs: queueMs + Math.round(moveMs),
  };
}

/** The share of its scarcest resource that would be in use on the node with the demand on it, in 1/1000. */
export function utilization(node: NodeView, demand: Demand): number {
  let highest = 0;
  for (const name in node.total) {
    const total = node.total[name]!;
    if (total <= 0) continue;
    const used = total - (node.available[name] ?? 0) + (demand.resources[name] ?? 0);
    highest = Math.max(highest, Math.round((used * 1_000) / total));
  }
  return highest;
}

/** A node's cost in one line: `n-1: queue 12 ms + move 64 MB / 1.2 GB/s = 65 ms`. */
export function describeCost(cost: NodeCost): string {
  const queue = cost.availableNow ? "free now" : `queue ${cost.queueMs} ms`;
  if (cost.moveBytes === 0) return `${cost.nodeId}: ${queue} = ${cost.totalMs} ms`;
  const rate = `${Math.round(cost.bandwidth / 1e8) / 10} GB/s`;
  return `${cost.nodeId}: ${queue} + move ${describeBytes(cost.moveBytes)} / ${rate} = ${cost.totalMs} ms`;
}

/** The resources and labels of a demand, for people: `CPU 8, GPU 1 and zone=eu`. */
export function describeDemand(demand: Demand): string {
  const labels = Object.entries(demand.labelSelector ?? {}).map(([key, value]) => `${key}=${value}`);
  const resources = describeResources(demand.resources);
  return labels.length === 0 ? resources : `${resources} and ${labels.join(", ")}`;
}

function describeBytes(bytes: number): string {
  if (bytes >= 1e9) return `${Math.round(bytes / 1e8) / 10} GB`;
  if (bytes >= 1e6) return `${Math.round(bytes / 1e6)} MB`;
  return `${Math.ceil(bytes / 1e3)} KB`;
}
