/**
 * A driver that reads streams: as refs, as values, large ones, one that fails, one that it leaves. Prints a line for each.
 * @module
 */
import { get, init, remote, TaskError } from "mobula";

await using _cluster = await init({ numCpus: 2, dashboard: false });

const count = remote(async function* (items: number, bytes: number) {
  for (let item = 0; item < items; item++) yield bytes === 0 ? item : new Uint8Array(bytes).fill(item);
});
const broken = remote(function* () {
  yield 0;
  throw new RangeError("after one");
});
const Source = remote(
  class {
    *items(items: number) {
      for (let item = 0; item < items; item++) yield item;
    }
  },
);

function say(what: string, value: unknown): void {
  console.log(`${what}: ${JSON.stringify(value)}`);
}

const refs: number[] = [];
for await (const ref of count.remote(4, 0)) refs.push(await get(ref) as number);
say("refs", refs);

let sum = 0;
for await (const value of count.remote(10_000, 0).values()) sum += value as number;
say("many", sum);

const large: number[] = [];
for await (const value of count.options({ generatorBackpressure: 2 }).remote(5, 300_000).values()) {
  const bytes = value as Uint8Array;
  large.push(bytes.length + bytes[0]!);
}
say("large", large);

const method: number[] = [];
for await (const value of Source.remote().items.remote(3).values()) method.push(value);
say("method", method);

const failing = broken.remote();
const before = await get((await failing.next()).value!);
const error = await get((await failing.next()).value!).catch((error) => error);
say("broken", [
  before,
  error instanceof TaskError && error instanceof RangeError,
  (await failing.next()).done,
]);

const left = count.options({ generatorBackpressure: 1 }).remote(1_000_000, 300_000);
for await (const ref of left) {
  ref.release();
  break;
}
say("left", await get(left.completed()) === undefined);
// A stream that stands must not keep the process from ending.
const standing = count.options({ generatorBackpressure: 1 }).remote(10, 0);
say("standing", await get((await standing.next()).value!));
