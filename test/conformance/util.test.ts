/** Library actors: ActorPool, Queue, Semaphore and Pool. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  ActorDiedError,
  ActorPool,
  get,
  GetTimeoutError,
  type HandleOf,
  MobulaError,
  type ObjectRef,
  Pool,
  put,
  Queue,
  QueueEmptyError,
  QueueFullError,
  remote,
  Semaphore,
  shutdown,
} from "mobula";
import { Signal, type SignalHandle, Tally, type TallyHandle } from "../support/actors.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { endProcess, rejection } from "../support/processes.ts";
import { waitFor } from "../support/wait_for.ts";
import { startCases } from "./cases.ts";

const leftovers = watchLeftovers();

beforeAll(() => startCases({ numCpus: 4 }));
afterAll(async () => {
  await shutdown();
  await leftovers.check();
});

const Doubler = remote(
  class Doubler {
    double(value: number): number {
      if (value < 0) throw new RangeError(`${value} is negative`);
      return 2 * value;
    }
    async doubleWhen(signal: SignalHandle | null, value: number): Promise<number> {
      const { get } = await import("mobula");
      if (signal !== null) await get(signal.wait.remote());
      return 2 * value;
    }
    async pid(): Promise<number> {
      return process.pid;
    }
  },
  { numCpus: 0 },
);
type DoublerHandle = HandleOf<typeof Doubler>;

const double = (actor: DoublerHandle, value: number) => actor.double.remote(value);
const doubleWhen = (actor: DoublerHandle, [signal, value]: [SignalHandle | null, number]) =>
  actor.doubleWhen.remote(signal, value);

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const values: T[] = [];
  for await (const item of items) values.push(item);
  return values;
}

describe("ActorPool", () => {
  const poolOf = (actors: number) =>
    new ActorPool(Array.from({ length: actors }, () => Doubler.remote() as DoublerHandle));

  test("UTIL-01 map gives results in the order of the values", async () => {
    const signal = Signal.remote();
    const results = poolOf(2).map(doubleWhen, [[signal, 1], [null, 2], [null, 3], [null, 4]]);
    const first = results.next();
    await waitFor("the first one stands", async () => await get(signal.waiters.remote()) === 1);
    signal.send.remote();
    expect((await first).value).toBe(2);
    expect(await all(results)).toEqual([4, 6, 8]);
  });

  test("UTIL-01 mapUnordered gives what is there first", async () => {
    const signal = Signal.remote();
    const results = poolOf(2).mapUnordered(doubleWhen, [[signal, 1], [null, 2], [null, 3], [null, 4]]);
    const others = [await results.next(), await results.next(), await results.next()];
    expect(others.map(({ value }) => value)).toEqual([4, 6, 8]);
    signal.send.remote();
    expect(await all(results)).toEqual([2]);
  });

  test("UTIL-01 what is submitted waits for an actor, and comes in order, until there is no more", async () => {
    const pool = poolOf(2);
    expect([pool.hasNext(), pool.hasFree()]).toEqual([false, true]);
    for (let value = 0; value < 5; value++) pool.submit(double, value);
    expect([pool.hasNext(), pool.hasFree()]).toEqual([true, false]);
    const values: number[] = [];
    while (pool.hasNext()) values.push(await pool.getNext<number>());
    expect(values).toEqual([0, 2, 4, 6, 8]);
    const end = await rejection(pool.getNext());
    expect(end).toBeInstanceOf(MobulaError);
    expect((end as MobulaError).code).toBe("NoMoreResults");
    expect((await rejection(pool.getNextUnordered()) as MobulaError).code).toBe("NoMoreResults");
  });

  test("UTIL-01 getNext after getNextUnordered is refused until all was taken", async () => {
    const pool = poolOf(2);
    for (let value = 0; value < 3; value++) pool.submit(double, value);
    const first = await pool.getNextUnordered<number>();
    expect(await rejection(pool.getNext())).toBeInstanceOf(RangeError);
    const rest = [await pool.getNextUnordered<number>(), await pool.getNextUnordered<number>()];
    expect([first, ...rest].sort()).toEqual([0, 2, 4]);
    pool.submit(double, 7);
    expect(await pool.getNext<number>()).toBe(14);
  });

  test("UTIL-01 a result that is late stays the next, unless the timeout is to be ignored", async () => {
    const pool = poolOf(2);
    const signal = Signal.remote();
    pool.submit(doubleWhen, [signal, 1]);
    pool.submit(doubleWhen, [null, 2]);
    for (const timeoutMs of [0, 20]) {
      expect(await rejection(pool.getNext({ timeoutMs }))).toBeInstanceOf(GetTimeoutError);
    }
    expect(await rejection(pool.getNext({ timeoutMs: -1 }))).toBeInstanceOf(RangeError);
    expect(await rejection(pool.getNext({ timeoutMs: 0, ignoreIfTimedOut: true }))).toBeInstanceOf(
      GetTimeoutError,
    );
    expect(await pool.getNext<number>()).toBe(4);
    expect(pool.hasNext()).toBe(false);
    pool.submit(doubleWhen, [signal, 3]);
    expect(await rejection(pool.getNextUnordered({ timeoutMs: 20 }))).toBeInstanceOf(GetTimeoutError);
    await get(signal.send.remote());
    expect(await pool.getNextUnordered<number>()).toBe(6);
  });

  test("a failure is its own result, and its actor goes on; fn may fail too", async () => {
    const pool = poolOf(1);
    pool.submit(double, -1);
    pool.submit(double, 2);
    pool.submit((): ObjectRef<number> => {
      throw new TypeError("fn itself");
    }, 0);
    pool.submit(double, 3);
    expect(await rejection(pool.getNext())).toBeInstanceOf(RangeError);
    expect(await pool.getNext<number>()).toBe(4);
    expect((await rejection(pool.getNext()) as Error).message).toBe("fn itself");
    expect(await pool.getNext<number>()).toBe(6);
    expect(await rejection(all(pool.map(double, [1, -1, 2])))).toBeInstanceOf(RangeError);
    expect(await all(pool.map(double, [1, 2]))).toEqual([2, 4]);
  });

  test("map reads values as they are needed, and drops what was submitted before", async () => {
    const pool = poolOf(2);
    pool.submit(double, 1);
    let read = 0;
    const endless = function* (): Generator<number> {
      for (;;) yield read++;
    };
    const values: number[] = [];
    for await (const value of pool.map(double, endless())) {
      values.push(value);
      if (values.length === 10) break;
    }
    expect(values).toEqual([0, 2, 4, 6, 8, 10, 12, 14, 16, 18]);
    expect(read).toBeLessThan(16);
    expect(pool.hasNext()).toBe(false);
    expect(await all(pool.map(double, [5]))).toEqual([10]);
  });

  test("actors come and go", async () => {
    const pool = poolOf(1);
    const actor = pool.popIdle()!;
    expect(pool.popIdle()).toBeUndefined();
    expect(() => pool.submit(double, 1)).toThrow(RangeError);
    pool.push(actor);
    pool.submit(double, 1);
    expect(await pool.getNext<number>()).toBe(2);
    expect(() => new ActorPool([{} as never])).toThrow(TypeError);
  });
});

describe("Queue", () => {
  test("UTIL-02 a full queue refuses a third item at once, or after a time; an empty one has none", async () => {
    const queue = new Queue<number>({ maxSize: 2 });
    await queue.put(1, { timeoutMs: 0 });
    await queue.put(2);
    expect(await rejection(queue.put(3, { timeoutMs: 0 }))).toBeInstanceOf(QueueFullError);
    const late = await rejection(queue.put(3, { timeoutMs: 20 }));
    expect(late).toBeInstanceOf(QueueFullError);
    expect(late).toBeInstanceOf(GetTimeoutError);
    expect([await queue.size(), await queue.get(), await queue.get({ timeoutMs: 0 })]).toEqual([2, 1, 2]);
    expect(await rejection(queue.get({ timeoutMs: 0 }))).toBeInstanceOf(QueueEmptyError);
    const none = await rejection(queue.get({ timeoutMs: 20 }));
    expect(none).toBeInstanceOf(QueueEmptyError);
    expect(none).toBeInstanceOf(GetTimeoutError);
  });

  test("UTIL-02 negative times are refused, wrong options too", async () => {
    const queue = new Queue<number>();
    expect(await rejection(queue.put(1, { timeoutMs: -1 }))).toBeInstanceOf(RangeError);
    expect(await rejection(queue.get({ timeoutMs: -1 }))).toBeInstanceOf(RangeError);
    expect(await rejection(queue.get({ timeoutMs: "1" as never }))).toBeInstanceOf(TypeError);
    expect(() => new Queue({ maxSize: -1 })).toThrow(RangeError);
    expect(() => new Queue({ maxSize: 1.5 })).toThrow(TypeError);
    expect(() => new Queue({ maxsize: 1 } as never)).toThrow(TypeError);
    expect(await queue.size()).toBe(0);
  });

  test("UTIL-02 a batch that does not fit adds nothing, and one that is not there takes nothing", async () => {
    const queue = new Queue<number>({ maxSize: 3 });
    await queue.putBatch([1, 2]);
    expect(await rejection(queue.putBatch([3, 4]))).toBeInstanceOf(QueueFullError);
    expect(await queue.size()).toBe(2);
    expect(await rejection(queue.getBatch(3))).toBeInstanceOf(QueueEmptyError);
    expect(await queue.getBatch(2)).toEqual([1, 2]);
  });

  test("UTIL-02 shutdown lets consumers take what is there, refuses puts, and then ends the queue", async () => {
    const queue = new Queue<number>();
    await queue.putBatch([1, 2]);
    const ended = queue.shutdown();
    await waitFor(
      "puts are refused",
      async () => await queue.put(0, { timeoutMs: 0 }).then(() => false, () => true),
    );
    expect(await queue.size()).toBeGreaterThanOrEqual(2);
    const rest: number[] = [];
    while (rest.length < 2) rest.push(await queue.get());
    expect(rest).toEqual([1, 2]);
    await ended;
    expect(await rejection(queue.get())).toBeInstanceOf(ActorDiedError);
    expect(await rejection(queue.put(1))).toBeInstanceOf(ActorDiedError);
    await queue.shutdown();
  });

  test("UTIL-02 items that nobody takes hold a shutdown up for 5 s; with force for no time", async () => {
    const queue = new Queue<number>();
    await queue.put(1);
    const other = new Queue<number>();
    await other.put(1);
    const forced = new Queue<number>({ name: "forced" });
    const waiting = rejection(forced.get());
    await forced.size();
    const startMs = performance.now();
    await other.shutdown({ force: true });
    await forced.shutdown({ force: true });
    expect(performance.now() - startMs).toBeLessThan(4_000);
    expect(await waiting).toBeInstanceOf(ActorDiedError);
    await queue.shutdown();
    expect(performance.now() - startMs).toBeGreaterThan(4_900);
    expect(await rejection(queue.get())).toBeInstanceOf(ActorDiedError);
  }, 30_000);

  test("puts wait for room and gets for items, each in the order of the calls", async () => {
    const queue = new Queue<number>({ maxSize: 1 });
    const puts = [1, 2, 3].map((item) => queue.put(item));
    expect([await queue.get(), await queue.get(), await queue.get()]).toEqual([1, 2, 3]);
    await Promise.all(puts);
    const gets = [queue.get(), queue.get()];
    await queue.put(4);
    await queue.put(5);
    expect(await Promise.all(gets)).toEqual([4, 5]);
  });

  test("it travels as an argument, a result and inside values; refs in it stay refs", async () => {
    const queue = new Queue<{ from: string; ref: ObjectRef<number> }>();
    const send = remote(async ({ to }: { to: typeof queue }) => {
      const { put } = await import("mobula");
      await to.put({ from: "task", ref: await put(7) });
      return to;
    });
    const back = await get(send.remote({ to: queue }));
    const { from, ref } = await back.get();
    expect([from, await get(ref)]).toEqual(["task", 7]);
    await queue.put({ from: "driver", ref: await put(8) });
    expect((await back.get()).from).toBe("driver");
  });

  test("producers and consumers in tasks pass on each item once", async () => {
    const queue = new Queue<number>({ maxSize: 8 });
    const produce = remote(async (queue: Queue<number>, from: number) => {
      for (let item = from; item < from + 100; item++) await queue.put(item);
    }, { numCpus: 0 });
    const consume = remote(async (queue: Queue<number>, items: number) => {
      const taken: number[] = [];
      while (taken.length < items) taken.push(await queue.get());
      return taken;
    }, { numCpus: 0 });
    const producers = [0, 100].map((from) => produce.remote(queue, from));
    const taken = await get([100, 100].map((items) => consume.remote(queue, items)));
    await get(producers);
    expect(taken.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, i) => i));
    // One producer's items are in order wherever they arrive.
    for (const items of taken) {
      const ofFirst = items.filter((item) => item < 100);
      expect(ofFirst).toEqual(ofFirst.toSorted((a, b) => a - b));
    }
  });

  test("a consumer that dies while it waits takes no item with it", async () => {
    const queue = new Queue<number>();
    const tally = Tally.remote();
    const consume = remote(async (queue: Queue<number>, tally: TallyHandle) => {
      const { get } = await import("mobula");
      const waiting = queue.get();
      await queue.size(); // The get is there.
      await get(tally.add.remote(process.pid));
      return await waiting;
    }, { numCpus: 0, maxRetries: 0 });
    const lost = consume.remote(queue, tally);
    await waitFor("it waits", async () => await get(tally.read.remote()) === 1);
    const [pid] = await get(tally.take.remote()) as number[];
    await endProcess(pid!);
    await rejection(get(lost));
    // The queue hears of it when the connection ends: by then its get is over.
    await waitFor("its get is over", async () => {
      await queue.put(1);
      return await queue.get({ timeoutMs: 0 }).then(() => true, () => false);
    });
    await queue.put(2);
    expect(await queue.get({ timeoutMs: 0 })).toBe(2);
  });

  test("a name is one queue for all", async () => {
    const queue = new Queue<string>({ name: "shared-queue", maxSize: 5 });
    await queue.put("there");
    const take = remote(async (name: string) => {
      const { Queue } = await import("mobula");
      return await new Queue<string>({ name }).get();
    });
    expect(await get(take.remote("shared-queue"))).toBe("there");
    // Also where it is passed on before anybody knows whose name that is.
    const use = remote(async (queue: Queue<string>) => await queue.get(), { numCpus: 0 });
    const passOn = remote(async (name: string, fn: typeof use) => {
      const { get, Queue, Semaphore } = await import("mobula");
      const both = {
        semaphore: new Semaphore(1, { name: `${name}-permits` }),
        queue: new Queue<string>({ name }),
      };
      const acquire = (await import("mobula")).remote(async ({ semaphore }: { semaphore: Semaphore }) => {
        using _permit = await semaphore.acquire();
      }, { numCpus: 0 });
      await get(acquire.remote(both));
      return await get(fn.remote(both.queue));
    }, { numCpus: 0 });
    const permits = new Semaphore(1, { name: "shared-queue-permits" });
    await queue.put("again");
    expect(await get(passOn.remote("shared-queue", use))).toBe("again");
    (await permits.acquire({ timeoutMs: 10_000 }))[Symbol.dispose]();
  });

  test("what cannot travel is refused by its place, and large items pass", async () => {
    const queue = new Queue<unknown>();
    const refused = await rejection(queue.put({ run: () => 1 }));
    expect(refused).toBeInstanceOf(TypeError);
    expect(refused.message).toContain("run");
    await queue.put(new Float64Array(100_000).fill(1.5));
    const large = await queue.get() as Float64Array;
    expect([large.length, large[99_999]]).toEqual([100_000, 1.5]);
  });
});

describe("Semaphore", () => {
  test("as many as there are permits are inside at once, in the order of their calls", async () => {
    const semaphore = new Semaphore(2);
    const first = await semaphore.acquire();
    const second = await semaphore.acquire();
    const order: number[] = [];
    const waiting = [3, 4].map(async (who) => {
      const permit = await semaphore.acquire();
      order.push(who);
      return permit;
    });
    expect(await rejection(semaphore.acquire({ timeoutMs: 0 }))).toBeInstanceOf(GetTimeoutError);
    expect(await rejection(semaphore.acquire({ timeoutMs: 20 }))).toBeInstanceOf(GetTimeoutError);
    expect(order).toEqual([]);
    second[Symbol.dispose]();
    second[Symbol.dispose](); // Once is enough, and twice gives nothing away.
    await waiting[0];
    expect(order).toEqual([3]);
    expect(await rejection(semaphore.acquire({ timeoutMs: 0 }))).toBeInstanceOf(GetTimeoutError);
    first[Symbol.dispose]();
    (await waiting[1])![Symbol.dispose]();
    (await waiting[0])![Symbol.dispose]();
    expect(order).toEqual([3, 4]);
    (await semaphore.acquire({ timeoutMs: 5_000 }))[Symbol.dispose]();
  });

  test("a wait that is aborted or out of time takes no permit", async () => {
    const semaphore = new Semaphore(1);
    const held = await semaphore.acquire();
    const controller = new AbortController();
    const waiting = semaphore.acquire({ signal: controller.signal });
    controller.abort(new Error("enough"));
    expect((await rejection(waiting) as Error).message).toBe("enough");
    expect((await rejection(semaphore.acquire({ signal: controller.signal })) as Error).message).toBe(
      "enough",
    );
    held[Symbol.dispose]();
    (await semaphore.acquire({ timeoutMs: 5_000 }))[Symbol.dispose]();
    for (const permits of [0, -1]) expect(() => new Semaphore(permits)).toThrow(RangeError);
    expect(() => new Semaphore(1.5)).toThrow(TypeError);
    expect(await rejection(semaphore.acquire({ timeoutMs: -1 }))).toBeInstanceOf(RangeError);
  });

  test("a process that dies with a permit gives it back; so does a task that ends", async () => {
    const semaphore = new Semaphore(1);
    const tally = Tally.remote();
    const signal = Signal.remote();
    const hold = remote(async (semaphore: Semaphore, tally: TallyHandle, signal: SignalHandle) => {
      const { get } = await import("mobula");
      await semaphore.acquire();
      await get(tally.add.remote(process.pid));
      await get(signal.wait.remote());
    }, { numCpus: 0, maxRetries: 0 });
    const dying = hold.remote(semaphore, tally, signal);
    await waitFor("it holds the permit", async () => await get(tally.read.remote()) === 1);
    const [pid] = await get(tally.take.remote()) as number[];
    const next = semaphore.acquire();
    const ending = hold.remote(semaphore, tally, signal);
    expect(await rejection(semaphore.acquire({ timeoutMs: 50 }))).toBeInstanceOf(GetTimeoutError);
    await endProcess(pid!);
    await rejection(get(dying));
    (await next)[Symbol.dispose]();
    await waitFor("the next one holds it", async () => await get(tally.read.remote()) === 1);
    await get(signal.send.remote());
    await get(ending);
    (await semaphore.acquire({ timeoutMs: 10_000 }))[Symbol.dispose]();
  });

  for (const isolation of ["process", "shared"] as const) {
    test(`an actor (${isolation}) holds a permit from call to call`, async () => {
      const semaphore = new Semaphore(1);
      const Holder = remote(
        class Holder {
          permit: Disposable | null = null;
          async take(semaphore: Semaphore): Promise<void> {
            this.permit = await semaphore.acquire();
          }
          async again(semaphore: Semaphore): Promise<string> {
            return await semaphore.acquire({ timeoutMs: 0 }).then(
              () => "another",
              (error) => (error as Error).name,
            );
          }
          give(): void {
            this.permit![Symbol.dispose]();
          }
        },
        { numCpus: 0, isolation },
      );
      const holder = Holder.remote();
      await get(holder.take.remote(semaphore));
      expect(await get(holder.again.remote(semaphore))).toBe("GetTimeoutError");
      expect(await rejection(semaphore.acquire({ timeoutMs: 50 }))).toBeInstanceOf(GetTimeoutError);
      await get(holder.give.remote());
      (await semaphore.acquire({ timeoutMs: 10_000 }))[Symbol.dispose]();
    });
  }
});

const FACTOR = 3;
/** A module's own: it travels along. */
function tripled(value: number): number {
  return FACTOR * value;
}

