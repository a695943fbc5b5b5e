/**
 * Draws one picture of the timeline: lanes as tiles (an image that is blitted) or as single bars, labels, axis, markers and
 * what is selected. The overview stands in overview.ts, bars in draw_bars.ts.
 * @module
 */
import { fitEnd, textWidth } from "../../models/canvas_text.ts";
import { drawBars } from "./draw_bars.ts";
import { HEADING_HEIGHT, type SeenRow } from "./lane_rows.ts";
import { drawOverview } from "./overview.ts";
import { type ColumnTimes, failedColumns, findColumns, paintLane } from "./raster.ts";
import { AXIS_HEIGHT, gutterWidth, OVERVIEW_HEIGHT, type Scene, TOP, xOf } from "./scene.ts";
import { TILE_LANES } from "./tiles.ts";
import { sinceLabel, ticksOf } from "./time_scale.ts";

export class TimelinePainter {
  #scratch: HTMLCanvasElement | null = null;
  #image: ImageData | null = null;

  paint(context: CanvasRenderingContext2D, scene: Scene): void {
    const { width, height, colours, ratio } = scene;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = colours.panel;
    context.fillRect(0, 0, width, height);
    drawGrid(context, scene);
    const rows = scene.seen.filter((row) => row.lane >= 0);
    context.save();
    context.beginPath();
    context.rect(gutterWidth(width), TOP, width, height - TOP);
    context.clip();
    drawTracks(context, scene, rows);
    if (scene.bars === null) this.#drawTiles(context, scene, rows);
    else drawBars(context, scene, scene.bars, rows);
    drawGaps(context, scene);
    context.restore();
    drawLabels(context, scene);
    drawMarkers(context, scene);
    drawSelection(context, scene);
    drawOverview(context, scene);
    drawCursor(context, scene);
  }

  /** The image is as wide as the lanes and one pixel high per lane; each lane's row is stretched to its height. */
  #drawTiles(context: CanvasRenderingContext2D, scene: Scene, rows: readonly SeenRow[]): void {
    const left = gutterWidth(scene.width);
    const columns = Math.max(1, Math.round((scene.width - left) * scene.ratio));
    if (rows.length === 0) return;
    const times = columnTimes(scene, columns);
    const { scratch, image, pixels } = this.#room(columns, rows.length);
    const chunks = new Map<number, ReturnType<typeof findColumns>>();
    const failures: { row: SeenRow; at: readonly number[] }[] = [];
    rows.forEach((row, i) => {
      const { lane } = scene.lanes[row.lane]!;
      const chunk = Math.floor(lane / TILE_LANES);
      let found = chunks.get(chunk);
      if (found === undefined) chunks.set(chunk, found = findColumns(scene.tiles, scene.zoom, chunk, times));
      paintLane(pixels, i * columns, found, lane % TILE_LANES, scene.table);
      const at = failedColumns(found, lane % TILE_LANES);
      if (at.length > 0) failures.push({ row, at });
    });
    const target = scratch.getContext("2d")!;
    target.putImageData(image, 0, 0, 0, 0, columns, rows.length);
    context.imageSmoothingEnabled = false;
    const wide = scene.width - left;
    rows.forEach((row, i) => {
      context.drawImage(
        scratch,
        0,
        i,
        columns,
        1,
        left,
        TOP + row.top + 1,
        wide,
        Math.max(1, row.height - 2),
      );
    });
    context.fillStyle = scene.colours.failed;
    for (const { row, at } of failures) {
      for (const column of at) context.fillRect(left + column / scene.ratio - 1, TOP + row.top, 2, 3);
    }
  }

  #room(
    columns: number,
    rows: number,
  ): { scratch: HTMLCanvasElement; image: ImageData; pixels: Uint32Array } {
    this.#scratch ??= document.createElement("canvas");
    if (this.#image === null || this.#image.width !== columns || this.#image.height < rows) {
      this.#scratch.width = columns;
      this.#scratch.height = rows + 16;
      this.#image = new ImageData(columns, rows + 16);
    }
    const image = this.#image;
    return { scratch: this.#scratch, image, pixels: new Uint32Array(image.data.buffer) };
  }
}

/** Times of the borders of the lanes' columns. */
export function columnTimes(scene: Pick<Scene, "view" | "warp">, columns: number): ColumnTimes {
  const { view, warp } = scene;
  const times = new Float64Array(columns + 1);
  const step = (view.to - view.from) / columns;
  for (let i = 0; i <= columns; i++) {
    const at = view.from + i * step;
    times[i] = warp.isPlain ? at : warp.time(at);
  }
  return times;
}

