/** Light actors and a head that is killed: what is there goes on, what dies meanwhile is judged when it is back. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { ActorDiedError, get, remote, wait } from "mobula";
import type { LocalCluster } from "../../runtime/process/local_cluster.ts";
import { endAttached, killHead, startAttached } from "../support/attach.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { endProcess, rejection } from "../support/processes.ts";
import { waitFor } from "../support/wait_for.ts";

const leftovers = watchLeftovers();
let cluster: LocalCluster;

beforeAll(async () => {
  cluster = await startAttached();
});
afterAll(async () => {
  await endAttached(cluster);
  await leftovers.check();
});

const Cell = remote(
  class Cell {
    value = 0;
    increment(): number {
      return ++this.value;
    }
    pid(): number {
      return process.pid;
    }
  },
  { isolation: "shared" },
);

test("they are called while there is no head, and made when it is back", async () => {
  const cells = Array.from({ length: 200 }, () => Cell.remote());
  await get(cells.map((cell) => cell.increment.remote()));
  await killHead(cluster);
  expect(await get(cells.map((cell) => cell.increment.remote()))).toEqual(cells.map(() => 2));
  const late = Array.from({ length: 50 }, () => Cell.remote());
  const calls = late.map((cell) => cell.increment.remote());
  expect((await wait(calls, { timeoutMs: 300 }))[0]).toEqual([]);
  await cluster.startHead();
  expect(await get(calls)).toEqual(late.map(() => 1));
  expect(await get(cells.map((cell) => cell.increment.remote()))).toEqual(cells.map(() => 3));
}, 30_000);

test("those whose host dies while there is no head are restarted, or dead with the reason", async () => {
  const lasting = Array.from({ length: 20 }, () => Cell.options({ maxRestarts: 1 }).remote());
  const mortal = Array.from({ length: 20 }, () => Cell.remote());
  const pids = await get([...lasting, ...mortal].map((cell) => cell.pid.remote()));
  await get(lasting.map((cell) => cell.increment.remote()));
  await killHead(cluster);
  await Promise.all([...new Set(pids)].map((pid) => endProcess(pid)));
  await cluster.startHead();
  for (const cell of mortal) {
    const error = await rejection(get(cell.increment.remote()));
    expect(error).toBeInstanceOf(ActorDiedError);
    expect(error.message).toContain("SIGKILL");
  }
  for (const cell of lasting) {
    await waitFor("it runs again", () => get(cell.pid.remote()).catch(() => null));
    expect(await get(cell.increment.remote())).toBe(1);
  }
}, 30_000);
