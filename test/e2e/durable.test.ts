/** Durable actors: killed in the middle, restored from their last checkpoint, with each call's effect in their state once. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  ActorDiedError,
  checkpoint,
  get,
  type HandleOf,
  kill,
  type ObjectRef,
  ready,
  remote,
  restoreState,
  saveState,
} from "mobula";
import type { LocalCluster } from "../../runtime/process/local_cluster.ts";
import { Signal, type SignalHandle } from "../support/actors.ts";
import { endAttached, killHead, startAttached } from "../support/attach.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { endProcess, rejection } from "../support/processes.ts";
import { waitFor } from "../support/wait_for.ts";
import { workerRuntime } from "../conformance/cases.ts";

const leftovers = watchLeftovers();
let cluster: LocalCluster | undefined;

beforeAll(async () => {
  cluster = await startAttached({ numCpus: 4, runtime: workerRuntime });
});
afterAll(async () => {
  await endAttached(cluster);
  await leftovers.check();
});

/** Remembers what was added, in order. */
const Ledger = remote(
  class Ledger {
    items: number[] = [];
    restored = 0;
    add(item: number): number {
      this.items.push(item);
      return this.items.length;
    }
    addAndSave(item: number): number {
      checkpoint();
      return this.add(item);
    }
    async addWhen(signal: SignalHandle, item: number): Promise<number> {
      this.items.push(item);
      const { get } = await import("mobula");
      await get(signal.wait.remote());
      return this.items.length;
    }
    fail(item: number): never {
      this.items.push(item);
      throw new RangeError(`${item} failed`);
    }
    large(item: number): Uint8Array {
      this.items.push(item);
      return new Uint8Array(300_000).fill(item);
    }
    sumOf(values: Float64Array): number {
      this.items.push(values.length);
      return values.reduce((a, b) => a + b, 0);
    }
    read(): number[] {
      return this.items;
    }
    pid(): number {
      return process.pid;
    }
    wasRestored(): number {
      return this.restored;
    }
    [saveState](): { items: number[] } {
      return { items: this.items };
    }
    [restoreState]({ items }: { items: number[] }): void {
      this.items = items;
      this.restored++;
    }
  },
  { maxRestarts: -1, numCpus: 0 },
);
type LedgerHandle = HandleOf<typeof Ledger>;

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** kill -9, and wait until the next incarnation answers. */
async function crash(ledger: LedgerHandle): Promise<void> {
  const pid = await get(ledger.pid.options({ maxTaskRetries: 0 }).remote());
  await endProcess(pid);
  await waitFor("it is back", async () => {
    const now = await get(ledger.pid.options({ maxTaskRetries: 0 }).remote()).catch(() => pid);
    return now !== pid;
  });
}

