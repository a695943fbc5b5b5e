/** Retries of tasks: which failures are tried again, how often exactly, and what people see of it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  get,
  type HandleOf,
  listObjects,
  listTasks,
  MobulaError,
  type ObjectRef,
  registerClass,
  remote,
  runtimeContext,
  shutdown,
  TaskError,
  WorkerCrashedError,
} from "mobula";
import { registeredCodecs } from "../../runtime/io/core_worker/class_codecs.ts";
import { currentCoreWorker } from "../../runtime/io/core_worker/current.ts";
import { RemoteCode, RemoteFunction } from "../../runtime/io/core_worker/remote_function.ts";
import { Tally, type TallyHandle } from "../support/actors.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { rejection } from "../support/processes.ts";
import { waitFor } from "../support/wait_for.ts";
import { startCases } from "./cases.ts";
import { killNodes } from "./node_kills.ts";

const leftovers = watchLeftovers();

beforeAll(async () => {
  await startCases({ numCpus: 2 });
});
afterAll(async () => {
  await shutdown();
  await leftovers.check();
});

function taskOf(ref: ObjectRef<unknown>): string {
  return `t${ref.id.slice(1, ref.id.lastIndexOf("."))}`;
}

/** The rows of a task, one for each attempt, once `count` of them have ended. */
async function attempts(ref: ObjectRef<unknown>, count: number): Promise<Record<string, unknown>[]> {
  const rows = await waitFor(`${count} attempts of ${taskOf(ref)}`, async () => {
    const all = await listTasks({ filters: [`taskId=${taskOf(ref)}`], limit: 100, detail: true });
    return all.filter((row) => row.endMs !== null).length >= count ? all : null;
  });
  return rows.sort((a, b) => (a.attempt as number) - (b.attempt as number));
}

/** Counts its execution, then ends its process. */
const crash = remote(async (tally: TallyHandle) => {
  await get(tally.add.remote());
  process.exit(1);
});

test("RETRY-01 a task that ends its process fails as crashed, and people are told", async () => {
  const ref = crash.options({ maxRetries: 0 }).remote(Tally.remote());
  const error = await rejection(get(ref));
  expect(error).toBeInstanceOf(WorkerCrashedError);
  expect((error as Error).message).toContain("died or was killed while executing");
  const [row] = await attempts(ref, 1);
  expect(row).toMatchObject({ state: "FAILED", errorType: "WorkerCrashedError", attempt: 0 });
  expect(row!.errorMessage).toContain("died or was killed while executing");
});

test("what a crashed attempt had stored goes with the task's refs, also when the retry stores nothing", async () => {
  const pair = remote(() => {
    if (runtimeContext().attempt > 0) return [1, 2];
    const large = new Uint8Array(1 << 20);
    // The first of the two is stored by the time that this is read.
    return [large, {
      get trap(): never {
        return process.kill(process.pid, "SIGKILL") as never;
      },
    }];
  }, { numReturns: 2 });
  const refs = pair.remote() as unknown as ObjectRef<number>[];
  expect(await get(refs)).toEqual([1, 2]);
  for (const ref of refs) ref.release();
  await waitFor("nothing is stored", async () => (await listObjects()).length === 0);
});

test("what a crashed attempt of a call had stored goes with its refs, whether it is tried again or fails", async () => {
  const Pair = remote(
    class Pair {
      pair(): unknown[] {
        if (runtimeContext().attempt > 0) return [1, 2];
        const large = new Uint8Array(1 << 20);
        // The first of the two is stored by the time that this is read.
        return [large, {
          get trap(): never {
            return process.kill(process.pid, "SIGKILL") as never;
          },
        }];
      }
    },
    { maxRestarts: -1, numCpus: 0 },
  );
  const actor = Pair.remote();
  const retried = actor.pair.options({ numReturns: 2, maxTaskRetries: 1 }).remote() as unknown as ObjectRef<
    number
  >[];
  expect(await get(retried)).toEqual([1, 2]);
  const failed = actor.pair.options({ numReturns: 2 }).remote() as unknown as ObjectRef<number>[];
  const error = await rejection<Error>(get(failed));
  expect(error.name).toBe("ActorUnavailableError");
  for (const ref of [...retried, ...failed]) ref.release();
  actor[Symbol.dispose]();
  await waitFor("nothing is stored", async () => (await listObjects()).length === 0);
});

test("the ref of a task that crashed can be passed on, with its error", async () => {
  const crash = remote(() => process.kill(process.pid, "SIGKILL"), { maxRetries: 0 });
  const ref = crash.remote();
  expect((await rejection<Error>(get(ref))).name).toBe("WorkerCrashedError");
  const reasonOf = remote(async ([ref]: readonly ObjectRef<boolean>[]) => {
    return await get(ref!).then(() => "", (error: Error) => error.name);
  });
  expect(await get(reasonOf.remote([ref]))).toBe("WorkerCrashedError");
  ref.release();
  await waitFor("nothing is stored", async () => (await listObjects()).length === 0);
});

test("RETRY-02 a crashing task runs four times, or as often as it was told", async () => {
  const tally = Tally.remote();
  for (const [options, count] of [[{}, 4], [{ maxRetries: 0 }, 1], [{ maxRetries: 1 }, 2]] as const) {
    const ref = crash.options(options).remote(tally);
    expect(await rejection(get(ref, { timeoutMs: 60_000 }))).toBeInstanceOf(WorkerCrashedError);
    expect((await get(tally.take.remote())).length).toBe(count);
    const rows = await attempts(ref, count);
    expect(rows.map((row) => [row.attempt, row.state])).toEqual(
      Array.from({ length: count }, (_, attempt) => [attempt, "FAILED"]),
    );
  }
}, 90_000);

