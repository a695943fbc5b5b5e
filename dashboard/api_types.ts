/**
 * What the head's HTTP API and its live stream say, as types: the contract between the cluster's view (which makes these
 * rows), the server (which sends them) and the page (which shows them). Types only: all three may import it.
 *
 * Times are milliseconds since the epoch, durations are milliseconds, sizes are bytes. What is bounded says how much there
 * is in all (`total`) and how much was dropped, so that a page can always print "showing N of M".
 * @module
 */

import type { StateReader } from "./api/state.ts";

export type TaskStateName =
  | "PENDING_ARGS_AVAIL"
  | "PENDING_NODE_ASSIGNMENT"
  | "SUBMITTED_TO_WORKER"
  | "RUNNING"
  | "FINISHED"
  | "FAILED";

export type TaskTypeName = "NORMAL_TASK" | "ACTOR_CREATION_TASK" | "ACTOR_TASK";

/** The subjects of the live stream. */
export type Topic =
  | "cluster"
  | "nodes"
  | "functions"
  | "edges"
  | "failures"
  | "actors"
  | "objects"
  | "jobs"
  | "rates"
  | "usage";

/** Exact counts over everything since the cluster began, except what a restart of the head could not learn again. */
export interface TaskTotals {
  readonly pendingArgs: number;
  readonly pendingNode: number;
  readonly submitted: number;
  readonly running: number;
  readonly finished: number;
  readonly failed: number;
}

/** One wish for resources that nobody can grant now. */
export interface DemandDto {
  readonly name: string;
  readonly nodeId: string;
  /** In whole units: { CPU: 0.5 }. */
  readonly resources: Readonly<Record<string, number>>;
  readonly count: number;
  readonly reason: string;
}

/** The cluster in one glance. */
export interface ClusterDto {
  readonly tasks: TaskTotals;
  readonly nodesAlive: number;
  readonly nodesTotal: number;
  readonly actorsAlive: number;
  readonly jobsRunning: number;
  /** In whole units, over the nodes that are alive. */
  readonly resources: Readonly<Record<string, ResourceUse>>;
  readonly storeUsedBytes: number;
  readonly storeBytes: number;
  readonly demand: readonly DemandDto[];
  /** Task rows that processes did not record, because the rate was over the limit. */
  readonly taskRowsSampledOut: number;
  /** Task rows that left memory (they are in the history). */
  readonly taskRowsEvicted: number;
  /** Reports of functions that were left out, because one process named too many. */
  readonly functionNamesDropped: number;
  /** Reports of objects that were left out, because there were too many. */
  readonly objectsUntracked: number;
}

export interface ResourceUse {
  readonly total: number;
  readonly used: number;
}

export interface NodeDto {
  readonly nodeId: string;
  readonly state: "ALIVE" | "SUSPECT" | "DEAD";
  readonly stateMessage: string;
  /** Null unless it is being drained. */
  readonly drain: { readonly reason: string; readonly deadlineMs: number } | null;
  readonly hostname: string;
  readonly address: string;
  readonly pid: number;
  readonly runtime: string;
  readonly isHeadNode: boolean;
  readonly resources: Readonly<Record<string, ResourceUse>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly storeBytes: number;
  readonly storeUsedBytes: number;
  readonly storeObjects: number;
  readonly storeSpilledBytes: number;
  readonly workers: number;
  /** Workers that were ended for low memory. */
  readonly memoryKills: number;
  /** HOST:PORT of its metrics; null: they are not served. */
  readonly metricsAddress: string | null;
  readonly cpuPercent: number;
  /** In use on its host, or in its container. */
  readonly rssBytes: number;
  /** What there is of it; 0 when it is not known. */
  readonly memoryBytes: number;
  /** Bytes per second, of all interfaces of the host but the loopback. */
  readonly netInPerSecond: number;
  readonly netOutPerSecond: number;
  /** The disk that objects are spilled to; 0 when it is not known. */
  readonly diskBytes: number;
  readonly diskFreeBytes: number;
  readonly startedMs: number;
  /** When the head last heard of it. */
  readonly heardMs: number;
  /** It was declared dead, and what asks in its name is refused. */
  readonly isFenced: boolean;
}

/** One function (or actor method, or constructor): exact counts. */
export interface FunctionDto extends TaskTotals {
  readonly key: string;
  readonly name: string;
  readonly type: TaskTypeName;
  /** Mean run time of those that ended; null before the first. */
  readonly meanRunMs: number | null;
}

