/**
 * The rows of the GCS's tables, and the writes that change them. The head speaks in these; it never sees SQL.
 * Every write is absolute: a whole row, or the end of one. So a batch whose outcome is unknown can be sent again, and
 * within one batch only the last write of a row counts.
 *
 * A table has at most one column of bytes; it is always `Uint8Array` here and `null` never.
 * @module
 */

/** A node's last known state. Resources and labels are JSON. */
export interface StoredNode {
  readonly nodeId: string;
  readonly epoch: number;
  readonly state: string;
  readonly stateMessage: string;
  readonly address: string;
  readonly hostname: string;
  readonly pid: number;
  readonly runtime: string;
  readonly sessionDir: string;
  readonly isHeadNode: number;
  readonly resources: string;
  readonly labels: string;
  readonly objectStoreBytes: number;
  readonly startedMs: number;
  readonly endedMs: number | null;
  /** JSON {reason, deadlineMs}; null for a node that is not drained. */
  readonly drain: string | null;
}

/** One driver's work. `state`: RUNNING, SUCCEEDED or FAILED. */
export interface StoredJob {
  readonly jobId: string;
  readonly driverId: string;
  readonly nodeId: string;
  readonly namespace: string;
  readonly entrypoint: string;
  readonly pid: number;
  readonly runtime: string;
  readonly state: string;
  readonly message: string;
  readonly startedMs: number;
  readonly endedMs: number | null;
}

/** Code by content hash. `kind`: function, class or codec. */
export interface StoredFunction {
  readonly hash: string;
  readonly kind: string;
  readonly name: string;
  readonly createdMs: number;
  readonly source: Uint8Array;
}

/** An actor's present state. `deathCause` is JSON {code, message}. */
export interface StoredActor {
  readonly actorId: string;
  readonly jobId: string;
  readonly className: string;
  readonly name: string;
  readonly namespace: string;
  readonly state: string;
  readonly incarnation: number;
  readonly restartsLeft: number;
  readonly nodeId: string | null;
  readonly workerId: string | null;
  readonly socketPath: string | null;
  readonly pid: number | null;
  readonly deathCause: string | null;
  /** 1: the constructor's error is in actorErrors. */
  readonly hasErrorValue: number;
  readonly createdMs: number;
  readonly startedMs: number | null;
  readonly endedMs: number | null;
}

/** What never changes of an actor: its spec as JSON, its serialized constructor arguments. */
export interface StoredActorSpec {
  readonly actorId: string;
  readonly spec: string;
  readonly args: Uint8Array;
}

/** The serialized error of an actor whose constructor failed. */
export interface StoredActorError {
  readonly actorId: string;
  readonly error: Uint8Array;
}

export interface StoredName {
  readonly namespace: string;
  readonly name: string;
  readonly actorId: string;
}

export interface StoredKv {
  readonly key: string;
  readonly value: Uint8Array;
}

export interface StoredObject {
  readonly objectId: string;
  readonly bytes: number;
  readonly home: string;
  readonly owner: string;
  readonly isError: number;
  /** Function that made it, for people. */
  readonly producer: string | null;
}

export interface StoredLocation {
  readonly objectId: string;
  readonly nodeId: string;
  readonly isPrimary: number;
}

/** History: one attempt of a task. `args` is JSON: object ids. */
export interface StoredTask {
  readonly taskId: string;
  readonly attempt: number;
  readonly jobId: string;
  readonly name: string;
  readonly type: string;
  readonly state: string;
  readonly parentTaskId: string | null;
  readonly actorId: string | null;
  readonly nodeId: string | null;
  readonly workerId: string | null;
  readonly submittedMs: number;
  readonly pushedMs: number | null;
  readonly startMs: number | null;
  readonly endMs: number | null;
  readonly args: string;
  readonly resultBytes: number;
  readonly errorType: string | null;
  readonly errorMessage: string | null;
  /** Frames of user code, a line each. */
  readonly errorStack: string | null;
  /** JSON: the failure of another task that it comes from. */
  readonly errorRoot: string | null;
}

/** One step of a journey as it happened. */
export interface StoredTraceStep {
  readonly taskId: string;
  readonly journey: string;
  readonly step: number;
  readonly name: string;
  readonly atMs: number;
  readonly nodeId: string | null;
  readonly processId: string | null;
  readonly detail: string;
}

/** Counts of one function in one process, absolute since the process began. */
export interface StoredFunctionCounts {
  readonly processId: string;
  readonly name: string;
  readonly type: string;
  readonly jobId: string | null;
  readonly nodeId: string;
  readonly submitted: number;
  readonly finished: number;
  readonly failed: number;
  readonly runMs: number;
  /** Of the process's batch that said so. */
  readonly sequence: number;
  readonly updatedMs: number;
}

