/**
 * Many at once: ten thousand refs as arguments, in one get, in wait loops and in asCompleted; and work that goes on while
 * its caller computes. That it is fast is the benchmark's business (bench/scale.ts).
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asCompleted, get, type ObjectRef, ready, release, remote, shutdown, wait } from "mobula";
import { Signal, type SignalHandle } from "../support/actors.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { rejection } from "../support/processes.ts";
import { startCases } from "./cases.ts";

const MANY = 10_000;
const SUM = MANY * (MANY - 1) / 2;

const leftovers = watchLeftovers();
const folder = mkdtempSync(join(tmpdir(), "mobula-scale-"));

beforeAll(() => startCases());
afterAll(async () => {
  await shutdown();
  rmSync(folder, { recursive: true, force: true });
  await leftovers.check();
});

const echo = remote((value: number) => value);
const sum = remote((...values: number[]) => {
  let total = 0;
  for (const value of values) total += value;
  return total;
});
const sumOf = remote(async (refs: ObjectRef<number>[]) => {
  const { get } = await import("mobula");
  let total = 0;
  for (const value of await get(refs)) total += value;
  return total;
});
const failOn = remote((value: number, bad: number) => {
  if (value === bad) throw new RangeError(`not ${bad}`);
  return value;
});
const touch = remote(async (path: string) => {
  const { writeFileSync } = await import("node:fs");
  writeFileSync(path, "");
});
const Toucher = remote(
  class {
    async touch(path: string): Promise<void> {
      const { writeFileSync } = await import("node:fs");
      writeFileSync(path, "");
    }
  },
);

function many(count: number = MANY): ObjectRef<number>[] {
  return Array.from({ length: count }, (_, value) => echo.remote(value));
}

function releaseAll(refs: readonly ObjectRef<number>[]): void {
  for (const ref of refs) release(ref);
}

test("a task takes 10,000 refs as arguments, done or not", async () => {
  const refs = many();
  expect(await get(sum.remote(...refs))).toBe(SUM);
  expect(await get(sum.remote(...refs))).toBe(SUM);
  releaseAll(refs);
});

test("a task that is given a list of 10,000 refs gets them all in one call", async () => {
  const refs = many();
  expect(await get(sumOf.remote(refs))).toBe(SUM);
  releaseAll(refs);
}, 60_000);

test("one get of 10,000 refs has every value in its place, also of a ref that is there twice", async () => {
  const refs = many();
  const values = await get([...refs, ...refs]);
  expect(values).toEqual([...refs.keys(), ...refs.keys()]);
  releaseAll(refs);
});

test("one failure among 10,000 rejects their get, and the others are still there", async () => {
  const refs = Array.from({ length: MANY }, (_, value) => failOn.remote(value, 7_777));
  expect(await rejection(get(refs))).toBeInstanceOf(RangeError);
  const others = refs.filter((_, value) => value !== 7_777);
  expect((await get(others)).length).toBe(MANY - 1);
  releaseAll(refs);
});

test("a loop that waits for one of 1,000 refs at a time sees each exactly once", async () => {
  const refs = many(1_000);
  const seen: ObjectRef<number>[] = [];
  let left = refs;
  while (left.length > 0) {
    const [done, remaining] = await wait(left);
    expect(done.length).toBe(1);
    expect(remaining.length).toBe(left.length - 1);
    seen.push(...done);
    left = remaining;
  }
  expect(new Set(seen).size).toBe(1_000);
  expect(new Set(seen)).toEqual(new Set(refs));
  releaseAll(refs);
});

test("wait with many wanted keeps both lists in their order", async () => {
  const signal: SignalHandle = Signal.remote();
  const held = remote(async (signal: SignalHandle, value: number) => {
    const { get } = await import("mobula");
    await get(signal.wait.remote());
    return value;
  }, { numCpus: 0 });
  const stuck = held.remote(signal, -1);
  const refs = many(999);
  const all = [...refs.slice(0, 500), stuck, ...refs.slice(500)];
  const [done, remaining] = await wait(all, { numReturns: 999 });
  expect(done).toEqual(refs);
  expect(remaining).toEqual([stuck]);
  const [some, rest] = await wait(all, { numReturns: 700 });
  expect(some).toEqual(refs.slice(0, 700));
  expect(rest).toEqual([stuck, ...refs.slice(700)]);
  await signal.send.remote();
  expect(await get(stuck)).toBe(-1);
  releaseAll(all);
});

test("asCompleted gives each of 10,000 refs once", async () => {
  const refs = many();
  const seen = new Set<ObjectRef<number>>();
  for await (const ref of asCompleted(refs)) {
    expect(seen.has(ref)).toBe(false);
    seen.add(ref);
  }
  expect(seen.size).toBe(MANY);
  releaseAll(refs);
});

/** Let this process do nothing but wait for a file, without a turn of its event loop: whether it came. */
function blockUntilThere(path: string): boolean {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  for (let turn = 0; turn < 10_000 && !existsSync(path); turn++) Atomics.wait(cell, 0, 0, 1);
  return existsSync(path);
}

test("a task that a held worker can begin with runs while its caller computes", async () => {
  await get(touch.remote(join(folder, "first"))); // Now a worker is held for tasks of this kind.
  const path = join(folder, "task");
  const ref = touch.remote(path);
  expect(blockUntilThere(path)).toBe(true);
  await get(ref);
});

test("a call of an idle actor runs while its caller computes", async () => {
  const actor = Toucher.remote();
  await ready(actor);
  await get(actor.touch.remote(join(folder, "warm"))); // Now there is a connection.
  const path = join(folder, "call");
  const ref = actor.touch.remote(path);
  expect(blockUntilThere(path)).toBe(true);
  await get(ref);
});
