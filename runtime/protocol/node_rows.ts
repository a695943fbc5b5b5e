/**
 * What nodes tell of themselves: when they join, with every heartbeat, and as rows for people. Carried by the messages
 * between agents and head (messages.ts).
 * @module
 */
import type { ActorId, GroupId, JobId, NodeId, ObjectId, ProcessId } from "../common/ids.ts";
import type { BundleLoad, BundleReport } from "../common/placement_group.ts";
import type { ResourceSet } from "../common/resources.ts";
import type { ActorStatus, RuntimeName } from "../common/task_spec.ts";

/** What an agent says of itself when it (re)joins. A head that restarted rebuilds its volatile state from these. */
export interface NodeRegistration {
  readonly nodeId: NodeId;
  readonly epoch: number;
  /** HOST:PORT where other agents and remote drivers reach this one. */
  readonly address: string;
  readonly hostname: string;
  readonly pid: number;
  readonly runtime: RuntimeName;
  readonly sessionDir: string;
  readonly isHeadNode: boolean;
  readonly resources: ResourceSet;
  readonly labels: Readonly<Record<string, string>>;
  readonly objectStoreBytes: number;
  readonly objects: readonly ObjectReport[];
  readonly actors: readonly ActorStatus[];
  readonly drivers: readonly { readonly driverId: ProcessId; readonly jobId: JobId }[];
  /** Bundles of placement groups that it holds; none when absent. */
  readonly bundles?: readonly BundleReport[];
}

export interface ObjectReport {
  readonly id: ObjectId;
  readonly bytes: number;
  /** Function (or actor method) that made it, for people; absent for one that was put, or when it is not known. */
  readonly producer?: string | undefined;
  readonly home: NodeId;
  readonly owner: ProcessId;
  readonly isError: boolean;
  readonly primary: boolean;
  /** Its bytes are on the node's disk alone; absent: they are in memory. */
  readonly spilled?: true;
}

/** What a node's host has, for people. */
export interface MachineFigures {
  /** Of the host, or the limit of the container. */
  readonly memoryBytes: number;
  /** Bytes per second over the last second, of all interfaces but the loopback. */
  readonly netInPerSecond: number;
  readonly netOutPerSecond: number;
  /** The disk that objects are spilled to; 0 when they are not, or before the first. */
  readonly diskBytes: number;
  readonly diskFreeBytes: number;
}

/** Every heartbeat carries the node's whole resource view: small, absolute, the latest wins. */
export interface Heartbeat {
  readonly nodeId: NodeId;
  readonly epoch: number;
  readonly sequence: number;
  readonly available: ResourceSet;
  /** Waiting lease requests by shape. */
  readonly demand: readonly DemandRow[];
  readonly storeUsedBytes: number;
  readonly storeObjects: number;
  /** Bytes of objects on the node's disk, whether in memory too or not. */
  readonly storeSpilledBytes: number;
  readonly workers: number;
  /** Leases held there: what is running; absent: none. */
  readonly leases?: number;
  /** Workers that the memory monitor ended since the agent began; absent: none. */
  readonly memoryKills?: number;
  readonly cpuPercent: number;
  readonly rssBytes: number;
  readonly machine?: MachineFigures;
  /** Mean wait of lease requests granted lately, and tasks queued: the scheduler's load. */
  readonly queueLength: number;
  readonly queueWaitMs: number;
  /** Actors that the node was told to start and that still wait for resources: the head may move them elsewhere. */
  readonly waitingActors?: readonly { readonly actorId: ActorId; readonly incarnation: number }[];
  /** What is free in bundles of placement groups; absent without any. */
  readonly bundles?: readonly BundleLoad[];
  /** Where its metrics are scraped, on its own host; absent: nowhere. */
  readonly metricsPort?: number;
  /** Measured throughput of pulls from each peer. */
  readonly bandwidth: Readonly<Record<NodeId, number>>;
}

/** One worker process of a node, for people. */
export interface WorkerReport {
  readonly workerId: ProcessId;
  readonly pid: number | null;
  readonly runtime: RuntimeName;
  readonly state: "STARTING" | "IDLE" | "LEASED" | "ACTOR";
  /** The job that it is bound to; null until its first lease. */
  readonly jobId: JobId | null;
  readonly actorId: ActorId | null;
  /** The function (or class) that its lease is for; absent without a lease. */
  readonly work?: string;
  /** The bundle that its lease draws from; absent for none. */
  readonly bundle?: { readonly groupId: GroupId; readonly index: number };
  readonly startedMs: number;
}

/** How an actor's calls fare, for people: told by its worker at most once a second, when something has changed. */
export interface ActorFigures {
  readonly actorId: ActorId;
  readonly incarnation: number;
  /** Calls that are at its worker and have not begun. */
  readonly mailboxDepth: number;
  readonly callsRunning: number;
  /** Answered since this incarnation began. */
  readonly callsFinished: number;
  /** Over the last second. */
  readonly callsPerSecond: number;
  /** From the beginning of user code to its end: over the last second in which calls ended. Null before the first. */
  readonly meanCallMs: number | null;
  /** What its own toString() gave after its construction; null when its class has none. */
  readonly reprName: string | null;
}

export interface DemandRow {
  readonly name: string;
  readonly resources: ResourceSet;
  readonly count: number;
  /** One sentence: why it waits. */
  readonly reason: string;
}

/** A node that takes no new work and leaves the cluster when it is idle, or at the deadline. */
export interface NodeDrain {
  readonly reason: string;
  /** Milliseconds since the epoch, by the head's clock. */
  readonly deadlineMs: number;
}

export interface NodeRow {
  readonly nodeId: NodeId;
  /** Of its agent, grows with every start. */
  readonly epoch: number;
  readonly state: "ALIVE" | "SUSPECT" | "DEAD";
  readonly stateMessage: string;
  /** Absent unless it is being drained. */
  readonly drain?: NodeDrain;
  readonly address: string;
  readonly hostname: string;
  readonly pid: number;
  readonly runtime: RuntimeName;
  readonly isHeadNode: boolean;
  readonly resources: ResourceSet;
  readonly available: ResourceSet;
  readonly labels: Readonly<Record<string, string>>;
  readonly objectStoreBytes: number;
  readonly storeUsedBytes: number;
  readonly storeObjects: number;
  /** Bytes of objects on the node's disk, whether in memory too or not. */
  readonly storeSpilledBytes: number;
  readonly workers: number;
  /** Leases held there: what is running, blocked tasks included. */
  readonly leases: number;
  /** Workers that the memory monitor ended since the agent began. */
  readonly memoryKills: number;
  /** Where its metrics are scraped, on the host of its address; null: nowhere, or not heard yet. */
  readonly metricsPort: number | null;
  readonly cpuPercent: number;
  readonly rssBytes: number;
  readonly machine?: MachineFigures;
  readonly demand: readonly DemandRow[];
  readonly startedMs: number;
  /** When the head last heard of it, milliseconds since the epoch. */
  readonly heardMs: number;
}
