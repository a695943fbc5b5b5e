/** Tasks against real processes: arguments, results, errors, retries, worker crashes, options. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  get,
  init,
  listTasks,
  listWorkers,
  MobulaError,
  type ObjectRef,
  put,
  remote,
  runtimeContext,
  shutdown,
  TaskError,
  wait,
  WorkerCrashedError,
} from "mobula";
import { Signal, type SignalHandle, Tally, type TallyHandle } from "../support/actors.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { rejection } from "../support/processes.ts";
import { waitFor } from "../support/wait_for.ts";
import { runtimeOfRun, workerRuntime } from "../conformance/cases.ts";

const leftovers = watchLeftovers();

beforeAll(async () => {
  await init({ numCpus: 1, dashboard: false, objectStoreBytes: 64 << 20, ...runtimeOfRun });
});
afterAll(async () => {
  await shutdown();
  await leftovers.check();
});

const usesLater = remote(async () => {
  const { get } = await import("mobula");
  return [helperOfLater(), await get(taskOfLater.remote())];
});
function helperOfLater(): number {
  return 1;
}
const taskOfLater = remote(() => 2);

describe("a task", () => {
  const echo = remote((...values: unknown[]) => values);

  test("TASK-01 uses helpers and tasks that are declared after it", async () => {
    expect(await get(usesLater.remote())).toEqual([1, 2]);
  });

  test("gets what helpers and tasks inside it give", async () => {
    const outer = remote(async (x: number) => {
      const { get, remote } = await import("mobula");
      const twice = (n: number): number => 2 * n;
      const inner = remote((n: number) => n + 1);
      return [twice(x), await get(inner.remote(x))];
    });
    expect(await get(outer.remote(1))).toEqual([2, 2]);
  });

  test("TASK-02 calls itself on one CPU: every level waits for the next", async () => {
    interface Factorial {
      remote(self: Factorial, n: number): ObjectRef<number>;
    }
    const factorial: Factorial = remote(async (self: Factorial, n: number): Promise<number> => {
      if (n <= 1) return 1;
      const { get } = await import("mobula");
      return n * await get(self.remote(self, n - 1));
    });
    expect(await get(factorial.remote(factorial, 5))).toBe(120);
  });

  test("TASK-05 functions of one name do not mix", async () => {
    const refs: ObjectRef<number>[] = [];
    const make = (constant: number) =>
      remote(Function(`return function same() { return ${constant}; }`)() as () => number);
    for (let constant = 0; constant < 5; constant++) {
      const same = make(constant);
      for (let call = 0; call < 200; call++) refs.push(same.remote());
    }
    const expected = Array.from({ length: 1_000 }, (_, index) => Math.floor(index / 200));
    expect(await get(refs)).toEqual(expected);
  });

  test("TASK-10 takes default, rest and destructured parameters as a local call does", async () => {
    const local = (
      a: number,
      b = a + 1,
      { c, d = 4 }: { c: number; d?: number } = { c: 3 },
      ...rest: number[]
    ) => [a, b, c, d, rest];
    const away = remote(local);
    expect(await get(away.remote(1))).toEqual(local(1));
    expect(await get(away.remote(1, undefined, { c: 7 }, 8, 9))).toEqual(local(1, undefined, { c: 7 }, 8, 9));
    expect(await get(echo.remote())).toEqual([]);
    expect(await get(echo.remote(undefined, null))).toEqual([undefined, null]);
  });

  test("takes arguments as they are at the call", async () => {
    const list = [1];
    const large = new Uint8Array(300_000);
    const ref = echo.remote(list, large);
    list.push(2);
    large.fill(9);
    const [gotList, gotLarge] = await get(ref) as [number[], Uint8Array];
    expect(gotList).toEqual([1]);
    expect(gotLarge.every((byte) => byte === 0)).toBe(true);
  });

  test("takes refs as values, at the top only", async () => {
    const one = await put(1);
    const two = echo.remote(2);
    const kinds = remote((
      a: unknown,
      b: unknown,
      c: { ref: unknown }[],
    ) => [a, b, Object.prototype.toString.call(c[0]!.ref)]);
    expect(await get(kinds.remote(one, two, [{ ref: one }]))).toEqual([1, [2], "[object ObjectRef]"]);
  });

  test("may be async, and may return nothing", async () => {
    const nothing = remote(async () => {
      await null;
    });
    expect(await get(nothing.remote())).toBeUndefined();
  });

  test("gives a large result, its own copy to each reader", async () => {
    const large = remote((n: number) => new Float64Array(n).fill(1.5));
    const ref = large.remote(200_000);
    const first = await get(ref);
    first[0] = 7;
    const second = await get(ref);
    expect([first.length, first[1], second[0], second.byteOffset]).toEqual([200_000, 1.5, 1.5, 0]);
    expect(second.buffer.byteLength).toBe(1_600_000);
  });

  test("numReturns gives so many refs, or none, and must match what is returned", async () => {
    const three = remote(
      (n: number) => [n, "two", new Uint8Array(200_000).fill(3)] as [number, string, Uint8Array],
      {
        numReturns: 3,
      },
    );
    const [a, b, c] = three.remote(1);
    expect([await get(a), await get(b), (await get(c))[199_999]]).toEqual([1, "two", 3]);

    expect(three.options({ numReturns: 0 }).remote(1)).toBeUndefined();
    const all = await get(three.options({ numReturns: 1 }).remote(2)) as unknown[];
    expect(all.slice(0, 2)).toEqual([2, "two"]);

    const [x, y] = remote(() => [1] as unknown as [number, number], { numReturns: 2 }).remote();
    const error = await rejection(get(x));
    expect(error).toBeInstanceOf(RangeError);
    expect(error.message).toContain("must return an array of numReturns = 2 values, returned an array of 1");
    expect(await rejection(get(y))).toBeInstanceOf(TaskError);
  });

  test("NODE-14 every id made in a job carries it", async () => {
    const where = remote(async () => {
      const { put, remote, get, runtimeContext } = await import("mobula");
      const context = runtimeContext();
      const inner = remote(async () => {
        const { runtimeContext } = await import("mobula");
        return runtimeContext().jobId;
      });
      const ref = await put(1);
      return {
        job: context.jobId,
        inner: await get(inner.remote()),
        task: context.taskId,
        put: ref.id,
        attempt: context.attempt,
      };
    });
    const there = await get(where.remote());
    const { jobId, taskId } = runtimeContext();
    expect([there.job, there.inner]).toEqual([jobId, jobId]);
    expect(taskId).toBeNull();
    expect(there.task).toMatch(/^t-/);
    expect(there.attempt).toBe(0);
    await waitFor("rows of the job's tasks", async () => {
      const rows = await listTasks({ limit: 10_000 });
      expect(rows.every((row) => row.jobId === jobId)).toBe(true);
      return rows.length > 0;
    });
  });
});

describe("an error", () => {
  class ValidationError extends Error {
    readonly field: string;
    constructor(message: string, field: string) {
      super(message);
      this.field = field;
    }
    get shout(): string {
      return this.message.toUpperCase();
    }
  }
  const failing = remote((field: string) => {
    class ValidationError extends Error {
      field: string;
      constructor(message: string, field: string) {
        super(message, { cause: new RangeError("too long") });
        this.name = "ValidationError";
        this.field = field;
      }
    }
    class NameError extends ValidationError {}
    throw new NameError(`${field} is bad: größer als 世界 🙂`, field);
  }, { name: "failing" });

  test("TASK-07 RETRY-08 is a TaskError and of the user's class and its bases, with fields, cause and text intact", async () => {
    const error = await rejection<TaskError & { field: string }>(get(failing.remote("name")));
    expect(error).toBeInstanceOf(TaskError);
    expect(error).toBeInstanceOf(MobulaError);
    expect(error).toBeInstanceOf(ValidationError);
    expect(error).toBeInstanceOf(Error);
    expect(error).not.toBeInstanceOf(TypeError);
    expect(error.field).toBe("name");
    expect(error.name).toBe("TaskError(NameError)");
    expect(error.message).toContain("name is bad: größer als 世界 🙂");
    expect(error.taskName).toBe("failing");
    expect(error.taskId).toMatch(/^t-/);
    expect(error.attempt).toBe(0);
    expect(error.remoteStack).toContain("at failing");
    const cause = error.cause as Error & { cause: Error };
    expect(cause).toBeInstanceOf(ValidationError);
    expect(cause.cause).toBeInstanceOf(RangeError);
    expect(cause.cause.message).toBe("too long");
  });

  test("TASK-08 keeps its class through tasks that get one another", async () => {
    const hop = remote(async (inner: ObjectRef<never>[]) => {
      const { get } = await import("mobula");
      return await get(inner[0]!);
    });
    const error = await rejection(get(hop.remote([hop.remote([failing.remote("deep")])])));
    expect(error).toBeInstanceOf(TaskError);
    expect(error).toBeInstanceOf(ValidationError);
    expect(error.message).toContain("deep is bad");
  });

  test("of an argument fails the task without running it, down the chain", async () => {
    const tally = Tally.remote();
    const next = remote(async (tally: TallyHandle, _value: unknown) => {
      const { get } = await import("mobula");
      return await get(tally.add.remote());
    });
    let ref: ObjectRef<unknown> = failing.remote("chain");
    for (let link = 0; link < 5; link++) ref = next.remote(tally, ref);
    const error = await rejection(get(ref));
    expect(error).toBeInstanceOf(ValidationError);
    expect(error).toBeInstanceOf(TaskError);
    expect(await get(tally.read.remote())).toBe(0);
  });

  test("of anything thrown: a text, nothing, what cannot travel", async () => {
    const thrower = remote((what: string) => {
      if (what === "text") throw "just text";
      if (what === "undefined") throw undefined;
      throw Object.assign(new Error("with a function inside"), { callback: () => 1 });
    });
    const text = await rejection(get(thrower.remote("text")));
    expect(text).toBeInstanceOf(TaskError);
    expect(text.message).toContain("just text");
    expect(text.cause).toBe("just text");
    expect(await rejection(get(thrower.remote("undefined")))).toBeInstanceOf(TaskError);
    const odd = await rejection(get(thrower.remote("odd")));
    expect(odd).toBeInstanceOf(TaskError);
    expect(odd.message).toContain("with a function inside");
    expect(await get(remote(() => "the worker lives").remote())).toBe("the worker lives");
  });

  test("of a result that cannot travel names the path", async () => {
    const error = await rejection(get(remote(() => ({ a: [1, { callback: () => 1 }] })).remote()));
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toContain("result.a[1].callback");
  });

  test("TASK-13 is thrown by get as soon as it is known, while another call of the same actor waits", async () => {
    const gate = Signal.remote();
    const Two = remote(
      class Two {
        bad(): never {
          throw new RangeError("first");
        }
        async slow(gate: SignalHandle): Promise<string> {
          const { get } = await import("mobula");
          await get(gate.wait.remote());
          return "later";
        }
      },
      { maxConcurrency: 2 },
    );
    const two = Two.remote();
    const slow = two.slow.remote(gate);
    await waitFor("the slow one waits", async () => await get(gate.waiters.remote()) === 1);
    const bad = two.bad.remote();
    expect(await rejection(get([bad, slow]))).toBeInstanceOf(RangeError);
    expect(await rejection(get([slow, bad]))).toBeInstanceOf(RangeError);
    expect(await wait([slow], { timeoutMs: 0 })).toEqual([[], [slow]]);
    await get(gate.send.remote());
    expect(await get(slow)).toBe("later");
  });
});

describe("retries", () => {
  const crash = remote(async (tally: TallyHandle, until: number) => {
    const { get } = await import("mobula");
    const count = await get(tally.add.remote());
    if (count < until) process.exit(1);
    return count;
  }, { name: "crash" });

  test("RETRY-01 a crashed worker without retries is a WorkerCrashedError that names the task", async () => {
    const exit = remote(() => process.exit(7), { maxRetries: 0, name: "exits" });
    const error = await rejection(get(exit.remote()));
    expect(error).toBeInstanceOf(WorkerCrashedError);
    expect(error.message).toContain("exits");
    expect(error.message).toContain("died or was killed while executing");
    expect(error.message).toContain("code 7");
    expect(await get(remote(() => 1).remote())).toBe(1);
  });

  test("RETRY-02 three retries by default, as many as said otherwise", async () => {
    const tally = Tally.remote();
    expect(await rejection(get(crash.remote(tally, Infinity)))).toBeInstanceOf(WorkerCrashedError);
    expect((await get(tally.take.remote())).length).toBe(4);
    expect(await rejection(get(crash.options({ maxRetries: 0 }).remote(tally, Infinity)))).toBeInstanceOf(
      WorkerCrashedError,
    );
    expect((await get(tally.take.remote())).length).toBe(1);
  });

  test("RETRY-07 a replacement worker goes on with the same actor", async () => {
    const tally = Tally.remote();
    expect(await get(crash.options({ maxRetries: 5 }).remote(tally, 3))).toBe(3);
    expect(await get(tally.read.remote())).toBe(3);
  });

  test("without end, with -1", async () => {
    expect(await get(crash.options({ maxRetries: -1 }).remote(Tally.remote(), 6))).toBe(6);
  });

  test("a worker that is killed from outside counts as crashed, and its task runs again", async () => {
    const tally = Tally.remote();
    const signal = Signal.remote();
    const pidOnce = remote(async (tally: TallyHandle, signal: never) => {
      const { get } = await import("mobula");
      const count = await get(tally.add.remote(process.pid));
      if (count === 1) await get((signal as { wait: { remote(): ObjectRef<void> } }).wait.remote());
      return count;
    });
    const ref = pidOnce.remote(tally, signal as never);
    await waitFor("the task waits", async () => await get(signal.waiters.remote()) === 1);
    const [pid] = await get(tally.take.remote()) as [number];
    await get(tally.add.remote("so that the next one is the second"));
    process.kill(pid, "SIGKILL");
    expect(await get(ref)).toBe(2);
    await waitFor(
      "no row of the dead worker",
      async () => !(await listWorkers()).some((row) => row.pid === pid && row.state !== "DEAD"),
    );
  });

  test("RETRY-05 an exception is not retried unless retryExceptions says so", async () => {
    const tally = Tally.remote();
    const fail = remote(async (tally: TallyHandle) => {
      const { get } = await import("mobula");
      await get(tally.add.remote());
      throw new TypeError("always");
    });
    await rejection(get(fail.remote(tally)));
    expect((await get(tally.take.remote())).length).toBe(1);
    await rejection(get(fail.options({ retryExceptions: true, maxRetries: 2 }).remote(tally)));
    expect((await get(tally.take.remote())).length).toBe(3);
    await rejection(get(fail.options({ retryExceptions: [RangeError] }).remote(tally)));
    expect((await get(tally.take.remote())).length).toBe(1);
    // Classes match their subclasses.
    await rejection(get(fail.options({ retryExceptions: [RangeError, Error], maxRetries: 1 }).remote(tally)));
    expect((await get(tally.take.remote())).length).toBe(2);
  });

  test("RETRY-04 every attempt is a row of its own, numbered from 0", async () => {
    const fail = remote(async () => {
      const { runtimeContext } = await import("mobula");
      throw new Error(`attempt ${runtimeContext().attempt}`);
    }, { name: "fails three times", maxRetries: 2, retryExceptions: true });
    const ref = fail.remote();
    const error = await rejection<TaskError>(get(ref));
    expect(error.message).toContain("attempt 2");
    expect(error.attempt).toBe(2);
    const rows = await waitFor("three rows", async () => {
      const rows = await listTasks({ filters: ["name=fails three times"] });
      return rows.length === 3 && rows;
    });
    expect(rows.map((row) => row.attempt).sort()).toEqual([0, 1, 2]);
    expect(new Set(rows.map((row) => row.taskId))).toEqual(new Set([error.taskId]));
    expect(rows.map((row) => row.state)).toEqual(["FAILED", "FAILED", "FAILED"]);
  });
});

test("a task that crashes its worker costs those that wait behind it nothing", async () => {
  const work = remote((n: number) => n < 0 ? process.exit(3) : n, { maxRetries: 1 });
  const numbers = Array.from({ length: 300 }, (_, n) => n);
  await get(numbers.map((n) => work.remote(n))); // It is known to be short: many are in flight together.
  const before = numbers.map((n) => work.remote(n));
  const crashed = [work.remote(-1), work.remote(-2), work.remote(-3)];
  const after = numbers.map((n) => work.remote(n));
  for (const ref of crashed) expect(await rejection(get(ref))).toBeInstanceOf(WorkerCrashedError);
  expect(await get([...before, ...after])).toEqual([...numbers, ...numbers]);
});

describe("options", () => {
  const fn = remote((x: number) => x);

  test.each<[string, Record<string, unknown>, typeof TypeError | typeof RangeError]>([
    ["maxRetries", { maxRetries: -2 }, RangeError],
    ["maxRetries", { maxRetries: 1.5 }, TypeError],
    ["maxRetries", { maxRetries: "3" }, TypeError],
    ["numReturns", { numReturns: -1 }, RangeError],
    ["numReturns", { numReturns: NaN }, TypeError],
    ["retryExceptions", { retryExceptions: [class NotAnError {}] }, TypeError],
    ["retryExceptions", { retryExceptions: "yes" }, TypeError],
    ["numCpus", { numCpus: -1 }, RangeError],
    ["numCpus", { numCpus: Infinity }, RangeError],
    ["numGpus", { numGpus: 1.5 }, RangeError],
    ["resources", { resources: { CPU: 1 } }, RangeError],
    ["resources.disk", { resources: { disk: "much" } }, TypeError],
    ["memory", { memory: null }, TypeError],
    ["name", { name: "" }, RangeError],
    ["schedulingStrategy", { schedulingStrategy: "RANDOM" }, RangeError],
    ["schedulingStrategy.nodeId", { schedulingStrategy: { nodeId: 5 } }, TypeError],
    ["runtimeEnv.runtime", { runtimeEnv: { runtime: "python" } }, RangeError],
    ["runtimeEnv.env.A", { runtimeEnv: { env: { A: 1 } } }, TypeError],
    ["numCPUs", { numCPUs: 1 }, TypeError],
    ["maxRestarts", { maxRestarts: 1 }, TypeError],
  ])("TASK-14 a bad %s is refused where it is given: %j", (name, options, kind) => {
    const told = (make: () => unknown): Error => {
      try {
        make();
      } catch (error) {
        return error as Error;
      }
      throw new Error("nothing was thrown");
    };
    for (const error of [told(() => remote(() => 1, options)), told(() => fn.options(options))]) {
      expect(error).toBeInstanceOf(kind);
      expect(error.message).toContain(name);
    }
  });

  test(".options() leaves the function as it was", async () => {
    const held = remote(async () => {
      const { runtimeContext } = await import("mobula");
      return runtimeContext().assignedResources;
    }, { numCpus: 1 });
    const half = held.options({ numCpus: 0.5 });
    expect(await get([held.remote(), half.remote(), held.remote()])).toEqual([{ CPU: 1 }, { CPU: 0.5 }, {
      CPU: 1,
    }]);
  });

  test("name is what the task is called, in its context, in errors and in rows", async () => {
    const named = remote(async (fails: boolean) => {
      const { runtimeContext } = await import("mobula");
      if (fails) throw new Error("on purpose");
      return runtimeContext().taskName;
    });
    const other = named.options({ name: "another name" });
    expect(await get([named.remote(false), other.remote(false)])).toEqual(["named", "another name"]);
    const error = await rejection<TaskError>(get(other.remote(true)));
    expect(error.taskName).toBe("another name");
    await waitFor("its rows", async () => (await listTasks({ filters: ["name=another name"] })).length === 2);
  });

  test("runtimeEnv gives a worker its variables and its runtime", async () => {
    const look = remote(() => [process.env.MOBULA_E2E, typeof (globalThis as { Deno?: object }).Deno]);
    const env = { MOBULA_E2E: "set" };
    const deno = workerRuntime === "deno" ? "object" : "undefined";
    expect(await get(look.options({ runtimeEnv: { env } }).remote())).toEqual(["set", deno]);
    expect(await get(look.options({ runtimeEnv: { env, runtime: "deno" } }).remote())).toEqual([
      "set",
      "object",
    ]);
    expect(await get(look.remote())).toEqual([undefined, deno]);
  });
});

test("TASK-11 a put of a ref and a get of anything else are refused", async () => {
  const ref = await put(1);
  expect(await rejection(put(ref))).toBeInstanceOf(TypeError);
  expect((await rejection(get(3 as never))).message).toContain(
    "get() takes a ref or an array of refs, not number",
  );
  expect((await rejection(get([ref, 4] as never))).message).toContain("refs[1]");
  expect(await rejection(wait(ref as never))).toBeInstanceOf(TypeError);
});

test("what can be called only by .remote() says so", () => {
  const fn = remote((x: number) => x);
  expect(() => (fn as unknown as (x: number) => number)(1)).toThrow(TypeError);
  expect(() => remote(5 as never)).toThrow("remote() takes a function or a class, not number");
});
