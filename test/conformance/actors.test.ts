/** Actors in themselves: what may be made and called, when it runs, in which order, and what it knows of itself. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  type ActorHandle,
  get,
  type HandleOf,
  kill,
  listActors,
  type ObjectRef,
  ready,
  release,
  remote,
  runtimeContext,
  shutdown,
  wait,
} from "mobula";
import { Signal, type SignalHandle, Tally } from "../support/actors.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { endProcess, rejection } from "../support/processes.ts";
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

class Plain {
  base = 10;
  inherited(): number {
    return this.base;
  }
}

const Derived = remote(
  class Derived extends Plain {
    own(): number {
      return this.inherited() + 1;
    }
    override inherited(): number {
      return super.inherited() * 2;
    }
  },
);

const Log = remote(
  class Log {
    items: [string, number][] = [];
    append(who: string, n: number): void {
      this.items.push([who, n]);
    }
    read(): [string, number][] {
      return this.items;
    }
  },
  { numCpus: 0 },
);

/** Appends a hundred items under its name, and has the same done further down, by tasks of tasks. */
const appendAndPass = remote(async (log: HandleOf<typeof Log>, who: string, depth: number): Promise<void> => {
  const below = depth > 0 ? [appendAndPass.remote(log, `${who}.${depth}`, depth - 1)] : [];
  const refs: ObjectRef<void>[] = [];
  for (let n = 0; n < 100; n++) refs.push(log.append.remote(who, n));
  await get([...refs, ...below]);
});

/** The result is there when the gate is open. */
const behindGate = remote(async (gate: SignalHandle, value: number): Promise<number> => {
  await get(gate.wait.remote());
  return value;
}, { numCpus: 0 });

