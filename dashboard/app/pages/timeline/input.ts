/**
 * Pointer, wheel, touch and keys on the timeline's canvas. Drag moves, the wheel zooms at the pointer, shift and drag selects,
 * two fingers pinch, a drag on the strip above moves what is in view; W A S D and the arrows do the same without a pointer.
 * @module
 */
import { batch } from "@preact/signals";
import type { TimelineAtDto } from "../../../api/timeline.ts";
import { ask, question } from "../../models/query.ts";
import { overviewTime } from "./overview.ts";
import { bodyWidth, gutterWidth, OVERVIEW_HEIGHT, timeAt, TOP } from "./scene.ts";
import type { TimelineState } from "./state.ts";
import { clampView, panView, zoomView } from "./time_scale.ts";
import type { TimelineCanvas } from "./view.ts";

/** The pointer must rest so long before the server is asked what is under it. */
const HOVER_MS = 45;
const CLICK_PIXELS = 4;
const KEY_PAN = 0.12;
const KEY_ZOOM = 0.7;

interface Drag {
  readonly kind: "pan" | "select" | "overview";
  readonly startX: number;
  readonly startY: number;
  x: number;
  y: number;
  hasMoved: boolean;
}

export class TimelineInput {
  readonly #canvas: HTMLCanvasElement;
  readonly #view: TimelineCanvas;
  readonly #state: TimelineState;
  readonly #job: string | null;
  readonly #stop = new AbortController();
  readonly #fingers = new Map<number, { x: number; y: number }>();
  #drag: Drag | null = null;
  #hoverTimer: ReturnType<typeof setTimeout> | undefined;
  #hoverAbort: AbortController | null = null;