describe("Pool", () => {
  test("map gives values in order from so many processes, in chunks", async () => {
    await using pool = new Pool({ processes: 2 });
    const items = Array.from({ length: 20 }, (_, i) => i);
    expect(await pool.map(tripled, items)).toEqual(items.map((item) => 3 * item));
    expect(await pool.map(async (item) => `${item}`, [1, 2])).toEqual(["1", "2"]);
    expect(await pool.map(tripled, [])).toEqual([]);
    const pids = await pool.map(() => process.pid, items, { chunkSize: 5 });
    expect(new Set(pids).size).toBe(2);
    for (let at = 0; at < 20; at += 5) expect(new Set(pids.slice(at, at + 5)).size).toBe(1);
  });

  test("imap gives them one by one, and reads no further ahead than its processes need", async () => {
    await using pool = new Pool({ processes: 2 });
    let read = 0;
    const endless = function* (): Generator<number> {
      for (;;) yield read++;
    };
    const values: number[] = [];
    for await (const value of pool.imap((item) => item * item, endless(), { chunkSize: 2 })) {
      values.push(value);
      if (values.length === 9) break;
    }
    expect(values).toEqual([0, 1, 4, 9, 16, 25, 36, 49, 64]);
    expect(read).toBeLessThan(9 + 2 * (2 * 2 * 2 + 2));
    expect(await all(pool.imap(tripled, new Set([1, 2])))).toEqual([3, 6]);
  });

  test("the first failure rejects; the pool goes on", async () => {
    await using pool = new Pool({ processes: 2 });
    const fail = (item: number): number => {
      if (item === 3) throw new RangeError("three");
      return item;
    };
    const error = await rejection(pool.map(fail, [1, 2, 3, 4], { chunkSize: 1 }));
    expect(error).toBeInstanceOf(RangeError);
    expect((error as Error).message).toContain("three");
    expect(await rejection(all(pool.imap(fail, [1, 3])))).toBeInstanceOf(RangeError);
    expect(await pool.map(fail, [1, 2])).toEqual([1, 2]);
    const outer = Math.random();
    expect(await rejection(pool.map(() => outer, [1]))).toBeInstanceOf(TypeError);
    expect(await rejection(pool.map(fail, [1], { chunkSize: 0 }))).toBeInstanceOf(RangeError);
  });

  test("a process that dies fails its calls and is replaced", async () => {
    await using pool = new Pool({ processes: 1 });
    const die = (item: number): number => item < 0 ? process.exit(1) : item;
    expect(await pool.map(die, [1])).toEqual([1]);
    expect(await rejection(pool.map(die, [-1]))).toBeInstanceOf(MobulaError);
    await waitFor("it is replaced", async () => (await pool.map(die, [2]).catch(() => [])).length === 1);
  });

  test("terminate fails what runs; more processes than CPUs are refused", async () => {
    const pool = new Pool({ processes: 1 });
    const signal = Signal.remote();
    const stand = async (signal: SignalHandle): Promise<void> => {
      const { get } = await import("mobula");
      await get(signal.wait.remote());
    };
    const running = rejection(pool.map(stand, [signal]));
    await waitFor("it runs", async () => await get(signal.waiters.remote()) === 1);
    await pool.terminate();
    expect((await running as MobulaError).code).toBe("PoolTerminated");
    expect((await rejection(pool.map(tripled, [1])) as MobulaError).code).toBe("PoolTerminated");
    await pool.terminate();
    expect(await rejection(new Pool({ processes: 5 }).map(tripled, [1]))).toBeInstanceOf(RangeError);
    for (const processes of [0, -1]) expect(() => new Pool({ processes })).toThrow(RangeError);
    expect(() => new Pool({ workers: 1 } as never)).toThrow(TypeError);
  });
});
