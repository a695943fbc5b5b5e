/**
 * Goal: a handle that only the code waiting for its actor holds is not lost to garbage collection: the waiting function is
 * itself only held by what it waits for, so the process must keep the actor's client meanwhile.
 * Method: collections are forced while ready() waits, in a function whose frame is the handle's only holder.
 * @module
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { get, type HandleOf, init, kill, ready, release, remote, shutdown } from "mobula";
import { watchLeftovers } from "../support/leftovers.ts";
import { isAlive } from "../support/processes.ts";
import { waitFor } from "../support/wait_for.ts";

const leftovers = watchLeftovers();

beforeAll(async () => void await init({ numCpus: 1, dashboard: false }));
afterAll(async () => {
  await shutdown();
  await leftovers.check();
});

test("an actor lives while ready() waits for it, whatever the collector does", async () => {
  const Answer = remote(
    class {
      answer(): number {
        return 42;
      }
    },
  );
  async function use(round: number): Promise<number> {
    // An environment of its own: the actor waits for a new process, long enough for collections in between.
    const actor = Answer.options({ runtimeEnv: { env: { ROUND: String(round) } } }).remote();
    await ready(actor);
    const answer = await get(actor.answer.remote());
    await kill(actor);
    return answer;
  }
  const collecting = setInterval(() => Bun.gc(true), 2);
  try {
    for (let round = 0; round < 3; round++) expect(await use(round)).toBe(42);
  } finally {
    clearInterval(collecting);
  }
}, 20_000);

const Pid = remote(
  class Pid {
    pid(): number {
      return process.pid;
    }
  },
);

test("an actor that was called ends when its forgotten handles are collected", async () => {
  async function use(): Promise<number> {
    return await get(Pid.remote().pid.remote());
  }
  const pid = await use();
  await waitFor("its process ends", () => {
    Bun.gc(true);
    return !isAlive(pid);
  });
}, 20_000);

test("an actor ends although a task forgot its handle: an idle worker collects", async () => {
  const use = remote(async (handle: HandleOf<typeof Pid>): Promise<number> => {
    return await get(handle.pid.remote());
  });
  const handle = Pid.remote();
  const pid = await get(use.remote(handle));
  expect(isAlive(pid)).toBe(true);
  release(handle);
  await waitFor("its process ends", () => !isAlive(pid), 20_000);
}, 30_000);
