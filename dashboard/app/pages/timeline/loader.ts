/**
 * Fetches what the timeline is drawn from: tiles, a few at a time and the newest wishes first, and the single bars of the
 * view once it rests. Answers that come late for a view that has moved on are still kept: they may be needed again.
 * @module
 */
import {
  BARS_MAX,
  type TimelineBarsDto,
  type TimelineLanesDto,
  type TimelineTileDto,
} from "../../../api/timeline.ts";
import { ask, question } from "../../models/query.ts";
import type { LoadedBars } from "./bars.ts";
import { readTile, TILE_LANES, type TileAddress, TileCache, tileKey, tileSpanMs } from "./tiles.ts";
import type { TimeRange } from "./time_scale.ts";

/** Requests at once: browsers open six connections to a host, and one is the stream. */
const REQUESTS_MAX = 4;
/** A tile that is not final is asked for again at the earliest after this time; where little is expected, less often. */
const RENEW_MS = 900;
const RENEW_SELDOM_MS = 3_000;
/** What ended so long before the newest is told of but for stragglers. */
const TOLD_MS = 1_500;
/** So long each bar of the last answer keeps the next one away: many viewers of a busy job stay cheap. */
const RENEW_MS_PER_BAR = 1.2;
/** The view must rest so long before its bars are asked for. */
const REST_MS = 70;
/** Where this many times the most bars are expected, the question is spared. */
const HOPELESS = 12;
const RETRY_MS = 2_000;

export class TimelineLoader {
  readonly tiles = new TileCache();
  readonly #job: string | null;
  readonly #onChange: () => void;
  readonly #askedMs = new Map<string, number>();
  readonly #inFlight = new Set<string>();
  #wanted: readonly TileAddress[] = [];
  /** How many of `#wanted`, from the first, are the strip's. */
  #strip = 0;
  #dto: TimelineLanesDto | null = null;
  #bars: LoadedBars | null = null;
  #barsVersion = -1;
  #barsMs = -Infinity;
  /** A stretch that had too many bars: no use in asking for it, or for more, again. */
  #tooMany:
    | { readonly range: TimeRange; readonly lanes: readonly [number, number]; readonly version: number }
    | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #again: ReturnType<typeof setTimeout> | undefined;
  #abort: AbortController = new AbortController();
  #failure: string | null = null;
  #isAskingBars = false;
  /** After a failure bars are not asked for before this time. */
  #quietUntilMs = 0;

  constructor(job: string | null, onChange: () => void) {
    this.#job = job;
    this.#onChange = onChange;
  }

  /** Why the last request failed; null when it did not. */
  get failure(): string | null {
    return this.#failure;
  }

  stop(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#again);
    this.#abort.abort();
  }

  setData(dto: TimelineLanesDto): void {
    this.#dto = dto;
  }

  /** What the picture needs now: the strip above, and the lanes. Replaces what was wanted before. */
  wantTiles(strip: readonly TileAddress[], lanes: readonly TileAddress[]): void {
    this.#wanted = [...strip, ...lanes];
    this.#strip = strip.length;
    this.#fetchTiles();
  }

