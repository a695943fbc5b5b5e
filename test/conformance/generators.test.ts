/** Streaming generators: the behaviour cases GEN, with real processes. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  ActorDiedError,
  cancel,
  get,
  type HandleOf,
  kill,
  listObjects,
  listTasks,
  type ObjectRefStream,
  put,
  remote,
  type RemoteFunction,
  runtimeContext,
  shutdown,
  TaskCancelledError,
  TaskError,
  wait,
  WorkerCrashedError,
} from "mobula";
import { Signal, type SignalHandle, Tally, type TallyHandle } from "../support/actors.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { endProcess, rejection } from "../support/processes.ts";
import { waitFor } from "../support/wait_for.ts";
import { startCases } from "./cases.ts";

const leftovers = watchLeftovers();
/** How long nothing may happen where nothing should. */
const SETTLE_MS = 500;
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, SETTLE_MS));

beforeAll(() => startCases());
afterAll(async () => {
  await shutdown();
  await leftovers.check();
});

/** Says `item` before each one, and "finally" when it ends. */
const tell = remote(async function* tell(tally: TallyHandle, items: number) {
  try {
    for (let item = 0; item < items; item++) {
      await get(tally.add.remote(item));
      yield item;
    }
  } finally {
    await get(tally.add.remote("finally"));
  }
});

