/**
 * The graph's canvas: has scenes laid out by the worker, glides from one layout to the next, draws at most once a frame. While
 * the structure is the same nothing moves, whatever the counts do. The pointer and the keys are input.ts'.
 * @module
 */
import { effect } from "@preact/signals";
import { between, type Camera, fitCamera, lookAt, type Point, type Size } from "../../models/camera.ts";
import { nodeColourIndex } from "../../models/node_colours.ts";
import { cssColours, onThemeChange, type ThemeColours } from "../../models/theme.ts";
import { GraphPainter } from "./draw.ts";
import { type Layout, type LayoutRequest, NO_LAYOUT } from "./layout.ts";
import { keptLayout, requestLayout, structureOf } from "./layout_client.ts";
import { type CriticalMarks, type Hit, hitAt, type Picture } from "./picture.ts";
import { type GraphScene, NO_SCENE, type SceneNode } from "./scene.ts";
import type { GraphState } from "./state.ts";

/** Narrower than this, layers go down. */
const ACROSS_WIDTH_MIN = 640;
const MARGIN = 26;
const GLIDE_MS = 280;
/** Nothing is blown up by fitting. */
const FIT_SCALE_MAX = 1.15;

export interface GraphData {
  readonly scene: GraphScene;
  readonly critical: CriticalMarks | null;
  readonly rateOf: (key: string) => number;
  readonly nodeName: (nodeId: string) => string;
}

interface Glide {
  readonly startMs: number;
  readonly places: Readonly<Record<string, Point>>;
  readonly camera: Camera;
  readonly goal: Camera | null;
}

export class GraphCanvas {
  readonly #canvas: HTMLCanvasElement;
  readonly #context: CanvasRenderingContext2D;
  readonly #state: GraphState;
  readonly #painter = new GraphPainter();
  readonly #ends: (() => void)[] = [];
  #colours: ThemeColours = cssColours();
  #data: GraphData = { scene: NO_SCENE, critical: null, rateOf: () => 0, nodeName: (id) => id };
  /** The scene whose layout is here: what is drawn. */
  #drawn: GraphScene = NO_SCENE;
  #layout: Layout = NO_LAYOUT;
  #structure = "";
  #wanted = "";
  #glide: Glide | null = null;
  /** A node to look at once it is laid out. */
  #goal: string | null = null;
  #frame = 0;
  #picture: Picture | null = null;

