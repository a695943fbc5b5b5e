/**
 * The profile of a job: functions with exact counts and measured spreads, who calls whom, failures that look alike, rates.
 * @module
 */
import type {
  FunctionCallDto,
  FunctionProfileDto,
  ProfileDto,
  Spread,
} from "../../../../dashboard/api/tasks.ts";
import type { TaskTotals, TaskTypeName } from "../../../../dashboard/api_types.ts";
import { kindName } from "./attempt_rows.ts";
import { TYPES } from "./attempt_codes.ts";
import { NONE } from "./attempt_columns.ts";
import { groupIdOf } from "./group_ids.ts";
import type { FunctionBook, JobBook } from "./job_book.ts";
import type { TaskTelemetry } from "./task_telemetry.ts";
import { type OpenFunction, timeLeft } from "./time_left.ts";

const FUNCTIONS_SHOWN = 200;
const ERRORS_SHOWN = 100;
const CALLS_SHOWN = 400;
/** The calls of so many attempts are looked at, the newest ones. */
const CALLS_LOOKED_AT = 200_000;
/** Seconds over which the present rate is taken. */
const RATE_SECONDS = 10;

const NO_TASKS: TaskTotals = {
  pendingArgs: 0,
  pendingNode: 0,
  submitted: 0,
  running: 0,
  finished: 0,
  failed: 0,
};

export function profileOf(telemetry: TaskTelemetry, book: JobBook): ProfileDto {
  const nowMs = telemetry.now();
  const functions = functionsOf(telemetry, book);
  const sum = (pick: (row: FunctionProfileDto) => number) =>
    functions.reduce((all, row) => all + pick(row), 0);
  const totals: TaskTotals = {
    pendingArgs: sum((row) => row.pendingArgs),
    pendingNode: sum((row) => row.pendingNode),
    submitted: sum((row) => row.submitted),
    running: sum((row) => row.running),
    finished: sum((row) => row.finished),
    failed: sum((row) => row.failed),
  };
  book.rates.advance(nowMs);
  const rates = book.rates.read(null).data;
  const perSecond = presentRate(rates);
  return {
    jobId: book.jobId === "" ? null : book.jobId,
    job: book.job,
    version: book.version,
    madeMs: nowMs,
    totals,
    runMs: sum((row) => row.runMs),
    retries: sum((row) => row.retries),
    resultBytes: sum((row) => row.resultBytes),
    argBytes: sum((row) => row.argBytes),
    perSecond,
    etaMs: timeLeft(openFunctions(telemetry, book, functions), book.rates.workRate(RATE_SECONDS)),
    functions: functions.slice(0, FUNCTIONS_SHOWN),
    functionsTotal: functions.length,
    calls: callsOf(telemetry, book),
    errors: book.errors.rows(ERRORS_SHOWN),
    errorsTotal: book.errors.total,
    rates,
    recorded: telemetry.recorded(book),
  };
}

/** Functions with open attempts, and what is known of how long they take. */
function openFunctions(
  { store, reader, now }: TaskTelemetry,
  book: JobBook,
  functions: readonly FunctionProfileDto[],
): OpenFunction[] {
  const elapsed = new Map<string, number[]>();
  const nowMs = now();
  for (const slot of store.open()) {
    if (!reader.isRunning(slot) || (book.index >= 0 && store.columns.a.job[slot] !== book.index)) continue;
    const key = groupIdOf(reader.name(slot), reader.type(slot));
    const ofFunction = elapsed.get(key);
    const elapsedMs = Math.max(0, nowMs - reader.startMs(slot)!);
    if (ofFunction === undefined) elapsed.set(key, [elapsedMs]);
    else ofFunction.push(elapsedMs);
  }
  return functions.map(({ id, pendingArgs, pendingNode, submitted, running, run }) => ({
    pending: pendingArgs + pendingNode + submitted,
    running,
    elapsedMs: (elapsed.get(id) ?? []).slice(0, running),
    meanMs: run === null ? null : run.mean,
    longestMs: run === null ? null : run.max,
  }));
}

/** Whole seconds only: the present one has just begun. */
function presentRate({ finished, failed }: ProfileDto["rates"]): number {
  const points = finished.length - 1;
  const seconds = Math.min(RATE_SECONDS, points);
  if (seconds < 1) return (finished[0] ?? 0) + (failed[0] ?? 0);
  let ended = 0;
  for (let i = points - seconds; i < points; i++) ended += finished[i]! + failed[i]!;
  return ended / seconds;
}

