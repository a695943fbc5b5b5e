/** What one node's scheduler promises: nested tasks in few processes, fair shares, work packed up to half of a node. */
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { availableResources, get, put, release, remote, shutdown } from "mobula";
import { currentDriver } from "../../runtime/api/init.ts";
import { Signal, type SignalHandle } from "../support/actors.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { StartedProgram } from "../support/started_program.ts";
import { waitFor } from "../support/wait_for.ts";
import { addNode, firstNodeId, startCases } from "./cases.ts";

const leftovers = watchLeftovers();
afterEach(async () => {
  await shutdown();
});
afterAll(async () => {
  await leftovers.check();
});

/** Processes that the first node's agent has started and that have not ended. */
function workerCount(): number {
  const { pid } = currentDriver()!.local!.agents[0]!.ready;
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter((text) => text !== "")
    .length;
}

/** Computes for so long. */
const spin = remote((ms: number) => {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs);
});

/** Three deep: what it computes, and the processes that it ran in. */
const h = remote((n: number) => ({ value: n + 1, pids: [process.pid] }));
const g = remote(async (n: number) => {
  const { get } = await import("mobula");
  const { value, pids } = await get(h.remote(n));
  return { value: value + 1, pids: [...pids, process.pid] };
});
const f = remote(async (n: number) => {
  const { get, wait } = await import("mobula");
  const ref = g.remote(n);
  // Both ways to wait.
  if (n % 2 === 0) await wait([ref]);
  const { value, pids } = await get(ref);
  return { value: value + 1, pids: [...pids, process.pid] };
});

/** Has tasks of a function waiting at all times, until it is told to stop. */
class Endless {
  done = 0;
  #stopped = false;
  readonly #ended: Promise<unknown>;

  constructor(task: typeof spin, ms: number, inFlight: number = 50) {
    const one = async (): Promise<void> => {
      while (!this.#stopped) {
        await get(task.remote(ms));
        this.done++;
      }
    };
    this.#ended = Promise.all(Array.from({ length: inFlight }, one));
  }

  /** Resolves when so many more are done. */
  async more(count: number): Promise<void> {
    const before = this.done;
    await waitFor(`${count} more tasks`, () => this.done >= before + count, 30_000);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#ended;
  }
}

describe("nested tasks", () => {
  test("a thousand three deep on one CPU need three processes, and few more under load", async () => {
    await startCases({ numCpus: 1 });
    const results = await get(Array.from({ length: 1_000 }, (_, n) => f.remote(n)));
    expect(results.map(({ value }) => value)).toEqual(Array.from({ length: 1_000 }, (_, n) => n + 3));
    // Each chain needs three at once. A root that starts beside a blocked one (it may wait for what comes after it) makes
    // it six; such starts come 20 ms, 40 ms … after one another.
    const pids = new Set(results.flatMap(({ pids }) => pids));
    expect(pids.size).toBeGreaterThanOrEqual(3);
    expect(pids.size).toBeLessThanOrEqual(9);
  }, 60_000);

  test("a tree of tasks on two CPUs has no more processes than its depth and CPUs ask for", async () => {
    await startCases({ numCpus: 2 });
    interface Tree {
      remote(self: Tree, depth: number): import("mobula").ObjectRef<{ leaves: number; pids: number[] }>;
    }
    const tree: Tree = remote(
      async (self: Tree, depth: number): Promise<{ leaves: number; pids: number[] }> => {
        if (depth === 0) return { leaves: 1, pids: [process.pid] };
        const { get } = await import("mobula");
        const parts = await get([0, 1, 2, 3].map(() => self.remote(self, depth - 1)));
        return {
          leaves: parts.reduce((sum, { leaves }) => sum + leaves, 0),
          pids: [...new Set([process.pid, ...parts.flatMap(({ pids }) => pids)])],
        };
      },
    );
    const { leaves, pids } = await get(tree.remote(tree, 4));
    expect(leaves).toBe(256);
    // Level by level it would be 85 that wait.
    expect(pids.length).toBeLessThanOrEqual(24);
  }, 60_000);
});

