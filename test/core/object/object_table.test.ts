/**
 * The object table as a pure machine: whole effect lists for each rule, then random runs that check the invariants after
 * every step (a failing run prints its seed).
 */
import { afterEach, beforeEach, expect, test } from "bun:test";
import type { NodeId, ObjectId, ProcessId } from "../../../runtime/common/ids.ts";
import { Prng } from "../../../runtime/common/prng.ts";
import { CREATORS_WAITING_MAX } from "../../../runtime/core/object/creator_line.ts";
import { ObjectTable } from "../../../runtime/core/object/object_table.ts";
import type { Seal, TableEffect, TableEvent } from "../../../runtime/core/object/object_table_types.ts";

const K = 1024;
const o = (n: number | string) => `o-x-${n}` as ObjectId;
const primary: Seal = {
  home: "n-a" as NodeId,
  owner: "d-1" as ProcessId,
  isError: false,
  producer: "make",
  primary: true,
};
const copy: Seal = { ...primary, primary: false };

let table: ObjectTable;
let nowMs: number;
beforeEach(() => {
  table = new ObjectTable({ capacity: 10 * K, granuleBytes: K, graceMs: 100 });
  nowMs = 1000;
});
afterEach(() => table.check());

function step(event: TableEvent): readonly TableEffect[] {
  const effects = table.step(nowMs, event);
  table.check();
  return effects;
}
const create = (n: number | string, size: number, holder = "w-1", inline = false) =>
  step({ type: "create", requestId: `r${n}`, holder, id: o(n), size, inline });
const seal = (n: number | string, how: Seal = primary, holder = "w-1") =>
  step({ type: "seal", holder, id: o(n), seal: how });
function put(n: number | string, size: number, how: Seal = primary): number | null {
  const [granted] = create(n, size);
  if (granted?.type !== "granted") throw new Error(`not granted: ${JSON.stringify(granted)}`);
  seal(n, how);
  return granted.offset;
}
const pin = (n: number | string, holder = "w-2") => step({ type: "pin", holder, id: o(n) });
const unpin = (n: number | string, count = 1, holder = "w-2") =>
  step({ type: "unpin", holder, id: o(n), count });

test("a created object is found once it is sealed", () => {
  expect(create(1, 1500)).toEqual([{ type: "granted", requestId: "r1", id: o(1), offset: 0 }]);
  expect(table.get(o(1))).toBeUndefined();
  const report = {
    id: o(1),
    bytes: 1500,
    producer: "make",
    home: "n-a",
    owner: "d-1",
    isError: false,
    primary: true,
  };
  expect(seal(1) as unknown).toEqual([{ type: "sealed", id: o(1), first: true, report }]);
  expect(table.get(o(1))).toMatchObject({ offset: 0, size: 1500 });
  expect(table.usedBytes).toBe(2 * K);
});

test("a resent create gets the same range, a resent seal changes nothing", () => {
  create(1, K);
  expect(create(1, K)).toEqual([{ type: "granted", requestId: "r1", id: o(1), offset: 0 }]);
  seal(1);
  expect(seal(1)).toMatchObject([{ type: "sealed", first: false }]);
  expect(table.usedBytes).toBe(K);
});

test("a creator that asks twice while it waits gets one range", () => {
  create("big", 10 * K);
  create(1, 2 * K);
  step({ type: "create", requestId: "again", holder: "w-1", id: o(1), size: 2 * K, inline: false });
  step({ type: "create", requestId: "other size", holder: "w-1", id: o(1), size: 3 * K, inline: false });
  expect(step({ type: "abort", holder: "w-1", id: o("big") })).toEqual([
    { type: "granted", requestId: "r1", id: o(1), offset: 0 },
    { type: "granted", requestId: "again", id: o(1), offset: 0 },
    { type: "granted", requestId: "other size", id: o(1), offset: 0 },
  ]);
  expect(table.usedBytes).toBe(3 * K);
});

test("the first of two results stays, the second is dropped", () => {
  create(1, K, "w-1");
  create(1, 2 * K, "w-2");
  expect(table.usedBytes).toBe(3 * K);
  seal(1, primary, "w-2");
  expect(seal(1, primary, "w-1")).toMatchObject([{ type: "sealed", first: false }]);
  expect(table.get(o(1))).toMatchObject({ size: 2 * K });
  expect(table.usedBytes).toBe(2 * K);
});

test("sealing what was never created is refused", () => {
  expect(seal(1)).toEqual([{
    type: "sealRefused",
    id: o(1),
    message: "Cannot seal o-x-1: w-1 has not created it here",
  }]);
});

