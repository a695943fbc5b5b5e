/**
 * The live task graph: a canvas that can be moved and zoomed, its legend, and what stands under the pointer. The tables
 * beside it say the same in text.
 * @module
 */
import { computed, effect, type Signal, signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { actors, edges, functions, objects } from "../models/cluster.ts";
import { bytes, count, duration, shortId } from "../models/format.ts";
import { GraphLayout } from "../models/graph_layout.ts";
import { type Graph, type GraphBox, makeGraph } from "../models/graph_model.ts";
import { nodeColourIndex } from "../models/node_colours.ts";
import { cssColours, onThemeChange } from "../models/theme.ts";
import { useTopics } from "../models/subscriptions.ts";
import { boxAt, type Camera, paint, type Scene } from "./graph_canvas.ts";
import { Panel } from "./panel.tsx";
import { Empty } from "./states.tsx";

const SCALE_MIN = 0.15;
const SCALE_MAX = 2.5;
const MARGIN = 18;
/** Narrower than this, the layers go down. */
const ACROSS_WIDTH_MIN = 640;
const HEIGHT_MIN = 150;
const HEIGHT_MAX = 520;
const DOWN_HEIGHT_MAX = 760;

const graph = computed((): Graph =>
  makeGraph({
    functions: functions.value?.rows ?? [],
    edges: edges.value?.rows ?? [],
    actors: actors.value?.rows ?? [],
    objects: objects.value?.rows ?? [],
  })
);
/** True while the camera follows the graph's size; false once the viewer has moved it. */
const follows: Signal<boolean> = signal(true);
const hovered: Signal<{ box: GraphBox; x: number; y: number } | null> = signal(null);

export function GraphPanel() {
  useTopics("functions", "edges", "actors", "objects", "nodes");
  const { boxes, boxesTotal } = graph.value;
  const note = boxes.length === 0
    ? undefined
    : boxesTotal > boxes.length
    ? `showing ${count(boxes.length)} of ${count(boxesTotal)} groups`
    : `${count(boxesTotal)} ${boxesTotal === 1 ? "group" : "groups"}`;
  return (
    <Panel
      id="graph"
      title="Task graph"
      note={note}
      actions={boxes.length > 0 && (
        <button
          type="button"
          disabled={follows.value}
          onClick={() => follows.value = true}
        >
          Fit
        </button>
      )}
    >
      {boxes.length === 0
        ? <Empty>Functions, actors and the objects that flow between them appear here as they come.</Empty>
        : <GraphView />}
      {boxes.length > 0 && <Legend />}
    </Panel>
  );
}

function GraphView() {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => mountGraph(canvas.current!), []);
  const { boxes, arrows } = graph.value;
  return (
    <div class="graph">
      <canvas
        ref={canvas}
        tabIndex={0}
        role="img"
        aria-label={`Task graph: ${boxes.length} groups, ${arrows.length} flows. Arrow keys move, plus and minus zoom, 0 fits.`}
        data-boxes={boxes.map((box) => box.key).join("\n")}
        data-arrows={arrows.map((arrow) => arrow.key).join("\n")}
      />
      <Tip />
    </div>
  );
}

function Tip() {
  const over = hovered.value;
  if (over === null) return null;
  // The pointer keeps still while numbers change: the box is looked up anew.
  const box = graph.value.boxes.find((other) => other.key === over.box.key) ?? over.box;
  return (
    <div class="tip" style={{ left: `${over.x}px`, top: `${over.y}px` }}>
      <strong>{box.name}</strong>
      {lines(box).map((text) => <div key={text}>{text}</div>)}
    </div>
  );
}

function lines(box: GraphBox): string[] {
  if (box.kind === "objects") {
    const nodes = box.nodes.slice(0, 6).map((node) => `${shortId(node.nodeId)}: ${bytes(node.bytes)}`);
    return [`${count(box.objects)} stored, ${bytes(box.bytes)}`, ...nodes];
  }
  if (box.kind === "actor") {
    return [
      `${count(box.alive)} alive, ${count(box.starting)} starting, ${count(box.dead)} dead`,
      `${count(box.restarts)} restarts`,
    ];
  }
  const { pendingArgs, pendingNode, submitted, running, finished, failed } = box.counts;
  return [
    `${count(finished)} finished, ${count(failed)} failed, ${count(running)} running`,
    `${count(pendingArgs)} wait for arguments, ${count(pendingNode)} for a worker, ${count(submitted)} sent`,
    ...(box.meanRunMs === null ? [] : [`mean run time ${duration(box.meanRunMs)}`]),
  ];
}

function Legend() {
  return (
    <p class="legend">
      <span>
        <i class="shape box" aria-hidden="true" />function
      </span>
      <span>
        <i class="shape hexagon" aria-hidden="true">⬡</i>actor class
      </span>
      <span>
        <i class="shape pill" aria-hidden="true" />stored objects, bar by node
      </span>
      <span>
        <i class="key finished" aria-hidden="true" />finished
      </span>
      <span>
        <i class="key running" aria-hidden="true" />running
      </span>
      <span>
        <i class="key waiting" aria-hidden="true" />waiting
      </span>
      <span>
        <i class="key failed" aria-hidden="true" />failed
      </span>
      <span class="hint">Drag to move, Ctrl + wheel to zoom</span>
    </p>
  );
}

