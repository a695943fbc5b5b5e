/**
 * Why a placement group is where it is, in one sentence with the numbers. Pure: facts in, words out.
 * @module
 */
import type { NodeId } from "../../common/ids.ts";
import {
  addResources,
  describeAmount,
  describeResources,
  fits,
  type ResourceSet,
} from "../../common/resources.ts";
import type { GroupRecord } from "../gcs/group_events.ts";
import { type NodeView, obstacle, shortfall } from "../scheduler/scheduling_policy.ts";
import { count, duration } from "./words.ts";

export interface GroupFacts {
  readonly record: GroupRecord;
  /** Nodes that take new work, with what is free there. */
  readonly nodes: readonly NodeView[];
  readonly nowMs: number;
  /** Why the store takes no writes; null when it does. */
  readonly storeWaiting: string | null;
}

export function groupSentence(facts: GroupFacts): string {
  const { record, nowMs } = facts;
  const { spec, state, message, placements, createdMs, readyMs, endedMs } = record;
  const who = spec.name === "" ? spec.groupId : `${spec.groupId} (${JSON.stringify(spec.name)})`;
  const missing = placements.filter((nodeId) => nodeId === null).length;
  const all = `${count(placements.length, "bundle")} (${spec.strategy})`;
  switch (state) {
    case "PENDING":
      return `${who} has waited ${duration(nowMs - createdMs)} for its ${all}: ${wanting(facts)}`;
    case "PREPARED":
      return `${who} has waited ${duration(nowMs - createdMs)} for its ${all}: they are reserved, ${
        facts.storeWaiting === null
          ? "and its nodes are being told that they count"
          : `and the store takes no writes: ${facts.storeWaiting}`
      }`;
    case "RESCHEDULING":
      if (missing === 0) return `${who} is whole again: its nodes are being told; ${message}`;
      return `${who} lacks ${missing} of its ${all}, the others work on: ${message}; ${wanting(facts)}`;
    case "CREATED": {
      const has = readyMs === null ? "has its" : `has had for ${duration(nowMs - readyMs)} its`;
      return `${who} ${has} ${all}: ${describePlacements(placements)}`;
    }
    case "REMOVED": {
      const ago = endedMs === null ? "" : ` ${duration(nowMs - endedMs)} ago`;
      return `${who} was removed${ago}: ${message}`;
    }
  }
}

/** What keeps the bundles without a node from having one. */
function wanting({ record, nodes }: GroupFacts): string {
  const { spec: { bundles, strategy }, placements } = record;
  const open = bundles.filter((_, index) => placements[index] === null);
  if (strategy === "STRICT_SPREAD" && nodes.length < bundles.length) {
    return `it needs ${count(bundles.length, "node")}, and ${nodes.length} take new work`;
  }
  // One node for all of them, else one for the largest: the others find room rather than it.
  const need = strategy === "STRICT_PACK" ? sum(open) : largest(open);
  const used = new Set(strategy === "STRICT_SPREAD" ? placements : []);
  const candidates = nodes.filter(({ nodeId }) => !used.has(nodeId));
  if (candidates.length === 0) return "the cluster has no further node that takes new work";
  const what = `${strategy === "STRICT_PACK" ? "for all of them " : ""}${describeResources(need)}`;
  if (!candidates.some(({ total }) => fits(total, need))) {
    const nearest = least(candidates, (node) => shortfall(node, { resources: need }));
    return `no node has ${what}; the nearest is ${nearest.nodeId}: ${obstacle(nearest, { resources: need })}`;
  }
  if (candidates.some(({ available }) => fits(available, need))) {
    return record.message === "" || record.message.startsWith("no placement")
      ? "each would find room by itself, all together do not find any yet"
      : record.message;
  }
  const nearest = least(
    candidates,
    (node) => shortfall({ ...node, total: node.available }, { resources: need }),
  );
  return `no node has ${what} free; the nearest is ${nearest.nodeId}: ${describeFree(nearest, need)}`;
}

function sum(bundles: readonly ResourceSet[]): ResourceSet {
  const total: Record<string, number> = {};
  for (const bundle of bundles) addResources(total, bundle);
  return total;
}

function largest(bundles: readonly ResourceSet[]): ResourceSet {
  const size = (bundle: ResourceSet): number => Object.values(bundle).reduce((all, units) => all + units, 0);
  return bundles.reduce((most, bundle) => (size(bundle) > size(most) ? bundle : most), bundles[0] ?? {});
}

function least(nodes: readonly NodeView[], cost: (node: NodeView) => number): NodeView {
  return nodes.reduce((best, node) => (cost(node) < cost(best) ? node : best));
}

/** `CPU 1 of 4 free`, for each that is short. */
function describeFree({ available, total }: NodeView, need: ResourceSet): string {
  const short = Object.keys(need).filter((name) => (available[name] ?? 0) < need[name]!);
  return short.map((name) => {
    const free = describeAmount(name, Math.max(0, available[name] ?? 0));
    return `${name} ${free} of ${describeAmount(name, total[name] ?? 0)} free`;
  }).join(", ");
}

/** `0, 1 at n-1; 2 at n-2`, cut where there are many. */
function describePlacements(placements: readonly (NodeId | null)[]): string {
  const byNode = new Map<NodeId | null, number[]>();
  for (const [index, nodeId] of placements.entries()) {
    const indices = byNode.get(nodeId);
    if (indices === undefined) byNode.set(nodeId, [index]);
    else indices.push(index);
  }
  const shown = [...byNode].slice(0, 8).map(([nodeId, indices]) => `${indices.join(", ")} at ${nodeId}`);
  return byNode.size > shown.length ? `${shown.join("; ")}; …` : shown.join("; ");
}
