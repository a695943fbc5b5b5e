/**
 * What a viewer has set on the timeline: the stretch in view, what is pinned, squeezed, selected, under the pointer. Signals,
 * so that the canvas and the words around it follow the same state. No DOM here.
 * @module
 */
import { type Signal, signal } from "@preact/signals";
import type { TimelineAtDto, TimelineBar } from "../../../api/timeline.ts";
import type { TimeRange, View } from "./time_scale.ts";

/** How the view follows the data: all of it, its newest end, or not at all. */
export type Following = "all" | "end" | "no";

export interface TimelineState {
  /** In squeezed milliseconds since the origin; null until the data is here. */
  readonly view: Signal<View | null>;
  readonly following: Signal<Following>;
  readonly isSqueezed: Signal<boolean>;
  readonly pins: Signal<ReadonlySet<number>>;
  /** Pixels by which the lanes are scrolled. */
  readonly scroll: Signal<number>;
  /** Milliseconds since the origin. */
  readonly selection: Signal<TimeRange | null>;
  readonly hovered: Signal<{ readonly bar: TimelineBar; readonly x: number; readonly y: number } | null>;
  readonly cursor: Signal<{ readonly x: number; readonly y: number } | null>;
  readonly chosen: Signal<TimelineAtDto["bar"]>;
  /** Whether single bars are drawn now, or tiles. */
  readonly detail: Signal<"bars" | "tiles">;
}

export function createTimelineState(): TimelineState {
  return {
    view: signal<View | null>(null),
    following: signal<Following>("all"),
    isSqueezed: signal(false),
    pins: signal<ReadonlySet<number>>(new Set()),
    scroll: signal(0),
    selection: signal<TimeRange | null>(null),
    hovered: signal<{ readonly bar: TimelineBar; readonly x: number; readonly y: number } | null>(null),
    cursor: signal<{ readonly x: number; readonly y: number } | null>(null),
    chosen: signal<TimelineAtDto["bar"]>(null),
    detail: signal<"bars" | "tiles">("tiles"),
  };
}
