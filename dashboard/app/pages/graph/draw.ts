/**
 * Draws one picture of the graph: a faint grid, arrows, nodes. Shapes tell the kinds apart (functions: boxes with a ring,
 * actors: stacked boxes, values that were put and objects: pills), so colour is never the only sign.
 * @module
 */
import { textWidth } from "../../models/canvas_text.ts";
import { bytes, shortCount } from "../../models/format.ts";
import { functionColourIndex, type ThemeColours } from "../../models/theme.ts";
import { drawCloud } from "./draw_cloud.ts";
import { drawGroup, drawObject, drawTask } from "./draw_nodes.ts";
import { middleOf, type Picture, visibleNodes, type Way, wayOf } from "./picture.ts";
import type { SceneEdge, SceneNode } from "./scene.ts";

/** Below this scale text would be illegible: only shapes are drawn. */
export const TEXT_SCALE_MIN = 0.42;
const GRID = 26;

export class GraphPainter {
  #grid: { readonly colour: string; readonly pattern: CanvasPattern } | null = null;

  paint(context: CanvasRenderingContext2D, ratio: number, picture: Picture, colours: ThemeColours): void {
    const { view, camera } = picture;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = colours.panel;
    context.fillRect(0, 0, view.width, view.height);
    this.#drawGrid(context, picture, colours);
    context.setTransform(
      ratio * camera.scale,
      0,
      0,
      ratio * camera.scale,
      ratio * camera.x,
      ratio * camera.y,
    );
    const byKey = new Map(picture.scene.nodes.map((node) => [node.key, node]));
    const most = picture.scene.edges.reduce((sum, edge) => Math.max(sum, edge.bytes ?? 0), 1);
    const ways: { edge: SceneEdge; way: Way }[] = [];
    picture.scene.edges.forEach((edge, i) => {
      const from = byKey.get(edge.from), to = byKey.get(edge.to);
      if (from === undefined || to === undefined) return;
      const way = wayOf(edge, from, to, picture.layout.bends[i] ?? [], picture);
      if (way === null) return;
      ways.push({ edge, way });
      drawEdge(context, picture, colours, edge, way, from, to, most);
    });
    for (const { node, at } of visibleNodes(picture)) {
      if (node.kind === "group") drawGroup(context, picture, colours, node, at);
      else if (node.kind === "cloud") drawCloud(context, picture, colours, node, at);
      else if (node.kind === "task") drawTask(context, picture, colours, node, at);
      else drawObject(context, picture, colours, node, at);
    }
    if (camera.scale < TEXT_SCALE_MIN) return;
    for (const { edge, way } of ways) drawLabel(context, picture, colours, edge, way);
  }

  #drawGrid(context: CanvasRenderingContext2D, picture: Picture, colours: ThemeColours): void {
    if (this.#grid?.colour !== colours.line) {
      const tile = document.createElement("canvas");
      tile.width = tile.height = GRID * 2;
      const inner = tile.getContext("2d")!;
      inner.fillStyle = colours.line;
      inner.beginPath();
      inner.arc(GRID, GRID, 2, 0, 7);
      inner.fill();
      const pattern = context.createPattern(tile, "repeat");
      if (pattern === null) return;
      this.#grid = { colour: colours.line, pattern };
    }
    const { camera, view } = picture;
    let scale = camera.scale;
    while (scale < 0.6) scale *= 2;
    while (scale > 1.2) scale /= 2;
    this.#grid.pattern.setTransform(new DOMMatrix([scale / 2, 0, 0, scale / 2, camera.x, camera.y]));
    context.fillStyle = this.#grid.pattern;
    context.fillRect(0, 0, view.width, view.height);
  }
}

/** The colour that stands for a node: its function's, or the data's. */
export function nodeColourOf(node: SceneNode, colours: ThemeColours): string {
  if (node.kind === "object" || (node.kind === "group" && node.group.type === "put")) return colours.data;
  return colours.functions[functionColourIndex(node.name)] ?? colours.muted;
}

function isNear(edge: SceneEdge, picture: Picture): boolean {
  const { hovered, selected } = picture;
  return edge.from === hovered || edge.to === hovered || edge.from === selected || edge.to === selected;
}

