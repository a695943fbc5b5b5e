/**
 * The timeline's canvas: makes the picture's scene out of state and data, draws at most once a frame, and asks for what the
 * picture lacks. The pointer and the keys are input.ts'.
 * @module
 */
import { effect } from "@preact/signals";
import { OTHER_FUNCTIONS, type TimelineBar, type TimelineLanesDto } from "../../../api/timeline.ts";
import { cssColours, functionColourIndex, onThemeChange } from "../../models/theme.ts";
import { barAt, barsWithin } from "./bars.ts";
import { TimelinePainter } from "./draw.ts";
import { type LaneRows, placeLanes, rowAt, scrollMax, seenRows } from "./lane_rows.ts";
import { TimelineLoader } from "./loader.ts";
import { busyBins, overviewTiles } from "./overview.ts";
import { makePixelTable, type PixelTable, rgbOf } from "./raster.ts";
import {
  barKey,
  bodyWidth,
  gutterWidth,
  type LaneNames,
  type Scene,
  timeAt,
  type TimelineColours,
  TOP,
} from "./scene.ts";
import type { TimelineState } from "./state.ts";
import { TILE_LANES, tilesFor, zoomFor } from "./tiles.ts";
import { clampView, idleGaps, type TimeRange, TimeWarp, type View, wholeView } from "./time_scale.ts";

const HEIGHT_MIN = 240;
/** An idle stretch is squeezed to this part of the busy time, when it is at least three times as long. */
const SQUEEZED_PART = 0.008;
/** Pixels of a lane that each bar needs on average to be drawn by itself. */
const BAR_ROOM = 5;
/** Pixels around a bar in which it is still meant. */
const SLACK = 3;

export class TimelineCanvas {
  readonly loader: TimelineLoader;
  readonly #canvas: HTMLCanvasElement;
  readonly #context: CanvasRenderingContext2D;
  readonly #state: TimelineState;
  readonly #names: LaneNames;
  readonly #painter = new TimelinePainter();
  readonly #ends: (() => void)[] = [];
  #dto: TimelineLanesDto | null = null;
  #colours: TimelineColours | null = null;
  #table: PixelTable = new Uint32Array(0);
  #warp = new TimeWarp();
  #gaps: readonly TimeRange[] = [];
  #placed: { readonly key: string; readonly rows: LaneRows } | null = null;
  #frame = 0;
  #scene: Scene | null = null;