describe("after a crash", () => {
  test("with checkpointEvery 1 every answered call is there, though none may be repeated", async () => {
    const ledger = Ledger.options({ checkpointEvery: 1 }).remote();
    for (const item of upTo(5)) expect(await get(ledger.add.remote(item))).toBe(item + 1);
    await crash(ledger);
    expect(await get(ledger.read.remote())).toEqual(upTo(5));
    expect(await get(ledger.wasRestored.remote())).toBe(1);
    await get(ledger.add.remote(5));
    await crash(ledger);
    expect(await get(ledger.read.remote())).toEqual(upTo(6));
  });

  test("with checkpointEvery 10 answered calls are repeated in order, with retries", async () => {
    const ledger = Ledger.options({ checkpointEvery: 10, maxTaskRetries: 5 }).remote();
    for (const item of upTo(27)) expect(await get(ledger.add.remote(item))).toBe(item + 1);
    await crash(ledger);
    expect(await get(ledger.read.remote())).toEqual(upTo(27));
    for (const item of upTo(5)) await get(ledger.add.remote(27 + item));
    await crash(ledger);
    expect(await get(ledger.read.remote())).toEqual(upTo(32));
  });

  test("without retries what was answered since the last checkpoint is lost", async () => {
    const ledger = Ledger.options({ checkpointEvery: 10 }).remote();
    for (const item of upTo(15)) await get(ledger.add.remote(item));
    await crash(ledger);
    expect(await get(ledger.read.remote())).toEqual(upTo(10));
  });

  test(
    "a burst that is cut off in its middle is there once, in order, whoever had which answer",
    async () => {
      for (const checkpointEvery of [1, 7, 50]) {
        const ledger = Ledger.options({ checkpointEvery, maxTaskRetries: -1 }).remote();
        const pid = await get(ledger.pid.remote());
        const answers = upTo(400).map((item) => ledger.add.remote(item));
        await get(answers[120]!);
        process.kill(pid, "SIGKILL");
        expect(await get(answers), `every ${checkpointEvery}`).toEqual(upTo(400).map((item) => item + 1));
        expect(await get(ledger.read.remote()), `every ${checkpointEvery}`).toEqual(upTo(400));
        await kill(ledger);
      }
    },
    60_000,
  );

  test("several callers are each in order and complete", async () => {
    const ledger = Ledger.options({ checkpointEvery: 8, maxTaskRetries: -1 }).remote();
    const signal = Signal.remote();
    const fill = remote(async (ledger: LedgerHandle, from: number, signal: SignalHandle) => {
      const { get } = await import("mobula");
      for (let item = from; item < from + 60; item++) {
        await get(ledger.add.remote(item));
        if (item === from + 30) await get(signal.wait.remote());
      }
      // They keep their handle until it is read, so that what is answered may be repeated.
      await get(signal.wait.remote());
    }, { numCpus: 0 });
    const fills = [0, 1000, 2000].map((from) => fill.remote(ledger, from, signal));
    await waitFor("all are half through", async () => await get(signal.waiters.remote()) === 3);
    await crash(ledger);
    await get(signal.send.remote());
    await get(fills);
    const items = await get(ledger.read.remote());
    for (const from of [0, 1000, 2000]) {
      expect(items.filter((item) => item >= from && item < from + 1000)).toEqual(
        upTo(60).map((item) => from + item),
      );
    }
  }, 30_000);

  test("a call that runs when it dies has no effect but that of its retry", async () => {
    const ledger = Ledger.options({ checkpointEvery: 1, maxTaskRetries: 1 }).remote();
    const signal = Signal.remote();
    await get(ledger.add.remote(1));
    const pid = await get(ledger.pid.remote());
    const running = ledger.addWhen.remote(signal, 2);
    await waitFor("it runs", async () => await get(signal.waiters.remote()) === 1);
    await endProcess(pid);
    await waitFor("it runs again", async () => await get(signal.waiters.remote()) === 1);
    await get(signal.send.remote());
    expect(await get(running)).toBe(2);
    expect(await get(ledger.read.remote())).toEqual([1, 2]);
  });

  test("stored arguments and results take part", async () => {
    const ledger = Ledger.options({ checkpointEvery: 10, maxTaskRetries: 3 }).remote();
    const values = new Float64Array(40_000).fill(0.5);
    const sum = ledger.sumOf.remote(values);
    const large = ledger.large.remote(7);
    expect([await get(sum), (await get(large)).length]).toEqual([20_000, 300_000]);
    sum.release();
    await crash(ledger);
    expect(await get(ledger.read.remote())).toEqual([40_000, 7]);
    expect((await get(large))[0]).toBe(7);
  });

  test("a call that threw is not repeated, and its caller knows", async () => {
    const ledger = Ledger.options({ checkpointEvery: 10, maxTaskRetries: 3 }).remote();
    await get(ledger.add.remote(1));
    expect(await rejection(get(ledger.fail.remote(2)))).toBeInstanceOf(RangeError);
    await get(ledger.add.remote(3));
    expect(await get(ledger.read.remote())).toEqual([1, 2, 3]);
    await crash(ledger);
    expect(await get(ledger.read.remote())).toEqual([1, 3]);
  });
});

