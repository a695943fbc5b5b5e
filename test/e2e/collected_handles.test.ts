/**
 * Goal: a handle that only the code waiting for its actor holds is not lost to garbage collection: the waiting function is
 * itself only held by what it waits for, so the process must keep the actor's client meanwhile.
 * Method: collections are forced while ready() waits, in a function whose frame is the handle's only holder.
 * @module
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { get, init, kill, ready, remote, shutdown } from "mobula";
import { watchLeftovers } from "../support/leftovers.ts";

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
