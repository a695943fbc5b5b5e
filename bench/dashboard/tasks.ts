/**
 * Made-up tasks for the dashboard's benchmarks, in the real columnar store: a pipeline of six functions over workers of several
 * nodes, each task after the other in its worker, with arguments that lead from one function to the next.
 * @module
 */
import type { JobDto } from "../../dashboard/api_types.ts";
import type { TelemetryReader } from "../../dashboard/api/tasks.ts";
import type { FunctionCounts, FunctionEdge, TaskRow } from "../../runtime/common/task_event.ts";
import { TaskQueries } from "../../runtime/io/telemetry/tasks/task_queries.ts";
import { TaskTelemetry } from "../../runtime/io/telemetry/tasks/task_telemetry.ts";
import { objectIdOf, taskIdOf } from "../../runtime/io/telemetry/tasks/task_ids.ts";

export const JOB = "j-bench";
const OWNER = "bench0000001";
const NODES = 4;
const WORKERS = 64;
const BATCH = 5_000;
const STAGES = [
  { name: "readShard", share: 0.15, meanMs: 40 },
  { name: "tokenize", share: 0.35, meanMs: 24 },
  { name: "embed", share: 0.25, meanMs: 70 },
  { name: "score", share: 0.15, meanMs: 30 },
  { name: "mergeScores", share: 0.07, meanMs: 18 },
  { name: "report", share: 0.03, meanMs: 9 },
] as const;

/** The telemetry of a job of so many tasks that are over, as the dashboard's queries ask it. */
export function fillTelemetry(tasks: number): TelemetryReader {
  const telemetry = new TaskTelemetry(Math.max(1_000, tasks));
  telemetry.job(jobRow());
  const maker = new TaskMaker(tasks);
  for (let from = 0, sequence = 1; from < tasks; from += BATCH, sequence++) {
    const rows: TaskRow[] = [];
    for (let task = from; task < Math.min(tasks, from + BATCH); task++) rows.push(maker.make(task));
    telemetry.apply({
      processId: "d-bench",
      nodeId: "n-0" as TaskRow["nodeId"] & string,
      jobId: JOB as TaskRow["jobId"],
      sequence,
      counts: maker.counts(),
      edges: maker.edges(),
      rows,
      steps: [],
      rowsDropped: 0,
    });
  }
  const queries = new TaskQueries(telemetry);
  return { ask: (name, params) => Promise.resolve().then(() => queries.ask(name, params)) };
}

/** Makes one task after the other; the same numbers for the same count. */
class TaskMaker {
  readonly #free = new Float64Array(WORKERS).fill(Date.now() - 3_600_000 * 4);
  readonly #ended = STAGES.map(() => ({ count: 0, runMs: 0 }));
  readonly #first: number[] = [];
  #seed = 7;

  constructor(tasks: number) {
    let first = 0;
    for (const { share } of STAGES) {
      this.#first.push(first);
      first += Math.floor(tasks * share);
    }
    this.#first.push(tasks);
  }

  make(task: number): TaskRow {
    const stage = this.#first.findLastIndex((first, i) => i < STAGES.length && first <= task);
    const { name, meanMs } = STAGES[stage]!;
    const worker = Math.floor(this.#random() * WORKERS);
    const startMs = this.#free[worker]! + this.#random() * 2;
    const runMs = meanMs * (0.3 + this.#random() * 1.4);
    this.#free[worker] = startMs + runMs;
    this.#ended[stage]!.count++;
    this.#ended[stage]!.runMs += runMs;
    return {
      taskId: taskIdOf(OWNER, task) as TaskRow["taskId"],
      attempt: 0,
      jobId: JOB as TaskRow["jobId"],
      name,
      type: "NORMAL_TASK",
      state: "FINISHED",
      parentTaskId: null,
      actorId: null,
      nodeId: `n-${worker % NODES}` as NonNullable<TaskRow["nodeId"]>,
      workerId: `w-${worker}` as NonNullable<TaskRow["workerId"]>,
      submittedMs: startMs - 30,
      pushedMs: startMs - 1,
      startMs,
      endMs: startMs + runMs,
      args: stage === 0 ? [] : [this.#source(task, stage)],
      resultBytes: 40_000,
      error: null,
    };
  }

  /** A result of the stage before, evenly. */
  #source(task: number, stage: number): TaskRow["args"][number] {
    const [from, to, next] = [this.#first[stage - 1]!, this.#first[stage]!, this.#first[stage + 1]!];
    const source = from + Math.floor((task - to) / Math.max(1, next - to) * (to - from));
    return objectIdOf(OWNER, source, 0) as TaskRow["args"][number];
  }

  counts(): FunctionCounts[] {
    return STAGES.map(({ name }, stage) => ({
      name,
      type: "NORMAL_TASK",
      pendingArgs: 0,
      pendingNode: 0,
      submitted: 0,
      running: 0,
      finished: this.#ended[stage]!.count,
      failed: 0,
      runMs: this.#ended[stage]!.runMs,
    }));
  }

  edges(): FunctionEdge[] {
    return STAGES.slice(1).map(({ name }, stage) => {
      const count = this.#ended[stage + 1]!.count;
      return { from: STAGES[stage]!.name, to: name, count, bytes: count * 40_000 };
    });
  }

  #random(): number {
    this.#seed = (Math.imul(this.#seed, 1_664_525) + 1_013_904_223) >>> 0;
    return this.#seed / 2 ** 32;
  }
}

function jobRow(): JobDto {
  return {
    jobId: JOB,
    state: "SUCCEEDED",
    message: "",
    entrypoint: "bench",
    namespace: "bench",
    nodeId: "n-0",
    driverId: "d-bench",
    pid: null,
    runtime: "bun",
    startedMs: Date.now() - 3_600_000 * 4,
    endedMs: Date.now(),
  };
}