describe("light actors", () => {
  test("are durable each by itself when their process dies", async () => {
    const light = Ledger.options({ isolation: "shared", checkpointEvery: 4, maxTaskRetries: -1 });
    const ledgers = upTo(20).map(() => light.remote());
    await Promise.all(ledgers.map(ready));
    const calls = ledgers.map((ledger, index) => upTo(index).map((item) => ledger.add.remote(item)));
    await get(calls.flat());
    const pids = new Set(await get(ledgers.map((ledger) => ledger.pid.remote())));
    const more = ledgers.map((ledger, index) => upTo(10).map((item) => ledger.add.remote(index + item)));
    for (const pid of pids) await endProcess(pid);
    await get(more.flat());
    expect(await get(ledgers.map((ledger) => ledger.read.remote()))).toEqual(
      ledgers.map((_, index) => upTo(index + 10)),
    );
    // Those that had called often enough for a checkpoint.
    const restored = await get(ledgers.slice(4).map((ledger) => ledger.wasRestored.remote()));
    expect(restored).toEqual(restored.map(() => 1));
    // On demand too.
    const quiet = Ledger.options({ isolation: "shared" }).remote();
    await get(quiet.addAndSave.remote(1));
    await get(quiet.add.remote(2));
    await crash(quiet);
    expect(await get(quiet.read.remote())).toEqual([1]);
  }, 30_000);
});

describe("on demand", () => {
  test("checkpoint() saves what its call has done before the caller has the answer", async () => {
    const ledger = Ledger.remote();
    await get(ledger.add.remote(1));
    await get(ledger.addAndSave.remote(2));
    await get(ledger.add.remote(3));
    await crash(ledger);
    expect(await get(ledger.read.remote())).toEqual([1, 2]);
    await crash(ledger);
    expect(await get(ledger.read.remote())).toEqual([1, 2]);
  });

  test("a save that fails fails the call that asked for it, and no other", async () => {
    const Broken = remote(
      class Broken {
        value: unknown = 1;
        set(kind: "function" | "ref" | "size" | "throws" | number): void {
          this.value = kind;
          checkpoint();
        }
        quietly(kind: number): void {
          this.value = kind;
        }
        async [saveState](): Promise<unknown> {
          const { put } = await import("mobula");
          if (this.value === "function") return () => 1;
          if (this.value === "ref") return { inside: await put(new Uint8Array(1)) };
          if (this.value === "size") return new Uint8Array(17 << 20);
          if (this.value === "throws") throw new TypeError("save itself");
          return this.value;
        }
        [restoreState](value: unknown): void {
          this.value = value;
        }
        read(): unknown {
          return this.value;
        }
        pid(): number {
          return process.pid;
        }
      },
      { maxRestarts: -1, numCpus: 0 },
    );
    const broken = Broken.remote();
    await get(broken.set.remote(7));
    const messages: string[] = [];
    for (const kind of ["function", "ref", "size", "throws"] as const) {
      messages.push((await rejection(get(broken.set.remote(kind)))).message);
    }
    expect(messages[0]).toContain("checkpoint");
    expect(messages[1]).toContain("plain data");
    expect(messages[2]).toContain("at most 16777216");
    expect(messages[3]).toContain("save itself");
    await get(broken.quietly.remote(8));
    await crash(broken as never);
    expect(await get(broken.read.remote())).toBe(7);
    // By itself it is only told in the log.
    const counting = Broken.options({ checkpointEvery: 1 }).remote();
    await get(counting.quietly.remote("function" as never));
    expect(await get(counting.read.remote())).toBe("function");
  }, 30_000);

  test("outside of such an actor it is refused", async () => {
    expect(() => checkpoint()).toThrow(TypeError);
    const Plain = remote(
      class Plain {
        save(): void {
          checkpoint();
        }
      },
      { numCpus: 0 },
    );
    expect(await rejection(get(Plain.remote().save.remote()))).toBeInstanceOf(TypeError);
    const busy = Ledger.options({ maxConcurrency: 2 }).remote();
    expect(await rejection(get(busy.addAndSave.remote(1)))).toBeInstanceOf(RangeError);
    expect(() => Ledger.options({ checkpointEvery: 1, maxConcurrency: 2 })).toThrow(RangeError);
    expect(() => Ledger.options({ checkpointEvery: 0 })).toThrow(RangeError);
    const half = Plain.options({ checkpointEvery: 1 }).remote();
    const error = await rejection(ready(half));
    expect(error).toBeInstanceOf(ActorDiedError);
    expect(error.message).toContain("[saveState] and [restoreState]");
  });
});

