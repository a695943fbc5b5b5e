/**
 * Tiles of one job's timeline. A tile is made once from all attempts, and then only gets what ended since: ended attempts
 * stand in queues in the order in which they ended, so a tile knows where to go on. Those that are used are kept, bounded.
 * @module
 */
import { TILE_BINS } from "../../../../dashboard/api/timeline.ts";
import { FAILED, FINISHED } from "./attempt_codes.ts";
import { NONE } from "./attempt_columns.ts";
import type { AttemptReader } from "./attempt_rows.ts";
import type { EndedQueue } from "./attempt_store.ts";
import type { JobBook } from "./job_book.ts";
import { SIDE_BY_SIDE } from "./lane_table.ts";
import { kindName } from "./attempt_rows.ts";

/** Cells of all tiles that are kept: ten bytes each. */
const CELLS_MAX = 2_000_000;
/** The least of a bin that something takes, so that the shortest bar is seen. */
const LEAST = 1 / 256;

/** What ran in the bins of some lanes, in one stretch of time. */
export class Tile {
  readonly fromMs: number;
  readonly binMs: number;
  readonly firstLane: number;
  readonly lastLane: number;
  /** The function that ran most, by majority vote: its number and how far it is ahead. */
  readonly functions: Uint8Array;
  readonly #ahead: Float32Array;
  readonly busy: Float32Array;
  readonly failed: Uint8Array;
  anyFailed = false;
  /** How many had ended, and which was the last, when it was last looked at. */
  finished: Cursor = { ended: 0, tail: NONE };
  failures: Cursor = { ended: 0, tail: NONE };

  constructor(fromMs: number, binMs: number, firstLane: number, lastLane: number) {
    this.fromMs = fromMs;
    this.binMs = binMs;
    this.firstLane = firstLane;
    this.lastLane = lastLane;
    const cells = (lastLane - firstLane + 1) * TILE_BINS;
    this.functions = new Uint8Array(cells);
    this.#ahead = new Float32Array(cells);
    this.busy = new Float32Array(cells);
    this.failed = new Uint8Array(cells);
  }

  get cells(): number {
    return this.functions.length;
  }

  /** Something ran in the lane. */
  paint(lane: number, startMs: number, endMs: number, fn: number, isFailed: boolean): void {
    const from = (startMs - this.fromMs) / this.binMs;
    const to = Math.max(from + LEAST, (endMs - this.fromMs) / this.binMs);
    if (to <= 0 || from >= TILE_BINS) return;
    const row = (lane - this.firstLane) * TILE_BINS;
    const first = Math.max(0, Math.floor(from));
    // Most take part of one bin.
    if (to <= first + 1) return this.#add(row + first, to - Math.max(from, first), fn, isFailed);
    const last = Math.min(TILE_BINS - 1, Math.ceil(to) - 1);
    for (let bin = first; bin <= last; bin++) {
      this.#add(row + bin, Math.min(to, bin + 1) - Math.max(from, bin), fn, isFailed);
    }
  }

  #add(cell: number, part: number, fn: number, isFailed: boolean): void {
    this.busy[cell]! += part;
    const ahead = this.#ahead[cell]!;
    if (this.functions[cell] === fn) this.#ahead[cell] = ahead + part;
    else if (ahead >= part) this.#ahead[cell] = ahead - part;
    else {
      this.functions[cell] = fn;
      this.#ahead[cell] = part - ahead;
    }
    if (!isFailed) return;
    this.failed[cell] = 1;
    this.anyFailed = true;
  }

  /** The same again, to draw on. */
  copy(): Tile {
    const copy = new Tile(this.fromMs, this.binMs, this.firstLane, this.lastLane);
    copy.functions.set(this.functions);
    copy.#ahead.set(this.#ahead);
    copy.busy.set(this.busy);
    copy.failed.set(this.failed);
    copy.anyFailed = this.anyFailed;
    return copy;
  }
}

interface Cursor {
  readonly ended: number;
  readonly tail: number;
}

/** See the module's header. */
export class TileCache {
  readonly #book: JobBook;
  readonly #reader: AttemptReader;
  /** The one that was used last comes last. */
  readonly #tiles: Map<string, Tile> = new Map();
  #cells = 0;
  /** Numbers of functions by kind, as far as kinds have not changed. */
  #colours: Uint8Array = new Uint8Array(0);
  #coloursVersion = -1;

  constructor(book: JobBook, reader: AttemptReader) {
    this.#book = book;
    this.#reader = reader;
  }