/** Where lanes are, although nothing runs there: idle time is seen as a faint track. */
function drawTracks(context: CanvasRenderingContext2D, scene: Scene, rows: readonly SeenRow[]): void {
  const from = xOf(scene, scene.data.fromMs), to = xOf(scene, scene.data.toMs);
  context.fillStyle = scene.colours.track;
  context.globalAlpha = 0.5;
  for (const row of rows) context.fillRect(from, TOP + row.top + 1, to - from, Math.max(1, row.height - 2));
  context.globalAlpha = 1;
}

function drawGrid(context: CanvasRenderingContext2D, scene: Scene): void {
  const { width, height, colours, view, warp } = scene;
  const left = gutterWidth(width), base = TOP - 0.5;
  context.font = `11px ${colours.font}`;
  context.textBaseline = "middle";
  context.strokeStyle = colours.line;
  context.fillStyle = colours.muted;
  context.lineWidth = 1;
  const range = { fromMs: warp.time(view.from), toMs: warp.time(view.to) };
  const ticks = ticksOf(range, scene.data.fromMs, width - left, 96);
  let free = left;
  for (const tick of ticks) {
    const x = Math.round(xOf(scene, tick.timeMs)) + 0.5;
    if (x < left) continue;
    context.globalAlpha = 0.7;
    line(context, x, base - 5, x, height);
    context.globalAlpha = 1;
    const room = textWidth(context, tick.label);
    // With squeezed gaps marks may fall together: the first one is named.
    if (x - 2 < free || x + room + 4 > width) continue;
    context.fillText(tick.label, x + 4, OVERVIEW_HEIGHT + AXIS_HEIGHT / 2);
    free = x + room + 14;
  }
  line(context, 0, base, width, base);
}

/** Squeezed idle time: a hatched band that says how long it was. */
function drawGaps(context: CanvasRenderingContext2D, scene: Scene): void {
  const { colours, height } = scene;
  for (const gap of scene.gaps) {
    const from = xOf(scene, gap.fromMs), to = xOf(scene, gap.toMs);
    if (to < 0 || from > scene.width || to - from < 1) continue;
    context.fillStyle = colours.panel;
    context.fillRect(from, TOP, to - from, height - TOP);
    context.strokeStyle = colours.line;
    context.beginPath();
    for (let y = TOP - (to - from); y < height; y += 7) {
      context.moveTo(from, y + (to - from));
      context.lineTo(to, y);
    }
    context.stroke();
    const text = `${sinceLabel(gap.toMs - gap.fromMs, (gap.toMs - gap.fromMs) / 10)} idle`;
    context.save();
    context.translate((from + to) / 2, TOP + HEADING_HEIGHT + 8);
    context.rotate(Math.PI / 2);
    context.font = `10.5px ${colours.font}`;
    const size = textWidth(context, text);
    context.fillStyle = colours.panel;
    context.fillRect(-3, -7, size + 6, 14);
    context.fillStyle = colours.muted;
    context.fillText(text, 0, 0.5);
    context.restore();
  }
}

function drawLabels(context: CanvasRenderingContext2D, scene: Scene): void {
  const { width, height, colours, seen } = scene;
  const left = gutterWidth(width);
  context.save();
  context.beginPath();
  context.rect(0, TOP, width, height - TOP);
  context.clip();
  context.fillStyle = colours.panel;
  context.fillRect(0, TOP, left, height - TOP);
  context.textBaseline = "middle";
  const hoveredTop = scene.cursor === null ? NaN : scene.cursor.y - TOP;
  // Scrolled rows first: pinned ones lie over them.
  for (const row of [...seen].reverse()) {
    const y = TOP + row.top + row.height / 2 + 0.5;
    const isPinned = row.lane >= 0 && scene.pins.has(scene.lanes[row.lane]!.lane);
    if (!isPinned && row.top < scene.pinnedHeight - row.height) continue;
    if (row.lane < 0) {
      context.fillStyle = colours.raised;
      context.fillRect(0, TOP + row.top, width, row.height);
      context.fillStyle = colours.muted;
      context.font = `600 11px ${colours.font}`;
      context.fillText(fitEnd(context, `node ${scene.names.node(row.nodeId)}`, width - 20), 12, y);
      continue;
    }
    const lane = scene.lanes[row.lane]!;
    const isNear = hoveredTop >= row.top && hoveredTop < row.top + row.height;
    context.fillStyle = isPinned ? colours.raised : colours.panel;
    context.fillRect(0, TOP + row.top, left - 1, row.height);
    if (row.height < 9) continue;
    context.fillStyle = isNear ? colours.text : colours.muted;
    context.font = `${Math.min(11, row.height - 1)}px ${colours.font}`;
    context.fillText(
      fitEnd(context, scene.names.lane(lane), left - (isNear || isPinned ? 34 : 22)),
      12,
      y,
    );
    if (isPinned || isNear) {
      context.fillStyle = isPinned ? colours.accent : colours.muted;
      context.fillText(isPinned ? "◉" : "○", left - 20, y);
    }
  }
  context.restore();
  context.strokeStyle = colours.line;
  line(context, left - 0.5, TOP, left - 0.5, height);
  if (scene.pinnedHeight > 0) {
    context.strokeStyle = colours.accent;
    line(context, 0, TOP + scene.pinnedHeight + 0.5, width, TOP + scene.pinnedHeight + 0.5);
  }
}

