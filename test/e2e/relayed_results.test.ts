/**
 * Goal: what a worker of another node stores for a submitter has the submitter's node as its home: that is where the
 * submitter counts it, and from where it is freed.
 * Method: a large result is made on a second node; the rows of objects and the stores' usage are looked at.
 * @module
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { get, init, listObjects, nodes, remote, runtimeContext, shutdown } from "mobula";
import { currentDriver } from "../../runtime/api/init.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { waitFor } from "../support/wait_for.ts";

const leftovers = watchLeftovers();

beforeAll(async () => void await init({ numNodes: 2, numCpus: 1, dashboard: false }));
afterAll(async () => {
  await shutdown();
  await leftovers.check();
});

test(
  "a large result made on another node is homed where its submitter is, and freed from there",
  async () => {
    const here = runtimeContext().nodeId;
    const there = (await nodes()).find((node) => node.nodeId !== here)!.nodeId;
    const make = remote((bytes: number) => new Uint8Array(bytes).fill(7), {
      schedulingStrategy: { nodeId: there },
    });
    const ref = make.remote(2_000_000);
    expect((await get(ref))[1_999_999]).toBe(7);
    const agents = currentDriver()!.local!.agents;
    expect(agents.length).toBe(2);
    const rows = await waitFor("its row", async () => {
      const found = await listObjects({ detail: true, filters: [`objectId=${ref.id}`] });
      return found.length === 1 ? found : null;
    });
    expect(rows[0]).toMatchObject({ primary: there, home: here });
    ref.release();
    await waitFor("no object", async () => (await listObjects()).length === 0);
  },
  20_000,
);