  #fetchTiles(): void {
    const dto = this.#dto;
    if (dto === null) return;
    for (const [i, address] of this.#wanted.entries()) {
      if (this.#inFlight.size >= REQUESTS_MAX) return;
      const key = tileKey(address);
      if (this.#inFlight.has(key)) continue;
      const tile = this.tiles.get(address);
      if (tile !== null && (tile.isFinal || tile.version === dto.version)) continue;
      // Of the strip above, and of what is past.
      const isSeldom = i < this.#strip ||
        (address.x + 1) * tileSpanMs(address.z) < dto.toMs - dto.originMs - TOLD_MS;
      const renewMs = isSeldom && tile !== null ? RENEW_SELDOM_MS : RENEW_MS;
      const waitMs = (this.#askedMs.get(key) ?? -Infinity) + renewMs - performance.now();
      if (waitMs > 0) this.#lookAgain(waitMs);
      if (waitMs > 0) continue;
      void this.#fetchTile(address, key, dto);
    }
  }

  /** What is too early to renew now is looked at again later, also when nothing else happens. */
  #lookAgain(waitMs: number): void {
    this.#again ??= setTimeout(() => {
      this.#again = undefined;
      this.#onChange();
    }, waitMs);
  }

  async #fetchTile(address: TileAddress, key: string, dto: TimelineLanesDto): Promise<void> {
    const isNew = this.tiles.get(address) === null;
    this.#inFlight.add(key);
    if (this.#askedMs.size > 4_000) this.#askedMs.clear();
    this.#askedMs.set(key, performance.now());
    const first = address.chunk * TILE_LANES;
    const last = Math.min(first + TILE_LANES, Math.max(dto.lanesTotal, dto.lanes.length)) - 1;
    try {
      const { z, x } = address;
      const answer = await ask<TimelineTileDto>(
        question("timeline/tile", { job: this.#job, z, x, lanes: `${first}-${last}` }),
        this.#abort.signal,
      );
      this.tiles.put(address, readTile(answer, dto.version));
      this.#failure = null;
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      this.#failure = (error as Error).message;
    }
    this.#inFlight.delete(key);
    this.#fetchTiles();
    // What is only renewed is drawn with the others that are.
    if (isNew || this.#inFlight.size === 0) this.#onChange();
    else this.#lookAgain(RENEW_MS);
  }

  /** The bars of the view when all of them are here; else they are asked for, unless there are too many. */
  barsOf(range: TimeRange, lanes: readonly [number, number]): LoadedBars | null {
    const dto = this.#dto;
    if (dto === null) return null;
    const has = this.#bars !== null && covers(this.#bars, range, lanes);
    const restMs = Math.max(RENEW_MS, (this.#bars?.bars.length ?? 0) * RENEW_MS_PER_BAR);
    const waitMs = this.#barsVersion === dto.version ? Infinity : this.#barsMs + restMs - performance.now();
    if (!has || waitMs <= 0) this.#askBarsSoon(range, lanes, dto);
    else if (waitMs < Infinity) this.#lookAgain(waitMs);
    return has ? this.#bars : null;
  }

  #askBarsSoon(range: TimeRange, lanes: readonly [number, number], dto: TimelineLanesDto): void {
    clearTimeout(this.#timer);
    const known = this.#tooMany;
    if (known !== null && covers({ ...range, lanes }, known.range, known.lanes)) return;
    const whole = Math.max(1, dto.toMs - dto.fromMs);
    const expected = dto.bars * (range.toMs - range.fromMs) / whole *
      Math.min(1, (lanes[1] - lanes[0] + 1) / Math.max(1, dto.lanes.length));
    if (expected > HOPELESS * BARS_MAX) return;
    this.#timer = setTimeout(() => void this.#askBars(range, lanes, dto), this.#bars === null ? 0 : REST_MS);
  }

  /** First with a margin, so that a little panning needs no question; when that is too much, just the view. */
  async #askBars(range: TimeRange, lanes: readonly [number, number], dto: TimelineLanesDto): Promise<void> {
    if (this.#isAskingBars || performance.now() < this.#quietUntilMs) return;
    this.#isAskingBars = true;
    const span = range.toMs - range.fromMs;
    const wide = { fromMs: range.fromMs - span / 2, toMs: range.toMs + span / 2 };
    try {
      for (const part of [wide, range]) {
        const answer = await ask<TimelineBarsDto>(
          question("timeline/bars", {
            job: this.#job,
            from: part.fromMs + dto.originMs,
            to: part.toMs + dto.originMs,
            lanes: `${lanes[0]}-${lanes[1]}`,
          }),
          this.#abort.signal,
        );
        if (answer.bars !== undefined) {
          this.#bars = { ...part, lanes, bars: answer.bars };
          this.#barsVersion = dto.version;
          this.#barsMs = performance.now();
          this.#tooMany = null;
          break;
        }
        if (part === range) this.#tooMany = { range, lanes, version: dto.version };
      }
      this.#failure = null;
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      this.#failure = (error as Error).message;
      this.#quietUntilMs = performance.now() + RETRY_MS;
    } finally {
      this.#isAskingBars = false;
    }
    this.#onChange();
  }
}

function covers(
  loaded: TimeRange & { readonly lanes: readonly [number, number] },
  range: TimeRange,
  lanes: readonly [number, number],
): boolean {
  return loaded.fromMs <= range.fromMs && loaded.toMs >= range.toMs && loaded.lanes[0] <= lanes[0] &&
    loaded.lanes[1] >= lanes[1];
}
