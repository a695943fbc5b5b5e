/**
 * The timeline's tiles: which zoom suits a view, which tiles it needs, and those that have come, bounded. A tile holds some
 * lanes over 512 bins: per cell the function that ran most and how much of the bin was busy. At zoom z a bin is 2^z
 * milliseconds wide, so tiles keep their places while a job grows. Pure; whoever owns it fetches.
 * @module
 */
import { TILE_BINS, type TimelineTileDto, ZOOM_MAX, ZOOM_MIN } from "../../../api/timeline.ts";

/** Lanes of one tile. */
export const TILE_LANES = 64;
/** Tiles kept: at 64 KiB each this is 16 MiB. */
const TILES_KEPT = 256;
/** How many zooms coarser a stand-in may be. */
const STAND_IN_ZOOMS = 14;

export interface TileAddress {
  readonly z: number;
  readonly x: number;
  /** Lanes TILE_LANES * chunk and the following. */
  readonly chunk: number;
}

export interface Tile {
  /** Function's number + 1 of each cell, lane by lane; 0 for nothing. */
  readonly functions: Uint8Array;
  /** Busy part of each cell: 255 is all of it. */
  readonly busy: Uint8Array;
  /** A bit per cell: something failed in it. */
  readonly failed: Uint8Array | null;
  readonly lanes: number;
  /** Nothing more is expected in it. */
  readonly isFinal: boolean;
  /** Version of the lanes that were known when it was asked for. */
  readonly version: number;
}

export function tileKey({ z, x, chunk }: TileAddress): string {
  return `${z}/${x}/${chunk}`;
}

export function tileSpanMs(z: number): number {
  return TILE_BINS * 2 ** z;
}

/** The zoom whose bins are just finer than pixels. */
export function zoomFor(pixelMs: number): number {
  const z = Math.floor(Math.log2(Math.max(pixelMs, 1e-9)) + 1e-9);
  return Math.min(ZOOM_MAX, Math.max(ZOOM_MIN, z));
}

/** The tiles of a stretch of time (milliseconds since the origin), for the chunks of lanes in view. */
export function tilesFor(z: number, from: number, to: number, chunks: readonly number[]): TileAddress[] {
  const span = tileSpanMs(z);
  const first = Math.floor(from / span), last = Math.floor(to / span);
  const wanted: TileAddress[] = [];
  for (const chunk of chunks) for (let x = first; x <= last; x++) wanted.push({ z, x, chunk });
  return wanted;
}

/** A tile as it came. @param version of the lanes when it was asked for. */
export function readTile(answer: TimelineTileDto, version: number): Tile {
  const [first, last] = answer.lanes;
  return {
    functions: fromBase64(answer.functions),
    busy: fromBase64(answer.busy),
    failed: answer.failed === null ? null : fromBase64(answer.failed),
    lanes: last - first + 1,
    isFinal: answer.final,
    version,
  };
}

function fromBase64(text: string): Uint8Array {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** Tiles that have come, those used last kept longest. */
export class TileCache {
  readonly #tiles = new Map<string, Tile>();

  get size(): number {
    return this.#tiles.size;
  }

  get(address: TileAddress): Tile | null {
    const key = tileKey(address);
    const tile = this.#tiles.get(key);
    if (tile === undefined) return null;
    this.#tiles.delete(key);
    this.#tiles.set(key, tile);
    return tile;
  }

  put(address: TileAddress, tile: Tile): void {
    const key = tileKey(address);
    this.#tiles.delete(key);
    this.#tiles.set(key, tile);
    if (this.#tiles.size > TILES_KEPT) this.#tiles.delete(this.#tiles.keys().next().value!);
  }

  clear(): void {
    this.#tiles.clear();
  }

  /** The tile itself, or the next coarser one that covers it, until it has come. */
  best(address: TileAddress): { readonly tile: Tile; readonly z: number; readonly x: number } | null {
    const { chunk } = address;
    let { z, x } = address;
    for (let step = 0; step < STAND_IN_ZOOMS; step++, z++, x = Math.floor(x / 2)) {
      const tile = this.#tiles.get(tileKey({ z, x, chunk }));
      if (tile !== undefined) return { tile, z, x };
    }
    return null;
  }
}
