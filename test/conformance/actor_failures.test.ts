/** Ends of actors against real processes: exitActor(), the shutdown hook, restarts, deaths of owners and nodes. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  ActorDiedError,
  ActorError,
  exitActor,
  get,
  getState,
  type HandleOf,
  kill,
  listActors,
  type ObjectRef,
  onShutdown,
  ready,
  release,
  remote,
  runtimeContext,
  shutdown,
  wait,
} from "mobula";
import { Signal, type SignalHandle, Tally, type TallyHandle } from "../support/actors.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { endProcess, isAlive, rejection } from "../support/processes.ts";
import { waitFor } from "../support/wait_for.ts";
import { addNode, firstNodeId, startCases } from "./cases.ts";

const leftovers = watchLeftovers();
/** Where actors leave marks when they end. */
const marks = mkdtempSync(join(tmpdir(), "marks-"));

beforeAll(async () => {
  process.env["MOBULA_SHUTDOWN_GRACE_MS"] = "1000";
  await startCases({ numCpus: 4 });
  delete process.env["MOBULA_SHUTDOWN_GRACE_MS"];
});
afterAll(async () => {
  await shutdown();
  rmSync(marks, { recursive: true });
  await leftovers.check();
});

/** Counts its calls, tells where it is, and stands at a gate. */
const Counter = remote(
  class Counter {
    count = 0;
    pid(): number {
      return process.pid;
    }
    increment(): number {
      return ++this.count;
    }
    async gated(gate: SignalHandle, tally: TallyHandle): Promise<{ count: number; attempt: number }> {
      const count = ++this.count;
      await get(tally.add.remote());
      await get(gate.wait.remote());
      return { count, attempt: runtimeContext().attempt };
    }
    async echo(n: number, gate: SignalHandle): Promise<number> {
      if (n === 50) await get(gate.wait.remote());
      return n;
    }
  },
  { numCpus: 0 },
);

/** Ready when the gate opens. */
const behindGate = remote(async (gate: SignalHandle): Promise<number> => {
  await get(gate.wait.remote());
  return 1;
}, { numCpus: 0 });

/** The lines of a mark, once it is there. */
async function marksOf(name: string): Promise<string[]> {
  const path = join(marks, name);
  await waitFor(`the mark ${name}`, () => existsSync(path));
  return readFileSync(path, "utf8").trim().split("\n");
}

async function rowOf(pid: number): Promise<Record<string, unknown> | undefined> {
  return (await listActors({ filters: [`pid=${pid}`] }))[0];
}

/** An actor that ends itself in every way, and writes down its end. */
const Leaver = remote(
  class Leaver {
    mark: string;
    constructor(mark: string) {
      this.mark = mark;
      process.on("exit", () => this.write("process exit"));
    }
    write(line: string): void {
      process.getBuiltinModule("node:fs").appendFileSync(this.mark, line + "\n");
    }
    pid(): number {
      return process.pid;
    }
    leave(): void {
      exitActor();
      this.write("behind exitActor");
    }
    async leaveLater(): Promise<void> {
      await new Promise((resolve) => setTimeout(resolve, 1));
      process.getBuiltinModule("node:fs").writeFileSync(`${this.mark}.leaving`, "");
      exitActor();
      this.write("behind exitActor");
    }
    leaveAndCatch(): string {
      try {
        exitActor();
      } catch {
        return "caught";
      }
    }
    async hold(gate: HandleOf<typeof Signal>): Promise<string> {
      await get(gate.wait.remote());
      return "held".repeat(5_000);
    }
    [onShutdown](): void {
      this.write("hook");
    }
  },
  { maxRestarts: 3, maxTaskRetries: 3 },
);

