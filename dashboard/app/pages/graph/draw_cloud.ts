/**
 * An opened group: its tasks as dots by state (shapes differ too: failed ones are diamonds, waiting ones hollow, running ones
 * ringed), what they took from each other, actors' lanes, and how many of how many are shown.
 * @module
 */
import { fitEnd, fitMiddle, textWidth } from "../../models/canvas_text.ts";
import type { Point } from "../../models/camera.ts";
import { count, shortId } from "../../models/format.ts";
import { functionColourIndex, type ThemeColours } from "../../models/theme.ts";
import { DOT, type Dot } from "./cloud.ts";
import { drawBody, roundBox, stateColour } from "./draw_nodes.ts";
import { CLOUD_INSET, type Picture } from "./picture.ts";
import type { SceneNode } from "./scene.ts";

type CloudNode = Extract<SceneNode, { kind: "cloud" }>;

const CLOSE_SIZE = 22;

/** Whether a point from the cloud's corner is on its cross. */
export function isOnClose(node: CloudNode, x: number, y: number): boolean {
  return x > node.width - CLOSE_SIZE - 8 && y < CLOSE_SIZE + 8;
}

export function drawCloud(
  context: CanvasRenderingContext2D,
  picture: Picture,
  colours: ThemeColours,
  node: CloudNode,
  at: Point,
): void {
  drawBody(context, picture, colours, node, at, 12, colours.line);
  context.fillStyle = colours.functions[functionColourIndex(node.name)]!;
  roundBox(context, at.x, at.y, node.width, 5, [12, 12, 0, 0] as unknown as number);
  context.fill();
  if (picture.camera.scale > 0.2) drawTitle(context, colours, node, at);
  const left = at.x + CLOUD_INSET.x, top = at.y + CLOUD_INSET.y;
  drawLinks(context, picture, colours, node, left, top);
  context.font = `10.5px ${colours.font}`;
  context.textBaseline = "middle";
  context.fillStyle = colours.muted;
  if (picture.camera.scale > 0.4) {
    for (const lane of node.cloud.lanes) {
      context.fillText(fitEnd(context, `⬡ ${shortId(lane.actorId)}`, 86), left, top + lane.y);
    }
  }
  drawDots(context, colours, node, left, top);
  for (const dot of node.cloud.dots) {
    const { taskId } = dot.task;
    const isCritical = picture.critical?.tasks.has(taskId) ?? false;
    const isMeant = taskId === picture.hoveredTask || taskId === picture.selectedTask;
    if (!isCritical && !isMeant) continue;
    context.strokeStyle = isMeant ? colours.accent : colours.data;
    context.lineWidth = 2.5;
    context.beginPath();
    context.arc(left + dot.x, top + dot.y, DOT / 2 + 2.5, 0, 7);
    context.stroke();
  }
}

function drawTitle(
  context: CanvasRenderingContext2D,
  colours: ThemeColours,
  node: CloudNode,
  at: Point,
): void {
  const shown = node.shown < node.total
    ? `showing ${count(node.shown)} of ${count(node.total)} tasks`
    : `${count(node.total)} tasks`;
  context.textBaseline = "middle";
  context.font = `11.5px ${colours.font}`;
  const room = textWidth(context, shown);
  context.fillStyle = colours.muted;
  const nameRoom = Math.max(60, node.width - room - CLOSE_SIZE - 48);
  context.font = `600 13px ${colours.font}`;
  const name = fitMiddle(context, node.name, nameRoom);
  const nameWidth = textWidth(context, name);
  context.fillStyle = colours.text;
  context.fillText(name, at.x + 14, at.y + 22);
  context.font = `11.5px ${colours.font}`;
  context.fillStyle = colours.muted;
  context.fillText(shown, at.x + 14 + nameWidth + 12, at.y + 22.5);
  const x = at.x + node.width - CLOSE_SIZE, y = at.y + 21;
  context.strokeStyle = colours.muted;
  context.lineWidth = 1.5;
  context.beginPath();
  context.moveTo(x - 4.5, y - 4.5);
  context.lineTo(x + 4.5, y + 4.5);
  context.moveTo(x + 4.5, y - 4.5);
  context.lineTo(x - 4.5, y + 4.5);
  context.stroke();
}

function drawLinks(
  context: CanvasRenderingContext2D,
  picture: Picture,
  colours: ThemeColours,
  node: CloudNode,
  left: number,
  top: number,
): void {
  const { dots, edges } = node.cloud;
  const meant = picture.hoveredTask ?? picture.selectedTask;
  context.strokeStyle = colours.muted;
  context.lineWidth = 0.8;
  context.globalAlpha = edges.length > 1_500 ? 0.16 : 0.34;
  context.beginPath();
  for (const [from, to] of edges) link(context, dots[from]!, dots[to]!, left, top);
  context.stroke();
  context.globalAlpha = 1;
  if (meant === null) return;
  context.strokeStyle = colours.accent;
  context.lineWidth = 1.8;
  context.beginPath();
  for (const [from, to] of edges) {
    const isOf = dots[from]!.task.taskId === meant || dots[to]!.task.taskId === meant;
    if (isOf) link(context, dots[from]!, dots[to]!, left, top);
  }
  context.stroke();
}

function link(context: CanvasRenderingContext2D, a: Dot, b: Dot, left: number, top: number): void {
  const middle = (a.x + b.x) / 2;
  context.moveTo(left + a.x, top + a.y);
  context.bezierCurveTo(left + middle, top + a.y, left + middle, top + b.y, left + b.x, top + b.y);
}

/** One path per state. */
function drawDots(
  context: CanvasRenderingContext2D,
  colours: ThemeColours,
  node: CloudNode,
  left: number,
  top: number,
): void {
  const byState = new Map<string, Dot[]>();
  for (const dot of node.cloud.dots) {
    const { state } = dot.task;
    const kind = state === "FINISHED" || state === "FAILED" || state === "RUNNING" ? state : "WAITING";
    const list = byState.get(kind);
    if (list === undefined) byState.set(kind, [dot]);
    else list.push(dot);
  }
  const radius = DOT / 2;
  for (const [state, dots] of byState) {
    context.beginPath();
    for (const dot of dots) {
      const x = left + dot.x, y = top + dot.y;
      if (state === "FAILED") {
        context.moveTo(x, y - radius - 1);
        context.lineTo(x + radius + 1, y);
        context.lineTo(x, y + radius + 1);
        context.lineTo(x - radius - 1, y);
        context.closePath();
      } else {
        const size = state === "WAITING" ? radius - 0.8 : state === "RUNNING" ? radius - 2.2 : radius;
        context.moveTo(x + size, y);
        context.arc(x, y, size, 0, Math.PI * 2);
        if (state !== "RUNNING") continue;
        context.moveTo(x + radius, y);
        context.arc(x, y, radius, 0, Math.PI * 2, true);
        context.moveTo(x + radius - 1.2, y);
        context.arc(x, y, radius - 1.2, 0, Math.PI * 2);
      }
    }
    const colour = stateColour(state, colours);
    if (state === "WAITING") {
      context.strokeStyle = colour;
      context.lineWidth = 1.6;
      context.stroke();
    } else {
      context.fillStyle = colour;
      context.fill("evenodd");
    }
  }
}