describe("fair shares of one CPU", () => {
  test("two classes without end both go on", async () => {
    await startCases({ numCpus: 1 });
    const [first, second] = [new Endless(spin, 3), new Endless(spin.options({ numCpus: 0.9 }), 3)];
    await first.more(1);
    await second.more(1);
    const before = [first.done, second.done];
    await Promise.all([first.more(50), second.more(50)]);
    const [a, b] = [first.done - before[0]!, second.done - before[1]!];
    expect(Math.max(a, b) / Math.min(a, b)).toBeLessThan(6);
    await Promise.all([first.stop(), second.stop()]);
  }, 60_000);

  test("another driver's tasks are not kept out by one with work without end, nor keep it out", async () => {
    await startCases({ numCpus: 1 });
    const endless = new Endless(spin, 5);
    const { address, token } = currentDriver()!.local!;
    const other = new StartedProgram("bun", join(import.meta.dirname, "programs/fair_driver.ts"), {
      args: ["50"],
      env: { MOBULA_ADDRESS: address, MOBULA_TOKEN: token },
    });
    expect(await other.line()).toBe("ready");
    const before = endless.done;
    expect(await other.line()).toBe("done");
    const meanwhile = endless.done - before;
    expect(meanwhile).toBeGreaterThan(50 / 6);
    expect(meanwhile).toBeLessThan(50 * 6);
    expect(await other.ended).toBe(0);
    await endless.stop();
  }, 60_000);

  test("roots go on beside a task that submits others without end", async () => {
    await startCases({ numCpus: 1 });
    const gate = Signal.remote();
    const main = remote(async (gate: SignalHandle, task: typeof spin) => {
      const { get, wait } = await import("mobula");
      const over = gate.wait.remote();
      let done = 0;
      const one = async (): Promise<void> => {
        while ((await wait([over], { timeoutMs: 0 }))[0].length === 0) {
          await get(task.remote(3));
          done++;
        }
      };
      await Promise.all(Array.from({ length: 30 }, one));
      return done;
    }, { numCpus: 0 });
    const ref = main.remote(gate, spin);
    await waitFor("it submits", async () => await get(gate.waiters.remote()) === 1);
    const roots = Array.from({ length: 20 }, () => spin.options({ numCpus: 0.9 }).remote(3));
    await get(roots);
    await get(gate.send.remote());
    expect(await get(ref)).toBeGreaterThan(0);
  }, 60_000);
});

describe("two nodes of four CPUs", () => {
  const where = remote(async (_data: unknown) => (await import("mobula")).runtimeContext().nodeId);
  const holdPlace = remote(async (gate: SignalHandle) => {
    const { get, runtimeContext } = await import("mobula");
    await get(gate.wait.remote());
    return runtimeContext().nodeId;
  }, { numCpus: 0, resources: { place: 1 } });

  test("SCHED-01 two blocking tasks pack on the driver's node, four split, eight fill both", async () => {
    await startCases({ numCpus: 4, resources: { place: 4 } });
    const other = await addNode({ numCpus: 4, resources: { place: 4 } });
    for (const [tasks, here, there] of [[2, 2, 0], [4, 2, 2], [8, 4, 4]] as const) {
      await waitFor("all places are free", async () => (await availableResources()).place === 8);
      const gate = Signal.remote();
      // Held by what does not come free while a task waits for its gate.
      const refs = Array.from({ length: tasks }, () => holdPlace.remote(gate));
      await waitFor(`${tasks} run`, async () => await get(gate.waiters.remote()) === tasks);
      await get(gate.send.remote());
      const nodes = await get(refs);
      const count = (id: string): number => nodes.filter((node) => node === id).length;
      expect([count(firstNodeId()), count(other.nodeId)]).toEqual([here, there]);
      release(gate);
    }
  }, 60_000);

  test("SCHED-02 twenty tasks one by one all run on the driver's node", async () => {
    await startCases({ numCpus: 4 });
    await addNode({ numCpus: 4 });
    // A task with a stored argument takes a lease of its own: none is reused.
    const data = await put(new Uint8Array(200_000));
    const nodes = new Set<string>();
    for (let n = 0; n < 20; n++) nodes.add(await get(where.remote(data)));
    for (let n = 0; n < 20; n++) nodes.add(await get(where.remote(null)));
    expect([...nodes]).toEqual([firstNodeId()]);
  }, 60_000);
});

test("SCHED-19 processes are started only for tasks that hold resources, however many wait", async () => {
  await startCases({ numCpus: 4 });
  const endless = remote(() => new Promise<never>(() => {}), { maxRetries: 0 });
  for (let n = 0; n < 10_000; n++) {
    endless.options({ numCpus: 0.24 + (n % 100) * 0.0001 }).remote();
  }
  await waitFor("sixteen processes", () => workerCount() === 16, 60_000);
  // Starts would come a few tens of milliseconds after one another.
  for (let n = 0; n < 100; n++) {
    expect(workerCount()).toBe(16);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}, 120_000);
