/**
 * Nodes, jobs and workers as rows for people: bounded maps that events update in O(1).
 * @module
 */
import { fromUnits, type ResourceSet } from "../../common/resources.ts";
import type { NodeRow, WorkerReport } from "../../protocol/messages.ts";
import type { WorkerFigures } from "../../protocol/node_questions.ts";
import type { ClusterDto, JobDto, NodeDto, ResourceUse } from "../../../dashboard/api_types.ts";
import { GroupTable } from "./group_table.ts";
import { NodeHistory } from "./node_history.ts";

const NODES_SHOWN = 200;
const JOBS_SHOWN = 100;
/** Ended ones that are remembered; the oldest go first and are counted. */
const DEAD_NODES_MAX = 100;
const ENDED_JOBS_MAX = 1_000;
const WORKERS_MAX = 5_000;
/** Kinds of waiting work of one node. */
const DEMAND_SHOWN = 50;

/** Keeps the newest `max` keys of those that ended. */
export class EndedKeys {
  readonly #keys = new Set<string>();
  readonly #max: number;
  dropped = 0;
  constructor(max: number) {
    this.#max = max;
  }
  /** The key to forget now, if any. */
  add(key: string): string | null {
    this.#keys.add(key);
    if (this.#keys.size <= this.#max) return null;
    const oldest = this.#keys.values().next().value!;
    this.#keys.delete(oldest);
    this.dropped++;
    return oldest;
  }
  delete(key: string): void {
    this.#keys.delete(key);
  }
}

export class NodeRows {
  readonly table: GroupTable<NodeRow, NodeDto> = new GroupTable({
    cap: NODES_SHOWN,
    rank: (node) => (node.state === "DEAD" ? 0 : 1e15) + node.startedMs / 1e3,
    row: (_, node) => this.#dto(node),
  });
  readonly ended: EndedKeys = new EndedKeys(DEAD_NODES_MAX);
  readonly history: NodeHistory = new NodeHistory();

  row(nodeId: string): NodeDto | null {
    const row = this.table.groups.get(nodeId);
    return row === undefined ? null : this.#dto(row);
  }

  /** `died` when the node died by this row; `forgotten`: a dead one that is no longer remembered. */
  apply(row: NodeRow, nowMs: number): { died: boolean; forgotten: string | null } {
    const before = this.table.groups.get(row.nodeId);
    this.history.apply(before, row, nowMs);
    this.table.groups.set(row.nodeId, row);
    this.table.touch(row.nodeId);
    if (row.state !== "DEAD") {
      this.ended.delete(row.nodeId);
      return { died: false, forgotten: null };
    }
    const forgotten = this.ended.add(row.nodeId);
    if (forgotten !== null) {
      this.table.remove(forgotten);
      this.history.forget(forgotten);
    }
    return { died: before !== undefined && before.state !== "DEAD", forgotten };
  }

  rows(): NodeDto[] {
    return [...this.table.groups.values()].map((row) => this.#dto(row));
  }

  #dto(row: NodeRow): NodeDto {
    return nodeDto(row, row.state === "DEAD" && this.history.isFenced(row.nodeId));
  }

  /** What waits at one node, a row a name and shape. */
  demand(nodeId: string): { name: string; count: number; reason: string }[] {
    const rows = this.table.groups.get(nodeId)?.demand ?? [];
    return rows.slice(0, DEMAND_SHOWN).map(({ name, count, reason }) => ({ name, count, reason }));
  }

  /** What the nodes that are alive have and use, and what they wait for. */
  summary(): Pick<
    ClusterDto,
    "nodesAlive" | "nodesTotal" | "resources" | "storeUsedBytes" | "storeBytes" | "demand"
  > {
    const total: Record<string, number> = {};
    const free: Record<string, number> = {};
    let nodesAlive = 0, storeUsedBytes = 0, storeBytes = 0;
    const demand: ClusterDto["demand"][number][] = [];
    for (const node of this.table.groups.values()) {
      if (node.state === "DEAD") continue;
      nodesAlive++;
      storeUsedBytes += node.storeUsedBytes;
      storeBytes += node.objectStoreBytes;
      for (const name in node.resources) total[name] = (total[name] ?? 0) + node.resources[name]!;
      for (const name in node.available) free[name] = (free[name] ?? 0) + node.available[name]!;
      for (const row of node.demand) {
        if (demand.length < 20) {
          demand.push({ ...row, nodeId: node.nodeId, resources: fromUnits(row.resources) });
        }
      }
    }
    return {
      nodesAlive,
      nodesTotal: this.table.groups.size,
      resources: uses(total, free),
      storeUsedBytes,
      storeBytes,
      demand,
    };
  }
}

function nodeDto(node: NodeRow, isFenced: boolean): NodeDto {
  return {
    nodeId: node.nodeId,
    state: node.state,
    stateMessage: node.stateMessage,
    drain: node.drain ?? null,
    hostname: node.hostname,
    address: node.address,
    pid: node.pid,
    runtime: node.runtime,
    isHeadNode: node.isHeadNode,
    resources: uses(node.resources, node.available),
    labels: node.labels,
    storeBytes: node.objectStoreBytes,
    storeUsedBytes: node.storeUsedBytes,
    storeObjects: node.storeObjects,
    storeSpilledBytes: node.storeSpilledBytes,
    workers: node.workers,
    memoryKills: node.memoryKills,
    metricsAddress: metricsAddressOf(node),
    cpuPercent: node.cpuPercent,
    rssBytes: node.rssBytes,
    memoryBytes: node.machine?.memoryBytes ?? 0,
    netInPerSecond: node.machine?.netInPerSecond ?? 0,
    netOutPerSecond: node.machine?.netOutPerSecond ?? 0,
    diskBytes: node.machine?.diskBytes ?? 0,
    diskFreeBytes: node.machine?.diskFreeBytes ?? 0,
    startedMs: node.startedMs,
    heardMs: node.heardMs,
    isFenced,
  };
}

function metricsAddressOf({ state, address, metricsPort }: NodeRow): string | null {
  if (state === "DEAD" || metricsPort === null || !Number.isInteger(metricsPort)) return null;
  return `${address.slice(0, address.lastIndexOf(":"))}:${metricsPort}`;
}

/** A resource of which nothing is free may be absent from `available`. Oversubscription may make it negative. */
function uses(total: ResourceSet, available: ResourceSet): Record<string, ResourceUse> {
  const all = fromUnits(total);
  const free = fromUnits(available);
  return Object.fromEntries(
    Object.keys(all).map((name) => [name, { total: all[name]!, used: all[name]! - (free[name] ?? 0) }]),
  );
}

export class JobRows {
  readonly table: GroupTable<JobDto, JobDto> = new GroupTable({
    cap: JOBS_SHOWN,
    rank: (job) => (job.state === "RUNNING" ? 1e15 : 0) + job.startedMs / 1e3,
    row: (_, job) => job,
  });
  readonly ended: EndedKeys = new EndedKeys(ENDED_JOBS_MAX);
  running = 0;

