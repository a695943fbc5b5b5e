/**
 * What must be the same under every driver runtime and with workers of every runtime: values there and back, errors,
 * views, actors, options. Prints a line for each result.
 *
 *     conformance.ts bun|deno|node        the workers' runtime
 *
 * @module
 */
import {
  asCompleted,
  get,
  GetTimeoutError,
  type HandleOf,
  init,
  kill,
  mapTasks,
  type ObjectRef,
  put,
  registerClass,
  remote,
  TaskError,
  wait,
  WorkerCrashedError,
} from "mobula";

const runtime = process.argv[2] as "bun" | "deno" | "node";
await using _cluster = await init({ runtimeEnv: { runtime } });

function say(what: string, value: unknown): void {
  console.log(`${what}: ${typeof value === "string" ? value : JSON.stringify(value)}`);
}

class Point {
  readonly x: number;
  readonly y: number;
  constructor(x: number, y: number) {
    this.x = x;
    this.y = y;
  }
  sum(): number {
    return this.x + this.y;
  }
}
registerClass(Point, {
  encode: (point) => [point.x, point.y],
  decode: ([x, y]: number[]) => new Point(x!, y!),
});

// ---- where it runs
const where = remote(() => {
  const { Bun, Deno } = globalThis as { Bun?: object; Deno?: object };
  return Bun !== undefined ? "bun" : Deno !== undefined ? "deno" : "node";
});
say("runtime of the worker", await get(where.remote()) === runtime);

// ---- values: what the worker sees, and what comes back
const look = remote((value: unknown) => {
  const kind = Object.prototype.toString.call(value);
  const more = value instanceof Map || value instanceof Set
    ? [...value].map(String)
    : ArrayBuffer.isView(value)
    ? [value.byteLength, value.byteOffset, (value as Uint8Array)[1] ?? null].map(String)
    : value instanceof Date
    ? value.getTime()
    : typeof value === "object" && value !== null && Object.getPrototypeOf(value) === null
    ? "no prototype"
    : String(value);
  return [kind, more] as const;
});
const same = remote((value: unknown) => value);
const values: unknown[] = [
  undefined,
  null,
  true,
  0,
  -0,
  1.5,
  NaN,
  -Infinity,
  2n ** 70n,
  "größer 世界 🙂",
  "\ud800",
  new Date(86_400_000),
  /a+b/giu,
  new Map<unknown, unknown>([["a", 1], [2, "b"]]),
  new Set([1, "two", null]),
  new URL("https://example.org/a?b=c#d"),
  new ArrayBuffer(8),
  Uint8Array.of(1, 2, 3).subarray(1),
  new Float64Array([1.5, 2.5]),
  BigInt64Array.of(1n, -1n),
  new DataView(new ArrayBuffer(4), 1, 2),
  [1, , 3],
  { nested: { list: [{ deep: [[]] }] } },
  new RangeError("a range"),
  Object.create(null),
];
for (const [index, value] of values.entries()) {
  const [seen, back] = await get([look.remote(value), same.remote(value)] as ObjectRef<unknown>[]);
  const [here] = [await get(await put(value))];
  const shape = (each: unknown): string =>
    Object.prototype.toString.call(each) + (Object.is(each, value) ? " the very same" : "");
  say(`value ${index}`, [seen, shape(back), shape(here)]);
}
const back = await get(same.remote([1, , 3])) as unknown[];
say("hole", [1 in back, back.length]);
const error = await get(same.remote(new TypeError("kept", { cause: new Error("inner") }))) as Error;
say("error as a value", [error instanceof TypeError, error.message, (error.cause as Error).message]);

// ---- large ones
const large = Float64Array.from({ length: 200_000 }, (_, n) => n);
const ref = await put({ large, text: "x".repeat(300_000) });
const total = remote((value: { large: Float64Array; text: string }) => {
  let sum = 0;
  for (const n of value.large) sum += n;
  value.large.fill(0);
  return [sum, value.text.length, value.large.byteOffset];
});
say("sum", await get(total.remote(ref)));
const view = (await get(ref)).large;
view[0] = 99;
const again = (await get(ref)).large;
say("views", [view[0], again[0], again[199_999], again.byteOffset, again.buffer.byteLength]);
const made = await get(remote((n: number) => new Uint16Array(n).fill(7)).remote(500_000));
say("made", [made.constructor.name, made.length, made[499_999], made.byteOffset]);
ref.release();

