/**
 * Answers the pages' questions from the record of a job that is over: the same answers that the telemetry process gives while
 * a job lives, as far as the record goes. Pure, so that the store's reader and a report in a file answer alike.
 * @module
 */
import { attemptsOf } from "./errors.ts";
import type { GraphGroupDto, GraphNeighbourhoodDto, GraphTask } from "./graph.ts";
import type { JobRecord } from "./job_record.ts";
import type { TaskRowDto } from "./tasks.ts";
import {
  TILE_BINS,
  type TimelineAtDto,
  type TimelineBar,
  type TimelineBarsDto,
  type TimelineRangeDto,
  type TimelineTileDto,
  type TraceEvent,
} from "./timeline.ts";

/** Questions that a record answers. */
export const RECORD_QUESTIONS: readonly string[] = [
  ...["profile", "graph", "graph/group", "graph/task", "graph/critical", "tasks", "errors"],
  ...["timeline/lanes", "timeline/tile", "timeline/bars", "timeline/at", "timeline/range", "timeline/export"],
];

/** Names and values of a question. */
export interface RecordParams {
  get(name: string): string | null;
  /** All values of one that may be repeated. */
  all(name: string): readonly string[];
}

/** Parameters of an address. */
export function recordParams(query: string): RecordParams {
  const params = new URLSearchParams(query);
  return { get: (name) => params.get(name), all: (name) => params.getAll(name) };
}

/** The answer, or null when the record knows nothing of it. @throws RangeError for parameters that make no sense. */
export function answerFromRecord(record: JobRecord, name: string, params: RecordParams): unknown {
  switch (name) {
    case "profile":
      return record.profile;
    case "graph":
      return record.graph;
    case "graph/group":
      return groupOf(record, params.get("group") ?? "");
    case "graph/task":
      return neighbourhoodOf(record, params.get("id") ?? "");
    case "graph/critical":
      return record.critical;
    case "errors": {
      const { errors, errorsTotal, totals } = record.profile;
      const attempts = attemptsOf(errors);
      return {
        groups: errors,
        total: errorsTotal,
        attempts,
        attemptsTotal: Math.max(attempts, totals.failed),
      };
    }
    case "state":
      return rowsOf(record, params.get("id") ?? "");
    case "tasks":
      return tasksOf(record, params.all("filter"));
    default:
      if (name.startsWith("timeline/")) return timelineAnswer(record, name, params);
      return record.pages?.[name] ?? null;
  }
}

/** Those of the tasks that are kept which the filters let through: `state=FAILED`, `name~fetch`. */
function tasksOf({ tasks, tasksTotal }: JobRecord, filters: readonly string[]): unknown {
  const tests = filters.map(filterOf);
  const rows = tasks.filter((row) => tests.every((test) => test(row as unknown as Record<string, unknown>)));
  const isAll = filters.every((filter) => filter.startsWith("jobId="));
  return { rows, total: isAll ? tasksTotal : rows.length, next: null, dropped: tasksTotal - tasks.length };
}

function filterOf(text: string): (row: Record<string, unknown>) => boolean {
  const match = /^(\w+)(!=|>=|<=|=|<|>|~)(.*)$/s.exec(text);
  if (match === null) {
    throw new RangeError(`${JSON.stringify(text.slice(0, 80))} is no filter such as state=FAILED`);
  }
  const [, column, operator, wanted] = match as unknown as [string, string, string, string];
  return (row) => {
    const value = row[column];
    const order = Number(value) - Number(wanted);
    switch (operator) {
      case "=":
        return String(value) === wanted;
      case "!=":
        return String(value) !== wanted;
      case "~":
        return String(value ?? "").toLowerCase().includes(wanted.toLowerCase());
      default:
        return operator.startsWith("<") ? order < 0 : order > 0;
    }
  };
}

/** Of the job, or of one of the tasks that are kept. */
function rowsOf({ job, tasks, actors }: JobRecord, id: string): { rows: readonly unknown[] } | null {
  if (id === job.jobId) return { rows: [job] };
  const rows = [
    ...tasks.filter((task) => task.taskId === id),
    ...actors.filter((actor) => actor.actorId === id),
  ];
  return rows.length === 0 ? null : { rows };
}

function groupOf(record: JobRecord, id: string): GraphGroupDto {
  const kept = record.groups.find((group) => group.group === id);
  if (kept !== undefined) return kept;
  const group = record.graph.groups.find((one) => one.id === id);
  if (group === undefined) throw new RangeError(`there is no group ${JSON.stringify(id.slice(0, 80))}`);
  // Of small groups the record has the counts alone.
  const total = group.finished + group.failed + group.running + group.submitted + group.pendingArgs +
    group.pendingNode;
  return { group: id, name: group.name, tasks: [], edges: [], outside: [], shown: 0, total };
}

