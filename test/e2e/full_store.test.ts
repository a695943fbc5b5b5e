/** A store that is full and may not spill: a clear error, nothing lost, and room again as soon as something is let go. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import {
  get,
  init,
  listObjects,
  type ObjectRef,
  ObjectStoreFullError,
  put,
  release,
  remote,
  shutdown,
  TaskError,
} from "mobula";
import { watchLeftovers } from "../support/leftovers.ts";
import { rejection } from "../support/processes.ts";
import { waitFor } from "../support/wait_for.ts";

const leftovers = watchLeftovers();
const MB = 1 << 20;
const STORE = 16 * MB;

beforeAll(async () => {
  process.env.MOBULA_SPILL_DIR = "none";
  await init({ numCpus: 2, dashboard: false, objectStoreBytes: STORE });
});
afterAll(async () => {
  await shutdown();
  delete process.env.MOBULA_SPILL_DIR;
  await leftovers.check();
});
afterEach(async () => {
  await waitFor("no object is left", async () => (await listObjects()).length === 0);
});

const first = remote((bytes: Uint8Array) => bytes[0]);

/** As many objects of `bytes` as fit, numbered; the last put failed. */
async function fill(bytes: number): Promise<{ refs: ObjectRef<Uint8Array>[]; error: Error }> {
  const refs: ObjectRef<Uint8Array>[] = [];
  for (;;) {
    try {
      refs.push(await put(new Uint8Array(bytes).fill(refs.length + 1)));
    } catch (error) {
      return { refs, error: error as Error };
    }
  }
}

test("OBJ-20 an object larger than the store is refused at once, of a task and an actor too", async () => {
  const startMs = performance.now();
  const error = await rejection(put(new Uint8Array(STORE + 2)));
  expect(error).toBeInstanceOf(ObjectStoreFullError);
  expect(error.message).toContain(String(STORE));
  expect(performance.now() - startMs).toBeLessThan(1_500);

  const take = remote((bytes: Uint8Array) => bytes.length);
  expect(await rejection(get(take.remote(new Uint8Array(STORE + 2))))).toBeInstanceOf(ObjectStoreFullError);

  const Maker = remote(
    class Maker {
      make(bytes: number): Uint8Array {
        return new Uint8Array(bytes);
      }
      pid(): number {
        return process.pid;
      }
    },
  );
  const maker = Maker.remote();
  const pid = await get(maker.pid.remote());
  const tooLarge = maker.make.remote(STORE + 2);
  const thrown = await rejection(get(tooLarge));
  expect(thrown).toBeInstanceOf(TaskError);
  expect(thrown).toBeInstanceOf(ObjectStoreFullError);
  expect(await get(maker.pid.remote())).toBe(pid);
  release(maker);
});

test("what was there before is there after, and there is room again when something is released", async () => {
  const { refs, error } = await fill(3 * MB);
  expect(error).toBeInstanceOf(ObjectStoreFullError);
  expect(refs.length).toBeGreaterThanOrEqual(3);
  for (const [index, ref] of refs.entries()) {
    using read = first.remote(ref);
    expect(await get(read)).toBe(index + 1);
    expect((await get(ref)).every((byte) => byte === index + 1)).toBe(true);
  }
  refs.pop()!.release();
  refs.push(await put(new Uint8Array(3 * MB).fill(refs.length + 1)));
  for (const ref of refs) ref.release();
});

test("a put that finds no room waits for what is released meanwhile", async () => {
  const { refs } = await fill(3 * MB);
  const waiting = put(new Uint8Array(3 * MB).fill(77));
  const task = remote(() => new Uint8Array(2_000_000).fill(78)).remote();
  refs.shift()!.release();
  refs.shift()!.release();
  using stored = await waiting;
  expect((await get(stored))[0]).toBe(77);
  expect((await get(task))[0]).toBe(78);
  for (const ref of [...refs, task]) ref.release();
});

test("refs that were forgotten, not released, are collected when room is needed", async () => {
  for (let n = 0; n < 30; n++) expect((await get(await put(new Uint8Array(2 * MB).fill(n))))[0]).toBe(n);
  const keepers = remote(async (n: number) => {
    const { get, put } = await import("mobula");
    return (await get(await put(new Uint8Array(2 * 1024 * 1024).fill(n))))[0];
  });
  for (let n = 0; n < 15; n++) {
    using result = keepers.remote(n);
    expect(await get(result)).toBe(n);
  }
  const { collectGarbage } = await import("#platform");
  const tidy = remote(() => {
    (globalThis as unknown as { Bun: { gc(force: boolean): void } }).Bun.gc(true);
  });
  await waitFor("all are collected", async () => {
    collectGarbage();
    await get([tidy.remote(), tidy.remote()]);
    return (await listObjects()).length === 0;
  });
});

test("tasks whose arguments do not fit together run one after the other", async () => {
  const sum = remote((a: Uint8Array, b: Uint8Array) => a[0]! + b[0]!);
  const results = Array.from(
    { length: 12 },
    (_, n) => sum.remote(new Uint8Array(MB).fill(n), new Uint8Array(MB).fill(n)),
  );
  expect(await get(results)).toEqual(results.map((_, n) => 2 * n));
  for (const result of results) result.release();
});

test("refs that only a cycle of garbage holds are let go before a put fails, other processes' too", async () => {
  const Tier = remote(
    class Tier {
      async tie(count: number, bytes: number): Promise<void> {
        const { put } = await import("mobula");
        for (let n = 0; n < count; n++) {
          const knot: { ref: unknown; self?: unknown } = { ref: await put(new Uint8Array(bytes)) };
          knot.self = knot;
        }
      }
    },
  );
  const tie = async (n: number): Promise<void> => {
    const knot: { ref: unknown; self?: unknown } = { ref: await put(new Uint8Array(3 * MB).fill(n)) };
    knot.self = knot;
  };
  for (let n = 0; n < 12; n++) await tie(n);
  const tier = Tier.remote();
  // More than fits, of its own garbage; then there is room for the driver again.
  using tied = tier.tie.remote(12, 3 * MB);
  await get(tied);
  const refs: ObjectRef<Uint8Array>[] = [];
  for (let n = 0; n < 4; n++) refs.push(await put(new Uint8Array(3 * MB).fill(n)));
  for (const ref of refs) ref.release();
  release(tier);
});
