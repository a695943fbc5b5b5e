/**
 * The GCS's tables, as drizzle sees them: the one place that names tables and columns. Migrations (migrations.ts) create
 * them; a test holds the two together. Every write is absolute (an upsert or a delete by primary key), so that a batch
 * whose outcome is unknown can be sent again. There are no foreign keys: rows arrive batched and in any order.
 *
 * At most one BLOB column a table: rows travel to the store process as JSON, blobs beside them.
 * @module
 */
import {
  blob,
  index,
  integer,
  primaryKey,
  type SQLiteTable,
  sqliteTable,
  text,
} from "drizzle-orm/sqlite-core";
import type { Rows, TableName } from "./rows.ts";

/** Facts of the cluster: cluster_id, created_ms, history_dropped. */
const meta = sqliteTable("meta", {
  key: text("key").primaryKey(),
  value: text("value").notNull(),
});

/** One row: the epoch of the head that may write. Every commit checks it; a head that takes over increments it. */
const head = sqliteTable("head", {
  id: integer("id").primaryKey(),
  epoch: integer("epoch").notNull(),
});

const nodes = sqliteTable("nodes", {
  nodeId: text("node_id").primaryKey(),
  epoch: integer("epoch").notNull(),
  state: text("state").notNull(),
  stateMessage: text("state_message").notNull(),
  address: text("address").notNull(),
  hostname: text("hostname").notNull(),
  pid: integer("pid").notNull(),
  runtime: text("runtime").notNull(),
  sessionDir: text("session_dir").notNull(),
  isHeadNode: integer("is_head_node").notNull(),
  /** JSON: resources in units. */
  resources: text("resources").notNull(),
  /** JSON. */
  labels: text("labels").notNull(),
  objectStoreBytes: integer("object_store_bytes").notNull(),
  startedMs: integer("started_ms").notNull(),
  endedMs: integer("ended_ms"),
  /** JSON {reason, deadlineMs}; null for a node that is not drained. */
  drain: text("drain"),
});

const jobs = sqliteTable("jobs", {
  jobId: text("job_id").primaryKey(),
  driverId: text("driver_id").notNull(),
  nodeId: text("node_id").notNull(),
  namespace: text("namespace").notNull(),
  entrypoint: text("entrypoint").notNull(),
  pid: integer("pid").notNull(),
  runtime: text("runtime").notNull(),
  /** RUNNING, SUCCEEDED, FAILED. */
  state: text("state").notNull(),
  message: text("message").notNull(),
  startedMs: integer("started_ms").notNull(),
  endedMs: integer("ended_ms"),
});

/** Code by content hash. */
const functions = sqliteTable("functions", {
  hash: text("hash").primaryKey(),
  kind: text("kind").notNull(),
  name: text("name").notNull(),
  createdMs: integer("created_ms").notNull(),
  source: blob("source", { mode: "buffer" }).notNull(),
});

/** An actor's present state; what never changes of it is in actor_specs. */
const actors = sqliteTable("actors", {
  actorId: text("actor_id").primaryKey(),
  jobId: text("job_id").notNull(),
  className: text("class_name").notNull(),
  name: text("name").notNull(),
  namespace: text("namespace").notNull(),
  state: text("state").notNull(),
  incarnation: integer("incarnation").notNull(),
  restartsLeft: integer("restarts_left").notNull(),
  nodeId: text("node_id"),
  workerId: text("worker_id"),
  socketPath: text("socket_path"),
  pid: integer("pid"),
  /** JSON {code, message}. */
  deathCause: text("death_cause"),
  hasErrorValue: integer("has_error_value").notNull(),
  createdMs: integer("created_ms").notNull(),
  startedMs: integer("started_ms"),
  endedMs: integer("ended_ms"),
});

/** What is needed to construct an actor: its spec as JSON and its serialized constructor arguments. */
const actorSpecs = sqliteTable("actor_specs", {
  actorId: text("actor_id").primaryKey(),
  spec: text("spec").notNull(),
  args: blob("args", { mode: "buffer" }).notNull(),
});

