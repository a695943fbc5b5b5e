/** Light actors (isolation "shared") against real processes: many in one, each with its own order, state and failures. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  ActorDiedError,
  type ActorHandle,
  ActorUnavailableError,
  cancel,
  exitActor,
  get,
  getActor,
  type HandleOf,
  init,
  kill,
  listActors,
  onShutdown,
  put,
  ready,
  release,
  remote,
  runtimeContext,
  shutdown,
  TaskCancelledError,
} from "mobula";
import { Signal, Tally } from "../support/actors.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { endProcess, isAlive, rejection } from "../support/processes.ts";
import { waitFor } from "../support/wait_for.ts";

const leftovers = watchLeftovers();

beforeAll(async () => {
  await init({ numCpus: 2, dashboard: false, objectStoreBytes: 32 << 20 });
});
afterAll(async () => {
  await shutdown();
  await leftovers.check();
});

class Cell {
  value: number;
  constructor(value: number = 0) {
    if (value < 0) throw new RangeError("no negative cells");
    this.value = value;
  }
  increment(): number {
    return ++this.value;
  }
  fail(): void {
    throw new TypeError("mine alone");
  }
  pid(): number {
    return process.pid;
  }
  self(): { actorId: string | null; wasReconstructed: boolean } {
    const { actorId, wasReconstructed } = runtimeContext();
    return { actorId, wasReconstructed };
  }
  async later(): Promise<string | null> {
    await new Promise((resolve) => setImmediate(resolve));
    return runtimeContext().actorId;
  }
  me(): ActorHandle<Cell> {
    return runtimeContext().actorHandle<Cell>();
  }
  *items(count: number): Generator<number> {
    for (let i = 0; i < count; i++) yield this.value + i;
  }
}
const Light = remote(Cell, { isolation: "shared" });
type CellHandle = HandleOf<typeof Light>;

const many = (count: number, make: (index: number) => CellHandle): CellHandle[] =>
  Array.from({ length: count }, (_, index) => make(index));

/** What a call gives once the actor has come back: calls that were under way when it went are lost. */
async function restarted<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof ActorUnavailableError)) throw error;
    }
  }
}

