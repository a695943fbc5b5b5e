/** Streams at their limits: few CPUs, other nodes, restricted workers, refused items, unread bytes, forgotten streams. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  get,
  listObjects,
  type ObjectRef,
  type ObjectRefStream,
  remote,
  shutdown,
  TaskError,
  wait,
} from "mobula";
import { Signal, type SignalHandle, Tally, type TallyHandle } from "../support/actors.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { rejection } from "../support/processes.ts";
import { waitFor } from "../support/wait_for.ts";
import { addNode, startCases } from "./cases.ts";

const leftovers = watchLeftovers();
const LARGE = 300_000;

beforeAll(() => startCases({ numCpus: 1 }));
afterAll(async () => {
  await shutdown();
  await leftovers.check();
});

/** Small and large items in turns. */
const mixed = remote(async function* mixed(items: number, bytes: number) {
  for (let item = 0; item < items; item++) {
    yield { item, bytes: new Uint8Array(item % 2 === 0 ? 1 : bytes).fill(item) };
  }
});

/** The same, where somebody must know how far it came. */
const told = remote(async function* told(tally: TallyHandle, items: number) {
  try {
    for (let item = 0; item < items; item++) {
      yield item;
      await get(tally.add.remote(item));
    }
  } finally {
    await get(tally.add.remote("finally"));
  }
}, { numCpus: 0 });

const double = remote((value: number) => value * 2);
const count = remote(function* (items: number) {
  for (let item = 0; item < items; item++) yield item;
});

async function checkMixed(stream: ObjectRefStream<{ item: number; bytes: Uint8Array }>, items: number) {
  let next = 0;
  for await (const ref of stream) {
    const { item, bytes } = await get(ref);
    expect([item, bytes.length, bytes[0]]).toEqual([next, next % 2 === 0 ? 1 : LARGE, next]);
    ref.release();
    next++;
  }
  expect(next).toBe(items);
}

async function noObjects(): Promise<void> {
  await waitFor("no object is left", async () => (await listObjects()).length === 0);
}

describe("with a single CPU", () => {
  for (const options of [{ generatorBackpressure: 1 }, { generatorBackpressure: 2 }, {}]) {
    test(
      `what uses an item runs while its producer stands (${JSON.stringify(options)})`,
      async () => {
        const stream = count.options(options).remote(8);
        const doubled: number[] = [];
        for await (const ref of stream) doubled.push(await get(double.remote(ref)));
        expect(doubled).toEqual([0, 2, 4, 6, 8, 10, 12, 14]);
      },
      30_000,
    );
  }

  test("a task reads the stream that it opens, and uses its items in further tasks", async () => {
    const sum = remote(async (items: number) => {
      let sum = 0;
      for await (const ref of count.options({ generatorBackpressure: 1 }).remote(items)) {
        sum += await get(double.remote(ref));
      }
      return sum;
    });
    expect(await get(sum.remote(6))).toBe(30);
  }, 30_000);
});

describe("numReturns of a generator", () => {
  const items = remote(function* (items: number) {
    for (let item = 0; item < items; item++) yield item;
  });

  test("too few items: the refs that are left fail, and say how many came", async () => {
    const refs = items.options({ numReturns: 3 }).remote(1) as ObjectRef<number>[];
    expect(refs.length).toBe(3);
    expect(await get(refs[0]!)).toBe(0);
    for (const ref of refs.slice(1)) {
      const error = await rejection(get(ref));
      expect(error).toBeInstanceOf(RangeError);
      expect(error.message).toMatch(/gave 1 of the 3 items of numReturns/);
    }
  });

  test("too many items: the first ones count, and the generator returns", async () => {
    const tally = Tally.remote();
    const refs = told.options({ numReturns: 2 }).remote(tally, 1_000_000) as ObjectRef<number>[];
    expect(await get(refs)).toEqual([0, 1]);
    await waitFor("its finally ran", async () => (await get(tally.take.remote())).includes("finally"));
  });

  test("what it throws is the value of the refs that are left", async () => {
    const broken = remote(function* () {
      yield 0;
      throw new RangeError("at 1");
    });
    const refs = broken.options({ numReturns: 3 }).remote() as ObjectRef<number>[];
    expect(await get(refs[0]!)).toBe(0);
    for (const ref of refs.slice(1)) expect((await rejection(get(ref))).message).toContain("at 1");
  });
});

