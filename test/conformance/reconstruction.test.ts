/** Objects lost with their node are made again from their owner's lineage: by which runs, how many, and when not. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  ActorDiedError,
  cancel,
  get,
  ObjectLostError,
  ObjectReconstructionFailedError,
  type ObjectRef,
  put,
  remote,
  shutdown,
  TaskCancelledError,
} from "mobula";
import type { TallyHandle } from "../support/actors.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { rejection } from "../support/processes.ts";
import { addNode, startCases } from "./cases.ts";
import { BYTES, countHere, FAR, farNode, letGo, replace, stored, TIME } from "./lost_nodes.ts";

const leftovers = watchLeftovers();
beforeAll(async () => {
  await startCases({ numCpus: 2 });
});
afterAll(async () => {
  await shutdown();
  await leftovers.check();
});

const make = remote(async (tally: TallyHandle, bytes: number) => {
  const count = await get(tally.add.remote("make"));
  return new Uint8Array(bytes).fill(count);
}, FAR);

/** Its argument's first byte plus one, as large. */
const next = remote(async (tally: TallyHandle, data: Uint8Array) => {
  await get(tally.add.remote("next"));
  return new Uint8Array(data.length).fill(data[0]! + 1);
}, FAR);

const sizeOf = remote((data: Uint8Array) => data.length);

test("RECON-01 a lost result is made again, as often as its task may be retried", async () => {
  const tally = await countHere();
  let node = await farNode();
  const ref = make.options({ maxRetries: 1 }).remote(tally, BYTES);
  await stored(ref);
  node = await replace(node);
  // Two getters and a dependent of another process: one run.
  const values = await Promise.all([get(ref, TIME), get(ref, TIME), get(sizeOf.remote(ref), TIME)]);
  expect(values.map((value) => typeof value === "number" ? value : [value.length, value[0]])).toEqual(
    [[BYTES, 2], [BYTES, 2], BYTES],
  );
  expect(await get(tally.read.remote())).toBe(2);
  letGo(ref, tally);
  await node.kill();
}, 60_000);

test("RECON-01 when its retries are used up the error says so", async () => {
  const tally = await countHere();
  let node = await farNode();
  const ref = make.options({ maxRetries: 1 }).remote(tally, BYTES);
  await stored(ref);
  node = await replace(node);
  // Where it is made again: no other copy is left behind.
  expect(await get(sizeOf.options(FAR).remote(ref), TIME)).toBe(BYTES);
  expect(await get(tally.read.remote())).toBe(2);
  node = await replace(node);
  const error = await rejection<Error>(get(ref, TIME));
  expect(error).toBeInstanceOf(ObjectReconstructionFailedError);
  expect(error).toBeInstanceOf(ObjectLostError);
  expect(error.message).toContain("max attempts");
  expect(error.message).toContain(ref.id);
  expect(await get(tally.read.remote())).toBe(2);
  letGo(ref, tally);
  await node.kill();
}, 60_000);

test("RECON-02 what may not be run again is lost, for its getter and its dependents", async () => {
  const tally = await countHere();
  let node = await farNode();
  const ref = make.options({ maxRetries: 0 }).remote(tally, BYTES);
  await stored(ref);
  node = await replace(node);
  for (const error of [await rejection(get(ref, TIME)), await rejection(get(sizeOf.remote(ref), TIME))]) {
    const cause = error instanceof ObjectLostError ? error : (error as Error).cause;
    expect(cause).toBeInstanceOf(ObjectLostError);
    expect((cause as Error).message).toContain("maxRetries: 0");
  }
  expect(await get(tally.read.remote())).toBe(1);
  letGo(ref, tally);
  await node.kill();
}, 60_000);

