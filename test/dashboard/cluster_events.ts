/**
 * Builders of the events that agents and processes send, for tests of the view and of the page.
 * @module
 */
import type {
  ActorId,
  GroupId,
  JobId,
  NodeId,
  ObjectId,
  ProcessId,
  TaskId,
} from "../../runtime/common/ids.ts";
import type { FunctionCounts, TaskEventBatch, TaskRow } from "../../runtime/common/task_event.ts";
import type { ActorSpec, ActorStatus } from "../../runtime/common/task_spec.ts";
import type { GroupRecord } from "../../runtime/core/gcs/group_events.ts";
import type { NodeRow, ObjectReport } from "../../runtime/protocol/messages.ts";
import type { JobDto } from "../../dashboard/api_types.ts";

export function counts(name: string, some: Partial<FunctionCounts> = {}): FunctionCounts {
  return {
    name,
    type: "NORMAL_TASK",
    pendingArgs: 0,
    pendingNode: 0,
    submitted: 0,
    running: 0,
    finished: 0,
    failed: 0,
    runMs: 0,
    ...some,
  };
}

export function taskBatch(
  processId: string,
  sequence: number,
  some: Partial<TaskEventBatch> = {},
): TaskEventBatch {
  return {
    processId,
    nodeId: "n-1" as NodeId,
    jobId: "j-1" as JobId,
    sequence,
    counts: [],
    edges: [],
    rows: [],
    steps: [],
    rowsDropped: 0,
    ...some,
  };
}

export function taskRow(taskId: string, some: Partial<TaskRow> = {}): TaskRow {
  return {
    taskId: taskId as TaskId,
    attempt: 1,
    jobId: "j-1" as JobId,
    name: "add",
    type: "NORMAL_TASK",
    state: "FINISHED",
    parentTaskId: null,
    actorId: null,
    nodeId: "n-1" as NodeId,
    workerId: "w-1" as ProcessId,
    submittedMs: 1_000,
    pushedMs: 1_001,
    startMs: 1_002,
    endMs: 1_010,
    args: [],
    resultBytes: 8,
    error: null,
    ...some,
  };
}

export function objectReport(id: string, bytes: number, some: Partial<ObjectReport> = {}): ObjectReport {
  return {
    id: id as ObjectId,
    bytes,
    home: "n-1" as NodeId,
    owner: "d-1" as ProcessId,
    isError: false,
    primary: true,
    ...some,
  };
}

export function nodeRow(nodeId: string, some: Partial<NodeRow> = {}): NodeRow {
  return {
    nodeId: nodeId as NodeId,
    epoch: 1,
    state: "ALIVE",
    stateMessage: "",
    address: "127.0.0.1:40001",
    hostname: "host-a",
    pid: 100,
    runtime: "bun",
    isHeadNode: false,
    resources: { CPU: 40_000, memory: 8 * 2 ** 30 },
    available: { CPU: 10_000, memory: 8 * 2 ** 30 },
    labels: {},
    objectStoreBytes: 2 ** 30,
    storeUsedBytes: 0,
    storeObjects: 0,
    storeSpilledBytes: 0,
    workers: 4,
    leases: 0,
    memoryKills: 0,
    metricsPort: null,
    cpuPercent: 55,
    rssBytes: 210 * 2 ** 20,
    demand: [],
    startedMs: 1_000,
    heardMs: 1_000,
    ...some,
  };
}

export function actorSpec(actorId: string, some: Partial<ActorSpec> = {}): ActorSpec {
  return {
    actorId: actorId as ActorId,
    jobId: "j-1" as JobId,
    owner: "d-1" as ProcessId,
    ownerNode: "n-1" as NodeId,
    className: "Counter",
    classHash: "",
    name: "",
    namespace: "default",
    detached: false,
    maxRestarts: 0,
    maxTaskRetries: 0,
    maxConcurrency: 1,
    maxPendingCalls: -1,
    resources: {},
    placementResources: { CPU: 10_000 },
    strategy: { type: "hybrid" },
    runtimeEnv: { hash: "" },
    args: [],
    methods: {},
    ...some,
  };
}

export function actorStatus(actorId: string, some: Partial<ActorStatus> = {}): ActorStatus {
  return {
    actorId: actorId as ActorId,
    state: "ALIVE",
    incarnation: 1,
    nodeId: "n-1" as NodeId,
    workerId: "w-2" as ProcessId,
    socketPath: null,
    pid: 200,
    restartsLeft: 0,
    deathCause: null,
    ...some,
  };
}

export function jobRow(jobId: string, some: Partial<JobDto> = {}): JobDto {
  return {
    jobId,
    state: "RUNNING",
    message: "",
    entrypoint: "examples/wordcount.ts",
    namespace: "default",
    nodeId: "n-1",
    driverId: "d-1",
    pid: 300,
    runtime: "bun",
    startedMs: 1_000,
    endedMs: null,
    ...some,
  };
}

export function groupRecord(groupId: string, some: Partial<GroupRecord> = {}): GroupRecord {
  return {
    spec: {
      groupId: groupId as GroupId,
      bundles: [{ CPU: 10_000 }, { CPU: 20_000 }],
      jobId: "j-1" as JobId,
      owner: "d-1" as ProcessId,
      ownerNode: "n-1" as NodeId,
      name: "",
      namespace: "default",
      detached: false,
      byDetachedActor: false,
      strategy: "PACK",
    },
    endsWithOwner: false,
    state: "CREATED",
    message: "",
    placements: ["n-1" as NodeId, "n-2" as NodeId],
    createdMs: 1_000,
    readyMs: 1_100,
    endedMs: null,
    ...some,
  };
}
