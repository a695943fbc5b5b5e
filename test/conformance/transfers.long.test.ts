/** Holders that go in the middle of a transfer, a hundred times. */
import { afterAll, beforeAll, test } from "bun:test";
import { shutdown } from "mobula";
import { watchLeftovers } from "../support/leftovers.ts";
import { startCases } from "./cases.ts";
import { relayChaos } from "./relay_chaos.ts";
import { CHAOS_STORE_BYTES, transferChaos } from "./transfer_chaos.ts";

const leftovers = watchLeftovers();

beforeAll(async () => {
  await startCases({ objectStoreBytes: CHAOS_STORE_BYTES });
});
afterAll(async () => {
  await shutdown();
  await leftovers.check();
});

test("a holder that goes in the middle of a transfer: never a wrong byte, never a hang", async () => {
  await transferChaos(100, 10);
}, 600_000);

test("a node that is killed while it sends on what it has: never a wrong byte, never a hang", async () => {
  await relayChaos(30);
}, 600_000);
