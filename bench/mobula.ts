/**
 * mobula's side of each measurement, by the public API, on an embedded cluster with two workers.
 * @module
 */
import { get, init, kill, put, ready, release, remote, shutdown } from "../runtime/mod.ts";
import type { ObjectRef } from "../runtime/mod.ts";
import { check } from "./pools.ts";
import type { Contestant } from "./timing.ts";

const NAME = "mobula";
const STORE_BYTES = 1536 * 1024 * 1024;

const echo = remote((value: number) => value);
const count = remote(function* (items: number) {
  for (let item = 0; item < items; item++) yield item;
});
const Echo = remote(
  class {
    echo(value: number): number {
      return value;
    }
  },
);

export async function startCluster(): Promise<void> {
  await init({ numCpus: 2, objectStoreBytes: STORE_BYTES, dashboard: false, logToDriver: false });
}

export function stopCluster(): Promise<void> {
  return shutdown();
}

/** Calls of one kind: tasks, or one actor's method. */
type Call = (value: number) => ObjectRef<number>;

export const callTask: Call = (value) => echo.remote(value);

/** An actor's method; its process is up when this resolves. */
export async function openActor(): Promise<Call> {
  const actor = Echo.remote();
  await ready(actor);
  return (value) => actor.echo.remote(value);
}

export function oneAtATime(call: Call): Contestant {
  return {
    name: NAME,
    slice: async (operations, lap) => {
      for (let index = 0; index < operations; index++) {
        const ref = call(index);
        check(await get(ref), index);
        release(ref);
        lap();
      }
    },
  };
}

export function inFlight(call: Call, count: number): Contestant {
  return {
    name: NAME,
    slice: async (operations) => {
      for (let done = 0; done < operations; done += count) {
        const refs = Array.from({ length: count }, (_, index) => call(index));
        const values = await get(refs);
        check(values[count - 1], count - 1);
        for (const ref of refs) release(ref);
      }
    },
  };
}

/** The items of one generator, read as values. */
export function streaming(): Contestant {
  return {
    name: NAME,
    slice: async (operations) => {
      let next = 0;
      for await (const value of count.remote(operations).values()) check(value, next++);
      check(next, operations);
    },
  };
}

/** Gets of one object that is in this node's store. */
export function getting(bytes: number): Contestant {
  let ref: ObjectRef<Uint8Array> | null = null;
  return {
    name: NAME,
    slice: async (operations, lap) => {
      ref ??= await put(new Uint8Array(bytes).fill(1));
      for (let index = 0; index < operations; index++) {
        const value = await get(ref);
        check(value.length, bytes);
        lap();
      }
    },
  };
}

/** A worker process from nothing to a constructed actor. An environment of its own makes sure that it is a new one. */
export function workerStart(): Contestant {
  let next = 0;
  return {
    name: NAME,
    slice: async (operations, lap) => {
      for (let index = 0; index < operations; index++) {
        next += 1;
        const actor = Echo.options({ runtimeEnv: { env: { MOBULA_BENCH: String(next) } } }).remote();
        await ready(actor);
        lap();
        await kill(actor);
      }
    },
  };
}