describe("exitActor()", () => {
  test("AFT-19 outside of an actor it is a TypeError", async () => {
    expect(() => exitActor()).toThrow(TypeError);
    const task = remote(() => exitActor());
    const error = await rejection(get(task.remote()));
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toContain("inside an actor");
  });

  for (const method of ["leave", "leaveLater", "leaveAndCatch"] as const) {
    test(`AFT-20 AFT-26 ${method}: nothing behind it runs, hooks run, callers hear why, no restart`, async () => {
      const mark = join(marks, method);
      const leaver = Leaver.remote(mark);
      const pid = await get(leaver.pid.remote());
      const last = leaver[method].remote();
      const behind = leaver.pid.remote();
      for (const call of [last, behind]) {
        const error = await rejection<ActorDiedError>(get<unknown>(call));
        expect(error).toBeInstanceOf(ActorDiedError);
        expect(error.message).toContain("exitActor()");
        expect(error.actorInitFailed).toBe(false);
      }
      await waitFor("its process ends", () => !isAlive(pid));
      expect(await marksOf(method)).toEqual(["hook", "process exit"]);
      expect(await rejection(get(leaver.pid.remote()))).toBeInstanceOf(ActorDiedError);
      expect(await rowOf(pid)).toMatchObject({ state: "DEAD", deathCause: "EXITED", numRestarts: 0 });
    });
  }

  test("in the constructor it is a creation that failed", async () => {
    const Never = remote(
      class Never {
        constructor() {
          exitActor();
        }
      },
    );
    const error = await rejection<ActorDiedError>(ready(Never.remote()));
    expect(error.actorInitFailed).toBe(true);
    expect(error.message).toContain("exitActor()");
  });

  test("AFT-22 calls that run end first and are answered, however large what they give is", async () => {
    const gate = Signal.remote();
    const leaver = Leaver.options({ maxConcurrency: 4 }).remote(join(marks, "drained"));
    const pid = await get(leaver.pid.remote());
    const held = [leaver.hold.remote(gate), leaver.hold.remote(gate)];
    await waitFor("both run", async () => await get(gate.waiters.remote()) === 2);
    const last = leaver.leaveLater.remote();
    await marksOf("drained.leaving");
    const late = leaver.pid.remote();
    expect((await wait([late, last, ...held], { timeoutMs: 300 }))[0]).toEqual([]);
    expect(isAlive(pid)).toBe(true);
    await get(gate.send.remote());
    expect(await get(held)).toEqual(Array(2).fill("held".repeat(5_000)));
    expect(await rejection(get(last))).toBeInstanceOf(ActorDiedError);
    expect(await rejection(get(late))).toBeInstanceOf(ActorDiedError);
    await waitFor("its process ends", () => !isAlive(pid));
    await waitFor("it is dead", async () => (await rowOf(pid))?.["state"] === "DEAD");
    release(gate);
  });
});

describe("the shutdown hook", () => {
  const Hooked = remote(
    class Hooked {
      mark: string;
      how: "work" | "throw" | "hang" | "block";
      constructor(mark: string, how: "work" | "throw" | "hang" | "block") {
        this.mark = mark;
        this.how = how;
        process.on("exit", () => this.write("process exit"));
      }
      write(line: string): void {
        process.getBuiltinModule("node:fs").appendFileSync(this.mark, line + "\n");
      }
      pid(): number {
        return process.pid;
      }
      async [onShutdown](): Promise<void> {
        this.write("hook");
        if (this.how === "throw") throw new Error("the hook's own trouble");
        if (this.how === "hang") await new Promise((resolve) => setTimeout(resolve, 60_000));
        if (this.how === "block") {
          const startMs = performance.now();
          while (performance.now() - startMs < 60_000);
        }
        await new Promise((resolve) => setTimeout(resolve, 5));
        this.write("hook's end");
      }
    },
    { maxRestarts: 1 },
  );

  test("AFT-23 it runs once when the last handle goes, before the process's own", async () => {
    const hooked = Hooked.remote(join(marks, "scope"), "work");
    const pid = await get(hooked.pid.remote());
    release(hooked);
    await waitFor("its process ends", () => !isAlive(pid));
    expect(await marksOf("scope")).toEqual(["hook", "hook's end", "process exit"]);
    const row = await waitFor("its row", async () => (await rowOf(pid))?.["state"] === "DEAD" && rowOf(pid));
    expect(row).toMatchObject({ deathCause: "OUT_OF_SCOPE", numRestarts: 0 });
  });

  test("AFT-23 what it throws is swallowed", async () => {
    const hooked = Hooked.remote(join(marks, "thrown"), "throw");
    const pid = await get(hooked.pid.remote());
    release(hooked);
    await waitFor("its process ends", () => !isAlive(pid));
    expect(await marksOf("thrown")).toEqual(["hook", "process exit"]);
    await waitFor("it is dead", async () => (await rowOf(pid))?.["deathCause"] === "OUT_OF_SCOPE");
  });

  for (const how of ["hang", "block"] as const) {
    test(`AFT-25 one that does not end (${how}) is ended by force after the grace period`, async () => {
      const hooked = Hooked.remote(join(marks, how), how);
      const pid = await get(hooked.pid.remote());
      const startMs = performance.now();
      release(hooked);
      expect(await marksOf(how)).toEqual(["hook"]);
      await waitFor("its process ends", () => !isAlive(pid));
      expect(performance.now() - startMs).toBeGreaterThan(900);
      expect(await marksOf(how)).toEqual(["hook"]);
      await waitFor("it is dead", async () => (await rowOf(pid))?.["deathCause"] === "OUT_OF_SCOPE");
    });
  }

  test("kill does not run it", async () => {
    const mark = join(marks, "killed");
    const hooked = Hooked.remote(mark, "work");
    const pid = await get(hooked.pid.remote());
    await kill(hooked);
    await waitFor("its process ends", () => !isAlive(pid));
    expect(existsSync(mark)).toBe(false);
  });

  test("it may still call and get", async () => {
    const tally = Tally.remote();
    const Caller = remote(
      class Caller {
        tally: HandleOf<typeof Tally>;
        constructor(tally: HandleOf<typeof Tally>) {
          this.tally = tally;
        }
        async [onShutdown](): Promise<void> {
          await get(this.tally.add.remote("farewell"));
        }
      },
    );
    const caller = Caller.remote(tally);
    await ready(caller);
    release(caller);
    await waitFor("it has called", async () => await get(tally.read.remote()) === 1);
    expect(await get(tally.take.remote())).toEqual(["farewell"]);
    release(tally);
  });
});

