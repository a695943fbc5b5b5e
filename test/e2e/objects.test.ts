/** Objects against real processes: who keeps them alive, when they are freed, views, large arguments and results. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import {
  get,
  type HandleOf,
  init,
  listObjects,
  type ObjectRef,
  put,
  RefReleasedError,
  release,
  remote,
  shutdown,
  TaskError,
  WorkerCrashedError,
} from "mobula";
import { collectGarbage } from "#platform";
import { Signal, type SignalHandle } from "../support/actors.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { rejection } from "../support/processes.ts";
import { waitFor } from "../support/wait_for.ts";

const leftovers = watchLeftovers();
const LARGE = 300_000;

beforeAll(async () => {
  await init({ numCpus: 2, dashboard: false, objectStoreBytes: 64 << 20 });
});
afterAll(async () => {
  await shutdown();
  await leftovers.check();
});
/** Every case lets go of all that it made: nothing may be left in any store. */
afterEach(async () => {
  await noObjects();
});

async function ids(): Promise<string[]> {
  return (await listObjects()).map((row) => row.objectId as string).sort();
}

async function noObjects(): Promise<void> {
  let left: string[] = [];
  await waitFor("no object is left", async () => (left = await ids()).length === 0).catch(() => {
    throw new Error(`Objects are left: ${left.join(", ")}`);
  });
}

/** Takes a list with a ref, waits for the signal, and says what the ref's value is; then lets it go. */
const holdNested = remote(
  async (signal: SignalHandle, [ref]: [ObjectRef<Uint8Array>], fate: "finish" | "fail" | "crash") => {
    const { get, release } = await import("mobula");
    await get(signal.wait.remote());
    release(signal);
    if (fate === "crash") process.exit(1);
    const first = (await get(ref))[0];
    ref.release();
    if (fate === "fail") throw new Error("on purpose");
    return first;
  },
  { maxRetries: 0 },
);

/** The same for a ref at the top, which arrives as its value. */
const hold = remote(async (signal: SignalHandle, value: Uint8Array, fate: "finish" | "fail" | "crash") => {
  const { get, release } = await import("mobula");
  await get(signal.wait.remote());
  release(signal);
  if (fate === "crash") process.exit(1);
  if (fate === "fail") throw new Error("on purpose");
  return value[0];
}, { maxRetries: 0 });

async function waiting(signal: SignalHandle, count = 1): Promise<void> {
  await waitFor(`${count} wait`, async () => {
    using waiters = signal.waiters.remote();
    return await get(waiters) === count;
  });
}

describe("an object is freed", () => {
  test("OBJ-01 when the last ref to it is released, not before", async () => {
    const first = await put(new Uint8Array(LARGE));
    const box = await put([first]);
    const [second] = await get(box) as [ObjectRef<Uint8Array>];
    box.release();
    expect(second.id).toBe(first.id);
    expect(await ids()).toContain(first.id);
    first.release();
    first.release(); // Again is nothing.
    expect((await get(second)).length).toBe(LARGE);
    second.release();
    await noObjects();
  });

  test("with `using`, at the end of the block", async () => {
    {
      using ref = await put(new Uint8Array(LARGE));
      await waitFor("it is listed", async () => (await ids()).includes(ref.id));
    }
    await noObjects();
  });

  test("OBJ-13 and a released ref can be used for nothing, its id still be read", async () => {
    const ref = await put(new Uint8Array(LARGE));
    const { id } = ref;
    release(ref);
    expect(ref.id).toBe(id);
    expect(await rejection(get(ref))).toBeInstanceOf(RefReleasedError);
    const take = remote((x: unknown) => x);
    expect(() => take.remote(ref)).toThrow(RefReleasedError);
    expect(() => take.remote([ref])).toThrow(RefReleasedError);
    expect(await rejection(put({ ref }))).toBeInstanceOf(RefReleasedError);
  });

  test("when a result nobody took is released before its task is done", async () => {
    const signal = Signal.remote();
    const make = remote(async (signal: SignalHandle) => {
      const { get, release } = await import("mobula");
      await get(signal.wait.remote());
      release(signal);
      return new Uint8Array(300_000);
    });
    const ref = make.remote(signal);
    await waiting(signal);
    ref.release();
    await get(signal.send.remote());
    using done = make.remote(signal);
    await get(done);
  });

  test("when a ref is collected without release, late", async () => {
    await (async () => {
      await put(new Uint8Array(LARGE));
      const box = await put([await put(new Uint8Array(LARGE))]);
      await get(box);
    })();
    await waitFor("it is collected", async () => {
      collectGarbage();
      return (await ids()).length === 0;
    });
  });
});

