/**
 * Single nodes of the graph: a function's group with its ring of states, a task, an object with the machines that hold it.
 * @module
 */
import { fitEnd, fitMiddle, fitParts, textWidth } from "../../models/canvas_text.ts";
import type { Point } from "../../models/camera.ts";
import { bytes, count, duration, shortCount } from "../../models/format.ts";
import { functionColourIndex, type ThemeColours } from "../../models/theme.ts";
import type { Picture } from "./picture.ts";
import { heldOf, openOf, type SceneNode, totalOf } from "./scene.ts";

type GroupNode = Extract<SceneNode, { kind: "group" }>;
type TaskNode = Extract<SceneNode, { kind: "task" }>;
type ObjectNode = Extract<SceneNode, { kind: "object" }>;

const RADIUS = 9;
const RING = 19;
/** Below this scale names alone are drawn, larger. */
const DETAIL_SCALE = 0.42;
const NAME_SCALE = 0.16;

export function roundBox(
  context: CanvasRenderingContext2D,
  x: number,
  y: number,
  width: number,
  height: number,
  radius: number,
): void {
  context.beginPath();
  context.roundRect(x, y, width, height, radius);
}

/** Outline and ground of a node; what is looked at stands out. */
export function drawBody(
  context: CanvasRenderingContext2D,
  picture: Picture,
  colours: ThemeColours,
  node: SceneNode,
  at: Point,
  radius: number,
  edge: string,
): void {
  const isSelected = picture.selected === node.key, isHovered = picture.hovered === node.key;
  const isCritical = picture.critical !== null &&
    (picture.critical.groups.has(node.key) || picture.critical.tasks.has(node.key));
  if (isSelected || isCritical) {
    context.globalAlpha = 0.28;
    context.strokeStyle = isSelected ? colours.accent : colours.data;
    context.lineWidth = 8;
    roundBox(context, at.x, at.y, node.width, node.height, radius);
    context.stroke();
    context.globalAlpha = 1;
  }
  roundBox(context, at.x, at.y, node.width, node.height, radius);
  context.fillStyle = colours.raised;
  context.fill();
  context.lineWidth = isSelected || isHovered || isCritical ? 2 : 1.25;
  context.strokeStyle = isSelected || isHovered ? colours.accent : isCritical ? colours.data : edge;
  context.stroke();
}

export function drawGroup(
  context: CanvasRenderingContext2D,
  picture: Picture,
  colours: ThemeColours,
  node: GroupNode,
  at: Point,
): void {
  const { group } = node;
  if (group.type === "put") return drawPut(context, picture, colours, node, at);
  if (group.type === "actor") {
    // A stack: one box for many instances.
    for (const shift of [7, 3.5]) {
      roundBox(context, at.x + shift, at.y - shift, node.width, node.height, RADIUS);
      context.fillStyle = colours.panel;
      context.fill();
      context.strokeStyle = colours.line;
      context.lineWidth = 1.25;
      context.stroke();
    }
  }
  const edge = group.failed > 0 ? colours.failed : group.running > 0 ? colours.running : colours.line;
  drawBody(context, picture, colours, node, at, RADIUS, edge);
  const own = colours.functions[functionColourIndex(node.name)]!;
  context.fillStyle = own;
  roundBox(context, at.x, at.y, 5, node.height, [RADIUS, 0, 0, RADIUS] as unknown as number);
  context.fill();
  if (picture.camera.scale < DETAIL_SCALE) return drawFar(context, picture, colours, node, at);
  drawRing(context, colours, group, at.x + 34, at.y + 34);
  const left = at.x + 62, room = node.width - 74;
  context.textBaseline = "alphabetic";
  context.fillStyle = colours.text;
  context.font = `600 13px ${colours.font}`;
  const { title, of } = titleOf(context, node, room);
  context.fillText(title, left, at.y + 23);
  context.fillStyle = colours.muted;
  context.font = `11.5px ${colours.font}`;
  const done = `${count(group.finished)} of ${count(totalOf(group))}`;
  context.fillText(
    fitParts(context, of === "" ? [done] : [done, fitEnd(context, of, 84)], room),
    left,
    at.y + 40,
  );
  drawStateLine(context, picture, colours, node, left, at.y + 56, room);
  drawHeld(context, picture, colours, node, at);
}

/** The name; of a method that is too long, the method, and the class for the line below. */
function titleOf(
  context: CanvasRenderingContext2D,
  { name, group }: GroupNode,
  room: number,
): { readonly title: string; readonly of: string } {
  const sign = group.type === "actor" ? "⬡ " : "";
  const dot = name.lastIndexOf(".");
  if (dot <= 0 || textWidth(context, sign + name) <= room) {
    return { title: fitMiddle(context, sign + name, room), of: "" };
  }
  return { title: fitMiddle(context, sign + name.slice(dot + 1), room), of: name.slice(0, dot) };
}

