/** Who keeps objects alive, as `mobula mem` sees it, on two real nodes: behaviour cases OBJ of reference counting. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import {
  get,
  type HandleOf,
  kill,
  listObjects,
  type ObjectRef,
  put,
  release,
  remote,
  shutdown,
  wait,
} from "mobula";
import type { MemoryReport, MemoryRow } from "../../runtime/common/memory_facts.ts";
import { requireCoreWorker } from "../../runtime/io/core_worker/current.ts";
import { Signal, type SignalHandle, Tally, type TallyHandle } from "../support/actors.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { rejection } from "../support/processes.ts";
import { waitFor } from "../support/wait_for.ts";
import { addNode, type CaseNode, firstNodeId, startCases } from "./cases.ts";

const leftovers = watchLeftovers();
const LARGE = 300_000;
let other: CaseNode;
let gate: SignalHandle;

beforeAll(async () => {
  process.env.MOBULA_RECORD_CALL_SITES = "1";
  await startCases();
  other = await addNode({ numCpus: 2, resources: { there: 2 } });
  gate = Signal.options({ schedulingStrategy: { nodeId: firstNodeId() } }).remote();
});
afterAll(async () => {
  release(gate);
  await shutdown();
  delete process.env.MOBULA_RECORD_CALL_SITES;
  await leftovers.check();
});
afterEach(async () => {
  await get(gate.send.remote());
  await waitFor("no object is left", async () => (await objects()).length === 0);
  await get(gate.close.remote());
});

async function memory(id?: string): Promise<MemoryReport> {
  const params = id === undefined ? {} : { id };
  const { result } = await requireCoreWorker().link.request("head", { method: "memory", params });
  return result as MemoryReport;
}

async function objects(): Promise<MemoryRow[]> {
  return (await memory()).rows.filter(({ state }) => state !== "ACTOR");
}

/** Who holds one object and how, sorted: `driver LOCAL_REFERENCE`. Empty when nobody knows it. */
async function holders(id: string): Promise<string[]> {
  const { self } = requireCoreWorker().identity;
  const row = (await memory(id)).rows[0];
  const names = (row?.holders ?? []).map(({ holder, kind }) =>
    `${holder === self ? "driver" : holder.startsWith("w-") ? "worker" : holder} ${kind}`
  );
  return [...new Set(names)].sort();
}

async function heldBy(id: string, expected: readonly string[]): Promise<void> {
  let seen: string[] = [];
  await waitFor(`${id} is held by ${expected.join(", ")}`, async () => {
    seen = await holders(id);
    return JSON.stringify(seen) === JSON.stringify(expected);
  }).catch((error) => {
    throw new Error(`${(error as Error).message}; last: ${seen.join(", ")}`);
  });
}

async function waiting(count: number): Promise<void> {
  await waitFor(`${count} wait`, async () => {
    using waiters = gate.waiters.remote();
    return await get(waiters) === count;
  });
}

const there = { resources: { there: 1 } };

test("what an error refers to is kept like what a result does, for those who have the error", async () => {
  const tally = Tally.remote();
  const fails = remote(async (tally: TallyHandle) => {
    const ref = await put(new Uint8Array(400_000).fill(5));
    setTimeout(() => {
      ref.release();
      tally.add.remote("released");
    }, 0);
    throw Object.assign(new Error("look at it"), { ref });
  }, { maxRetries: 0 });
  const follows = remote((_value: unknown) => "never");
  const first = fails.remote(tally);
  const second = follows.remote(first);
  await wait([first, second], { numReturns: 2 });
  await waitFor("its worker has let go", async () => await get(tally.read.remote()) === 1);
  const refIn = async (ref: ObjectRef<unknown>) => {
    const error = await rejection<{ ref?: ObjectRef<Uint8Array>; cause?: { ref: ObjectRef<Uint8Array> } }>(
      get(ref),
    );
    return error.ref ?? error.cause!.ref;
  };
  const inside = await refIn(first);
  expect((await get(inside))[0]).toBe(5);
  inside.release();
  first.release();
  const again = await refIn(second);
  expect((await get(again)).length).toBe(400_000);
  again.release();
  second.release();
  tally[Symbol.dispose]();
  await waitFor("nothing is stored", async () => (await listObjects()).length === 0);
});