test("freed ranges are used again before fresh ones, and merge with their neighbours", () => {
  expect([put(1, 2 * K), put(2, 2 * K), put(3, K)]).toEqual([0, 2 * K, 4 * K]);
  step({ type: "delete", ids: [o(1)] });
  expect(put(4, K)).toBe(0);
  step({ type: "delete", ids: [o(4), o(2)] });
  expect(table.wouldExtend(4 * K)).toBe(false);
  expect(put(5, 4 * K)).toBe(0);
  expect(table.wouldExtend(1)).toBe(true);
});

test("a pinned object that is deleted keeps its range until its readers are done", () => {
  put(1, 4 * K);
  pin(1);
  pin(1);
  pin(1, "w-3");
  expect(step({ type: "delete", ids: [o(1)] })).toEqual([{ type: "removed", id: o(1), evicted: false }]);
  expect(table.get(o(1))).toBeUndefined();
  expect(table.pins("w-2", o(1))).toMatchObject({ offset: 0 });
  expect(put(2, 4 * K)).toBe(4 * K);
  unpin(1);
  unpin(1, 5, "w-3");
  expect(table.usedBytes).toBe(8 * K);
  unpin(1);
  unpin(1); // Late.
  expect(table.usedBytes).toBe(4 * K);
  expect(put(3, 4 * K)).toBe(0);
});

test("copies are evicted, longest unused first, primary and pinned objects never", () => {
  put(1, 2 * K);
  put(2, 3 * K, copy);
  put(3, 3 * K, copy);
  pin(2);
  unpin(2); // Used after 3.
  expect(create(4, 3 * K)).toEqual([
    { type: "removed", id: o(3), evicted: true },
    { type: "granted", requestId: "r4", id: o(4), offset: 5 * K },
  ]);
  pin(2);
  expect(table.roomBytes).toBe(2 * K);
  expect(table.evictableBytes(o(2))).toBe(0);
  // Nothing is evicted when it would not be enough.
  unpin(2);
  expect(create(5, 6 * K).map(({ type }) => type)).toEqual(["collectGarbage", "setTimer"]);
  expect(table.get(o(2))).toBeDefined();
});

test("a promoted copy is evicted no more", () => {
  put(1, 8 * K, copy);
  step({ type: "promote", id: o(1) });
  expect(create(2, 8 * K).map(({ type }) => type)).toEqual(["collectGarbage", "setTimer"]);
});

test("creators wait in order, also behind one that does not fit", () => {
  put(1, 8 * K);
  // Looked at again for the next collection, four in a grace.
  expect(create(2, 6 * K)).toEqual([{ type: "collectGarbage" }, { type: "setTimer", atMs: 1025 }]);
  expect(create(3, K)).toEqual([]);
  nowMs = 1050;
  expect(step({ type: "delete", ids: [o(1)] })).toEqual([
    { type: "removed", id: o(1), evicted: false },
    { type: "granted", requestId: "r2", id: o(2), offset: 0 },
    { type: "granted", requestId: "r3", id: o(3), offset: 6 * K },
  ]);
});

test("a creator fails a grace after the last time that anything was freed", () => {
  put(1, 7 * K);
  put(2, K);
  pin(1, "w-9");
  create(3, 9 * K);
  nowMs = 1060;
  step({ type: "delete", ids: [o(2)] });
  nowMs = 1100;
  expect(step({ type: "timer" })).toEqual([{ type: "collectGarbage" }, { type: "setTimer", atMs: 1125 }]);
  nowMs = 1160;
  expect(step({ type: "timer" })).toEqual([{
    type: "createFailed",
    requestId: "r3",
    code: "ObjectStoreFullError",
    message:
      "Cannot store o-x-3 (9216 bytes): the object store of this node is full, 7168 of 10240 bytes are taken and " +
      "nothing was freed for 100 ms. Owners: d-1 1 object 7168 bytes. Read by: w-9 1 object 7168 bytes. " +
      "Release refs and views that are no longer needed, or start the node with more (--object-store-bytes)",
  }]);
});

test("what can never fit fails at once", () => {
  expect(create(1, 11 * K)).toMatchObject([{ type: "createFailed", requestId: "r1" }]);
});

test("the limit keeps fresh ranges back, used ones stay usable", () => {
  step({ type: "limit", bytes: 4 * K });
  expect(put(1, 3 * K)).toBe(0);
  expect(create(2, 2 * K).at(-1)).toEqual({ type: "setTimer", atMs: 1025 });
  step({ type: "limit", bytes: 2 * K });
  expect(step({ type: "delete", ids: [o(1)] }).at(-1)).toMatchObject({ type: "granted", offset: 0 });
});

test("inline objects take memory of the same capacity but no range", () => {
  create(1, 100, "w-1", true);
  seal(1);
  expect(table.get(o(1))).toMatchObject({ offset: null, size: 100 });
  expect(table.usedBytes).toBe(100);
  expect(create(2, 10 * K).at(-1)).toMatchObject({ type: "setTimer" });
  expect(step({ type: "delete", ids: [o(1)] }).at(-1)).toMatchObject({ type: "granted", requestId: "r2" });
});