const Seven = remote(
  class Seven {
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

describe("classes", () => {
  test("ACTOR-02 an actor class is neither instantiated nor extended, and may itself extend a plain one", async () => {
    // What the types refuse.
    const Wrong = Derived as unknown as { new (): object; (): unknown };
    expect(() => new Wrong()).toThrow(TypeError);
    expect(() => Wrong()).toThrow(TypeError);
    expect(() => class extends Wrong {}).toThrow(TypeError);
    using derived = Derived.remote();
    expect(await get([derived.own.remote(), derived.inherited.remote()])).toEqual([21, 20]);
  });

  test("ACTOR-16 calls run in order or interleave by maxConcurrency alone; Ray's switch is no option here", () => {
    expect(() => Log.options({ maxConcurrency: 2, allowOutOfOrderExecution: false } as object)).toThrow(
      /allowOutOfOrderExecution/,
    );
  });
});

describe("order", () => {
  test("ACTOR-10 ready() waits for the constructor, and is a barrier", async () => {
    using gate = Signal.remote();
    using actor = Seven.remote(behindGate.remote(gate, 7));
    let isReady = false;
    const barrier = ready(actor).then(() => isReady = true);
    await waitFor("its argument is waited for", async () => await get(gate.waiters.remote()) === 1);
    // Another actor is made and called meanwhile.
    using other = Seven.remote(1);
    await ready(other);
    expect(await get(other.read.remote())).toBe(1);
    expect(isReady).toBe(false);
    await get(gate.send.remote());
    await barrier;
    expect(await get(actor.read.remote())).toBe(7);
    await ready(actor);
  });

  test("ACTOR-14 tasks of tasks that were passed the handle each keep their order", async () => {
    using log = Log.remote();
    await get([appendAndPass.remote(log, "a", 2), appendAndPass.remote(log, "b", 2)]);
    const items = await get(log.read.remote());
    const callers = ["a", "a.2", "a.2.1", "b", "b.2", "b.2.1"];
    const hundred = Array.from({ length: 100 }, (_, n) => n);
    for (const caller of callers) {
      expect(items.filter(([who]) => who === caller).map(([, n]) => n)).toEqual(hundred);
    }
    expect(items).toHaveLength(600);
  });

  test("a call whose argument failed does not run and holds up nobody", async () => {
    using log = Log.remote();
    const failing = remote((): number => {
      throw new RangeError("no number");
    });
    const bad = log.append.remote("bad", failing.remote());
    const good = log.append.remote("good", 1);
    expect(await rejection(get(bad))).toBeInstanceOf(RangeError);
    await get(good);
    expect(await get(log.read.remote())).toEqual([["good", 1]]);
  });
});

describe("placement", () => {
  test("ACTOR-20 without options an actor needs a CPU to be placed, though it holds none", async () => {
    const bare = await addNode({ numCpus: 0, resources: { bare: 4 } });
    using placed = Seven.options({ resources: { bare: 1 } }).remote(7);
    expect(await get(placed.read.remote())).toBe(7);
    const Where = remote(
      class Where {
        where(): { nodeId: string; assigned: Record<string, number> } {
          const { nodeId, assignedResources: assigned } = runtimeContext();
          return { nodeId, assigned };
        }
      },
    );
    using pending = Where.options({ resources: { bare: 1 } }).remote();
    const call = pending.where.remote();
    await waitFor("it waits for a node", async () => {
      const [row] = await listActors({ filters: ["className=Where"] });
      return row?.["state"] === "PENDING_CREATION";
    });
    expect((await wait([call], { timeoutMs: 500 }))[0]).toEqual([]);
    // Told to be nowhere else, it can be nowhere.
    using tied = Where.options({ schedulingStrategy: { nodeId: bare.nodeId } }).remote();
    expect((await rejection(ready(tied))).message).toContain("CPU 1");
    const whole = await addNode({ numCpus: 1, resources: { bare: 1 } });
    expect(await get(call)).toEqual({ nodeId: whole.nodeId, assigned: { bare: 1 } });
    for (const handle of [pending, placed]) release(handle);
    await bare.kill();
    await whole.kill();
  });
});

describe("what an actor knows of itself", () => {
  const Selfish = remote(
    class Selfish {
      count = 0;
      increment(): number {
        return ++this.count;
      }
      facts() {
        const { actorId, actorName, wasReconstructed, taskName, attempt } = runtimeContext();
        return { actorId, actorName, wasReconstructed, taskName, attempt };
      }
      pid(): number {
        return process.pid;
      }
      self(): ActorHandle<{ increment(): number }> {
        return runtimeContext().actorHandle();
      }
      /** Has itself called by a task, while it waits for nothing. */
      passOn(task: typeof useHandle): ObjectRef<number> {
        return task.remote(runtimeContext().actorHandle<{ increment(): number }>());
      }
    },
    { maxRestarts: 1, numCpus: 0 },
  );
  const useHandle = remote(async (handle: ActorHandle<{ increment(): number }>) => {
    return await get(handle.increment.remote());
  });

  test("its id, its name, a handle to itself that others may use", async () => {
    using actor = Selfish.remote();
    const { actorId, ...facts } = await get(actor.facts.remote());
    expect(actorId).toMatch(/^a-/);
    expect(facts).toEqual({
      actorName: "",
      wasReconstructed: false,
      taskName: "Selfish.facts",
      attempt: 0,
    });
    const self = await get(actor.self.remote());
    expect(await get(self.increment.remote())).toBe(1);
    expect(await get(await get(actor.passOn.remote(useHandle)))).toBe(2);
    release(self);
    // Its own handles do not keep it from being called, and letting one go ends nothing.
    expect(await get(actor.increment.remote())).toBe(3);
    expect(() => runtimeContext().actorHandle()).toThrow(TypeError);
  });

  test("that it was constructed again", async () => {
    const actor = Selfish.options({ name: "again" }).remote();
    await endProcess(await get(actor.pid.remote()));
    const facts = await waitFor("it is back", () => get(actor.facts.remote()).catch(() => null));
    expect(facts).toMatchObject({ actorName: "again", wasReconstructed: true });
    await kill(actor);
  });

  test("kill with a restart begins anew and costs one; the last one is the end", async () => {
    using tally = Tally.remote();
    const Counted = remote(
      class Counted {
        added: ObjectRef<number>;
        constructor(tally: HandleOf<typeof Tally>) {
          this.added = tally.add.remote();
        }
        async read(): Promise<boolean> {
          await get(this.added);
          return runtimeContext().wasReconstructed;
        }
      },
      { maxRestarts: 1, maxTaskRetries: -1, numCpus: 0 },
    );
    const actor = Counted.remote(tally);
    expect(await get(actor.read.remote())).toBe(false);
    await kill(actor, { noRestart: false });
    expect(await get(actor.read.remote())).toBe(true);
    await kill(actor, { noRestart: false });
    expect((await rejection(get(actor.read.remote()))).message).toContain("kill()");
    expect(await get(tally.read.remote())).toBe(2);
  });
});
