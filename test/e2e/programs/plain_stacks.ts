/**
 * Functions that travel as their own text fail; prints the user's places in their stacks as a line of JSON. The argument:
 * the runtime of the workers.
 * @module
 */
import { get, init, remote } from "mobula";

interface Options {
  readonly limit: number;
}

const check = remote(function check(value: number, options?: Options): number {
  // Printers drop comments and empty lines.

  const limit: number = options?.limit ?? 3, other = `a${value}b`;
  if (value > limit) {
    const inner = (what: string): never => {
      throw new RangeError(`too large: ${what}` satisfies string);
    };
    inner(String(value) + other);
  }
  return value;
});
const Thing = remote(
  class Thing {
    private n = 0;
    run(add: number): number {
      if ((this.n += add) > 3) throw new Error("sum");
      return this.n;
    }
  },
);
const captured = remote((n: number) => {
  if (n > limit) throw new Error("captured");
  return n;
}, { captures: { limit: 1 } });
declare const limit: number;

await using _cluster = await init({ runtimeEnv: { runtime: process.argv[2] as "bun" } });
const places: string[][] = [];
for (const ref of [check.remote(7), Thing.remote().run.remote(7), captured.remote(2)]) {
  const { remoteStack } = await get(ref).catch((error) => error) as { remoteStack: string };
  places.push([...remoteStack.matchAll(/plain_stacks\.ts:\d+/g)].map(([place]) => place));
}
console.log(JSON.stringify(places));
