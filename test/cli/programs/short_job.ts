/**
 * A job that is over soon: quick tasks, a few that fail, an actor. Argument: how many tasks. Prints what it counted.
 * @module
 */
import { get, init, put, remote } from "mobula";

const count = Number(process.argv[2]);
await using _cluster = await init();
const square = remote((x: number) => x * x);
const sum = remote((values: number[], _data: Uint8Array) => values.reduce((a, b) => a + b, 0));
const refuse = remote((x: number) => {
  throw new TypeError(`no ${x}`);
}, { maxRetries: 0 });
const Tally = remote(
  class {
    value = 0;
    add(by: number) {
      return this.value += by;
    }
  },
);
const squares = await get(Array.from({ length: count }, (_, i) => square.remote(i)));
const data = await put(new Uint8Array(300_000));
const total = await get(sum.remote(squares, data));
const tally = Tally.remote();
await get(tally.add.remote(total));
const failed = await Promise.allSettled([1, 2, 3].map((x) => get(refuse.remote(x))));
console.log(
  JSON.stringify({
    squares: count,
    failed: failed.filter(({ status }) => status === "rejected").length,
    total,
  }),
);
