/**
 * The timeline's queries: lanes, tiles, single bars, what is at a point, what ran in a stretch of time.
 * @module
 */
import { Buffer } from "node:buffer";
import {
  BARS_MAX,
  TILE_BINS,
  type TimelineAtDto,
  type TimelineBar,
  type TimelineBarsDto,
  type TimelineLane,
  type TimelineLanesDto,
  type TimelineRangeDto,
  type TimelineTileDto,
} from "../../../../dashboard/api/timeline.ts";
import { FAILED, FINISHED, RUNNING } from "./attempt_codes.ts";
import type { JobBook } from "./job_book.ts";
import { kindName } from "./attempt_rows.ts";
import type { TaskTelemetry } from "./task_telemetry.ts";
import type { Tile } from "./tile_cache.ts";

/** Nothing more is expected of a moment that is this long ago, unless something open reaches into it. */
const SETTLED_MS = 10_000;
const FUNCTIONS_SHOWN = 200;

export function lanesOf(telemetry: TaskTelemetry, book: JobBook): TimelineLanesDto {
  const { store } = telemetry;
  const { sampledOut, evicted, attempts } = telemetry.recorded(book);
  const lanes = book.lanes.lanes.map(({ worker, slot, node, actor }, lane): TimelineLane => {
    const workerId = store.workers.textOrNull(worker);
    const actorId = store.actors.textOrNull(actor);
    const label = `${actorId ?? workerId ?? "?"}${slot === 0 ? "" : ` #${slot}`}`;
    return { lane, nodeId: store.nodes.textOrNull(node), workerId, slot, actorId, label };
  });
  const fromMs = Math.min(book.fromMs, book.job?.startedMs ?? Infinity);
  const nowMs = telemetry.now();
  const toMs = hasOpen(telemetry, book) ? nowMs : Math.max(book.toMs, fromMs);
  return {
    jobId: book.jobId === "" ? null : book.jobId,
    version: book.version,
    originMs: book.originMs ?? book.job?.startedMs ?? nowMs,
    fromMs: Number.isFinite(fromMs) ? fromMs : nowMs,
    toMs: Number.isFinite(toMs) ? toMs : nowMs,
    lanes,
    lanesTotal: lanes.length + book.lanes.dropped,
    markers: telemetry.markers.filter((marker) => marker.atMs >= fromMs || book.index < 0),
    functions: book.colours,
    bars: attempts,
    sampledOut,
    evicted,
  };
}

function hasOpen({ store }: TaskTelemetry, book: JobBook): boolean {
  if (book.index < 0) return store.openCount > 0;
  for (const slot of store.open()) if (store.columns.a.job[slot] === book.index) return true;
  return false;
}

export function tileOf(
  telemetry: TaskTelemetry,
  book: JobBook,
  z: number,
  x: number,
  [first, last]: readonly [number, number],
): TimelineTileDto {
  const { reader, store } = telemetry;
  const nowMs = telemetry.now();
  let tile = book.tiles.get(z, x, first, last);
  const toMs = tile.fromMs + TILE_BINS * tile.binMs;
  let isFinal = toMs < nowMs - SETTLED_MS;
  let isCopy = false;
  const colours = book.tiles.colours();
  for (const slot of store.open()) {
    const { job, kind } = store.columns.a;
    if (book.index >= 0 && job[slot] !== book.index) continue;
    if (store.columns.a.submitted[slot]! < toMs) isFinal = false;
    const startMs = reader.isRunning(slot) ? reader.startMs(slot) : null;
    const lane = startMs === null ? -1 : book.lanes.of(slot);
    if (startMs === null || lane < first || lane > last || startMs >= toMs) continue;
    if (!isCopy) tile = tile.copy();
    isCopy = true;
    tile.paint(lane, startMs, nowMs, colours[kind[slot]!]!, false);
  }
  return {
    z,
    x,
    lanes: [first, last],
    functions: base64(tile.functions),
    busy: base64(busyBytes(tile)),
    failed: tile.anyFailed ? base64(bits(tile.failed)) : null,
    final: isFinal,
  };
}

/** Whatever ran is seen: at least 1. */
function busyBytes({ busy }: Tile): Uint8Array {
  return Uint8Array.from(busy, (part) => part === 0 ? 0 : Math.max(1, Math.min(255, Math.round(part * 255))));
}

function bits(bytes: Uint8Array): Uint8Array {
  const packed = new Uint8Array(Math.ceil(bytes.length / 8));
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== 0) packed[i >> 3]! |= 1 << (i & 7);
  return packed;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

/** What began in a lane and overlaps a stretch of time. */
interface Stretch {
  readonly fromMs: number;
  readonly toMs: number;
  readonly lanes: readonly [number, number];
}

