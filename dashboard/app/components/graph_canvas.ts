/**
 * Draws the graph. Shapes tell the kinds apart (function: rounded box, actor: hexagon, objects: pill), so colour is never the
 * only sign. Nothing here knows signals or components: it gets what to draw and where.
 * @module
 */
import { bytes, shortCount } from "../models/format.ts";
import type { ActorBox, FunctionBox, Graph, GraphArrow, GraphBox, ObjectBox } from "../models/graph_model.ts";
import { BOX_HEIGHT, BOX_WIDTH, type Layout, type Point } from "../models/graph_layout.ts";

/** Colours of the theme in force, from the style sheet. */
export interface Palette {
  readonly text: string;
  readonly muted: string;
  readonly line: string;
  readonly panel: string;
  readonly raised: string;
  readonly accent: string;
  readonly waiting: string;
  readonly running: string;
  readonly finished: string;
  readonly failed: string;
  readonly data: string;
  /** One per node of the cluster, in turn. */
  readonly nodes: readonly string[];
  readonly font: string;
}

/** Graph units to CSS pixels: scale, then shift. */
export interface Camera {
  readonly scale: number;
  readonly x: number;
  readonly y: number;
}

export interface Scene {
  readonly graph: Graph;
  readonly layout: Layout;
  readonly camera: Camera;
  readonly palette: Palette;
  /** Key of the box under the pointer, or null. */
  readonly hovered: string | null;
  readonly nodeColour: (nodeId: string) => string;
}

/** Below this scale text would be illegible: only shapes are drawn. */
const TEXT_SCALE_MIN = 0.45;
const PAD = 12;

export function paint(context: CanvasRenderingContext2D, width: number, height: number, scene: Scene): void {
  const { graph, layout, camera } = scene;
  context.clearRect(0, 0, width, height);
  context.save();
  context.translate(camera.x, camera.y);
  context.scale(camera.scale, camera.scale);
  const most = Math.max(1, ...graph.arrows.map((arrow) => arrow.bytes ?? 0));
  for (const arrow of graph.arrows) paintArrow(context, arrow, most, scene);
  const largest = Math.max(1, ...graph.boxes.map((box) => box.total));
  for (const box of graph.boxes) {
    const at = layout.at.get(box.key);
    if (at !== undefined) paintBox(context, box, at, largest, scene);
  }
  context.restore();
}

/** The box at a point of the canvas (CSS pixels), or null. */
export function boxAt(scene: Scene, x: number, y: number): GraphBox | null {
  const gx = (x - scene.camera.x) / scene.camera.scale;
  const gy = (y - scene.camera.y) / scene.camera.scale;
  for (const box of scene.graph.boxes) {
    const at = scene.layout.at.get(box.key);
    if (at === undefined) continue;
    if (gx >= at.x && gx <= at.x + BOX_WIDTH && gy >= at.y && gy <= at.y + BOX_HEIGHT) return box;
  }
  return null;
}

/** Width by count, between two thirds and all of the place, so that growing moves nothing. */
function widthOf(box: GraphBox, largest: number): number {
  const share = Math.log1p(box.total) / Math.log1p(largest);
  return BOX_WIDTH * (0.72 + 0.28 * Math.min(1, share));
}

function paintBox(
  context: CanvasRenderingContext2D,
  box: GraphBox,
  at: Point,
  largest: number,
  scene: Scene,
): void {
  const { palette } = scene;
  const width = widthOf(box, largest);
  const x = at.x + (BOX_WIDTH - width) / 2;
  outline(context, box.kind, x, at.y, width);
  context.fillStyle = palette.raised;
  context.fill();
  context.lineWidth = scene.hovered === box.key ? 2 : 1.25;
  context.strokeStyle = scene.hovered === box.key ? palette.accent : edgeColour(box, palette);
  context.stroke();
  context.save();
  context.clip();
  paintBar(context, box, x, at.y + BOX_HEIGHT - 6, width, scene);
  context.restore();
  if (scene.camera.scale < TEXT_SCALE_MIN) return;
  const inset = box.kind === "function" || box.kind === "method" ? PAD : 22;
  const room = width - 2 * inset;
  context.textBaseline = "alphabetic";
  context.fillStyle = palette.text;
  context.font = `600 12.5px ${palette.font}`;
  context.fillText(ellipsis(context, box.name, room), x + inset, at.y + 19);
  context.fillStyle = palette.muted;
  context.font = `11.5px ${palette.font}`;
  context.fillText(ellipsis(context, caption(box), room), x + inset, at.y + 35);
}

function outline(
  context: CanvasRenderingContext2D,
  kind: GraphBox["kind"],
  x: number,
  y: number,
  width: number,
): void {
  context.beginPath();
  if (kind === "actor") {
    const cut = 13;
    context.moveTo(x + cut, y);
    context.lineTo(x + width - cut, y);
    context.lineTo(x + width, y + BOX_HEIGHT / 2);
    context.lineTo(x + width - cut, y + BOX_HEIGHT);
    context.lineTo(x + cut, y + BOX_HEIGHT);
    context.lineTo(x, y + BOX_HEIGHT / 2);
    context.closePath();
  } else {
    context.roundRect(x, y, width, BOX_HEIGHT, kind === "objects" ? BOX_HEIGHT / 2 : 5);
  }
}

function edgeColour(box: GraphBox, palette: Palette): string {
  if (box.kind === "objects") return palette.data;
  if (box.kind === "actor") {
    return box.starting > 0 ? palette.running : box.alive > 0 ? palette.finished : palette.line;
  }
  if (box.counts.failed > 0) return palette.failed;
  return box.counts.running > 0 ? palette.running : palette.line;
}

