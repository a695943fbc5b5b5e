/**
 * The task recorder: what a submitting process tells the head about its tasks, for people. Counts are exact and cost an
 * increment; rows of short tasks are sent once, in their final state, and sampled past a rate; failed ones never are.
 * @module
 */
import { TASK_EVENT_INTERVAL_MS, TASK_ROWS_PER_BATCH } from "../../common/config.ts";
import type { JobId, NodeId, ProcessId, TaskId } from "../../common/ids.ts";
import type {
  FunctionCounts,
  FunctionEdge,
  TaskEventBatch,
  TaskRow,
  TaskType,
  TraceStep,
} from "../../common/task_event.ts";
import type { TaskState } from "../../common/task_spec.ts";
import { Timer } from "./timers.ts";

/** Failed rows and trace steps that wait for the next batch; beyond it they are dropped and counted. */
const PENDING_MAX = 20_000;
/** Work under way that was told and whose end is still to be told; of more nothing is told before it ends. */
const TOLD_MAX = 20_000;

/** Rows of waiting tasks that a batch may always have. */
export const WAITING_ROWS_MIN: number = 20;

/** Function names that are counted apart, and flows between them; what comes after counts as "(other)". */
const NAMES_MAX = 1_900;
const EDGES_MAX = 1_900;
const OTHER = "(other)";

/** Counters of one function in this process; absolute, changed in place by the submitters. */
export class FunctionStats {
  readonly name: string;
  readonly type: TaskType;
  pendingArgs = 0;
  pendingNode = 0;
  submitted = 0;
  finished = 0;
  failed = 0;
  runMs = 0;

  constructor(name: string, type: TaskType) {
    this.name = name;
    this.type = type;
  }
}

/** Where the recorder learns what is under way when it makes a batch. */
export interface RunningSource {
  /** Functions with a task at the head of a worker's pipeline: how many each. */
  running(): Map<FunctionStats, number>;
  /** Rows of tasks that have been under way for longer than one interval, as far as they are news, at most `limit`; of those
   *  that wait for a worker at most `waiting`. */
  longRunning(limit: number, waiting: number): TaskRow[];
}

/** See the module's header. */
export class TaskRecorder {
  readonly #identity: { processId: ProcessId; nodeId: NodeId; jobId: () => JobId | null };
  readonly #send: (batch: TaskEventBatch) => Promise<unknown>;
  readonly #stats = new Map<string, FunctionStats>();
  readonly #edges = new Map<string, { from: string; to: string; count: number; bytes: number }>();
  readonly #sources: RunningSource[] = [];
  /** How far work that was told while it was under way had come, oldest first. */
  readonly #told = new Map<object, TaskState>();
  #rows: TaskRow[] = [];
  #urgentRows: TaskRow[] = [];
  #steps: TraceStep[] = [];
  #dropped = 0;
  #sequence = 0;
  #timer: Timer | null = null;
  #flushing: Promise<void> | null = null;
  #closed: boolean;
  /** What one batch may hold; nothing when nothing is recorded. */
  readonly #rowsMax: number;
  readonly #pendingMax: number;

  /** `isOn`: false records nothing (MOBULA_RECORD_TASKS=0). */
  constructor(
    identity: { processId: ProcessId; nodeId: NodeId; jobId: () => JobId | null },
    send: (batch: TaskEventBatch) => Promise<unknown>,
    isOn: boolean = true,
  ) {
    this.#identity = identity;
    this.#send = send;
    this.#closed = !isOn;
    this.#rowsMax = isOn ? TASK_ROWS_PER_BATCH : 0;
    this.#pendingMax = isOn ? PENDING_MAX : 0;
  }

  addSource(source: RunningSource): void {
    this.#sources.push(source);
  }

  stats(name: string, type: TaskType): FunctionStats {
    const key = `${type} ${name}`;
    let stats = this.#stats.get(key);
    if (stats === undefined) {
      if (this.#stats.size >= NAMES_MAX && name !== OTHER) return this.stats(OTHER, type);
      this.#stats.set(key, stats = new FunctionStats(name, type));
    }
    return stats;
  }

  /** Something changed: a batch leaves within one interval. */
  touch(): void {
    if (this.#timer !== null || this.#closed) return;
    this.#timer = Timer.background(() => {
      this.#timer = null;
      void this.flush();
    }, TASK_EVENT_INTERVAL_MS);
  }