const fails = remote(async (tally: TallyHandle, message: string) => {
  await get(tally.add.remote(runtimeContext().attempt));
  throw new RangeError(message);
});

test("RETRY-04 a task that always throws has a row for each attempt", async () => {
  const tally = Tally.remote();
  const ref = fails.options({ retryExceptions: true, maxRetries: 2 }).remote(tally, "always");
  expect(await rejection(get(ref))).toBeInstanceOf(TaskError);
  expect(await get(tally.take.remote())).toEqual([0, 1, 2]);
  const rows = await attempts(ref, 3);
  expect(rows.map((row) => [row.taskId, row.attempt, row.state])).toEqual(
    [0, 1, 2].map((attempt) => [taskOf(ref), attempt, "FAILED"]),
  );
});

test("RETRY-05 what user code throws is not tried again unless it was asked for", async () => {
  const tally = Tally.remote();
  expect(await rejection(get(fails.options({ maxRetries: 1 }).remote(tally, "once")))).toBeInstanceOf(
    RangeError,
  );
  expect(await get(tally.take.remote())).toEqual([0]);
  for (const [retryExceptions, count] of [[[TypeError], 1], [[RangeError], 2], [[Error], 2]] as const) {
    const ref = fails.options({ maxRetries: 1, retryExceptions }).remote(tally, "listed");
    await rejection(get(ref));
    expect((await get(tally.take.remote())).length).toBe(count);
  }
});

test("crashes and listed errors share one budget", async () => {
  const tally = Tally.remote();
  const mixed = remote(async (tally: TallyHandle) => {
    const n = await get(tally.add.remote()) as number;
    if (n % 2 === 1) process.exit(1);
    throw new RangeError("even");
  }, { maxRetries: 3, retryExceptions: [RangeError] });
  expect(await rejection(get(mixed.remote(tally)))).toBeInstanceOf(RangeError);
  expect(await get(tally.read.remote())).toBe(4);
});

test("RETRY-07 an actor keeps its state, and takes calls of the worker that comes after a crash", async () => {
  const tally = Tally.remote();
  const insists = remote(async (tally: TallyHandle) => {
    const n = await get(tally.add.remote()) as number;
    if (n <= 2) process.exit(1);
    return n;
  }, { maxRetries: 5 });
  expect(await get(insists.remote(tally), { timeoutMs: 60_000 })).toBe(3);
});

test("RETRY-08 an error's message arrives as it was thrown, whatever its letters", async () => {
  const message = "Ошибка: 失敗 😱 \u0000 ñ";
  const error = await rejection(get(fails.remote(Tally.remote(), message)));
  expect((error as { cause: Error }).cause.message).toBe(message);
  const Thrower = remote(
    class Thrower {
      run(text: string): never {
        throw new Error(text);
      }
    },
  );
  const thrown = await rejection(get(Thrower.remote().run.remote(message)));
  expect((thrown as { cause: Error }).cause.message).toBe(message);
});

const Flaky = remote(
  class Flaky {
    calls = 0;
    fail(times: number): number {
      if (++this.calls <= times) throw new RangeError(`call ${this.calls}`);
      return this.calls;
    }
  },
);
type FlakyHandle = HandleOf<typeof Flaky>;

test("code that cannot be had is the system's failure, not the user's: retryExceptions is not for it", async () => {
  class Unused {}
  registerClass(Unused, { encode: () => null, decode: () => new Unused() });
  // A codec's code is in the function table, and no function.
  const { hash } = [...registeredCodecs()].find(({ name }) => name === "Unused")!;
  const noFunction = new RemoteCode("function", {
    hash,
    name: "noFunction",
    streams: false,
    methods: {},
    captures: null,
    source: null,
  });
  const call = new RemoteFunction(noFunction, { maxRetries: 2, retryExceptions: true });
  const ref = call.remote() as ObjectRef<unknown>;
  const error = await rejection(get(ref, { timeoutMs: 30_000 }));
  expect(error).toBeInstanceOf(MobulaError);
  expect(error).not.toBeInstanceOf(TaskError);
  expect((await attempts(ref, 1)).map((row) => row.attempt)).toEqual([0]);
  expect(currentCoreWorker()!.tasks.pending).toBe(0);
});

test("an actor's call is tried again as often as maxTaskRetries says, for the errors that are listed", async () => {
  const run = (flaky: FlakyHandle, maxTaskRetries: number, times: number): ObjectRef<number> =>
    flaky.fail.options({ maxTaskRetries, retryExceptions: [RangeError] }).remote(times);
  expect(await get(run(Flaky.remote(), 2, 2))).toBe(3);
  const exhausted = Flaky.remote();
  expect(await rejection(get(run(exhausted, 1, 9)))).toBeInstanceOf(RangeError);
  expect(await get(exhausted.fail.remote(2))).toBe(3);
});

test(
  "RETRY-10 nested tasks survive nodes that are killed one after the other (30 s in the long run)",
  async () => {
    await killNodes(4_000, 60);
  },
  90_000,
);