/** As far as samples go: the tasks that gave to it or took from it. */
function neighbourhoodOf(record: JobRecord, taskId: string): GraphNeighbourhoodDto | null {
  const tasks = new Map<string, GraphTask>();
  for (const task of [...record.critical.tasks, ...record.groups.flatMap((group) => group.tasks)]) {
    tasks.set(task.taskId, task);
  }
  const own = tasks.get(taskId) ?? graphTaskOf(record.tasks.find((row) => row.taskId === taskId));
  if (own === null) return null;
  const edges = [
    ...record.groups.flatMap((group) => group.edges),
    ...record.critical.tasks.slice(1).map((task, i) => ({
      from: record.critical.tasks[i]!.taskId,
      to: task.taskId,
    })),
  ].filter(({ from, to }) => from === taskId || to === taskId);
  const shown = [{ ...own, hop: 0 }];
  for (const { from, to } of edges) {
    const other = tasks.get(from === taskId ? to : from);
    if (other === undefined || shown.some((task) => task.taskId === other.taskId)) continue;
    shown.push({ ...other, hop: from === taskId ? 1 : -1 });
  }
  return {
    taskId,
    tasks: shown,
    objects: [],
    edges: edges.filter(({ from, to }) => [from, to].every((id) => shown.some((task) => task.taskId === id))),
    parentTaskId: record.tasks.find((row) => row.taskId === taskId)?.parentTaskId ?? null,
    children: [],
    shown: shown.length,
    total: shown.length,
  };
}

function graphTaskOf(row: TaskRowDto | undefined): GraphTask | null {
  if (row === undefined) return null;
  const { taskId, attempt, name, type, state, nodeId, actorId, startMs, endMs } = row;
  return { taskId, attempt, name, type, state, nodeId, actorId, startMs, endMs };
}

function timelineAnswer(record: JobRecord, name: string, params: RecordParams): unknown {
  const { lanes, bars, barsTotal } = record.timeline;
  if (name === "timeline/lanes") return lanes;
  if (name === "timeline/export") return { traceEvents: traceOf(record) };
  if (name === "timeline/tile") return tileOf(record, params);
  if (name === "timeline/at") return at(record, params);
  const fromMs = number(params, "from", lanes.fromMs);
  const toMs = number(params, "to", lanes.toMs);
  const range = laneRange(params, lanes.lanes.length);
  const within = bars.filter((bar) => overlaps(bar, fromMs, toMs, range));
  if (name === "timeline/range") {
    return rangeOf(within, fromMs, toMs, range[1] - range[0] + 1, barsTotal / Math.max(1, bars.length));
  }
  if (name !== "timeline/bars") return null;
  // Of a sample nobody can say what lies between: the tiles show all, the bars would show holes.
  const isSample = barsTotal > bars.length;
  const answer: TimelineBarsDto = isSample
    ? { tooMany: Math.max(5_001, Math.round(within.length * barsTotal / bars.length)) }
    : { bars: within };
  return answer;
}

/** The tile itself; else the finest tile above it that is kept, stretched. */
function tileOf(record: JobRecord, params: RecordParams): TimelineTileDto {
  const { tiles, lanes } = record.timeline;
  const z = number(params, "z", 0);
  const x = number(params, "x", 0);
  const [first, last] = laneRange(params, lanes.lanes.length);
  for (let up = z; up <= z + 40; up++) {
    const wide = 2 ** (up - z);
    const found = tiles.find((tile) => tile.z === up && tile.x === Math.floor(x / wide));
    if (found !== undefined) return cut(found, z, x, wide, first, last);
  }
  return emptyTile(z, x, first, last);
}

function emptyTile(z: number, x: number, first: number, last: number): TimelineTileDto {
  const zeros = toBase64(new Uint8Array((last - first + 1) * TILE_BINS));
  return { z, x, lanes: [first, last], functions: zeros, busy: zeros, failed: null, final: true };
}

function cut(
  tile: TimelineTileDto,
  z: number,
  x: number,
  wide: number,
  first: number,
  last: number,
): TimelineTileDto {
  const functions = fromBase64(tile.functions), busy = fromBase64(tile.busy);
  const failed = tile.failed === null ? null : fromBase64(tile.failed);
  const cells = (last - first + 1) * TILE_BINS;
  const outFunctions = new Uint8Array(cells), outBusy = new Uint8Array(cells);
  const outFailed = new Uint8Array(Math.ceil(cells / 8));
  const offset = (x - tile.x * wide) * TILE_BINS;
  for (let lane = Math.max(first, tile.lanes[0]); lane <= Math.min(last, tile.lanes[1]); lane++) {
    for (let bin = 0; bin < TILE_BINS; bin++) {
      const from = (lane - tile.lanes[0]) * TILE_BINS + Math.floor((offset + bin) / wide);
      const to = (lane - first) * TILE_BINS + bin;
      outFunctions[to] = functions[from]!;
      outBusy[to] = busy[from]!;
      if (failed !== null && (failed[from >> 3]! >> (from & 7) & 1) === 1) {
        outFailed[to >> 3]! |= 1 << (to & 7);
      }
    }
  }
  return {
    z,
    x,
    lanes: [first, last],
    functions: toBase64(outFunctions),
    busy: toBase64(outBusy),
    failed: failed === null ? null : toBase64(outFailed),
    final: true,
  };
}