/** Far away: the name as large as it fits, and how far the group is. */
function drawFar(
  context: CanvasRenderingContext2D,
  picture: Picture,
  colours: ThemeColours,
  node: GroupNode,
  at: Point,
): void {
  const total = Math.max(1, totalOf(node.group));
  let left = at.x + 5;
  for (const [size, colour] of statesOf(node.group, colours)) {
    const part = (node.width - 5) * size / total;
    context.fillStyle = colour;
    context.fillRect(left, at.y + node.height - 16, part, 12);
    left += part;
  }
  if (picture.camera.scale < NAME_SCALE) return;
  context.fillStyle = colours.text;
  context.font = `600 24px ${colours.font}`;
  context.textBaseline = "middle";
  context.fillText(fitMiddle(context, node.name, node.width - 28), at.x + 18, at.y + 36);
}

type Group = GroupNode["group"];

function statesOf(group: Group, colours: ThemeColours): readonly (readonly [number, string])[] {
  return [
    [group.finished, colours.finished],
    [group.running, colours.running],
    [openOf(group) - group.running, colours.waiting],
    [group.failed, colours.failed],
  ];
}

/** Tasks by state around, and how much of them is over within. */
export function drawRing(
  context: CanvasRenderingContext2D,
  colours: ThemeColours,
  group: Group,
  x: number,
  y: number,
): void {
  const total = totalOf(group);
  context.lineWidth = 6;
  context.lineCap = "butt";
  context.strokeStyle = colours.line;
  context.beginPath();
  context.arc(x, y, RING - 3, 0, Math.PI * 2);
  context.stroke();
  let from = -Math.PI / 2;
  const states = statesOf(group, colours).filter(([size]) => size > 0);
  // What is there is seen, however few: each part has at least some degrees, taken from the largest.
  const least = 0.035;
  const parts = states.map(([size]) => Math.max(least, size / Math.max(1, total)));
  const over = parts.reduce((sum, part) => sum + part, 0) - 1;
  const largest = parts.indexOf(Math.max(...parts));
  if (largest >= 0) parts[largest] = parts[largest]! - over;
  states.forEach(([, colour], i) => {
    const to = from + parts[i]! * Math.PI * 2;
    context.strokeStyle = colour;
    context.beginPath();
    context.arc(x, y, RING - 3, from, to);
    context.stroke();
    from = to;
  });
  if (total === 0) return;
  const done = group.finished + group.failed;
  const isDone = done === total;
  const text = isDone ? (group.failed > 0 ? "!" : "✓") : `${Math.floor(done / total * 100)}`;
  context.fillStyle = isDone ? (group.failed > 0 ? colours.failed : colours.finished) : colours.text;
  context.font = `600 ${isDone ? 13 : 11}px ${colours.font}`;
  context.textBaseline = "middle";
  context.fillText(text, x - textWidth(context, text) / 2, y + 1);
}

/** What is under way and what failed; the most important first, what does not fit is left out. */
function drawStateLine(
  context: CanvasRenderingContext2D,
  picture: Picture,
  colours: ThemeColours,
  node: GroupNode,
  x: number,
  y: number,
  room: number,
): void {
  const { group } = node;
  const rate = picture.rateOf(node.key);
  const parts: string[] = [];
  if (group.failed > 0) parts.push(`${shortCount(group.failed)} failed`);
  if (group.running > 0) parts.push(`${shortCount(group.running)} running`);
  const waiting = openOf(group) - group.running;
  if (waiting > 0) parts.push(`${shortCount(waiting)} waiting`);
  if (rate >= 0.05) parts.push(`${rate < 10 ? rate.toFixed(1) : shortCount(Math.round(rate))}/s`);
  if (parts.length === 0 && group.finished > 0) parts.push(`${duration(group.runMs / group.finished)} each`);
  context.fillStyle = group.failed > 0 ? colours.failed : group.running > 0 ? colours.running : colours.muted;
  context.fillText(fitParts(context, parts, room), x, y);
}

/** Machines that hold the group's results: a strip in their colours, and how much. */
function drawHeld(
  context: CanvasRenderingContext2D,
  picture: Picture,
  colours: ThemeColours,
  node: GroupNode,
  at: Point,
): void {
  const held = heldOf(node.group);
  const x = at.x + 15, y = at.y + node.height - 17;
  if (held === 0) return;
  const nodes = Object.entries(node.group.nodes).filter(([, size]) => size > 0).sort((a, b) => b[1] - a[1]);
  const text = `${bytes(held)} on ${nodes.length} ${nodes.length === 1 ? "node" : "nodes"}`;
  context.font = `10.5px ${colours.font}`;
  const room = textWidth(context, text);
  const width = node.width - 15 - 12 - room - 8;
  context.save();
  roundBox(context, x, y, width, 7, 3.5);
  context.clip();
  let left = x;
  for (const [nodeId, size] of nodes) {
    context.fillStyle = picture.nodeColour(nodeId);
    context.fillRect(left, y, width * size / held, 7);
    left += width * size / held;
  }
  context.restore();
  context.fillStyle = colours.muted;
  context.textBaseline = "middle";
  context.fillText(text, at.x + node.width - 12 - room, y + 4);
}

