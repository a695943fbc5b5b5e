/**
 * A profile made of rows of attempts, the newest first: counts, spreads, calls and errors.
 * @module
 */
import type {
  ErrorGroupDto,
  FunctionCallDto,
  FunctionProfileDto,
  ProfileDto,
  Spread,
  TaskRowDto,
} from "../../api/tasks.ts";
import type { JobDto, TaskTotals } from "../../api_types.ts";

/** Rates are over so long. */
const RATE_MS = 10_000;
const FUNCTIONS_MAX = 200;
const ERRORS_MAX = 50;
const TASKS_NAMED = 5;

export interface ProfileInput {
  /** Newest first. */
  readonly rows: readonly TaskRowDto[];
  /** Rows of the job that are not among them. */
  readonly left: number;
  /** Rows that are no longer kept, of all jobs. */
  readonly dropped: number;
  readonly jobId: string | null;
  readonly job: JobDto | null;
  readonly nowMs: number;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

const FIELD: Readonly<Record<TaskRowDto["state"], keyof TaskTotals>> = {
  PENDING_ARGS_AVAIL: "pendingArgs",
  PENDING_NODE_ASSIGNMENT: "pendingNode",
  SUBMITTED_TO_WORKER: "submitted",
  RUNNING: "running",
  FINISHED: "finished",
  FAILED: "failed",
};

export function profileOfRows(input: ProfileInput): ProfileDto {
  const { rows, jobId, job, nowMs } = input;
  const groups = new Map<string, TaskRowDto[]>();
  for (const row of rows) {
    const id = functionId(row);
    (groups.get(id) ?? groups.set(id, []).get(id)!).push(row);
  }
  const functions = [...groups].map(([id, members]) => functionOf(id, members)).sort(byActivity);
  const totals = totalsOf(rows);
  const perSecond = rows.filter((row) => row.endMs !== null && row.endMs > nowMs - RATE_MS).length * 1000 /
    RATE_MS;
  const open = totals.pendingArgs + totals.pendingNode + totals.submitted + totals.running;
  const errors = errorGroups(rows);
  const sum = (pick: (row: FunctionProfileDto) => number): number =>
    functions.reduce((all, row) => all + pick(row), 0);
  return {
    jobId,
    job,
    version: nowMs,
    madeMs: nowMs,
    totals,
    runMs: sum((row) => row.runMs),
    retries: sum((row) => row.retries),
    resultBytes: sum((row) => row.resultBytes),
    argBytes: 0,
    perSecond,
    etaMs: open === 0 || perSecond === 0 ? null : open / perSecond * 1000,
    functions: functions.slice(0, FUNCTIONS_MAX),
    functionsTotal: functions.length,
    calls: callsOf(rows),
    errors: errors.slice(0, ERRORS_MAX),
    errorsTotal: errors.length,
    rates: { stepMs: 1000, atMs: [], finished: [], failed: [], running: [] },
    recorded: { attempts: rows.length, sampledOut: 0, evicted: input.left + input.dropped, lost: 0 },
  };
}

function functionId({ type, name }: TaskRowDto): string {
  return `${type} ${name}`;
}

function totalsOf(rows: readonly TaskRowDto[]): TaskTotals {
  const totals: Writable<TaskTotals> = {
    pendingArgs: 0,
    pendingNode: 0,
    submitted: 0,
    running: 0,
    finished: 0,
    failed: 0,
  };
  for (const { state } of rows) totals[FIELD[state]]++;
  return totals;
}

function functionOf(id: string, rows: readonly TaskRowDto[]): FunctionProfileDto {
  const run = rows.flatMap((row) =>
    row.startMs !== null && row.endMs !== null ? [row.endMs - row.startMs] : []
  );
  const wait = rows.flatMap((row) =>
    row.startMs !== null ? [Math.max(0, row.startMs - row.submittedMs)] : []
  );
  return {
    ...totalsOf(rows),
    id,
    name: rows[0]!.name,
    type: rows[0]!.type,
    runMs: run.reduce((all, ms) => all + ms, 0),
    run: spreadOf(run),
    wait: spreadOf(wait),
    retries: rows.filter((row) => row.attempt > 0).length,
    resultBytes: rows.reduce((all, row) => all + row.resultBytes, 0),
    argBytes: 0,
  };
}

/** Exact quantiles, by the nearest rank. Null of nothing. */
export function spreadOf(values: readonly number[]): Spread | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)]!;
  return {
    count: sorted.length,
    mean: sorted.reduce((all, value) => all + value, 0) / sorted.length,
    min: sorted[0]!,
    p25: at(0.25),
    p50: at(0.5),
    p75: at(0.75),
    p95: at(0.95),
    p99: at(0.99),
    max: sorted.at(-1)!,
  };
}

function callsOf(rows: readonly TaskRowDto[]): FunctionCallDto[] {
  const byTask = new Map(rows.map((row) => [row.taskId, functionId(row)]));
  const calls = new Map<string, Writable<FunctionCallDto>>();
  for (const row of rows) {
    if (row.attempt > 0) continue;
    const parent = byTask.get(row.parentTaskId ?? "") ?? null;
    const child = functionId(row);
    const key = `${parent} > ${child}`;
    const call = calls.get(key) ?? { parent, child, count: 0 };
    call.count++;
    calls.set(key, call);
  }
  return [...calls.values()].sort((a, b) => b.count - a.count);
}

/** Messages that differ in numbers and ids only are one. */
export function fingerprintOf(functionName: string, errorType: string, message: string): string {
  const shape = message.replace(/\b[a-z]-[0-9a-f][\w.-]*/g, "<id>").replace(/\d+(\.\d+)?/g, "<n>").slice(
    0,
    200,
  );
  return `${functionName} ${errorType} ${shape}`;
}

function errorGroups(rows: readonly TaskRowDto[]): ErrorGroupDto[] {
  const groups = new Map<string, TaskRowDto[]>();
  for (const row of rows) {
    if (row.state !== "FAILED") continue;
    const key = fingerprintOf(row.name, row.errorType ?? "", row.errorMessage ?? "");
    (groups.get(key) ?? groups.set(key, []).get(key)!).push(row);
  }
  return [...groups].map(([fingerprint, members]): ErrorGroupDto => {
    const times = members.map((row) => row.endMs ?? row.submittedMs);
    return {
      fingerprint,
      functionName: members[0]!.name,
      errorType: members[0]!.errorType ?? "Error",
      message: members[0]!.errorMessage ?? "",
      count: members.length,
      firstMs: Math.min(...times),
      lastMs: Math.max(...times),
      taskIds: [...new Set(members.map((row) => row.taskId))].slice(0, TASKS_NAMED),
      nodes: [...new Set(members.flatMap((row) => row.nodeId ?? []))],
    };
  }).sort((a, b) => b.count - a.count || b.lastMs - a.lastMs);
}

/** What is open or failed first, then the most. */
function byActivity(a: FunctionProfileDto, b: FunctionProfileDto): number {
  const open = (row: FunctionProfileDto): number =>
    row.pendingArgs + row.pendingNode + row.submitted + row.running > 0 ? 1 : 0;
  return open(b) - open(a) || b.failed - a.failed || b.finished - a.finished || (a.id < b.id ? -1 : 1);
}
