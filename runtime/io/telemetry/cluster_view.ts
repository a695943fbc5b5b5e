/**
 * The head's live picture of the cluster, for people. Events update it in O(1); readers (the dashboard's streams, list
 * queries, the CLI) get what was prepared once for all of them. It decides nothing and nothing depends on it: what it does
 * not know is only not shown.
 *
 * The head calls the `apply…` methods as things happen, and, after a restart, once for everything that the store kept:
 * task counts as batches with the process id and the sequence under which they were stored.
 * @module
 */
import type { ObjectId, ProcessId } from "../../common/ids.ts";
import type { TaskEventBatch, TaskRow, TraceStep } from "../../common/task_event.ts";
import type { ActorSpec, ActorStatus } from "../../common/task_spec.ts";
import type { NodeRow, ObjectReport, WorkerReport } from "../../protocol/messages.ts";
import type { TransferReport } from "../../protocol/node_questions.ts";
import type { ActorFigures } from "../../protocol/node_rows.ts";
import type {
  ClusterDto,
  ClusterReader,
  FailureDto,
  JobDto,
  Topic,
  TopicData,
} from "../../../dashboard/api_types.ts";
import type { StateReader } from "../../../dashboard/api/state.ts";
import { ActorRows, type ActorTimes } from "./actor_rows.ts";
import { JobRows, NodeRows, WorkerRows } from "./cluster_rows.ts";
import { GroupTable } from "./group_table.ts";
import { ObjectGroups } from "./object_groups.ts";
import { PlacementGroupRows } from "./placement_group_rows.ts";
import { RateRing } from "./rate_ring.ts";
import { TransferTable } from "./transfer_table.ts";
import { headTables, StateApi } from "./state/state_api.ts";
import { TaskCounts } from "./task_counts.ts";
import { OpenRows } from "./open_rows.ts";
import { RecentNames } from "./recent_names.ts";
import { taskTable } from "./state/task_table.ts";
import { LocalTelemetry, type TelemetryPort } from "./telemetry_port.ts";
import { UsageRing } from "./usage_ring.ts";
import { inOrder, stepsOfRow, TraceSteps } from "./trace_steps.ts";

/** Rows for readers are made at most this often, however many read. */
const FLUSH_INTERVAL_MS = 200;
/** The newest failures, for the page. */
const FAILURES_SHOWN = 50;
const MESSAGE_LENGTH_MAX = 500;

export interface ClusterViewOptions {
  /** Milliseconds since the epoch; Date.now by default. */
  readonly now?: () => number;
  /** Who keeps the attempts of tasks; this process by default. */
  readonly telemetry?: TelemetryPort;
}