const BAD_MARKERS = new Set(["nodeDied", "workerDied", "telemetryRestarted"]);

/** Events of the cluster: a dashed line with a flag; the table below says them in words. */
function drawMarkers(context: CanvasRenderingContext2D, scene: Scene): void {
  const { width, height, colours } = scene;
  const left = gutterWidth(width);
  context.font = `600 10.5px ${colours.font}`;
  context.textBaseline = "middle";
  let free = -Infinity;
  for (const marker of scene.markers) {
    const x = Math.round(xOf(scene, marker.atMs - scene.originMs)) + 0.5;
    if (x < left || x > width) continue;
    const colour = BAD_MARKERS.has(marker.kind) ? colours.failed : colours.accent;
    context.strokeStyle = colour;
    context.setLineDash([4, 4]);
    line(context, x, OVERVIEW_HEIGHT + 4, x, height);
    context.setLineDash([]);
    if (x < free) continue;
    const text = fitEnd(context, marker.text, 180);
    const room = textWidth(context, text) + 12;
    const at = Math.min(x, width - room);
    context.fillStyle = colour;
    context.beginPath();
    context.roundRect(at, OVERVIEW_HEIGHT + 4, room, 16, 3);
    context.fill();
    context.fillStyle = colours.panel;
    context.fillText(text, at + 6, OVERVIEW_HEIGHT + 12.5);
    free = at + room + 4;
  }
}

function drawSelection(context: CanvasRenderingContext2D, scene: Scene): void {
  const { selection, colours, height, width } = scene;
  if (selection === null) return;
  const left = gutterWidth(width);
  const from = Math.max(left, xOf(scene, selection.fromMs)), to = Math.min(width, xOf(scene, selection.toMs));
  if (to <= from) return;
  context.globalAlpha = 0.14;
  context.fillStyle = colours.accent;
  context.fillRect(from, TOP, to - from, height - TOP);
  context.globalAlpha = 1;
  context.strokeStyle = colours.accent;
  line(context, from + 0.5, OVERVIEW_HEIGHT, from + 0.5, height);
  line(context, to - 0.5, OVERVIEW_HEIGHT, to - 0.5, height);
  const span = selection.toMs - selection.fromMs;
  const text = sinceLabel(span, span / 1000);
  context.font = `600 11px ${colours.font}`;
  const room = textWidth(context, text) + 12;
  const at = Math.min(width - room, Math.max(left, (from + to - room) / 2));
  context.fillStyle = colours.accent;
  context.beginPath();
  context.roundRect(at, OVERVIEW_HEIGHT + 3, room, 18, 4);
  context.fill();
  context.fillStyle = colours.panel;
  context.fillText(text, at + 6, OVERVIEW_HEIGHT + 12.5);
}

/** A hairline under the pointer, with its time. */
function drawCursor(context: CanvasRenderingContext2D, scene: Scene): void {
  const { cursor, colours, height, width } = scene;
  if (cursor === null || cursor.x < gutterWidth(width) || cursor.y < TOP) return;
  context.strokeStyle = colours.text;
  context.globalAlpha = 0.35;
  const x = Math.round(cursor.x) + 0.5;
  line(context, x, TOP, x, height);
  context.globalAlpha = 1;
}

function line(context: CanvasRenderingContext2D, x1: number, y1: number, x2: number, y2: number): void {
  context.beginPath();
  context.moveTo(x1, y1);
  context.lineTo(x2, y2);
  context.stroke();
}
