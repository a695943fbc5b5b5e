/**
 * Draws the graph. Shapes tell the kinds apart (function: rounded box, actor: hexagon, objects: pill), so colour is never the
 * only sign. Nothing here knows signals or components: it gets what to draw and where.
 * @module
 */
import { bytes, shortCount } from "../models/format.ts";
import type { ActorBox, FunctionBox, Graph, GraphArrow, GraphBox, ObjectBox } from "../models/graph_model.ts";
import { BOX_HEIGHT, BOX_WIDTH, type Layout, type Point } from "../models/graph_layout.ts";
import type { ThemeColours } from "../models/theme.ts";

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
  /** Layers go down, not across. */
  readonly isVertical: boolean;
  readonly palette: ThemeColours;
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
  const sizes = sizesOf(graph);
  for (const arrow of graph.arrows) paintArrow(context, arrow, sizes, scene);
  for (const box of graph.boxes) {
    const at = layout.at.get(box.key);
    if (at !== undefined) paintBox(context, box, at, sizes.widths.get(box.key)!, scene);
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

/** What is drawn larger for being more. */
interface Sizes {
  readonly widths: ReadonlyMap<string, number>;
  readonly bytesMax: number;
}

/** Widths by count, between three quarters and all of the place, so that growing moves nothing. */
function sizesOf(graph: Graph): Sizes {
  const largest = Math.log1p(Math.max(1, ...graph.boxes.map((box) => box.total)));
  return {
    widths: new Map(
      graph.boxes.map((box) => [box.key, BOX_WIDTH * (0.76 + 0.24 * Math.log1p(box.total) / largest)]),
    ),
    bytesMax: Math.max(1, ...graph.arrows.map((arrow) => arrow.bytes ?? 0)),
  };
}

function paintBox(
  context: CanvasRenderingContext2D,
  box: GraphBox,
  at: Point,
  width: number,
  scene: Scene,
): void {
  const { palette } = scene;
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
  context.fillText(fitting(context, caption(box), room), x + inset, at.y + 35);
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

function edgeColour(box: GraphBox, palette: ThemeColours): string {
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

/** What stands under the name: the most important first, what does not fit is left out. */
function caption(box: GraphBox): string[] {
  if (box.kind === "objects") return objectCaption(box);
  return box.kind === "actor" ? actorCaption(box) : functionCaption(box);
}

function functionCaption(box: FunctionBox): string[] {
  const { running, finished, failed } = box.counts;
  const parts = [`${shortCount(finished)}/${shortCount(box.total)}`];
  if (failed > 0) parts.push(`${shortCount(failed)} failed`);
  if (running > 0) parts.push(`${shortCount(running)} running`);
  return parts;
}

function actorCaption(box: ActorBox): string[] {
  const parts = [`${shortCount(box.alive)} alive`];
  if (box.starting > 0) parts.push(`${shortCount(box.starting)} starting`);
  if (box.dead > 0) parts.push(`${shortCount(box.dead)} dead`);
  return parts;
}

function objectCaption(box: ObjectBox): string[] {
  if (box.objects === 0) return ["none now"];
  const parts = [bytes(box.bytes), `${shortCount(box.objects)} obj`];
  if (box.nodes.length > 1) parts.push(`${box.nodes.length} nodes`);
  return parts;
}

function paintArrow(context: CanvasRenderingContext2D, arrow: GraphArrow, sizes: Sizes, scene: Scene): void {
  const { palette } = scene;
  const line = route(arrow, sizes, scene);
  if (line === null) return;
  const isNear = scene.hovered === arrow.from || scene.hovered === arrow.to;
  const share = arrow.bytes === null ? 0 : Math.log1p(arrow.bytes) / Math.log1p(sizes.bytesMax);
  const width = arrow.bytes === null ? 1 : 1 + 3 * share;
  const colour = isNear ? palette.accent : arrow.bytes === null ? palette.waiting : palette.muted;
  context.strokeStyle = colour;
  context.fillStyle = colour;
  context.globalAlpha = isNear ? 1 : arrow.bytes === null ? 0.9 : 0.4 + 0.3 * share;
  context.lineWidth = width;
  context.setLineDash(arrow.bytes === null ? [2, 4] : []);
  const { start, end, bend1, bend2 } = line;
  context.beginPath();
  context.moveTo(start.x, start.y);
  context.bezierCurveTo(bend1.x, bend1.y, bend2.x, bend2.y, end.x, end.y);
  context.stroke();
  context.setLineDash([]);
  if (arrow.bytes !== null) paintHead(context, bend2, end, 5 + width);
  context.globalAlpha = 1;
  if (arrow.bytes === null || arrow.bytes === 0 || !line.isForward || scene.camera.scale < TEXT_SCALE_MIN) {
    return;
  }
  paintLabel(context, bytes(arrow.bytes), (start.x + end.x) / 2, (start.y + end.y) / 2, isNear, palette);
}

interface Route {
  readonly start: Point;
  readonly end: Point;
  readonly bend1: Point;
  readonly bend2: Point;
  /** With the layers; those that close a circle go around. */
  readonly isForward: boolean;
}

/** From the middle of one side to the middle of the other's, in the direction of the layers. */
function route(arrow: GraphArrow, sizes: Sizes, scene: Scene): Route | null {
  const from = scene.layout.at.get(arrow.from), to = scene.layout.at.get(arrow.to);
  if (from === undefined || to === undefined) return null;
  const middle = BOX_WIDTH / 2;
  if (scene.isVertical && to.y > from.y) {
    const start = { x: from.x + middle, y: from.y + BOX_HEIGHT }, end = { x: to.x + middle, y: to.y };
    const bend = (end.y - start.y) / 2;
    return {
      start,
      end,
      bend1: { x: start.x, y: start.y + bend },
      bend2: { x: end.x, y: end.y - bend },
      isForward: true,
    };
  }
  const half1 = (sizes.widths.get(arrow.from) ?? BOX_WIDTH) / 2,
    half2 = (sizes.widths.get(arrow.to) ?? BOX_WIDTH) / 2;
  const start = { x: from.x + middle + half1, y: from.y + BOX_HEIGHT / 2 };
  const end = { x: to.x + middle - half2, y: to.y + BOX_HEIGHT / 2 };
  if (to.x > from.x && !scene.isVertical) {
    const bend = (end.x - start.x) / 2;
    return {
      start,
      end,
      bend1: { x: start.x + bend, y: start.y },
      bend2: { x: end.x - bend, y: end.y },
      isForward: true,
    };
  }
  const around = Math.max(start.y, end.y) + BOX_HEIGHT;
  return {
    start,
    end,
    bend1: { x: start.x + 64, y: around },
    bend2: { x: end.x - 64, y: around },
    isForward: false,
  };
}

/** The arrow's head, along its last stretch. */
function paintHead(context: CanvasRenderingContext2D, bend: Point, end: Point, size: number): void {
  const length = Math.hypot(end.x - bend.x, end.y - bend.y) || 1;
  const dx = (end.x - bend.x) / length * size, dy = (end.y - bend.y) / length * size;
  context.beginPath();
  context.moveTo(end.x, end.y);
  context.lineTo(end.x - dx - dy / 2, end.y - dy + dx / 2);
  context.lineTo(end.x - dx + dy / 2, end.y - dy - dx / 2);
  context.fill();
}

function paintLabel(
  context: CanvasRenderingContext2D,
  text: string,
  x: number,
  y: number,
  isNear: boolean,
  palette: ThemeColours,
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

/** As many parts as there is room for, at least the first. */
function fitting(context: CanvasRenderingContext2D, parts: readonly string[], room: number): string {
  for (let n = parts.length; n > 1; n--) {
    const text = parts.slice(0, n).join(" · ");
    if (context.measureText(text).width <= room) return text;
  }
  return ellipsis(context, parts[0]!, room);
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
