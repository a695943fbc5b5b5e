/** get, wait, asCompleted and mapTasks against real processes: order, timeouts, signals. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  asCompleted,
  get,
  GetTimeoutError,
  init,
  mapTasks,
  MobulaError,
  type ObjectRef,
  put,
  remote,
  shutdown,
  TaskError,
  wait,
} from "mobula";
import { Signal, type SignalHandle } from "../support/actors.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { rejection } from "../support/processes.ts";
import { waitFor } from "../support/wait_for.ts";
import { runtimeOfRun } from "../conformance/cases.ts";

const leftovers = watchLeftovers();

beforeAll(async () => {
  await init({ numCpus: 3, dashboard: false, objectStoreBytes: 64 << 20, ...runtimeOfRun });
});
afterAll(async () => {
  await shutdown();
  await leftovers.check();
});

const echo = remote(<T>(value: T) => value);
/** Gives `value` when the signal is sent. */
const held = remote(async (signal: SignalHandle, value: unknown) => {
  const { get } = await import("mobula");
  await get(signal.wait.remote());
  return value;
}, { numCpus: 0 });
const fail = remote(() => {
  throw new RangeError("on purpose");
});

test("WAIT-01 never more are ready than were asked for", async () => {
  const refs = [1, 2, 3, 4].map((n) => echo.remote(n));
  await get(refs);
  const [ready, remaining] = await wait(refs);
  expect(ready).toEqual([refs[0]!]);
  expect(remaining).toEqual(refs.slice(1));
  const [all, none] = await wait(refs, { numReturns: 4 });
  expect([all, none]).toEqual([refs, []]);
});

test("WAIT-02 running out of time is an answer", async () => {
  const signal = Signal.remote();
  const refs = [held.remote(signal, 1), echo.remote(2)];
  await get(refs[1]!);
  const startMs = performance.now();
  const [ready, remaining] = await wait(refs, { numReturns: 2, timeoutMs: 50 });
  expect(performance.now() - startMs).toBeGreaterThanOrEqual(49);
  expect(ready[0]).toBe(refs[1]!);
  expect(remaining[0]).toBe(refs[0]!);
  expect(await wait(refs, { numReturns: 2, timeoutMs: 0 })).toEqual([[refs[1]!], [refs[0]!]]);
  await get(signal.send.remote());
  expect(await wait(refs, { numReturns: 2 })).toEqual([refs, []]);
});

test("WAIT-04 what cannot be waited for is refused", async () => {
  const ref = await put(1);
  const other = await put(2);
  for (const numReturns of [0, 3, -1, 1.5, NaN, "1" as never]) {
    const error = await rejection(wait([ref, other], { numReturns }));
    expect(error).toBeInstanceOf(Number.isInteger(numReturns) ? RangeError : TypeError);
    expect(error.message).toContain("numReturns");
  }
  expect(await rejection(wait([ref], { timeoutMs: -1 }))).toBeInstanceOf(RangeError);
  expect(await rejection(wait([ref], { timeoutMs: "1" as never }))).toBeInstanceOf(TypeError);
  expect(await rejection(wait([ref], { timeout: 1 } as never))).toBeInstanceOf(TypeError);
  expect(await rejection(wait([ref], { fetchLocal: "yes" as never }))).toBeInstanceOf(TypeError);
  expect(await rejection(wait([ref, ref]))).toBeInstanceOf(RangeError);
  expect(await rejection(wait([ref, 3 as never]))).toBeInstanceOf(TypeError);
  expect(await wait([])).toEqual([[], []]);
  expect(await rejection(get(ref, { timeoutMs: -1 }))).toBeInstanceOf(RangeError);
  expect(await rejection(get(ref, { timeout: 1 } as never))).toBeInstanceOf(TypeError);
  expect(await rejection(get(ref, { signal: {} as never }))).toBeInstanceOf(TypeError);
});

test("WAIT-05 both lists keep the order of the input; a failed task is ready", async () => {
  const signals = [1, 2, 3, 4].map(() => Signal.remote());
  const refs: ObjectRef<unknown>[] = signals.map((signal, n) => held.remote(signal, n));
  refs.splice(2, 0, fail.remote());
  for (const n of [3, 0]) await get(signals[n]!.send.remote());
  const [ready, remaining] = await wait(refs, { numReturns: 3 });
  expect(ready).toEqual([refs[0]!, refs[2]!, refs[4]!]);
  expect(remaining).toEqual([refs[1]!, refs[3]!]);
  await get(signals.map((signal) => signal.send.remote()));
});

test("WAIT-10 several workers wait for and get the same ref", async () => {
  const signal = Signal.remote();
  const ref = held.remote(signal, "x");
  const look = remote(async ([ref]: [ObjectRef<unknown>], how: "wait" | "get") => {
    const { get, wait } = await import("mobula");
    if (how === "wait") return (await wait([ref]))[0].length;
    return await get(ref);
  });
  const looks = (["wait", "wait", "get", "get"] as const).map((how) => look.remote([ref], how));
  await waitFor("the task waits", async () => await get(signal.waiters.remote()) === 1);
  await get(signal.send.remote());
  expect(await get(looks)).toEqual([1, 1, "x", "x"]);
});

