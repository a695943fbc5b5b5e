/** The double-ended queue, short and long. */
import { expect, test } from "bun:test";
import { Deque } from "../../runtime/common/deque.ts";
import { Prng } from "../../runtime/common/prng.ts";

test("whatever is done at both ends, it holds what an array would", () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const prng = new Prng(seed);
  const deque = new Deque<number>();
  let model: number[] = [];
  let next = 0;
  for (let round = 0; round < 400; round++) {
    const kind = prng.below(6);
    for (let times = prng.below(3_000); times > 0; times--) {
      if (kind < 2) {
        deque.push(next);
        model.push(next++);
      } else if (kind === 2 && times < 1_500) {
        deque.unshift(next);
        model.unshift(next++);
      } else if (kind > 2) {
        expect([seed, deque.peek()]).toEqual([seed, model[0]]);
        expect([seed, deque.shift()]).toEqual([seed, model.shift()]);
      }
    }
    if (prng.chance(10)) {
      const odd = model.filter((value) => value % 2 === 1);
      expect(deque.removeWhere((value) => value % 2 === 1)).toEqual(odd);
      model = model.filter((value) => value % 2 === 0);
    }
    expect(deque.length).toBe(model.length);
    expect([...deque]).toEqual(model);
    if (prng.chance(3)) {
      deque.clear();
      model = [];
    }
  }
});

test("a million in and out again are in order", () => {
  const deque = new Deque<number>();
  for (let value = 0; value < 1_000_000; value++) deque.push(value);
  let wrong = 0;
  for (let value = 0; value < 1_000_000; value++) if (deque.shift() !== value) wrong++;
  expect([wrong, deque.length, deque.shift()]).toEqual([0, 0, undefined]);
});