describe("many in one process", () => {
  test("each has its own state and order, and they share few processes", async () => {
    const cells = many(300, (index) => Light.remote(index * 100));
    const refs = cells.map((
      cell,
    ) => [cell.increment.remote(), cell.increment.remote(), cell.increment.remote()]);
    for (const [index, calls] of refs.entries()) {
      const at = index * 100;
      expect(await get(calls)).toEqual([at + 1, at + 2, at + 3]);
    }
    const pids = new Set(await get(cells.map((cell) => cell.pid.remote())));
    expect(pids.size).toBe(2); // One a CPU.
    expect(pids.has(process.pid)).toBe(false);
    cells.forEach(release);
  });

  test("an exception is its own, in a call and in a constructor", async () => {
    const [cell, other] = [Light.remote(1), Light.remote(5)];
    const bad = Light.remote(-1);
    expect((await rejection(get(cell.fail.remote()))).message).toContain("mine alone");
    expect(await get(cell.increment.remote())).toBe(2);
    expect(await get(other.increment.remote())).toBe(6);
    const died = await rejection(get(bad.increment.remote()));
    expect(died).toBeInstanceOf(ActorDiedError);
    expect(died).toBeInstanceOf(RangeError);
    expect(died.message).toContain("no negative cells");
    expect(await rejection(ready(bad))).toBeInstanceOf(ActorDiedError);
    [cell, other, bad].forEach(release);
  });

  test("each call knows whose it is, also after it has waited", async () => {
    const cells = many(20, () => Light.remote());
    const now = await get(cells.map((cell) => cell.self.remote()));
    const later = await get(cells.map((cell) => cell.later.remote()));
    expect(new Set(later).size).toBe(20);
    expect(later).toEqual(now.map(({ actorId }) => actorId));
    const copy = await get(cells[3]!.me.remote());
    expect(await get(copy.self.remote())).toEqual(now[3]!);
    cells.forEach(release);
    release(copy);
  });

  test("one that waits holds up nobody; its own next call waits for it", async () => {
    const Waiter = remote(
      class Waiter {
        calls: string[] = [];
        async wait(gate: HandleOf<typeof Signal>): Promise<void> {
          this.calls.push("begin");
          await get(gate.wait.remote());
          this.calls.push("end");
        }
        read(): string[] {
          this.calls.push("read");
          return this.calls;
        }
      },
      { isolation: "shared" },
    );
    const gate = Signal.remote();
    const [one, other] = [Waiter.remote(), Waiter.remote()];
    const waiting = one.wait.remote(gate);
    const behind = one.read.remote();
    await waitFor("it waits", async () => await get(gate.waiters.remote()) === 1);
    expect(await get(other.read.remote())).toEqual(["read"]);
    await get(gate.send.remote());
    await get(waiting);
    expect(await get(behind)).toEqual(["begin", "end", "read"]);
    [one, other].forEach(release);
    release(gate);
  });

  test("maxConcurrency, streams, stored arguments and results are as those of any actor", async () => {
    const gate = Signal.remote();
    const Wide = remote(
      class Wide {
        wait(signal: HandleOf<typeof Signal>): Promise<void> {
          return get(signal.wait.remote());
        }
        echo(bytes: Uint8Array): Uint8Array {
          return bytes;
        }
      },
      { isolation: "shared", maxConcurrency: 3 },
    );
    const wide = Wide.remote();
    const waiting = [wide.wait.remote(gate), wide.wait.remote(gate), wide.wait.remote(gate)];
    await waitFor("three wait", async () => await get(gate.waiters.remote()) === 3);
    await get(gate.send.remote());
    await get(waiting);
    const large = new Uint8Array(300_000).fill(7);
    expect(await get(wide.echo.remote(await put(large)))).toEqual(large);
    const cell = Light.remote(10);
    const items: number[] = [];
    for await (const item of cell.items.remote(4).values()) items.push(item);
    expect(items).toEqual([10, 11, 12, 13]);
    // Constructor arguments that are not there yet.
    const late = remote((): number => 40);
    const fromRef = Light.remote(late.remote() as unknown as number);
    expect(await get(fromRef.increment.remote())).toBe(41);
    [cell, fromRef].forEach(release);
    release(wide);
    release(gate);
  });

  test("a call can be cancelled, the actor goes on", async () => {
    const Patient = remote(
      class Patient {
        wait(): Promise<void> {
          return new Promise((_, reject) => {
            const { signal } = runtimeContext();
            signal.addEventListener("abort", () => reject(signal.reason));
          });
        }
        ping(): string {
          return "pong";
        }
      },
      { isolation: "shared" },
    );
    const patient = Patient.remote();
    await ready(patient);
    const waiting = patient.wait.remote();
    const queued = patient.ping.remote();
    await cancel(queued);
    await cancel(waiting);
    expect(await rejection(get(waiting))).toBeInstanceOf(TaskCancelledError);
    expect(await rejection(get(queued))).toBeInstanceOf(TaskCancelledError);
    expect(await get(patient.ping.remote())).toBe("pong");
    release(patient);
  });
});

