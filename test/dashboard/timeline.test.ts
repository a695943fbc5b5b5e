/**
 * The timeline's models, without a browser: time to pixels and back, zoom and tiles, what a pixel shows, which lane stands
 * where, which bar is under the pointer.
 */
import { describe, expect, test } from "bun:test";
import type { TimelineLane } from "../../dashboard/api/timeline.ts";
import { barAt } from "../../dashboard/app/pages/timeline/bars.ts";
import { placeLanes, rowAt, seenRows } from "../../dashboard/app/pages/timeline/lane_rows.ts";
import {
  failedColumns,
  findColumns,
  makePixelTable,
  paintLane,
  rgbOf,
  SHADES,
} from "../../dashboard/app/pages/timeline/raster.ts";
import {
  clampView,
  idleGaps,
  sinceLabel,
  ticksOf,
  TimeWarp,
  wholeView,
  zoomView,
} from "../../dashboard/app/pages/timeline/time_scale.ts";
import {
  readTile,
  TileCache,
  tilesFor,
  tileSpanMs,
  zoomFor,
} from "../../dashboard/app/pages/timeline/tiles.ts";
import { GeneratedJob } from "./generated_job.ts";

describe("time", () => {
  const gaps = [{ fromMs: 100, toMs: 1_100 }, { fromMs: 2_000, toMs: 2_004 }, { fromMs: 5_000, toMs: 9_000 }];

  test("with squeezed gaps runs on without jumps, and each way undoes the other", () => {
    const warp = new TimeWarp(gaps, 10);
    expect(warp.squeeze(100)).toBe(100);
    expect(warp.squeeze(1_100)).toBe(110);
    // The second is shorter than what gaps are squeezed to: it stays.
    expect(warp.squeeze(2_004) - warp.squeeze(2_000)).toBeCloseTo(4, 9);
    expect(warp.squeeze(9_000) - warp.squeeze(5_000)).toBeCloseTo(10, 9);
    let before = -Infinity;
    for (let time = 0; time <= 10_000; time += 13) {
      const squeezed = warp.squeeze(time);
      expect(squeezed).toBeGreaterThan(before);
      expect(warp.time(squeezed)).toBeCloseTo(time, 6);
      before = squeezed;
    }
  });

  test("without gaps is itself", () => {
    const warp = new TimeWarp();
    expect([warp.isPlain, warp.squeeze(17), warp.time(17)]).toEqual([true, 17, 17]);
  });

  test("zoomed at the pointer keeps what is under it, within the bounds", () => {
    const bounds = { from: 0, to: 1_000 };
    const view = zoomView({ from: 200, to: 600 }, 0.5, 0.25, bounds);
    expect(view.from + (view.to - view.from) * 0.25).toBeCloseTo(300, 9);
    expect(view.to - view.from).toBeCloseTo(200, 9);
    const far = zoomView(view, 1e9, 0.5, bounds);
    expect(far.to - far.from).toBeLessThanOrEqual(1_200);
    const near = zoomView(view, 1e-12, 0.5, bounds);
    expect(near.to - near.from).toBeGreaterThan(0);
    expect(clampView({ from: 5_000, to: 5_100 }, bounds).to).toBeLessThanOrEqual(1_010.0001);
    expect(wholeView(bounds)).toEqual({ from: -20, to: 1_020 });
  });

  test("has marks at round times, far enough apart, as precise as needed", () => {
    const ticks = ticksOf({ fromMs: 1_000, toMs: 11_000 }, 1_000, 1_000, 90);
    expect(ticks.map((tick) => tick.label)).toEqual([
      "0",
      "1 s",
      "2 s",
      "3 s",
      "4 s",
      "5 s",
      "6 s",
      "7 s",
      "8 s",
      "9 s",
      "10 s",
    ]);
    const fine = ticksOf({ fromMs: 61_000.0, toMs: 61_000.5 }, 0, 1_000, 90);
    expect(new Set(fine.map((tick) => tick.label)).size).toBe(fine.length);
    expect(sinceLabel(3_725_000, 1_000)).toBe("1:02:05");
    expect(sinceLabel(1_250, 10)).toBe("1.25 s");
    expect(ticksOf({ fromMs: 5, toMs: 5 }, 0, 100)).toEqual([]);
  });

  test("in which nothing ran is found, when it is long enough", () => {
    const busy = [0, 0, 0, 9, 0, 9, 9, 0, 0];
    expect(idleGaps(busy, 100, 10, 20)).toEqual([{ fromMs: 100, toMs: 130 }, { fromMs: 170, toMs: 190 }]);
    expect(idleGaps(busy, 100, 10, 25)).toEqual([{ fromMs: 100, toMs: 130 }]);
  });
});

