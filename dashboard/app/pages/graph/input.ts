/**
 * Pointer, wheel, touch and keys on the graph's canvas. Drag moves, the wheel zooms at the pointer, a click selects, a double
 * click opens; arrows move, N and P go from node to node, U and J follow what a node takes from and what takes from it.
 * @module
 */
import { batch } from "@preact/signals";
import { panCamera, zoomCamera } from "../../models/camera.ts";
import { isOnClose } from "./draw_cloud.ts";
import type { Hit } from "./picture.ts";
import { neighbours } from "./scene.ts";
import type { GraphState } from "./state.ts";
import type { GraphCanvas } from "./view.ts";

const CLICK_PIXELS = 4;
const KEY_PAN = 60;
const KEY_ZOOM = 1.25;

export interface GraphActions {
  /** Open a group, or go around a task; whatever the node is. */
  readonly open: (key: string, taskId: string | null) => void;
  readonly close: () => void;
}

export class GraphInput {
  readonly #canvas: HTMLCanvasElement;
  readonly #view: GraphCanvas;
  readonly #state: GraphState;
  readonly #actions: GraphActions;
  readonly #stop = new AbortController();
  readonly #fingers = new Map<number, { x: number; y: number }>();
  #start: { x: number; y: number } | null = null;
  #hasMoved = false;

  constructor(canvas: HTMLCanvasElement, view: GraphCanvas, state: GraphState, actions: GraphActions) {
    this.#canvas = canvas;
    this.#view = view;
    this.#state = state;
    this.#actions = actions;
    const { signal } = this.#stop;
    canvas.addEventListener("pointerdown", (event) => this.#down(event), { signal });
    canvas.addEventListener("pointermove", (event) => this.#move(event), { signal });
    canvas.addEventListener("pointerup", (event) => this.#up(event), { signal });
    canvas.addEventListener("pointercancel", (event) => this.#fingers.delete(event.pointerId), { signal });
    canvas.addEventListener("pointerleave", () => this.#state.hovered.value = null, { signal });
    canvas.addEventListener(
      "dblclick",
      (event) => this.#open(this.#view.hitAt(event.offsetX, event.offsetY)),
      {
        signal,
      },
    );
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { signal, passive: false });
    canvas.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (this.key(event.key)) event.preventDefault();
    }, { signal });
  }

  stop(): void {
    this.#stop.abort();
  }

  /** @returns whether the key means something here. */
  key(key: string): boolean {
    const name = key.length === 1 ? key.toLowerCase() : key;
    const act = {
      ArrowLeft: () => this.#pan(KEY_PAN, 0),
      ArrowRight: () => this.#pan(-KEY_PAN, 0),
      ArrowUp: () => this.#pan(0, KEY_PAN),
      ArrowDown: () => this.#pan(0, -KEY_PAN),
      "+": () => this.#zoom(KEY_ZOOM),
      "=": () => this.#zoom(KEY_ZOOM),
      "-": () => this.#zoom(1 / KEY_ZOOM),
      0: () => this.#fit(),
      f: () => this.#fit(),
      n: () => this.#step(1),
      p: () => this.#step(-1),
      u: () => this.#follow("up"),
      j: () => this.#follow("down"),
      Enter: () => this.#openSelected(),
      Escape: () => this.#back(),
    }[name];
    if (act === undefined) return false;
    act();
    return true;
  }

  #fit(): void {
    this.#state.isFitted.value = true;
  }

  #pan(dx: number, dy: number): void {
    batch(() => {
      this.#state.camera.value = panCamera(this.#state.camera.peek(), dx, dy);
      this.#state.isFitted.value = false;
    });
  }