/** Draws on changes only; the answer stops it. */
function mountGraph(canvas: HTMLCanvasElement): () => void {
  const context = canvas.getContext("2d")!;
  const layout = new GraphLayout();
  let palette = cssColours();
  let camera: Camera = { scale: 1, x: 0, y: 0 };
  let frame = 0;

  const scene = (): Scene => {
    const { boxes, arrows } = graph.peek();
    const isVertical = canvas.clientWidth < ACROSS_WIDTH_MIN;
    return {
      graph: graph.peek(),
      layout: layout.update(boxes.map((box) => box.key), arrows, isVertical),
      isVertical,
      camera,
      palette,
      hovered: hovered.peek()?.box.key ?? null,
      nodeColour: (nodeId) => palette.nodes[nodeColourIndex.peek().get(nodeId) ?? 0]!,
    };
  };
  const draw = (): void => {
    frame = 0;
    const now = scene();
    const width = canvas.clientWidth;
    const height = heightFor(now.layout, width);
    canvas.style.height = `${height}px`;
    const ratio = devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    if (follows.peek()) camera = fit(now.layout, width, height);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    paint(context, width, height, { ...now, camera });
  };
  const redraw = (): void => {
    frame ||= requestAnimationFrame(draw);
  };
  const stopEffect = effect(() => {
    graph.value;
    hovered.value;
    nodeColourIndex.value;
    follows.value;
    redraw();
  });
  const stopTheme = onThemeChange(() => {
    palette = cssColours();
    redraw();
  });
  const resize = new ResizeObserver(redraw);
  resize.observe(canvas);
  const stopPointer = handlePointer(canvas, {
    scene,
    move: (change) => {
      camera = change(camera);
      follows.value = false;
      redraw();
    },
  });
  return () => {
    cancelAnimationFrame(frame);
    stopEffect();
    stopTheme();
    stopPointer();
    resize.disconnect();
  };
}

/** As high as the graph needs at this width, within bounds. */
function heightFor(layout: { width: number; height: number }, width: number): number {
  const scale = Math.min(1, (width - 2 * MARGIN) / Math.max(1, layout.width));
  const most = width < ACROSS_WIDTH_MIN ? DOWN_HEIGHT_MAX : HEIGHT_MAX;
  return Math.round(Math.min(most, Math.max(HEIGHT_MIN, layout.height * scale + 2 * MARGIN)));
}

/** The whole graph in view, in the middle; small ones are not blown up. */
function fit(layout: { width: number; height: number }, width: number, height: number): Camera {
  const scale = Math.max(
    SCALE_MIN,
    Math.min(1, (width - 2 * MARGIN) / layout.width, (height - 2 * MARGIN) / layout.height),
  );
  return { scale, x: (width - layout.width * scale) / 2, y: (height - layout.height * scale) / 2 };
}

interface PointerTarget {
  readonly scene: () => Scene;
  readonly move: (change: (camera: Camera) => Camera) => void;
}

function handlePointer(canvas: HTMLCanvasElement, target: PointerTarget): () => void {
  const stop = new AbortController();
  const { signal } = stop;
  let drag: { x: number; y: number } | null = null;
  canvas.addEventListener("pointerdown", (event) => {
    drag = { x: event.offsetX, y: event.offsetY };
    canvas.setPointerCapture(event.pointerId);
  }, { signal });
  canvas.addEventListener("pointermove", (event) => {
    const { offsetX: x, offsetY: y } = event;
    if (drag !== null) {
      const [dx, dy] = [x - drag.x, y - drag.y];
      drag = { x, y };
      if (dx !== 0 || dy !== 0) target.move((camera) => ({ ...camera, x: camera.x + dx, y: camera.y + dy }));
      return;
    }
    const box = boxAt(target.scene(), x, y);
    hovered.value = box === null ? null : { box, x: Math.min(x + 14, canvas.clientWidth - 230), y: y + 14 };
  }, { signal });
  const release = (): void => {
    drag = null;
  };
  canvas.addEventListener("pointerup", release, { signal });
  canvas.addEventListener("pointercancel", release, { signal });
  canvas.addEventListener("pointerleave", () => hovered.value = null, { signal });
  // Only with Ctrl (or a pinch): a plain wheel scrolls the page.
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    target.move((camera) => zoom(camera, Math.exp(-event.deltaY / 300), event.offsetX, event.offsetY));
  }, { signal, passive: false });
  canvas.addEventListener("keydown", (event) => {
    if (handleKey(event.key, canvas, target)) event.preventDefault();
  }, { signal });
  return () => stop.abort();
}

function handleKey(key: string, canvas: HTMLCanvasElement, target: PointerTarget): boolean {
  const shift = (dx: number, dy: number): boolean => {
    target.move((camera) => ({ ...camera, x: camera.x + dx, y: camera.y + dy }));
    return true;
  };
  const scale = (factor: number): boolean => {
    target.move((camera) => zoom(camera, factor, canvas.clientWidth / 2, canvas.clientHeight / 2));
    return true;
  };
  switch (key) {
    case "ArrowLeft":
      return shift(40, 0);
    case "ArrowRight":
      return shift(-40, 0);
    case "ArrowUp":
      return shift(0, 40);
    case "ArrowDown":
      return shift(0, -40);
    case "+":
    case "=":
      return scale(1.25);
    case "-":
      return scale(0.8);
    case "0":
      follows.value = true;
      return true;
    default:
      return false;
  }
}

/** The point under (x, y) stays where it is. */
function zoom(camera: Camera, factor: number, x: number, y: number): Camera {
  const scale = Math.min(SCALE_MAX, Math.max(SCALE_MIN, camera.scale * factor));
  const ratio = scale / camera.scale;
  return { scale, x: x - (x - camera.x) * ratio, y: y - (y - camera.y) * ratio };
}