function drawPut(
  context: CanvasRenderingContext2D,
  picture: Picture,
  colours: ThemeColours,
  node: GroupNode,
  at: Point,
): void {
  drawBody(context, picture, colours, node, at, node.height / 2, colours.data);
  if (picture.camera.scale < NAME_SCALE) return;
  const held = heldOf(node.group);
  const middle = at.x + node.width / 2;
  context.textBaseline = "alphabetic";
  context.fillStyle = colours.text;
  context.font = `600 13px ${colours.font}`;
  context.fillText(node.name, middle - textWidth(context, node.name) / 2, at.y + 25);
  if (picture.camera.scale < DETAIL_SCALE) return;
  context.font = `11.5px ${colours.font}`;
  context.fillStyle = colours.muted;
  const text = held > 0 ? `${bytes(held)} held` : "values from the program";
  context.fillText(text, middle - textWidth(context, text) / 2, at.y + 41);
}

const STATE_SIGNS: Readonly<Record<string, string>> = { FINISHED: "✓", FAILED: "!", RUNNING: "▸" };

export function stateColour(state: string, colours: ThemeColours): string {
  if (state === "FINISHED") return colours.finished;
  if (state === "FAILED") return colours.failed;
  return state === "RUNNING" ? colours.running : colours.waiting;
}

export function drawTask(
  context: CanvasRenderingContext2D,
  picture: Picture,
  colours: ThemeColours,
  node: TaskNode,
  at: Point,
): void {
  const { task } = node;
  const colour = stateColour(task.state, colours);
  drawBody(context, picture, colours, node, at, 7, node.hop === 0 ? colours.accent : colour);
  context.fillStyle = colours.functions[functionColourIndex(task.name)]!;
  roundBox(context, at.x, at.y, 4, node.height, [7, 0, 0, 7] as unknown as number);
  context.fill();
  context.fillStyle = colour;
  context.beginPath();
  context.arc(at.x + 20, at.y + node.height / 2, 8, 0, 7);
  context.fill();
  if (picture.camera.scale < DETAIL_SCALE) return;
  context.fillStyle = colours.panel;
  context.font = `700 10px ${colours.font}`;
  context.textBaseline = "middle";
  const sign = STATE_SIGNS[task.state] ?? "…";
  context.fillText(sign, at.x + 20 - textWidth(context, sign) / 2, at.y + node.height / 2 + 1);
  const left = at.x + 36, room = node.width - 44;
  context.textBaseline = "alphabetic";
  context.fillStyle = colours.text;
  context.font = `${node.hop === 0 ? 700 : 600} 12px ${colours.font}`;
  context.fillText(fitMiddle(context, task.name, room), left, at.y + 20);
  context.fillStyle = colours.muted;
  context.font = `10.5px ${colours.font}`;
  const ran = task.startMs !== null && task.endMs !== null ? duration(task.endMs - task.startMs) : "";
  const parts = [ran, task.nodeId === null ? "" : picture.nodeName(task.nodeId)].filter((part) =>
    part !== ""
  );
  context.fillText(
    fitParts(context, parts.length === 0 ? [task.state.toLowerCase().replaceAll("_", " ")] : parts, room),
    left,
    at.y + 35,
  );
}

/** A pill with a dot for each machine that holds it, in the machine's colour. */
export function drawObject(
  context: CanvasRenderingContext2D,
  picture: Picture,
  colours: ThemeColours,
  node: ObjectNode,
  at: Point,
): void {
  const { object } = node;
  drawBody(context, picture, colours, node, at, node.height / 2, colours.data);
  const y = at.y + node.height / 2;
  const holders = object.nodes.slice(0, 5);
  holders.forEach((nodeId, i) => {
    context.fillStyle = picture.nodeColour(nodeId);
    roundBox(context, at.x + 12 + i * 12, y - 5, 10, 10, 3);
    context.fill();
  });
  if (picture.camera.scale < DETAIL_SCALE) return;
  const left = at.x + 16 + holders.length * 12;
  const parts = [
    object.bytes === null ? "object" : bytes(object.bytes),
    ...(object.nodes.length === 1 ? [picture.nodeName(object.nodes[0]!)] : []),
    ...(object.nodes.length > 5 ? [`+${object.nodes.length - 5}`] : []),
  ];
  context.fillStyle = colours.muted;
  context.font = `11px ${colours.font}`;
  context.textBaseline = "middle";
  context.fillText(fitParts(context, parts, at.x + node.width - 12 - left), left, y + 0.5);
}
