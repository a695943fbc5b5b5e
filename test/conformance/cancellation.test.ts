/** cancel(), AbortSignals of calls, and what becomes of work that was cancelled, against real processes. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  cancel,
  get,
  GetTimeoutError,
  type HandleOf,
  listTasks,
  type ObjectRef,
  ready,
  registerClass,
  remote,
  runtimeContext,
  shutdown,
  TaskCancelledError,
  wait,
  WorkerCrashedError,
} from "mobula";
import { Signal, type SignalHandle, Tally, type TallyHandle } from "../support/actors.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { rejection } from "../support/processes.ts";
import { waitFor } from "../support/wait_for.ts";
import { addNode, startCases } from "./cases.ts";

const leftovers = watchLeftovers();

beforeAll(async () => {
  await startCases({ numCpus: 4 });
});
afterAll(async () => {
  await shutdown();
  await leftovers.check();
});

/** Waits for the gate, or until it is cancelled. */
const gated = remote(async (gate: SignalHandle, value: unknown = "done") => {
  await get(gate.wait.remote(), { signal: runtimeContext().signal });
  return value;
});

/** Stands at the gate, whatever happens. */
const stubborn = remote(async (gate: SignalHandle) => {
  await get(gate.wait.remote());
  return runtimeContext().signal.aborted;
});

const after = remote(async (gate: SignalHandle, previous: unknown) => {
  await get(gate.wait.remote(), { signal: runtimeContext().signal });
  return previous;
});

function taskOf(ref: ObjectRef<unknown>): string {
  return `t${ref.id.slice(1, ref.id.lastIndexOf("."))}`;
}

async function cancelledOf(ref: ObjectRef<unknown>): Promise<TaskCancelledError> {
  const error = await rejection(get(ref, { timeoutMs: 20_000 }));
  expect(error).toBeInstanceOf(TaskCancelledError);
  return error as TaskCancelledError;
}

function waitersAt(gate: SignalHandle, count: number): Promise<unknown> {
  return waitFor(`${count} at the gate`, async () => await get(gate.waiters.remote()) === count);
}

for (const force of [false, true]) {
  test(`CANCEL-01 a chain whose first task is cancelled fails as a whole (force: ${force})`, async () => {
    const gate = Signal.remote();
    const first = gated.remote(gate);
    const second = after.remote(gate, first);
    const third = after.remote(gate, second);
    const fourth = after.remote(gate, third);
    await waitersAt(gate, 1);
    await cancel(first, { force });
    for (const ref of [first, second, third, fourth]) {
      expect((await cancelledOf(ref)).taskId).toBe(taskOf(first));
    }
  });
}

test("CANCEL-02 those before the cancelled one of a chain go on", async () => {
  const gate = Signal.remote();
  const first = gated.remote(gate);
  const second = after.remote(gate, first);
  const third = after.remote(gate, second);
  const fourth = after.remote(gate, third);
  await waitersAt(gate, 1);
  await cancel(third);
  for (const ref of [third, fourth]) expect((await cancelledOf(ref)).taskId).toBe(taskOf(third));
  for (const ref of [first, second]) {
    expect(await rejection(get(ref, { timeoutMs: 50 }))).toBeInstanceOf(GetTimeoutError);
  }
  await get(gate.send.remote());
  expect(await get([first, second])).toEqual(["done", "done"]);
});

test("CANCEL-04 the CPU of a cancelled task is free for others", async () => {
  const gate = Signal.remote();
  const whole = gated.options({ numCpus: 4 });
  const first = whole.remote(gate);
  await waitersAt(gate, 1);
  const second = after.options({ numCpus: 4 }).remote(gate, first);
  const third = after.options({ numCpus: 4 }).remote(gate, second);
  const independent = remote(() => "ran", { numCpus: 4 });
  await cancel(third);
  await cancelledOf(third);
  await cancel(first);
  await cancelledOf(first);
  await cancelledOf(second);
  expect(await get(independent.remote(), { timeoutMs: 20_000 })).toBe("ran");
});

class Slow {
  readonly ms: number;
  constructor(ms: number) {
    this.ms = ms;
  }
}
registerClass(Slow, {
  encode: (value: Slow) => value.ms,
  decode: (ms: number) => {
    const untilMs = performance.now() + ms;
    while (performance.now() < untilMs);
    return new Slow(ms);
  },
});