/** Lets one of those who wait pass at a time. */
const Turnstile = remote(
  class Turnstile {
    waiting: (() => void)[] = [];
    async wait(): Promise<void> {
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
    pass(): void {
      this.waiting.shift()!();
    }
    waiters(): number {
      return this.waiting.length;
    }
  },
  { numCpus: 0, maxConcurrency: 10 },
);

async function allOf<T>(stream: ObjectRefStream<T>): Promise<(T | Error)[]> {
  const items: (T | Error)[] = [];
  for await (const ref of stream) {
    items.push(await get(ref).catch((error: Error) => error));
    ref.release();
  }
  return items;
}

async function stateOf(name: string): Promise<string[]> {
  const rows = await listTasks({ filters: [`name=${name}`] });
  return rows.map((row) => String(row.state));
}

test("GEN-01 every item is a ref before the task has ended, then comes the end, and again the end", async () => {
  const gate = Turnstile.remote();
  const gated = remote(async function* (gate: HandleOf<typeof Turnstile>) {
    for (let item = 0; item < 5; item++) {
      yield item;
      await get(gate.wait.remote());
    }
  });
  const stream = gated.remote(gate);
  const completed = stream.completed();
  for (let item = 0; item < 5; item++) {
    const { value: ref, done } = await stream.next();
    expect(done).toBe(false);
    expect(await get(ref!)).toBe(item);
    await waitFor("the generator stands at the gate", async () => await get(gate.waiters.remote()) === 1);
    expect((await wait([completed], { timeoutMs: 0 }))[0]).toEqual([]);
    await get(gate.pass.remote());
  }
  for (let more = 0; more < 2; more++) expect(await stream.next()).toEqual({ done: true, value: undefined });
  expect(await get(completed)).toBeUndefined();
});

test("GEN-02 what it throws is one ref's value, then the end", async () => {
  const broken = remote(function* () {
    yield 0;
    yield 1;
    throw new RangeError("at 2");
  });
  const stream = broken.remote();
  const items = await allOf(stream);
  expect(items.slice(0, 2)).toEqual([0, 1]);
  expect(items.length).toBe(3);
  expect(items[2]).toBeInstanceOf(TaskError);
  expect(items[2]).toBeInstanceOf(RangeError);
  expect((await stream.next()).done).toBe(true);
  expect(await rejection(get(stream.completed()))).toBeInstanceOf(RangeError);
});

test("GEN-04 an attempt that is repeated gives nobody an item twice", async () => {
  const tally = Tally.remote();
  const flaky = remote(async function* (tally: TallyHandle) {
    const attempt = await get(tally.add.remote());
    for (let item = 0; item < 5; item++) {
      if (item === 3 && attempt < 3) throw new Error("not yet");
      yield item;
    }
  }, { retryExceptions: true });
  expect(await allOf(flaky.remote(tally))).toEqual([0, 1, 2, 3, 4]);
  expect(await get(tally.read.remote())).toBe(3);
});

test("a crash repeats it as well, and matches by index", async () => {
  const tally = Tally.remote();
  const crashing = remote(async function* (tally: TallyHandle) {
    const attempt = await get(tally.add.remote());
    for (let item = 0; item < 5; item++) {
      yield { item, attempt, bytes: new Uint8Array(item === 1 ? 200_000 : 10) };
      if (item === 2 && attempt < 2) process.exit(1);
    }
  }, { maxRetries: 1 });
  const items = await allOf(crashing.remote(tally)) as { item: number; bytes: Uint8Array }[];
  expect(items.map(({ item, bytes }) => [item, bytes.length]))
    .toEqual([[0, 10], [1, 200_000], [2, 10], [3, 10], [4, 10]]);
});

test("GEN-05 a stream is no value", async () => {
  const stream = remote(function* () {
    yield 1;
  }).remote();
  const echo = remote((value: unknown) => value);
  expect(() => echo.remote(stream)).toThrow(TypeError);
  expect(() => echo.remote({ inside: [stream] })).toThrow(/inside\[0\] is a ObjectRefStream/);
  expect(await rejection(put(stream))).toBeInstanceOf(TypeError);
  expect(await rejection(get(stream as never))).toBeInstanceOf(TypeError);
  expect(() => JSON.stringify(stream)).toThrow(TypeError);
  expect(await allOf(stream)).toEqual([1]);
});

describe("GEN-07 generator methods of actors", () => {
  const Source = remote(
    class {
      *sync(items: number) {
        for (let item = 0; item < items; item++) yield item;
      }
      async *async(items: number) {
        for (let item = 0; item < items; item++) yield await Promise.resolve(item);
      }
      plain(): string {
        return "plain";
      }
    },
  );

  for (const method of ["sync", "async"] as const) {
    test(`${method}, as refs and as values`, async () => {
      using source = Source.remote();
      expect(await allOf(source[method].remote(3))).toEqual([0, 1, 2]);
      const values: number[] = [];
      for await (const value of source[method].remote(3).values()) values.push(value);
      expect(values).toEqual([0, 1, 2]);
      expect(await get(source.plain.remote())).toBe("plain");
    });
  }

  test("calls interleave where the actor allows several, and else wait for the stream", async () => {
    const Gated = remote(
      class {
        async *items(gate: SignalHandle) {
          yield 1;
          await get(gate.wait.remote());
          yield 2;
        }
        now(): string {
          return "now";
        }
      },
    );
    for (const maxConcurrency of [1, 2]) {
      const gate = Signal.remote();
      using actor = Gated.options({ maxConcurrency }).remote();
      const stream = actor.items.remote(gate);
      expect(await get((await stream.next()).value!)).toBe(1);
      await waitFor("it stands at the gate", async () => await get(gate.waiters.remote()) === 1);
      const now = actor.now.remote();
      const [ready] = await wait([now], { timeoutMs: maxConcurrency === 1 ? SETTLE_MS : 10_000 });
      expect(ready.length).toBe(maxConcurrency - 1);
      await get(gate.send.remote());
      expect(await allOf(stream)).toEqual([2]);
      expect(await get(now)).toBe("now");
    }
  });
});

test("GEN-08 no more unread items than the limit; leaving it ends the producer", async () => {
  const tally = Tally.remote();
  const stream = tell.options({ generatorBackpressure: 1 }).remote(tally, 100);
  for (let read = 0; read < 3; read++) {
    await waitFor("the next item is made", async () => await get(tally.read.remote()) === read + 1);
    await settle();
    expect(await get(tally.read.remote())).toBe(read + 1);
    expect(await get((await stream.next()).value!)).toBe(read);
  }
  await stream.return!();
  await waitFor("its finally ran", async () => (await get(tally.take.remote())).includes("finally"));
  await get(stream.completed());
  expect((await stream.next()).done).toBe(true);
});

describe("GEN-10 a producer that stands ends with its reader", () => {
  /** Opens a stream, reads one item, and ends as it is told. */
  const read = remote(
    async (tally: TallyHandle, end: string, gate: SignalHandle): Promise<string> => {
      const items = remote(async function* (tally: TallyHandle) {
        try {
          for (let item = 0;; item++) yield item;
        } finally {
          await get(tally.add.remote("finally"));
        }
      }, { name: `read by ${end}`, generatorBackpressure: 1 });
      const stream = items.remote(tally);
      await stream.next();
      if (end === "return") return "returned";
      if (end === "throw") throw new Error("thrown");
      await get(tally.add.remote(process.pid));
      await get(gate.wait.remote());
      await stream.next(); // Until here somebody may read it.
      process.exit(1);
    },
    { maxRetries: 0 },
  );

  for (const end of ["return", "throw", "exit", "kill"]) {
    test(`that ends by ${end}`, async () => {
      const tally = Tally.remote();
      const gate = Signal.remote();
      const ended = read.options({ name: `reader ${end}` }).remote(tally, end, gate);
      if (end === "exit" || end === "kill") {
        await waitFor(
          "the producer's row is there",
          async () => (await stateOf(`read by ${end}`)).length === 1,
        );
        const [pid] = await waitFor("the reader is known", async () => {
          const said = await get(tally.take.remote());
          return said.length > 0 && said;
        });
        if (end === "exit") await get(gate.send.remote());
        else await endProcess(Number(pid));
      }
      await get(ended).catch(() => undefined);
      const isDead = end === "exit" || end === "kill";
      // A dead process takes the workers that it leases along.
      if (!isDead) {
        await waitFor("its finally ran", async () => await get(tally.read.remote()) === 1, 20_000);
      }
      // Rows are the submitter's to write: what it cannot say any more, the head does.
      const expected = isDead ? "FAILED" : "FINISHED";
      await waitFor(`its row is ${expected}`, async () => {
        const states = await stateOf(`read by ${end}`);
        return states.length === 1 && states[0] === expected;
      }, 20_000);
    }, 60_000);
  }
});

test("the generator of an actor that lives on returns when its reader is dead", async () => {
  const tally = Tally.remote();
  const Source = remote(
    class {
      async *items(tally: TallyHandle) {
        try {
          for (let item = 0;; item++) yield item;
        } finally {
          await get(tally.add.remote("finally"));
        }
      }
      now(): string {
        return "now";
      }
    },
  );
  using source = Source.remote();
  const crash = remote(async (source: HandleOf<typeof Source>, tally: TallyHandle) => {
    await source.items.options({ generatorBackpressure: 2 }).remote(tally).next();
    process.exit(1);
  }, { maxRetries: 0 });
  await get(crash.remote(source, tally)).catch(() => undefined);
  await waitFor("its finally ran", async () => await get(tally.read.remote()) === 1);
  expect(await get(source.now.remote())).toBe("now");
});

describe("GEN-11 nothing stays referenced", () => {
  const ways = {
    throws: remote(async function* (bytes: number) {
      for (let item = 0; item < 4; item++) yield new Uint8Array(bytes);
      throw new Error("at 4");
    }),
    crashes: remote(async function* (bytes: number) {
      for (let item = 0; item < 4; item++) yield new Uint8Array(bytes);
      process.exit(1);
    }),
    "gives refs": remote(async function* (bytes: number) {
      for (let item = 0; item < 4; item++) yield [await put(new Uint8Array(bytes))];
    }),
    "never ends": remote(async function* (bytes: number) {
      for (;;) yield [await put(new Uint8Array(bytes)), new Uint8Array(bytes)];
    }),
  };

  for (const [way, made] of Object.entries(ways)) {
    for (const readAll of [true, false]) {
      if (way === "never ends" && readAll) continue;
      test(
        `when it ${way} and is ${readAll ? "read to its end" : "left after one item"}, five rounds`,
        async () => {
          const items = (made as RemoteFunction<(bytes: number) => AsyncGenerator<unknown>>)
            .options({ maxRetries: 0, generatorBackpressure: 3 });
          for (let round = 0; round < 5; round++) {
            const stream = items.remote(200_000);
            if (readAll) await allOf(stream);
            else {
              for await (const ref of stream) {
                await get(ref).catch(() => undefined);
                ref.release();
                break;
              }
              await get(stream.completed()).catch(() => undefined);
            }
            stream.release();
          }
          await waitFor("no object is left", async () => (await listObjects()).length === 0, 20_000);
        },
        60_000,
      );
    }
  }
});

describe("GEN-13 an item that will never exist raises what the completion does", () => {
  test("when its actor dies", async () => {
    const actor = remote(
      class {
        async *items() {
          yield 1;
          await new Promise(() => {});
        }
      },
    ).remote();
    const stream = actor.items.remote();
    await stream.next();
    const next = stream.next();
    await kill(actor);
    const item = await rejection(get((await next).value!));
    expect(item).toBeInstanceOf(ActorDiedError);
    expect((await rejection(get(stream.completed()))).message).toBe(item.message);
    expect((await stream.next()).done).toBe(true);
  });

  test("when its worker crashes", async () => {
    const stream = remote(async function* () {
      yield 1;
      await new Promise((resolve) => setImmediate(resolve));
      process.exit(1);
    }, { maxRetries: 0 }).remote();
    const items = await allOf(stream);
    expect(items.length).toBe(2);
    expect(items[1]).toBeInstanceOf(WorkerCrashedError);
    expect(await rejection(get(stream.completed()))).toBeInstanceOf(WorkerCrashedError);
  });
});

test("GEN-14 a method that throws is not repeated because of maxTaskRetries", async () => {
  const tally = Tally.remote();
  const actor = remote(
    class {
      async *items(tally: TallyHandle) {
        await get(tally.add.remote());
        yield runtimeContext().attempt;
        await get(tally.add.remote());
        throw new Error("after one");
      }
    },
    { maxTaskRetries: 3 },
  ).remote();
  const items = await allOf(actor.items.remote(tally));
  expect(items[0]).toBe(0);
  expect(items[1]).toBeInstanceOf(TaskError);
  expect(items.length).toBe(2);
  expect(await get(tally.read.remote())).toBe(2);
});

describe("CANCEL-19 a stream that is cancelled after its first item", () => {
  for (const backpressure of [{}, { generatorBackpressure: 1 }]) {
    test(`raises that next, then ends (${JSON.stringify(backpressure)})`, async () => {
      const tally = Tally.remote();
      const stream = tell.options(backpressure).remote(tally, 1_000_000);
      expect(await get((await stream.next()).value!)).toBe(0);
      await cancel(stream);
      const items = await allOf(stream);
      expect(items.at(-1)).toBeInstanceOf(TaskCancelledError);
      expect(items.slice(0, -1)).toEqual(items.slice(0, -1).map((_, index) => index + 1));
      expect(await rejection(get(stream.completed()))).toBeInstanceOf(TaskCancelledError);
      expect(await get(tally.take.remote())).toContain("finally");
    });
  }
});
