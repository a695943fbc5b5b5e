/**
 * Exact task counts by function and data flow between functions, summed over processes. Processes report absolute numbers,
 * so a batch that is resent, or one that is lost before the next, never makes a sum wrong. Each event costs O(1) per line.
 * @module
 */
import type { FunctionCounts, FunctionEdge, TaskEventBatch, TaskType } from "../../common/task_event.ts";
import type { EdgeDto, FunctionDto, TaskTotals } from "../../../dashboard/api_types.ts";
import { GroupTable } from "./group_table.ts";

/** Functions and edges that are kept apart; what comes after counts as "(other)". */
const GROUPS_MAX = 2_000;
/** Functions and edges that one process may name; more are dropped and counted (users may name every task apart). */
const NAMES_PER_PROCESS_MAX = 2_000;
/** Processes that ended and are remembered for their late batches. */
const DEAD_PROCESSES_MAX = 500;
const FUNCTIONS_SHOWN = 200;
const EDGES_SHOWN = 400;
/** Longest name that is kept. */
const NAME_LENGTH_MAX = 200;

type Field = "pendingArgs" | "pendingNode" | "submitted" | "running" | "finished" | "failed" | "runMs";
type Sums = Record<Field, number>;
const FIELDS: readonly Field[] = [
  "pendingArgs",
  "pendingNode",
  "submitted",
  "running",
  "finished",
  "failed",
  "runMs",
];

interface FunctionGroup extends Sums {
  readonly name: string;
  readonly type: TaskType;
  /** Failed without having run to an end, because their submitter died: they have no run time. */
  orphaned: number;
}

interface EdgeGroup {
  readonly from: string;
  readonly to: string;
  count: number;
  bytes: number;
}

interface ProcessFunction {
  readonly group: string;
  readonly sums: Sums;
  /** Of those that failed: what the process left open when it ended. */
  orphaned: number;
}

/** What one process said last. */
interface ProcessCounts {
  sequence: number;
  dead: boolean;
  readonly functions: Map<string, ProcessFunction>;
  readonly edges: Map<string, { readonly group: string; count: number; bytes: number }>;
  rowsDropped: number;
}

/** What a batch changed, for the rates. */
export interface CountsDelta {
  readonly finished: number;
  readonly failed: number;
  /** Run time of what ended. */
  readonly runMs: number;
}

export class TaskCounts {
  readonly functions: GroupTable<FunctionGroup, FunctionDto> = new GroupTable({
    cap: FUNCTIONS_SHOWN,
    rank: (group) =>
      (group.running + group.submitted + group.pendingNode + group.pendingArgs > 0 ? 1e12 : 0) +
      (group.failed > 0 ? 1e11 : 0) + Math.min(group.finished, 1e10),
    row: (key, group) => functionRow(key, group),
  });
  readonly edges: GroupTable<EdgeGroup, EdgeDto> = new GroupTable({
    cap: EDGES_SHOWN,
    rank: (group) => group.bytes + group.count,
    row: (key, group) => ({ key, from: group.from, to: group.to, count: group.count, bytes: group.bytes }),
  });
  readonly totals: Sums = zeroSums();
  rowsDropped = 0;
  /** Tasks that failed because their submitter ended. */
  orphaned = 0;
  namesDropped = 0;
  readonly #processes = new Map<string, ProcessCounts>();
  /** All and only processes that are dead, oldest first. */
  readonly #dead = new Set<string>();

  /** Take a batch's counts. Null: it is a duplicate (resent after it had arrived) and all of it is to be ignored. */
  apply(batch: TaskEventBatch): CountsDelta | null {
    let process = this.#processes.get(batch.processId);
    // A head that restarted hears absolute numbers of long ago: they are no rate of now.
    const isHistory = process === undefined && batch.sequence > 1;
    if (process === undefined) {
      process = { sequence: -1, dead: false, functions: new Map(), edges: new Map(), rowsDropped: 0 };
      this.#processes.set(batch.processId, process);
    }
    if (batch.sequence <= process.sequence) return null;
    process.sequence = batch.sequence;
    const { finished, failed, runMs } = this.totals;
    for (const counts of batch.counts) this.#applyFunction(process, counts);
    for (const edge of batch.edges) this.#applyEdge(process, edge);
    this.rowsDropped += batch.rowsDropped - process.rowsDropped;
    process.rowsDropped = batch.rowsDropped;
    // The last words of a dead process may come after the news of its death.
    if (process.dead) this.#failUnfinished(process);
    if (isHistory) return { finished: 0, failed: 0, runMs: 0 };
    const { totals } = this;
    return {
      finished: totals.finished - finished,
      failed: totals.failed - failed,
      runMs: totals.runMs - runMs,
    };
  }

  /** The process is gone: what it had not finished has failed. Unknown processes are remembered too, for late batches. */
  processDied(id: string): CountsDelta {
    let process = this.#processes.get(id);
    if (process === undefined) {
      process = { sequence: -1, dead: false, functions: new Map(), edges: new Map(), rowsDropped: 0 };
      this.#processes.set(id, process);
    }
    const { failed } = this.totals;
    process.dead = true;
    this.#failUnfinished(process);
    this.#dead.add(id);
    if (this.#dead.size > DEAD_PROCESSES_MAX) {
      const oldest = this.#dead.values().next().value!;
      this.#dead.delete(oldest);
      this.#processes.delete(oldest);
    }
    return { finished: 0, failed: this.totals.failed - failed, runMs: 0 };
  }