describe("tiles", () => {
  test("are of the zoom whose bins are no wider than a pixel", () => {
    for (const pixelMs of [0.01, 0.9, 1, 7, 100, 12_345]) {
      const z = zoomFor(pixelMs);
      expect(2 ** z).toBeLessThanOrEqual(pixelMs * 1.000001);
      expect(2 ** (z + 1)).toBeGreaterThan(pixelMs);
    }
    expect(tilesFor(0, 600, 1_500, [0, 2])).toEqual([
      { z: 0, x: 1, chunk: 0 },
      { z: 0, x: 2, chunk: 0 },
      { z: 0, x: 1, chunk: 2 },
      { z: 0, x: 2, chunk: 2 },
    ]);
  });

  test("that have not come are stood in for by coarser ones; the oldest leave", () => {
    const cache = new TileCache();
    const tile = readTile(
      { z: 3, x: 0, lanes: [0, 0], functions: "", busy: "", failed: null, final: true },
      1,
    );
    cache.put({ z: 3, x: 0, chunk: 0 }, tile);
    expect(cache.best({ z: 0, x: 5, chunk: 0 })).toEqual({ tile, z: 3, x: 0 });
    expect(cache.best({ z: 0, x: 8, chunk: 0 })).toBeNull();
    for (let x = 1; x <= 300; x++) cache.put({ z: 0, x, chunk: 1 }, tile);
    expect(cache.size).toBeLessThanOrEqual(256);
    expect(cache.get({ z: 3, x: 0, chunk: 0 })).toBeNull();
  });

  test("show in each pixel what ran there: against the job's own bars", () => {
    const job = new GeneratedJob({ tasks: 2_000 });
    const z = 3, columns = 300, lane = 1;
    const cache = new TileCache();
    for (const { x } of tilesFor(z, 0, columns * 2 ** z, [0])) {
      cache.put({ z, x, chunk: 0 }, readTile(job.tile(z, x, [0, 63]), 1));
    }
    const times = Float64Array.from({ length: columns + 1 }, (_, i) => i * 2 ** z);
    const found = findColumns(cache, z, 0, times);
    const table = makePixelTable(Array.from({ length: 6 }, (_, i) => [i + 1, 0, 0] as const), [0, 0, 0], [
      0,
      0,
      0,
    ]);
    const pixels = new Uint32Array(columns);
    paintLane(pixels, 0, found, lane, table);
    const answer = job.bars(job.startMs, job.startMs + columns * 2 ** z, [lane, lane]);
    const bars = answer.bars!;
    expect(bars.length).toBeGreaterThan(20);
    for (let column = 0; column < columns; column++) {
      const [from, to] = [job.startMs + times[column]!, job.startMs + times[column + 1]!];
      const ran = bars.some((bar) => bar.startMs < to && bar.endMs! > from);
      expect(pixels[column] !== 0, `column ${column}`).toBe(ran);
      const whole = bars.find((bar) => bar.startMs <= from && bar.endMs! >= to);
      if (whole !== undefined) expect(pixels[column]).toBe(table[(whole.fn + 1) * (SHADES + 1) + SHADES]!);
    }
    const failed = bars.filter((bar) => bar.state === "FAILED");
    const marks = failedColumns(found, lane);
    expect(marks.length > 0).toBe(failed.length > 0);
    expect(tileSpanMs(z)).toBe(4_096);
  });

  test("read colours as the style sheet writes them", () => {
    expect([rgbOf("#fff"), rgbOf(" #0a1B2c"), rgbOf("rgb(1, 2 3)"), rgbOf("nonsense")]).toEqual([
      [255, 255, 255],
      [10, 27, 44],
      [1, 2, 3],
      [128, 128, 128],
    ]);
  });
});

describe("lanes", () => {
  const { lanes } = new GeneratedJob({ tasks: 10, nodes: 2, slots: 2, actors: 1 });

  test("stand by node, workers before actors, and fill the room", () => {
    const placed = placeLanes(lanes, new Set(), 400);
    expect(placed.rows.map((row) => row.lane)).toEqual([-1, 0, 1, 4, -1, 2, 3]);
    expect(placed.laneHeight).toBe(26);
    expect(placeLanes(lanes, new Set(), 10).laneHeight).toBe(9);
  });

  test("that are pinned stay in view however far the others are scrolled", () => {
    const many: TimelineLane[] = Array.from({ length: 200 }, (_, lane) => ({
      lane,
      nodeId: "n-1",
      workerId: `w-${lane}`,
      slot: 0,
      actorId: null,
      label: "",
    }));
    const placed = placeLanes(many, new Set([3]), 300);
    const seen = seenRows(placed, 900, 300);
    expect(seen[0]!.lane).toBe(3);
    expect(rowAt(seen, 4)!.lane).toBe(3);
    expect(rowAt(seen, placed.pinnedHeight + 40)!.lane).toBeGreaterThan(90);
    expect(seen.length).toBeLessThan(45);
  });
});

describe("the bar under the pointer", () => {
  const bar = (lane: number, startMs: number, endMs: number | null) => ({
    taskId: `t-${startMs}`,
    attempt: 0,
    lane,
    fn: 0,
    name: "f",
    state: "FINISHED" as const,
    submittedMs: startMs,
    pushedMs: null,
    startMs,
    endMs,
  });
  const loaded = {
    fromMs: 0,
    toMs: 100,
    lanes: [0, 1] as const,
    bars: [bar(0, 10, 20), bar(0, 24, null), bar(1, 0, 90)],
  };

  test("is the one there, else the nearest within a few pixels, in its own lane", () => {
    const at = (lane: number, ms: number): string | undefined => barAt(loaded, lane, ms, 3, 60)?.taskId;
    expect([at(0, 15), at(0, 21), at(0, 23), at(0, 59), at(0, 66), at(0, 5), at(1, 15)])
      .toEqual(["t-10", "t-10", "t-24", "t-24", undefined, undefined, "t-0"]);
  });
});