export class ClusterView implements ClusterReader {
  readonly topics: readonly Topic[] = [
    "cluster",
    "nodes",
    "functions",
    "edges",
    "failures",
    "actors",
    "objects",
    "jobs",
    "rates",
    "usage",
  ];
  readonly nodes: NodeRows = new NodeRows();
  readonly actors: ActorRows = new ActorRows();
  readonly jobs: JobRows = new JobRows();
  readonly workers: WorkerRows = new WorkerRows();
  readonly placementGroups: PlacementGroupRows = new PlacementGroupRows();
  readonly counts: TaskCounts = new TaskCounts();
  /** Who keeps the attempts of tasks, and answers about them. */
  readonly telemetry: TelemetryPort;
  readonly #names = new RecentNames();
  readonly #open = new OpenRows();
  readonly objects: ObjectGroups;
  readonly transfers: TransferTable = new TransferTable();
  /** A process is gone, or told something after it was: what it left open has failed. */
  onProcessDied: (id: ProcessId) => void = () => {};
  /** Rows of everything, for people. */
  readonly state: StateReader;
  readonly #failures = new GroupTable<FailureDto, FailureDto>({
    cap: FAILURES_SHOWN,
    rank: () => 0,
    row: (_, failure) => failure,
  });
  readonly #steps = new TraceSteps();
  /** The agents that told of their actors' constructors, by node: what they had not finished fails with them. */
  readonly #agents = new Map<string, string>();
  readonly #rates: RateRing;
  readonly #usage = new UsageRing();
  readonly #now: () => number;
  /** Grows with each change that the cluster's summary shows. */
  #clusterChanges = 1;
  #cluster: { version: number; changes: number; data: ClusterDto } | null = null;
  readonly #flushedMs = new Map<Topic, number>();

  constructor(options: ClusterViewOptions = {}) {
    this.#now = options.now ?? Date.now;
    this.telemetry = options.telemetry ?? new LocalTelemetry(undefined, this.#now);
    this.objects = new ObjectGroups((taskId) => this.#names.of(taskId));
    this.#rates = new RateRing(this.#now());
    this.state = new StateApi([taskTable(this.telemetry), ...headTables(this)]);
  }

  /** What one process reports of its tasks. A duplicate is ignored. `isHistory`: it happened before this head began (what
   *  the store kept), and is no rate of now. */
  applyTaskEvents(batch: TaskEventBatch, isHistory: boolean = false): void {
    const delta = this.counts.apply(batch);
    if (delta === null) return;
    if (batch.processId.startsWith(`${batch.nodeId}@`)) this.#agents.set(batch.nodeId, batch.processId);
    this.#clusterChanges++;
    if (!isHistory) this.#rates.add(this.#now(), delta.finished, delta.failed, this.counts.totals.running);
    for (const row of batch.rows) {
      this.#open.apply(row, batch.processId);
      this.#taskChanged(row);
    }
    this.telemetry.take([batch], isHistory);
    if (this.counts.isDead(batch.processId)) this.#failOpen(batch.processId);
    for (const step of batch.steps) this.#steps.add(step);
  }

  /** Steps that the head itself took for a task. */
  applySteps(steps: readonly TraceStep[]): void {
    for (const step of steps) this.#steps.add(step);
  }

  /** Changes of a node's store, in order (HeadMethods.reportObjects). */
  applyObjects(nodeId: string, added: readonly ObjectReport[], removed: readonly ObjectId[]): void {
    for (const report of added) this.objects.add(nodeId, report);
    for (const id of removed) this.objects.remove(nodeId, id);
  }

  /** All objects that are on their way to a node (HeadMethods.reportIncoming). */
  applyIncoming(nodeId: string, ids: readonly ObjectId[]): void {
    this.objects.incoming(nodeId, ids);
  }

  /** A node (re)joined: its store holds exactly these. */
  resetObjects(nodeId: string, objects: readonly ObjectReport[]): void {
    this.objects.replace(nodeId, objects);
  }

  /** The spec and the times may be left out when they were given before. True when its history is to be stored. */
  applyActor(status: ActorStatus, spec: ActorSpec | null, times: ActorTimes | null = null): boolean {
    const nowMs = this.#now();
    this.#clusterChanges++;
    return this.actors.apply(status, spec, times, nowMs, times?.restartCause ?? null);
  }

  /** What a node's store has received (HeadMethods.reportTransfers). */
  applyTransfers(nodeId: string, received: readonly TransferReport[]): void {
    this.transfers.apply(nodeId, received, this.#now());
  }

  /** How actors' calls fare (HeadMethods.reportActorFigures). */
  applyActorFigures(figures: readonly ActorFigures[]): void {
    const nowMs = this.#now();
    for (const each of figures) this.actors.applyFigures(each, nowMs);
  }

  /** Rows replace those of their nodes; nodes that are absent are untouched. A node's objects and workers die with it. */
  applyNodes(rows: readonly NodeRow[]): void {
    this.#clusterChanges++;
    const nowMs = this.#now();
    for (const row of rows) {
      const { died, forgotten } = this.nodes.apply(row, nowMs);
      if (forgotten !== null) this.transfers.forget(forgotten);
      if (!died) continue;
      this.telemetry.mark({ atMs: nowMs, kind: "nodeDied", text: `${row.nodeId}: ${row.stateMessage}` });
      this.objects.replace(row.nodeId, []);
      // Nobody else is left to say that they ended, and with them what they had submitted.
      for (const workerId of this.workers.living(row.nodeId)) this.processDied(workerId);
      const agent = this.#agents.get(row.nodeId);
      if (agent !== undefined) this.processDied(agent);
      this.#agents.delete(row.nodeId);
    }
    this.#usage.sample(this.#now(), this.nodes.table.groups.values(), this.counts.totals);
  }

  /** What was declared dead asked to be a member again. */
  nodeRefused(nodeId: string, message: string): void {
    if (this.nodes.row(nodeId)?.state !== "DEAD") return;
    this.nodes.history.fenced(nodeId, message, this.#now());
    this.nodes.table.touch(nodeId);
  }

  /** All worker processes of a node (HeadMethods.reportWorkers). */
  applyWorkers(nodeId: string, workers: readonly WorkerReport[]): void {
    this.workers.replace(nodeId, workers, this.#now());
  }

  applyJob(job: JobDto): void {
    this.#clusterChanges++;
    this.jobs.apply(job);
    this.telemetry.job(this.jobs.table.groups.get(job.jobId) ?? job);
  }

  /** A job's driver is the program of a submitted job. */
  applySubmitted(jobId: string, submissionId: string): void {
    const job = this.jobs.submitted(jobId, submissionId);
    if (job !== null) this.telemetry.job(job);
  }

  /** A driver or worker process is gone: what it had submitted and is not finished has failed. `why`, for its row. */
  processDied(id: string, why: string | null = null): void {
    const nowMs = this.#now();
    const delta = this.counts.processDied(id);
    this.#clusterChanges++;
    this.#rates.add(nowMs, 0, delta.failed, this.counts.totals.running);
    this.#failOpen(id);
    this.telemetry.died(id);
    this.workers.died(id, nowMs, why);
  }

  #failOpen(id: string): void {
    for (const row of this.#open.processDied(id, this.#now())) this.#taskChanged(row);
    this.onProcessDied(id as ProcessId);
  }

  version(topic: Topic): number {
    this.#flush(topic);
    if (topic === "cluster") return this.#clusterVersion();
    if (topic === "rates") return this.#rates.newest;
    if (topic === "usage") return this.#usage.newest;
    return this.#table(topic).table.version;
  }

  read<T extends Topic>(
    topic: T,
    since: number | null,
  ): { version: number; kind: "snapshot" | "delta"; data: TopicData[T] } {
    this.#flush(topic);
    const answer = topic === "cluster"
      ? { version: this.#clusterVersion(), kind: "snapshot" as const, data: this.#clusterData() }
      : topic === "rates"
      ? this.#rates.read(since)
      : topic === "usage"
      ? this.#usage.read(since)
      : this.#table(topic).table.read(since);
    return answer as { version: number; kind: "snapshot" | "delta"; data: TopicData[T] };
  }

  holders(objectId: string): { nodes: readonly string[]; bytes: number } | null {
    const object = this.objects.objects.get(objectId as ObjectId);
    return object === undefined ? null : { nodes: [...object.nodes], bytes: object.bytes };
  }

  /** What processes told step by step, and what the rows of its attempts say, in the order in which it happened. */
  async trace(taskId: string): Promise<TraceStep[]> {
    const { rows } = await this.telemetry.ask("task/reported", { id: taskId });
    return inOrder([...this.#steps.of(taskId), ...rows.flatMap(stepsOfRow)]);
  }

  #taskChanged(row: TaskRow): void {
    this.#names.set(row.taskId, row.name);
    this.objects.named(row.taskId, row.name);
    if (row.state !== "FAILED") return;
    const key = `${row.taskId}#${row.attempt}`;
    this.#failures.groups.set(key, {
      key,
      taskId: row.taskId,
      attempt: row.attempt,
      name: row.name,
      nodeId: row.nodeId,
      endMs: row.endMs,
      errorType: row.error?.type ?? "",
      errorMessage: (row.error?.message ?? "").slice(0, MESSAGE_LENGTH_MAX),
    });
    this.#failures.touch(key);
    if (this.#failures.groups.size > FAILURES_SHOWN) {
      this.#failures.remove(this.#failures.groups.keys().next().value!);
    }
  }

  #table(topic: Exclude<Topic, "cluster" | "rates" | "usage">): GroupTable<unknown, unknown> {
    const tables = {
      nodes: this.nodes.table,
      functions: this.counts.functions,
      edges: this.counts.edges,
      failures: this.#failures,
      actors: this.actors.table,
      objects: this.objects.groups,
      jobs: this.jobs.table,
    };
    return tables[topic] as unknown as GroupTable<unknown, unknown>;
  }

  /** Make rows of what changed, unless that was done a moment ago. */
  #flush(topic: Topic): void {
    const nowMs = this.#now();
    const flushedMs = this.#flushedMs.get(topic) ?? -Infinity;
    if (nowMs - flushedMs < FLUSH_INTERVAL_MS && nowMs >= flushedMs) return;
    this.#flushedMs.set(topic, nowMs);
    if (topic === "rates") {
      this.#rates.advance(nowMs);
    } else if (topic === "usage") {
      // Sampled when the nodes tell.
    } else if (topic === "cluster") {
      if (this.#cluster?.changes !== this.#clusterChanges) this.#makeCluster();
    } else {
      this.#table(topic).flush(nowMs);
    }
  }

  #clusterVersion(): number {
    return (this.#cluster ?? this.#makeCluster()).version;
  }
  #clusterData(): ClusterDto {
    return (this.#cluster ?? this.#makeCluster()).data;
  }

  #makeCluster(): { version: number; changes: number; data: ClusterDto } {
    const data: ClusterDto = {
      tasks: this.counts.summary(),
      ...this.nodes.summary(),
      actorsAlive: this.actors.alive,
      jobsRunning: this.jobs.running,
      taskRowsSampledOut: this.counts.rowsDropped,
      taskRowsEvicted: this.telemetry.missing,
      functionNamesDropped: this.counts.namesDropped,
      objectsUntracked: this.objects.untracked,
    };
    this.#cluster = { version: (this.#cluster?.version ?? 0) + 1, changes: this.#clusterChanges, data };
    return this.#cluster;
  }
}