function drawEdge(
  context: CanvasRenderingContext2D,
  picture: Picture,
  colours: ThemeColours,
  edge: SceneEdge,
  way: Way,
  from: SceneNode,
  to: SceneNode,
  most: number,
): void {
  const share = edge.bytes === null ? 0 : Math.log1p(edge.bytes) / Math.log1p(most);
  const near = isNear(edge, picture);
  const isCritical = picture.critical?.edges.has(edge.key) ?? false;
  const isQuiet = !near && !isCritical && (picture.selected !== null || picture.critical !== null);
  const width = 1.4 + 4.2 * share ** 2;
  const first = way.points[0]!, last = way.points.at(-1)!;
  const [one, other] = [nodeColourOf(from, colours), nodeColourOf(to, colours)];
  let stroke: string | CanvasGradient = one;
  if (one !== other && way.kind === "on") {
    stroke = context.createLinearGradient(first.x, first.y, last.x, last.y);
    stroke.addColorStop(0, one);
    stroke.addColorStop(1, other);
  }
  if (isCritical) {
    context.globalAlpha = 0.25;
    context.strokeStyle = colours.data;
    context.lineWidth = width + 9;
    trace(context, way, picture.isDown);
    context.stroke();
    stroke = colours.data;
  }
  context.globalAlpha = near || isCritical ? 1 : isQuiet ? 0.18 : 0.42 + 0.2 * share;
  context.strokeStyle = stroke;
  context.fillStyle = isCritical ? colours.data : other;
  context.lineWidth = near ? width + 0.8 : width;
  context.lineCap = "round";
  trace(context, way, picture.isDown);
  context.stroke();
  drawHead(context, way, picture.isDown, 6 + width);
  context.globalAlpha = 1;
}

/** Through all points, always straight out of and into the nodes; back edges go around, those to themselves loop above. */
function trace(context: CanvasRenderingContext2D, way: Way, isDown: boolean): void {
  const { points, kind } = way;
  const first = points[0]!, last = points.at(-1)!;
  context.beginPath();
  context.moveTo(first.x, first.y);
  if (kind === "self") {
    context.bezierCurveTo(first.x - 8, first.y - 34, last.x + 8, last.y - 34, last.x, last.y - 1);
    return;
  }
  if (kind === "back") {
    const out = 70;
    if (isDown) {
      const side = Math.max(first.x, last.x) + 150;
      context.bezierCurveTo(first.x, first.y + out, side, first.y + out, side, (first.y + last.y) / 2);
      context.bezierCurveTo(side, last.y - out, last.x, last.y - out, last.x, last.y);
    } else {
      const side = Math.max(first.y, last.y) + 96;
      context.bezierCurveTo(first.x + out, first.y, first.x + out, side, (first.x + last.x) / 2, side);
      context.bezierCurveTo(last.x - out, side, last.x - out, last.y, last.x, last.y);
    }
    return;
  }
  for (let i = 1; i < points.length; i++) {
    const a = points[i - 1]!, b = points[i]!;
    if (isDown) {
      const half = (b.y - a.y) / 2;
      context.bezierCurveTo(a.x, a.y + half, b.x, b.y - half, b.x, b.y);
    } else {
      const half = (b.x - a.x) / 2;
      context.bezierCurveTo(a.x + half, a.y, b.x - half, b.y, b.x, b.y);
    }
  }
}

function drawHead(context: CanvasRenderingContext2D, way: Way, isDown: boolean, size: number): void {
  const end = way.points.at(-1)!;
  const goesDown = isDown || way.kind === "self";
  const half = size * 0.42;
  context.beginPath();
  context.moveTo(end.x, end.y);
  if (goesDown) {
    context.lineTo(end.x - half, end.y - size);
    context.lineTo(end.x + half, end.y - size);
  } else {
    context.lineTo(end.x - size, end.y - half);
    context.lineTo(end.x - size, end.y + half);
  }
  context.closePath();
  context.fill();
}

/** How much flowed, above and below the way's middle. With many arrows only those of what is looked at. */
function drawLabel(
  context: CanvasRenderingContext2D,
  picture: Picture,
  colours: ThemeColours,
  edge: SceneEdge,
  way: Way,
): void {
  const near = isNear(edge, picture);
  if (way.kind !== "on" || (!near && picture.scene.edges.length > 60)) return;
  if (picture.scene.nodes.some((node) => node.kind === "task")) return;
  const at = middleOf(way);
  context.font = `${near ? 600 : 400} 11px ${colours.font}`;
  context.textBaseline = "middle";
  context.lineJoin = "round";
  context.lineWidth = 4;
  context.strokeStyle = colours.panel;
  context.fillStyle = near ? colours.text : colours.muted;
  const put = (text: string, y: number): void => {
    const x = picture.isDown ? at.x + 9 : at.x - textWidth(context, text) / 2;
    context.strokeText(text, x, y);
    context.fillText(text, x, y);
  };
  const size = edge.bytes !== null && edge.bytes > 0 ? bytes(edge.bytes) : "";
  const times = `${shortCount(edge.count)}×`;
  if (picture.isDown) return put(size === "" ? times : `${size} · ${times}`, at.y);
  if (size !== "") put(size, at.y - 13);
  put(times, at.y + 13);
}