  /** What one process said last of its functions; of one that is gone, what it left open has failed. */
  *ofProcess(id: string): Iterable<{ readonly name: string; readonly type: TaskType } & Readonly<Sums>> {
    for (const [key, { sums }] of this.#processes.get(id)?.functions ?? []) {
      const space = key.indexOf(" ");
      yield { ...sums, name: key.slice(space + 1), type: key.slice(0, space) as TaskType };
    }
  }

  /** Whether the process is known to be gone. */
  isDead(id: string): boolean {
    return this.#dead.has(id);
  }

  /** Totals without the sum of run times. */
  summary(): TaskTotals {
    const { runMs: _, ...totals } = this.totals;
    return totals;
  }

  #applyFunction(process: ProcessCounts, counts: FunctionCounts): void {
    const name = counts.name.slice(0, NAME_LENGTH_MAX);
    const key = `${counts.type} ${name}`;
    let known = process.functions.get(key);
    if (known === undefined) {
      if (process.functions.size >= NAMES_PER_PROCESS_MAX) {
        this.namesDropped++;
        return;
      }
      known = { group: this.#functionGroup(key, name, counts.type), sums: zeroSums(), orphaned: 0 };
      process.functions.set(key, known);
    }
    // What it had left open is among its own numbers again.
    this.#moveOrphaned(known, 0);
    for (const field of FIELDS) this.#move(known, field, counts[field]);
  }

  #functionGroup(key: string, name: string, type: TaskType): string {
    if (this.functions.groups.has(key)) return key;
    if (this.functions.groups.size >= GROUPS_MAX) {
      name = "(other)";
      key = `${type} ${name}`;
    }
    if (!this.functions.groups.has(key)) {
      this.functions.groups.set(key, { name, type, orphaned: 0, ...zeroSums() });
    }
    return key;
  }

  /** Set one number of one process, in its group and in the totals. */
  #move(known: ProcessFunction, field: Field, value: number): void {
    const delta = value - known.sums[field];
    if (delta === 0 || !Number.isFinite(delta)) return;
    known.sums[field] = value;
    this.functions.groups.get(known.group)![field] += delta;
    this.totals[field] += delta;
    this.functions.touch(known.group);
  }

  #failUnfinished(process: ProcessCounts): void {
    for (const known of process.functions.values()) {
      const { pendingArgs, pendingNode, submitted, running, failed } = known.sums;
      const unfinished = pendingArgs + pendingNode + submitted + running;
      if (unfinished === 0) continue;
      this.#move(known, "pendingArgs", 0);
      this.#move(known, "pendingNode", 0);
      this.#move(known, "submitted", 0);
      this.#move(known, "running", 0);
      this.#move(known, "failed", failed + unfinished);
      this.#moveOrphaned(known, known.orphaned + unfinished);
    }
  }

  #moveOrphaned(known: ProcessFunction, value: number): void {
    if (value === known.orphaned) return;
    this.functions.groups.get(known.group)!.orphaned += value - known.orphaned;
    this.orphaned += value - known.orphaned;
    known.orphaned = value;
  }

  #applyEdge(process: ProcessCounts, edge: FunctionEdge): void {
    const from = edge.from.slice(0, NAME_LENGTH_MAX);
    const to = edge.to.slice(0, NAME_LENGTH_MAX);
    const key = `${from}\u0000${to}`;
    let known = process.edges.get(key);
    if (known === undefined) {
      if (process.edges.size >= NAMES_PER_PROCESS_MAX) {
        this.namesDropped++;
        return;
      }
      known = { group: this.#edgeGroup(key, from, to), count: 0, bytes: 0 };
      process.edges.set(key, known);
    }
    const group = this.edges.groups.get(known.group)!;
    group.count += edge.count - known.count;
    group.bytes += edge.bytes - known.bytes;
    known.count = edge.count;
    known.bytes = edge.bytes;
    this.edges.touch(known.group);
  }

  #edgeGroup(key: string, from: string, to: string): string {
    if (this.edges.groups.has(key)) return key;
    if (this.edges.groups.size >= GROUPS_MAX) {
      [from, to] = ["(other)", "(other)"];
      key = `${from}\u0000${to}`;
    }
    if (!this.edges.groups.has(key)) this.edges.groups.set(key, { from, to, count: 0, bytes: 0 });
    return key;
  }
}

function functionRow(key: string, group: FunctionGroup): FunctionDto {
  const { name, type, runMs, orphaned, ...counts } = group;
  const ended = counts.finished + counts.failed - orphaned;
  return {
    key,
    name,
    type,
    ...counts,
    meanRunMs: ended <= 0 ? null : Math.round(runMs / ended * 1000) / 1000,
  };
}

function zeroSums(): Sums {
  return { pendingArgs: 0, pendingNode: 0, submitted: 0, running: 0, finished: 0, failed: 0, runMs: 0 };
}
