/** RETRY-10 in full: 500 nested tasks, a worker node killed and another one added every 2 s for 30 s. */
import { afterAll, beforeAll, test } from "bun:test";
import { shutdown } from "mobula";
import { watchLeftovers } from "../support/leftovers.ts";
import { startCases } from "./cases.ts";
import { killNodes } from "./node_kills.ts";

const leftovers = watchLeftovers();

beforeAll(async () => {
  await startCases({ numCpus: 0 });
});
afterAll(async () => {
  await shutdown();
  await leftovers.check();
});

test("RETRY-10 500 nested tasks survive nodes that are killed again and again", async () => {
  await killNodes(30_000, 500);
}, 300_000);
