/**
 * A node as agents and people see it, made of what the node manager knows.
 * @module
 */
import type { Heartbeat, NodeDrain, NodeRow } from "../../protocol/messages.ts";
import type { NodeFacts } from "./node_manager.ts";

interface KnownNode {
  readonly facts: NodeFacts;
  readonly state: NodeRow["state"];
  readonly stateMessage: string;
  readonly startedMs: number;
  readonly drain: NodeDrain | null;
  readonly heardMs: number;
  readonly heartbeat: Heartbeat | null;
}

export function nodeRowOf(node: KnownNode): NodeRow {
  const { facts, heartbeat } = node;
  return {
    nodeId: facts.nodeId,
    epoch: facts.epoch,
    state: node.state,
    stateMessage: node.stateMessage,
    ...(node.drain !== null && { drain: node.drain }),
    address: facts.address,
    hostname: facts.hostname,
    pid: facts.pid,
    runtime: facts.runtime,
    isHeadNode: facts.isHeadNode,
    resources: facts.resources,
    available: node.state === "DEAD" ? {} : heartbeat?.available ?? facts.resources,
    labels: facts.labels,
    objectStoreBytes: facts.objectStoreBytes,
    storeUsedBytes: heartbeat?.storeUsedBytes ?? 0,
    storeObjects: heartbeat?.storeObjects ?? 0,
    storeSpilledBytes: heartbeat?.storeSpilledBytes ?? 0,
    workers: heartbeat?.workers ?? 0,
    leases: heartbeat?.leases ?? 0,
    memoryKills: heartbeat?.memoryKills ?? 0,
    metricsPort: heartbeat?.metricsPort ?? null,
    cpuPercent: heartbeat?.cpuPercent ?? 0,
    rssBytes: heartbeat?.rssBytes ?? 0,
    ...(heartbeat?.machine !== undefined && { machine: heartbeat.machine }),
    demand: heartbeat?.demand ?? [],
    startedMs: node.startedMs,
    heardMs: node.heardMs,
  };
}
