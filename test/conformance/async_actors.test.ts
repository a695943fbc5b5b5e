/** Calls that interleave: maxConcurrency, concurrency groups, and awaiting what takes its time. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  cancel,
  get,
  GetTimeoutError,
  type HandleOf,
  ready,
  release,
  remote,
  runtimeContext,
  shutdown,
  TaskCancelledError,
  wait,
} from "mobula";
import { Signal } from "../support/actors.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { rejection } from "../support/processes.ts";
import { waitFor } from "../support/wait_for.ts";
import { startCases } from "./cases.ts";

const leftovers = watchLeftovers();
beforeAll(async () => {
  await startCases({ numCpus: 4 });
});
afterAll(async () => {
  await shutdown();
  await leftovers.check();
});

/** Its result is late: until the gate opens. */
const behindGate = remote(async (gate: HandleOf<typeof Signal>, value: number): Promise<number> => {
  await get(gate.wait.remote());
  return value;
});

/** Calls meet in it, and it writes down who came and went. */
const Room = remote(
  class Room {
    inside = 0;
    history: string[] = [];
    #open: (() => void)[] = [];
    /** Goes on when `n` are here. */
    async meet(n: number): Promise<number> {
      const place = ++this.inside;
      if (place === n) { for (const open of this.#open.splice(0)) open(); }
      else await new Promise<void>((resolve) => this.#open.push(resolve));
      return place;
    }
    async pass(n: number): Promise<void> {
      this.history.push(`in ${n}`);
      await new Promise((resolve) => setTimeout(resolve, 1));
      this.history.push(`out ${n}`);
    }
    read(): string[] {
      return this.history;
    }
  },
);

describe("maxConcurrency", () => {
  test("ASYNC-01 three calls meet at a barrier", async () => {
    using room = Room.options({ maxConcurrency: 3 }).remote();
    expect(await get([1, 2, 3].map(() => room.meet.remote(3)))).toEqual([1, 2, 3]);
  });

  test("ASYNC-02 with 1, calls that yield in the middle never overlap", async () => {
    using room = Room.options({ maxConcurrency: 1 }).remote();
    await get(Array.from({ length: 10 }, (_, n) => room.pass.remote(n)));
    const one = Array.from({ length: 10 }, (_, n) => [`in ${n}`, `out ${n}`]).flat();
    expect(await get(room.read.remote())).toEqual(one);
  });

  test("ASYNC-04 it may be large: it is a count, not a pool of threads", async () => {
    using room = Room.options({ maxConcurrency: 100_000 }).remote();
    const all = Array.from({ length: 5_000 }, () => room.meet.remote(5_000));
    expect((await get(all)).at(-1)).toBe(5_000);
  });

  test("above 1, a call whose argument is not ready does not hold back later ones", async () => {
    using gate = Signal.remote();
    using room = Room.options({ maxConcurrency: 2 }).remote();
    using ordered = Room.remote();
    const late = behindGate.remote(gate, 7);
    const behind = [room, ordered].map((each) => {
      const first = each.pass.remote(late);
      return { first, second: each.read.remote() };
    });
    expect(await get(behind[0]!.second)).toEqual([]);
    expect((await wait(behind.map(({ first }) => first), { timeoutMs: 100 }))[0]).toEqual([]);
    expect((await wait([behind[1]!.second], { timeoutMs: 100 }))[0]).toEqual([]);
    await get(gate.send.remote());
    await get(behind.map(({ first }) => first));
    expect(await get(behind[1]!.second)).toEqual(["in 7", "out 7"]);
  });
});

describe("awaiting", () => {
  test("ASYNC-05 an async function is a task like any other (Ray refuses it)", async () => {
    const later = remote(async (x: number): Promise<number> => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      return x + 1;
    });
    expect(await get(later.remote(1))).toBe(2);
  });

  test("ASYNC-07 a get that gives up leaves the task alone, and later ones have its value", async () => {
    using gate = Signal.remote();
    const held = behindGate.remote(gate, 7);
    expect(await rejection(get(held, { timeoutMs: 20 }))).toBeInstanceOf(GetTimeoutError);
    const controller = new AbortController();
    const aborted = get(held, { signal: controller.signal });
    controller.abort(new Error("no more"));
    expect((await rejection(aborted)).message).toBe("no more");
    await get(gate.send.remote());
    expect(await Promise.all([get(held), get(held)])).toEqual([7, 7]);
    expect(await get(held)).toBe(7);
  });
});

/** An actor with two groups; each call says what ran when it began. */
const Grouped = remote(
  class Grouped {
    running: Record<string, number> = {};
    order: Record<string, number[]> = {};
    async #hold(group: string, gate: HandleOf<typeof Signal> | null): Promise<Record<string, number>> {
      this.running[group] = (this.running[group] ?? 0) + 1;
      const seen = { ...this.running };
      if (gate !== null) await get(gate.wait.remote());
      this.running[group]!--;
      return seen;
    }
    io(gate: HandleOf<typeof Signal> | null): Promise<Record<string, number>> {
      return this.#hold("io", gate);
    }
    compute(gate: HandleOf<typeof Signal> | null): Promise<Record<string, number>> {
      return this.#hold("compute", gate);
    }
    plain(gate: HandleOf<typeof Signal> | null): Promise<Record<string, number>> {
      return this.#hold("", gate);
    }
    async note(group: string, n: number): Promise<void> {
      await Promise.resolve();
      (this.order[group] ??= []).push(n);
    }
    notes(): Record<string, number[]> {
      return this.order;
    }
    taskName(): string | null {
      return runtimeContext().taskName;
    }
  },
  {
    concurrencyGroups: { io: 2, compute: 4, line: 1 },
    methods: { io: { concurrencyGroup: "io" }, compute: { concurrencyGroup: "compute" } },
  },
);

describe("concurrency groups", () => {
  test("ASYNC-08 each group has its own limit, full ones hold up no other, one call can be moved", async () => {
    using gate = Signal.remote();
    using actor = Grouped.remote();
    const waiters = async (n: number): Promise<void> => {
      await waitFor(`${n} calls stand`, async () => await get(gate.waiters.remote()) === n);
    };
    const io = [1, 2, 3].map(() => actor.io.remote(gate));
    await waiters(2);
    const compute = [1, 2, 3, 4, 5].map(() => actor.compute.remote(gate));
    await waiters(6);
    // The default group is separate, and one call at a time as without groups.
    const plain = [1, 2].map(() => actor.plain.remote(gate));
    await waiters(7);
    // Moved to a group with room; the limit of io would hold it up.
    const moved = actor.io.options({ concurrencyGroup: "line" }).remote(gate);
    await waiters(8);
    expect((await wait([...io, ...compute, ...plain, moved], { timeoutMs: 50 }))[0]).toEqual([]);
    await get(gate.send.remote());
    const seen = await get([...io, ...compute, ...plain, moved]);
    for (const each of seen) {
      // "io" is counted by the moved call too: by method, not by group.
      expect(each["io"] ?? 0).toBeLessThanOrEqual(3);
      expect(each["compute"] ?? 0).toBeLessThanOrEqual(4);
      expect(each[""] ?? 0).toBeLessThanOrEqual(1);
    }
  });

  test("within a group of one, calls run in order, also behind an argument that is late", async () => {
    using gate = Signal.remote();
    using actor = Grouped.remote();
    const late = behindGate.remote(gate, 0);
    const line = actor.note.options({ concurrencyGroup: "line" });
    const inLine = [line.remote("line", late), ...[1, 2, 3].map((n) => line.remote("line", n))];
    const others = [1, 2, 3].map((n) => actor.note.remote("", n));
    await get(others);
    expect((await wait(inLine, { timeoutMs: 50 }))[0]).toEqual([]);
    await get(gate.send.remote());
    await get(inLine);
    expect(await get(actor.notes.remote())).toEqual({ "": [1, 2, 3], line: [0, 1, 2, 3] });
  });

  test("a call of a full group that is cancelled never runs, and the group goes on", async () => {
    using gate = Signal.remote();
    using actor = Grouped.remote();
    const line = actor.plain.options({ concurrencyGroup: "line" });
    const [first, second, third] = [line.remote(gate), line.remote(gate), line.remote(null)];
    await waitFor("the first runs", async () => await get(gate.waiters.remote()) === 1);
    await cancel(second);
    expect(await rejection(get(second))).toBeInstanceOf(TaskCancelledError);
    await get(gate.send.remote());
    await get([first, third]);
  });

  test("handles that came from elsewhere know the groups; each call has its own context", async () => {
    using actor = Grouped.remote();
    const use = remote(async (actor: HandleOf<typeof Grouped>) => {
      const refs = [actor.taskName.remote(), actor.taskName.options({ concurrencyGroup: "io" }).remote()];
      return await get(refs);
    });
    expect(await get(use.remote(actor))).toEqual(["Grouped.taskName", "Grouped.taskName"]);
  });

  test("ASYNC-10 a group that is not declared is refused, and options() declares none", async () => {
    using actor = Grouped.remote();
    await ready(actor);
    expect(() => actor.io.options({ concurrencyGroup: "net" })).toThrow(/"net".*io, compute/);
    expect(() => actor.io.options({ concurrencyGroup: "" })).toThrow(RangeError);
    expect(() => Grouped.options({ concurrencyGroups: { net: 1 } })).toThrow(TypeError);
    const Plain = Room.options({ methods: { read: { concurrencyGroup: "io" } } });
    expect(() => Plain.remote()).toThrow(/concurrencyGroup.*no group "io"/);
    class Empty {}
    expect(() => remote(Empty, { concurrencyGroups: { io: 0 } })).toThrow(RangeError);
    expect(() => remote(Empty, { concurrencyGroups: { io: "2" as unknown as number } })).toThrow(TypeError);
    expect(() => remote(Empty, { concurrencyGroups: { " ": 2 } })).toThrow(RangeError);
    release(Room.remote());
  });
});
