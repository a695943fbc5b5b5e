/** What a remote function is told about its calls: checks, numReturns, maxCalls; and mapTasks. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  cancel,
  get,
  mapTasks,
  type ObjectRef,
  release,
  remote,
  runtimeContext,
  shutdown,
  TaskError,
} from "mobula";
import { Signal, type SignalHandle, Tally, type TallyHandle } from "../support/actors.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { isAlive, rejection } from "../support/processes.ts";
import { waitFor } from "../support/wait_for.ts";
import { startCases } from "./cases.ts";

const leftovers = watchLeftovers();

beforeAll(async () => {
  await startCases({ numCpus: 2 });
});
afterAll(async () => {
  await shutdown();
  await leftovers.check();
});

test("TASK-14 options are checked where they are given", () => {
  const fn = (): number => 1;
  const cases: [options: object, error: typeof TypeError | typeof RangeError][] = [
    [{ maxRetries: -2 }, RangeError],
    [{ maxRetries: 1.5 }, TypeError],
    [{ numReturns: -1 }, RangeError],
    [{ numReturns: "2" }, TypeError],
    [{ retryExceptions: [class NoError {}] }, TypeError],
    [{ retryExceptions: "all" }, TypeError],
    [{ maxCalls: -1 }, RangeError],
    [{ maxCalls: 0.5 }, TypeError],
    [{ signal: "now" }, TypeError],
    [{ noSuchOption: 1 }, TypeError],
  ];
  for (const [options, error] of cases) {
    expect(() => remote(fn, options as never)).toThrow(error);
    expect(() => remote(fn).options(options as never)).toThrow(error);
  }
  expect(() => remote(fn).options({ maxCalls: 1 })).toThrow(TypeError);
  expect(() => remote(fn).options({ maxCalls: 1 })).toThrow("remote(fn, { maxCalls })");
});

const child = remote(async (gate: SignalHandle) => {
  await get(gate.wait.remote());
  return "child";
}, { numCpus: 0 });

test("TASK-17 a worker of maxCalls 1 outlives its task as long as others use what it owns", async () => {
  const background = remote(async (gate: SignalHandle, ready: SignalHandle) => {
    await get(ready.wait.remote());
    return [process.pid, child.remote(gate)] as const;
  }, { maxCalls: 1, numCpus: 0 });
  const [gate, started] = [Signal.remote(), Signal.remote()];
  const refs = [1, 2, 3].map(() => background.remote(gate, started));
  // All at once, each in a worker of its own.
  await waitFor("three have begun", async () => await get(started.waiters.remote()) === 3);
  await get(started.send.remote());
  const parents = await get(refs);
  const pids = parents.map(([pid]) => pid);
  expect(new Set(pids).size).toBe(3);
  await waitFor("the children run", async () => await get(gate.waiters.remote()) === 3);
  expect(pids.every(isAlive)).toBe(true);
  await get(gate.send.remote());
  expect(await get(parents.map(([, ref]) => ref))).toEqual(["child", "child", "child"]);
  for (const [, ref] of parents) release(ref);
  for (const ref of refs) release(ref);
  for (const pid of pids) await waitFor(`${pid} has ended`, () => !isAlive(pid));
});

test("maxCalls counts the runs of one function in one process, and a failed run is one", async () => {
  const limited = remote((fails: boolean) => {
    if (fails) throw new RangeError(String(process.pid));
    return process.pid;
  }, { maxCalls: 3 });
  const other = remote(() => process.pid);
  const runs: number[] = [];
  for (let i = 0; i < 12; i++) {
    if (i % 4 === 3) {
      runs.push(Number(((await rejection(get(limited.remote(true)))) as { cause: Error }).cause.message));
    } else runs.push(await get(limited.remote(false)));
    await get(other.remote());
  }
  const perProcess = new Map<number, number>();
  for (const pid of runs) perProcess.set(pid, (perProcess.get(pid) ?? 0) + 1);
  expect(perProcess.size).toBeGreaterThanOrEqual(4);
  expect(Math.max(...perProcess.values())).toBe(3);
  for (const [pid, count] of perProcess) {
    if (count === 3) await waitFor(`${pid} has ended`, () => !isAlive(pid));
  }
});

test("a burst of limited calls runs each once, however many share a worker", async () => {
  const limited = remote((n: number) => [n, process.pid] as const, { maxCalls: 10 });
  const results = await get(Array.from({ length: 100 }, (_, n) => limited.remote(n)), { timeoutMs: 60_000 });
  expect(results.map(([n]) => n)).toEqual(Array.from({ length: 100 }, (_, n) => n));
  const perProcess = new Map<number, number>();
  for (const [, pid] of results) perProcess.set(pid, (perProcess.get(pid) ?? 0) + 1);
  expect(Math.max(...perProcess.values())).toBeLessThanOrEqual(10);
}, 90_000);

test("numReturns: none, one, several; a wrong number fails all refs with the reason", async () => {
  const tally = Tally.remote();
  const none = remote(async (tally: TallyHandle) => {
    await get(tally.add.remote());
  }, { numReturns: 0 });
  expect(none.remote(tally)).toBeUndefined();
  await waitFor("it ran", async () => await get(tally.read.remote()) === 1);
  const one = remote(() => [1, 2], { numReturns: 1 });
  expect(await get(one.remote())).toEqual([1, 2]);
  const three = remote((): [number, string, boolean] => [1, "two", true], { numReturns: 3 });
  const [a, b, c] = three.remote();
  expect(await get([a, b, c])).toEqual([1, "two", true]);
  for (const [wrong, said] of [[[1], "an array of 1"], [7, "number"]] as const) {
    const fails = remote((value: unknown) => value as [unknown, unknown], { numReturns: 2 });
    for (const ref of fails.remote(wrong)) {
      const error = await rejection(get(ref));
      expect(error).toBeInstanceOf(RangeError);
      expect((error as Error).message).toContain(`numReturns = 2 values, returned ${said}`);
    }
  }
});

test("several results are cancelled together", async () => {
  const gate = Signal.remote();
  const pair = remote(async (gate: SignalHandle): Promise<[number, number]> => {
    await get(gate.wait.remote(), { signal: runtimeContext().signal });
    return [1, 2];
  }, { numReturns: 2 });
  const [a, b] = pair.remote(gate);
  await waitFor("it runs", async () => await get(gate.waiters.remote()) === 1);
  await cancel(b);
  for (const ref of [a, b]) expect((await rejection(get(ref))).name).toBe("TaskCancelledError");
});

const noticing = remote(async (n: number, gate: SignalHandle, tally: TallyHandle) => {
  if (n === 1) throw new RangeError("the second fails");
  try {
    await get(gate.wait.remote(), { signal: runtimeContext().signal });
  } catch (reason) {
    await get(tally.add.remote(n));
    throw reason;
  }
  return n;
}, { numCpus: 0 });

test("mapTasks cancels the rest after the first failure, also before earlier values are there", async () => {
  const gate = Signal.remote();
  const tally = Tally.remote();
  const mapped = {
    async *calls() {
      for (const n of [0, 2, 3]) yield n;
      // The others stand there: to be cancelled while they run.
      await waitFor("three at the gate", async () => await get(gate.waiters.remote()) === 3);
      yield 1;
    },
    remote: (n: number): ObjectRef<number> => noticing.remote(n, gate, tally),
  };
  const values = mapTasks(mapped as never, mapped.calls() as never);
  const error = await rejection(values.next());
  expect(error).toBeInstanceOf(TaskError);
  expect(error).toBeInstanceOf(RangeError);
  await waitFor("all others were told", async () => await get(tally.read.remote()) === 3);
  expect((await get(tally.take.remote()) as number[]).sort()).toEqual([0, 2, 3]);
});

test("mapTasks cancels the rest when its loop is left", async () => {
  const gate = Signal.remote();
  const tally = Tally.remote();
  const mapped = {
    async *calls() {
      for (const n of [2, 3]) yield n;
      await waitFor("two at the gate", async () => await get(gate.waiters.remote()) === 2);
      await get(gate.send.remote());
      await get(gate.close.remote());
      for (const n of [4, 5]) yield n;
      await waitFor("two more at the gate", async () => await get(gate.waiters.remote()) === 2);
      yield 6;
    },
    remote: (n: number): ObjectRef<number> => noticing.remote(n, gate, tally),
  };
  for await (const value of mapTasks(mapped as never, mapped.calls() as never, { maxInFlight: 5 })) {
    expect(value).toBe(2 as never);
    break;
  }
  await waitFor("those that stood there were told", async () => {
    const told = await get(tally.read.remote());
    return told === 2 || told === 3;
  });
});