describe("a task keeps its arguments", () => {
  for (const [how, task] of [["OBJ-02 at the top", hold], ["OBJ-05 inside a list", holdNested]] as const) {
    for (const fate of ["finish", "fail", "crash"] as const) {
      for (const bytes of [10, LARGE]) {
        test(`${how}, ${bytes} bytes, until it ends: ${fate}`, async () => {
          const signal = Signal.remote();
          const ref = await put(new Uint8Array(bytes).fill(5));
          const { id } = ref;
          const isNested = task === holdNested;
          const result = task.remote(signal, (isNested ? [ref] : ref) as never, fate);
          ref.release();
          await waiting(signal);
          if (bytes === LARGE || isNested) expect(await ids()).toContain(id);
          await get(signal.send.remote());
          if (fate === "finish") expect(await get(result)).toBe(5);
          else {expect(await rejection(get(result))).toBeInstanceOf(
              fate === "fail" ? TaskError : WorkerCrashedError,
            );}
          result.release();
          release(signal);
          await noObjects();
        });
      }
    }
  }

  test("large ones by value: stored once, freed when it ends", async () => {
    const signal = Signal.remote();
    const result = hold.remote(signal, new Uint8Array(LARGE).fill(6), "finish");
    await waiting(signal);
    expect((await ids()).length).toBe(1);
    await get(signal.send.remote());
    expect(await get(result)).toBe(6);
    release(signal);
    await noObjects();
  });

  test("several large ones, refs and handles inside and beside them, in one call", async () => {
    const signal = Signal.remote();
    const lent = await put(new Uint8Array(LARGE).fill(1));
    const mix = remote(async (
      ...[a, box, b, signal]: [
        Uint8Array,
        { bytes: Uint8Array; lent: ObjectRef<Uint8Array>; signal: SignalHandle },
        Uint8Array,
        SignalHandle,
      ]
    ) => {
      const { get, release } = await import("mobula");
      await get(signal.wait.remote());
      const [inner, waiters] = await get([box.lent, box.signal.waiters.remote()]);
      for (const each of [box.lent, signal, box.signal]) release(each);
      return [a[0], box.bytes[0], b[0], inner[0], waiters];
    });
    const numbers = [2, 3, 4].map((n) => new Uint8Array(LARGE).fill(n)) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ];
    const result = mix.remote(numbers[0], { bytes: numbers[1], lent, signal }, numbers[2], signal);
    lent.release();
    await waiting(signal);
    expect((await ids()).length).toBe(4);
    await get(signal.send.remote());
    expect(await get(result)).toEqual([2, 3, 4, 1, 0]);
    expect(() =>
      mix.remote(numbers[0], { bytes: numbers[1], lent: null as never, signal }, (() => 1) as never, signal)
    ).toThrow(
      "args[2]",
    );
    result.release();
    release(signal);
    await noObjects();
  });

  test("large ones by value, of an actor's constructor and its methods", async () => {
    const Sizes = remote(
      class Sizes {
        first: number;
        constructor(first: Uint8Array) {
          this.first = first.length;
        }
        add(more: Uint8Array): number {
          return this.first + more.length;
        }
      },
    );
    const sizes = Sizes.remote(new Uint8Array(LARGE));
    expect(await get(sizes.add.remote(new Uint8Array(LARGE)))).toBe(2 * LARGE);
    release(sizes);
    await noObjects();
  });
});

