/**
 * Core workers against a real cluster, where parts meet: references that leave early, errors that cannot be read, bursts,
 * and counts that must come back to zero.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  get,
  GetTimeoutError,
  init,
  isInitialized,
  MobulaError,
  type ObjectRef,
  put,
  remote,
  shutdown,
  TaskError,
  wait,
} from "mobula";
import { currentDriver } from "../../runtime/api/init.ts";
import type { FunctionStats } from "../../runtime/io/core_worker/recorder.ts";
import { LocalCluster } from "../../runtime/process/local_cluster.ts";
import { watchLeftovers } from "../support/leftovers.ts";

setDefaultTimeout(20_000);
const leftovers = watchLeftovers();

beforeAll(async () => {
  await init({ numCpus: 2, dashboard: false, objectStoreBytes: 128 << 20 });
});
afterAll(async () => {
  await shutdown();
  await leftovers.check();
});

const later = remote(async (ms: number, value: unknown) => {
  await new Promise((resolve) => setTimeout(resolve, ms));
  return value;
});

/** What is under way of one function, as this process counts it. */
function underWay(name: string, type: "NORMAL_TASK" | "ACTOR_TASK"): number[] {
  const stats: FunctionStats = currentDriver()!.core.recorder.stats(name, type);
  return [stats.pendingArgs, stats.pendingNode, stats.submitted];
}

describe("references", () => {
  test("a large argument after a ref lives until its task has run", async () => {
    const sizes = remote((first: number, big: Uint8Array, last: number[]) => [
      first,
      big.length,
      last.length,
    ]);
    for (let round = 0; round < 5; round++) {
      const ref = later.remote(round * 5, 7) as ObjectRef<number>;
      const list = await put([1, 2, 3]);
      expect(await get(sizes.remote(ref, new Uint8Array(1 << 20), list), { timeoutMs: 10_000 })).toEqual([
        7,
        1 << 20,
        3,
      ]);
      // Each is counted once: the refs can still be used.
      expect(await get(ref)).toBe(7);
      expect(await get(list)).toEqual([1, 2, 3]);
    }
  });

  test("a pending ref that its owner lets go still gets its value to those who were given it", async () => {
    const Keeper = remote(
      class Keeper {
        kept: ObjectRef<unknown> | null = null;
        keep(refs: ObjectRef<unknown>[]) {
          this.kept = refs[0]!;
        }
        async read() {
          const { get } = await import("mobula");
          return await get(this.kept!, { timeoutMs: 5_000 });
        }
      },
    );
    const keeper = Keeper.remote();
    await get(keeper.read.remote()).catch(() => undefined); // It is up.
    for (const value of ["small", new Uint8Array(200_000).fill(3)]) {
      const ref = later.remote(150, value);
      await get(keeper.keep.remote([ref]));
      ref.release();
      expect(await get(keeper.read.remote())).toEqual(value);
    }
  });
});

describe("errors", () => {
  test("an error that this process cannot read fails its task all the same", async () => {
    const throws = remote(async () => {
      const { registerClass } = await import("mobula");
      const Money = Function("return class Money { constructor(n) { this.n = n; } }")();
      registerClass(Money, {
        encode: (money: { n: number }) => money.n,
        decode: (n: number) => ({ n }) as never,
      });
      const error = new Error("no money") as Error & { money?: unknown };
      error.money = new Money(5);
      throw error;
    });
    const failure = await get(throws.remote(), { timeoutMs: 10_000 }).catch((error: Error) => error);
    expect((failure as Error).message).toContain("no money");
    // Deciding on a retry reads it too.
    const retried = throws.options({ retryExceptions: [TypeError] });
    const second = await get(retried.remote(), { timeoutMs: 10_000 }).catch((error: Error) => error);
    expect((second as Error).message).toContain("no money");
  });
});

describe("a worker", () => {
  test("goes on after results and errors that cannot even be looked at", async () => {
    const strange = remote((how: string) => {
      const trap = { get: () => JSON.parse("{ trap"), enumerable: true };
      if (how === "then") return Object.defineProperty({}, "then", trap);
      throw Object.defineProperty(new Error("with a trap"), "field", trap);
    });
    for (const how of ["then", "throw", "then", "throw"]) {
      const failure = await get(strange.remote(how), { timeoutMs: 5_000 }).catch((error: Error) => error);
      expect(failure).toBeInstanceOf(TaskError);
    }
    expect(await get(later.remote(0, "well"))).toBe("well");
  });

  test("has the results of a task that are more than a message holds stored", async () => {
    const many = remote((count: number) => Array.from({ length: count }, () => "x".repeat(99_000)), {
      numReturns: 800,
    });
    const refs = many.remote(800) as unknown as ObjectRef<string>[];
    expect((await get(refs)).map((text) => text.length)).toEqual(new Array(800).fill(99_000));
    for (const ref of refs) ref.release();
  });
});