test("an item that cannot travel is an error at its place, then the end; its worker lives", async () => {
  const tally = Tally.remote();
  const pid = remote(() => process.pid);
  const bad = remote(async function* (tally: TallyHandle) {
    try {
      yield process.pid;
      yield Symbol("bad");
      yield "never";
    } finally {
      await get(tally.add.remote("finally"));
    }
  });
  const stream = bad.remote(tally);
  const worker = await get((await stream.next()).value!);
  const error = await rejection(get((await stream.next()).value!));
  expect(error).toBeInstanceOf(TaskError);
  expect(error).toBeInstanceOf(TypeError);
  expect(error.message).toContain("item");
  expect((await stream.next()).done).toBe(true);
  expect((await rejection(get(stream.completed()))).message).toBe(error.message);
  expect(await get(tally.take.remote())).toEqual(["finally"]);
  expect(await get(pid.remote())).toBe(worker as number);
});

test("more small items than may be unread go to the store, and none waits long for a reader", async () => {
  const ITEMS = 300;
  const BYTES = 50_000;
  const many = remote(function* (items: number, bytes: number) {
    for (let item = 0; item < items; item++) yield new Uint8Array(bytes).fill(item);
  });
  const stream = many.remote(ITEMS, BYTES);
  await get(stream.completed(), { timeoutMs: 20_000 });
  let next = 0;
  for await (const value of stream.values()) {
    expect([value.length, value[0], value[BYTES - 1]]).toEqual([BYTES, next % 256, next % 256]);
    next++;
  }
  expect(next).toBe(ITEMS);
  await noObjects();
}, 40_000);

test("wait() over streams: ready with a next item or at the end, and not before", async () => {
  const gated = remote(async function* (gate: SignalHandle) {
    await get(gate.wait.remote());
    yield "first";
  }, { numCpus: 0 });
  const gates = [Signal.remote(), Signal.remote()];
  const streams = gates.map((gate) => gated.remote(gate));
  await waitFor("both stand", async () => {
    const waiters = await get(gates.map((gate) => gate.waiters.remote()));
    return waiters.every((count) => count === 1);
  });
  expect(await wait(streams, { numReturns: 1, timeoutMs: 0 })).toEqual([[], streams]);
  await get(gates[1]!.send.remote());
  expect(await wait(streams, { numReturns: 1 })).toEqual([[streams[1]!], [streams[0]!]]);
  // Still ready: nobody has taken it.
  expect((await wait([streams[1]!], { timeoutMs: 0 }))[0]).toEqual([streams[1]!]);
  expect(await get((await streams[1]!.next()).value!)).toBe("first");
  // And at its end.
  expect((await wait([streams[1]!]))[0]).toEqual([streams[1]!]);
  expect((await streams[1]!.next()).done).toBe(true);
  // Beside a ref, which is ready first.
  const value = remote(() => 1).remote();
  expect((await wait([streams[0]!, value]))[0]).toEqual([value]);
  await get(gates[0]!.send.remote());
  expect((await wait([streams[0]!, value], { numReturns: 2 }))[0]).toEqual([streams[0]!, value]);
});

test("wait() over a stream that fails: ready, and its next item is the error", async () => {
  const broken = remote(function* (item: number) {
    if (item < 0) throw new RangeError("at once");
    yield item;
  });
  const stream = broken.remote(-1);
  expect((await wait([stream]))[0]).toEqual([stream]);
  expect((await rejection(get((await stream.next()).value!))).message).toContain("at once");
});

