/**
 * Single bars that are here, and which of them is at a place. Pure.
 * @module
 */
import type { TimelineBar } from "../../../api/timeline.ts";
import type { TimeRange } from "./time_scale.ts";

/** Single bars and the stretch (milliseconds since the origin) and lanes that they are complete for. */
export interface LoadedBars extends TimeRange {
  readonly lanes: readonly [number, number];
  readonly bars: readonly TimelineBar[];
}

/** The bar at a time in a lane; the nearest within the slack. */
export function barAt(
  loaded: LoadedBars,
  lane: number,
  atMs: number,
  slackMs: number,
  nowMs: number,
): TimelineBar | null {
  let best: TimelineBar | null = null, distance = slackMs;
  for (const bar of loaded.bars) {
    if (bar.lane !== lane) continue;
    const end = bar.endMs ?? nowMs;
    const away = atMs < bar.startMs ? bar.startMs - atMs : atMs > end ? atMs - end : 0;
    if (away > distance || (best !== null && away === distance)) continue;
    best = bar;
    distance = away;
  }
  return best;
}

/** About how many of them are in a stretch: those of a wider one are taken as even, near enough for choosing how to draw. */
export function barsWithin(loaded: LoadedBars, range: TimeRange): number {
  const part = (range.toMs - range.fromMs) / Math.max(1e-9, loaded.toMs - loaded.fromMs);
  return loaded.bars.length * Math.min(1, part);
}
