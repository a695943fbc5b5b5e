/**
 * The range allocator: reuse before growth, merging, limits, and random runs that check every range.
 */
import { expect, test } from "bun:test";
import { Prng } from "../../../runtime/common/prng.ts";
import { RangeAllocator } from "../../../runtime/core/object/range_allocator.ts";
import { RecentSet } from "../../../runtime/core/object/recent_set.ts";

function start(ranges: RangeAllocator, bytes: number): number | null {
  return ranges.allocate(bytes)?.offset ?? null;
}

test("a freed range is used before a fresh one, the smallest that fits first", () => {
  const ranges = new RangeAllocator(1000, 10);
  const starts = [50, 10, 30, 10, 100].map((bytes) => start(ranges, bytes));
  expect(starts).toEqual([0, 50, 60, 90, 100]);
  ranges.free(0, 50);
  ranges.free(60, 30);
  expect(ranges.wouldExtend(25)).toBe(false);
  expect(start(ranges, 25)).toBe(60);
  expect(start(ranges, 45)).toBe(0);
  expect(ranges.wouldExtend(1)).toBe(true);
  expect(start(ranges, 1)).toBe(200);
});

test("free neighbours merge on both sides, and the last one grows into fresh bytes", () => {
  const ranges = new RangeAllocator(1000, 10);
  for (let n = 0; n < 4; n++) ranges.allocate(20);
  ranges.free(0, 20);
  ranges.free(40, 20);
  ranges.free(20, 20);
  expect(start(ranges, 60)).toBe(0);
  ranges.free(60, 20);
  expect(start(ranges, 50)).toBe(60);
  expect(ranges.top).toBe(110);
  ranges.check([[0, 60], [60, 50]]);
});

test("capacity and limit are hard", () => {
  const ranges = new RangeAllocator(105, 10);
  expect(ranges.capacity).toBe(100);
  ranges.setLimit(55);
  expect(start(ranges, 60)).toBeNull();
  expect(start(ranges, 50)).toBe(0);
  expect(start(ranges, 1)).toBeNull();
  ranges.setLimit(1e9);
  expect(start(ranges, 51)).toBeNull();
  expect(start(ranges, 50)).toBe(50);
});

test("a large range is found between small ones: pages of free ranges are dropped for it", () => {
  const ranges = new RangeAllocator(100, 10, 400);
  for (let n = 0; n < 10; n++) ranges.allocate(10);
  for (let n = 0; n < 10; n += 2) ranges.free(n * 10, 10);
  expect(ranges.allocate(60)).toBeNull();
  expect(ranges.allocate(50)).toEqual({
    offset: 100,
    isCold: false,
    dropped: [[80, 10], [60, 10], [40, 10], [20, 10], [0, 10]],
  });
  expect(ranges.warmBytes).toBe(100);
  ranges.free(100, 50);
  ranges.free(10, 10);
  // Warm pages first, although they lie higher.
  expect(ranges.allocate(20)).toEqual({ offset: 100, isCold: false, dropped: [] });
  const used: [number, number][] = [[30, 10], [50, 10], [70, 10], [90, 10], [100, 20]];
  ranges.check(used);
  expect(ranges.allocate(40)).toEqual({ offset: 120, isCold: false, dropped: [[10, 10]] });
  ranges.check([...used, [120, 40]]);
});

test("a cold range is taken again, and says so", () => {
  const ranges = new RangeAllocator(100, 10, 150);
  for (let n = 0; n < 10; n++) ranges.allocate(10);
  for (const n of [0, 1, 2, 4, 6]) ranges.free(n * 10, 10);
  expect(ranges.allocate(50)!.dropped).toEqual([[0, 30], [60, 10], [40, 10]]);
  ranges.free(100, 50);
  ranges.allocate(20);
  expect(ranges.allocate(30)).toEqual({ offset: 120, isCold: false, dropped: [] });
  ranges.free(30, 10);
  ranges.free(50, 10);
  ranges.free(70, 10);
  expect(ranges.allocate(30)).toEqual({ offset: 0, isCold: true, dropped: [[70, 10], [50, 10], [30, 10]] });
});

test("random runs keep ranges apart and give everything back", () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
  for (let run = 0; run < 90; run++) {
    const prng = new Prng(seed + run);
    const span = prng.pick([100_000, 200_000, 400_000]);
    const ranges = new RangeAllocator(100_000, 16, span);
    const used: [number, number][] = [];
    /** Granules whose pages exist, as the kernel would know. */
    const pages = new Set<number>();
    try {
      for (let n = 0; n < 400; n++) {
        const bytes = prng.between(1, prng.pick([50, 400, 5_000, 40_000]));
        const range = prng.chance(55) ? ranges.allocate(bytes) : null;
        if (range !== null) {
          const { offset, dropped, isCold } = range;
          for (const [from, length] of dropped) {
            for (let at = from; at < from + length; at += 16) expect(pages.delete(at)).toBe(true);
          }
          if (isCold) expect(pages.has(offset)).toBe(false);
          for (let at = offset; at < offset + bytes; at += 16) pages.add(at);
          expect(pages.size * 16).toBeLessThanOrEqual(100_000);
          used.push([offset, bytes]);
        } else if (used.length > 0) ranges.free(...used.splice(prng.below(used.length), 1)[0]!);
        ranges.check(used);
        expect(ranges.warmBytes).toBe(pages.size * 16);
        if (span === 100_000) expect(ranges.warmBytes).toBe(ranges.top);
      }
      for (const range of used.splice(0)) ranges.free(...range);
      ranges.check([]);
      expect(ranges.usedBytes).toBe(0);
    } catch (error) {
      throw new Error(`seed ${seed + run}: ${(error as Error).message}`, { cause: error });
    }
  }
});

test("a recent set forgets the oldest values", () => {
  const recent = new RecentSet<number>(10);
  for (let n = 0; n < 100; n++) {
    recent.add(n);
    expect(recent.size).toBeLessThanOrEqual(10);
    expect(recent.has(n - 4) || n < 4).toBe(true);
  }
  expect(recent.has(80)).toBe(false);
  recent.delete(99);
  expect(recent.has(99)).toBe(false);
});
