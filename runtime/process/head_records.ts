/**
 * Between what the GCS's machines persist and the rows of the store, both ways. Texts and numbers that came from other
 * processes are brought into shape here, so that a bad one can never make the store refuse a batch.
 * @module
 */
import type { RootFailure } from "../common/task_event.ts";
import type { ActorId, JobId, NodeId, ObjectId, ProcessId } from "../common/ids.ts";
import type { FunctionCounts, TaskEventBatch, TaskRow, TaskType, TraceStep } from "../common/task_event.ts";
import type {
  ActorSpec,
  ActorState,
  DeathCause,
  DriverRuntime,
  RuntimeName,
  TaskState,
} from "../common/task_spec.ts";
import type { ActorRecord } from "../core/actor/actor_events.ts";
import type { GcsRecords } from "../core/gcs/gcs_events.ts";
import type { JobRecord } from "../core/gcs/job_manager.ts";
import type { NodeRecord } from "../core/gcs/node_manager.ts";
import type {
  HistoryRow,
  LoadedStore,
  StoredActor,
  StoredFunctionCounts,
  StoredJob,
  StoredLocation,
  StoredNode,
  StoredObject,
  StoredTask,
  StoredTraceStep,
} from "../io/storage/rows.ts";
import type { NodeRow, ObjectReport } from "../protocol/messages.ts";
import { groupRecordOf } from "./head_groups.ts";

/** Names and messages of tasks are for people; what is longer is cut. */
const TEXT_MAX = 4_000;

export function nodeRow(
  { facts, state, stateMessage, startedMs, endedMs, drain }: NodeRecord,
): StoredNode {
  return {
    nodeId: whole(facts.nodeId),
    epoch: integer(facts.epoch),
    state,
    stateMessage: text(stateMessage),
    address: text(facts.address),
    hostname: text(facts.hostname),
    pid: integer(facts.pid),
    runtime: text(facts.runtime),
    sessionDir: text(facts.sessionDir),
    isHeadNode: facts.isHeadNode ? 1 : 0,
    resources: JSON.stringify(facts.resources ?? {}),
    labels: JSON.stringify(facts.labels ?? {}),
    objectStoreBytes: integer(facts.objectStoreBytes),
    startedMs: integer(startedMs),
    endedMs: integerOrNull(endedMs),
    drain: drain === null ? null : JSON.stringify(drain),
  };
}

function nodeRecord(row: StoredNode): NodeRecord {
  const { state, stateMessage, startedMs, endedMs, isHeadNode, resources, labels, drain, ...facts } = row;
  return {
    facts: {
      ...facts,
      nodeId: row.nodeId as NodeId,
      runtime: row.runtime as RuntimeName,
      isHeadNode: isHeadNode === 1,
      resources: JSON.parse(resources),
      labels: JSON.parse(labels),
    },
    state: state as NodeRow["state"],
    stateMessage,
    startedMs,
    endedMs,
    drain: drain === null ? null : JSON.parse(drain) as NodeRecord["drain"],
  };
}

export function jobRow(job: JobRecord): StoredJob {
  return {
    jobId: whole(job.jobId),
    driverId: whole(job.driverId),
    nodeId: whole(job.nodeId),
    namespace: whole(job.namespace),
    entrypoint: text(job.entrypoint),
    pid: integer(job.pid),
    runtime: text(job.runtime),
    state: job.state,
    message: text(job.message),
    startedMs: integer(job.startedMs),
    endedMs: integerOrNull(job.endedMs),
  };
}

function jobRecord(row: StoredJob): JobRecord {
  return {
    ...row,
    jobId: row.jobId as JobId,
    driverId: row.driverId as ProcessId,
    nodeId: row.nodeId as NodeId,
    runtime: row.runtime as DriverRuntime,
    state: row.state as JobRecord["state"],
  };
}