/** The bar at the foot: tasks by state, actors by state, or bytes by node. */
function paintBar(
  context: CanvasRenderingContext2D,
  box: GraphBox,
  x: number,
  y: number,
  width: number,
  scene: Scene,
): void {
  const parts = barParts(box, scene);
  const sum = parts.reduce((total, part) => total + part.size, 0);
  if (sum <= 0) return;
  let left = x;
  for (const { size, colour } of parts) {
    const part = width * size / sum;
    context.fillStyle = colour;
    context.fillRect(left, y, part, 6);
    left += part;
  }
}

function barParts(box: GraphBox, scene: Scene): { size: number; colour: string }[] {
  const { palette } = scene;
  if (box.kind === "objects") {
    return box.nodes.map((node) => ({ size: node.bytes, colour: scene.nodeColour(node.nodeId) }));
  }
  if (box.kind === "actor") {
    return [
      { size: box.alive, colour: palette.finished },
      { size: box.starting, colour: palette.running },
      { size: box.dead, colour: palette.waiting },
    ];
  }
  const { pendingArgs, pendingNode, submitted, running, finished, failed } = box.counts;
  return [
    { size: finished, colour: palette.finished },
    { size: running, colour: palette.running },
    { size: pendingArgs + pendingNode + submitted, colour: palette.waiting },
    { size: failed, colour: palette.failed },
  ];
}

function caption(box: GraphBox): string {
  if (box.kind === "objects") return objectCaption(box);
  return box.kind === "actor" ? actorCaption(box) : functionCaption(box);
}

function functionCaption(box: FunctionBox): string {
  const { running, finished, failed } = box.counts;
  const parts = [`${shortCount(finished)}/${shortCount(box.total)}`];
  if (running > 0) parts.push(`${shortCount(running)} running`);
  if (failed > 0) parts.push(`${shortCount(failed)} failed`);
  return parts.join(" · ");
}

function actorCaption(box: ActorBox): string {
  const parts = [`${shortCount(box.alive)} alive`];
  if (box.starting > 0) parts.push(`${shortCount(box.starting)} starting`);
  if (box.dead > 0) parts.push(`${shortCount(box.dead)} dead`);
  return parts.join(" · ");
}

function objectCaption(box: ObjectBox): string {
  const where = box.nodes.length > 1 ? ` · ${box.nodes.length} nodes` : "";
  return `${shortCount(box.objects)} × · ${bytes(box.bytes)}${where}`;
}

function paintArrow(context: CanvasRenderingContext2D, arrow: GraphArrow, most: number, scene: Scene): void {
  const { layout, palette } = scene;
  const from = layout.at.get(arrow.from);
  const to = layout.at.get(arrow.to);
  if (from === undefined || to === undefined) return;
  const isNear = scene.hovered === arrow.from || scene.hovered === arrow.to;
  const share = arrow.bytes === null ? 0 : Math.log1p(arrow.bytes) / Math.log1p(most);
  context.strokeStyle = isNear ? palette.accent : arrow.bytes === null ? palette.line : palette.muted;
  context.globalAlpha = isNear ? 1 : arrow.bytes === null ? 0.9 : 0.35 + 0.35 * share;
  context.lineWidth = arrow.bytes === null ? 1 : 1 + 3.5 * share;
  context.setLineDash(arrow.bytes === null ? [2, 4] : []);
  const y1 = from.y + BOX_HEIGHT / 2, y2 = to.y + BOX_HEIGHT / 2;
  const x1 = from.x + BOX_WIDTH - 6, x2 = to.x + 6;
  context.beginPath();
  context.moveTo(x1, y1);
  if (arrow.from === arrow.to) {
    // A function that takes its own results: a loop above the box.
    context.bezierCurveTo(x1 + 34, from.y - 34, from.x - 28, from.y - 34, x2, y1);
  } else if (to.x > from.x) {
    const bend = (x2 - x1) / 2;
    context.bezierCurveTo(x1 + bend, y1, x2 - bend, y2, x2, y2);
  } else {
    const low = Math.max(y1, y2) + BOX_HEIGHT;
    context.bezierCurveTo(x1 + 60, low, x2 - 60, low, x2, y2);
  }
  context.stroke();
  context.setLineDash([]);
  context.globalAlpha = 1;
  if (arrow.bytes === null || arrow.bytes === 0 || scene.camera.scale < TEXT_SCALE_MIN || to.x <= from.x) {
    return;
  }
  paintLabel(context, bytes(arrow.bytes), (x1 + x2) / 2, (y1 + y2) / 2, isNear, palette);
}

function paintLabel(
  context: CanvasRenderingContext2D,
  text: string,
  x: number,
  y: number,
  isNear: boolean,
  palette: Palette,
): void {
  context.font = `10.5px ${palette.font}`;
  const width = context.measureText(text).width + 8;
  context.fillStyle = palette.panel;
  context.globalAlpha = 0.88;
  context.beginPath();
  context.roundRect(x - width / 2, y - 8, width, 16, 3);
  context.fill();
  context.globalAlpha = 1;
  context.fillStyle = isNear ? palette.accent : palette.muted;
  context.textBaseline = "middle";
  context.fillText(text, x - width / 2 + 4, y + 0.5);
}

/** The text, cut in its middle so that it fits: both ends of a name tell it apart. */
function ellipsis(context: CanvasRenderingContext2D, text: string, room: number): string {
  if (context.measureText(text).width <= room) return text;
  let keep = Math.min(text.length, 60);
  while (keep > 4) {
    keep--;
    const cut = `${text.slice(0, Math.ceil(keep / 2))}…${text.slice(-Math.floor(keep / 2))}`;
    if (context.measureText(cut).width <= room) return cut;
  }
  return "…";
}
