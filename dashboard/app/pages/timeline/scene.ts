/**
 * All that one picture of the timeline is drawn from, and where its parts stand. Times are milliseconds since the origin.
 * @module
 */
import type { TimelineLane, TimelineMarker } from "../../../api/timeline.ts";
import type { ThemeColours } from "../../models/theme.ts";
import type { LoadedBars } from "./bars.ts";
import type { SeenRow } from "./lane_rows.ts";
import type { PixelTable } from "./raster.ts";
import type { TileCache } from "./tiles.ts";
import type { TimeRange, TimeWarp, View } from "./time_scale.ts";

export const OVERVIEW_HEIGHT = 46;
export const AXIS_HEIGHT = 24;
/** Where the lanes begin. */
export const TOP = OVERVIEW_HEIGHT + AXIS_HEIGHT;
/** Narrower than this, labels take less. */
const NARROW = 640;

/** Width of the labels at the left. */
export function gutterWidth(width: number): number {
  return width < NARROW ? 96 : 168;
}

/** Colours that only this page has. */
export interface TimelineColours extends ThemeColours {
  /** By function's number. */
  readonly functions: readonly string[];
  readonly other: string;
  readonly track: string;
  readonly page: string;
  /** Text on each function's colour. */
  readonly onFunctions: readonly string[];
}

/** How nodes and lanes are called. */
export interface LaneNames {
  readonly node: (nodeId: string | null) => string;
  readonly lane: (lane: TimelineLane) => string;
}

export interface Scene {
  readonly width: number;
  readonly height: number;
  /** Device pixels per CSS pixel. */
  readonly ratio: number;
  readonly originMs: number;
  /** First and last thing that is known, since the origin. */
  readonly data: TimeRange;
  readonly view: View;
  readonly warp: TimeWarp;
  /** Stretches that are squeezed; none when they are not. */
  readonly gaps: readonly TimeRange[];
  readonly lanes: readonly TimelineLane[];
  readonly seen: readonly SeenRow[];
  readonly pinnedHeight: number;
  readonly pins: ReadonlySet<number>;
  readonly tiles: TileCache;
  readonly zoom: number;
  readonly table: PixelTable;
  /** Not null when the view's single bars are here: they are drawn, not the tiles. */
  readonly bars: LoadedBars | null;
  readonly markers: readonly TimelineMarker[];
  readonly colours: TimelineColours;
  readonly selection: TimeRange | null;
  /** `taskId/attempt` of the bar under the pointer, and of the one that was clicked. */
  readonly hovered: string | null;
  readonly chosen: string | null;
  readonly cursor: { readonly x: number; readonly y: number } | null;
  readonly names: LaneNames;
}

/** Where the lanes' time begins, in CSS pixels. */
export function bodyWidth(scene: { readonly width: number }): number {
  return Math.max(1, scene.width - gutterWidth(scene.width));
}

/** CSS pixels from the canvas' left of a time. */
export function xOf(scene: Scene, timeMs: number): number {
  const { view, warp } = scene;
  return gutterWidth(scene.width) +
    (warp.squeeze(timeMs) - view.from) / (view.to - view.from) * bodyWidth(scene);
}

/** The time at a place of the canvas. */
export function timeAt(scene: Pick<Scene, "width" | "view" | "warp">, x: number): number {
  const { view, warp } = scene;
  return warp.time(view.from + (x - gutterWidth(scene.width)) / bodyWidth(scene) * (view.to - view.from));
}

export function barKey(bar: { readonly taskId: string; readonly attempt: number }): string {
  return `${bar.taskId}/${bar.attempt}`;
}