describe("arguments", () => {
  test("many small results as arguments are more than a message holds", async () => {
    const chunk = remote((n: number) => String(n % 10).repeat(99_000));
    const total = remote((...chunks: string[]) => chunks.reduce((sum, each) => sum + each.length, 0));
    const refs = Array.from({ length: 750 }, (_, n) => chunk.remote(n));
    expect(await get(total.remote(...refs), { timeoutMs: 15_000 })).toBe(750 * 99_000);
    for (const ref of refs) ref.release();
  });
});

describe("a pipeline", () => {
  test("what comes to stand behind a task that takes unusually long runs elsewhere", async () => {
    const mostlyShort = remote(async (ms: number) => {
      if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
      return ms;
    });
    for (let i = 0; i < 100; i++) await get(mostlyShort.remote(0)); // Measured as short, on one worker.
    const slow = mostlyShort.remote(1_500);
    await new Promise((resolve) => setImmediate(resolve)); // It has left.
    const behind = Array.from({ length: 8 }, () => mostlyShort.remote(0));
    await get(behind);
    expect((await wait([slow], { timeoutMs: 0 }))[0]).toEqual([]);
    await get(slow);
  });
});

describe("waiting", () => {
  test("no time limit is a limit of Infinity", async () => {
    expect(await get(later.remote(50, 1), { timeoutMs: Infinity })).toBe(1);
    expect(await get(later.remote(50, 1), { timeoutMs: 2 ** 31 })).toBe(1);
  });

  test("a get whose signal was aborted before leaves no rejection behind", async () => {
    const big = remote(() => new Uint8Array(1 << 20));
    const ref = big.remote();
    await wait([ref], { fetchLocal: false });
    const failure = await get(ref, { signal: AbortSignal.abort(new Error("enough")) }).catch((e: Error) => e);
    expect((failure as Error).message).toBe("enough");
    await get(later.remote(20, 1)); // An unhandled rejection would fail this test.
  });

  test("polling a borrowed ref without waiting sees it become ready", async () => {
    const polls = remote(async (refs: ObjectRef<unknown>[]) => {
      const { wait } = await import("mobula");
      for (let poll = 1; poll <= 200; poll++) {
        const [ready] = await wait(refs, { timeoutMs: 0 });
        if (ready.length === 1) return poll;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      return 0;
    });
    for (const value of [1, new Uint8Array(200_000)]) {
      const ref = later.remote(30, value);
      expect(await get(polls.remote([ref]))).toBeGreaterThan(0);
    }
  });

  test("get says after how long it gave up, and how much was missing", async () => {
    const refs = [later.remote(0, 1), later.remote(5_000, 2)];
    await get(refs[0]!);
    const error = await get(refs, { timeoutMs: 50, signal: new AbortController().signal }).catch((e) => e);
    expect(error).toBeInstanceOf(GetTimeoutError);
    expect(error.message).toContain("1 of 2");
  });
});

describe("counts", () => {
  test("nothing is under way after calls whose argument failed", async () => {
    const Quiet = remote(
      class Quiet {
        add(a: number, b: number) {
          return a + b;
        }
      },
    );
    const quiet = Quiet.remote();
    const failing = remote(async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      throw new Error("no argument");
    });
    const plus = remote((a: number, b: number) => a + b);
    const bad = failing.remote() as unknown as ObjectRef<number>;
    const refs = [quiet.add.remote(bad, 1), quiet.add.remote(1, bad), plus.remote(bad, bad)];
    for (const ref of refs) await expect(get(ref)).rejects.toThrow("no argument");
    expect(await get(quiet.add.remote(1, 2))).toBe(3);
    expect(underWay("Quiet.add", "ACTOR_TASK")).toEqual([0, 0, 0]);
    expect(underWay("plus", "NORMAL_TASK")).toEqual([0, 0, 0]);
  });

  test("nothing is under way after calls of an actor that died", async () => {
    const Mortal = remote(
      class Mortal {
        die() {
          process.exit(1);
        }
        add(a: number) {
          return a;
        }
      },
      { maxTaskRetries: 1, maxRestarts: 1 },
    );
    const mortal = Mortal.remote();
    const slow = later.remote(300, 1) as ObjectRef<number>;
    const refs: ObjectRef<unknown>[] = [mortal.die.remote(), mortal.add.remote(1), mortal.add.remote(slow)];
    for (const ref of refs) await get(ref).catch(() => undefined);
    await get(slow);
    expect(underWay("Mortal.die", "ACTOR_TASK")).toEqual([0, 0, 0]);
    expect(underWay("Mortal.add", "ACTOR_TASK")).toEqual([0, 0, 0]);
  });
});

