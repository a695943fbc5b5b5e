/**
 * Whom a holder refers whom to: trees that grow evenly, askers that are never sent to themselves, and an end to every walk.
 */
import { afterEach, beforeEach, expect, test } from "bun:test";
import type { NodeId, ObjectId } from "../../../runtime/common/ids.ts";
import { Prng } from "../../../runtime/common/prng.ts";
import { FAN_OUT, FanOut } from "../../../runtime/core/object/fan_out.ts";

const id = "o-x-1" as ObjectId;
const other = "o-x-2" as ObjectId;
const n = (name: string | number) => `n-${name}` as NodeId;

let fanOut: FanOut;
beforeEach(() => {
  fanOut = new FanOut();
});
afterEach(() => fanOut.check());

test("the first askers are sent the object, further ones are referred to these in turn", () => {
  expect(fanOut.ask(id, n("a"), false)).toBeNull();
  expect(fanOut.ask(id, n("b"), false)).toBeNull();
  expect(fanOut.ask(id, n("c"), false)).toEqual([n("a"), n("b")]);
  expect(fanOut.ask(id, n("d"), false)).toEqual([n("b"), n("a")]);
  expect(fanOut.ask(id, n("e"), false)).toEqual([n("a"), n("b")]);
  expect(fanOut.ask(other, n("c"), false)).toBeNull();
});

test("a place is free again when its stream is over", () => {
  for (const name of ["a", "b"]) fanOut.ask(id, n(name), false);
  fanOut.ended(id, n("a"));
  expect(fanOut.ask(id, n("c"), false)).toBeNull();
  expect(fanOut.ask(id, n("a"), false)).toEqual([n("b"), n("c")]);
});

test("who insists is sent it, and others can be referred there", () => {
  for (const name of ["a", "b"]) fanOut.ask(id, n(name), false);
  expect(fanOut.ask(id, n("c"), true)).toBeNull();
  fanOut.ask(id, n("d"), false);
  fanOut.ask(id, n("d"), false);
  expect(fanOut.ask(id, n("d"), false)![0]).toBe(n("c"));
});

test("who comes back while its broken stream is not over yet keeps its place and is not referred to itself", () => {
  for (const name of ["a", "b"]) fanOut.ask(id, n(name), false);
  expect(fanOut.ask(id, n("a"), false)).toBeNull();
  fanOut.ended(id, n("a"));
  expect(fanOut.ask(id, n("c"), false)).toEqual([n("a"), n("b")]);
  fanOut.ended(id, n("a"));
  expect(fanOut.ask(id, n("c"), false)).toBeNull();
});

test("many askers make a tree: each node sends to few, and each finds its place in a few steps", () => {
  const seed = Date.now() >>> 0;
  console.log(`fan_out.test seed ${seed}`);
  const prng = new Prng(seed);
  const nodes = new Map([[n("source"), new FanOut()]]);
  const askers = Array.from({ length: 500 }, (_, index) => n(index));
  let longest = 0;
  while (askers.length > 0) {
    const asker = askers.splice(prng.below(askers.length), 1)[0]!;
    let steps = 0;
    for (let at = n("source");; steps++) {
      const holders = nodes.get(at)!.ask(id, asker, false);
      if (holders === null) break;
      expect(holders.length).toBeLessThanOrEqual(FAN_OUT);
      at = holders[0]!;
    }
    longest = Math.max(longest, steps);
    nodes.set(asker, new FanOut());
  }
  // 2 + 4 + … + 256 are more than 500.
  expect(longest).toBeLessThan(8);
  for (const machine of nodes.values()) machine.check();
});
