/** wait() across two nodes: what is ready anywhere, and what is ready here. */
import { afterAll, afterEach, beforeEach, expect, test } from "bun:test";
import { get, put, release, remote, shutdown, wait } from "mobula";
import { watchLeftovers } from "../support/leftovers.ts";
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