  constructor(canvas: HTMLCanvasElement, state: GraphState) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d", { alpha: false })!;
    this.#state = state;
    this.#ends.push(
      effect(() => {
        for (const each of Object.values(state)) each.value;
        nodeColourIndex.value;
        this.redraw();
      }),
      onThemeChange(() => {
        this.#colours = cssColours();
        this.redraw();
      }),
    );
    const resize = new ResizeObserver(() => {
      this.#update();
      this.redraw();
    });
    resize.observe(canvas);
    this.#ends.push(() => resize.disconnect());
  }

  stop(): void {
    cancelAnimationFrame(this.#frame);
    for (const end of this.#ends) end();
  }

  get picture(): Picture | null {
    return this.#picture;
  }

  setData(data: GraphData): void {
    this.#data = data;
    this.#update();
  }

  /** Go to a node, now or as soon as it is there. */
  goTo(key: string): void {
    this.#goal = key;
    this.#state.isFitted.value = false;
    this.#reachGoal();
    this.redraw();
  }

  hitAt(x: number, y: number): Hit | null {
    return this.#picture === null ? null : hitAt(this.#picture, x, y);
  }

  redraw(): void {
    this.#frame ||= requestAnimationFrame((nowMs) => {
      this.#frame = 0;
      this.#draw(nowMs);
    });
  }

  #update(): void {
    const { scene } = this.#data;
    const { width, height } = this.#size();
    const isNarrow = width > 0 && width < ACROSS_WIDTH_MIN;
    const request: LayoutRequest = {
      nodes: scene.nodes.map(({ key, width, height }) => ({ key, width, height })),
      edges: scene.edges.map(({ from, to }) => ({ from, to })),
      isDown: isNarrow ? true : null,
      order: this.#layout.order,
      aspect: isNarrow ? 0.7 : width / Math.max(1, height),
    };
    const structure = structureOf(request);
    if (structure === this.#structure) {
      this.#drawn = scene;
      return this.redraw();
    }
    if (structure === this.#wanted) return;
    this.#wanted = structure;
    const kept = keptLayout(structure);
    if (kept !== null) return this.#take(structure, kept);
    void requestLayout(structure, request).then((layout) => {
      // Another structure may be wanted by now.
      if (structure === this.#wanted) this.#take(structure, layout);
    });
  }

  #take(structure: string, layout: Layout): void {
    const isFirst = this.#structure === "";
    const places: Record<string, Point> = {};
    for (const node of this.#data.scene.nodes) {
      const before = this.#place(node.key);
      if (before !== undefined) places[node.key] = before;
    }
    this.#structure = structure;
    this.#layout = layout;
    this.#drawn = this.#data.scene;
    const isStill = isFirst || matchMedia("(prefers-reduced-motion: reduce)").matches;
    const camera = this.#state.camera.peek();
    this.#glide = null;
    if (!isStill) this.#glide = { startMs: performance.now(), places, camera, goal: null };
    this.#reachGoal();
    this.redraw();
  }

  /** Look at the wanted node: whole, when it is large, else at a scale at which it can be read. */
  #reachGoal(): void {
    const node = this.#drawn.nodes.find((each) => each.key === this.#goal);
    const at = node === undefined ? undefined : this.#layout.at[node.key];
    if (node === undefined || at === undefined) return;
    this.#goal = null;
    const view = this.#size();
    const scale = Math.min(
      1,
      (view.width - 2 * MARGIN) / node.width,
      (view.height - 2 * MARGIN) / node.height,
    );
    const goal = lookAt({ ...at, width: node.width, height: node.height }, view, scale);
    const camera = this.#state.camera.peek();
    this.#glide = { startMs: performance.now(), places: this.#glide?.places ?? {}, camera, goal };
  }

  #size(): Size {
    return { width: this.#canvas.clientWidth, height: this.#canvas.clientHeight };
  }

  #place(key: string): Point | undefined {
    return this.#picture?.at(key) ?? this.#layout.at[key];
  }

  #draw(nowMs: number): void {
    const view = this.#size();
    if (view.width === 0) return;
    const ratio = Math.min(2, devicePixelRatio || 1);
    const [width, height] = [Math.round(view.width * ratio), Math.round(view.height * ratio)];
    if (this.#canvas.width !== width || this.#canvas.height !== height) {
      this.#canvas.width = width;
      this.#canvas.height = height;
    }
    const part = this.#progress(nowMs);
    this.#moveCamera(view, part);
    this.#picture = this.#makePicture(view, part);
    this.#painter.paint(this.#context, ratio, this.#picture, this.#colours);
    if (part >= 1) this.#glide = null;
    else this.redraw();
  }

  /** How much of the glide is over, eased. */
  #progress(nowMs: number): number {
    if (this.#glide === null) return 1;
    const part = Math.min(1, Math.max(0, (nowMs - this.#glide.startMs) / GLIDE_MS));
    return 1 - (1 - part) ** 3;
  }

  #moveCamera(view: Size, part: number): void {
    const { camera, isFitted } = this.#state;
    const glide = this.#glide;
    let next = camera.peek();
    if (isFitted.peek()) {
      const goal = fitCamera(this.#layout, view, MARGIN, FIT_SCALE_MAX);
      next = glide === null ? goal : between(glide.camera, goal, part);
    } else if (glide !== null && glide.goal !== null) next = between(glide.camera, glide.goal, part);
    const now = camera.peek();
    if (next.x !== now.x || next.y !== now.y || next.scale !== now.scale) camera.value = next;
  }

  #makePicture(view: Size, part: number): Picture {
    const { hovered, selected, camera } = this.#state;
    const { critical, rateOf, nodeName } = this.#data;
    const layout = this.#layout, places = this.#glide?.places ?? {};
    const pointed = hovered.peek(), chosen = selected.peek();
    return {
      scene: this.#drawn,
      layout,
      at: (key) => {
        const goal = layout.at[key], from = places[key];
        if (goal === undefined || from === undefined || part >= 1) return goal;
        return { x: from.x + (goal.x - from.x) * part, y: from.y + (goal.y - from.y) * part };
      },
      camera: camera.peek(),
      view,
      isDown: layout.isDown,
      hovered: pointed?.key ?? null,
      selected: chosen?.key ?? null,
      selectedTask: chosen?.taskId ?? null,
      hoveredTask: pointed?.taskId ?? null,
      critical,
      rateOf,
      nodeColour: (nodeId) => this.#colours.nodes[nodeColourIndex.peek().get(nodeId) ?? 0]!,
      nodeName,
    };
  }

  /** The nodes that are drawn now. */
  get nodes(): readonly SceneNode[] {
    return this.#drawn.nodes;
  }
}