test("OBJ-01 one ref, two, one, none: the object goes with the last", async () => {
  const first = await put(new Uint8Array(LARGE));
  const box = await put([first]);
  const [second] = await get(box) as [ObjectRef<Uint8Array>];
  box.release();
  expect(await holders(first.id)).toEqual(["driver LOCAL_REFERENCE"]);
  first.release();
  expect(await holders(second.id)).toEqual(["driver LOCAL_REFERENCE"]);
  second.release();
  await heldBy(first.id, []);
});

for (const fate of ["finishes", "fails"] as const) {
  test(`OBJ-02 a pending task counts for its argument until it ${fate}`, async () => {
    const hold = remote(async (_value: Uint8Array, gate: SignalHandle, fails: boolean) => {
      const { get, release } = await import("mobula");
      await get(gate.wait.remote());
      release(gate);
      if (fails) throw new Error("on purpose");
    }, { maxRetries: 0 });
    const ref = await put(new Uint8Array(LARGE));
    const result = hold.remote(ref, gate, fate === "fails");
    await waiting(1);
    const pinned = (await holders(ref.id)).filter((one) => !one.includes("PINNED_IN_MEMORY"));
    expect(pinned).toEqual(["driver LOCAL_REFERENCE", "driver USED_BY_PENDING_TASK"]);
    const { id } = ref;
    ref.release();
    expect(await holders(id)).toContain("driver USED_BY_PENDING_TASK");
    expect(await holders(id)).not.toContain("driver LOCAL_REFERENCE");
    await get(gate.send.remote());
    if (fate === "fails") expect((await rejection(get(result))).message).toContain("on purpose");
    else await get(result);
    await waitFor(
      "no task uses it",
      async () => !(await holders(id)).includes("driver USED_BY_PENDING_TASK"),
    );
    result.release();
  });
}

test("OBJ-04 a large inline argument stays while its task waits for another one, whatever fills the store", async () => {
  const sum = remote((a: Uint8Array, b: number) => a.reduce((x, y) => x + y, 0) + b);
  const slow = remote(async (gate: SignalHandle) => {
    const { get, release } = await import("mobula");
    await get(gate.wait.remote());
    release(gate);
    return 1;
  }, { numCpus: 0 });
  const late = slow.remote(gate);
  await waiting(1);
  const result = sum.remote(new Uint8Array(LARGE).fill(1), late);
  for (let n = 0; n < 12; n++) {
    using filler = await put(new Uint8Array(20 << 20).fill(n));
    expect(filler.id).toBeString();
  }
  await get(gate.send.remote());
  expect(await get(result)).toBe(LARGE + 1);
  for (const ref of [late, result]) ref.release();
});

for (const fate of ["finishes", "crashes"] as const) {
  test(`OBJ-05 a task on another node holds a ref inside a list until it ${fate}`, async () => {
    const hold = remote(async (_list: [ObjectRef<Uint8Array>], gate: SignalHandle, crashes: boolean) => {
      const { get, release } = await import("mobula");
      await get(gate.wait.remote());
      if (crashes) process.exit(1);
      release(gate);
      _list[0].release();
    }, { maxRetries: 0, ...there });
    const ref = await put(new Uint8Array(LARGE));
    const result = hold.remote([ref], gate, fate === "crashes");
    const { id } = ref;
    ref.release();
    await waiting(1);
    await heldBy(id, ["driver USED_BY_PENDING_TASK", "worker LOCAL_REFERENCE"]);
    await get(gate.send.remote());
    if (fate === "crashes") await rejection(get(result));
    else await get(result);
    result.release();
    await heldBy(id, []);
  });
}

const Keeper = remote(
  class Keeper {
    kept: ObjectRef<Uint8Array>[] = [];
    keep([ref]: [ObjectRef<Uint8Array>]): void {
      this.kept.push(ref);
    }
    drop(): void {
      this.kept.pop()!.release();
    }
    async make(): Promise<[ObjectRef<Uint8Array>]> {
      const { put } = await import("mobula");
      return [await put(new Uint8Array(300_000).fill(8))];
    }
  },
  there,
);
type KeeperHandle = HandleOf<typeof Keeper>;

for (const fate of ["drops them", "is killed"] as const) {
  test(`OBJ-07 an actor on another node keeps a ref that it was given twice, until it ${fate}`, async () => {
    const keeper: KeeperHandle = Keeper.remote();
    const ref = await put(new Uint8Array(LARGE));
    await get([keeper.keep.remote([ref]), keeper.keep.remote([ref])]);
    const { id } = ref;
    ref.release();
    await get(keeper.drop.remote());
    await heldBy(id, ["worker LOCAL_REFERENCE"]);
    if (fate === "is killed") await kill(keeper);
    else await get(keeper.drop.remote());
    await heldBy(id, []);
    release(keeper);
  });
}

