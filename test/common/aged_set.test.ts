/** The set that knows its oldest value. */
import { expect, test } from "bun:test";
import { AgedSet } from "../../runtime/common/aged_set.ts";
import { Prng } from "../../runtime/common/prng.ts";

test("the oldest leaves first; what is added again is the newest, what was deleted is never answered", () => {
  const set = new AgedSet<string>();
  for (const value of ["a", "b", "c", "a", "d"]) set.add(value);
  expect([...set]).toEqual(["b", "c", "a", "d"]);
  expect(set.delete("c")).toBe(true);
  expect(set.delete("c")).toBe(false);
  expect([set.takeOldest(), set.takeOldest(), set.takeOldest(), set.takeOldest()])
    .toEqual(["b", "a", "d", undefined]);
  expect(set.size).toBe(0);
});

test("whatever comes and goes, it answers as a Set does whose values are added anew", () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const prng = new Prng(seed);
  const set = new AgedSet<number>();
  const model = new Set<number>();
  for (let round = 0; round < 20_000; round++) {
    const value = prng.below(100);
    const kind = prng.below(4);
    if (kind < 2) {
      set.add(value);
      model.delete(value);
      model.add(value);
    } else if (kind === 2) expect([seed, set.delete(value)]).toEqual([seed, model.delete(value)]);
    else {
      const oldest = [...model][0];
      if (oldest !== undefined) model.delete(oldest);
      expect([seed, set.takeOldest()]).toEqual([seed, oldest]);
    }
    if (round % 100 === 0) expect([seed, ...set]).toEqual([seed, ...model]);
    expect([set.has(value), set.size]).toEqual([model.has(value), model.size]);
  }
});
