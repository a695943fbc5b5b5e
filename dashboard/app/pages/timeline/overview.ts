/**
 * The strip above the lanes: the whole job, how much of all lanes was busy with which function, and the part that is in view.
 * It is drawn from the tiles of one coarse zoom into an image that is kept until they change.
 * @module
 */
import { TILE_BINS } from "../../../api/timeline.ts";
import { findColumns } from "./raster.ts";
import { bodyWidth, gutterWidth, OVERVIEW_HEIGHT, type Scene } from "./scene.ts";
import { TILE_LANES, type TileAddress, tilesFor, zoomFor } from "./tiles.ts";
import { type TimeRange, wholeView } from "./time_scale.ts";

const BAND_TOP = 8;
const BAND_HEIGHT = OVERVIEW_HEIGHT - 12;

/** What the strip covers: the same as the lanes when all is in view. */
function stretchOf(data: TimeRange): TimeRange {
  const { from, to } = wholeView({ from: data.fromMs, to: data.toMs });
  return { fromMs: from, toMs: to };
}

/** The zoom of the strip: the lanes' own when all is in view, so that both are drawn from the same tiles. */
export function overviewZoom(data: TimeRange, width: number): number {
  const { fromMs, toMs } = stretchOf(data);
  return zoomFor((toMs - fromMs) / bodyWidth({ width }));
}

export function overviewTiles(data: TimeRange, width: number, lanes: number): TileAddress[] {
  const chunks = Array.from({ length: Math.ceil(lanes / TILE_LANES) }, (_, i) => i);
  return tilesFor(overviewZoom(data, width), data.fromMs, data.toMs, chunks);
}

let kept: { readonly key: string; readonly image: HTMLCanvasElement } | null = null;

/** @param scene.tiles whatever has come; the rest is left empty. */
export function drawOverview(context: CanvasRenderingContext2D, scene: Scene): void {
  const { width, colours } = scene;
  const data = stretchOf(scene.data);
  const left = gutterWidth(width), wide = width - left;
  context.fillStyle = colours.raised;
  context.fillRect(0, 0, width, OVERVIEW_HEIGHT);
  const image = overviewImage(scene, Math.round(wide * scene.ratio));
  context.imageSmoothingEnabled = true;
  context.drawImage(image, left, BAND_TOP, wide, BAND_HEIGHT);
  const span = Math.max(1e-6, data.toMs - data.fromMs);
  const xIn = (ms: number): number => left + Math.min(1, Math.max(0, (ms - data.fromMs) / span)) * wide;
  const from = xIn(scene.warp.time(scene.view.from)), to = xIn(scene.warp.time(scene.view.to));
  context.fillStyle = colours.panel;
  context.globalAlpha = 0.62;
  context.fillRect(left, 0, from - left, OVERVIEW_HEIGHT);
  context.fillRect(to, 0, width - to, OVERVIEW_HEIGHT);
  context.globalAlpha = 1;
  context.strokeStyle = colours.accent;
  context.lineWidth = 1.5;
  context.beginPath();
  context.roundRect(from + 0.75, 1.5, Math.max(4, to - from - 1.5), OVERVIEW_HEIGHT - 3, 4);
  context.stroke();
  context.lineWidth = 1;
  context.strokeStyle = colours.line;
  context.beginPath();
  context.moveTo(0, OVERVIEW_HEIGHT - 0.5);
  context.lineTo(width, OVERVIEW_HEIGHT - 0.5);
  context.stroke();
  context.fillStyle = colours.muted;
  context.font = `11px ${colours.font}`;
  context.textBaseline = "middle";
  if (left > 100) context.fillText("busy lanes", 12, OVERVIEW_HEIGHT / 2);
}

/** The time at a place of the strip. */
export function overviewTime(scene: Pick<Scene, "width" | "data">, x: number): number {
  const left = gutterWidth(scene.width);
  const part = Math.min(1, Math.max(0, (x - left) / Math.max(1, scene.width - left)));
  const { fromMs, toMs } = stretchOf(scene.data);
  return fromMs + part * (toMs - fromMs);
}