test("OBJ-08 a returned ref outlives the worker that owned it: its agent takes the count over", async () => {
  const keeper: KeeperHandle = Keeper.remote();
  const outer = keeper.make.remote();
  const [inner] = await get(outer) as [ObjectRef<Uint8Array>];
  outer.release();
  await kill(keeper);
  release(keeper);
  await heldBy(inner.id, ["driver LOCAL_REFERENCE"]);
  expect((await get(inner))[0]).toBe(8);
  inner.release();
});

test("OBJ-10 a borrower whose lender owned the object and has ended gets the value, or a typed error; it never hangs", async () => {
  const lend = remote(async (gate: SignalHandle) => {
    const { put, release, remote } = await import("mobula");
    const lent = await put(new Uint8Array(300_000).fill(3));
    const borrow = remote(async ([ref]: [ObjectRef<Uint8Array>], gate: SignalHandle) => {
      const { get, release } = await import("mobula");
      await get(gate.wait.remote());
      release(gate);
      const first = (await get(ref, { timeoutMs: 10_000 }))[0];
      ref.release();
      return first;
    }, { numCpus: 0 });
    const borrowed = borrow.remote([lent], gate);
    lent.release();
    release(gate);
    return [borrowed];
  }, there);
  const outer = lend.remote(gate);
  const [borrowed] = await get(outer) as [ObjectRef<number>];
  outer.release();
  await waiting(1);
  await get(gate.send.remote());
  expect(await get(borrowed, { timeoutMs: 20_000 })).toBe(3);
  borrowed.release();
});

/** Lends what it was lent to another actor; then goes on, or ends: when that has it, or as soon as it was told. */
const Lender = remote(
  class Lender {
    async lend(list: [ObjectRef<Uint8Array>], to: BorrowerHandle, fate: string): Promise<void> {
      const { get, release } = await import("mobula");
      const told = to.keep.remote(list);
      // What was said leaves the process with this turn.
      if (fate === "exits at once") await new Promise((resolve) => setImmediate(resolve));
      else await get(told);
      if (fate !== "goes on") process.exit(1);
      for (const ref of [told, list[0]]) ref.release();
      release(to);
    }
  },
  there,
);
const Borrower = remote(
  class Borrower {
    kept: ObjectRef<Uint8Array>[] = [];
    keep([ref]: [ObjectRef<Uint8Array>]): void {
      this.kept.push(ref);
    }
    async read(): Promise<number | string> {
      const { get } = await import("mobula");
      const ref = this.kept.pop();
      if (ref === undefined) return "was told nothing";
      try {
        return (await get(ref, { timeoutMs: 10_000 }))[0]!;
      } catch (error) {
        return (error as { code: string }).code;
      } finally {
        ref.release();
      }
    }
  },
  { numCpus: 0 },
);
type BorrowerHandle = HandleOf<typeof Borrower>;

for (const where of ["the owner's node", "a node of its own"] as const) {
  for (const fate of ["goes on", "exits", "exits at once"] as const) {
    test(`OBJ-10 a borrower on ${where} whose lender ${fate} gets the value, or a typed error`, async () => {
      const schedulingStrategy = { nodeId: where === "the owner's node" ? firstNodeId() : other.nodeId };
      const borrower: BorrowerHandle = Borrower.options({ schedulingStrategy }).remote();
      const lender = Lender.remote();
      const ref = await put(new Uint8Array(LARGE).fill(6));
      const lent = lender.lend.remote([ref], borrower, fate);
      if (fate === "goes on") await get(lent);
      else expect((await rejection(get(lent, { timeoutMs: 20_000 }))).name).toContain("ActorDied");
      ref.release();
      const read = borrower.read.remote();
      const seen = await get(read, { timeoutMs: 20_000 });
      // Whoever has confirmed that it has the ref gets the value, whatever became of the lender.
      if (fate === "exits at once") expect([6, "was told nothing", "ObjectLostError"]).toContain(seen);
      else expect(seen).toBe(6);
      for (const one of [lent, read]) one.release();
      for (const handle of [lender, borrower]) release(handle);
    });
  }
}

