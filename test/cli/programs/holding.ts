/** Makes objects that are held in every way, prints their ids as one line of JSON, and stays. */
import { get, init, type ObjectRef, put, remote } from "mobula";

await using _cluster = await init();
const there = { resources: { there: 1 } };
const make = remote(function makeBytes(size: number) {
  return new Uint8Array(size);
}, there);
/** Borrows a ref for as long as the actor lives. */
const Keeper = remote(
  class Keeper {
    kept: unknown;
    own: unknown;
    keep(value: unknown): void {
      this.kept = value;
    }
    async putOwn(): Promise<string> {
      const own = await put(new Uint8Array(150_000));
      this.own = own;
      return own.id;
    }
    forever(_value: unknown): Promise<never> {
      return new Promise(() => setInterval(() => {}, 60_000));
    }
  },
  there,
);

const inner = await put(new Uint8Array(300_000));
const outer = await put([inner, new Uint8Array(200_000)]);
const made = make.remote(2_000_000);
await get(made);
const recording = { env: { MOBULA_RECORD_CALL_SITES: "1" } };
const keeper = Keeper.options({ maxConcurrency: 2, runtimeEnv: recording }).remote();
const borrowed = await put(new Uint8Array(1_000_000));
await get(keeper.keep.remote([borrowed] as ObjectRef<Uint8Array>[]));
const used = await put(new Uint8Array(400_000));
const inWorker = await get(keeper.putOwn.remote());
const pending = keeper.forever.remote(used);
const ids = {
  inner: inner.id,
  outer: outer.id,
  made: made.id,
  borrowed: borrowed.id,
  used: used.id,
  inWorker,
};
inner.release();
console.log(JSON.stringify({ ...ids, pending: pending.id }));
await get(pending);