test("CANCEL-05 a task that is cancelled while its argument is decoded never runs, and its worker is whole", async () => {
  const tally = Tally.remote();
  const body = remote(async (tally: TallyHandle, slow: Slow) => {
    await get(tally.add.remote());
    return slow.ms;
  }, { numCpus: 4 });
  // Once before: the codec is there, and the worker is the one that has all CPUs.
  expect(await get(body.remote(tally, new Slow(0)))).toBe(0);
  const slow = body.remote(tally, new Slow(1_500));
  await waitFor("it is at the worker", async () => {
    const rows = await listTasks({ filters: [`taskId=${taskOf(slow)}`] });
    return rows.some((row) => row.state === "RUNNING");
  });
  await cancel(slow);
  expect((await cancelledOf(slow)).taskId).toBe(taskOf(slow));
  expect(await get(tally.read.remote())).toBe(1);
  expect(await get(body.remote(tally, new Slow(1)))).toBe(1);
});

const Room = remote(
  class Room {
    seen: unknown[] = [];
    async stay(gate: SignalHandle): Promise<string> {
      await get(gate.wait.remote(), { timeoutMs: 60_000 });
      this.seen.push(runtimeContext().signal.aborted);
      return "stayed";
    }
    async heed(gate: SignalHandle): Promise<string> {
      await get(gate.wait.remote(), { signal: runtimeContext().signal });
      return "heeded";
    }
    async until(gate: SignalHandle | null): Promise<void> {
      const { signal } = runtimeContext();
      await new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
        if (gate !== null) void gate.wait.remote();
      }).catch(async (reason) => {
        // Its clean-up may still submit and get.
        this.seen.push(await get(double.remote(this.seen.length)));
        throw reason;
      });
    }
    note(value: unknown): void {
      this.seen.push(value);
    }
    all(): unknown[] {
      return this.seen;
    }
  },
);
type RoomHandle = HandleOf<typeof Room>;
const double = remote((n: number) => n * 2, { numCpus: 0 });

test("CANCEL-07 force is not for actors' calls", async () => {
  const gate = Signal.remote();
  const room = Room.remote();
  const call = room.stay.remote(gate);
  for (const options of [{ force: true }, { graceMs: 10 }]) {
    const error = await rejection(cancel(call, options));
    expect(error).toBeInstanceOf(RangeError);
    expect((error as Error).message).toContain("kill(handle)");
  }
  await get(gate.send.remote());
  expect(await get(call)).toBe("stayed");
});

test("CANCEL-08 an async method sees its signal and cleans up; 50 rounds", async () => {
  const room = Room.options({ maxConcurrency: 8 }).remote();
  const gate = Signal.remote();
  expect(await get(double.remote(1))).toBe(2); // A worker is there: clean-up must not wait for one to start.
  for (let round = 0; round < 50; round++) {
    const call = room.until.remote(gate);
    await waitersAt(gate, 1);
    await cancel(call);
    expect((await cancelledOf(call)).taskId).toBe(taskOf(call));
    await get(gate.send.remote());
    await get(gate.close.remote());
  }
  expect(await get(room.all.remote())).toEqual(Array.from({ length: 50 }, (_, n) => n * 2));
}, 60_000);

test("CANCEL-10 a hundred calls that wait at their actor never run", async () => {
  const gate = Signal.remote();
  const room = Room.remote();
  const running = room.stay.remote(gate);
  await waitersAt(gate, 1);
  const queued = Array.from({ length: 100 }, (_, n) => room.note.remote(n));
  await waitFor("they are at the actor", async () => {
    const rows = await listTasks({ filters: ["name=Room.note", "state=SUBMITTED_TO_WORKER"], limit: 1_000 });
    return rows.length >= 100;
  });
  await Promise.all(queued.map((ref) => cancel(ref)));
  for (const ref of queued) expect((await cancelledOf(ref)).taskId).toBe(taskOf(ref));
  await get(gate.send.remote());
  expect(await get(running)).toBe("stayed");
  expect(await get(room.all.remote())).toEqual([false]);
});

test("CANCEL-11 a method that does not look is not interrupted, and its result is replaced", async () => {
  const gate = Signal.remote();
  const room = Room.remote();
  const call = room.stay.remote(gate);
  await waitersAt(gate, 1);
  await cancel(call, { recursive: false });
  await get(gate.send.remote());
  expect((await cancelledOf(call)).taskId).toBe(taskOf(call));
  expect(await get(room.all.remote())).toEqual([true]);
});

test("a cancelled call that goes on for long is answered before its end, and keeps its turn", async () => {
  const gate = Signal.remote();
  const room = Room.remote();
  const call = room.stay.remote(gate);
  await waitersAt(gate, 1);
  const next = room.note.remote("next");
  await cancel(call, { recursive: false });
  await cancelledOf(call); // Its gate is closed.
  expect((await wait([next], { timeoutMs: 0 }))[0]).toEqual([]);
  await get(gate.send.remote());
  await get(next);
  expect(await get(room.all.remote())).toEqual([true, "next"]);
});