test("a dead process leaves no pin, no unfinished object and no place in the queue", () => {
  put(1, 4 * K, copy);
  pin(1);
  create(2, 2 * K, "w-2");
  create(3, 6 * K, "w-2");
  create(4, 8 * K, "w-3");
  step({ type: "holderDied", holder: "w-2" });
  expect(table.counts()).toEqual({ objects: 0, primaries: 0, waiting: 0, pinnedBytes: 0 });
  expect(table.creation("w-3", o(4))).toEqual(expect.objectContaining({ size: 8 * K }));
  expect(table.creation("w-2", o(2))).toBeUndefined();
  expect(seal(2, primary, "w-2")).toMatchObject([{ type: "sealRefused" }]);
});

test("aborted and cancelled creators give their room and their place to the next", () => {
  create(1, 8 * K);
  create(2, 8 * K, "w-2");
  create(3, 8 * K, "w-3");
  create(4, 8 * K, "w-4");
  step({ type: "cancelCreate", requestId: "r2" });
  step({ type: "abort", holder: "w-3", id: o(3) });
  expect(step({ type: "abort", holder: "w-1", id: o(1) })).toEqual([
    { type: "granted", requestId: "r4", id: o(4), offset: 0 },
  ]);
  step({ type: "abort", holder: "w-1", id: o(1) });
});

test("the queue of creators is bounded", () => {
  create("full", 10 * K);
  for (let n = 0; n < CREATORS_WAITING_MAX; n++) {
    table.step(nowMs, {
      type: "create",
      requestId: `q${n}`,
      holder: "w-1",
      id: o(`q${n}`),
      size: K,
      inline: false,
    });
  }
  expect(create("last", K)).toMatchObject([{ type: "createFailed", requestId: "rlast" }]);
});

test("random runs keep every invariant, and end empty", () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
  for (let run = 0; run < 100; run++) {
    try {
      randomRun(new Prng(seed + run));
    } catch (error) {
      throw new Error(`seed ${seed + run}: ${(error as Error).message}`, { cause: error });
    }
  }
});

function randomRun(prng: Prng): void {
  const table = new ObjectTable({ capacity: 64 * K, granuleBytes: K, graceMs: 50 });
  let nowMs = 0;
  const open = new Map<string, { holder: string; id: ObjectId }>();
  const created: { holder: string; id: ObjectId }[] = [];
  const pinned: { holder: string; id: ObjectId }[] = [];
  let requests = 0;
  const holders = ["w-1", "w-2", "w-3", "pulls"];
  const apply = (event: TableEvent): void => {
    for (const effect of table.step(nowMs, event)) {
      if (effect.type === "granted") created.push(open.get(effect.requestId)!);
      if (effect.type === "granted" || effect.type === "createFailed") open.delete(effect.requestId);
    }
    table.check();
  };
  for (let n = 0; n < 200; n++) {
    nowMs += prng.below(20);
    const holder = prng.pick(holders);
    const id = o(prng.below(30));
    const kind = prng.below(12);
    if (kind < 4) {
      const requestId = `r${++requests}`;
      open.set(requestId, { holder, id });
      const inline = prng.chance(20);
      apply({
        type: "create",
        requestId,
        holder,
        id,
        size: inline ? prng.between(1, 500) : prng.between(1, 20 * K),
        inline,
      });
    } else if (kind < 7 && created.length > 0) {
      const made = created.splice(prng.below(created.length), 1)[0]!;
      apply({ type: "seal", ...made, seal: prng.chance(50) ? primary : copy });
    } else if (kind < 9 && table.get(id) !== undefined) {
      pinned.push({ holder, id });
      apply({ type: "pin", holder, id });
    } else if (kind === 9 && pinned.length > 0) {
      apply({ type: "unpin", ...pinned.splice(prng.below(pinned.length), 1)[0]!, count: 1 });
    } else if (kind === 10) {
      apply(prng.chance(50) ? { type: "delete", ids: [id] } : { type: "abort", holder, id });
    } else if (prng.chance(30)) apply({ type: "holderDied", holder });
    else if (prng.chance(50)) apply({ type: "limit", bytes: prng.between(32, 64) * K });
    else apply({ type: "timer" });
  }
  for (const holder of holders) apply({ type: "holderDied", holder });
  apply({ type: "delete", ids: table.reports().map(({ id }) => id) });
  expect(table.usedBytes).toBe(0);
  expect(table.counts()).toEqual({ objects: 0, primaries: 0, waiting: 0, pinnedBytes: 0 });
}