describe("a ref lent to others", () => {
  const Keeper = remote(
    class Keeper {
      kept: ObjectRef<Uint8Array>[] = [];
      keep([ref]: [ObjectRef<Uint8Array>]): void {
        this.kept.push(ref);
      }
      drop(): number {
        this.kept.pop()?.release();
        return this.kept.length;
      }
      async read(): Promise<number> {
        const { get } = await import("mobula");
        return (await get(this.kept[0]!))[0]!;
      }
    },
  );
  type KeeperHandle = HandleOf<typeof Keeper>;

  async function keptTwice(): Promise<{ keeper: KeeperHandle; id: string }> {
    const keeper = Keeper.remote();
    const ref = await put(new Uint8Array(LARGE).fill(7));
    const { id } = ref;
    await get([keeper.keep.remote([ref]), keeper.keep.remote([ref])]);
    ref.release();
    expect(await get(keeper.read.remote())).toBe(7);
    return { keeper, id };
  }

  test("OBJ-07 stays as long as an actor keeps it, however often it was given", async () => {
    const { keeper, id } = await keptTwice();
    expect(await get(keeper.drop.remote())).toBe(1);
    expect(await get(keeper.read.remote())).toBe(7);
    expect(await ids()).toEqual([id]);
    expect(await get(keeper.drop.remote())).toBe(0);
    await noObjects();
    release(keeper);
  });

  test("OBJ-07 goes with the actor", async () => {
    const { keeper, id } = await keptTwice();
    expect(await ids()).toEqual([id]);
    release(keeper);
    await noObjects();
  });

  test("OBJ-08 a task returns a ref inside a list: it lives with the list, then with the inner ref alone", async () => {
    for (const bytes of [10, LARGE]) {
      const make = remote(async (bytes: number) => {
        const { put } = await import("mobula");
        return [await put(new Uint8Array(bytes).fill(8))];
      });
      const outer = make.remote(bytes);
      const [inner] = await get(outer) as [ObjectRef<Uint8Array>];
      outer.release();
      expect((await get(inner))[bytes - 1]).toBe(8);
      inner.release();
    }
  });

  test("a task returns the ref itself, of its argument or of a task of its own", async () => {
    const giveBack = remote(([ref]: [ObjectRef<number>]) => ({ ref }));
    using one = await put(41);
    using result = giveBack.remote([one]);
    const { ref } = await get(result);
    expect([ref.id, await get(ref)]).toEqual([one.id, 41]);
    ref.release();

    const submit = remote(async () => {
      const { remote } = await import("mobula");
      return [remote(() => new Uint8Array(300_000).fill(9)).remote()];
    });
    using list = submit.remote();
    const [pending] = await get(list) as [ObjectRef<Uint8Array>];
    expect((await get(pending))[0]).toBe(9);
    pending.release();
  });

  test("a task puts a ref that it was given into an object of its own", async () => {
    const box = remote(async ([ref]: [ObjectRef<Uint8Array>]) => {
      const { put } = await import("mobula");
      const boxed = await put({ ref, more: new Uint8Array(300_000) });
      ref.release();
      return [boxed];
    });
    const given = await put(new Uint8Array(LARGE).fill(3));
    const result = box.remote([given]);
    const [boxed] = await get(result) as unknown as [ObjectRef<{ ref: ObjectRef<Uint8Array> }>];
    result.release();
    given.release();
    const { ref } = await get(boxed);
    boxed.release();
    expect((await get(ref))[0]).toBe(3);
    ref.release();
  });

  test("of a task that is not done yet is filled in when it is", async () => {
    const signal = Signal.remote();
    const slow = remote(async (signal: SignalHandle, bytes: number) => {
      const { get, release } = await import("mobula");
      await get(signal.wait.remote());
      release(signal);
      return new Uint8Array(bytes).fill(4);
    }, { numCpus: 0 });
    const read = remote(async ([ref]: [ObjectRef<Uint8Array>]) => {
      const { get } = await import("mobula");
      const value = (await get(ref))[0];
      ref.release();
      return value;
    });
    const pending = [slow.remote(signal, 10), slow.remote(signal, 300_000)];
    const readers = pending.map((ref) => read.remote([ref]));
    await waiting(signal, 2);
    await get(signal.send.remote());
    expect(await get(readers)).toEqual([4, 4]);
    for (const ref of [...pending, ...readers]) ref.release();
    release(signal);
  });

  test("that failed fails for its borrower in the same way", async () => {
    const fail = remote(() => {
      throw new RangeError("lent failure");
    });
    const read = remote(async ([ref]: [ObjectRef<never>]) => {
      const { get } = await import("mobula");
      try {
        return await get(ref);
      } catch (error) {
        return [error instanceof RangeError, (error as Error).message];
      } finally {
        ref.release();
      }
    });
    using failed = fail.remote();
    using result = read.remote([failed]);
    const [isRangeError, message] = await get(result) as [boolean, string];
    expect(isRangeError).toBe(true);
    expect(message).toContain("lent failure");
  });
});