  /** Whether a row of a finished task would still be taken in this interval: asked before one is built. One that was told
   *  while it was under way always is, or it would seem to run for ever. */
  wantsRow(work: object): boolean {
    const wasTold = this.#told.size > 0 && this.#told.delete(work);
    if (wasTold || this.#rows.length < this.#rowsMax) return true;
    this.#dropped++;
    return false;
  }

  /** The same for a failed one: a million may be cancelled at once. */
  wantsFailedRow(work: object): boolean {
    const wasTold = this.#told.size > 0 && this.#told.delete(work);
    if (wasTold || this.#urgentRows.length < this.#pendingMax) return true;
    this.#dropped++;
    return false;
  }

  /** Whether it is news that this work, which is under way, has come so far: then it is told, and its end will be. What was
   *  told is never forgotten before its end, or it would seem to go on for ever. */
  isNews(work: object, state: TaskState): boolean {
    const known = this.#told.get(work);
    if (known === state || (known === undefined && this.#told.size >= TOLD_MAX)) return false;
    this.#told.set(work, state);
    return true;
  }

  row(row: TaskRow): void {
    if (row.state !== "FAILED") this.#rows.push(row);
    else this.#urgentRows.push(row);
    this.touch();
  }

  /** A step of a task's trace, that happened now unless said otherwise. */
  step(
    taskId: TaskId,
    journey: "submit" | "get",
    step: number,
    name: string,
    detail: string,
    atMs: number = performance.timeOrigin + performance.now(),
  ): void {
    if (this.#steps.length >= this.#pendingMax) return;
    const { nodeId, processId } = this.#identity;
    this.#steps.push({ taskId, journey, step, name, nodeId, processId, atMs, detail });
    this.touch();
  }

  edge(from: string, to: string, bytes: number): void {
    const key = `${from}\n${to}`;
    const edge = this.#edges.get(key);
    if (edge === undefined) {
      if (this.#edges.size >= EDGES_MAX && from !== OTHER) return this.edge(OTHER, OTHER, bytes);
      this.#edges.set(key, { from, to, count: 1, bytes });
    } else {
      edge.count++;
      edge.bytes += bytes;
    }
  }

  /** Send what there is; resolves when the agent has it. Batches leave one after the other. */
  flush(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#flushing = (this.#flushing ?? Promise.resolve()).then(() => this.#sendBatch());
    return this.#flushing;
  }

  async close(): Promise<void> {
    await this.flush();
    this.#closed = true;
    this.#timer?.clear();
  }

  /** Whether something waits, or is at a worker, that no batch has told of. */
  #isAnyUntold(): boolean {
    let open = 0;
    for (const { pendingNode, submitted } of this.#stats.values()) open += pendingNode + submitted;
    return open > this.#told.size;
  }

  /** What is known of all functions now. */
  counts(): FunctionCounts[] {
    const running = this.#running();
    return [...this.#stats.values()].map((stats) => countsOf(stats, running.get(stats) ?? 0));
  }

  #running(): Map<FunctionStats, number> {
    const running = new Map<FunctionStats, number>();
    for (const source of this.#sources) {
      for (const [stats, count] of source.running()) running.set(stats, (running.get(stats) ?? 0) + count);
    }
    return running;
  }

  async #sendBatch(): Promise<void> {
    const running = this.#running();
    // Where so many end that rows are left out, what waits will soon have ended: to tell both would be two rows a task.
    const waiting = Math.max(WAITING_ROWS_MIN, TASK_ROWS_PER_BATCH - this.#rows.length);
    const long = this.#sources.flatMap((source) => source.longRunning(TASK_ROWS_PER_BATCH, waiting));
    const rows = [...this.#urgentRows, ...this.#rows, ...long];
    const batch: TaskEventBatch = {
      processId: this.#identity.processId,
      nodeId: this.#identity.nodeId,
      jobId: this.#identity.jobId(),
      sequence: ++this.#sequence,
      counts: [...this.#stats.values()].map((stats) => countsOf(stats, running.get(stats) ?? 0)),
      edges: [...this.#edges.values()] as FunctionEdge[],
      rows,
      steps: this.#steps,
      rowsDropped: this.#dropped,
    };
    this.#rows = [];
    this.#urgentRows = [];
    this.#steps = [];
    // Under way, perhaps not yet for long: the next batch tells how it went on.
    if (long.length > 0 || running.size > 0 || this.#isAnyUntold()) this.touch();
    try {
      await this.#send(batch);
    } catch {
      // The agent is gone; history is never needed for correctness, and the process learns of the loss elsewhere.
    }
  }
}

function countsOf(stats: FunctionStats, running: number): FunctionCounts {
  return {
    name: stats.name,
    type: stats.type,
    pendingArgs: stats.pendingArgs,
    pendingNode: stats.pendingNode,
    submitted: Math.max(0, stats.submitted - running),
    running,
    finished: stats.finished,
    failed: stats.failed,
    runMs: stats.runMs,
  };
}