describe("retries of calls", () => {
  test("AFT-04 a call whose actor was killed runs again on a fresh instance, by one retry", async () => {
    using gate = Signal.remote();
    using tally = Tally.remote();
    using counter = Counter.options({ maxRestarts: 1, maxTaskRetries: -1 }).remote();
    const pid = await get(counter.pid.remote());
    expect(await get([counter.increment.remote(), counter.increment.remote()])).toEqual([1, 2]);
    const call = counter.gated.remote(gate, tally);
    await waitFor("it stands", async () => await get(gate.waiters.remote()) === 1);
    await endProcess(pid);
    await waitFor("it runs again", async () => await get(tally.read.remote()) === 2);
    await get(gate.send.remote());
    expect(await get(call)).toEqual({ count: 1, attempt: 1 });
    expect(await get(tally.read.remote())).toBe(2);
  });

  test("AFT-05 calls that were completed are not repeated when those around them are", async () => {
    using gate = Signal.remote();
    using tally = Tally.remote();
    const Steps = remote(
      class Steps {
        shallDie = false;
        async step(n: number, gate: SignalHandle, tally: TallyHandle): Promise<string> {
          await get(tally.add.remote(n));
          if (n === 1) await get(gate.wait.remote());
          if (n === 2) this.shallDie = true;
          if (n === 3 && this.shallDie) process.exit(1);
          return `step ${n}`;
        }
      },
      { maxRestarts: -1, maxTaskRetries: -1, maxConcurrency: 10, numCpus: 0 },
    );
    using steps = Steps.remote();
    expect(await get(steps.step.remote(0, gate, tally))).toBe("step 0");
    const one = steps.step.remote(1, gate, tally);
    await waitFor("step 1 stands", async () => await get(gate.waiters.remote()) === 1);
    expect(await get(steps.step.remote(2, gate, tally))).toBe("step 2");
    // It could never end if step 2 were repeated before it.
    const three = steps.step.remote(3, gate, tally);
    expect(await get(three)).toBe("step 3");
    await get(gate.send.remote());
    expect(await get(one)).toBe("step 1");
    const runs = await get(tally.take.remote()) as number[];
    const timesOf = (step: number) => runs.filter((n) => n === step).length;
    expect([0, 1, 2, 3].map(timesOf)).toEqual([1, 2, 1, 2]);
  });

  test("AFT-14 a detached actor moves with its node's death, and all its calls come in order", async () => {
    using gate = Signal.options({ schedulingStrategy: { nodeId: firstNodeId() } }).remote();
    const first = await addNode({ numCpus: 1, resources: { spot: 1 } });
    const counter = Counter.options({
      name: "aft-14",
      lifetime: "detached",
      maxRestarts: 1,
      maxTaskRetries: -1,
      resources: { spot: 1 },
    }).remote();
    const pid = await get(counter.pid.remote());
    const calls = Array.from({ length: 100 }, (_, n) => counter.echo.remote(n, gate));
    await waitFor("call 50 stands", async () => await get(gate.waiters.remote()) === 1);
    await first.kill();
    await waitFor("its process is gone", () => !isAlive(pid));
    const second = await addNode({ numCpus: 1, resources: { spot: 1 } });
    await get(gate.send.remote());
    expect(await get(calls)).toEqual(Array.from({ length: 100 }, (_, n) => n));
    expect(await get(counter.pid.remote())).not.toBe(pid);
    await kill(counter);
    await second.kill();
  }, 30_000);

  test("a generator's items are not given twice when its actor is restarted on the way", async () => {
    using gate = Signal.remote();
    using tally = Tally.remote();
    const Source = remote(
      class Source {
        async *items(gate: SignalHandle, tally: TallyHandle): AsyncGenerator<number> {
          for (let n = 0; n < 6; n++) {
            if (n === 3) {
              await get(tally.add.remote(process.pid));
              await get(gate.wait.remote());
            }
            yield n;
          }
        }
      },
      { maxRestarts: 1, maxTaskRetries: 1, numCpus: 0 },
    );
    using source = Source.remote();
    const seen: number[] = [];
    for await (const item of source.items.remote(gate, tally).values()) {
      seen.push(item);
      if (seen.length !== 3) continue;
      const [pid] = await waitFor("it stands", async () => {
        const pids = await get(tally.take.remote()) as number[];
        return pids.length === 1 && pids;
      });
      await endProcess(pid!);
      await get(gate.send.remote());
    }
    expect(seen).toEqual([0, 1, 2, 3, 4, 5]);
    expect(await get(tally.read.remote())).toBe(1);
  });
});