test("RECON-04 a chain of 20 is run again: of refs that are held, and of released ones", async () => {
  for (const isHeld of [true, false]) {
    const tally = await countHere();
    let node = await farNode();
    const held: ObjectRef<Uint8Array>[] = [];
    let last: ObjectRef<Uint8Array> = make.remote(tally, BYTES);
    for (let step = 0; step < 20; step++) {
      held.push(last);
      last = next.remote(tally, last);
    }
    await stored(last);
    if (!isHeld) letGo(...held);
    expect(await get(tally.read.remote())).toBe(21);
    node = await replace(node);
    // The first one runs for the 22nd time that anything does.
    expect((await get(last, TIME))[0]).toBe(22 + 20);
    expect(await get(tally.read.remote())).toBe(42);
    if (isHeld) letGo(...held);
    letGo(last, tally);
    await node.kill();
  }
}, 120_000);

test("RECON-05 four dependents of one source: it is run again once per loss", async () => {
  const tally = await countHere();
  let node = await farNode();
  const source = make.remote(tally, BYTES);
  const dependents = Array.from({ length: 4 }, () => next.remote(tally, source));
  await stored(...dependents);
  await get(tally.take.remote());
  const sizeThere = sizeOf.options(FAR);
  for (let loss = 1; loss <= 2; loss++) {
    node = await replace(node);
    const sizes = await get(dependents.map((ref) => sizeThere.remote(ref)), TIME);
    expect(sizes).toEqual([BYTES, BYTES, BYTES, BYTES]);
    const ran = await get(tally.take.remote());
    expect(ran.sort()).toEqual(["make", "next", "next", "next", "next"]);
  }
  letGo(source, ...dependents, tally);
  await node.kill();
}, 90_000);

const Holder = remote(
  class Holder {
    readonly size: number;
    constructor(data: Uint8Array) {
      this.size = data.length;
    }
    read(): number {
      return this.size;
    }
  },
);

test("RECON-07 an actor restarts with a lost constructor argument, or says why it cannot", async () => {
  const tally = await countHere();
  let node = await farNode();
  const good = make.remote(tally, BYTES);
  const bad = make.options({ maxRetries: 0 }).remote(tally, BYTES);
  const AtFar = Holder.options({ maxRestarts: 1, maxTaskRetries: -1, ...FAR });
  const first = AtFar.remote(good);
  const second = AtFar.remote(bad);
  expect(await get([first.read.remote(), second.read.remote()], TIME)).toEqual([BYTES, BYTES]);
  node = await replace(node);
  expect(await get(first.read.remote(), TIME)).toBe(BYTES);
  const error = await rejection<Error>(get(second.read.remote(), TIME));
  expect(error).toBeInstanceOf(ActorDiedError);
  expect(error.message).toContain("maxRetries: 0");
  expect(await get(tally.read.remote())).toBe(3);
  letGo(good, bad, first, second, tally);
  await node.kill();
}, 60_000);

test(
  "RECON-07 what is lost before its first placement is made again too, or the actor dies of it",
  async () => {
    const tally = await countHere();
    const node = await farNode();
    const good = make.remote(tally, BYTES);
    const bad = make.options({ maxRetries: 0 }).remote(tally, BYTES);
    await stored(good, bad);
    const next = await replace(node);
    const first = Holder.remote(good);
    const second = Holder.options({ maxRestarts: -1 }).remote(bad);
    expect(await get(first.read.remote(), TIME)).toBe(BYTES);
    const error = await rejection<Error>(get(second.read.remote(), TIME));
    expect(error).toBeInstanceOf(ActorDiedError);
    expect(error.message).toContain("maxRetries: 0");
    expect(await get(tally.read.remote())).toBe(3);
    letGo(good, bad, first, second, tally);
    await next.kill();
  },
  60_000,
);

const putInside = remote(async (tally: TallyHandle, bytes: number) => {
  await get(tally.add.remote());
  const inner = await put(new Uint8Array(bytes).fill(7));
  return [inner, (await get(inner)).slice(0, bytes - 1)] as const;
}, FAR);