/** A placement group. `spec` and `placements` are JSON. */
export interface StoredGroup {
  readonly groupId: string;
  readonly state: string;
  readonly message: string;
  readonly spec: string;
  readonly endsWithOwner: number;
  readonly placements: string;
  readonly createdMs: number;
  readonly readyMs: number | null;
  readonly endedMs: number | null;
}

/** A submitted job. `spec` and `metadata` are JSON; the spec's variables are gone once it runs. */
export interface StoredSubmission {
  readonly submissionId: string;
  readonly state: string;
  readonly message: string;
  readonly entrypoint: string;
  readonly metadata: string;
  readonly spec: string;
  readonly nodeId: string | null;
  readonly epoch: number | null;
  readonly pid: number | null;
  readonly jobId: string | null;
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly isStopping: number;
  readonly submittedMs: number;
  readonly startedMs: number | null;
  readonly endedMs: number | null;
}

/** Row types by table. */
/** What is kept of a job for people. Counts are of tasks; `record` is gzipped JSON of `bytes` bytes. */
export interface StoredJobRecord {
  readonly jobId: string;
  readonly name: string;
  readonly namespace: string;
  readonly state: string;
  readonly message: string;
  readonly startedMs: number;
  readonly endedMs: number | null;
  readonly madeMs: number;
  readonly finished: number;
  readonly failed: number;
  readonly unfinished: number;
  readonly bytes: number;
  readonly record: Uint8Array;
}

export interface Rows {
  nodes: StoredNode;
  jobs: StoredJob;
  functions: StoredFunction;
  actors: StoredActor;
  actorSpecs: StoredActorSpec;
  actorErrors: StoredActorError;
  names: StoredName;
  kv: StoredKv;
  objects: StoredObject;
  objectLocations: StoredLocation;
  tasks: StoredTask;
  traceSteps: StoredTraceStep;
  functionCounts: StoredFunctionCounts;
  placementGroups: StoredGroup;
  submissions: StoredSubmission;
  jobRecords: StoredJobRecord;
}

/** Primary keys by table. A removal may name the first part alone: it ends every row below it. */
export interface Keys {
  nodes: [nodeId: string];
  jobs: [jobId: string];
  functions: [hash: string];
  actors: [actorId: string];
  actorSpecs: [actorId: string];
  actorErrors: [actorId: string];
  names: [namespace: string, name: string];
  kv: [key: string];
  objects: [objectId: string];
  objectLocations: [objectId: string, nodeId: string];
  tasks: [taskId: string, attempt: number];
  traceSteps: [taskId: string, journey: string, step: number, name: string, atMs: number];
  functionCounts: [processId: string, name: string, type: string];
  placementGroups: [groupId: string];
  submissions: [submissionId: string];
  jobRecords: [jobId: string];
}

export type TableName = keyof Rows;

/** One change: the row as it is from now on, or the end of the row with this key. */
export type StoreWrite = {
  [T in TableName]:
    | { readonly table: T; readonly put: Rows[T] }
    | { readonly table: T; readonly remove: Keys[T] | [first: Keys[T][0]] };
}[TableName];

/** Tables of history: written behind, bounded, may be dropped; nothing depends on them. */
export type HistoryTable = "tasks" | "traceSteps" | "functionCounts";
export type HistoryRow =
  | { [T in HistoryTable]: { readonly table: T; readonly put: Rows[T] } }[HistoryTable]
  | OrphanedTasks;

/** A process ended: what it had submitted and not ended has failed. `owner`: the random part of its id. */
export interface OrphanedTasks {
  readonly table: "tasks";
  readonly orphaned: { readonly owner: string; readonly endMs: number; readonly message: string };
}

/** What a head needs to go on where another one stopped. Sources, arguments of dead actors and history stay behind. */
export interface LoadedStore {
  readonly clusterId: string;
  /** This head's epoch: every commit checks that it is still the newest. */
  readonly epoch: number;
  readonly schemaVersion: number;
  /** Whether the store was empty before. */
  readonly isNew: boolean;
  readonly historyDropped: number;
  readonly nodes: readonly StoredNode[];
  readonly jobs: readonly StoredJob[];
  /** Without `source`: fetched on demand by `readFunction`. */
  readonly functions: readonly Omit<StoredFunction, "source">[];
  /** Dead ones too, oldest first, until the head forgets them. */
  readonly actors: readonly StoredActor[];
  readonly actorSpecs: readonly StoredActorSpec[];
  readonly actorErrors: readonly StoredActorError[];
  readonly names: readonly StoredName[];
  readonly kv: readonly StoredKv[];
  readonly objects: readonly StoredObject[];
  readonly objectLocations: readonly StoredLocation[];
  /** Removed ones too, until the head forgets them. */
  readonly placementGroups: readonly StoredGroup[];
  /** Ended ones too, until the head forgets them. */
  readonly submissions: readonly StoredSubmission[];
}