test("WAIT-11 a get that ran out of time says so; the task goes on", async () => {
  const signal = Signal.remote();
  const ref = held.remote(signal, "later");
  for (const timeoutMs of [50, 0]) {
    const error = await rejection(get(ref, { timeoutMs }));
    expect(error).toBeInstanceOf(GetTimeoutError);
    expect(error).toBeInstanceOf(MobulaError);
    expect(error.name).toBe("GetTimeoutError");
    expect((error.cause as Error).name).toBe("TimeoutError");
    expect(error.message).toContain(`${timeoutMs} ms`);
    expect(error.message).toEndWith(`1 of 1 objects were not ready, such as ${ref.id} of held`);
  }
  const several = await rejection(get([echo.remote(1), ref, held.remote(signal, 2)], { timeoutMs: 200 }));
  expect(several.message).toContain("2 of 3");
  await get(signal.send.remote());
  expect(await get(ref, { timeoutMs: 10_000 })).toBe("later");
  expect(await get(ref, { timeoutMs: 0 })).toBe("later");
});

test("a get ends with its signal's reason; the task goes on", async () => {
  const signal = Signal.remote();
  const ref = held.remote(signal, "on");
  const controller = new AbortController();
  const reason = new Error("enough");
  const getting = rejection(get(ref, { signal: controller.signal }));
  const waiting = rejection(wait([ref], { signal: controller.signal }));
  controller.abort(reason);
  expect(await getting).toBe(reason);
  expect(await waiting).toBe(reason);
  // Also when it was aborted before.
  expect(await rejection(get(ref, { signal: controller.signal }))).toBe(reason);
  await get(signal.send.remote());
  expect(await get(ref)).toBe("on");
});

test("the same ref many times in one get, and in many gets at once", async () => {
  const signal = Signal.remote();
  const ref = held.remote(signal, new Uint8Array(300_000).fill(1)) as ObjectRef<Uint8Array>;
  const once = get([ref, ref, ref]);
  const several = Promise.all([get(ref), get(ref)]);
  await get(signal.send.remote());
  for (const value of [...await once, ...await several]) expect(value[299_999]).toBe(1);
  expect(await get([])).toEqual([]);
});

test("asCompleted gives refs as they finish, failed ones too", async () => {
  const signals = [0, 1, 2].map(() => Signal.remote());
  const refs: ObjectRef<unknown>[] = signals.map((signal, n) => held.remote(signal, n));
  const failed = fail.remote();
  const seen: unknown[] = [];
  const order = [2, 0, 1];
  for await (const ref of asCompleted([...refs, failed])) {
    if (ref === failed) {
      expect(await rejection(get(ref))).toBeInstanceOf(TaskError);
      seen.push("failed");
    } else seen.push(await get(ref, { timeoutMs: 0 }));
    const next = order.shift();
    if (next !== undefined) await get(signals[next]!.send.remote());
  }
  expect(seen).toEqual(["failed", 2, 0, 1]);
  const none: unknown[] = [];
  for await (const ref of asCompleted([])) none.push(ref);
  expect(none).toEqual([]);
});

test("mapTasks keeps the order of its inputs and at most so many tasks in flight", async () => {
  const square = remote((n: number) => n * n);
  const squares: number[] = [];
  for await (const value of mapTasks(square, Array.from({ length: 50 }, (_, n) => n), { maxInFlight: 4 })) {
    squares.push(value);
  }
  expect(squares).toEqual(Array.from({ length: 50 }, (_, n) => n * n));

  let taken = 0;
  async function* inputs(): AsyncGenerator<number | ObjectRef<number>> {
    for (; taken < 1_000; taken++) yield taken % 2 === 0 ? taken : await put(taken);
  }
  let count = 0;
  for await (const value of mapTasks(square, inputs(), { maxInFlight: 3 })) {
    expect(value).toBe(count * count);
    expect(taken - count).toBeLessThanOrEqual(3);
    if (++count === 10) break;
  }
  expect(taken).toBeLessThan(20); // Leaving the loop stopped it.
});

test("mapTasks ends with the first failure, in order", async () => {
  const odd = remote((n: number) => {
    if (n === 3) throw new RangeError(`bad input ${n}`);
    return n;
  });
  const seen: number[] = [];
  const run = async (): Promise<void> => {
    // One at a time: of several in flight, the one that fails may end before the value that it stands behind.
    for await (const value of mapTasks(odd, [1, 2, 3, 4], { maxInFlight: 1 })) seen.push(value);
  };
  const error = await rejection(run());
  expect(error).toBeInstanceOf(RangeError);
  expect(error.message).toContain("bad input 3");
  expect(seen).toEqual([1, 2]);
  for (const maxInFlight of [0, 1.5, NaN]) {
    const error = await rejection(mapTasks(odd, [1], { maxInFlight }).next());
    expect(error).toBeInstanceOf(Number.isInteger(maxInFlight) ? RangeError : TypeError);
  }
});

test("who waits for a long task uses no CPU meanwhile, nor does its worker, also right after short tasks", async () => {
  const long = remote(async (ms: number) => {
    const before = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, ms));
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1_000;
  });
  for (let call = 0; call < 200; call++) expect(await get(echo.remote(call))).toBe(call);
  const before = process.cpuUsage();
  const workerMs = await get(long.remote(600));
  const { user, system } = process.cpuUsage(before);
  // Awake all the time, it would be 600; collectors and timers use some.
  expect((user + system) / 1_000).toBeLessThan(200);
  expect(workerMs).toBeLessThan(200);
});