/** All functions of a job, those with open or failed tasks first, then those with most. */
export function functionsOf(telemetry: TaskTelemetry, book: JobBook): FunctionProfileDto[] {
  const argBytes = new Map<string, number>();
  for (const edge of book.counts.edges.groups.values()) {
    argBytes.set(edge.to, (argBytes.get(edge.to) ?? 0) + edge.bytes);
  }
  const rows: FunctionProfileDto[] = [];
  for (const [key, { name, type, runMs, orphaned: _, ...totals }] of book.counts.functions.groups) {
    rows.push(functionRow({ name, type, runMs, totals }, book.functions.get(key), argBytes.get(name) ?? 0));
  }
  // Constructors are counted by nodes, for all jobs together: those of one job are known by their rows.
  if (book.index >= 0) {
    const open = openCreations(telemetry, book);
    for (const recorded of book.functions.values()) {
      if (recorded.type !== "ACTOR_CREATION_TASK") continue;
      const totals = {
        ...NO_TASKS,
        ...open.get(recorded.name),
        finished: recorded.finished,
        failed: recorded.failed,
      };
      const { name, type, runMs } = recorded;
      rows.push(functionRow({ name, type, runMs, totals }, recorded, argBytes.get(name) ?? 0));
      open.delete(name);
    }
    for (const [name, totals] of open) {
      rows.push(functionRow({ name, type: "ACTOR_CREATION_TASK", runMs: 0, totals }, undefined, 0));
    }
  }
  return rows.sort((a, b) => rank(b) - rank(a));
}

function rank(
  { pendingArgs, pendingNode, submitted, running, failed, finished }: FunctionProfileDto,
): number {
  const open = pendingArgs + pendingNode + submitted + running;
  return (open > 0 ? 1e13 : 0) + (failed > 0 ? 1e12 : 0) + Math.min(finished + failed, 1e11);
}

function openCreations({ store, reader }: TaskTelemetry, book: JobBook): Map<string, TaskTotals> {
  const open = new Map<string, { -readonly [K in keyof TaskTotals]: number }>();
  const { job } = store.columns.a;
  for (const slot of store.open()) {
    if (job[slot] !== book.index || reader.type(slot) !== "ACTOR_CREATION_TASK") continue;
    const name = reader.name(slot);
    let totals = open.get(name);
    if (totals === undefined) open.set(name, totals = { ...NO_TASKS });
    if (reader.isRunning(slot)) totals.running++;
    else totals.pendingNode++;
  }
  return open;
}

function functionRow(
  { name, type, runMs, totals }: { name: string; type: TaskTypeName; runMs: number; totals: TaskTotals },
  recorded: FunctionBook | undefined,
  argBytes: number,
): FunctionProfileDto {
  return {
    id: groupIdOf(name, type),
    name,
    type,
    ...totals,
    runMs,
    run: spreadOf(recorded?.run),
    wait: spreadOf(recorded?.wait),
    retries: recorded?.retries ?? 0,
    resultBytes: recorded?.resultBytes ?? 0,
    argBytes,
  };
}

function spreadOf(sketch: FunctionBook["run"] | undefined): Spread | null {
  return sketch === undefined ? null : sketch.spread();
}

/** Which functions' tasks submitted which functions' tasks, as far as both are recorded. */
function callsOf(telemetry: TaskTelemetry, book: JobBook): FunctionCallDto[] {
  const { store } = telemetry;
  const { job, kind, flags, parentOwner, parentSequence } = store.columns.a;
  // By kind and type of both: names are made once for each pair.
  const counts = new Map<number, number>();
  const base = store.kinds.size * 4 + 1;
  let looked = 0;
  for (let slot = store.size - 1; slot >= 0 && looked < CALLS_LOOKED_AT; slot--) {
    if (book.index >= 0 && job[slot] !== book.index) continue;
    looked++;
    let parent = 0;
    if (parentOwner[slot] !== 0) {
      const by = store.newest(parentOwner[slot]!, parentSequence[slot]!);
      if (by === NONE) continue;
      parent = kind[by]! * 4 + (flags[by]! >> 3) + 1;
    }
    const key = parent * base + kind[slot]! * 4 + (flags[slot]! >> 3) + 1;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const idOf = (code: number) =>
    groupIdOf(kindName(store.kinds.text((code - 1) >> 2)), TYPES[(code - 1) & 3]!);
  const calls = [...counts].map(([key, count]) => {
    const parent = Math.floor(key / base);
    return { parent: parent === 0 ? null : idOf(parent), child: idOf(key % base), count };
  });
  return calls.sort((a, b) => b.count - a.count).slice(0, CALLS_SHOWN);
}