/** Data that flowed from one function's results to another's arguments. `from` may be "put". */
export interface EdgeDto {
  readonly key: string;
  readonly from: string;
  readonly to: string;
  readonly count: number;
  readonly bytes: number;
}

export interface FailureDto {
  readonly key: string;
  readonly taskId: string;
  readonly attempt: number;
  readonly name: string;
  readonly nodeId: string | null;
  readonly endMs: number | null;
  readonly errorType: string;
  readonly errorMessage: string;
}

export interface ActorDto {
  readonly actorId: string;
  readonly className: string;
  /** "" for none. */
  readonly name: string;
  readonly namespace: string;
  readonly jobId: string;
  /** The process that made it. */
  readonly owner: string;
  readonly state: "DEPENDENCIES_UNREADY" | "PENDING_CREATION" | "ALIVE" | "RESTARTING" | "DEAD";
  readonly nodeId: string | null;
  readonly workerId: string | null;
  readonly pid: number | null;
  /** How often its construction was begun. */
  readonly incarnation: number;
  readonly numRestarts: number;
  /** How often it was brought back to make lost results again. */
  readonly numLineageRestarts: number;
  /** -1: without end. */
  readonly maxRestarts: number;
  readonly maxTaskRetries: number;
  readonly maxConcurrency: number;
  readonly concurrencyGroups: Readonly<Record<string, number>> | null;
  readonly isDetached: boolean;
  /** Held for its life. */
  readonly requiredResources: Readonly<Record<string, number>>;
  readonly placementGroupId: string | null;
  readonly labelSelector: Readonly<Record<string, string>> | null;
  readonly fallbackStrategy: readonly { readonly labelSelector: Readonly<Record<string, string>> }[] | null;
  /** Null for the plain one; variables by name. */
  readonly runtimeEnv: Readonly<Record<string, unknown>> | null;
  /** Where it was made, with MOBULA_RECORD_CALL_SITES=1 in its owner's environment. */
  readonly callSite: string | null;
  /** What its own toString() says. */
  readonly reprName: string | null;
  readonly deathCause: string | null;
  /** In words. */
  readonly deathMessage: string | null;
  readonly createdMs: number;
  /** When its first constructor had run; restarts keep it. */
  readonly startedMs: number | null;
  readonly endedMs: number | null;
  readonly updatedMs: number;
  /** How its calls fare: at most two seconds old, null until it was called. Calls at its worker that have not begun. */
  readonly mailboxDepth: number | null;
  readonly callsRunning: number | null;
  /** Answered since this incarnation began. */
  readonly callsFinished: number | null;
  readonly callsPerSecond: number | null;
  readonly meanCallMs: number | null;
}

/** The stored objects that one function made (or "put"). */
export interface ObjectGroupDto {
  readonly producer: string;
  /** Distinct objects, and the bytes of one copy of each. */
  readonly objects: number;
  readonly bytes: number;
  readonly nodes: Readonly<Record<string, ObjectsAtNode>>;
}

/** What a node has of a group. */
export interface ObjectsAtNode {
  /** Copies that are complete. */
  readonly objects: number;
  readonly bytes: number;
  /** Of `bytes`, those that are on disk alone. */
  readonly spilledBytes: number;
  /** Objects on their way to the node, and their bytes; not among the others yet. */
  readonly inFlight: number;
  readonly inFlightBytes: number;
}

export interface JobDto {
  readonly jobId: string;
  readonly state: "RUNNING" | "SUCCEEDED" | "FAILED";
  readonly message: string;
  readonly entrypoint: string;
  readonly namespace: string;
  readonly nodeId: string | null;
  readonly driverId: string;
  /** The submitted job whose program its driver is; absent: the driver was started by other means. */
  readonly submissionId?: string;
  readonly pid: number | null;
  readonly runtime: string;
  readonly startedMs: number;
  readonly endedMs: number | null;
}

/** Points of one second each, oldest first. A delta holds the points that are new or changed. */
export interface RatesDto {
  readonly stepMs: number;
  readonly atMs: readonly number[];
  readonly finished: readonly number[];
  readonly failed: readonly number[];
  /** Tasks running at the end of the step. */
  readonly running: readonly number[];
}