export function actorRow({ spec, status, createdMs, startedMs, endedMs }: ActorRecord): StoredActor {
  return {
    actorId: whole(spec.actorId),
    jobId: whole(spec.jobId),
    className: text(spec.className),
    name: whole(spec.name),
    namespace: whole(spec.namespace),
    state: status.state,
    incarnation: integer(status.incarnation),
    restartsLeft: integer(status.restartsLeft),
    nodeId: textOrNull(status.nodeId),
    workerId: textOrNull(status.workerId),
    socketPath: textOrNull(status.socketPath),
    pid: integerOrNull(status.pid),
    deathCause: status.deathCause === null ? null : JSON.stringify(status.deathCause),
    hasErrorValue: status.hasErrorValue === true ? 1 : 0,
    createdMs: integer(createdMs),
    startedMs: integerOrNull(startedMs),
    endedMs: integerOrNull(endedMs),
  };
}

function actorRecord(row: StoredActor, spec: ActorSpec): ActorRecord {
  return {
    spec,
    status: {
      actorId: row.actorId as ActorId,
      state: row.state as ActorState,
      incarnation: row.incarnation,
      nodeId: row.nodeId as NodeId | null,
      workerId: row.workerId as ProcessId | null,
      socketPath: row.socketPath,
      pid: row.pid,
      restartsLeft: row.restartsLeft,
      deathCause: row.deathCause === null ? null : JSON.parse(row.deathCause) as DeathCause,
      ...(row.hasErrorValue === 1 ? { hasErrorValue: true } : {}),
    },
    createdMs: row.createdMs,
    startedMs: row.startedMs,
    endedMs: row.endedMs,
  };
}

/** What a restarted head's machines begin with; null when the store is new. */
export function restoredRecords(loaded: LoadedStore): GcsRecords | null {
  if (loaded.isNew) return null;
  const specs = new Map(loaded.actorSpecs.map((row) => [row.actorId, row.spec]));
  const objects = new Map(loaded.objects.map((row) => [row.objectId, row]));
  return {
    nodes: loaded.nodes.map(nodeRecord),
    jobs: loaded.jobs.map(jobRecord),
    // The spec is written before the row, so every row has one.
    actors: loaded.actors.map((row) => actorRecord(row, JSON.parse(specs.get(row.actorId)!) as ActorSpec)),
    // By creation, which is the order of reservations; removed ones by their end, so that the oldest is forgotten first.
    groups: loaded.placementGroups.map(groupRecordOf).sort((a, b) =>
      (a.endedMs ?? a.createdMs) - (b.endedMs ?? b.createdMs)
    ),
    objects: loaded.objectLocations.flatMap((location) => {
      const row = objects.get(location.objectId);
      if (row === undefined) return [];
      const object = {
        id: row.objectId as ObjectId,
        bytes: row.bytes,
        home: row.home as NodeId,
        owner: row.owner as ProcessId,
        isError: row.isError === 1,
        primary: location.isPrimary === 1,
        producer: row.producer ?? undefined,
      };
      return [{ nodeId: location.nodeId as NodeId, object }];
    }),
  };
}

/** Whose counts they are, as a batch says. */
export type CountsSource = Pick<TaskEventBatch, "processId" | "nodeId" | "jobId" | "sequence">;

/** History rows of a batch: attempts and steps. Counts are coalesced by the caller (countsRow). */
export function* historyRows(batch: TaskEventBatch): Iterable<HistoryRow> {
  for (const row of batch.rows) yield { table: "tasks", put: taskRow(row) };
  for (const step of batch.steps) yield { table: "traceSteps", put: stepRow(step) };
}

function taskRow(row: TaskRow): StoredTask {
  return {
    taskId: whole(row.taskId),
    attempt: integer(row.attempt),
    jobId: text(row.jobId),
    name: text(row.name),
    type: text(row.type),
    state: text(row.state),
    parentTaskId: textOrNull(row.parentTaskId),
    actorId: textOrNull(row.actorId),
    nodeId: textOrNull(row.nodeId),
    workerId: textOrNull(row.workerId),
    submittedMs: integer(row.submittedMs),
    pushedMs: integerOrNull(row.pushedMs),
    startMs: integerOrNull(row.startMs),
    endMs: integerOrNull(row.endMs),
    args: JSON.stringify(row.args ?? []),
    resultBytes: integer(row.resultBytes),
    errorType: textOrNull(row.error?.type),
    errorMessage: textOrNull(row.error?.message),
    errorStack: textOrNull(row.error?.stack),
    errorRoot: rootText(row.error?.root),
  };
}