  constructor(
    canvas: HTMLCanvasElement,
    job: string | null,
    state: TimelineState,
    names: LaneNames,
  ) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d", { alpha: false })!;
    this.#state = state;
    this.#names = names;
    this.loader = new TimelineLoader(job, () => this.redraw());
    this.#ends.push(
      effect(() => {
        for (const each of Object.values(state)) each.value;
        this.redraw();
      }),
      onThemeChange(() => {
        this.#colours = null;
        this.redraw();
      }),
    );
    const resize = new ResizeObserver(() => this.redraw());
    resize.observe(canvas);
    this.#ends.push(() => resize.disconnect());
  }

  stop(): void {
    cancelAnimationFrame(this.#frame);
    for (const end of this.#ends) end();
    this.loader.stop();
  }

  /** The newest answer. */
  setData(dto: TimelineLanesDto): void {
    if (this.#dto === null || this.#dto.functions.length !== dto.functions.length) this.#colours = null;
    this.#dto = dto;
    this.loader.setData(dto);
    this.redraw();
  }

  /** The picture that is on the screen; null before the first. */
  get scene(): Scene | null {
    return this.#scene;
  }

  /** Ends of the data in squeezed time. */
  get bounds(): View {
    const data = this.#data();
    return { from: this.#warp.squeeze(data.fromMs), to: this.#warp.squeeze(data.toMs) };
  }

  get scrollMax(): number {
    return this.#placed === null ? 0 : scrollMax(this.#placed.rows, this.#canvas.clientHeight - TOP);
  }

  redraw(): void {
    this.#frame ||= requestAnimationFrame(() => {
      try {
        this.#draw();
      } finally {
        // Only now: what drawing itself sets (a view that follows) is in this picture, and needs no second one.
        this.#frame = 0;
      }
    });
  }

  /** The lane at a height of the canvas; null for headings and what is above. */
  laneAt(y: number): number | null {
    const row = this.#scene === null || y < TOP ? null : rowAt(this.#scene.seen, y - TOP);
    return row === null || row.lane < 0 ? null : this.#scene!.lanes[row.lane]!.lane;
  }

  /** What the picture itself knows to be there; undefined when only the server knows. */
  barAt(x: number, y: number): TimelineBar | null | undefined {
    const scene = this.#scene, lane = this.laneAt(y);
    if (scene === null || lane === null || x < gutterWidth(scene.width)) return null;
    if (scene.bars === null) return undefined;
    const slack = this.slackMs();
    const atMs = timeAt(scene, x) + scene.originMs;
    return barAt(scene.bars, lane, atMs, slack, scene.data.toMs + scene.originMs);
  }

  /** How long a few pixels are. */
  slackMs(): number {
    const scene = this.#scene!;
    return (scene.view.to - scene.view.from) / bodyWidth(scene) * SLACK;
  }

  #data(): TimeRange {
    const dto = this.#dto;
    if (dto === null) return { fromMs: 0, toMs: 1 };
    const fromMs = dto.fromMs - dto.originMs;
    return { fromMs, toMs: Math.max(fromMs + 1, dto.toMs - dto.originMs) };
  }

  #draw(): void {
    const dto = this.#dto;
    if (dto === null || this.#canvas.clientWidth === 0) return;
    const width = this.#canvas.clientWidth, ratio = Math.min(2, devicePixelRatio || 1);
    const height = this.#fitHeight(dto);
    if (
      this.#canvas.width !== Math.round(width * ratio) || this.#canvas.height !== Math.round(height * ratio)
    ) {
      this.#canvas.width = Math.round(width * ratio);
      this.#canvas.height = Math.round(height * ratio);
    }
    if (this.#colours === null) this.#readColours(dto);
    this.#updateWarp(dto, width);
    const scene = this.#makeScene(dto, width, height, ratio);
    this.#scene = scene;
    this.#painter.paint(this.#context, scene);
    this.#state.detail.value = scene.bars === null ? "tiles" : "bars";
  }

  /** As high as the lanes want to be, within the window. */
  #fitHeight(dto: TimelineLanesDto): number {
    const most = Math.max(HEIGHT_MIN, Math.min(900, innerHeight - 230));
    const pins = this.#state.pins.peek();
    const key = `${dto.lanes.length} ${dto.lanesTotal} ${most} ${[...pins].join()}`;
    if (this.#placed?.key !== key) this.#placed = { key, rows: placeLanes(dto.lanes, pins, most - TOP) };
    const { rows } = this.#placed;
    const height = Math.max(HEIGHT_MIN, Math.min(most, TOP + rows.pinnedHeight + rows.height + 6));
    this.#canvas.style.height = `${height}px`;
    return height;
  }

  #readColours(dto: TimelineLanesDto): void {
    const theme = cssColours();
    const functions = dto.functions.map((name) => theme.functions[functionColourIndex(name)]!);
    const style = getComputedStyle(document.documentElement);
    const track = style.getPropertyValue("--track").trim();
    this.#colours = {
      ...theme,
      functions,
      other: theme.waiting,
      track,
      page: style.getPropertyValue("--page").trim(),
      onFunctions: functions.map((colour) => isLight(colour) ? "#10151a" : "#ffffff"),
    };
    this.#table = makePixelTable(functions.map(rgbOf), rgbOf(theme.panel), rgbOf(theme.waiting));
    if (dto.functions.length > OTHER_FUNCTIONS) throw new RangeError("more functions than cells can name");
  }

  #updateWarp(dto: TimelineLanesDto, width: number): void {
    const { isSqueezed, view } = this.#state;
    const before = this.#warp;
    if (!isSqueezed.peek()) {
      if (before.isPlain) return;
      this.#warp = new TimeWarp();
      this.#gaps = [];
    } else {
      const data = this.#data();
      const bins = busyBins({ data, width, tiles: this.loader.tiles, lanes: dto.lanes });
      if (bins === null) return;
      const busyMs = bins.busy.reduce((sum, busy) => sum + busy, 0) * bins.binMs;
      const squeezedMs = Math.max(bins.binMs, busyMs * SQUEEZED_PART);
      this.#gaps = idleGaps(bins.busy, bins.fromMs, bins.binMs, squeezedMs * 3);
      this.#warp = new TimeWarp(this.#gaps, squeezedMs);
    }
    const now = view.peek();
    if (now === null || this.#state.following.peek() !== "no") return;
    view.value = clampView(
      { from: this.#warp.squeeze(before.time(now.from)), to: this.#warp.squeeze(before.time(now.to)) },
      this.bounds,
    );
  }

  #viewNow(): View {
    const { view, following } = this.#state;
    const { bounds } = this;
    const set = view.peek();
    const mode = following.peek();
    if (set === null || mode === "all") {
      const whole = wholeView(bounds);
      if (set === null || set.from !== whole.from || set.to !== whole.to) view.value = whole;
      return whole;
    }
    if (mode === "end") {
      const span = set.to - set.from;
      const to = bounds.to + span * 0.04;
      if (set.to !== to) view.value = { from: to - span, to };
      return view.peek()!;
    }
    return set;
  }

  #makeScene(dto: TimelineLanesDto, width: number, height: number, ratio: number): Scene {
    const state = this.#state, placed = this.#placed!.rows;
    const view = this.#viewNow();
    const scroll = Math.min(state.scroll.peek(), scrollMax(placed, height - TOP));
    const seen = seenRows(placed, scroll, height - TOP);
    const data = this.#data();
    const range = { fromMs: this.#warp.time(view.from), toMs: this.#warp.time(view.to) };
    const columns = Math.max(1, (width - gutterWidth(width)) * ratio);
    // With squeezed gaps, the pixels of busy time decide.
    const zoom = zoomFor((view.to - view.from) / columns);
    const lanes = seen.filter((row) => row.lane >= 0).map((row) => dto.lanes[row.lane]!.lane);
    const loaded = lanes.length === 0
      ? null
      : this.loader.barsOf(range, [Math.min(...lanes), Math.max(...lanes)]);
    // Where bars would lie over each other, tiles tell the truth: a bar is drawn a pixel wide, however short it is.
    const room = lanes.length * (width - gutterWidth(width)) / BAR_ROOM;
    const bars = loaded !== null && barsWithin(loaded, range) <= room ? loaded : null;
    const chunks = [...new Set(lanes.map((lane) => Math.floor(lane / TILE_LANES)))];
    const overview = overviewTiles(data, width, dto.lanes.length);
    const wanted = bars === null
      ? tilesFor(zoom, Math.max(range.fromMs, data.fromMs), Math.min(range.toMs, data.toMs), chunks)
      : [];
    this.loader.wantTiles(overview, wanted);
    const hovered = state.hovered.peek()?.bar ?? null, chosen = state.chosen.peek();
    return {
      width,
      height,
      ratio,
      originMs: dto.originMs,
      data,
      view,
      warp: this.#warp,
      gaps: this.#gaps,
      lanes: dto.lanes,
      seen,
      pinnedHeight: placed.pinnedHeight,
      pins: state.pins.peek(),
      tiles: this.loader.tiles,
      zoom,
      table: this.#table,
      bars,
      markers: dto.markers,
      colours: this.#colours!,
      selection: state.selection.peek(),
      hovered: hovered === null ? null : barKey(hovered),
      chosen: chosen === null ? null : barKey(chosen),
      cursor: state.cursor.peek(),
      names: this.#names,
    };
  }
}

/** Whether dark text is read better on it. */
function isLight(colour: string): boolean {
  const [r, g, b] = rgbOf(colour);
  return (r * 0.299 + g * 0.587 + b * 0.114) > 140;
}