/** A parent of a task and an actor's call, which ends only when it is told. */
const parent = remote(async (gate: SignalHandle, room: RoomHandle, refs: TallyHandle) => {
  // From the start: it may come as soon as the children wait.
  const { signal } = runtimeContext();
  const cancelled = new Promise<void>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
  cancelled.catch(() => undefined);
  const children = [gated.options({ numCpus: 0 }).remote(gate), room.heed.remote(gate)];
  await get(refs.add.remote(children));
  await cancelled;
}, { numCpus: 0 });

for (const recursive of [true, false]) {
  test(`CANCEL-13 a parent is cancelled ${recursive ? "with" : "without"} its children`, async () => {
    const gate = Signal.remote();
    const room = Room.remote();
    const refs = Tally.remote();
    const top = parent.remote(gate, room, refs);
    await waitersAt(gate, 2);
    const [children] = await waitFor("their refs", async () => {
      const taken = await get(refs.take.remote()) as [ObjectRef<unknown>, ObjectRef<string>][];
      return taken.length > 0 && taken;
    });
    await cancel(top, { recursive });
    expect((await cancelledOf(top)).taskId).toBe(taskOf(top));
    if (recursive) {
      for (const child of children!) expect((await cancelledOf(child)).taskId).toBe(taskOf(child));
    }
    await get(gate.send.remote());
    if (!recursive) expect(await get(children!)).toEqual(["done", "heeded"]);
  });
}

const chain = remote(async (gate: SignalHandle, depth: number): Promise<string> => {
  if (depth === 0) return await get(gated.options({ numCpus: 0 }).remote(gate)) as string;
  return await get(chain.remote(gate, depth - 1)) as string;
}, { numCpus: 0 });

test("CANCEL-13 a chain of tasks that wait for each other ends as a whole", async () => {
  const gate = Signal.remote();
  const top = chain.remote(gate, 4);
  await waitersAt(gate, 1);
  await cancel(top);
  await cancelledOf(top);
});

test("CANCEL-14 a cancelled parent gives back its slots and its children's", async () => {
  const gate = Signal.remote();
  const outer = remote(async (gate: SignalHandle) => {
    return await get(gated.options({ numCpus: 2 }).remote(gate), { signal: runtimeContext().signal });
  }, { numCpus: 2 });
  const top = outer.remote(gate);
  await waitersAt(gate, 1);
  await cancel(top);
  await cancelledOf(top);
  const all = remote(() => "all", { numCpus: 4 });
  expect(await get(all.remote(), { timeoutMs: 20_000 })).toBe("all");
});

test("CANCEL-16 a result that was cancelled too late is not made again when its node is lost", async () => {
  const tally = Tally.remote();
  await ready(tally); // On the node that stays.
  const node = await addNode({ numCpus: 1, resources: { other: 1 } });
  const big = remote(async (tally: TallyHandle) => {
    await get(tally.add.remote());
    return new Uint8Array(1_000_000);
  }, { resources: { other: 1 }, maxRetries: 3 });
  const ref = big.remote(tally);
  await wait([ref], { fetchLocal: false });
  await cancel(ref);
  await node.kill();
  await waitFor("its node is dead", () => node.isDead());
  const size = remote((bytes: Uint8Array) => bytes.length);
  for (const lost of [size.remote(ref), ref]) {
    expect((await cancelledOf(lost)).taskId).toBe(taskOf(ref));
  }
  expect(await get(tally.read.remote())).toBe(1);
}, 60_000);

for (const count of [200, 5_000]) {
  test(`CANCEL-17 random ones of ${count} tasks are cancelled, all others return`, async () => {
    const seed = Date.now() >>> 0;
    console.log(`CANCEL-17: seed ${seed}`);
    let state = seed;
    const below = (n: number): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor(state / 2 ** 32 * n);
    };
    const work = remote(async (n: number) => {
      if (n % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
      return n;
    });
    const refs = Array.from({ length: count }, (_, n) => work.remote(n));
    const cancelled = new Set<number>();
    for (let i = 0; i < count / 4; i++) {
      const index = below(count);
      cancelled.add(index);
      await cancel(refs[index]!, { force: below(20) === 0 });
    }
    const outcomes = await Promise.allSettled(refs.map((ref) => get(ref, { timeoutMs: 120_000 })));
    for (const [index, outcome] of outcomes.entries()) {
      if (outcome.status === "fulfilled") expect(outcome.value).toBe(index);
      else {
        expect(cancelled.has(index)).toBe(true);
        expect(outcome.reason).toBeInstanceOf(TaskCancelledError);
      }
    }
  }, 150_000);
}