  /** The tile as it is now; what is open is not in it. */
  get(z: number, x: number, firstLane: number, lastLane: number): Tile {
    const key = `${z}/${x}/${firstLane}-${lastLane}`;
    let tile = this.#tiles.get(key);
    if (tile !== undefined) this.#tiles.delete(key);
    else {
      const binMs = 2 ** z;
      const fromMs = (this.#book.originMs ?? 0) + x * TILE_BINS * binMs;
      tile = new Tile(fromMs, binMs, firstLane, lastLane);
      this.#cells += tile.cells;
    }
    if (!this.#continue(tile)) {
      tile = new Tile(tile.fromMs, tile.binMs, firstLane, lastLane);
      this.#paintAll(tile);
    }
    this.#tiles.set(key, tile);
    while (this.#cells > CELLS_MAX && this.#tiles.size > 1) {
      const [oldest, dropped] = this.#tiles.entries().next().value!;
      this.#tiles.delete(oldest);
      this.#cells -= dropped.cells;
    }
    return tile;
  }

  /** A function's number by its kind. */
  colours(): Uint8Array {
    const { kinds } = this.#reader.store;
    const version = kinds.version + this.#book.colours.length * 2 ** 32;
    if (version === this.#coloursVersion) return this.#colours;
    this.#coloursVersion = version;
    this.#colours = new Uint8Array(kinds.size);
    for (let kind = 0; kind < kinds.size; kind++) {
      this.#colours[kind] = this.#book.colourOf(kindName(kinds.text(kind)));
    }
    return this.#colours;
  }

  /** Paint what ended since; false when that cannot be told any more, or never was. */
  #continue(tile: Tile): boolean {
    const { finished, failed } = this.#reader.store.ended;
    if (tile.finished.ended + tile.failures.ended === 0) return false;
    const fromFinished = after(tile.finished, finished, this.#reader.store.columns.a.next);
    const fromFailed = after(tile.failures, failed, this.#reader.store.columns.a.next);
    if (fromFinished === null || fromFailed === null) return false;
    const { next } = this.#reader.store.columns.a;
    for (let slot = fromFinished; slot !== NONE; slot = next[slot]!) this.#paint(tile, slot);
    for (let slot = fromFailed; slot !== NONE; slot = next[slot]!) this.#paint(tile, slot);
    this.#atEnd(tile);
    return true;
  }

  /** A million attempts in a few milliseconds: nothing is looked up that the loop can keep. */
  #paintAll(tile: Tile): void {
    const { store } = this.#reader;
    const { flags, submitted, start, run, job, worker, lane, kind } = store.columns.a;
    const { index, lanes: { numbers } } = this.#book;
    const { firstLane, lastLane, fromMs } = tile;
    const toMs = fromMs + TILE_BINS * tile.binMs;
    const colours = this.colours();
    for (let slot = 0; slot < store.size; slot++) {
      const state = flags[slot]! & 7;
      if (state < FINISHED || (index >= 0 && job[slot] !== index)) continue;
      const startMs = submitted[slot]! + start[slot]!;
      const endMs = startMs + run[slot]!;
      // Neither holds for what never began.
      if (!(startMs < toMs && endMs >= fromMs) || worker[slot] === 0) continue;
      const number = numbers[worker[slot]! * SIDE_BY_SIDE + lane[slot]!] ?? -1;
      if (number < firstLane || number > lastLane) continue;
      tile.paint(number, startMs, endMs, colours[kind[slot]!]!, state === FAILED);
    }
    this.#atEnd(tile);
  }

  #paint(tile: Tile, slot: number): void {
    const { flags, submitted, start, run, job, worker, lane, kind } = this.#reader.store.columns.a;
    if (this.#book.index >= 0 && job[slot] !== this.#book.index) return;
    if (worker[slot] === 0 || Number.isNaN(start[slot]!)) return;
    const number = this.#book.lanes.numbers[worker[slot]! * SIDE_BY_SIDE + lane[slot]!] ?? -1;
    if (number < tile.firstLane || number > tile.lastLane) return;
    const startMs = submitted[slot]! + start[slot]!;
    const colours = this.colours();
    tile.paint(number, startMs, startMs + run[slot]!, colours[kind[slot]!]!, (flags[slot]! & 7) === FAILED);
  }

  #atEnd(tile: Tile): void {
    const { finished, failed } = this.#reader.store.ended;
    tile.finished = { ended: finished.count + finished.evicted, tail: finished.tail };
    tile.failures = { ended: failed.count + failed.evicted, tail: failed.tail };
  }
}

/** The first that ended after the cursor (NONE: none did); null when the attempt at the cursor is gone. */
function after(cursor: Cursor, queue: EndedQueue, next: Uint32Array): number | null {
  if (cursor.ended === 0) return queue.evicted === 0 ? queue.head : null;
  if (cursor.ended === queue.count + queue.evicted) return NONE;
  if (queue.evicted >= cursor.ended) return null;
  return next[cursor.tail]!;
}