  /** The program of a submitted job has become a driver. Null when the job is not known. */
  submitted(jobId: string, submissionId: string): JobDto | null {
    const before = this.table.groups.get(jobId);
    if (before === undefined) return null;
    const row = { ...before, submissionId };
    this.table.groups.set(jobId, row);
    this.table.touch(jobId);
    return row;
  }

  apply(job: JobDto): void {
    const before = this.table.groups.get(job.jobId);
    const { submissionId } = before ?? job;
    this.table.groups.set(job.jobId, submissionId === undefined ? job : { ...job, submissionId });
    this.table.touch(job.jobId);
    this.running += (job.state === "RUNNING" ? 1 : 0) - (before?.state === "RUNNING" ? 1 : 0);
    if (job.state === "RUNNING") return;
    const forget = this.ended.add(job.jobId);
    if (forget !== null) this.table.remove(forget);
  }
}

/** A worker process, as its agent told it last. */
export interface WorkerRow extends Omit<WorkerReport, "state"> {
  readonly nodeId: string;
  readonly state: WorkerReport["state"] | "DEAD";
  readonly endedMs: number | null;
  /** Why it ended; null while it lives, or when nobody told. */
  readonly exitDetail: string | null;
}

export class WorkerRows {
  /** Those that ended longest ago, or began first, come first. */
  readonly rows: Map<string, WorkerRow> = new Map();
  /** What they use, as far as their nodes have told; of those that live. */
  readonly figures: Map<string, WorkerFigures> = new Map();
  dropped = 0;

  /** Late news of the dead is none. */
  applyFigures(figures: readonly WorkerFigures[]): void {
    for (const each of figures) {
      const row = this.rows.get(each.workerId);
      if (row !== undefined && row.state !== "DEAD") this.figures.set(each.workerId, each);
    }
  }

  /** All that a node has now. */
  replace(nodeId: string, workers: readonly WorkerReport[], nowMs: number): void {
    const present = new Set<string>(workers.map(({ workerId }) => workerId));
    for (const row of [...this.rows.values()]) {
      if (row.nodeId === nodeId && !present.has(row.workerId)) this.died(row.workerId, nowMs);
    }
    for (const worker of workers) {
      // Late news of a worker that is dead does not bring it back.
      if (this.rows.get(worker.workerId)?.state === "DEAD") continue;
      this.rows.set(worker.workerId, { ...worker, nodeId, endedMs: null, exitDetail: null });
    }
    this.#trim();
  }

  died(workerId: string, nowMs: number, exitDetail: string | null = null): void {
    const before = this.rows.get(workerId);
    this.figures.delete(workerId);
    if (before === undefined) return;
    if (before.state === "DEAD") {
      // It was missing in its node's report first.
      if (before.exitDetail === null && exitDetail !== null) {
        this.rows.set(workerId, { ...before, exitDetail });
      }
      return;
    }
    this.rows.delete(workerId);
    this.rows.set(workerId, { ...before, state: "DEAD", endedMs: nowMs, exitDetail });
  }

  /** Ids of a node's workers that are not known to be dead. */
  living(nodeId: string): string[] {
    const own = [...this.rows.values()].filter((row) => row.nodeId === nodeId && row.state !== "DEAD");
    return own.map(({ workerId }) => workerId);
  }

  /** Dead ones go first. */
  #trim(): void {
    for (const isDead of [true, false]) {
      for (const { workerId, state } of this.rows.values()) {
        if (this.rows.size <= WORKERS_MAX) return;
        if ((state === "DEAD") !== isDead) continue;
        this.rows.delete(workerId);
        this.figures.delete(workerId);
        this.dropped++;
      }
    }
  }
}