function at(record: JobRecord, params: RecordParams): TimelineAtDto {
  const lane = number(params, "lane", 0),
    atMs = number(params, "atMs", 0),
    slackMs = number(params, "slackMs", 0);
  const distance = (bar: TimelineBar): number =>
    Math.max(0, bar.startMs - atMs, atMs - (bar.endMs ?? Infinity));
  const near = record.timeline.bars.filter((bar) => bar.lane === lane && distance(bar) <= slackMs)
    .sort((a, b) => distance(a) - distance(b));
  const bar = near[0];
  if (bar === undefined) return { bar: null };
  const row = record.tasks.find(({ taskId, attempt }) => taskId === bar.taskId && attempt === bar.attempt);
  const place = record.timeline.lanes.lanes.find((one) => one.lane === lane);
  return {
    bar: {
      ...bar,
      nodeId: place?.nodeId ?? null,
      workerId: place?.workerId ?? null,
      errorType: row?.errorType ?? null,
      errorMessage: row?.errorMessage ?? null,
      resultBytes: row?.resultBytes ?? 0,
    },
  };
}

/** Sums over the bars that are kept, times how many each stands for. */
function rangeOf(
  bars: readonly TimelineBar[],
  fromMs: number,
  toMs: number,
  lanes: number,
  weight: number,
): TimelineRangeDto {
  const byFunction = new Map<
    string,
    { fn: number; name: string; count: number; failed: number; runMs: number; maxMs: number }
  >();
  for (const bar of bars) {
    const runMs = Math.min(toMs, bar.endMs ?? toMs) - Math.max(fromMs, bar.startMs);
    const sum = byFunction.get(bar.name) ??
      { fn: bar.fn, name: bar.name, count: 0, failed: 0, runMs: 0, maxMs: 0 };
    byFunction.set(bar.name, sum);
    sum.count++;
    if (bar.state === "FAILED") sum.failed++;
    sum.runMs += runMs;
    sum.maxMs = Math.max(sum.maxMs, runMs);
  }
  const functions = [...byFunction.values()].map((sum) => ({
    ...sum,
    count: Math.round(sum.count * weight),
    failed: Math.round(sum.failed * weight),
    runMs: sum.runMs * weight,
    meanMs: sum.runMs / sum.count,
  })).sort((a, b) => b.runMs - a.runMs);
  const runMs = functions.reduce((sum, one) => sum + one.runMs, 0);
  const space = Math.max(1e-9, (toMs - fromMs) * lanes);
  const count = functions.reduce((sum, one) => sum + one.count, 0);
  return { fromMs, toMs, functions, count, runMs, busy: Math.min(1, runMs / space), lanes };
}

function traceOf({ timeline, job }: JobRecord): TraceEvent[] {
  const { lanes, originMs } = timeline.lanes;
  const names = lanes.map((lane): TraceEvent => ({
    name: "thread_name",
    ph: "M",
    pid: 1,
    tid: lane.lane,
    args: { name: lane.label },
  }));
  const bars = timeline.bars.map((bar): TraceEvent => ({
    name: bar.name,
    ph: "X",
    pid: 1,
    tid: bar.lane,
    ts: (bar.startMs - originMs) * 1_000,
    dur: ((bar.endMs ?? timeline.lanes.toMs) - bar.startMs) * 1_000,
    args: { taskId: bar.taskId, attempt: bar.attempt, state: bar.state },
  }));
  return [
    { name: "process_name", ph: "M", pid: 1, tid: 0, args: { name: job.entrypoint } },
    ...names,
    ...bars,
  ];
}

function overlaps(
  bar: TimelineBar,
  fromMs: number,
  toMs: number,
  [first, last]: readonly [number, number],
): boolean {
  return bar.lane >= first && bar.lane <= last && bar.startMs < toMs && (bar.endMs ?? Infinity) > fromMs;
}

function laneRange(params: RecordParams, lanes: number): [number, number] {
  const [first = 0, last = Math.max(0, lanes - 1)] = (params.get("lanes") ?? "").split("-").filter((part) =>
    part !== ""
  )
    .map(Number);
  if (
    Number.isSafeInteger(first) && Number.isSafeInteger(last) && first >= 0 && last >= first &&
    last - first < 10_000
  ) {
    return [first, last];
  }
  throw new RangeError("lanes must be a range such as 0-15");
}

function number(params: RecordParams, name: string, fallback: number): number {
  const text = params.get(name);
  if (text === null || text === "") return fallback;
  const value = Number(text);
  if (Number.isFinite(value)) return value;
  throw new RangeError(`${name} must be a number, not ${JSON.stringify(text.slice(0, 40))}`);
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8_192) {
    text += String.fromCharCode(...bytes.subarray(at, at + 8_192));
  }
  return btoa(text);
}
