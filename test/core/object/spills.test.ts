/**
 * The object table with a disk below it: what is spilled, restored and forgotten, rule by rule, then in random runs with a disk
 * that fails now and then (a failing run prints its seed).
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { NodeId, ObjectId, ProcessId } from "../../../runtime/common/ids.ts";
import { Prng } from "../../../runtime/common/prng.ts";
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
  table = new ObjectTable({ capacity: 10 * K, granuleBytes: K, graceMs: 100, spillBatchBytes: 2 * K });
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
const put = (n: number | string, size: number, how: Seal = primary) => [...create(n, size), ...seal(n, how)];
const pin = (n: number | string, holder = "w-2") => step({ type: "pin", holder, id: o(n) });
const unpin = (n: number | string, holder = "w-2") => step({ type: "unpin", holder, id: o(n), count: 1 });
const spilled = (batch: string, file = `file of ${batch}`) => step({ type: "spilled", batch, file });
const spills = (effects: readonly TableEffect[]) =>
  effects.flatMap((effect) =>
    effect.type === "spill" ? [[effect.batch, ...effect.objects.map(({ id }) => id)]] : []
  );

describe("a store that fills", () => {
  test("spills what nobody reads, longest unused first, before anybody has to wait", () => {
    for (const n of [1, 2, 3, 4, 5, 6, 7]) put(n, K);
    pin(1);
    put(8, K);
    // More than 80 % are taken now: two objects make a batch.
    expect(spills(put(9, K))).toEqual([["spill 1", o(2), o(3)]]);
    expect(table.usedBytes).toBe(9 * K);
    expect(spilled("spill 1")).toEqual([]);
    expect(table.get(o(2))).toMatchObject({ resident: true, disk: { file: "file of spill 1", offset: 0 } });
    expect(table.get(o(3))).toMatchObject({ resident: true, disk: { file: "file of spill 1", offset: K } });
    expect(table.spilled).toEqual({ objects: 2, bytes: 2 * K });
    unpin(1);
  });

  test("a creator waits for the disk, however long that takes, and takes the memory of what is there", () => {
    put(1, 5 * K);
    put(2, 3 * K);
    const waiting = create(3, 8 * K);
    expect(spills(waiting)).toEqual([["spill 1", o(1)], ["spill 2", o(2)]]);
    nowMs += 10_000;
    expect(step({ type: "timer" }).filter(({ type }) => type === "createFailed")).toEqual([]);
    expect(spilled("spill 2")).toEqual([]);
    expect(spilled("spill 1")).toEqual([
      { type: "unloaded", id: o(2) },
      { type: "unloaded", id: o(1) },
      { type: "granted", requestId: "r3", id: o(3), offset: 0 },
    ]);
    expect(table.get(o(1))).toMatchObject({ resident: false });
    expect(table.reports().map(({ id }) => id)).toEqual([o(1), o(2)]);
  });

  test("copies that other nodes have go first, and are not written", () => {
    put(1, 4 * K, copy);
    put(2, 4 * K);
    expect(create(3, 5 * K)).toContainEqual({ type: "removed", id: o(1), evicted: true });
    expect(table.spilled.objects).toBe(0);
  });

  test("objects that somebody reads stay; then it is full", () => {
    put(1, 7 * K);
    pin(1);
    expect(spills(create(2, 4 * K))).toEqual([]);
    nowMs += 200;
    expect(step({ type: "timer" })).toContainEqual(
      expect.objectContaining({ type: "createFailed", requestId: "r2", code: "ObjectStoreFullError" }),
    );
    unpin(1);
  });

  test("small objects of the agent's memory are spilled too, many in a file", () => {
    for (let n = 0; n < 10; n++) {
      create(n, K, "w-1", true);
      seal(n);
      for (const [batch] of spills(step({ type: "timer" }))) spilled(batch!);
    }
    const [[batch, ...ids] = []] = spills(create("big", 9 * K));
    expect(ids.length).toBe(2);
    expect(spilled(batch!).filter(({ type }) => type === "unloaded").length).toBe(0);
  });
});

describe("a spilled object", () => {
  beforeEach(() => {
    put(1, 6 * K);
    create(2, 6 * K);
    spilled("spill 1");
    seal(2);
    expect(table.get(o(1))).toMatchObject({ resident: false });
  });

  test("comes back when it is pulled from this node, and then costs nothing to evict", () => {
    const [batch] = spills(create(1, 6 * K, "pulls")).map(([name]) => name!);
    spilled(batch!);
    expect(seal(1, copy, "pulls")).toEqual([{ type: "restored", id: o(1) }]);
    expect(table.get(o(1))).toMatchObject({ resident: true, disk: { file: "file of spill 1" } });
    expect(table.get(o(1))!.report.primary).toBe(true);
    pin(1);
    unpin(1);
    expect(create(3, 9 * K)).toContainEqual({ type: "unloaded", id: o(1) });
  });

  test("a second attempt's result is dropped, as that of an object in memory is", () => {
    step({ type: "delete", ids: [o(2)] });
    create(1, 6 * K, "w-9");
    expect(seal(1, primary, "w-9")).toMatchObject([{ type: "sealed", first: false }]);
    expect(table.get(o(1))).toMatchObject({ resident: false });
    expect(table.usedBytes).toBe(0);
  });

  test("takes its file with it, but not before those who read it there are done", () => {
    pin(1, "stream:1");
    expect(step({ type: "delete", ids: [o(1)] })).toEqual([{ type: "removed", id: o(1), evicted: false }]);
    expect(unpin(1, "stream:1")).toEqual([{ type: "deleteSpill", file: "file of spill 1" }]);
    expect(table.spilled).toEqual({ objects: 0, bytes: 0 });
  });

  test("is lost when the disk has lost it", () => {
    expect(step({ type: "spillBroken", id: o(1) })).toEqual([
      { type: "deleteSpill", file: "file of spill 1" },
      { type: "removed", id: o(1), evicted: true },
    ]);
    expect(table.get(o(1))).toBeUndefined();
  });
});

test("what was deleted while it was written needs no file, and its memory is free only then", () => {
  put(1, 6 * K);
  create(2, 6 * K);
  step({ type: "delete", ids: [o(1)] });
  expect(table.usedBytes).toBe(6 * K);
  expect(spilled("spill 1")).toEqual([
    { type: "deleteSpill", file: "file of spill 1" },
    { type: "granted", requestId: "r2", id: o(2), offset: 0 },
  ]);
});

describe("a disk that is full", () => {
  const failed = (batch: string) =>
    step({ type: "spillFailed", batch, message: "cannot write 6144 bytes to /x: no space" });

  test("fails the creators after their grace with what it said, and is tried again later", () => {
    put(1, 6 * K);
    expect(spills(create(2, 6 * K))).toEqual([["spill 1", o(1)]]);
    expect(spills(failed("spill 1"))).toEqual([]);
    expect(table.get(o(1))).toMatchObject({ resident: true, disk: null });
    nowMs += 150;
    const [full] = step({ type: "timer" }).filter((effect) => effect.type === "createFailed");
    expect(full).toMatchObject({ requestId: "r2", code: "OutOfDiskError" });
    expect((full as { message: string }).message).toContain("cannot write 6144 bytes to /x: no space");
    nowMs += 1_000;
    expect(spills(create(3, 6 * K))).toEqual([["spill 2", o(1)]]);
    expect(spilled("spill 2")).toContainEqual({ type: "granted", requestId: "r3", id: o(3), offset: 0 });
  });

  test("a creator that waits is woken when the disk is to be tried again", () => {
    table = new ObjectTable({ capacity: 10 * K, granuleBytes: K, graceMs: 9_000, spillBatchBytes: 2 * K });
    put(1, 6 * K);
    create(2, 6 * K);
    failed("spill 1");
    nowMs += 1_000;
    expect(spills(step({ type: "timer" }))).toEqual([["spill 2", o(1)]]);
    failed("spill 2");
    nowMs += 1_999;
    expect(spills(step({ type: "timer" }))).toEqual([]);
    nowMs += 1;
    expect(spills(step({ type: "timer" }))).toEqual([["spill 3", o(1)]]);
  });
});

test("random runs keep every invariant, grant whoever can have room, and end empty", () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
  for (let run = 0; run < 150; run++) {
    try {
      new RandomRun(new Prng(seed + run)).play();
    } catch (error) {
      throw new Error(`seed ${seed + run}: ${(error as Error).message}`, { cause: error });
    }
  }
});

/** A table, its disk, and processes that make, read, pull and drop objects. */
class RandomRun {
  readonly #prng: Prng;
  readonly #table = new ObjectTable({
    capacity: 64 * K,
    granuleBytes: K,
    graceMs: 50,
    spillBatchBytes: 10 * K,
  });
  #nowMs = 0;
  #requests = 0;
  readonly #open = new Map<string, { holder: string; id: ObjectId }>();
  readonly #created: { holder: string; id: ObjectId }[] = [];
  readonly #pinned: { holder: string; id: ObjectId }[] = [];
  readonly #batches: string[] = [];
  readonly #files = new Set<string>();

  constructor(prng: Prng) {
    this.#prng = prng;
  }

  play(): void {
    const prng = this.#prng;
    for (let n = 0; n < 250; n++) {
      this.#nowMs += prng.below(20);
      const holder = prng.pick(["w-1", "w-2"]);
      const id = o(prng.below(40));
      const kind = prng.below(14);
      if (kind < 4) this.#create(holder, id, prng.chance(20), prng.between(1, 16 * K));
      else if (kind < 7 && this.#created.length > 0) this.#sealOne();
      else if (kind === 7 && this.#table.get(id)?.resident === false) {
        this.#create("pulls", id, false, this.#table.get(id)!.size);
      } else if (kind === 8 && this.#table.get(id) !== undefined) {
        this.#pinned.push({ holder, id });
        this.#apply({ type: "pin", holder, id });
      } else if (kind < 11 && this.#pinned.length > 0) {
        const [pinned] = this.#pinned.splice(prng.below(this.#pinned.length), 1);
        this.#apply({ type: "unpin", ...pinned!, count: 1 });
      } else if (kind === 11) this.#apply({ type: "delete", ids: [id] });
      else if (kind === 12 && this.#batches.length > 0) this.#endBatch(prng.chance(20));
      else this.#apply({ type: "timer" });
    }
    while (this.#batches.length > 0) this.#endBatch(false);
    for (const holder of ["w-1", "w-2", "pulls"]) this.#apply({ type: "holderDied", holder });
    while (this.#batches.length > 0) this.#endBatch(false);
    this.#apply({ type: "delete", ids: this.#table.reports().map(({ id }) => id) });
    while (this.#batches.length > 0) this.#endBatch(false);
    expect(this.#table.usedBytes).toBe(0);
    expect(this.#table.spilled).toEqual({ objects: 0, bytes: 0 });
    expect(this.#files.size).toBe(0);
  }

  #create(holder: string, id: ObjectId, inline: boolean, size: number): void {
    const requestId = `r${++this.#requests}`;
    this.#open.set(requestId, { holder, id });
    this.#apply({ type: "create", requestId, holder, id, size: inline ? size % 500 + 1 : size, inline });
  }

  #sealOne(): void {
    const made = this.#created.splice(this.#prng.below(this.#created.length), 1)[0]!;
    const seal = made.holder === "pulls" ? copy : this.#prng.chance(70) ? primary : copy;
    this.#apply({ type: "seal", ...made, seal });
  }

  #endBatch(fails: boolean): void {
    const batch = this.#batches.shift()!;
    if (fails) return this.#apply({ type: "spillFailed", batch, message: "no space" });
    this.#files.add(batch);
    this.#apply({ type: "spilled", batch, file: batch });
  }

  #apply(event: TableEvent): void {
    for (const effect of this.#table.step(this.#nowMs, event)) {
      if (effect.type === "granted") this.#created.push(this.#open.get(effect.requestId)!);
      if (effect.type === "granted" || effect.type === "createFailed") this.#open.delete(effect.requestId);
      if (effect.type === "spill") {
        this.#batches.push(effect.batch);
        expect(effect.objects.length).toBeGreaterThan(0);
      }
      if (effect.type === "deleteSpill") expect(this.#files.delete(effect.file)).toBe(true);
    }
    this.#table.check();
  }
}