function overviewImage(scene: Scene, columns: number): HTMLCanvasElement {
  const { data, lanes, tiles, colours } = scene;
  const zoom = overviewZoom(data, scene.width);
  const wanted = overviewTiles(data, scene.width, lanes.length);
  const state = wanted.map((address) => tiles.get(address)?.version ?? -1).join();
  const key = `${columns} ${zoom} ${data.fromMs} ${data.toMs} ${state} ${colours.panel} ${lanes.length}`;
  if (kept?.key === key) return kept.image;
  const image = kept?.image ?? document.createElement("canvas");
  const height = Math.round(BAND_HEIGHT * scene.ratio);
  image.width = Math.max(1, columns);
  image.height = height;
  const context = image.getContext("2d")!;
  const stacks = stackOf(scene, zoom, Math.max(1, columns));
  stacks.forEach((sums, column) => {
    let base = height;
    for (const [name, sum] of sums) {
      const part = sum / 255 / Math.max(1, lanes.length) * height;
      context.fillStyle = colours.functions[name - 1] ?? colours.other;
      context.fillRect(column, base - part, 1, part);
      base -= part;
    }
  });
  kept = { key, image };
  return image;
}

/** Per column the busy lanes by function, in the order of the functions. */
function stackOf(scene: Scene, zoom: number, columns: number): [number, number][][] {
  const { lanes, tiles } = scene;
  const { fromMs, toMs } = stretchOf(scene.data);
  const times = new Float64Array(columns + 1);
  for (let i = 0; i <= columns; i++) times[i] = fromMs + (toMs - fromMs) * i / columns;
  const sums = new Float32Array(columns * 256);
  const chunks = Math.ceil(lanes.length / TILE_LANES);
  for (let chunk = 0; chunk < chunks; chunk++) {
    const found = findColumns(tiles, zoom, chunk, times);
    for (let column = 0; column < columns; column++) {
      const tile = found.tiles[found.tile[column]!];
      if (tile === undefined) continue;
      for (let lane = 0; lane < tile.lanes; lane++) {
        const first = found.first[column]!, last = found.last[column]!;
        for (let bin = first; bin <= last; bin++) {
          const at = lane * TILE_BINS + bin;
          sums[column * 256 + tile.functions[at]!]! += tile.busy[at]! / (last - first + 1);
        }
      }
    }
  }
  return Array.from({ length: columns }, (_, column) => {
    const stack: [number, number][] = [];
    for (let name = 1; name < 256; name++) {
      const sum = sums[column * 256 + name]!;
      if (sum > 0) stack.push([name, sum]);
    }
    return stack;
  });
}

/** Whether anything ran, bin by bin of the strip's zoom: for finding idle stretches. Null until all tiles are here. */
export function busyBins(
  scene: Pick<Scene, "data" | "width" | "tiles" | "lanes">,
): { readonly busy: Uint8Array; readonly fromMs: number; readonly binMs: number } | null {
  const zoom = overviewZoom(scene.data, scene.width);
  const wanted = overviewTiles(scene.data, scene.width, scene.lanes.length);
  const first = wanted[0];
  if (first === undefined) return null;
  const last = Math.max(...wanted.map(({ x }) => x));
  const busy = new Uint8Array((last - first.x + 1) * TILE_BINS);
  for (const address of wanted) {
    const tile = scene.tiles.get(address);
    if (tile === null) return null;
    for (let lane = 0; lane < tile.lanes; lane++) {
      for (let bin = 0; bin < TILE_BINS; bin++) {
        if (tile.busy[lane * TILE_BINS + bin]! > 0) busy[(address.x - first.x) * TILE_BINS + bin] = 1;
      }
    }
  }
  const binMs = 2 ** zoom;
  const clippedTo = Math.min(busy.length, Math.ceil(scene.data.toMs / binMs) - first.x * TILE_BINS);
  const clippedFrom = Math.max(0, Math.floor(scene.data.fromMs / binMs) - first.x * TILE_BINS);
  return {
    busy: busy.subarray(clippedFrom, clippedTo),
    fromMs: (first.x * TILE_BINS + clippedFrom) * binMs,
    binMs,
  };
}
