/** Batches of actors: what goes in comes out, and what they have in common is said once. */
import { expect, test } from "bun:test";
import {
  haveCommonSpec,
  packArguments,
  packSpecs,
  unpackActors,
} from "../../runtime/common/actor_batches.ts";
import type { ActorId } from "../../runtime/common/ids.ts";
import type { ActorSpec } from "../../runtime/common/task_spec.ts";
import { actorSpec, N1, O1 } from "../core/gcs/fixtures.ts";

const base = actorSpec({ isolation: "shared" });
const specs: ActorSpec[] = [1, 2, 3].map((n) => ({
  ...base,
  actorId: `a-${n}` as ActorId,
  args: n === 2 ? [{ id: O1, home: N1, bytes: 7 }] : [],
}));
const blocks = [Uint8Array.of(1, 2), new Uint8Array(0), Uint8Array.of(9)];

test("a batch gives back every actor with its own arguments, after a way as JSON too", () => {
  const { argBytes, block } = packArguments(blocks);
  const batch = JSON.parse(JSON.stringify({ ...packSpecs(specs), argBytes }));
  const actors = unpackActors(batch, block);
  expect(actors.map(({ spec }) => spec)).toEqual(specs);
  expect(actors.map(({ args }) => [...args])).toEqual([[1, 2], [], [9]]);
  // Whatever is no id or argument is one object for all of them.
  expect(haveCommonSpec(actors[0]!.spec, actors[2]!.spec)).toBe(true);
  expect(actors[0]!.spec.methods).toBe(actors[1]!.spec.methods);
});

test("a block that is longer or shorter than the batch says is refused", () => {
  const { argBytes, block } = packArguments(blocks);
  const batch = { ...packSpecs(specs), argBytes };
  expect(() => unpackActors(batch, block.slice(1))).toThrow(RangeError);
  expect(() => unpackActors({ ...batch, argBytes: [2, 0] }, block)).toThrow(RangeError);
});

test("actors that differ in anything else are not of one batch", () => {
  const other: ActorSpec = { ...base, actorId: "a-9" as ActorId };
  expect(haveCommonSpec(base, other)).toBe(true);
  expect(haveCommonSpec(base, { ...base, maxRestarts: base.maxRestarts + 1 })).toBe(false);
  expect(haveCommonSpec(base, { ...base, callSite: "here" })).toBe(false);
});
