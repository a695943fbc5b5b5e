/**
 * Builders that fill in what a test of the GCS's machines does not care about.
 * @module
 */
import type { ActorId, JobId, NodeId, ObjectId, ProcessId, TaskId } from "../../../runtime/common/ids.ts";
import { toUnits } from "../../../runtime/common/resources.ts";
import type { ActorSpec, ActorStatus, LeaseRequest } from "../../../runtime/common/task_spec.ts";
import type { Heartbeat, NodeRegistration, ObjectReport } from "../../../runtime/protocol/messages.ts";

export const N1: NodeId = "n-1" as NodeId;
export const N2: NodeId = "n-2" as NodeId;
export const N3: NodeId = "n-3" as NodeId;
export const J1: JobId = "j-1" as JobId;
export const DRIVER: ProcessId = "d-1" as ProcessId;
export const WORKER: ProcessId = "w-1" as ProcessId;
export const A1: ActorId = "a-1" as ActorId;
export const O1: ObjectId = "o-1-1.0" as ObjectId;
export const O2: ObjectId = "o-1-2.0" as ObjectId;

export function registration(changes: Partial<NodeRegistration> = {}): NodeRegistration {
  return {
    nodeId: N1,
    epoch: 1,
    address: "127.0.0.1:1",
    hostname: "host",
    pid: 10,
    runtime: "bun",
    sessionDir: "/tmp/s",
    isHeadNode: false,
    resources: toUnits({ CPU: 2 }),
    labels: {},
    objectStoreBytes: 1_000,
    objects: [],
    actors: [],
    drivers: [],
    ...changes,
  };
}

export function heartbeat(changes: Partial<Heartbeat> = {}): Heartbeat {
  return {
    nodeId: N1,
    epoch: 1,
    sequence: 1,
    available: toUnits({ CPU: 2 }),
    demand: [],
    storeUsedBytes: 0,
    storeObjects: 0,
    storeSpilledBytes: 0,
    workers: 0,
    cpuPercent: 0,
    rssBytes: 0,
    queueLength: 0,
    queueWaitMs: 0,
    bandwidth: {},
    ...changes,
  };
}

export function object(changes: Partial<ObjectReport> = {}): ObjectReport {
  return { id: O1, bytes: 100, home: N1, owner: DRIVER, isError: false, primary: true, ...changes };
}

export function actorSpec(changes: Partial<ActorSpec> = {}): ActorSpec {
  return {
    actorId: A1,
    jobId: J1,
    owner: DRIVER,
    ownerNode: N1,
    className: "Counter",
    classHash: "h",
    name: "",
    namespace: "ns",
    detached: false,
    maxRestarts: 0,
    maxTaskRetries: 0,
    maxConcurrency: 1,
    maxPendingCalls: -1,
    resources: {},
    placementResources: toUnits({ CPU: 1 }),
    strategy: { type: "hybrid" },
    runtimeEnv: { hash: "" },
    args: [],
    methods: {},
    ...changes,
  };
}

export function actorStatus(changes: Partial<ActorStatus> = {}): ActorStatus {
  return {
    actorId: A1,
    state: "PENDING_CREATION",
    incarnation: 1,
    nodeId: null,
    workerId: null,
    socketPath: null,
    pid: null,
    restartsLeft: 0,
    deathCause: null,
    ...changes,
  };
}

export function leaseRequest(changes: Partial<LeaseRequest> = {}): LeaseRequest {
  return {
    requestId: "r1",
    kind: "task",
    jobId: J1,
    submitter: DRIVER,
    submitterNode: N1,
    taskId: "t-1-1" as TaskId,
    name: "work",
    classKey: "cpu1",
    resources: toUnits({ CPU: 1 }),
    strategy: { type: "hybrid" },
    runtimeEnv: { hash: "" },
    args: [],
    backlog: 1,
    depth: 0,
    ...changes,
  };
}

/** Types of effects, for tests that are about their order only. */
export function typesOf(effects: readonly { readonly type: string }[]): string[] {
  return effects.map((effect) => effect.type);
}