test("OBJ-25 a value that contains itself comes back so", async () => {
  interface Node {
    name: string;
    list: unknown[];
    self?: Node;
  }
  const value: Node = { name: "loop", list: [] };
  value.self = value;
  value.list.push(value.list, new Map([[value, value.list]]));
  using ref = await put(value);
  const same = remote((node: Node) => node);
  using back = same.remote(ref);
  for (const node of await get([ref, back])) {
    expect(node.self).toBe(node);
    expect(node.list[0]).toBe(node.list);
    expect((node.list[1] as Map<Node, unknown[]>).get(node)).toBe(node.list);
  }
});

describe("a view over the store", () => {
  test("begins at 0 of a buffer of its own, is writable, and what is written stays with its reader", async () => {
    using ref = await put({
      a: new Float64Array(100_000).fill(1),
      b: new Uint8Array(LARGE).subarray(5, 200_005).fill(2),
    });
    const one = await get(ref);
    const two = await get(ref);
    for (const { a, b } of [one, two]) {
      expect([a.byteOffset, a.buffer.byteLength, b.byteOffset, b.buffer.byteLength]).toEqual([
        0,
        800_000,
        0,
        200_000,
      ]);
    }
    one.a.fill(7);
    one.b[0] = 7;
    expect([two.a[0], two.b[0]]).toEqual([1, 2]);
    const three = await get(ref);
    expect([three.a[99_999], three.b[0]]).toEqual([1, 2]);
  });

  test("keeps its bytes after its ref is gone and the room is used again", async () => {
    const views: Uint8Array[] = [];
    for (let round = 0; round < 30; round++) {
      using ref = await put(new Uint8Array(2 << 20).fill(round));
      if (round % 3 === 0) views.push(await get(ref));
    }
    for (const [index, view] of views.entries()) {
      expect(view.every((byte) => byte === 3 * index)).toBe(true);
    }
  });

  test("in a task is private too", async () => {
    const scribble = remote((bytes: Uint8Array) => {
      const before = bytes[0];
      bytes.fill(99);
      return before;
    });
    using ref = await put(new Uint8Array(LARGE).fill(1));
    const results = Array.from({ length: 4 }, () => scribble.remote(ref));
    expect(await get(results)).toEqual([1, 1, 1, 1]);
    expect((await get(ref))[0]).toBe(1);
    for (const result of results) result.release();
  });
});

test("many objects come and go without a trace", async () => {
  const refs = await Promise.all(Array.from({ length: 300 }, (_, n) => put(new Uint8Array(110_000).fill(n))));
  const first = remote((bytes: Uint8Array) => bytes[0]);
  const results = refs.map((ref) => first.remote(ref));
  expect(await get(results)).toEqual(refs.map((_, n) => n % 256));
  for (const ref of [...refs, ...results]) ref.release();
});