describe("a stream that nobody holds any more", () => {
  /** Collected ones, by their number. */
  const gone = new Set<number>();
  const registry = new FinalizationRegistry<number>((index) => gone.add(index));

  /** In a function of its own, whose frame is gone when it has answered. The collector may still overlook one or two. */
  async function open(
    index: number,
    tally: TallyHandle,
    completes: boolean,
  ): Promise<ObjectRef<void> | null> {
    const stream = told.options({ generatorBackpressure: 1 }).remote(tally, 5);
    registry.register(stream, index);
    await stream.next();
    return completes ? stream.completed() : null;
  }

  async function firstGone(): Promise<number> {
    const [index] = await waitFor("one is collected", () => {
      Bun.gc(true);
      return gone.size > 0 && gone;
    });
    return index!;
  }

  test("runs to its end, unread, while somebody holds its completion", async () => {
    gone.clear();
    const tallies = Array.from({ length: 3 }, () => Tally.remote());
    const completed = await Promise.all(tallies.map((tally, index) => open(index, tally, true)));
    const index = await firstGone();
    expect(await get(completed[index]!)).toBeUndefined();
    expect(await get(tallies[index]!.take.remote())).toEqual([0, 1, 2, 3, 4, "finally"]);
  }, 30_000);

  test("ends its producer otherwise", async () => {
    gone.clear();
    const tallies = Array.from({ length: 3 }, () => Tally.remote());
    await Promise.all(tallies.map((tally, index) => open(index, tally, false)));
    const index = await firstGone();
    const said = await waitFor("its finally ran", async () => {
      const said = await get(tallies[index]!.take.remote());
      return said.includes("finally") && said;
    });
    expect(said).not.toContain(4);
  }, 30_000);
});

test("completed() of a stream that fails rejects, also for a task that depends on it, whether it was read or not", async () => {
  const broken = remote(function* () {
    yield 1;
    throw new RangeError("after one");
  });
  const after = remote((_: unknown) => "ran");
  for (const isRead of [false, true]) {
    const stream = broken.remote();
    const completed = stream.completed();
    if (isRead) { for await (const ref of stream) await get(ref).catch(() => undefined); }
    expect(await rejection(get(completed))).toBeInstanceOf(RangeError);
    expect((await rejection(get(after.remote(completed)))).message).toContain("after one");
  }
});

test("a restricted worker streams small and large items, stands, and is left", async () => {
  const restricted = mixed.options({
    runtimeEnv: { runtime: "deno", permissions: {} },
    generatorBackpressure: 2,
  });
  await checkMixed(restricted.remote(7, LARGE), 7);
  for await (const ref of restricted.remote(1_000_000, LARGE)) {
    expect((await get(ref)).item).toBe(0);
    ref.release();
    break;
  }
  await noObjects();
}, 30_000);

describe("a producer on another node", () => {
  beforeAll(async () => void await addNode({ numCpus: 2, resources: { far: 2 } }), 30_000);

  for (const options of [{}, { generatorBackpressure: 3 }]) {
    test(`gives small and large items (${JSON.stringify(options)})`, async () => {
      const far = mixed.options({ resources: { far: 1 }, ...options });
      await checkMixed(far.remote(20, LARGE), 20);
      await noObjects();
    }, 30_000);
  }

  test("ends when it is left, and nothing stays in either store", async () => {
    const tally = Tally.remote();
    const stream = told.options({ resources: { far: 1 } }).remote(tally, 1_000_000);
    for await (const ref of stream) {
      expect(await get(ref)).toBe(0);
      break;
    }
    await get(stream.completed());
    expect((await get(tally.take.remote())).at(-1)).toBe("finally");
    for await (const ref of mixed.options({ resources: { far: 1 } }).remote(1_000_000, LARGE)) {
      ref.release();
      break;
    }
    await noObjects();
  }, 30_000);

  test("is an actor there, whose items tasks here use", async () => {
    const Source = remote(
      class {
        async *items(items: number, bytes: number) {
          for (let item = 0; item < items; item++) yield new Uint8Array(bytes).fill(item);
        }
      },
      { resources: { far: 1 } },
    );
    const last = remote((bytes: Uint8Array) => bytes.at(-1));
    using source = Source.remote();
    const lasts: unknown[] = [];
    for await (const ref of source.items.remote(5, LARGE)) lasts.push(await get(last.remote(ref)));
    expect(lasts).toEqual([0, 1, 2, 3, 4]);
  }, 30_000);
});
