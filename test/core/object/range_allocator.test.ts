/**
 * The range allocator: reuse before growth, merging, limits, and random runs that check every range.
 */
import { expect, test } from "bun:test";
import { Prng } from "../../../runtime/common/prng.ts";
import { RangeAllocator } from "../../../runtime/core/object/range_allocator.ts";
import { RecentSet } from "../../../runtime/core/object/recent_set.ts";

test("a freed range is used before a fresh one, the smallest that fits first", () => {
  const ranges = new RangeAllocator(1000, 10);
  const starts = [50, 10, 30, 10, 100].map((bytes) => ranges.allocate(bytes)!);
  expect(starts).toEqual([0, 50, 60, 90, 100]);
  ranges.free(0, 50);
  ranges.free(60, 30);
  expect(ranges.wouldExtend(25)).toBe(false);
  expect(ranges.allocate(25)).toBe(60);
  expect(ranges.allocate(45)).toBe(0);
  expect(ranges.wouldExtend(1)).toBe(true);
  expect(ranges.allocate(1)).toBe(200);
});

test("free neighbours merge on both sides, and the last one grows into fresh bytes", () => {
  const ranges = new RangeAllocator(1000, 10);
  for (let n = 0; n < 4; n++) ranges.allocate(20);
  ranges.free(0, 20);
  ranges.free(40, 20);
  ranges.free(20, 20);
  expect(ranges.allocate(60)).toBe(0);
  ranges.free(60, 20);
  expect(ranges.allocate(50)).toBe(60);
  expect(ranges.top).toBe(110);
  ranges.check([[0, 60], [60, 50]]);
});

test("capacity and limit are hard", () => {
  const ranges = new RangeAllocator(105, 10);
  expect(ranges.capacity).toBe(100);
  ranges.setLimit(55);
  expect(ranges.allocate(60)).toBeNull();
  expect(ranges.allocate(50)).toBe(0);
  expect(ranges.allocate(1)).toBeNull();
  ranges.setLimit(1e9);
  expect(ranges.allocate(51)).toBeNull();
  expect(ranges.allocate(50)).toBe(50);
});

test("random runs keep ranges apart and give everything back", () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
  for (let run = 0; run < 60; run++) {
    const prng = new Prng(seed + run);
    const ranges = new RangeAllocator(100_000, 16);
    const used: [number, number][] = [];
    try {
      for (let n = 0; n < 400; n++) {
        const bytes = prng.between(1, prng.pick([50, 400, 5_000]));
        const start = prng.chance(55) ? ranges.allocate(bytes) : null;
        if (start !== null) used.push([start, bytes]);
        else if (used.length > 0) ranges.free(...used.splice(prng.below(used.length), 1)[0]!);
        ranges.check(used);
      }
      for (const range of used.splice(0)) ranges.free(...range);
      ranges.check([]);
      expect(ranges.usedBytes).toBe(0);
      expect(ranges.wouldExtend(ranges.top)).toBe(false);
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