/**
 * What the cluster used, points of one second each, oldest first; seconds without a heartbeat are missing. A delta holds the
 * points that are new or changed.
 */
export interface UsageDto {
  readonly stepMs: number;
  readonly atMs: readonly number[];
  /** Tasks that wait: for arguments, for a worker, or at one. */
  readonly queued: readonly number[];
  /** Of all hosts' processors. */
  readonly cpuPercent: readonly number[];
  /** Bytes, over all hosts. */
  readonly memoryUsed: readonly number[];
  readonly memoryTotal: readonly number[];
  /** Bytes, over all nodes. */
  readonly storeUsed: readonly number[];
  readonly storeSpilled: readonly number[];
  readonly storeTotal: readonly number[];
  /** Bytes per second, over all hosts. */
  readonly netIn: readonly number[];
  readonly netOut: readonly number[];
}

/** Rows by key. A snapshot holds all that are shown; a delta what changed since the reader's last frame of the topic. */
export interface TableData<Row> {
  readonly rows: readonly Row[];
  /** Keys of rows that are gone (deltas only). */
  readonly removed: readonly string[];
  /** How many rows there are in all; more than the page gets when the view is capped. */
  readonly total: number;
}

export interface TopicData {
  readonly cluster: ClusterDto;
  readonly nodes: TableData<NodeDto>;
  readonly functions: TableData<FunctionDto>;
  readonly edges: TableData<EdgeDto>;
  readonly failures: TableData<FailureDto>;
  readonly actors: TableData<ActorDto>;
  readonly objects: TableData<ObjectGroupDto>;
  readonly jobs: TableData<JobDto>;
  readonly rates: RatesDto;
  readonly usage: UsageDto;
}

/** First frame of a stream: who speaks. */
export interface HelloDto {
  readonly clusterId: string;
  readonly version: string;
  /** Address of the head for agents and tools, HOST:PORT. */
  readonly address: string;
  /** What the reader may do: everything, or look. */
  readonly role: "full" | "viewer";
  /** When this head began; another value after a reconnect means that it was restarted. */
  readonly startedMs: number;
  /** The head's clock, for ages. */
  readonly nowMs: number;
  readonly topics: readonly Topic[];
}

/** One line of GET /api/v1/stream (NDJSON). A heartbeat says that the head is there although nothing changed. */
export type StreamFrame =
  | { readonly seq: number; readonly topic: "hello"; readonly kind: "snapshot"; readonly data: HelloDto }
  | {
    readonly seq: number;
    readonly topic: "heartbeat";
    readonly kind: "snapshot";
    readonly data: { readonly nowMs: number };
  }
  | LiveFrame
  | {
    [T in Topic]: {
      readonly seq: number;
      readonly topic: T;
      readonly kind: "snapshot" | "delta";
      readonly data: TopicData[T];
    };
  }[Topic];

/** A watched query's answer, whole, when it changed: `key` is the question, `name?params`. */
export interface LiveFrame {
  readonly seq: number;
  readonly topic: "live";
  readonly kind: "snapshot";
  readonly key: string;
  readonly data?: unknown;
  /** In place of data: why there is no answer. */
  readonly error?: { readonly code: string; readonly message: string };
}

/** One step of a task's journey. */
export interface TraceStepDto {
  readonly taskId: string;
  readonly journey: "submit" | "get";
  readonly step: number;
  readonly name: string;
  readonly nodeId: string | null;
  readonly processId: string | null;
  readonly atMs: number;
  readonly detail: string;
}

export type { ListAnswer, ListQuery, StateKind as ListKind } from "./api/state.ts";

/** What the server asks of the cluster's view. */
export interface ClusterReader {
  /** Rows of everything. */
  readonly state: StateReader;
  readonly topics: readonly Topic[];
  /** A number that grows whenever the topic's data may have changed. Cheap. */
  version(topic: Topic): number;
  /** The topic since `since` (an earlier answer's version), or whole when `since` is null or too old. */
  read<T extends Topic>(
    topic: T,
    since: number | null,
  ): { readonly version: number; readonly kind: "snapshot" | "delta"; readonly data: TopicData[T] };
  trace(taskId: string): Promise<TraceStepDto[]>;
  /** Which nodes hold an object now; null when no node is known to. */
  holders(objectId: string): { readonly nodes: readonly string[]; readonly bytes: number } | null;
}