test("CANCEL-20 a task cancels what another process owns", async () => {
  const gate = Signal.remote();
  const canceller = remote(async ([ref]: [ObjectRef<unknown>]) => {
    await cancel(ref);
    return "asked";
  }, { numCpus: 0 });
  const room = Room.remote();
  const refs: ObjectRef<unknown>[] = [gated.remote(gate), room.heed.remote(gate)];
  await waitersAt(gate, 2);
  const queued = gated.options({ numCpus: 4, resources: { none: 1 } }).remote(gate);
  for (const ref of [...refs, queued]) {
    expect(await get(canceller.remote([ref]))).toBe("asked");
    expect((await cancelledOf(ref)).taskId).toBe(taskOf(ref));
  }
  await get(gate.send.remote());
  const forced = remote(async ([ref]: [ObjectRef<unknown>]) => await cancel(ref, { force: true }));
  const call = room.note.remote("a");
  const error = await rejection(get(forced.remote([room.stay.remote(Signal.remote())])));
  expect(error).toBeInstanceOf(RangeError);
  await get(call);
});

test("a task that takes no notice delivers its value; one that has ended stays as it is", async () => {
  const gate = Signal.remote();
  const ref = stubborn.remote(gate);
  await waitersAt(gate, 1);
  await cancel(ref, { recursive: false });
  await get(gate.send.remote());
  expect(await get(ref)).toBe(true);
  await cancel(ref);
  await cancel(ref, { force: true });
  expect(await get(ref)).toBe(true);
});

test("code that never yields ends by force, and with graceMs by itself", async () => {
  const gate = Signal.remote();
  const loop = remote(async (gate: SignalHandle) => {
    await get(gate.wait.remote());
    for (;;);
  }, { maxRetries: -1 });
  for (const options of [{ force: true }, { graceMs: 100 }]) {
    const open = Signal.remote();
    await get(open.send.remote());
    const ref = loop.remote(open);
    await waitFor("it runs", async () => {
      const rows = await listTasks({ filters: [`taskId=${taskOf(ref)}`] });
      return rows.some((row) => row.state === "RUNNING");
    });
    await cancel(ref, options);
    await cancelledOf(ref);
  }
  await get(gate.send.remote());
});

test("with graceMs a task that ends in time keeps its worker", async () => {
  const pid = remote(() => process.pid, { numCpus: 4 });
  const before = await get(pid.remote());
  const gate = Signal.remote();
  const ref = gated.options({ numCpus: 4 }).remote(gate);
  await waitersAt(gate, 1);
  await cancel(ref, { graceMs: 60_000 });
  await cancelledOf(ref);
  expect(await get(pid.remote())).toBe(before);
});

test("an AbortError and a child's cancellation are the task's own; another error is not", async () => {
  const gate = Signal.remote();
  const failing = remote(async (gate: SignalHandle, kind: string) => {
    const { signal } = runtimeContext();
    await get(gate.wait.remote(), { signal }).catch(() => undefined);
    if (kind === "AbortError") throw new DOMException("stopped", "AbortError");
    throw new RangeError("something else");
  }, { numCpus: 0 });
  const aborted = failing.remote(gate, "AbortError");
  const other = failing.remote(gate, "other");
  await waitersAt(gate, 2);
  await cancel(aborted);
  await cancel(other);
  await cancelledOf(aborted);
  expect(await rejection(get(other))).toBeInstanceOf(RangeError);
  await get(gate.send.remote());
  const own = await rejection(get(failing.remote(gate, "AbortError")));
  expect(own).not.toBeInstanceOf(TaskCancelledError);
  expect((own as { cause?: Error }).cause?.name).toBe("AbortError");
});

