/** Actors against real processes: calls, order, handles, limits, failures and restarts. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  ActorDiedError,
  ActorError,
  type ActorHandle,
  ActorUnavailableError,
  get,
  type HandleOf,
  init,
  kill,
  type ObjectRef,
  PendingCallsLimitExceededError,
  ready,
  release,
  remote,
  shutdown,
  wait,
} from "mobula";
import { runtimeOfRun } from "../conformance/cases.ts";
import { Signal, Tally } from "../support/actors.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { endProcess, isAlive, rejection } from "../support/processes.ts";
import { waitFor } from "../support/wait_for.ts";

const leftovers = watchLeftovers();

beforeAll(async () => {
  await init({ numCpus: 4, numGpus: 2, dashboard: false, objectStoreBytes: 32 << 20, ...runtimeOfRun });
});
afterAll(async () => {
  await shutdown();
  await leftovers.check();
});

const Counter = remote(
  class Counter {
    count = 0;
    increment(): number {
      return ++this.count;
    }
    pid(): number {
      return process.pid;
    }
    crash(): number {
      process.exit(7);
    }
  },
);

describe("calls", () => {
  test("ACTOR-01 what is no method, no actor call or no constructor argument is refused at once", async () => {
    const counter = Counter.remote() as unknown as Record<string, { remote(): unknown } & (() => unknown)>;
    expect(() => counter.decrement!.remote()).toThrow(TypeError);
    expect(() => counter.increment!()).toThrow(TypeError);
    expect((counter as { then?: unknown }).then).toBeUndefined();
    expect(() => Counter.remote(...([() => 1] as unknown as []))).toThrow(/args\[0\]|new Counter/);
    expect(await get(counter.increment!.remote() as ObjectRef<number>)).toBe(1);
    release(counter as unknown as ActorHandle<unknown>);
  });

  test("ACTOR-04 five actors count their calls, each in submit order", async () => {
    const counters = Array.from({ length: 5 }, () => Counter.remote());
    const refs = counters.map(() => [] as ObjectRef<number>[]);
    for (let i = 0; i < 50; i++) counters.forEach((counter, n) => refs[n]!.push(counter.increment.remote()));
    const oneToFifty = Array.from({ length: 50 }, (_, i) => i + 1);
    for (const calls of refs) expect(await get(calls)).toEqual(oneToFifty);
    counters.forEach(release);
  });

  test("ACTOR-08 one call may have two refs", async () => {
    const Pair = remote(
      class Pair {
        both(): [number, string] {
          return [1, "two"];
        }
      },
    );
    const pair = Pair.remote();
    const [one, two] = pair.both.options({ numReturns: 2 }).remote();
    expect([await get(one), await get(two)]).toEqual([1, "two"]);
    expect(await get(pair.both.remote())).toEqual([1, "two"]);
    release(pair);
  });

  test("ACTOR-13 every submitter's calls stay in its order", async () => {
    const Log = remote(
      class Log {
        items: [number, number][] = [];
        append(who: number, n: number): void {
          this.items.push([who, n]);
        }
        read(): [number, number][] {
          return this.items;
        }
      },
    );
    const log = Log.remote();
    const append = remote(async (log: HandleOf<typeof Log>, who: number) => {
      const { get } = await import("mobula");
      const refs = [];
      for (let n = 0; n < 100; n++) refs.push(log.append.remote(who, n));
      await get(refs);
    });
    const tasks = [1, 2, 3, 4, 5].map((who) => append.remote(log, who));
    for (let n = 0; n < 100; n++) log.append.remote(0, n);
    await get(tasks);
    const items = await get(log.read.remote());
    const hundred = Array.from({ length: 100 }, (_, n) => n);
    for (let who = 0; who <= 5; who++) {
      expect(items.filter((item) => item[0] === who).map((item) => item[1])).toEqual(hundred);
    }
    release(log);
  });

  test("ACTOR-17 calls above maxPendingCalls are refused, and accepted once there is room", async () => {
    const gate = Signal.remote();
    const Blocked = remote(
      class Blocked {
        async hold(gate: HandleOf<typeof Signal>): Promise<number> {
          const { get } = await import("mobula");
          await get(gate.wait.remote());
          return 1;
        }
      },
      { maxPendingCalls: 10 },
    );
    const blocked = Blocked.remote();
    const refs = Array.from({ length: 10 }, () => blocked.hold.remote(gate));
    expect(() => blocked.hold.remote(gate)).toThrow(PendingCallsLimitExceededError);
    await get(gate.send.remote());
    expect(await get(refs)).toEqual(Array(10).fill(1));
    expect(await get(blocked.hold.remote(gate))).toBe(1);
    release(blocked);
    release(gate);
  });

  test("maxConcurrency lets calls meet; one at a time they never overlap", async () => {
    const Meeting = remote(
      class Meeting {
        inside = 0;
        most = 0;
        async enter(): Promise<number> {
          this.most = Math.max(this.most, ++this.inside);
          await new Promise((resolve) => setTimeout(resolve, 1));
          this.inside--;
          return this.most;
        }
      },
    );
    const alone = Meeting.remote();
    expect(Math.max(...await get(Array.from({ length: 10 }, () => alone.enter.remote())))).toBe(1);
    const together = Meeting.options({ maxConcurrency: 3 }).remote();
    expect(Math.max(...await get(Array.from({ length: 10 }, () => together.enter.remote())))).toBe(3);
    release(alone);
    release(together);
  });

  test("a value or its ref may be an argument, of the constructor and of calls", async () => {
    const Sum = remote(
      class Sum {
        total: number;
        constructor(start: number, values: number[]) {
          this.total = values.reduce((a, b) => a + b, start);
        }
        add(x: number): number {
          return this.total += x;
        }
      },
    );
    const seven = remote(() => 7);
    const many = remote(() => Array.from({ length: 50_000 }, () => 1));
    const sum = Sum.remote(seven.remote(), many.remote());
    expect(await get(sum.add.remote(seven.remote()))).toBe(50_014);
    release(sum);
  });
});

describe("handles", () => {
  test("ACTOR-05 submitted calls finish although the handle is gone, then the process ends", async () => {
    const counter = Counter.remote();
    const pid = counter.pid.remote();
    const last = counter.increment.remote();
    release(counter);
    expect(() => counter.increment.remote()).toThrow(/released/);
    expect(await get(last)).toBe(1);
    const process = await get(pid);
    await waitFor("the actor's process ends", () => !isAlive(process));
  });

  test("ACTOR-07 a task that holds the handle keeps the actor alive", async () => {
    const gate = Signal.remote();
    const counter = Counter.remote();
    const pid = await get(counter.pid.remote());
    const useLater = remote(async (counter: HandleOf<typeof Counter>, gate: HandleOf<typeof Signal>) => {
      const { get, release } = await import("mobula");
      await get(gate.wait.remote());
      const count = await get(counter.increment.remote());
      release(counter);
      return count;
    });
    const result = useLater.remote(counter, gate);
    release(counter);
    await waitFor("the task holds the handle", async () => await get(gate.waiters.remote()) === 1);
    expect(isAlive(pid)).toBe(true);
    await get(gate.send.remote());
    expect(await get(result)).toBe(1);
    await waitFor("the actor's process ends", () => !isAlive(pid));
    release(gate);
  });

  test("a handle that an actor keeps keeps the other alive, and goes with it", async () => {
    const Keeper = remote(
      class Keeper {
        counter: HandleOf<typeof Counter> | null = null;
        keep(counter: HandleOf<typeof Counter>): void {
          this.counter = counter;
        }
        async use(): Promise<number> {
          const { get } = await import("mobula");
          return await get(this.counter!.increment.remote());
        }
      },
    );
    const keeper = Keeper.remote();
    const counter = Counter.remote();
    const pid = await get(counter.pid.remote());
    await get(keeper.keep.remote(counter));
    release(counter);
    expect(await get(keeper.use.remote())).toBe(1);
    expect(isAlive(pid)).toBe(true);
    await kill(keeper);
    await waitFor("the kept actor ends", () => !isAlive(pid));
  });

  test("a handle that comes back counts beside the first one, and letting it go ends nothing", async () => {
    const echo = remote((counter: HandleOf<typeof Counter>) => [counter]);
    const counter = Counter.remote();
    const result = echo.remote(counter);
    const [again] = await get(result);
    expect(await get(again!.increment.remote())).toBe(1);
    result.release();
    release(again!);
    // A later call of another actor has seen all that was counted before.
    await ready(Counter.remote());
    expect(await get(counter.increment.remote())).toBe(2);
    release(counter);
  });

  test("ACTOR-23 kill and ready take handles only", async () => {
    // deno-lint-ignore no-explicit-any -- wrong on purpose
    const wrong = "not a handle" as any;
    expect((await rejection(kill(wrong))).constructor).toBe(TypeError);
    expect((await rejection(ready(wrong))).constructor).toBe(TypeError);
    // deno-lint-ignore no-explicit-any -- wrong on purpose
    expect((await rejection(kill(Counter.remote(), { noRestart: 1 as any }))).message).toContain("noRestart");
  });
});

describe("resources", () => {
  test("ACTOR-19 an actor's own resources stay held while it blocks, those of a task do not", async () => {
    const gpuTask = remote(() => "ran", { numCpus: 0, numGpus: 1 });
    const Caller = remote(
      class Caller {
        async call(task: typeof gpuTask): Promise<string> {
          const { get } = await import("mobula");
          return await get(task.remote());
        }
      },
    );
    const free = Caller.remote();
    const all = Caller.options({ numGpus: 2 }).remote();
    await ready(all);
    const stuck = all.call.remote(gpuTask);
    const alsoStuck = free.call.remote(gpuTask);
    expect((await wait([stuck, alsoStuck], { timeoutMs: 300 }))[0]).toEqual([]);
    await kill(all);
    expect(await get(alsoStuck)).toBe("ran");
    expect(await rejection(get(stuck))).toBeInstanceOf(ActorDiedError);
    release(free);
  });

  test("ACTOR-22 AFT-11 a further actor waits until the first is gone, killed actors give all back", async () => {
    const Gpu = remote(
      class Gpu {
        async gpus(): Promise<number[]> {
          const { runtimeContext } = await import("mobula");
          return runtimeContext().gpuIds;
        }
      },
      { numGpus: 1 },
    );
    const [first, second, third] = [Gpu.remote(), Gpu.remote(), Gpu.remote()];
    const [a, b] = await get([first.gpus.remote(), second.gpus.remote()]);
    expect([...a, ...b].sort()).toEqual([0, 1]);
    const waiting = third.gpus.remote();
    expect((await wait([waiting], { timeoutMs: 200 }))[0]).toEqual([]);
    release(first);
    expect(await get(waiting)).toEqual(a);
    // Killed at once, perhaps before it was placed at all.
    await kill(second);
    for (let round = 0; round < 5; round++) await kill(Gpu.remote());
    const last = Gpu.remote();
    expect(await get(last.gpus.remote())).toEqual(b);
    await Promise.all([kill(last), kill(third)]);
  });
});

describe("failures", () => {
  class BadStart extends Error {
    readonly limit: number;
    constructor(message: string, limit: number) {
      super(message);
      this.name = "BadStart";
      this.limit = limit;
    }
  }

  test("ACTOR-11 a constructor's error reaches every call; the constructor is not run again", async () => {
    const counts = mkdtempSync(join(tmpdir(), "runs-"));
    const Broken = remote(
      class Broken {
        constructor(counts: string) {
          process.getBuiltinModule("node:fs").writeFileSync(`${counts}/${Date.now()}-${process.pid}`, "");
          class BadStart extends Error {
            limit = 3;
          }
          throw new BadStart("no licence");
        }
        work(): number {
          return 1;
        }
      },
      { maxRestarts: 3 },
    );
    const broken = Broken.remote(counts);
    const error = await rejection<ActorDiedError>(get(broken.work.remote()));
    expect(error).toBeInstanceOf(ActorDiedError);
    expect(error).toBeInstanceOf(BadStart);
    expect(error.message).toContain("no licence");
    expect(error.actorInitFailed).toBe(true);
    expect(error.actorId).toMatch(/^a-/);
    expect((error.cause as BadStart).limit).toBe(3);
    expect(await rejection(ready(broken))).toBeInstanceOf(ActorDiedError);
    expect(await rejection(get(broken.work.remote()))).toBeInstanceOf(ActorDiedError);
    expect(readdirSync(counts)).toHaveLength(1);
    rmSync(counts, { recursive: true });
  });

  test("an exception in a method leaves the actor as it is", async () => {
    const Strict = remote(
      class Strict {
        calls = 0;
        check(n: number): number {
          this.calls++;
          if (n < 0) throw new RangeError(`${n} is too small`);
          return this.calls;
        }
      },
    );
    const strict = Strict.remote();
    const error = await rejection(get(strict.check.remote(-1)));
    expect(error).toBeInstanceOf(RangeError);
    expect(error.message).toContain("-1 is too small");
    expect(await get(strict.check.remote(1))).toBe(2);
    release(strict);
  });

  test("AFT-01 without retries: a prefix in order, errors, a fresh start, and death", async () => {
    const Fragile = remote(
      class Fragile {
        count = 0;
        step(crashAt: number): number {
          if (++this.count === crashAt) process.exit(7);
          return this.count;
        }
      },
      { maxRestarts: 1 },
    );
    const fragile = Fragile.remote();
    const calls = Array.from({ length: 200 }, () => fragile.step.remote(100));
    const outcomes = await Promise.all(
      calls.map((call) => get(call).then((n) => n, (error: Error) => error)),
    );
    // Replies leave in batches: those of the crash's batch are lost with it.
    const failedAt = outcomes.findIndex((outcome) => typeof outcome !== "number");
    expect(failedAt).toBeLessThan(100);
    expect(outcomes.slice(0, failedAt)).toEqual(Array.from({ length: failedAt }, (_, i) => i + 1));
    const failed = outcomes.filter((outcome) => typeof outcome !== "number");
    for (const error of failed) expect(error).toBeInstanceOf(ActorUnavailableError);
    const after = outcomes.slice(failedAt + failed.length);
    expect(after).toEqual(after.map((_, i) => i + 1));
    const next = after.length + 1;
    expect(await get(fragile.step.remote(0))).toBe(next);
    const last = await rejection<ActorDiedError>(get(fragile.step.remote(next + 1)));
    expect(last).toBeInstanceOf(ActorDiedError);
    expect(last.message).toContain("7");
    expect(await rejection(get(fragile.step.remote(0)))).toBeInstanceOf(ActorDiedError);
  });

  test("AFT-02 with retries: all calls succeed in order over a kill -9, until restarts run out", async () => {
    const gate = Signal.remote();
    const Echo = remote(
      class Echo {
        async echo(n: number, gate: HandleOf<typeof Signal>): Promise<number> {
          const { get } = await import("mobula");
          if (n === 50) await get(gate.wait.remote());
          return n;
        }
        pid(): number {
          return process.pid;
        }
      },
      { maxRestarts: 1, maxTaskRetries: -1 },
    );
    const echo = Echo.remote();
    const pid = await get(echo.pid.remote());
    const calls = Array.from({ length: 100 }, (_, n) => echo.echo.remote(n, gate));
    await waitFor("call 50 runs", async () => await get(gate.waiters.remote()) === 1);
    await endProcess(pid);
    await get(gate.send.remote());
    expect(await get(calls)).toEqual(Array.from({ length: 100 }, (_, n) => n));
    const second = await get(echo.pid.remote());
    expect(second).not.toBe(pid);
    await endProcess(second);
    expect(await rejection(get(echo.pid.remote()))).toBeInstanceOf(ActorDiedError);
    release(gate);
  });

  test("AFT-07 exceptions and crashes share one budget of retries", async () => {
    const tally = Tally.remote();
    const Mixed = remote(
      class Mixed {
        async run(tally: HandleOf<typeof Tally>): Promise<void> {
          const { get } = await import("mobula");
          if (await get(tally.add.remote()) === 2) process.exit(1);
          throw new RangeError("mine");
        }
      },
      { maxRestarts: 1, maxTaskRetries: 2, methods: { run: { retryExceptions: true } } },
    );
    const mixed = Mixed.remote();
    expect(await rejection(get(mixed.run.remote(tally)))).toBeInstanceOf(RangeError);
    expect(await get(tally.read.remote())).toBe(3);
    release(mixed);
    release(tally);
  });

  test("AFT-08 restarts run out before retries do", async () => {
    const tally = Tally.remote();
    const Mixed = remote(
      class Mixed {
        async run(tally: HandleOf<typeof Tally>): Promise<void> {
          const { get } = await import("mobula");
          if (await get(tally.add.remote()) > 1) process.exit(1);
          throw new RangeError("mine");
        }
      },
      { maxRestarts: 1, maxTaskRetries: 4, methods: { run: { retryExceptions: true } } },
    );
    const mixed = Mixed.remote();
    expect(await rejection(get(mixed.run.remote(tally)))).toBeInstanceOf(ActorError);
    expect(await get(tally.read.remote())).toBe(3);
    release(tally);
  });

  test("AFT-10 each way to die has its own reason", async () => {
    const killed = Counter.remote();
    const killedId = (await rejectionAfter(killed, () => kill(killed))).actorId;
    expect(killedId).toMatch(/^a-/);
    expect((await rejection(get(killed.increment.remote()))).message).toContain("killed by kill()");

    const crashed = Counter.remote();
    const pid = await get(crashed.pid.remote());
    const crash = await rejectionAfter(crashed, () => endProcess(pid));
    expect(crash.message).toContain("SIGKILL");
    expect(crash.actorId).toMatch(/^a-/);

    const Parent = remote(
      class Parent {
        child: HandleOf<typeof Counter>;
        constructor(Child: typeof Counter) {
          this.child = Child.remote();
        }
        handle(): HandleOf<typeof Counter> {
          return this.child;
        }
      },
    );
    const parent = Parent.remote(Counter);
    const child = await get(parent.handle.remote());
    expect(await get(child.increment.remote())).toBe(1);
    const childPid = await get(child.pid.remote());
    const orphan = await rejectionAfter(child, async () => {
      await kill(parent);
      await waitFor("the child ends with its owner", () => !isAlive(childPid));
    });
    expect(orphan.message).toContain("owner");
  });

  test("AFT-13 kill with restart: the constructor and the running method run again", async () => {
    const gate = Signal.remote();
    const tally = Tally.remote();
    const Named = remote(
      class Named {
        constructor(tally: HandleOf<typeof Tally>) {
          tally.add.remote("init");
        }
        async run(tally: HandleOf<typeof Tally>, gate: HandleOf<typeof Signal>): Promise<string> {
          const { get } = await import("mobula");
          await get(tally.add.remote("run"));
          await get(gate.wait.remote());
          return "done";
        }
      },
      { maxRestarts: -1, maxTaskRetries: -1, name: "aft-13" },
    );
    const Caller = remote(
      class Caller {
        async call(tally: HandleOf<typeof Tally>, gate: HandleOf<typeof Signal>): Promise<string> {
          const { get, getActor } = await import("mobula");
          const named = await getActor<{ run(...args: unknown[]): Promise<string> }>("aft-13");
          return await get(named.run.remote(tally, gate));
        }
      },
    );
    const named = Named.remote(tally);
    const caller = Caller.remote();
    const result = caller.call.remote(tally, gate);
    await waitFor("the method runs", async () => await get(gate.waiters.remote()) === 1);
    await kill(named, { noRestart: false });
    await waitFor("it runs again", async () => await get(tally.read.remote()) === 4);
    await get(gate.send.remote());
    expect(await get(result)).toBe("done");
    expect(await get(tally.take.remote())).toEqual(["init", "run", "init", "run"]);
    await kill(named);
    release(caller);
  });

  /** The error of a call after something has ended the actor. */
  async function rejectionAfter(
    handle: HandleOf<typeof Counter>,
    end: () => Promise<unknown>,
  ): Promise<ActorDiedError> {
    await ready(handle);
    await end();
    return await rejection<ActorDiedError>(get(handle.increment.remote()));
  }
});