describe("deaths of others", () => {
  test("AFT-16 a parent that is restarted makes its child anew; the former child ends with it", async () => {
    const Parent = remote(
      class Parent {
        child: HandleOf<typeof Counter>;
        constructor(Child: typeof Counter) {
          this.child = Child.remote();
        }
        async pids(): Promise<[number, number, number]> {
          const [pid, count] = await get([this.child.pid.remote(), this.child.increment.remote()]);
          return [process.pid, pid, count];
        }
      },
      { maxRestarts: 1, maxTaskRetries: 1, numCpus: 0 },
    );
    using parent = Parent.remote(Counter);
    const [pid, childPid] = await get(parent.pids.remote());
    expect((await get(parent.pids.remote()))[2]).toBe(2);
    await endProcess(pid);
    const [secondPid, secondChild, count] = await get(parent.pids.remote());
    expect(secondPid).not.toBe(pid);
    expect(secondChild).not.toBe(childPid);
    expect(count).toBe(1);
    await waitFor("the first child ends", () => !isAlive(childPid));
  });

  test("AFT-17 an owner that dies before a constructor's argument is ready takes the actor along", async () => {
    using gate = Signal.remote();
    const Late = remote(
      class Late {
        value: number;
        constructor(value: number) {
          this.value = value;
        }
        read(): number {
          return this.value;
        }
      },
      { numCpus: 0 },
    );
    const Owner = remote(
      class Owner {
        late: HandleOf<typeof Late> | null = null;
        make(Class: typeof Late, task: typeof behindGate, gate: SignalHandle): HandleOf<typeof Late> {
          return this.late = Class.remote(task.remote(gate));
        }
        pid(): number {
          return process.pid;
        }
      },
      { numCpus: 0 },
    );
    const owner = Owner.remote();
    const late = await get(owner.make.remote(Late, behindGate, gate));
    const before = late.read.remote();
    await waitFor("its argument is waited for", async () => await get(gate.waiters.remote()) === 1);
    await endProcess(await get(owner.pid.remote()));
    for (const call of [before, late.read.remote()]) {
      const error = await rejection<ActorDiedError>(get(call));
      expect(error).toBeInstanceOf(ActorDiedError);
      expect(error.message).toContain("owner");
    }
    release(late);
    release(owner);
  });

  test("AFT-28 an actor whose last handle went ends after the task that uses it, and is not restarted", async () => {
    using gate = Signal.remote();
    const { nodeId, kill: endNode } = await addNode({ numCpus: 1, resources: { single: 1 } });
    const Single = Counter.options({ resources: { single: 1 }, maxRestarts: 3 });
    const use = remote(async (counter: HandleOf<typeof Counter>, gate: SignalHandle): Promise<number> => {
      await get(gate.wait.remote());
      const count = await get(counter.increment.remote());
      release(counter);
      return count;
    }, { numCpus: 0 });
    const first = Single.remote();
    const pid = await get(first.pid.remote());
    const used = use.remote(first, gate);
    await waitFor("the task stands", async () => await get(gate.waiters.remote()) === 1);
    release(first);
    const second = Single.remote();
    const waiting = second.pid.remote();
    expect((await wait([waiting], { timeoutMs: 300 }))[0]).toEqual([]);
    expect(isAlive(pid)).toBe(true);
    await get(gate.send.remote());
    expect(await get(used)).toBe(1);
    expect(await get(waiting)).not.toBe(pid);
    const row = await waitFor("its row", async () => {
      const row = await rowOf(pid);
      return row?.["state"] === "DEAD" && row;
    });
    expect(row).toMatchObject({ deathCause: "OUT_OF_SCOPE", numRestarts: 0 });
    expect((await rowOf(await get(second.pid.remote())))?.["nodeId"]).toBe(nodeId);
    release(second);
    await endNode();
  });

  test(
    "NODE-08 calls to an actor of a node that dies fail with ActorError, before it is known and after",
    async () => {
      using gate = Signal.options({ schedulingStrategy: { nodeId: firstNodeId() } }).remote();
      using tally = Tally.options({ schedulingStrategy: { nodeId: firstNodeId() } }).remote();
      const node = await addNode({ numCpus: 1, resources: { doomed: 1 } });
      using counter = Counter.options({ resources: { doomed: 1 } }).remote();
      await ready(counter);
      const running = counter.gated.remote(gate, tally);
      await waitFor("it runs", async () => await get(gate.waiters.remote()) === 1);
      await node.kill();
      const before = counter.increment.remote();
      for (const call of [running, before]) {
        expect(await rejection(get<unknown>(call))).toBeInstanceOf(ActorError);
      }
      await waitFor("it is known", () => node.isDead(), 15_000);
      const after = await rejection<ActorDiedError>(get(counter.increment.remote()));
      expect(after).toBeInstanceOf(ActorDiedError);
      expect(after.message).toContain("node");
    },
    30_000,
  );

  test("NODE-07 a node that was killed is told from one that was stopped", async () => {
    const wordOf = async (nodeId: string) => {
      const [row] = await getState(nodeId);
      return row?.["state"] === "DEAD" && row["stateMessage"] as string;
    };
    const killed = await addNode({ numCpus: 1 });
    await killed.kill();
    const lost = await waitFor("the kill is known", () => wordOf(killed.nodeId), 15_000);
    const stopped = await addNode({ numCpus: 1 });
    process.kill(stopped.pid, "SIGTERM");
    const left = await waitFor("the stop is known", () => wordOf(stopped.nodeId), 15_000);
    expect(lost).toContain("did not come back");
    expect(left).toBe("it left");
    await waitFor("its process ends", () => !isAlive(stopped.pid));
  }, 40_000);

  test("NODE-13 calls that are made when others end do not stand in the way of a death", async () => {
    const Busy = remote(
      class Busy {
        count = 0;
        pid(): number {
          return process.pid;
        }
        work(_n: number): number {
          return ++this.count;
        }
      },
      { maxRestarts: 2, maxTaskRetries: 0, numCpus: 0 },
    );
    using busy = Busy.remote();
    const failing = remote((): number => {
      throw new RangeError("no argument");
    }, { numCpus: 0 });
    let ended = 0;
    /** A call whose end makes another call. */
    const twice = async (argument: number | ObjectRef<number>): Promise<void> => {
      await get(busy.work.remote(argument)).catch(() => undefined);
      ended++;
      await get(busy.work.remote(0)).catch(() => undefined);
      ended++;
    };
    const deaths = 3;
    for (let death = 0; death < deaths; death++) {
      const pid = await get(busy.pid.remote());
      const all = Array.from({ length: 10_000 }, (_, n) => twice(n % 1_000 === 0 ? failing.remote() : n));
      process.kill(pid, "SIGKILL");
      // While it restarts, calls come too.
      await waitFor("it is gone", () => !isAlive(pid));
      await Promise.all([...all, ...Array.from({ length: 100 }, (_, n) => twice(n))]);
    }
    expect(ended).toBe(deaths * 2 * 10_100);
    // Three deaths are one more than it has restarts.
    expect(await rejection(get(busy.work.remote(1)))).toBeInstanceOf(ActorDiedError);
  }, 60_000);
});
