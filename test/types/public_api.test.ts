/**
 * The public types: right programs compile, wrong ones do not. Each `@ts-expect-error` is an assertion: the type check of
 * `npm test` fails when the line below it compiles. The one runtime test only says that the file was loaded.
 * @module
 */
import { expect, test } from "bun:test";
import type { ActorHandle, HandleOf, ObjectRef, ObjectRefStream, RemoteFunction } from "../../runtime/mod.ts";
import {
  ActorPool,
  get,
  getActor,
  kill,
  mapTasks,
  Pool,
  put,
  Queue,
  remote,
  Semaphore,
  wait,
} from "../../runtime/mod.ts";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;
function same<A, B>(_equal: Equal<A, B>): void {}

/** Never called: only its types matter. */
export async function programs(): Promise<void> {
  const add = remote((x: number, y: number) => x + y, { maxRetries: 3 });
  const ref = add.remote(1, 2);
  same<typeof ref, ObjectRef<number>>(true);
  add.remote(ref, 2);
  // @ts-expect-error a string is no number
  add.remote("1", 2);
  // @ts-expect-error an argument is missing
  add.remote(1);
  // @ts-expect-error a ref to a string is no number
  add.remote(await put("text"), 2);
  // @ts-expect-error there is no such option
  remote((x: number) => x, { retries: 3 });
  // @ts-expect-error the wrong type of an option's value
  add.options({ numCpus: "2" });
  // @ts-expect-error a remote function is not called directly
  add(1, 2);

  const value = await get(ref);
  same<typeof value, number>(true);
  const values = await get([ref, await put("text")]);
  same<typeof values, [number, string]>(true);
  // @ts-expect-error get takes refs
  await get(3);
  const [ready, remaining] = await wait([ref], { numReturns: 1 });
  same<typeof ready, ObjectRef<number>[]>(true);
  same<typeof remaining, ObjectRef<number>[]>(true);

  const later = remote(async (text: string) => text.length);
  same<ReturnType<typeof later.remote>, ObjectRef<number>>(true);
  const pair = remote((): [number, string] => [1, "a"], { numReturns: 2 }).remote();
  same<typeof pair, [ObjectRef<number>, ObjectRef<string>]>(true);
  const none = remote(() => [], { numReturns: 0 }).remote();
  same<typeof none, void>(true);

  const Counter = remote(
    class {
      value: number;
      constructor(start: number) {
        this.value = start;
      }
      increment(by: number): number {
        return this.value += by;
      }
      async slow(): Promise<string> {
        return "done";
      }
    },
  );
  const counter = Counter.remote(1);
  same<typeof counter, HandleOf<typeof Counter>>(true);
  same<ReturnType<typeof counter.increment.remote>, ObjectRef<number>>(true);
  same<ReturnType<typeof counter.slow.remote>, ObjectRef<string>>(true);
  Counter.remote(ref);
  // @ts-expect-error the constructor takes a number
  Counter.remote("1");
  // @ts-expect-error the argument is missing
  counter.increment.remote();
  // @ts-expect-error there is no such method
  counter.decrement.remote(1);
  // @ts-expect-error a method is not called directly
  counter.increment(1);
  // @ts-expect-error fields are not methods
  counter.value.remote();
  // @ts-expect-error a handle is not a promise
  counter.then;
  // @ts-expect-error there is no such option of an actor
  Counter.options({ maxRetries: 1 });
  await kill(counter);
  // @ts-expect-error kill takes a handle
  await kill("counter");

  const lines = remote(function* (count: number): Generator<string> {
    for (let n = 0; n < count; n++) yield String(n);
  }, { generatorBackpressure: 2 });
  const stream = lines.remote(3);
  same<typeof stream, ObjectRefStream<string>>(true);
  for await (const line of stream) same<typeof line, ObjectRef<string>>(true);
  for await (const line of stream.values()) same<typeof line, string>(true);
  same<ReturnType<typeof stream.completed>, ObjectRef<void>>(true);
  const three = lines.options({ numReturns: 3 }).remote(3);
  same<typeof three, [ObjectRef<string>, ObjectRef<string>, ObjectRef<string>]>(true);
  const Source = remote(
    class {
      async *numbers(): AsyncGenerator<number> {
        yield 1;
      }
    },
  );
  same<ReturnType<ReturnType<typeof Source.remote>["numbers"]["remote"]>, ObjectRefStream<number>>(true);
  const [next] = await wait([stream]);
  same<typeof next, ObjectRefStream<string>[]>(true);
  // @ts-expect-error get takes refs: a stream is read with `for await`
  await get(stream);
  // @ts-expect-error a stream does not travel
  later.remote(stream);

  const found = await getActor<{ read(key: string): number }>("store");
  same<typeof found, ActorHandle<{ read(key: string): number }>>(true);
  for await (
    const length of mapTasks(later as RemoteFunction<(text: string) => Promise<number>>, ["a", "b"])
  ) {
    same<typeof length, number>(true);
  }
}

/** Library actors. Never called either. */
export async function library(): Promise<void> {
  const Doubler = remote(
    class {
      double(value: number): number {
        return 2 * value;
      }
    },
  );
  const pool = new ActorPool([Doubler.remote()]);
  for await (const value of pool.map((actor, value: string) => actor.double.remote(value.length), ["a"])) {
    same<typeof value, number>(true);
  }
  pool.submit((actor, value) => actor.double.remote(value), 1);
  const next = await pool.getNext<number>({ timeoutMs: 1 });
  same<typeof next, number>(true);
  // @ts-expect-error the value is no number
  pool.submit((actor, value: number) => actor.double.remote(value), "1");
  // @ts-expect-error the actor has no such method
  pool.submit((actor, value: number) => actor.triple.remote(value), 1);

  const queue = new Queue<string>({ maxSize: 2, name: "queue" });
  await queue.put("a", { timeoutMs: 0 });
  // @ts-expect-error items are texts
  await queue.put(1);
  same<Awaited<ReturnType<typeof queue.get>>, string>(true);
  const take = remote(async (queue: Queue<string>) => await queue.get());
  same<ReturnType<typeof take.remote>, ObjectRef<string>>(true);
  take.remote(queue);
  // @ts-expect-error a queue of others
  take.remote(new Queue<number>());
  // @ts-expect-error there is no such option
  new Queue({ maxsize: 1 });
  using _permit = await new Semaphore(2).acquire({ timeoutMs: 1, signal: AbortSignal.timeout(1) });
  // @ts-expect-error how many permits?
  new Semaphore();

  await using processes = new Pool({ processes: 2 });
  const lengths = await processes.map(async (text: string) => text.length, ["a"]);
  same<typeof lengths, number[]>(true);
  for await (const one of processes.imap((text: string) => text.length, ["a"], { chunkSize: 1 })) {
    same<typeof one, number>(true);
  }
  // @ts-expect-error items are no texts
  await processes.map((text: string) => text.length, [1]);
}

test("the public types are checked by the type check", () => {
  expect([typeof programs, typeof library]).toEqual(["function", "function"]);
});
