/** One object to several agents at once, and agents that are killed while they send on what they have. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { shutdown } from "mobula";
import { FAN_OUT } from "../../runtime/core/object/fan_out.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { addNode, startCases } from "./cases.ts";
import { bytesSentBy, relayChaos } from "./relay_chaos.ts";
import { CHAOS_NODE, CHAOS_STORE_BYTES, OBJECT_BYTES } from "./transfer_chaos.ts";

const RECEIVERS = 6;
const leftovers = watchLeftovers();

beforeAll(async () => {
  await startCases({ objectStoreBytes: CHAOS_STORE_BYTES });
});
afterAll(async () => {
  await shutdown();
  await leftovers.check();
});

test("a broadcast costs its source two copies, however many receive it", async () => {
  const holder = await addNode(CHAOS_NODE);
  const receivers = await Promise.all(Array.from({ length: RECEIVERS }, () => addNode(CHAOS_NODE)));
  const sent = await bytesSentBy(holder, receivers);
  const copies = [...sent.values()].map((bytes) => Math.floor(bytes / OBJECT_BYTES));
  expect(Math.floor(sent.get(holder.nodeId)! / OBJECT_BYTES)).toBe(FAN_OUT);
  expect(copies.reduce((sum, count) => sum + count, 0)).toBe(RECEIVERS);
  await Promise.all([holder, ...receivers].map((node) => node.kill()));
}, 120_000);

test("a node that is killed while it sends on what it has: never a wrong byte, never a hang", async () => {
  await relayChaos(2);
}, 180_000);
