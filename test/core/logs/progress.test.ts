/** How a driver's tasks get on: what is shown, how fast, how long yet, and when a line is worth printing. */
import { expect, test } from "bun:test";
import { barLine, groupText, Progress, type ProgressCounts } from "../../../runtime/core/logs/progress.ts";

const counts = (
  name: string,
  finished: number,
  open: number,
  more: Partial<ProgressCounts> = {},
): ProgressCounts => ({
  name,
  finished,
  failed: 0,
  open,
  running: Math.min(open, 2),
  ...more,
});

test("nothing is shown of a moment's work, nor of a few tasks; then rates and what is left", () => {
  const progress = new Progress();
  expect(progress.groups(0, [counts("work", 0, 100)])).toEqual([]);
  expect(progress.groups(1_999, [counts("work", 20, 80)])).toEqual([]);
  const [group] = progress.groups(2_000, [counts("work", 20, 80)]);
  expect(group).toMatchObject({ done: 20, total: 100, rate: 10, etaMs: 8_000 });
  expect(groupText(group!)).toBe("work 20/100 (20 %), 2 running, 10/s, 8 s left");
  const few = new Progress();
  few.groups(0, [counts("few", 0, 9)]);
  expect(few.groups(60_000, [counts("few", 0, 9)])).toEqual([]);
});

test("five functions at most, those with the most to do; what has ended is gone", () => {
  const progress = new Progress();
  const all = ["a", "b", "c", "d", "e", "f", "g"].map((name, i) => counts(name, 10, i));
  progress.groups(0, all);
  expect(progress.groups(5_000, all).map(({ name }) => name)).toEqual(["g", "f", "e", "d", "c"]);
  expect(progress.groups(6_000, all.map((one) => ({ ...one, open: 0 })))).toEqual([]);
  // Other work begins anew.
  expect(progress.groups(7_000, all)).toEqual([]);
});

test("rates are of the last ten seconds", () => {
  const progress = new Progress();
  for (let second = 0; second <= 20; second++) {
    progress.groups(second * 1_000, [counts("work", second * 100, 500)]);
  }
  const [slow] = progress.groups(30_000, [counts("work", 2_000, 500)]);
  expect(slow!.rate).toBe(0);
  expect(slow!.etaMs).toBeNull();
});

test("without a terminal there is a line for each tenth, and every 30 s when nothing moves", () => {
  const progress = new Progress();
  const lines: (number | null)[] = [];
  for (let second = 0; second <= 100; second++) {
    const nowMs = 1_000_000 + second * 1_000;
    const groups = progress.groups(nowMs, [
      counts("work", Math.min(second, 50) * 2, 200 - Math.min(second, 50) * 2),
    ]);
    if (progress.line(nowMs, groups) !== null) lines.push(second);
  }
  expect(lines).toEqual([2, 10, 20, 30, 40, 50, 80]);
});

test("a bar fits its line", () => {
  const progress = new Progress();
  const some = [counts("aFunctionWithAVeryLongNameIndeed", 50, 50, { failed: 3 })];
  progress.groups(0, some);
  const [group] = progress.groups(3_000, some);
  for (const width of [40, 80, 200]) expect(barLine(group!, width).length).toBeLessThan(width);
  expect(barLine(group!, 120)).toMatch(
    /^aFunctionWithAVeryLongN… █+░+ {2}53\/103 {2}2 running {2}3 failed {2}0\.0\/s/,
  );
});