describe("ends", () => {
  test("kill ends one of them, its neighbours go on", async () => {
    const [one, other] = [Light.remote(), Light.remote()];
    const pid = await get(one.pid.remote());
    await get(other.increment.remote());
    await kill(one);
    expect(await rejection(get(one.increment.remote()))).toBeInstanceOf(ActorDiedError);
    expect(await get(other.increment.remote())).toBe(2);
    expect(isAlive(pid)).toBe(true);
    [one, other].forEach(release);
  });

  test("a killed actor's running call fails and hears of it by its signal", async () => {
    const tally = Tally.remote();
    const Busy = remote(
      class Busy {
        wait(heard: HandleOf<typeof Tally>): Promise<void> {
          const { signal } = runtimeContext();
          return new Promise((_, reject) => {
            heard.add.remote("begun");
            signal.addEventListener("abort", () => {
              heard.add.remote("told");
              reject(signal.reason);
            });
          });
        }
      },
      { isolation: "shared" },
    );
    const busy = Busy.remote();
    const waiting = busy.wait.remote(tally);
    await waitFor("it runs", async () => await get(tally.read.remote()) === 1);
    await kill(busy);
    expect(await rejection(get(waiting))).toBeInstanceOf(ActorDiedError);
    await waitFor("it was told", async () => await get(tally.read.remote()) === 2);
    release(busy);
    release(tally);
  });

  test("kill without noRestart constructs it afresh beside its neighbours", async () => {
    const one = Light.options({ maxRestarts: 1 }).remote(5);
    const other = Light.remote();
    expect(await get([one.increment.remote(), other.increment.remote()])).toEqual([6, 1]);
    await kill(one, { noRestart: false });
    expect((await restarted(() => get(one.self.remote()))).wasReconstructed).toBe(true);
    expect(await get([one.increment.remote(), other.increment.remote()])).toEqual([6, 2]);
    [one, other].forEach(release);
  });

  test("the last handle gone ends it after its calls, and its row says so", async () => {
    const cell = Light.remote();
    const { actorId } = await get(cell.self.remote());
    const last = cell.increment.remote();
    release(cell);
    expect(await get(last)).toBe(1);
    await waitFor("it has ended", async () => {
      const [row] = await listActors({ filters: [`actorId=${actorId}`], detail: true });
      return row?.state === "DEAD" && JSON.stringify(row).includes("last handle was released");
    });
  });

  test("one that calls exitActor() ends with its hook, its neighbours and what they do stay", async () => {
    const tally = Tally.remote();
    const Leaver = remote(
      class Leaver {
        readonly heard: HandleOf<typeof Tally>;
        constructor(heard: HandleOf<typeof Tally>) {
          this.heard = heard;
        }
        leave(): void {
          exitActor();
        }
        ping(): string {
          return "pong";
        }
        async [onShutdown](): Promise<void> {
          await get(this.heard.add.remote(runtimeContext().actorId));
        }
      },
      { isolation: "shared", maxRestarts: 3 },
    );
    const [one, other] = [Leaver.remote(tally), Leaver.remote(tally)];
    await Promise.all([ready(one), ready(other)]);
    const [leaving, behind] = [one.leave.remote(), one.ping.remote()];
    expect((await rejection(get(leaving))).message).toContain("it called exitActor()");
    expect(await rejection(get(behind))).toBeInstanceOf(ActorDiedError);
    expect(await get(other.ping.remote())).toBe("pong");
    expect((await get(tally.take.remote())).length).toBe(1);
    release(other);
    await waitFor("the other one's hook ran too", async () => await get(tally.read.remote()) === 1);
    release(one);
    release(tally);
  });

  test("concurrency groups are its own", async () => {
    const gate = Signal.remote();
    const Grouped = remote(
      class Grouped {
        wait(signal: HandleOf<typeof Signal>): Promise<void> {
          return get(signal.wait.remote());
        }
        ping(): string {
          return "pong";
        }
      },
      {
        isolation: "shared",
        concurrencyGroups: { io: 1 },
        methods: { wait: { concurrencyGroup: "io" } },
      },
    );
    const grouped = Grouped.remote();
    const waiting = [grouped.wait.remote(gate), grouped.wait.remote(gate)];
    await waitFor("one waits", async () => await get(gate.waiters.remote()) === 1);
    expect(await get(grouped.ping.remote())).toBe("pong");
    expect(await get(gate.waiters.remote())).toBe(1);
    await get(gate.send.remote());
    await get(waiting);
    release(grouped);
    release(gate);
  });

  test("names, getIfExists and handles from elsewhere lead to the same actor", async () => {
    const Named = Light.options({ name: "light", getIfExists: true });
    const [one, two] = [Named.remote(1), Named.remote(100)];
    expect(await get(one.increment.remote())).toBe(2);
    expect(await get(two.increment.remote())).toBe(3);
    expect(await get((await getActor<Cell>("light")).increment.remote())).toBe(4);
    const viaTask = remote(async (cell: CellHandle): Promise<number> => await get(cell.increment.remote()));
    expect(await get(viaTask.remote(one))).toBe(5);
    await kill(one);
  });
});

describe("their process", () => {
  test("a crash of the host is judged for each by its own rules", async () => {
    const count = 2_000;
    const cells = many(count, (index) => Light.options({ maxRestarts: index % 2 }).remote(index));
    const pids = await get(cells.map((cell) => cell.pid.remote()));
    await get(cells.map((cell) => cell.increment.remote()));
    for (const pid of new Set(pids)) await endProcess(pid);
    const outcomes = await Promise.all(cells.map(async (cell, index) => {
      if (index % 2 === 0) return await rejection(get(cell.increment.remote())) instanceof ActorDiedError;
      // Fresh: what it had counted is gone with the process.
      return await restarted(() => get(cell.increment.remote())) === index + 1;
    }));
    expect(outcomes.filter((isRight) => isRight).length).toBe(count);
    const [first, second] = [cells[1]!, cells[3]!];
    expect((await get(first.self.remote())).wasReconstructed).toBe(true);
    const pid = await get(second.pid.remote());
    await endProcess(pid);
    expect(await rejection(get(second.increment.remote()))).toBeInstanceOf(ActorDiedError);
    cells.forEach(release);
  }, 60_000);

  test("a host without actors ends", async () => {
    const Alone = Light.options({ runtimeEnv: { env: { ALONE: "yes" } } });
    const alone = Alone.remote();
    const pid = await get(alone.pid.remote());
    release(alone);
    await waitFor("its process is gone", () => !isAlive(pid), 10_000);
  });
});
