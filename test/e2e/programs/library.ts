/**
 * A user's program with all library actors; prints what came of them. Its workers run on the runtime of the first argument.
 * @module
 */
import { ActorPool, get, type HandleOf, init, Pool, Queue, remote, Semaphore } from "mobula";

const FACTOR = 3;
const tripled = (value: number): number => FACTOR * value;

const Doubler = remote(
  class Doubler {
    double(value: number): number {
      return 2 * value;
    }
  },
  { numCpus: 0 },
);
const consume = remote(async (queue: Queue<number>, semaphore: Semaphore, items: number) => {
  using _permit = await semaphore.acquire();
  let sum = 0;
  for (let item = 0; item < items; item++) sum += await queue.get();
  return sum;
}, { numCpus: 0 });

await using _cluster = await init({
  numCpus: 2,
  dashboard: false,
  objectStoreBytes: 64 << 20,
  runtimeEnv: { runtime: process.argv[2] as "bun" | "deno" | "node" },
});

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const values: T[] = [];
  for await (const item of items) values.push(item);
  return values;
}

const queue = new Queue<number>({ maxSize: 2 });
const semaphore = new Semaphore(1);
const sums = [consume.remote(queue, semaphore, 2), consume.remote(queue, semaphore, 2)];
for (const item of [1, 2, 3, 4]) await queue.put(item);
const total = (await get(sums)).reduce((a, b) => a + b);
const empty = await queue.get({ timeoutMs: 10 }).catch((error) => (error as Error).name);
await queue.shutdown();
const actors = [Doubler.remote(), Doubler.remote()];
const pool = new ActorPool(actors as HandleOf<typeof Doubler>[]);
const doubled = await all(pool.map((actor, value: number) => actor.double.remote(value), [1, 2, 3]));
await using processes = new Pool({ processes: 2 });
const mapped = await processes.map(tripled, [1, 2, 3]);
const squared = await all(processes.imap((value) => value * value, [1, 2, 3]));
console.log(JSON.stringify({ total, empty, doubled, mapped, squared }));