describe("the checkpoint", () => {
  test("that cannot be restored is the end, as a constructor's error is", async () => {
    const Fragile = remote(
      class Fragile {
        pid(): number {
          return process.pid;
        }
        [saveState](): number {
          return 1;
        }
        [restoreState](): void {
          throw new RangeError("of another version");
        }
      },
      { maxRestarts: -1, numCpus: 0, checkpointEvery: 1 },
    );
    const fragile = Fragile.remote();
    await endProcess(await get(fragile.pid.remote()));
    const error = await waitFor("it is dead", async () => {
      const said = await get(fragile.pid.remote()).then(() => null, (error) => error as Error);
      return said instanceof ActorDiedError ? said : null;
    });
    expect(error.message).toContain("of another version");
    expect(error.actorInitFailed).toBe(true);
  });

  test("outlives the head, and calls go on while it is away", async () => {
    const ledger = Ledger.options({ checkpointEvery: 10, maxTaskRetries: 5 }).remote();
    for (const item of upTo(12)) await get(ledger.add.remote(item));
    await killHead(cluster!);
    const during: ObjectRef<number>[] = upTo(5).map((item) => ledger.add.remote(12 + item));
    expect(await get(during)).toEqual([13, 14, 15, 16, 17]);
    const pid = await get(ledger.pid.remote());
    await cluster!.startHead();
    await endProcess(pid);
    expect(await get(ledger.read.remote())).toEqual(upTo(17));
    for (const item of upTo(10)) await get(ledger.add.remote(17 + item));
    await crash(ledger);
    expect(await get(ledger.read.remote())).toEqual(upTo(27));
  }, 30_000);

  test("is found on another node when its own dies", async () => {
    const agent = await cluster!.addAgent({ numCpus: 1, resources: { away: 1 }, objectStoreBytes: 64 << 20 });
    const ledger = Ledger.options({
      checkpointEvery: 10,
      maxTaskRetries: 5,
      schedulingStrategy: {
        nodeId: agent.ready.nodeId,
        soft: true,
      },
    }).remote();
    for (const item of upTo(13)) await get(ledger.add.remote(item));
    await endProcess(agent.ready.pid);
    expect(await get(ledger.read.remote())).toEqual(upTo(13));
  }, 60_000);

  test("is gone when the actor is dead for good", async () => {
    const ledger = Ledger.options({ checkpointEvery: 1 }).remote();
    await get(ledger.add.remote(1));
    const keys = await checkpoints();
    expect(keys.length).toBeGreaterThan(0);
    await kill(ledger);
    await waitFor("it is removed", async () => (await checkpoints()).length < keys.length);
  });
});

/** What the key-value table has of them. */
async function checkpoints(): Promise<string[]> {
  const { requireCoreWorker } = await import("../../runtime/io/core_worker/current.ts");
  const { result } = await requireCoreWorker().link.request("head", {
    method: "kvList",
    params: { prefix: "checkpoint/" },
  });
  return (result as { keys: string[] }).keys;
}