test(
  "RECON-08 a task that puts is run again for its result; what it has put is nobody's to make again",
  async () => {
    const tally = await countHere();
    let node = await farNode();
    const parts = putInside.options({ numReturns: 2 }).remote(tally, BYTES);
    const [inner, whole] = parts as unknown as [ObjectRef<ObjectRef<Uint8Array>>, ObjectRef<Uint8Array>];
    const bare = await get(inner, TIME);
    node = await replace(node);
    const error = await rejection<Error>(get(bare, TIME));
    expect(error).toBeInstanceOf(ObjectLostError);
    expect((await get(whole, TIME)).length).toBe(BYTES - 1);
    expect(await get(tally.read.remote())).toBe(2);
    letGo(inner, whole, bare, tally);
    await node.kill();
  },
  60_000,
);

const two = remote(async (tally: TallyHandle, bytes: number) => {
  const count = await get(tally.add.remote());
  return [new Uint8Array(bytes).fill(count), new Uint8Array(bytes).fill(count + 100)] as const;
}, { ...FAR, numReturns: 2 });

test("RECON-10 both results of a task come back by one run", async () => {
  const tally = await countHere();
  let node = await farNode();
  const refs = two.remote(tally, BYTES) as unknown as ObjectRef<Uint8Array>[];
  await stored(...refs);
  node = await replace(node);
  const values = await Promise.all([get(refs[1]!, TIME), get(refs[0]!, TIME)]);
  expect(values.map((value) => value[0])).toEqual([102, 2]);
  expect(await get(tally.read.remote())).toBe(2);
  letGo(...refs, tally);
  await node.kill();
}, 60_000);

test("RECON-11 what the lost node had spilled to its disk is made again", async () => {
  const tally = await countHere();
  let node = await addNode({ numCpus: 4, resources: { far: 1 }, objectStoreBytes: 32 << 20 });
  const refs = Array.from({ length: 8 }, () => make.remote(tally, 8 << 20));
  await stored(...refs);
  node = await replace(node);
  expect((await get(refs[0]!, TIME)).length).toBe(8 << 20);
  expect(await get(tally.read.remote())).toBe(9);
  letGo(...refs, tally);
  await node.kill();
}, 60_000);

const shrinks = remote(async (tally: TallyHandle, bytes: number) => {
  const count = await get(tally.add.remote());
  if (count > 2) throw new RangeError("not a third time");
  return count === 1 ? new Uint8Array(bytes) : "small";
}, FAR);

test("a run that gives another size, or fails, answers all that wait", async () => {
  const tally = await countHere();
  let node = await farNode();
  const small = shrinks.remote(tally, BYTES);
  await stored(small);
  node = await replace(node);
  expect(await get(small, TIME) as unknown).toBe("small");
  await get(tally.take.remote());
  const fails = shrinks.remote(tally, BYTES);
  await stored(fails);
  await get([tally.add.remote()]);
  node = await replace(node);
  const lost = await Promise.all([
    rejection(get(fails, TIME)),
    rejection(get(sizeOf.remote(fails as never), TIME)),
  ]);
  for (const error of lost) expect((error as Error).message).toContain("not a third time");
  letGo(small, fails, tally);
  await node.kill();
}, 60_000);

test("a cancelled task is not run again, and freed put values are named", async () => {
  const tally = await countHere();
  let node = await farNode();
  const done = make.remote(tally, BYTES);
  const argument = await put(new Uint8Array(BYTES));
  const dependent = next.remote(tally, argument);
  await stored(done, dependent);
  await cancel(done);
  const { id } = argument;
  letGo(argument);
  node = await replace(node);
  expect(await rejection(get(done, TIME))).toBeInstanceOf(TaskCancelledError);
  const error = await rejection<Error>(get(dependent, TIME));
  expect(error).toBeInstanceOf(ObjectReconstructionFailedError);
  expect(error.message).toContain(`its argument ${id} was freed`);
  expect(await get(tally.read.remote())).toBe(2);
  letGo(done, dependent, tally);
  await node.kill();
}, 60_000);