test("an object inside another is held by it; copies, sizes, makers and call sites are told", async () => {
  const inner = await put(new Uint8Array(LARGE));
  const outer = await put([inner, new Uint8Array(LARGE)]);
  const { id } = inner;
  inner.release();
  await heldBy(id, [`${outer.id} CAPTURED_IN_OBJECT`]);
  const make = remote(function makeBytes() {
    return new Uint8Array(200_000);
  }, there);
  const made = make.remote();
  await get(made);
  const { rows, totals, unreachable, silent } = await memory();
  expect([unreachable, silent]).toEqual([[], []]);
  const row = rows.find(({ objectId }) => objectId === made.id)!;
  expect(row).toMatchObject({
    producer: "makeBytes",
    owner: requireCoreWorker().identity.self,
    state: "IN_MEMORY",
  });
  expect(row.bytes).toBeGreaterThanOrEqual(200_000);
  expect(row.nodes.find(({ primary }) => primary)?.nodeId).toBe(other.nodeId);
  expect(row.nodes.length).toBe(2);
  expect(row.callSite).toMatch(/references\.test\.ts:\d+:\d+$/);
  expect(row.ageMs).toBeLessThan(60_000);
  expect(totals.producer.find(({ key }) => key === "makeBytes")).toMatchObject({ objects: 1, copies: 2 });
  expect(totals.producer.find(({ key }) => key === "put")).toMatchObject({ objects: 2, copies: 2 });
  expect(totals.node.map(({ key }) => key).sort()).toEqual([firstNodeId(), other.nodeId].sort());
  for (const ref of [outer, made]) ref.release();
});

test("what does not fit is told as spilled, and in memory again when it was read", async () => {
  const refs: ObjectRef<Uint8Array>[] = [];
  for (let n = 0; n < 6; n++) refs.push(await put(new Uint8Array(20 << 20)));
  const spilled = await waitFor("some are spilled", async () => {
    const report = await memory();
    return report.rows.some(({ state }) => state === "SPILLED") && report;
  });
  const row = spilled.rows.find(({ state }) => state === "SPILLED")!;
  expect(spilled.totals.producer.find(({ key }) => key === "put")!.spilledBytes).toBeGreaterThanOrEqual(
    20 << 20,
  );
  await get(refs.find(({ id }) => id === row.objectId)!);
  expect((await memory(row.objectId)).rows[0]!.state).toBe("IN_MEMORY");
  for (const ref of refs) ref.release();
});

test("refs that came many at once hold what they stand for, each on its own, whatever becomes of the value", async () => {
  const make = remote(async () => {
    const { put, release } = await import("mobula");
    const refs = await Promise.all(Array.from({ length: 100 }, (_, n) => put(`value ${n}`)));
    setTimeout(() => refs.forEach(release), 0);
    return { refs, padding: new Uint8Array(300_000) };
  });
  const outer = make.options({ schedulingStrategy: { nodeId: firstNodeId() } }).remote();
  const { refs } = await get(outer);
  const [first, second] = refs as [ObjectRef<string>, ObjectRef<string>];
  outer.release();
  // Untouched, they are held together: by what the object contained.
  await waitFor(
    "the object is gone",
    async () => (await objects()).every(({ objectId }) => objectId !== outer.id),
  );
  expect(await holders(second.id)).toContain("driver LOCAL_REFERENCE");
  expect(await get(first)).toBe("value 0");
  for (const ref of refs.slice(2)) ref.release();
  await waitFor("the others are gone, one by one", async () => (await objects()).length === 2);
  expect(await holders(second.id)).toEqual(["driver LOCAL_REFERENCE"]);
  expect(await get(second)).toBe("value 1");
  const { id } = second;
  second.release();
  expect(second.id).toBe(id);
  expect((await rejection(get(second))).name).toBe("RefReleasedError");
  expect(await holders(first.id)).toEqual(["driver LOCAL_REFERENCE"]);
  first.release();
});

test("many refs that nobody looked at are let go when they are collected, or all released", async () => {
  const make = async () =>
    await put({
      refs: await Promise.all(Array.from({ length: 100 }, (_, n) => put(n))),
      padding: new Uint8Array(LARGE),
    });
  const forgotten = await make();
  expect((await get(forgotten)).refs.length).toBe(100);
  forgotten.release();
  const released = await make();
  const { refs } = await get(released);
  released.release();
  for (const ref of refs) ref.release();
  await waitFor("nothing is left", async () => {
    Bun.gc(true);
    return (await objects()).length === 0;
  });
});