// ---- registered classes, refs and functions inside values
const double = remote((point: Point) => {
  const Class = point.constructor as new (x: number, y: number) => Point;
  return new Class(2 * point.x, point.sum());
});
const doubled = await get(double.remote(new Point(3, 4)));
say("point", [doubled instanceof Point, doubled.x, doubled.y, doubled.sum()]);
const follow = remote(
  async (box: { ref: ObjectRef<number>; fn: { remote(n: number): ObjectRef<number> } }) => {
    const { get } = await import("mobula");
    return await get(box.fn.remote(await get(box.ref)));
  },
);
say(
  "ref and function inside",
  await get(follow.remote({ ref: await put(20), fn: remote((n: number) => n + 1) })),
);

// ---- errors
class LimitError extends RangeError {
  readonly limit: number = 0;
}
const failing = remote((limit: number) => {
  class LimitError extends RangeError {
    limit: number;
    constructor(limit: number) {
      super(`above ${limit}: größer`, { cause: { unit: "m" } });
      this.limit = limit;
    }
  }
  class SmallLimitError extends LimitError {}
  throw new SmallLimitError(limit);
}, { name: "failing" });
const thrown = await get(failing.remote(5)).catch((error) => error) as TaskError & LimitError;
say("error is a", [
  thrown instanceof TaskError,
  thrown instanceof LimitError,
  thrown instanceof RangeError,
  thrown instanceof Error,
  thrown instanceof TypeError,
]);
say("error has", [
  thrown.limit,
  thrown.message,
  thrown.taskName,
  thrown.attempt,
  (thrown.cause as Error).cause,
]);
const through = await get(same.remote(same.remote(failing.remote(6)))).catch((error) => error);
say("error of an argument", [through instanceof LimitError, (through as LimitError).limit]);
const exits = remote(() => process.exit(1), { maxRetries: 1 });
say("crash", await get(exits.remote()).catch((error) => error instanceof WorkerCrashedError));

// ---- retries, returns, context
const Tries = remote(
  class Tries {
    count = 0;
    next(): number {
      return ++this.count;
    }
  },
);
const tries = Tries.remote();
const flaky = remote(async (tries: HandleOf<typeof Tries>) => {
  const { get, runtimeContext } = await import("mobula");
  class LimitError extends RangeError {}
  if (await get(tries.next.remote()) < 3) throw new LimitError("not yet");
  return runtimeContext().attempt;
}, { retryExceptions: [LimitError] });
say("attempt", await get(flaky.remote(tries)));
const [first, second] = remote(() => ["a", new Uint8Array(200_000)] as [string, Uint8Array], {
  numReturns: 2,
}).remote();
say("returns", [await get(first), (await get(second)).length]);

// ---- actors
const Account = remote(
  class Account {
    readonly #history: number[] = [];
    balance: number;
    constructor(balance: number) {
      this.balance = balance;
    }
    add(n: number): number {
      this.#history.push(n);
      return this.balance += n;
    }
    async later(n: number): Promise<number[]> {
      await null;
      this.add(n);
      return this.#history;
    }
    fail(): never {
      throw new RangeError("overdrawn");
    }
  },
);
const account = Account.remote(100);
say("calls", await get([1, 2, 3].map((n) => account.add.remote(n))));
say("later", await get(account.later.remote(4)));
say("fail", await get(account.fail.remote()).catch((error) => [error instanceof RangeError, error.message]));
await kill(account);
say("killed", await get(account.add.remote(1)).catch((error) => [error.name, error.actorInitFailed]));

// ---- wait, timeouts, completion, maps
const never = remote(() => new Promise<never>(() => {}), { numCpus: 0 }).remote();
const [ready, remaining] = await wait([never, await put(1)], { timeoutMs: 10_000 });
say("ready", [ready.length, remaining[0] === never]);
say(
  "timeout",
  await get(never, { timeoutMs: 10 }).catch((
    error,
  ) => [error instanceof GetTimeoutError, error.name, error.cause.name]),
);
const completed: unknown[] = [];
for await (const each of asCompleted([1, 2, 3].map((n) => same.remote(n)))) completed.push(await get(each));
say("completed", completed.sort());
const mapped: number[] = [];
const square = remote((n: number) => n * n);
for await (const value of mapTasks(square, [1, 2, 3, 4], { maxInFlight: 2 })) mapped.push(value);
say("mapped", mapped);