function rootText(root: RootFailure | null | undefined): string | null {
  if (root === null || root === undefined) return null;
  const { taskId, name, type, message } = root;
  return JSON.stringify({ taskId: text(taskId), name: text(name), type: text(type), message: text(message) });
}

function errorOf({ errorType, errorMessage, errorStack, errorRoot }: StoredTask): TaskRow["error"] {
  if (errorType === null) return null;
  return {
    ...{ type: errorType, message: errorMessage ?? "" },
    ...errorStack !== null && { stack: errorStack },
    ...errorRoot !== null && { root: JSON.parse(errorRoot) as RootFailure },
  };
}

/** A stored attempt as the processes reported it, for the view of a restarted head. */
export function reportedTask(row: StoredTask): TaskRow {
  return {
    ...row as unknown as TaskRow,
    type: row.type as TaskType,
    state: row.state as TaskState,
    args: JSON.parse(row.args) as ObjectId[],
    error: errorOf(row),
  };
}

export function stepRow(step: TraceStep): StoredTraceStep {
  return {
    taskId: text(step.taskId),
    journey: text(step.journey),
    step: integer(step.step),
    name: text(step.name),
    atMs: integer(step.atMs),
    nodeId: textOrNull(step.nodeId),
    processId: textOrNull(step.processId),
    detail: text(step.detail),
  };
}

/** A stored step as it was reported. */
export function reportedStep(row: StoredTraceStep): TraceStep {
  return row as unknown as TraceStep;
}

export function countsRow(
  batch: CountsSource,
  counts: FunctionCounts,
  nowMs: number,
): StoredFunctionCounts {
  return {
    processId: text(batch.processId),
    name: text(counts.name),
    type: text(counts.type),
    jobId: textOrNull(batch.jobId),
    nodeId: text(batch.nodeId),
    submitted: integer(counts.submitted),
    finished: integer(counts.finished),
    failed: integer(counts.failed),
    runMs: integer(counts.runMs),
    sequence: integer(batch.sequence),
    updatedMs: integer(nowMs),
  };
}

/** Stored counts as batches, one a process, for the view of a restarted head. What was unfinished is told again or is over. */
export function reportedCounts(rows: readonly StoredFunctionCounts[]): TaskEventBatch[] {
  const byProcess = new Map<string, StoredFunctionCounts[]>();
  for (const row of rows) byProcess.set(row.processId, [...byProcess.get(row.processId) ?? [], row]);
  return [...byProcess].map(([processId, own]) => ({
    processId,
    nodeId: own[0]!.nodeId as NodeId,
    jobId: own[0]!.jobId as JobId | null,
    sequence: Math.max(...own.map((row) => row.sequence)),
    counts: own.map((row) => ({
      name: row.name,
      type: row.type as TaskType,
      pendingArgs: 0,
      pendingNode: 0,
      submitted: row.submitted,
      running: 0,
      finished: row.finished,
      failed: row.failed,
      runMs: row.runMs,
    })),
    edges: [],
    rows: [],
    steps: [],
    rowsDropped: 0,
  }));
}

/** Where an object is, as the directory says it: the object's row and its location's. */
export function objectRows(nodeId: string, object: ObjectReport): [StoredObject, StoredLocation] {
  const objectId = whole(object.id);
  return [{
    objectId,
    bytes: integer(object.bytes),
    home: whole(object.home),
    owner: whole(object.owner),
    isError: object.isError ? 1 : 0,
    producer: textOrNull(object.producer),
  }, { objectId, nodeId: whole(nodeId), isPrimary: object.primary ? 1 : 0 }];
}

/** Keys are never cut. */
function whole(value: unknown): string {
  if (typeof value === "string") return value;
  return value === null || value === undefined ? "" : String(value);
}

function text(value: unknown): string {
  const all = whole(value);
  return all.length > TEXT_MAX ? `${all.slice(0, TEXT_MAX - 1)}…` : all;
}

function textOrNull(value: unknown): string | null {
  return value === null || value === undefined ? null : text(value);
}

function integer(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? Math.round(value) : 0;
}

function integerOrNull(value: unknown): number | null {
  return value === null || value === undefined ? null : integer(value);
}