test("a signal cancels tasks and calls, those that wait and those that run, and is left alone afterwards", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  const listeners = countListeners(signal);
  const gate = Signal.remote();
  const room = Room.remote();
  const echo = remote((n: number) => n);
  expect(await get(echo.options({ signal }).remote(1))).toBe(1);
  expect(await get(double.options({ signal }).remote(1))).toBe(2);
  expect(listeners()).toBe(0);
  const withSignal = gated.options({ signal, numCpus: 0 });
  const refs: ObjectRef<unknown>[] = [
    withSignal.remote(gate),
    room.stay.options({ signal }).remote(gate),
    withSignal.options({ resources: { none: 1 } }).remote(gate),
    room.note.options({ signal }).remote("never"),
  ];
  await waitersAt(gate, 2);
  expect(listeners()).toBe(1);
  controller.abort();
  for (const ref of refs) expect((await cancelledOf(ref)).taskId).toBe(taskOf(ref));
  expect(listeners()).toBe(0);
  const late = [withSignal.remote(gate), room.note.options({ signal }).remote("late")];
  for (const ref of late) await cancelledOf(ref);
  await get(gate.send.remote());
  // Its wait at the gate was cancelled with it.
  expect(await get(room.all.remote())).toEqual([]);
});

test("a million calls may share a signal", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  const listeners = countListeners(signal);
  const never = remote((n: number) => n, { resources: { none: 1 } }).options({ signal });
  const refs = Array.from({ length: 100_000 }, (_, n) => never.remote(n));
  expect(listeners()).toBe(1);
  const startMs = performance.now();
  controller.abort();
  console.log(`100,000 calls cancelled by one signal: ${Math.round(performance.now() - startMs)} ms`);
  expect(listeners()).toBe(0);
  for (const index of [0, 50_000, 99_999]) await cancelledOf(refs[index]!);
});

test("what cannot be cancelled, and options that do not exist, are refused", async () => {
  const echo = remote((n: number) => n);
  const ref = echo.remote(1);
  expect(await rejection(cancel("x" as never))).toBeInstanceOf(TypeError);
  expect(await rejection(cancel(ref, { force: 1 } as never))).toBeInstanceOf(TypeError);
  expect(await rejection(cancel(ref, { unknown: 1 } as never))).toBeInstanceOf(TypeError);
  expect(await rejection(cancel(ref, { graceMs: -1 }))).toBeInstanceOf(RangeError);
  expect(() => echo.options({ signal: {} as never })).toThrow(TypeError);
  const bound = echo.options({ signal: new AbortController().signal });
  expect(() => remote((f: unknown) => f).remote(bound)).toThrow(TypeError);
  expect(await get(ref)).toBe(1);
});

test("a task that is cancelled by force is not retried, and those behind it run", async () => {
  const tally = Tally.remote();
  const gate = Signal.remote();
  const counted = remote(async (tally: TallyHandle, gate: SignalHandle) => {
    await get(tally.add.remote());
    await get(gate.wait.remote());
  }, { maxRetries: 5 });
  const ref = counted.remote(tally, gate);
  await waitersAt(gate, 1);
  await cancel(ref, { force: true });
  expect(await rejection(get(ref))).not.toBeInstanceOf(WorkerCrashedError);
  await cancelledOf(ref);
  const echo = remote((n: number) => n);
  expect(await get(Array.from({ length: 50 }, (_, n) => echo.remote(n)))).toHaveLength(50);
  expect(await get(tally.read.remote())).toBe(1);
});

test("a call that waits for its actor, or for an argument, never reaches it", async () => {
  const gate = Signal.remote();
  const Never = remote(
    class Never {
      run(value: unknown): unknown {
        return value;
      }
    },
    { resources: { none: 1 } },
  );
  const never = Never.remote();
  const call = never.run.remote(1);
  await cancel(call);
  await cancelledOf(call);
  const room = Room.remote();
  await ready(room);
  const argument = stubborn.remote(gate);
  const waiting = room.note.remote(argument);
  const behind = room.note.remote("behind");
  await cancel(waiting);
  await cancelledOf(waiting);
  await get(behind);
  await get(gate.send.remote());
  await get(argument);
  expect(await get(room.all.remote())).toEqual(["behind"]);
});

/** How many abort listeners a signal has, as far as they are added from now on. */
function countListeners(signal: AbortSignal): () => number {
  let count = 0;
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = ((...args: Parameters<typeof addEventListener>) => {
    count++;
    // A listener that is to run once is gone afterwards.
    args[1] = once(args[1] as (event: Event) => void, () => count--);
    return Reflect.apply(addEventListener, signal, args);
  }) as never;
  signal.removeEventListener = ((...args: Parameters<typeof removeEventListener>) => {
    count--;
    args[1] = wrapped.get(args[1] as never) ?? args[1];
    return Reflect.apply(removeEventListener, signal, args);
  }) as never;
  return () => count;
}

const wrapped = new WeakMap<(event: Event) => void, (event: Event) => void>();

function once(listener: (event: Event) => void, called: () => void): (event: Event) => void {
  const both = (event: Event): void => {
    called();
    listener(event);
  };
  wrapped.set(listener, both);
  return both;
}
