/**
 * The timeline, as types. Lanes are worker processes (several when a worker runs calls side by side). Far away, a lane is
 * told in tiles of 512 bins; near by, in single bars with their phases.
 *
 * A tile's place is fixed: at zoom `z` a bin is 2^z milliseconds wide (z may be negative), and tile `x` begins
 * `x * 512 * 2^z` milliseconds after the job's `originMs`. So tiles can be kept while a job grows: one is `final` when
 * nothing more is expected in it.
 * @module
 */
import type { TaskStateName } from "../api_types.ts";

export const TILE_BINS: number = 512;
/** A bin of 1/1024 ms, and one of twelve days. */
export const ZOOM_MIN: number = -10;
export const ZOOM_MAX: number = 30;
/** Single bars in one answer. */
export const BARS_MAX: number = 5_000;
/** In a tile's cells: the functions after the first 254. */
export const OTHER_FUNCTIONS: number = 255;

export interface TimelineLane {
  /** Counts from 0 in the order in which lanes came; it never changes. */
  readonly lane: number;
  readonly nodeId: string | null;
  readonly workerId: string | null;
  /** 0, or which of a worker's calls side by side. */
  readonly slot: number;
  readonly actorId: string | null;
  readonly label: string;
}

export interface TimelineMarker {
  readonly atMs: number;
  readonly kind: "nodeDied" | "nodeJoined" | "headStarted" | "workerDied" | "telemetryRestarted";
  readonly text: string;
}

/** `timeline/lanes?job=ID`. */
export interface TimelineLanesDto {
  readonly jobId: string | null;
  /** Grows with each change of anything that the timeline shows. */
  readonly version: number;
  /** Where tile 0 begins at each zoom; fixed once told. */
  readonly originMs: number;
  /** First and last thing that is known. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly lanes: readonly TimelineLane[];
  readonly lanesTotal: number;
  readonly markers: readonly TimelineMarker[];
  /** By index, as tiles name them (at most 254; OTHER_FUNCTIONS for the rest). */
  readonly functions: readonly string[];
  /** Bars in all, and what is missing. */
  readonly bars: number;
  readonly sampledOut: number;
  readonly evicted: number;
}

/** `timeline/tile?job=ID&z=Z&x=X&lanes=a-b` (both included). Cells lie lane by lane, 512 for each. */
export interface TimelineTileDto {
  readonly z: number;
  readonly x: number;
  readonly lanes: readonly [number, number];
  /** Base64 of bytes: 0 nothing ran, else the function that ran most: its index + 1 (at most 254), or OTHER_FUNCTIONS. */
  readonly functions: string;
  /** Base64 of bytes: the part of the bin in which something ran, 255 is all of it. */
  readonly busy: string;
  /** Base64 of bits (lowest first), a cell each: something in it failed. Null when nothing did. */
  readonly failed: string | null;
  /** Nothing more is expected in it: it may be kept. */
  readonly final: boolean;
}

/** One attempt in its lane. */
export interface TimelineBar {
  readonly taskId: string;
  readonly attempt: number;
  readonly lane: number;
  /** Index into `functions` of timeline/lanes, or OTHER_FUNCTIONS. */
  readonly fn: number;
  readonly name: string;
  readonly state: TaskStateName;
  readonly submittedMs: number;
  readonly pushedMs: number | null;
  readonly startMs: number;
  /** Null while it runs. */
  readonly endMs: number | null;
}

/** `timeline/bars?job=&from=&to=&lanes=a-b`: what overlaps, in order of lane and start; or how many there would be. */
export type TimelineBarsDto =
  | { readonly bars: readonly TimelineBar[]; readonly tooMany?: undefined }
  | { readonly tooMany: number; readonly bars?: undefined };

/** `timeline/at?job=&lane=&atMs=[&slackMs=]`: the bar there, or the nearest within the slack; null for none. */
export interface TimelineAtDto {
  readonly bar:
    | (TimelineBar & {
      readonly nodeId: string | null;
      readonly workerId: string | null;
      readonly errorType: string | null;
      readonly errorMessage: string | null;
      readonly resultBytes: number;
    })
    | null;
}

/** `timeline/range?job=&from=&to=[&lanes=a-b]`: what ran in between; bars that reach over an end count with their part. */
export interface TimelineRangeDto {
  readonly fromMs: number;
  readonly toMs: number;
  readonly functions: readonly {
    readonly fn: number;
    readonly name: string;
    readonly count: number;
    readonly failed: number;
    readonly runMs: number;
    readonly meanMs: number;
    readonly maxMs: number;
  }[];
  readonly count: number;
  readonly runMs: number;
  /** Part of lanes x time in which something ran. */
  readonly busy: number;
  readonly lanes: number;
}

/** One event of the Chrome trace format, which Perfetto reads. Times are microseconds. */
export interface TraceEvent {
  readonly name: string;
  readonly ph: "X" | "M" | "s" | "f" | "b" | "e" | "i";
  readonly pid: number;
  readonly tid: number;
  readonly ts?: number;
  readonly dur?: number;
  readonly cat?: string;
  readonly id?: string | number;
  readonly bp?: "e";
  readonly s?: "g" | "p" | "t";
  readonly cname?: string;
  readonly args?: Readonly<Record<string, unknown>>;
}
