/**
 * Single bars with their phases: queued (a line), sent but not begun (a half-high bar: its
 * arguments are fetched, or its actor is busy), run (full, in the function's colour),
 * failed (outlined), still running (open at its end).
 * @module
 */
import type { TimelineBar } from "../../../api/timeline.ts";
import { fitEnd } from "../../models/canvas_text.ts";
import type { LoadedBars } from "./bars.ts";
import type { SeenRow } from "./lane_rows.ts";
import { barKey, gutterWidth, type Scene, TOP, xOf } from "./scene.ts";

/** From this width on a bar is named. */
const NAMED_WIDTH = 34;
const ROUND_WIDTH = 5;

interface Placed {
  readonly bar: TimelineBar;
  readonly x: number;
  readonly width: number;
  readonly y: number;
  readonly height: number;
}

export function drawBars(
  context: CanvasRenderingContext2D,
  scene: Scene,
  loaded: LoadedBars,
  rows: readonly SeenRow[],
): void {
  const placed = placeBars(scene, loaded, rows);
  drawPhases(context, scene, placed);
  const byFunction = new Map<number, Placed[]>();
  for (const each of placed) {
    const list = byFunction.get(each.bar.fn);
    if (list === undefined) byFunction.set(each.bar.fn, [each]);
    else list.push(each);
  }
  for (const [fn, list] of byFunction) {
    context.fillStyle = scene.colours.functions[fn] ?? scene.colours.other;
    context.beginPath();
    for (const { x, y, width, height } of list) {
      if (width >= ROUND_WIDTH) context.roundRect(x, y, width, height, 2);
      else context.rect(x, y, width, height);
    }
    context.fill();
  }
  for (const each of placed) drawMarks(context, scene, each);
}

/** The bars that can be seen; at least a pixel wide. */
function placeBars(scene: Scene, loaded: LoadedBars, rows: readonly SeenRow[]): Placed[] {
  const rowOf = new Map<number, SeenRow>();
  for (const row of rows) rowOf.set(scene.lanes[row.lane]!.lane, row);
  const left = gutterWidth(scene.width);
  const placed: Placed[] = [];
  for (const bar of loaded.bars) {
    const row = rowOf.get(bar.lane);
    if (row === undefined) continue;
    const x = xOf(scene, bar.startMs - scene.originMs);
    const end = bar.endMs === null ? scene.data.toMs : bar.endMs - scene.originMs;
    const right = xOf(scene, Math.max(end, bar.startMs - scene.originMs));
    if (right < left || x > scene.width) continue;
    // A hair of space between neighbours, when there is room for it.
    const width = Math.max(1, right - x - (right - x > 4 ? 1 : 0));
    placed.push({ bar, x, width, y: TOP + row.top + 1, height: Math.max(1, row.height - 2) });
  }
  return placed;
}

function drawPhases(context: CanvasRenderingContext2D, scene: Scene, placed: readonly Placed[]): void {
  const { colours, originMs } = scene;
  const marked = placed.filter(({ bar }) => barKey(bar) === scene.hovered || barKey(bar) === scene.chosen);
  context.fillStyle = colours.waiting;
  for (const { bar, x, y, height } of marked) {
    const from = xOf(scene, bar.submittedMs - originMs);
    context.fillRect(from, y + height / 2 - 1, Math.max(0, x - from), 2);
    context.fillRect(from, y + 1, 2, height - 2);
  }
  context.fillStyle = colours.data;
  context.beginPath();
  for (const { bar, x, y, height } of placed) {
    if (bar.pushedMs === null) continue;
    const from = xOf(scene, bar.pushedMs - originMs);
    if (x - from >= 1) context.rect(from, y + height * 0.3, x - from, Math.max(1, height * 0.4));
  }
  context.fill();
}

function drawMarks(context: CanvasRenderingContext2D, scene: Scene, placed: Placed): void {
  const { bar, x, y, width, height } = placed;
  const { colours } = scene;
  if (bar.state === "FAILED") {
    context.fillStyle = colours.failed;
    context.fillRect(x, y, width, Math.min(4, height / 3));
    if (width > 3) {
      context.strokeStyle = colours.failed;
      context.lineWidth = 1.5;
      context.strokeRect(x + 0.75, y + 0.75, width - 1.5, height - 1.5);
    }
  }
  if (bar.endMs === null && width > 6) {
    context.fillStyle = colours.panel;
    for (let at = 0; at < 3; at++) context.fillRect(x + width - 3 - at * 4, y, 1.5, height);
  }
  const key = barKey(bar);
  if (key === scene.hovered || key === scene.chosen) {
    context.strokeStyle = colours.text;
    context.lineWidth = key === scene.chosen ? 2 : 1.25;
    context.strokeRect(x, y, width, height);
  }
  const left = Math.max(x, gutterWidth(scene.width));
  const room = x + width - left;
  if (room < NAMED_WIDTH || height < 10) return;
  context.font = `${Math.min(11, height - 3)}px ${colours.font}`;
  context.textBaseline = "middle";
  context.fillStyle = colours.onFunctions[bar.fn] ?? colours.text;
  context.fillText(fitEnd(context, bar.name, room - 8), left + 5, y + height / 2 + 0.5);
}