describe("bursts", () => {
  test("an actor takes more calls at once than fit into its connection's queue", async () => {
    const Sink = remote(
      class Sink {
        bytes = 0;
        take(chunk: string) {
          this.bytes += chunk.length;
          return this.bytes;
        }
      },
    );
    const sink = Sink.remote();
    const chunk = "x".repeat(90_000);
    const refs = Array.from({ length: 4_000 }, () => sink.take.remote(chunk));
    expect(await get(refs.at(-1)!)).toBe(4_000 * 90_000);
    for (const ref of refs) ref.release();
  }, 30_000);

  test("a shutdown with many tasks pending fails them all, soon", async () => {
    const noop = remote(() => null);
    const refs = Array.from({ length: 150_000 }, () => noop.remote());
    const last = get(refs.at(-1)!).then(() => "value", (error: Error) => error.message);
    await shutdown();
    expect(["value", "The driver was shut down"]).toContain(await last);
    await init({ numCpus: 2, dashboard: false, objectStoreBytes: 128 << 20 });
  }, 30_000);
});

describe("drivers", () => {
  test("the next one may begin while the last one ends", async () => {
    const ending = shutdown();
    await init({ numCpus: 2, dashboard: false });
    await ending;
    expect(isInitialized()).toBe(true);
    expect(await get(later.remote(0, 1))).toBe(1);
  });

  test("one that lost its agent leaves nothing when the next one begins", async () => {
    const { local } = currentDriver()!;
    const agent = local!.agents[0]!.process;
    const pending = get(later.remote(10_000, 1)).catch((error: Error) => error);
    agent.kill("SIGKILL");
    expect(await pending).toBeInstanceOf(MobulaError);
    await init({ numCpus: 2, dashboard: false });
    expect(await get(later.remote(0, 2))).toBe(2);
    expect(() => local!.head).toThrow("not running");
  });
});

describe("a worker's last words", () => {
  test("an answer that was sent counts, although its worker died right after it", async () => {
    // Without retries: a lost answer would be an error.
    const answerAndDie = remote((n: number) => {
      setImmediate(() => setImmediate(() => process.kill(process.pid, "SIGKILL")));
      return n;
    }, { maxRetries: 0 });
    for (let round = 0; round < 5; round++) {
      // A worker of its own each: the next task must not go to one that is about to die.
      const fresh = answerAndDie.options({ runtimeEnv: { env: { ROUND: String(round) } } });
      expect(await get(fresh.remote(round))).toBe(round);
    }
  });
});

describe("names", () => {
  test("a name for every task costs neither the worker's connection nor the history", async () => {
    const named = remote((n: number) => n + 1);
    const refs = Array.from({ length: 3_000 }, (_, n) => named.options({ name: `task ${n}` }).remote(n));
    expect((await get(refs)).at(-1)).toBe(3_000);
    expect(underWay("(other)", "NORMAL_TASK")).toEqual([0, 0, 0]);
    const { finished } = currentDriver()!.core.recorder.stats("(other)", "NORMAL_TASK");
    expect(finished).toBeGreaterThan(1_000);
  });
});

describe("a driver that attaches elsewhere", () => {
  test("may put and call before it is there", async () => {
    await shutdown();
    const local = await LocalCluster.start({ numCpus: 1, dashboard: false });
    try {
      const attaching = init({ address: local.address, token: local.token, dashboard: false });
      const big = put(new Uint8Array(300_000).fill(7));
      const length = remote((bytes: Uint8Array) => bytes.length);
      const ref = length.remote(new Uint8Array(200_000));
      await attaching;
      expect((await get(await big))[299_999]).toBe(7);
      expect(await get(ref)).toBe(200_000);
      expect(await get(length.remote(await big))).toBe(300_000);
    } finally {
      await shutdown();
      await local.stop();
    }
  });
});
