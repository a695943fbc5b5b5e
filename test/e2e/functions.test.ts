/** Code and classes that travel: remote functions as values, captures, registered classes. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  get,
  type HandleOf,
  init,
  type ObjectRef,
  put,
  registerClass,
  release,
  remote,
  type RemoteFunction,
  shutdown,
} from "mobula";
import { watchLeftovers } from "../support/leftovers.ts";
import { rejection } from "../support/processes.ts";

const leftovers = watchLeftovers();

beforeAll(async () => {
  await init({ numCpus: 2, dashboard: false, objectStoreBytes: 64 << 20 });
});
afterAll(async () => {
  await shutdown();
  await leftovers.check();
});

describe("captures", () => {
  test("are refused by name, with the ways out", () => {
    const factor = Number("3"); // Not a constant that a bundler puts in place.
    const helper = (x: number): number => x * factor;
    for (
      const make of [() => remote((x: number) => helper(x) + factor), () =>
        remote(
          class A {
            run(): number {
              return helper(factor);
            }
          },
        )]
    ) {
      expect(make).toThrow(TypeError);
      expect(make).toThrow(/helper/);
      expect(make).toThrow(/factor/);
      expect(make).toThrow(/captures/);
    }
  });

  test("OBJ-11 given by the option are there, also large ones as refs, also handles and functions", async () => {
    const factor = 3;
    const table = await put(new Uint8Array(300_000).fill(2));
    const twice = remote((x: number) => 2 * x);
    const compute = remote(async (x: number) => {
      const { get } = await import("mobula");
      return [x * factor, (await get(table))[7], await get(twice.remote(x))];
    }, { captures: { factor, table, twice, unused: Symbol("never serialized") } });
    expect(await get([compute.remote(1), compute.remote(2)])).toEqual([[3, 2, 2], [6, 2, 4]]);
    // The function keeps what it captured.
    table.release();
    expect((await get(compute.remote(3)))[1]).toBe(2);
  });

  test("of a class reach constructor and methods", async () => {
    const start = 40;
    const Counter = remote(
      class Counter {
        value = start;
        add(n: number): number {
          return this.value += n;
        }
      },
      { captures: { start } },
    );
    const counter = Counter.remote();
    expect(await get(counter.add.remote(2))).toBe(42);
    release(counter);
  });

  test("with other values are other functions", async () => {
    const make = (n: number) => remote(() => n, { captures: { n } });
    expect(await get([1, 2, 3].map((n) => make(n).remote()))).toEqual([1, 2, 3]);
  });

  test("that cannot travel or are too large are refused at the call, with what to do", async () => {
    const callback = (): number => 1;
    expect(() => remote(() => callback(), { captures: { callback } }).remote()).toThrow(/captures\.callback/);
    const large = new Uint8Array(1_000_000);
    expect(() => remote(() => large.length, { captures: { large } }).remote()).toThrow(/put\(\)/);
    expect(() => remote(() => 1).options({ captures: {} } as never)).toThrow(/captures/);
    expect(await get(remote(() => 1).remote())).toBe(1);
  });
});

describe("a remote function is a value", () => {
  test("it is called where it arrives, with its options, by several hops", async () => {
    const square = remote((n: number) => n * n, { name: "squares" });
    const pair = remote((n: number) => [n, n + 1] as [number, number], { numReturns: 2 });
    const apply = remote(async (fn: RemoteFunction<(n: number) => number>, n: number) => {
      const { get } = await import("mobula");
      return await get(fn.remote(n));
    });
    const applyTwice = remote(
      async (apply: RemoteFunction<(fn: unknown, n: number) => Promise<number>>, fn: unknown, n: number) => {
        const { get } = await import("mobula");
        return await get(apply.remote(fn, await get(apply.remote(fn, n))));
      },
    );
    expect(await get(apply.remote(square, 5))).toBe(25);
    expect(await get(applyTwice.remote(apply as never, square, 3))).toBe(81);
    const both = remote(async (fn: typeof pair) => {
      const { get } = await import("mobula");
      const [a, b] = fn.remote(4);
      return await get([a, b]);
    });
    expect(await get(both.remote(pair))).toEqual([4, 5]);
  });

  test("retryExceptions matches classes also where the function was passed to", async () => {
    class Again extends Error {}
    const Counter = remote(
      class Counter {
        n = 0;
        next(): number {
          return ++this.n;
        }
      },
    );
    const counter = Counter.remote();
    const flaky = remote(async (counter: HandleOf<typeof Counter>) => {
      const { get } = await import("mobula");
      class Again extends Error {}
      class Never extends Error {}
      const n = await get(counter.next.remote());
      if (n < 3) throw new Again(`try ${n}`);
      if (n === 5) throw new Never("not retried");
      return n;
    }, { retryExceptions: [Again] });
    const run = remote(async (fn: typeof flaky, counter: HandleOf<typeof Counter>) => {
      const { get } = await import("mobula");
      return await get(fn.remote(counter));
    });
    expect(await get(run.remote(flaky, counter))).toBe(3);
    expect(await get(run.remote(flaky, counter))).toBe(4);
    expect((await rejection(get(run.remote(flaky, counter)))).message).toContain("not retried");
    release(counter);
  });

  test("a class makes actors where it arrives, and the handle comes back", async () => {
    const Counter = remote(
      class Counter {
        value: number;
        constructor(start: number) {
          this.value = start;
        }
        add(n: number): number {
          return this.value += n;
        }
      },
    );
    const create = remote(async (Class: typeof Counter) => {
      const { get } = await import("mobula");
      const counter = Class.remote(10);
      await get(counter.add.remote(1));
      return counter;
    });
    const counter = await get(create.remote(Counter)) as unknown as HandleOf<typeof Counter>;
    expect(await get(counter.add.remote(1))).toBe(12);
    release(counter);
  });

  test("a plain function, a symbol or an unknown class is refused with its path", async () => {
    class Point {
      x = 1;
    }
    const take = remote((..._values: unknown[]) => 1);
    expect(() => take.remote({ list: [1, () => 1] })).toThrow(/args\[0\]\.list\[1\]/);
    expect(() => take.remote(1, { a: Symbol("s") })).toThrow(/args\[1\]\.a/);
    expect(() => take.remote([new Point()])).toThrow(/args\[0\]\[0\].*Point|Point.*args\[0\]\[0\]/s);
    expect((await rejection(put({ deep: { fn: () => 1 } }))).message).toContain("deep.fn");
    expect(await get(take.remote(1))).toBe(1);
  });
});

describe("registered classes", () => {
  class Vector {
    readonly x: number;
    readonly y: number;
    constructor(x: number, y: number) {
      this.x = x;
      this.y = y;
    }
    get length(): number {
      return Math.hypot(this.x, this.y);
    }
  }
  registerClass(Vector, { encode: (v) => [v.x, v.y], decode: ([x, y]: number[]) => new Vector(x!, y!) });

  test("go to a worker and back as themselves, with their methods", async () => {
    const scale = remote((v: Vector, by: number) => {
      const Class = v.constructor as typeof Vector;
      return [v.length, new Class(v.x * by, v.y * by)];
    });
    const [length, scaled] = await get(scale.remote(new Vector(3, 4), 2)) as [number, Vector];
    expect(length).toBe(5);
    expect(scaled).toBeInstanceOf(Vector);
    expect([scaled.x, scaled.y, scaled.length]).toEqual([6, 8, 10]);
    const box = await put({ list: [new Vector(1, 0)], by: new Map([["v", new Vector(0, 1)]]) });
    const back = await get(box);
    expect(back.list[0]).toBeInstanceOf(Vector);
    expect(back.by.get("v")!.y).toBe(1);
  });

  test("travel by refs, through actors, and in errors", async () => {
    const Store = remote(
      class Store {
        kept: unknown = null;
        keep(value: unknown): void {
          this.kept = value;
        }
        give(): unknown {
          return this.kept;
        }
        fail(): never {
          throw Object.assign(new Error("at"), { where: this.kept });
        }
      },
    );
    const store = Store.remote();
    const ref = await put(new Vector(5, 12));
    await get(store.keep.remote(ref));
    expect(await get(store.give.remote())).toBeInstanceOf(Vector);
    const error = await rejection<Error & { where: Vector }>(get(store.fail.remote()));
    expect(error.where).toBeInstanceOf(Vector);
    expect(error.where.length).toBe(13);
    release(store);
  });

  test("registered in a worker arrive here", async () => {
    const make = remote(async () => {
      const { registerClass } = await import("mobula");
      class Money {
        cents: number;
        constructor(cents: number) {
          this.cents = cents;
        }
        show(): string {
          return `${this.cents / 100} EUR`;
        }
      }
      registerClass(Money, { encode: (m) => m.cents, decode: (cents: number) => new Money(cents) });
      return new Money(1250);
    });
    const money = await get(make.remote()) as unknown as { show(): string };
    expect(money.show()).toBe("12.5 EUR");
    // And again to a worker that may not know it.
    const show = remote((value: { show(): string }) => value.show());
    expect(await get(Array.from({ length: 6 }, () => show.remote(money)))).toEqual(Array(6).fill("12.5 EUR"));
  });

  test("whose code uses variables from outside are refused at once", () => {
    const unit = String(Math.random());
    class Length {
      value = 1;
    }
    expect(() => registerClass(Length, { encode: (l) => l.value + unit, decode: () => new Length() }))
      .toThrow(/unit/);
    expect(() => registerClass({} as never, {} as never)).toThrow(TypeError);
    expect(() => registerClass(Length, {} as never)).toThrow(TypeError);
  });
});

test("import() takes packages, node's modules and mobula, and says what it cannot find", async () => {
  const use = remote(async () => {
    const { join } = await import("node:path");
    const { parse } = await import("acorn");
    return [join("a", "b"), parse("1 + 1", { ecmaVersion: "latest" }).body.length];
  });
  expect(await get(use.remote())).toEqual(["a/b", 1]);
  const missing = remote(async () => await import("no-such-package-here" as string));
  expect((await rejection(get(missing.remote()))).message).toContain("no-such-package-here");
});

test("TASK-04 a function or class whose code is too large is refused, with what to do", () => {
  const literal = JSON.stringify("x".repeat(17 << 20));
  expect(() => remote(Function(`return () => ${literal}`)() as () => string)).toThrow(/too large.*put\(\)/);
  expect(() => remote(Function(`return class Large { read() { return ${literal}; } }`)() as new () => object))
    .toThrow(
      /too large/,
    );
});

test("code that is broken in a worker fails its task only", async () => {
  const uses = remote(() => (globalThis as unknown as { notThere: { x: number } }).notThere.x);
  expect(await rejection(get(uses.remote()))).toBeInstanceOf(TypeError);
  const deep = remote((): ObjectRef<never> => {
    const down = (n: number): number => down(n + 1) + 1;
    return down(0) as never;
  });
  expect(await rejection(get(deep.remote()))).toBeInstanceOf(RangeError);
  expect(await get(remote(() => "the worker lives").remote())).toBe("the worker lives");
});
