/**
 * History of the constructor calls of a node's actors, for people: only their agent knows when each began and ended. It is
 * reported like the tasks of any process: counts by class, absolute, and a row for each call.
 * @module
 */
import { creationTaskId, type NodeId, type ProcessId } from "../common/ids.ts";
import type { FunctionCounts, TaskRow } from "../common/task_event.ts";
import type { ActorSpec } from "../common/task_spec.ts";

/** Classes that are counted apart; what comes after counts as "(other)". */
const NAMES_MAX = 1_900;
/** Rows of one interval; failed ones always. What is over it is counted. */
const ROWS_MAX = 1_000;

/** One constructor call that has not ended. Made and changed by {@link Creations} only. */
export interface Creation {
  readonly spec: ActorSpec;
  readonly attempt: number;
  readonly submittedMs: number;
  /** When the constructor began, and where; null while the actor waits for a worker. */
  startMs: number | null;
  workerId: ProcessId | null;
}

type Counts = { -readonly [K in keyof FunctionCounts]: FunctionCounts[K] };

export class Creations {
  readonly #nodeId: NodeId;
  readonly #counts: Map<string, Counts> = new Map();
  /** All and only calls that have not ended. */
  readonly #open: Set<Creation> = new Set();
  #rows: TaskRow[] = [];
  #changed: boolean = false;
  /** Rows that were left out; absolute. */
  rowsDropped: number = 0;

  constructor(nodeId: NodeId) {
    this.#nodeId = nodeId;
  }

  /** The node was told to start the actor. */
  begin(spec: ActorSpec, incarnation: number, nowMs: number): Creation {
    const creation = { spec, attempt: incarnation - 1, submittedMs: nowMs, startMs: null, workerId: null };
    this.#open.add(creation);
    this.#count(creation).pendingNode++;
    return creation;
  }

  /** Its constructor runs now. */
  start(creation: Creation, workerId: ProcessId, nowMs: number): void {
    if (!this.#open.has(creation)) return;
    creation.startMs = nowMs;
    creation.workerId = workerId;
    const counts = this.#count(creation);
    counts.pendingNode--;
    counts.running++;
  }

  /** It is over; `error` says how the constructor failed. One that never began leaves no trace. Repeated calls are ignored. */
  end(creation: Creation, error: TaskRow["error"], nowMs: number): void {
    if (!this.#open.delete(creation)) return;
    const counts = this.#count(creation);
    if (creation.startMs === null) {
      counts.pendingNode--;
      return;
    }
    counts.running--;
    counts.runMs += nowMs - creation.startMs;
    if (error === null) counts.finished++;
    else counts.failed++;
    if (this.#rows.length >= ROWS_MAX && error === null) this.rowsDropped++;
    else this.#rows.push(this.#row(creation, error === null ? "FINISHED" : "FAILED", nowMs, error));
  }

  /** What is new since the last call; null when nothing is. */
  take(): { counts: FunctionCounts[]; rows: TaskRow[] } | null {
    if (!this.#changed) return null;
    this.#changed = false;
    const rows = this.#rows;
    this.#rows = [];
    for (const creation of this.#open) {
      if (rows.length >= ROWS_MAX) break;
      const state = creation.startMs === null ? "PENDING_NODE_ASSIGNMENT" : "RUNNING";
      rows.push(this.#row(creation, state, null, null));
    }
    return { counts: [...this.#counts.values()].map((counts) => ({ ...counts })), rows };
  }

  #row(creation: Creation, state: TaskRow["state"], endMs: number | null, error: TaskRow["error"]): TaskRow {
    const { spec, attempt, submittedMs, startMs, workerId } = creation;
    return {
      taskId: creationTaskId(spec.actorId),
      attempt,
      jobId: spec.jobId,
      name: nameOf(spec),
      type: "ACTOR_CREATION_TASK",
      state,
      parentTaskId: null,
      actorId: spec.actorId,
      nodeId: this.#nodeId,
      workerId,
      submittedMs,
      pushedMs: startMs,
      startMs,
      endMs,
      args: spec.args.map(({ id }) => id),
      resultBytes: 0,
      error,
    };
  }

  #count({ spec }: Creation): Counts {
    this.#changed = true;
    const own = nameOf(spec);
    const name = this.#counts.has(own) || this.#counts.size < NAMES_MAX ? own : "(other)";
    let counts = this.#counts.get(name);
    if (counts === undefined) {
      const none = {
        pendingArgs: 0,
        pendingNode: 0,
        submitted: 0,
        running: 0,
        finished: 0,
        failed: 0,
        runMs: 0,
      };
      this.#counts.set(name, counts = { name, type: "ACTOR_CREATION_TASK", ...none });
    }
    return counts;
  }
}

function nameOf({ className }: ActorSpec): string {
  return `new ${className}`;
}