/** Calls `each` for what ran or runs in the stretch; `endMs` of what runs is `nowMs`. */
function eachIn(
  telemetry: TaskTelemetry,
  book: JobBook,
  { fromMs, toMs, lanes: [first, last] }: Stretch,
  each: (slot: number, lane: number, startMs: number, endMs: number) => void,
): void {
  const { store } = telemetry;
  const { job, flags, submitted, start, run } = store.columns.a;
  const nowMs = telemetry.now();
  for (let slot = 0; slot < store.size; slot++) {
    const startMs = submitted[slot]! + start[slot]!;
    const state = flags[slot]! & 7;
    const endMs = state >= FINISHED ? startMs + run[slot]! : nowMs;
    // Neither comparison holds for what never began.
    if (!(startMs <= toMs && endMs >= fromMs) || state < RUNNING) continue;
    if (book.index >= 0 && job[slot] !== book.index) continue;
    const lane = book.lanes.of(slot);
    if (lane >= first && lane <= last) each(slot, lane, startMs, endMs);
  }
}

export function barsOf(telemetry: TaskTelemetry, book: JobBook, stretch: Stretch): TimelineBarsDto {
  const found: { slot: number; lane: number; startMs: number }[] = [];
  let count = 0;
  eachIn(telemetry, book, stretch, (slot, lane, startMs) => {
    if (++count <= BARS_MAX) found.push({ slot, lane, startMs });
  });
  if (count > BARS_MAX) return { tooMany: count };
  found.sort((a, b) => a.lane - b.lane || a.startMs - b.startMs);
  return { bars: found.map(({ slot, lane }) => barOf(telemetry, book, slot, lane)) };
}

/** One attempt that began, as a bar. */
export function barOf(
  { reader, store }: TaskTelemetry,
  book: JobBook,
  slot: number,
  lane: number,
): TimelineBar {
  const name = reader.name(slot);
  const colour = book.colourOf(name);
  return {
    taskId: reader.taskId(slot),
    attempt: store.columns.a.attempt[slot]!,
    lane,
    fn: colour === 255 ? colour : colour - 1,
    name,
    state: reader.state(slot),
    submittedMs: Math.round(reader.submittedMs(slot) * 1_000) / 1_000,
    pushedMs: reader.pushedMs(slot),
    startMs: reader.startMs(slot)!,
    endMs: reader.isEnded(slot) ? reader.endMs(slot) : null,
  };
}

export function barAt(
  telemetry: TaskTelemetry,
  book: JobBook,
  lane: number,
  atMs: number,
  slackMs: number,
): TimelineAtDto {
  let best = -1, bestMs = Infinity;
  const stretch: Stretch = { fromMs: atMs - slackMs, toMs: atMs + slackMs, lanes: [lane, lane] };
  eachIn(telemetry, book, stretch, (slot, _, startMs, endMs) => {
    const awayMs = Math.max(0, startMs - atMs, atMs - endMs);
    if (awayMs < bestMs) [best, bestMs] = [slot, awayMs];
  });
  if (best < 0) return { bar: null };
  const { reader } = telemetry;
  return {
    bar: {
      ...barOf(telemetry, book, best, lane),
      nodeId: reader.nodeId(best),
      workerId: reader.workerId(best),
      errorType: reader.errorType(best),
      errorMessage: reader.errorMessage(best),
      resultBytes: reader.resultBytes(best),
    },
  };
}

export function rangeOf(telemetry: TaskTelemetry, book: JobBook, stretch: Stretch): TimelineRangeDto {
  const { fromMs, toMs } = stretch;
  const { store } = telemetry;
  const { kind, flags } = store.columns.a;
  const sums = new Map<number, { count: number; failed: number; runMs: number; maxMs: number }>();
  eachIn(telemetry, book, stretch, (slot, _, startMs, endMs) => {
    const partMs = Math.max(0, Math.min(endMs, toMs) - Math.max(startMs, fromMs));
    let sum = sums.get(kind[slot]!);
    if (sum === undefined) sums.set(kind[slot]!, sum = { count: 0, failed: 0, runMs: 0, maxMs: 0 });
    sum.count++;
    if ((flags[slot]! & 7) === FAILED) sum.failed++;
    sum.runMs += partMs;
    sum.maxMs = Math.max(sum.maxMs, endMs - startMs);
  });
  const byName = new Map<string, { count: number; failed: number; runMs: number; maxMs: number }>();
  for (const [code, sum] of sums) {
    const name = kindName(store.kinds.text(code));
    const known = byName.get(name) ?? { count: 0, failed: 0, runMs: 0, maxMs: 0 };
    byName.set(name, {
      count: known.count + sum.count,
      failed: known.failed + sum.failed,
      runMs: known.runMs + sum.runMs,
      maxMs: Math.max(known.maxMs, sum.maxMs),
    });
  }
  const functions = [...byName].map(([name, sum]) => {
    const colour = book.colourOf(name);
    return { fn: colour === 255 ? colour : colour - 1, name, ...sum, meanMs: sum.runMs / sum.count };
  }).sort((a, b) => b.runMs - a.runMs);
  const runMs = functions.reduce((all, { runMs }) => all + runMs, 0);
  const lanes = Math.max(0, Math.min(stretch.lanes[1] + 1, book.lanes.lanes.length) - stretch.lanes[0]);
  return {
    fromMs,
    toMs,
    functions: functions.slice(0, FUNCTIONS_SHOWN),
    count: functions.reduce((all, { count }) => all + count, 0),
    runMs,
    busy: lanes === 0 || toMs <= fromMs ? 0 : Math.min(1, runMs / (lanes * (toMs - fromMs))),
    lanes,
  };
}
