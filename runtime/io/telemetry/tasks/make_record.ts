/**
 * The record of a job that is over: what its pages show, in a size that does not grow with the job.
 * @module
 */
import { JOB_RECORD_FORMAT, type JobRecord } from "../../../../dashboard/api/job_record.ts";
import type { TaskRowDto } from "../../../../dashboard/api/tasks.ts";
import {
  TILE_BINS,
  type TimelineBar,
  type TimelineTileDto,
  ZOOM_MAX,
  ZOOM_MIN,
} from "../../../../dashboard/api/timeline.ts";
import { FAILED, RUNNING } from "./attempt_codes.ts";
import { graphOf, groupTasksOf } from "./graph_groups.ts";
import { criticalPathOf } from "./graph_tasks.ts";
import type { JobBook } from "./job_book.ts";
import { profileOf } from "./job_profile.ts";
import type { TaskTelemetry } from "./task_telemetry.ts";
import { barOf, lanesOf, tileOf } from "./timeline_queries.ts";

const GROUPS_MAX = 20;
const GROUP_TASKS_MAX = 150;
const CRITICAL_MAX = 300;
/** Cells of all tiles: two bytes each, and a third more as text. */
const CELLS_MAX = 262_144;
const LANES_MAX = 64;
const BARS_MAX = 2_000;
const FAILED_MAX = 200;
const SLOWEST_MAX = 200;

/** @throws {RangeError} for a job of which the head has not told. */
export function makeRecord(telemetry: TaskTelemetry, book: JobBook): JobRecord {
  if (book.job === null) throw new RangeError("a record is of one job that is known");
  const graph = graphOf(telemetry, book);
  const critical = criticalPathOf(telemetry, book);
  const lanes = lanesOf(telemetry, book);
  const tasks = notableTasks(telemetry, book);
  const largest = graph.groups.filter((group) => group.type !== "put").slice(0, GROUPS_MAX);
  return {
    format: JOB_RECORD_FORMAT,
    job: book.job,
    madeMs: telemetry.now(),
    profile: profileOf(telemetry, book),
    graph,
    groups: largest.map((group) => groupTasksOf(telemetry, book, group.id, GROUP_TASKS_MAX)),
    critical: { ...critical, tasks: critical.tasks.slice(-CRITICAL_MAX) },
    timeline: { lanes, tiles: tilesOf(telemetry, book, lanes), ...sampledBars(telemetry, book) },
    tasks,
    tasksTotal: book.attempts,
    actors: [],
    objects: [],
  };
}

/** From the zoom at which the job fits into one tile on, as far as there is room for a whole level. */
function tilesOf(
  telemetry: TaskTelemetry,
  book: JobBook,
  { originMs, fromMs, toMs, lanes }: JobRecord["timeline"]["lanes"],
): TimelineTileDto[] {
  if (lanes.length === 0) return [];
  const last = Math.min(lanes.length, LANES_MAX) - 1;
  const lengthMs = Math.max(1, toMs - fromMs);
  const tiles: TimelineTileDto[] = [];
  let room = CELLS_MAX / ((last + 1) * TILE_BINS);
  for (let z = firstZoom(lengthMs); z >= ZOOM_MIN; z--) {
    const widthMs = TILE_BINS * 2 ** z;
    const first = Math.floor((fromMs - originMs) / widthMs), end = Math.floor((toMs - originMs) / widthMs);
    room -= end - first + 1;
    if (room < 0 && tiles.length > 0) break;
    for (let x = first; x <= end; x++) tiles.push(tileOf(telemetry, book, z, x, [0, last]));
  }
  return tiles;
}

function firstZoom(lengthMs: number): number {
  let z = ZOOM_MIN;
  while (z < ZOOM_MAX && TILE_BINS * 2 ** z < lengthMs) z++;
  return z;
}

function sampledBars(telemetry: TaskTelemetry, book: JobBook): { bars: TimelineBar[]; barsTotal: number } {
  const { store, reader } = telemetry;
  const { job, flags } = store.columns.a;
  const began: number[] = [];
  for (let slot = 0; slot < store.size; slot++) {
    if (job[slot] !== book.index || (flags[slot]! & 7) < RUNNING) continue;
    if (reader.startMs(slot) !== null && book.lanes.of(slot) >= 0) began.push(slot);
  }
  const room = Math.min(began.length, BARS_MAX);
  const bars = Array.from({ length: room }, (_, i) => {
    const slot = began[Math.floor(i * began.length / room)]!;
    return barOf(telemetry, book, slot, book.lanes.of(slot));
  });
  return { bars, barsTotal: began.length };
}

/** The newest failed attempts, and the slowest of the others. */
function notableTasks({ store, reader }: TaskTelemetry, book: JobBook): TaskRowDto[] {
  const { job, flags, order, run, start } = store.columns.a;
  const failed: number[] = [], others: number[] = [];
  for (let slot = 0; slot < store.size; slot++) {
    if (job[slot] !== book.index) continue;
    if ((flags[slot]! & 7) === FAILED) failed.push(slot);
    else if (!Number.isNaN(run[slot]!) && !Number.isNaN(start[slot]!)) others.push(slot);
  }
  failed.sort((x, y) => order[y]! - order[x]!);
  others.sort((x, y) => run[y]! - run[x]!);
  return [...failed.slice(0, FAILED_MAX), ...others.slice(0, SLOWEST_MAX)].map((slot) =>
    reader.row(slot, true)
  );
}
