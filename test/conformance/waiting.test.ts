/** wait() across two nodes: what is ready anywhere, and what is ready here. */
import { afterAll, afterEach, beforeEach, expect, test } from "bun:test";
import { get, listObjects, type ObjectRef, put, release, remote, shutdown, wait } from "mobula";
import { watchLeftovers } from "../support/leftovers.ts";
import { waitFor } from "../support/wait_for.ts";
import { addNode, startCases } from "./cases.ts";

const leftovers = watchLeftovers();
const MB = 1 << 20;

beforeEach(async () => {
  process.env.MOBULA_SPILL_DIR = "none";
  await startCases({ objectStoreBytes: 75 * MB });
  await addNode({ resources: { there: 1 }, objectStoreBytes: 75 * MB });
});
afterEach(async () => {
  await shutdown();
  delete process.env.MOBULA_SPILL_DIR;
});
afterAll(async () => {
  await leftovers.check();
});

const big = remote((bytes: number) => new Uint8Array(bytes).fill(7), { resources: { there: 1 } });

test(
  "WAIT-07 what is ready elsewhere is ready here only when the store has room for it; spilling is off",
  async () => {
    const here = await put(new Uint8Array(50 * MB));
    const ref = big.remote(40 * MB);
    expect(await wait([ref], { fetchLocal: false, timeoutMs: 30_000 })).toEqual([[ref], []]);
    expect(await wait([ref], { fetchLocal: true, timeoutMs: 2_000 })).toEqual([[], [ref]]);
    release(here);
    expect(await wait([ref], { fetchLocal: true, timeoutMs: 30_000 })).toEqual([[ref], []]);
    expect((await get(ref))[0]).toBe(7);
  },
  90_000,
);

/** How many nodes hold the object. */
async function holders(ref: ObjectRef<unknown>): Promise<number> {
  const [row] = await listObjects({ detail: true, filters: [`objectId=${ref.id}`] });
  return (row?.["nodes"] as unknown[] | undefined)?.length ?? 0;
}

test("WAIT-08 what is here is ready at once, and what is elsewhere comes in the background", async () => {
  const [y, z, other] = [big.remote(10 * MB), big.remote(12 * MB), big.remote(9 * MB)];
  const all = [y, z, other];
  expect(await wait(all, { numReturns: 3, fetchLocal: false, timeoutMs: 30_000 })).toEqual([all, []]);
  const x = await put(new Uint8Array(MB));
  expect(await wait([x, y, z], { fetchLocal: false })).toEqual([[x], [y, z]]);
  // First come, first served: had that asked for them, they would come before this one.
  await get(other);
  await waitFor("two nodes hold the other one", async () => await holders(other) === 2);
  expect([await holders(y), await holders(z)]).toEqual([1, 1]);
  expect(await wait([x, y, z])).toEqual([[x], [y, z]]);
  await waitFor("both are here", async () => await holders(y) === 2 && await holders(z) === 2);
  expect((await get([y, z])).map((bytes) => bytes.length)).toEqual([10 * MB, 12 * MB]);
}, 60_000);

test("what wait() fetches in the background does not wait for room, and a later wait does", async () => {
  const here = await put(new Uint8Array(50 * MB));
  const [ref, fits] = [big.remote(40 * MB), big.remote(MB)];
  const both = [ref, fits];
  expect(await wait(both, { numReturns: 2, fetchLocal: false, timeoutMs: 30_000 })).toEqual([both, []]);
  const small = await put(new Uint8Array(MB));
  expect(await wait([small, ref, fits])).toEqual([[small], both]);
  await waitFor("the one that fits is here", async () => await holders(fits) === 2);
  expect(await holders(ref)).toBe(1);
  release(here);
  expect(await wait([ref], { timeoutMs: 30_000 })).toEqual([[ref], []]);
}, 60_000);