/** The serialized error of an actor whose constructor failed. */
const actorErrors = sqliteTable("actor_errors", {
  actorId: text("actor_id").primaryKey(),
  error: blob("error", { mode: "buffer" }).notNull(),
});

/** Registered names of live actors. */
const names = sqliteTable("names", {
  namespace: text("namespace").notNull(),
  name: text("name").notNull(),
  actorId: text("actor_id").notNull(),
}, (table) => [primaryKey({ columns: [table.namespace, table.name] })]);

/** Placement groups: live ones, and removed ones until they are forgotten. */
const placementGroups = sqliteTable("placement_groups", {
  groupId: text("group_id").primaryKey(),
  state: text("state").notNull(),
  message: text("message").notNull(),
  /** JSON: GroupSpec. */
  spec: text("spec").notNull(),
  endsWithOwner: integer("ends_with_owner").notNull(),
  /** JSON: node ids, or null, by bundle index. */
  placements: text("placements").notNull(),
  createdMs: integer("created_ms").notNull(),
  readyMs: integer("ready_ms"),
  endedMs: integer("ended_ms"),
});

/** Submitted jobs: live ones, and ended ones until they are forgotten. */
const submissions = sqliteTable("submissions", {
  submissionId: text("submission_id").primaryKey(),
  /** PENDING, RUNNING, SUCCEEDED, FAILED, STOPPED. */
  state: text("state").notNull(),
  message: text("message").notNull(),
  entrypoint: text("entrypoint").notNull(),
  /** JSON. */
  metadata: text("metadata").notNull(),
  /** JSON: SubmissionSpec. */
  spec: text("spec").notNull(),
  nodeId: text("node_id"),
  epoch: integer("epoch"),
  pid: integer("pid"),
  jobId: text("job_id"),
  exitCode: integer("exit_code"),
  signal: text("signal"),
  isStopping: integer("is_stopping").notNull(),
  submittedMs: integer("submitted_ms").notNull(),
  startedMs: integer("started_ms"),
  endedMs: integer("ended_ms"),
});

const kv = sqliteTable("kv", {
  key: text("key").primaryKey(),
  value: blob("value", { mode: "buffer" }).notNull(),
});

/** Objects in stores. */
const objects = sqliteTable("objects", {
  objectId: text("object_id").primaryKey(),
  bytes: integer("bytes").notNull(),
  home: text("home").notNull(),
  owner: text("owner").notNull(),
  isError: integer("is_error").notNull(),
  producer: text("producer"),
});

/** Which nodes hold an object. */
const objectLocations = sqliteTable("object_locations", {
  objectId: text("object_id").notNull(),
  nodeId: text("node_id").notNull(),
  isPrimary: integer("is_primary").notNull(),
}, (table) => [
  primaryKey({ columns: [table.objectId, table.nodeId] }),
  index("object_locations_by_node").on(table.nodeId),
]);

/** History for people: one row an attempt of a task. */
const tasks = sqliteTable("tasks", {
  taskId: text("task_id").notNull(),
  attempt: integer("attempt").notNull(),
  jobId: text("job_id").notNull(),
  name: text("name").notNull(),
  type: text("type").notNull(),
  state: text("state").notNull(),
  parentTaskId: text("parent_task_id"),
  actorId: text("actor_id"),
  nodeId: text("node_id"),
  workerId: text("worker_id"),
  submittedMs: integer("submitted_ms").notNull(),
  pushedMs: integer("pushed_ms"),
  startMs: integer("start_ms"),
  endMs: integer("end_ms"),
  /** JSON: object ids. */
  args: text("args").notNull(),
  resultBytes: integer("result_bytes").notNull(),
  errorType: text("error_type"),
  errorMessage: text("error_message"),
  errorStack: text("error_stack"),
  errorRoot: text("error_root"),
}, (table) => [
  primaryKey({ columns: [table.taskId, table.attempt] }),
  index("tasks_by_state").on(table.state, table.submittedMs),
]);