  #zoom(factor: number, x = this.#canvas.clientWidth / 2, y = this.#canvas.clientHeight / 2): void {
    batch(() => {
      this.#state.camera.value = zoomCamera(this.#state.camera.peek(), factor, x, y);
      this.#state.isFitted.value = false;
    });
  }

  /** The next or previous node, as they are laid out. */
  #step(by: 1 | -1): void {
    const order = this.#view.picture?.layout.order ?? [];
    if (order.length === 0) return;
    const at = order.indexOf(this.#state.selected.peek()?.key ?? "");
    const next = at < 0 ? (by > 0 ? 0 : order.length - 1) : (at + by + order.length) % order.length;
    this.#select(order[next]!);
  }

  #follow(direction: "up" | "down"): void {
    const { picture } = this.#view;
    const selected = this.#state.selected.peek();
    if (picture === null || selected === null) return;
    const next = neighbours(picture.scene, selected.key, direction).find((key) => key !== selected.key);
    if (next !== undefined) this.#select(next);
  }

  #select(key: string): void {
    this.#state.selected.value = { key, taskId: null };
    this.#view.goTo(key);
  }

  #openSelected(): void {
    const selected = this.#state.selected.peek();
    if (selected !== null) this.#actions.open(selected.key, selected.taskId);
  }

  #back(): void {
    if (this.#state.selected.peek() !== null) this.#state.selected.value = null;
    else this.#actions.close();
  }

  #down(event: PointerEvent): void {
    if (event.button !== 0) return;
    const at = { x: event.offsetX, y: event.offsetY };
    this.#canvas.focus({ preventScroll: true });
    this.#canvas.setPointerCapture(event.pointerId);
    this.#fingers.set(event.pointerId, at);
    this.#start = at;
    this.#hasMoved = this.#fingers.size > 1;
  }

  #move(event: PointerEvent): void {
    const at = { x: event.offsetX, y: event.offsetY };
    const before = this.#fingers.get(event.pointerId);
    if (before === undefined) return this.#hover(at.x, at.y);
    if (this.#fingers.size === 2) return this.#pinch(event, at);
    const start = this.#start!;
    if (Math.hypot(at.x - start.x, at.y - start.y) > CLICK_PIXELS) this.#hasMoved = true;
    if (!this.#hasMoved) return;
    this.#state.hovered.value = null;
    this.#fingers.set(event.pointerId, at);
    this.#pan(at.x - before.x, at.y - before.y);
  }

  #pinch(event: PointerEvent, at: { x: number; y: number }): void {
    const measure = (): { x: number; y: number; apart: number } => {
      const [a, b] = [...this.#fingers.values()] as [{ x: number; y: number }, { x: number; y: number }];
      return {
        x: (a.x + b.x) / 2,
        y: (a.y + b.y) / 2,
        apart: Math.max(20, Math.hypot(a.x - b.x, a.y - b.y)),
      };
    };
    const before = measure();
    this.#fingers.set(event.pointerId, at);
    const after = measure();
    this.#zoom(after.apart / before.apart, after.x, after.y);
    this.#pan(after.x - before.x, after.y - before.y);
  }

  #up(event: PointerEvent): void {
    this.#fingers.delete(event.pointerId);
    if (this.#hasMoved) return;
    const hit = this.#view.hitAt(event.offsetX, event.offsetY);
    if (hit !== null && this.#isClose(hit, event)) return this.#actions.close();
    this.#state.selected.value = hit === null ? null : {
      key: hit.node.key,
      taskId: hit.dot?.task.taskId ?? (hit.node.kind === "task" ? hit.node.key : null),
    };
  }

  #isClose(hit: Hit, event: PointerEvent): boolean {
    const { picture } = this.#view;
    const at = picture?.at(hit.node.key);
    if (hit.node.kind !== "cloud" || at === undefined) return false;
    const { scale, x, y } = picture!.camera;
    return isOnClose(hit.node, (event.offsetX - x) / scale - at.x, (event.offsetY - y) / scale - at.y);
  }

  #open(hit: Hit | null): void {
    if (hit === null) return this.#fit();
    this.#actions.open(
      hit.node.key,
      hit.dot?.task.taskId ?? (hit.node.kind === "task" ? hit.node.key : null),
    );
  }

  #hover(x: number, y: number): void {
    const hit = this.#view.hitAt(x, y);
    this.#canvas.style.cursor = hit === null ? "grab" : "pointer";
    this.#state.hovered.value = hit === null
      ? null
      : { key: hit.node.key, taskId: hit.dot?.task.taskId ?? null, x, y };
  }

  #wheel(event: WheelEvent): void {
    event.preventDefault();
    const unit = event.deltaMode === 1 ? 16 : 1;
    const [dx, dy] = [event.deltaX * unit, event.deltaY * unit];
    if (event.shiftKey || Math.abs(dx) > Math.abs(dy)) return this.#pan(-(dx === 0 ? dy : dx), 0);
    this.#zoom(Math.exp(-Math.min(200, Math.max(-200, dy)) / 360), event.offsetX, event.offsetY);
  }
}
