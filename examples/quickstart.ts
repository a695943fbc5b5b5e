/**
 * The first tour: a remote function, an actor, stored objects, waiting, retries, the end of an actor.
 *
 *     bun examples/quickstart.ts
 *     deno run -A examples/quickstart.ts
 *     node examples/quickstart.ts
 *
 * It runs on an embedded cluster, or on the one that MOBULA_ADDRESS names; it prints the same on all runtimes.
 * @module
 */
import { ActorDiedError, get, type HandleOf, init, kill, put, remote, wait } from "mobula";

await using cluster = await init();
console.error(`cluster ${cluster.address}, dashboard ${cluster.dashboardUrl ?? "off"}`);

// A remote function runs in a worker process, somewhere in the cluster. `remote` returns at once, with a reference.
const add = remote((x: number, y: number) => x + y);
const three = add.remote(1, 2);
// A reference may stand wherever a value may; the value never passes through this program.
console.log("1 + 2 =", await get(three));
console.log("(1 + 2) + 10 =", await get(add.remote(three, 10)));

// An actor is an object that lives in a worker of its own. Calls run one at a time, in the order in which they were made.
const Counter = remote(
  class Counter {
    value = 0;
    increment() {
      return ++this.value;
    }
    read() {
      return this.value;
    }
  },
);
const counter = Counter.remote();
const increments = [counter.increment.remote(), counter.increment.remote()];
console.log("increments:", JSON.stringify(await get(increments)));
console.log("counter:", await get(counter.read.remote()));

// A large value is stored once, in shared memory; readers on the same machine see it without a copy.
const numbers = await put(Float64Array.from({ length: 1_000_000 }, (_, i) => i));
const sum = remote((values: Float64Array) => values.reduce((total, value) => total + value, 0));
console.log("sum of a million numbers:", await get(sum.remote(numbers)));
numbers.release();

// Four tasks at once, and whichever are done.
const sleep = remote(async (ms: number) => {
  await new Promise((resolve) => setTimeout(resolve, ms));
  return ms;
});
const naps = [10, 20, 30, 40].map((ms) => sleep.remote(ms));
const [ready, remaining] = await wait(naps, { numReturns: 4 });
console.log("waited for:", JSON.stringify(await get(ready)), "left:", remaining.length);

// A task that fails twice and succeeds on its third try. Each try may run in another process, so an actor counts.
const Attempts = remote(
  class Attempts {
    count = 0;
    next() {
      return ++this.count;
    }
  },
);
const attempts = Attempts.remote();
const flaky = remote(
  async (attempts: HandleOf<typeof Attempts>) => {
    const { get } = await import("mobula");
    const attempt = await get(attempts.next.remote());
    if (attempt < 3) throw new Error(`attempt ${attempt} fails`);
    return `succeeded on attempt ${attempt}`;
  },
  { maxRetries: 3, retryExceptions: true },
);
console.log("flaky:", await get(flaky.remote(attempts)));

// A killed actor answers nobody.
await kill(counter);
const outcome = await get(counter.read.remote()).then(
  (value) => `still there with ${value}`,
  (error) => error instanceof ActorDiedError ? "ActorDiedError" : String(error),
);
console.log("after kill:", outcome);
