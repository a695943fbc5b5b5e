/**
 * Actors, by the public API: processes of their own from nothing to the first answer, and how calls scale when several
 * callers call several actors.
 * @module
 */
import { cpus } from "node:os";
import { type ActorHandle, get, kill, ready, release, remote } from "mobula";
import { check } from "./pools.ts";
import type { Contestant } from "./timing.ts";

/** Callers and actors of the scaling measurement. */
export const PAIRS: number = cpus().length;
/** In times of one pair's rate: the caller and the actor of one pair keep two cores busy between them. */
export const PAIRS_RATIO_MIN: number = 0.8 * Math.max(1, PAIRS / 2);
const IN_FLIGHT = 1_000;

class EchoActor {
  echo(value: number): number {
    return value;
  }
}
const Echo = remote(EchoActor);

const Caller = remote(
  class {
    /** Calls the actor so many times, a batch at once; how many answers were right. */
    async call(actor: ActorHandle<EchoActor>, operations: number, batch: number): Promise<number> {
      let right = 0;
      for (let done = 0; done < operations; done += batch) {
        const refs = Array.from({ length: batch }, (_, index) => actor.echo.remote(index));
        const values = await get(refs);
        for (let index = 0; index < batch; index++) if (values[index] === index) right++;
        for (const ref of refs) release(ref);
      }
      return right;
    }
  },
);

/** All at once, each with its first call; then they are killed. */
export function dedicatedActors(): Contestant {
  return {
    name: "mobula",
    slice: async (operations) => {
      const actors = Array.from({ length: operations }, () => Echo.options({ numCpus: 0 }).remote());
      const answers = await get(actors.map((actor, index) => actor.echo.remote(index)));
      for (let index = 0; index < operations; index++) check(answers[index], index);
      await Promise.all(actors.map((actor) => kill(actor)));
    },
  };
}

/** So many callers, each an actor with 1,000 calls in flight to an actor of its own. */
export async function callersToActors(pairs: number, name: string): Promise<Contestant> {
  const made = await Promise.all(Array.from({ length: pairs }, async () => {
    const pair = {
      caller: Caller.options({ numCpus: 0 }).remote(),
      actor: Echo.options({ numCpus: 0 }).remote(),
    };
    await Promise.all([ready(pair.caller), ready(pair.actor)]);
    return pair;
  }));
  return {
    name,
    slice: async (operations) => {
      const each = operations / pairs;
      const refs = made.map(({ caller, actor }) => caller.call.remote(actor, each, IN_FLIGHT));
      for (const right of await get(refs)) check(right, each);
    },
  };
}
