/**
 * Which node is best for a request: pure functions over a view of the nodes. Hard conditions first (resources that a
 * node has at all, labels, affinity), then the least expected wait: queue time plus the time that the arguments take to get there.
 * @module
 */
import type { NodeId } from "../../common/ids.ts";
import { type LabelWishes, selectorsOf, unmetLabels } from "../../common/labels.ts";
import { byteText } from "../../common/byte_text.ts";
import { describeLack, describeResources, fits, type ResourceSet } from "../../common/resources.ts";

/** A node of which less than this is in use is as good as an idle one: work packs there (Ray's hybrid policy), in 1/1000. */
export const PACKED_SHARE = 500;
/** Scores from here on are of nodes that have no room now. */
export const NO_ROOM = 1e6;
/** Throughput between nodes until it has been measured: 1 GB/s. */
export const BANDWIDTH_DEFAULT: number = 1e9;
/** Holders of one argument that are looked at: one that so many nodes have is near wherever the work goes. */
export const HOLDERS_MAX = 16;
/** What a wait of unknown length is taken for. */
const WAIT_UNKNOWN_MS = 20;

/** What is asked for. */
export interface Demand extends LabelWishes {
  readonly resources: ResourceSet;
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
  readonly labels: Readonly<Record<string, string>>;
  /** Free by the last heartbeat, less what was assigned since; may be negative. */
  available: Record<string, number>;
  queueLength: number;
  queueWaitMs: number;
  /** Requests assigned since the last heartbeat that did not fit what was free. */
  overflow: number;
  /** Bytes per second that this node was seen to pull from others. */
  bandwidth: Readonly<Record<NodeId, number>>;
}

/** What a node would cost: why a choice was made, for the trace. */
export interface NodeCost {
  readonly nodeId: NodeId;
  readonly availableNow: boolean;
  /** See {@link usedShare}: before this work. */
  readonly usedShare: number;
  readonly queueMs: number;
  readonly moveBytes: number;
  /** Bytes per second of the slowest transfer that is needed; BANDWIDTH_DEFAULT when nothing moves. */
  readonly bandwidth: number;
  /** The bandwidth was seen, not assumed. */
  readonly measured: boolean;
  readonly totalMs: number;
}

/** Why a node can never run the demand, by the selector that comes nearest; "" if it can. */
export function obstacle(node: NodeView, demand: Demand): string {
  const problems = nearestSelector(node, demand);
  const missing: string[] = [];
  for (const name in demand.resources) {
    const has = node.total[name] ?? 0;
    const needs = demand.resources[name]!;
    if (has < needs) {
      missing.push(describeLack(name, needs, has));
    }
  }
  if (missing.length > 0) problems.unshift(`it needs ${missing.join(", ")}`);
  return problems.join("; ");
}

/** How near a node comes to a demand that it cannot meet: the number of unmet conditions, then the missing share. */
export function shortfall(node: NodeView, demand: Demand): number {
  let unmet = nearestSelector(node, demand).length;
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

/** What the node does not meet of the selector of which it meets the most. */
function nearestSelector(node: NodeView, demand: Demand): string[] {
  const unmet = selectorsOf(demand).map((selector) => unmetLabels(node.labels, selector));
  return unmet.reduce((nearest, other) => (other.length < nearest.length ? other : nearest));
}

/** How long it would wait for resources on this (feasible) node, in milliseconds. */
function queueMsOf(node: NodeView, resources: ResourceSet): number {
  if (fits(node.available, resources)) return 0;
  const known = Math.max(node.queueWaitMs, WAIT_UNKNOWN_MS + 5 * node.queueLength);
  return Math.round(known * (1 + node.overflow / Math.max(1, node.queueLength)));
}

/** How good a (feasible) node is for these resources, arguments aside; the lowest is the best. 0: packed there, else what of
 *  it is in use; from NO_ROOM on the wait. */
export function scoreOf(node: NodeView, resources: ResourceSet): number {
  if (!fits(node.available, resources)) return NO_ROOM + queueMsOf(node, resources);
  const used = usedShare(node, resources);
  return used < PACKED_SHARE ? 0 : Math.min(used, NO_ROOM - 1);
}

/** What it would cost to run the demand on this (feasible) node. */
export function costOf(node: NodeView, demand: Demand, args: readonly ArgumentPlace[]): NodeCost {
  const queueMs = queueMsOf(node, demand.resources);
  let moveBytes = 0;
  let moveMs = 0;
  let slowest = Infinity;
  let measured = false;
  for (const arg of args) {
    if (arg.nodes.size === 0 || arg.nodes.has(node.nodeId)) continue;
    let seen = 0;
    let looked = 0;
    for (const holder of arg.nodes) {
      seen = Math.max(seen, node.bandwidth[holder] ?? 0);
      if (++looked >= HOLDERS_MAX) break;
    }
    const best = seen || BANDWIDTH_DEFAULT;
    moveBytes += arg.bytes;
    moveMs += (arg.bytes * 1_000) / best;
    if (best >= slowest) continue;
    slowest = best;
    measured = seen > 0;
  }
  return {
    nodeId: node.nodeId,
    availableNow: fits(node.available, demand.resources),
    usedShare: usedShare(node, demand.resources),
    queueMs,
    moveBytes,
    bandwidth: slowest === Infinity ? BANDWIDTH_DEFAULT : slowest,
    measured,
    totalMs: queueMs + Math.round(moveMs),
  };
}

/**
 * The share of its scarcest resource that is in use, in 1/1000: Ray's critical utilization, over CPU, memory and what is
 * asked for. An actor that holds the only GPU does not make a node full for work that needs none.
 */
export function usedShare(
  { total, available }: Pick<NodeView, "total" | "available">,
  resources: ResourceSet,
): number {
  const shareOf = (name: string): number => {
    const has = total[name] ?? 0;
    return has > 0 ? ((has - (available[name] ?? 0)) * 1_000) / has : 0;
  };
  let highest = Math.max(shareOf("CPU"), shareOf("memory"));
  for (const name in resources) highest = Math.max(highest, shareOf(name));
  return Math.round(highest);
}

/** A node's cost in one line: `n-1: queue 12 ms + move 61.0 MiB / 1.12 GiB/s = 65 ms`. */
export function describeCost(cost: NodeCost): string {
  const { nodeId, availableNow, queueMs, moveBytes, measured, totalMs } = cost;
  const queue = availableNow ? `free (${Math.round(cost.usedShare / 10)} % used)` : `queue ${queueMs} ms`;
  if (moveBytes === 0) return `${nodeId}: ${queue} = ${totalMs} ms`;
  const rate = `${byteText(cost.bandwidth)}/s${measured ? "" : " assumed"}`;
  return `${nodeId}: ${queue} + move ${byteText(moveBytes)} / ${rate} = ${totalMs} ms`;
}

/** The resources and labels of a demand, for people: `CPU 8, GPU 1 and zone=eu or zone=us`. */
export function describeDemand(demand: Demand): string {
  const selectors = selectorsOf(demand).map((selector) =>
    Object.entries(selector ?? {}).map(([key, value]) => `${key}=${value}`).join(", ")
  );
  const resources = describeResources(demand.resources);
  if (selectors.join("") === "") return resources;
  const labels = selectors.join(" or ");
  return Object.keys(demand.resources).length === 0 ? labels : `${resources} and ${labels}`;
}