  constructor(canvas: HTMLCanvasElement, view: TimelineCanvas, state: TimelineState, job: string | null) {
    this.#canvas = canvas;
    this.#view = view;
    this.#state = state;
    this.#job = job;
    const { signal } = this.#stop;
    canvas.addEventListener("pointerdown", (event) => this.#down(event), { signal });
    canvas.addEventListener("pointermove", (event) => this.#move(event), { signal });
    canvas.addEventListener("pointerup", (event) => this.#up(event), { signal });
    canvas.addEventListener("pointercancel", (event) => this.#end(event), { signal });
    canvas.addEventListener("pointerleave", () => this.#leave(), { signal });
    canvas.addEventListener("dblclick", () => this.#setView({ following: "all" }), { signal });
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { signal, passive: false });
    canvas.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (this.key(event.key)) event.preventDefault();
    }, { signal });
  }

  stop(): void {
    clearTimeout(this.#hoverTimer);
    this.#hoverAbort?.abort();
    this.#stop.abort();
  }

  /** @returns whether the key means something here. */
  key(key: string): boolean {
    const name = key.length === 1 ? key.toLowerCase() : key;
    const act = {
      w: () => this.#zoom(KEY_ZOOM, 0.5),
      "+": () => this.#zoom(KEY_ZOOM, 0.5),
      "=": () => this.#zoom(KEY_ZOOM, 0.5),
      s: () => this.#zoom(1 / KEY_ZOOM, 0.5),
      "-": () => this.#zoom(1 / KEY_ZOOM, 0.5),
      a: () => this.#pan(-KEY_PAN),
      ArrowLeft: () => this.#pan(-KEY_PAN),
      d: () => this.#pan(KEY_PAN),
      ArrowRight: () => this.#pan(KEY_PAN),
      ArrowUp: () => this.#scroll(-60),
      ArrowDown: () => this.#scroll(60),
      f: () => this.#setView({ following: "all" }),
      0: () => this.#setView({ following: "all" }),
      l: () => this.#setView({ following: this.#state.following.peek() === "end" ? "no" : "end" }),
      i: () => {
        this.#state.isSqueezed.value = !this.#state.isSqueezed.peek();
      },
      Escape: () => this.#clear(),
    }[name];
    if (act === undefined) return false;
    act();
    return true;
  }

  #clear(): void {
    batch(() => {
      this.#state.selection.value = null;
      this.#state.chosen.value = null;
    });
  }

  #setView({ following }: { following: "all" | "end" | "no" }): void {
    this.#state.following.value = following;
  }

  #zoom(factor: number, part: number): void {
    const view = this.#state.view.peek();
    if (view === null) return;
    batch(() => {
      this.#state.view.value = zoomView(view, factor, part, this.#view.bounds);
      // Following the end goes on at another zoom; the whole is left by any.
      if (this.#state.following.peek() === "all") this.#state.following.value = "no";
    });
  }

  #pan(part: number): void {
    const view = this.#state.view.peek();
    if (view === null) return;
    batch(() => {
      this.#state.view.value = panView(view, (view.to - view.from) * part, this.#view.bounds);
      this.#state.following.value = "no";
    });
  }

  #scroll(by: number): void {
    const { scroll } = this.#state;
    scroll.value = Math.min(this.#view.scrollMax, Math.max(0, scroll.peek() + by));
  }

  #down(event: PointerEvent): void {
    const { offsetX: x, offsetY: y } = event;
    const { scene } = this.#view;
    if (scene === null || event.button !== 0) return;
    this.#canvas.focus({ preventScroll: true });
    this.#canvas.setPointerCapture(event.pointerId);
    this.#fingers.set(event.pointerId, { x, y });
    if (this.#fingers.size === 2) this.#drag = null;
    if (this.#fingers.size > 1) return;
    const kind = y < OVERVIEW_HEIGHT ? "overview" : event.shiftKey || y < TOP ? "select" : "pan";
    this.#drag = { kind, startX: x, startY: y, x, y, hasMoved: false };
    this.#state.hovered.value = null;
    if (kind === "overview") this.#moveTo(x);
  }

  #move(event: PointerEvent): void {
    const { offsetX: x, offsetY: y } = event;
    if (this.#fingers.size === 2) return this.#pinch(event);
    if (this.#fingers.has(event.pointerId)) this.#fingers.set(event.pointerId, { x, y });
    const drag = this.#drag;
    if (drag === null) {
      this.#state.cursor.value = { x, y };
      return this.#hover(x, y);
    }
    const [dx, dy] = [x - drag.x, y - drag.y];
    if (Math.hypot(x - drag.startX, y - drag.startY) > CLICK_PIXELS) drag.hasMoved = true;
    if (!drag.hasMoved) return;
    drag.x = x;
    drag.y = y;
    if (drag.kind === "overview") return this.#moveTo(x);
    if (drag.kind === "select") return this.#select(drag.startX, x);
    const { scene } = this.#view;
    if (scene === null) return;
    if (dx !== 0) this.#pan(-dx / bodyWidth(scene));
    if (dy !== 0) this.#scroll(-dy);
  }

  #up(event: PointerEvent): void {
    const drag = this.#drag;
    this.#end(event);
    if (drag === null || drag.hasMoved || drag.kind === "overview") return;
    const { offsetX: x, offsetY: y } = event;
    const { scene } = this.#view;
    if (scene === null) return;
    if (drag.kind === "select") {
      this.#state.selection.value = null;
    } else if (x < gutterWidth(scene.width)) {
      this.#togglePin(y);
    } else void this.#choose(x, y);
  }

  #end(event: PointerEvent): void {
    this.#fingers.delete(event.pointerId);
    this.#drag = null;
  }

  #leave(): void {
    clearTimeout(this.#hoverTimer);
    batch(() => {
      this.#state.hovered.value = null;
      this.#state.cursor.value = null;
    });
  }

  #togglePin(y: number): void {
    const lane = this.#view.laneAt(y);
    if (lane === null) return;
    const pins = new Set(this.#state.pins.peek());
    if (!pins.delete(lane)) pins.add(lane);
    this.#state.pins.value = pins;
  }

  #pinch(event: PointerEvent): void {
    const { scene } = this.#view;
    const view = this.#state.view.peek();
    if (scene === null || view === null) return;
    const [a, b] = [...this.#fingers.values()] as [{ x: number; y: number }, { x: number; y: number }];
    const before = { middle: (a.x + b.x) / 2, apart: Math.max(24, Math.abs(a.x - b.x)) };
    this.#fingers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
    const [c, d] = [...this.#fingers.values()] as [{ x: number; y: number }, { x: number; y: number }];
    const after = { middle: (c.x + d.x) / 2, apart: Math.max(24, Math.abs(c.x - d.x)) };
    const wide = bodyWidth(scene);
    this.#zoom(before.apart / after.apart, (after.middle - gutterWidth(scene.width)) / wide);
    this.#pan((before.middle - after.middle) / wide);
  }

  #wheel(event: WheelEvent): void {
    const { scene } = this.#view;
    if (scene === null) return;
    event.preventDefault();
    const unit = event.deltaMode === 1 ? 16 : 1;
    const [dx, dy] = [event.deltaX * unit, event.deltaY * unit];
    const wide = bodyWidth(scene), left = gutterWidth(scene.width);
    if (event.offsetX < left && event.offsetY > TOP) return this.#scroll(dy);
    if (event.shiftKey || Math.abs(dx) > Math.abs(dy)) return this.#pan((dx === 0 ? dy : dx) / wide);
    this.#zoom(Math.exp(Math.min(200, Math.max(-200, dy)) / 320), (event.offsetX - left) / wide);
  }

  /** The view's middle to a place of the strip. */
  #moveTo(x: number): void {
    const { scene } = this.#view;
    const view = this.#state.view.peek();
    if (scene === null || view === null) return;
    const middle = scene.warp.squeeze(overviewTime(scene, x)), half = (view.to - view.from) / 2;
    batch(() => {
      this.#state.view.value = clampView({ from: middle - half, to: middle + half }, this.#view.bounds);
      this.#state.following.value = "no";
    });
  }

