/**
 * A driver that attaches by MOBULA_ADDRESS and does some of everything. Prints one line of JSON.
 * @module
 */
import { get, init, kill, nodes, ObjectFreedError, put, remote, wait } from "mobula";

await using _cluster = await init({ namespace: "attached" });
const size = remote((bytes: Uint8Array) =>
  [bytes.length, bytes[0], bytes.at(-1)] as [number, number, number]
);
const make = remote((bytes: number) => new Uint8Array(bytes).fill(7));
const Counter = remote(
  class Counter {
    value = 0;
    add(n: number): number {
      return this.value += n;
    }
  },
);

const MB10 = 10 << 20;
const stored = await put(new Uint8Array(MB10).fill(5));
const back = await get(stored);
const made = await get(make.remote(MB10));
const counter = Counter.remote();
const counts = await get(Array.from({ length: 20 }, () => counter.add.remote(1)));
await kill(counter);
const many = await get(Array.from({ length: 200 }, (_, n) => size.remote(new Uint8Array([n, 1]))));
const [ready, remaining] = await wait([make.remote(10), make.remote(MB10)], { numReturns: 2 });
const failed = await get(
  remote(() => {
    throw new RangeError("away");
  }).remote(),
).catch((error) => [error instanceof RangeError, error instanceof ObjectFreedError]);
const nested = remote(async (ref: { inner: never }) => {
  const { get } = await import("mobula");
  return (await get(ref.inner) as Uint8Array).length;
});
console.log(JSON.stringify({
  stored: [back.length, back[0], back.at(-1)],
  argument: await get(size.remote(stored)),
  nested: await get(nested.remote({ inner: stored as never })),
  made: [made.length, made[0], made.at(-1)],
  large: await get(size.remote(new Uint8Array(MB10).fill(3))),
  counts: counts.at(-1),
  many: many.length,
  waited: [ready.length, remaining.length],
  failed,
  nodes: (await nodes()).length,
}));