/** The journeys' steps as they happened (`mobula trace`). */
const traceSteps = sqliteTable("trace_steps", {
  taskId: text("task_id").notNull(),
  journey: text("journey").notNull(),
  step: integer("step").notNull(),
  name: text("name").notNull(),
  atMs: integer("at_ms").notNull(),
  nodeId: text("node_id"),
  processId: text("process_id"),
  detail: text("detail").notNull(),
}, (table) => [
  primaryKey({ columns: [table.taskId, table.journey, table.step, table.name, table.atMs] }),
]);

/** Exact counts of each function in each process, absolute since the process began. */
const functionCounts = sqliteTable("function_counts", {
  processId: text("process_id").notNull(),
  name: text("name").notNull(),
  type: text("type").notNull(),
  jobId: text("job_id"),
  nodeId: text("node_id").notNull(),
  submitted: integer("submitted").notNull(),
  finished: integer("finished").notNull(),
  failed: integer("failed").notNull(),
  runMs: integer("run_ms").notNull(),
  sequence: integer("sequence").notNull(),
  updatedMs: integer("updated_ms").notNull(),
}, (table) => [primaryKey({ columns: [table.processId, table.name, table.type] })]);

/** What is kept of each job for people: totals, and everything that its pages show as gzipped JSON. */
const jobRecords = sqliteTable("job_records", {
  jobId: text("job_id").primaryKey(),
  name: text("name").notNull(),
  namespace: text("namespace").notNull(),
  state: text("state").notNull(),
  message: text("message").notNull(),
  startedMs: integer("started_ms").notNull(),
  endedMs: integer("ended_ms"),
  madeMs: integer("made_ms").notNull(),
  finished: integer("finished").notNull(),
  failed: integer("failed").notNull(),
  unfinished: integer("unfinished").notNull(),
  /** Of `record`. */
  bytes: integer("bytes").notNull(),
  record: blob("record", { mode: "buffer" }).notNull(),
}, (table) => [index("job_records_by_time").on(table.madeMs, table.bytes)]);

/** The tables that rows are written to, by name. */
export const TABLES: Readonly<Record<TableName, SQLiteTable>> = {
  nodes,
  jobs,
  functions,
  actors,
  actorSpecs,
  actorErrors,
  names,
  kv,
  objects,
  objectLocations,
  tasks,
  traceSteps,
  functionCounts,
  placementGroups,
  jobRecords,
  submissions,
};

/** The store's own tables. */
export const META: SQLiteTable = meta;
export const HEAD: SQLiteTable = head;

/** Compiles only while drizzle's idea of each row and rows.ts agree, in both directions. */
type Inferred = {
  nodes: typeof nodes.$inferSelect;
  jobs: typeof jobs.$inferSelect;
  functions: typeof functions.$inferSelect;
  actors: typeof actors.$inferSelect;
  actorSpecs: typeof actorSpecs.$inferSelect;
  actorErrors: typeof actorErrors.$inferSelect;
  names: typeof names.$inferSelect;
  kv: typeof kv.$inferSelect;
  objects: typeof objects.$inferSelect;
  objectLocations: typeof objectLocations.$inferSelect;
  tasks: typeof tasks.$inferSelect;
  traceSteps: typeof traceSteps.$inferSelect;
  functionCounts: typeof functionCounts.$inferSelect;
  placementGroups: typeof placementGroups.$inferSelect;
  jobRecords: typeof jobRecords.$inferSelect;
  submissions: typeof submissions.$inferSelect;
};
type Same<A, B> = [A] extends [B] ? [B] extends [A] ? true : never : never;
type Plain<Row> = { [Column in keyof Row]: Row[Column] extends Uint8Array ? Uint8Array : Row[Column] };
const rowsAgree: {
  [T in TableName]: Same<Plain<Inferred[T]>, { -readonly [C in keyof Rows[T]]: Rows[T][C] }>;
} = {
  nodes: true,
  jobs: true,
  functions: true,
  actors: true,
  actorSpecs: true,
  actorErrors: true,
  names: true,
  kv: true,
  objects: true,
  objectLocations: true,
  tasks: true,
  traceSteps: true,
  functionCounts: true,
  placementGroups: true,
  jobRecords: true,
  submissions: true,
};
void rowsAgree;