  #select(from: number, to: number): void {
    const { scene } = this.#view;
    if (scene === null) return;
    const left = gutterWidth(scene.width);
    const times = [from, to].map((x) => timeAt(scene, Math.min(scene.width, Math.max(left, x))));
    this.#state.selection.value = { fromMs: Math.min(...times), toMs: Math.max(...times) };
  }

  #hover(x: number, y: number): void {
    clearTimeout(this.#hoverTimer);
    this.#hoverAbort?.abort();
    const known = this.#view.barAt(x, y);
    if (known !== undefined) {
      this.#state.hovered.value = known === null ? null : { bar: known, x, y };
      return;
    }
    if (this.#state.hovered.peek() !== null) this.#state.hovered.value = null;
    this.#hoverTimer = setTimeout(() => {
      this.#hoverAbort = new AbortController();
      void this.#askAt(x, y, this.#hoverAbort.signal).then((bar) => {
        if (bar !== undefined) this.#state.hovered.value = bar === null ? null : { bar, x, y };
      });
    }, HOVER_MS);
  }

  async #choose(x: number, y: number): Promise<void> {
    const bar = await this.#askAt(x, y, this.#stop.signal);
    if (bar !== undefined) this.#state.chosen.value = bar;
  }

  /** What the server knows to be there; undefined when it cannot be asked, or the question is outdated. */
  async #askAt(x: number, y: number, abort: AbortSignal): Promise<TimelineAtDto["bar"] | undefined> {
    const { scene } = this.#view;
    const lane = this.#view.laneAt(y);
    if (scene === null || lane === null || x < gutterWidth(scene.width)) return undefined;
    const atMs = timeAt(scene, x) + scene.originMs;
    try {
      const key = question("timeline/at", { job: this.#job, lane, atMs, slackMs: this.#view.slackMs() });
      return (await ask<TimelineAtDto>(key, abort)).bar;
    } catch {
      return undefined;
    }
  }
}
