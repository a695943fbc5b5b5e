/** Items of generators that were lost with their node are made again: by which runs, which of them, and when not. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { get, ObjectReconstructionFailedError, type ObjectRef, remote, shutdown } from "mobula";
import { Signal, type SignalHandle, type TallyHandle } from "../support/actors.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { rejection } from "../support/processes.ts";
import { startCases } from "./cases.ts";
import { BYTES, countHere, FAR, farNode, letGo, replace, stored, TIME } from "./lost_nodes.ts";

const leftovers = watchLeftovers();
beforeAll(async () => {
  await startCases({ numCpus: 2 });
});
afterAll(async () => {
  await shutdown();
  await leftovers.check();
});

/** Items tell the run that made them and their index: 100 * run + index. */
const blocks = remote(async function* (tally: TallyHandle, items: number) {
  const run = await get(tally.add.remote("run"));
  for (let index = 0; index < items; index++) {
    await get(tally.add.remote(index));
    yield new Uint8Array(BYTES).fill(100 * (run === 1 ? 0 : 1) + index);
  }
}, FAR);

const firstOf = remote((data: Uint8Array) => data[0]!);

async function all<T>(stream: AsyncIterable<ObjectRef<T>>): Promise<ObjectRef<T>[]> {
  const refs: ObjectRef<T>[] = [];
  for await (const ref of stream) refs.push(ref);
  return refs;
}

test("RECON-14 all items come back by one run; one with a live copy stays as it is", async () => {
  const tally = await countHere();
  let node = await farNode();
  const refs = await all(blocks.remote(tally, 10));
  expect(await get(firstOf.remote(refs[3]!), TIME)).toBe(3); // Its copy is on the driver's node now.
  await get(tally.take.remote());
  await get(tally.add.remote("between"));
  node = await replace(node);
  const values = await get([...refs].reverse().map((ref) => firstOf.remote(ref)), TIME);
  expect(values.reverse()).toEqual([100, 101, 102, 3, 104, 105, 106, 107, 108, 109]);
  expect(await get(tally.take.remote())).toEqual(["between", "run", 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  letGo(...refs, tally);
  await node.kill();
}, 60_000);

test("RECON-14 only what is referenced is made again, and retries are bounded", async () => {
  const tally = await countHere();
  let node = await farNode();
  const refs = await all(blocks.options({ maxRetries: 1 }).remote(tally, 6));
  letGo(refs[0]!, refs[4]!, refs[5]!);
  await get(tally.take.remote());
  await get(tally.add.remote("between"));
  node = await replace(node);
  const far = firstOf.options(FAR);
  expect(await get(refs.slice(1, 4).map((ref) => far.remote(ref)), TIME)).toEqual([101, 102, 103]);
  // Nothing after the last that is wanted.
  expect(await get(tally.take.remote())).toEqual(["between", "run", 0, 1, 2, 3]);
  node = await replace(node);
  const error = await rejection<Error>(get(refs[1]!, TIME));
  expect(error).toBeInstanceOf(ObjectReconstructionFailedError);
  expect(error.message).toContain("max attempts");
  expect(error.message).toContain(refs[1]!.id);
  expect(await get(tally.take.remote())).toEqual([]);
  letGo(...refs.slice(1, 4), tally);
  await node.kill();
}, 60_000);

/** Stands after three items until the gate is open. */
const gated = remote(async function* (gate: SignalHandle) {
  for (let index = 0; index < 6; index++) {
    if (index === 3) await get(gate.wait.remote());
    yield new Uint8Array(BYTES).fill(index);
  }
}, FAR);

test("items that their reader has are made again while the generator still runs, elsewhere", async () => {
  const gate = Signal.remote();
  let node = await farNode();
  const stream = gated.remote(gate);
  const refs: ObjectRef<Uint8Array>[] = [];
  for (let index = 0; index < 3; index++) refs.push((await stream.next()).value!);
  node = await replace(node);
  // Another attempt stands at the gate: it gives what the first one has not given.
  const lost = get(refs.map((ref) => firstOf.remote(ref)), TIME);
  await get(gate.send.remote());
  expect(await lost).toEqual([0, 1, 2]);
  const rest = await all(stream);
  expect(await get(rest.map((ref) => firstOf.remote(ref)), TIME)).toEqual([3, 4, 5]);
  letGo(...refs, ...rest, stream, gate);
  await node.kill();
}, 60_000);

test("items of a call with numReturns, and of a stream that was left early, are made again", async () => {
  const tally = await countHere();
  let node = await farNode();
  const fixed = blocks.options({ numReturns: 2 }).remote(tally, 2) as unknown as ObjectRef<Uint8Array>[];
  await stored(...fixed);
  await get(tally.take.remote());
  const taken: ObjectRef<Uint8Array>[] = [];
  for await (const ref of blocks.options({ generatorBackpressure: 1 }).remote(tally, 1_000)) {
    if (taken.push(ref) === 2) break;
  }
  node = await replace(node);
  const values = await get([...fixed, ...taken].map((ref) => firstOf.remote(ref)), TIME);
  expect(values.map((value) => value % 100)).toEqual([0, 1, 0, 1]);
  letGo(...fixed, ...taken, tally);
  await node.kill();
}, 60_000);

const doubled = remote(async (tally: TallyHandle, data: Uint8Array) => {
  await get(tally.add.remote("doubled"));
  return new Uint8Array(data.length).fill(2 * data[0]!);
}, FAR);

test("a released item that a lost result needs is made anew, and no other", async () => {
  const tally = await countHere();
  let node = await farNode();
  const refs = await all(blocks.remote(tally, 5));
  const result = doubled.remote(tally, refs[2]!);
  await stored(result);
  letGo(...refs);
  await get(tally.take.remote());
  await get(tally.add.remote("between"));
  node = await replace(node);
  expect((await get(result, TIME))[0]).toBe(2 * 102);
  expect(await get(tally.take.remote())).toEqual(["between", "run", 0, 1, 2, "doubled"]);
  letGo(result, tally);
  await node.kill();
}, 60_000);

/** Fewer items the second time, and small ones the third. */
const shrinking = remote(async function* (tally: TallyHandle) {
  const run = await get(tally.add.remote());
  for (let index = 0; index < (run === 2 ? 1 : 3); index++) {
    yield run === 3 ? [run, index] : new Uint8Array(BYTES).fill(index);
  }
}, FAR);

test("a run that gives fewer items, or small ones, answers all that wait", async () => {
  const tally = await countHere();
  let node = await farNode();
  const fewer = await all(shrinking.remote(tally));
  node = await replace(node);
  const [first, second] = await Promise.all([
    get(fewer[0]!, TIME),
    rejection<Error>(get(fewer[2]!, TIME)),
  ]);
  expect((first as Uint8Array)[0]).toBe(0);
  expect(second).toBeInstanceOf(ObjectReconstructionFailedError);
  expect(second.message).toContain("fewer than before");
  letGo(...fewer, tally);
  const small = await countHere();
  const items = await all(shrinking.remote(small));
  await get(small.add.remote());
  node = await replace(node);
  const again = remote((value: unknown) => value);
  expect(await get(items.map((ref) => again.remote(ref)), TIME)).toEqual([[3, 0], [3, 1], [3, 2]]);
  letGo(...items, small);
  await node.kill();
}, 60_000);
