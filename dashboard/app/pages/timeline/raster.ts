/**
 * Tiles to pixels: one row of an image per lane, one pixel per column of the view, whatever way time maps to columns. The
 * columns' places in the tiles are found once per chunk of lanes, so that a cell costs a few array reads. Pure.
 * @module
 */
import { OTHER_FUNCTIONS, TILE_BINS } from "../../../api/timeline.ts";
import { type Tile, type TileAddress, type TileCache, tileSpanMs } from "./tiles.ts";

/** Steps of "how busy" that are told apart. */
export const SHADES = 16;

/** Per function (0 is nothing) and shade one pixel as ImageData has it. */
export type PixelTable = Uint32Array;

/** Times of the column borders, in milliseconds since the origin: `columns + 1` values, rising. */
export type ColumnTimes = Float64Array;

export interface Columns {
  /** Index into `tiles` per column, -1 where nothing is known. */
  readonly tile: Int16Array;
  readonly first: Uint16Array;
  readonly last: Uint16Array;
  readonly tiles: readonly Tile[];
}

/** Where each column finds its bins: in the tile of this zoom, or in a coarser one until that has come. */
export function findColumns(cache: TileCache, z: number, chunk: number, times: ColumnTimes): Columns {
  const count = times.length - 1;
  const tile = new Int16Array(count).fill(-1), first = new Uint16Array(count), last = new Uint16Array(count);
  const tiles: Tile[] = [];
  const span = tileSpanMs(z);
  let x = NaN, index = -1, binMs = 0, tileFromMs = 0;
  for (let column = 0; column < count; column++) {
    const from = times[column]!, to = times[column + 1]!;
    const at = Math.floor(from / span);
    if (at !== x) {
      x = at;
      const address: TileAddress = { z, x, chunk };
      const exact = cache.get(address);
      const found = exact === null ? cache.best(address) : { tile: exact, z, x };
      index = found === null ? -1 : tiles.push(found.tile) - 1;
      if (found !== null) {
        const foundSpan = tileSpanMs(found.z);
        binMs = foundSpan / TILE_BINS;
        tileFromMs = found.x * foundSpan;
      }
    }
    if (index < 0) continue;
    tile[column] = index;
    const bin = Math.min(TILE_BINS - 1, Math.max(0, Math.floor((from - tileFromMs) / binMs)));
    first[column] = bin;
    last[column] = Math.min(TILE_BINS - 1, Math.max(bin, Math.ceil((to - tileFromMs) / binMs) - 1));
  }
  return { tile, first, last, tiles };
}

/** One lane's row of pixels. @param lane within the chunk. */
export function paintLane(
  pixels: Uint32Array,
  offset: number,
  columns: Columns,
  lane: number,
  table: PixelTable,
): void {
  const count = columns.tile.length;
  for (let column = 0; column < count; column++) {
    const index = columns.tile[column]!;
    if (index < 0) {
      pixels[offset + column] = 0;
      continue;
    }
    const tile = columns.tiles[index]!;
    if (lane >= tile.lanes) {
      pixels[offset + column] = 0;
      continue;
    }
    const base = lane * TILE_BINS, end = base + columns.last[column]!;
    let most = -1, sum = 0, name = 0, bins = 0;
    for (let at = base + columns.first[column]!; at <= end; at++) {
      const busy = tile.busy[at]!;
      sum += busy;
      bins++;
      if (busy > most) {
        most = busy;
        name = tile.functions[at]!;
      }
    }
    // Whatever ran at all can be seen: a shade is never rounded down to nothing.
    const shade = sum === 0 ? 0 : Math.max(1, Math.round(sum / bins * (SHADES / 255)));
    pixels[offset + column] = table[name * (SHADES + 1) + shade]!;
  }
}

export type Rgb = readonly [number, number, number];

/** By function's number. The table's shades go from a quarter of the colour on the background to all of it. */
export function makePixelTable(colours: readonly Rgb[], background: Rgb, other: Rgb): PixelTable {
  const table = new Uint32Array(256 * (SHADES + 1));
  for (let name = 1; name < 256; name++) {
    const colour = name === OTHER_FUNCTIONS ? other : colours[name - 1] ?? other;
    for (let shade = 1; shade <= SHADES; shade++) {
      const part = 0.28 + 0.72 * shade / SHADES;
      const mix = (i: 0 | 1 | 2): number => Math.round(background[i] + (colour[i] - background[i]) * part);
      table[name * (SHADES + 1) + shade] = (0xff000000 | mix(2) << 16 | mix(1) << 8 | mix(0)) >>> 0;
    }
  }
  return table;
}

/** `#rgb`, `#rrggbb` or `rgb(…)` as numbers; grey for anything else. */
export function rgbOf(colour: string): Rgb {
  const hex = /^#([0-9a-f]{3}|[0-9a-f]{6})$/i.exec(colour.trim())?.[1];
  if (hex !== undefined) {
    const full = hex.length === 3 ? [...hex].map((digit) => digit + digit).join("") : hex;
    return [0, 2, 4].map((at) => parseInt(full.slice(at, at + 2), 16)) as unknown as Rgb;
  }
  const numbers = /^rgba?\(\s*([\d.]+)[\s,]+([\d.]+)[\s,]+([\d.]+)/.exec(colour.trim());
  if (numbers === null) return [128, 128, 128];
  return [Number(numbers[1]), Number(numbers[2]), Number(numbers[3])];
}

/** Columns of a lane in which something failed: at most one mark in 4 pixels. */
export function failedColumns(columns: Columns, lane: number): number[] {
  if (columns.tiles.every((tile) => tile.failed === null)) return [];
  const marks: number[] = [];
  for (let column = 0; column < columns.tile.length; column++) {
    const tile = columns.tiles[columns.tile[column]!];
    if (tile === undefined || tile.failed === null || lane >= tile.lanes) continue;
    const base = lane * TILE_BINS, end = base + columns.last[column]!;
    for (let at = base + columns.first[column]!; at <= end; at++) {
      if ((tile.failed[at >> 3]! >> (at & 7) & 1) === 0) continue;
      if (marks.length === 0 || column - marks.at(-1)! >= 4) marks.push(column);
      break;
    }
  }
  return marks;
}
