/** The generator that decisions and simulations draw from: equal on every engine, and fair enough. */
import { expect, test } from "bun:test";
import { Prng } from "../../runtime/common/prng.ts";

test("one seed gives one sequence, these very numbers", () => {
  const prng = new Prng(42);
  expect([prng.uint32(), prng.uint32(), prng.uint32()]).toEqual([1518397874, 271658881, 2061353271]);
  const again = new Prng(42);
  expect(again.uint32()).toBe(1518397874);
  expect(new Prng(43).uint32()).not.toBe(1518397874);
});

test("below, between, chance and pick stay in range and reach every value", () => {
  const prng = new Prng(1);
  const seen = new Set<number>();
  for (let index = 0; index < 2_000; index++) seen.add(prng.below(10));
  expect([...seen].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  for (let index = 0; index < 2_000; index++) {
    const value = prng.between(-3, 3);
    expect(value >= -3 && value <= 3).toBe(true);
  }
  let hits = 0;
  for (let index = 0; index < 10_000; index++) if (prng.chance(25)) hits++;
  expect(hits).toBeGreaterThan(2_300);
  expect(hits).toBeLessThan(2_700);
  expect(["a", "b"]).toContain(prng.pick(["a", "b"]));
  expect(() => prng.pick([])).toThrow(RangeError);
});

test("a fork has a sequence of its own", () => {
  const prng = new Prng(5);
  const fork = prng.fork();
  expect(fork.uint32()).not.toBe(prng.uint32());
});
