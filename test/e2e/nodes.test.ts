/** Several nodes: where work goes, what waits and why, and what happens when an agent dies or stands still. */
import { spawnSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  ActorDiedError,
  availableResources,
  get,
  type HandleOf,
  init,
  kill,
  nodes,
  release,
  remote,
  shutdown,
  wait,
} from "mobula";
import { currentDriver } from "../../runtime/api/init.ts";
import type { LocalNodeOptions } from "../../runtime/process/local_cluster.ts";
import { Signal, Tally } from "../support/actors.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { endProcess, isAlive, rejection } from "../support/processes.ts";
import { waitFor } from "../support/wait_for.ts";

const leftovers = watchLeftovers();
/** What the driver was told; mobula writes it to stderr. */
const said: string[] = [];
const write = process.stderr.write;
let here: string;

beforeAll(async () => {
  process.stderr.write = ((text: string | Uint8Array) => said.push(String(text)) > 0) as typeof write;
  // Nodes here are killed, not cut off: none is waited for as long as one that may come back.
  process.env["MOBULA_NODE_RECONNECT_MS"] = "500";
  await init({ numCpus: 4, resources: { place: 4 }, dashboard: false, objectStoreBytes: 64 << 20 });
  here = currentDriver()!.local!.agents[0]!.ready.nodeId;
});
afterAll(async () => {
  process.stderr.write = write;
  await shutdown();
  await leftovers.check();
});

/** A further node, and its end by force. */
async function addNode(options: LocalNodeOptions = {}) {
  const { ready: { nodeId, pid } } = await currentDriver()!.local!.addAgent({
    numCpus: 4,
    objectStoreBytes: 64 << 20,
    ...options,
  });
  return {
    nodeId,
    pid,
    workers: () => childrenOf(pid),
    kill: () => endProcess(pid),
    isDead: async () => (await nodes()).find((node) => node.nodeId === nodeId)?.alive === false,
  };
}

function childrenOf(pid: number): number[] {
  const { stdout } = spawnSync("pgrep", ["-P", String(pid)], { encoding: "utf8" });
  return stdout.split("\n").filter((line) => line !== "").map(Number);
}

const nodeOf = remote(async () => (await import("mobula")).runtimeContext().nodeId);
/** Runs until the gate opens; says where. */
const hold = remote(async (gate: HandleOf<typeof Signal>) => {
  const { get, runtimeContext } = await import("mobula");
  await get(gate.wait.remote());
  return runtimeContext().nodeId;
});
const Where = remote(
  class Where {
    calls = 0;
    async node(): Promise<string> {
      return (await import("mobula")).runtimeContext().nodeId;
    }
    pid(): number {
      return process.pid;
    }
    count(): number {
      return ++this.calls;
    }
  },
);

describe("placement", () => {
  let other: Awaited<ReturnType<typeof addNode>>;
  beforeAll(async () => {
    other = await addNode({ resources: { place: 4, only_there: 1 } });
  });
  afterAll(async () => {
    await other.kill();
    await waitFor("it is dead", other.isDead);
  });

  test("what only one node has decides; captures and classes get there too", async () => {
    const there = { resources: { only_there: 1 } };
    expect(await get(nodeOf.options(there).remote())).toBe(other.nodeId);
    const offset = 40;
    const Adder = remote(
      class Adder {
        add(x: number): number {
          return x + offset;
        }
      },
      { captures: { offset }, ...there },
    );
    const adder = Adder.remote();
    expect(await get(adder.add.remote(2))).toBe(42);
    await kill(adder);
    const add = remote((x: number) => x + offset, { captures: { offset }, ...there });
    expect(await get(add.remote(1))).toBe(41);
    // As a value: its receiver has only the function table.
    const call = remote(async (fn: typeof add) => (await import("mobula")).get(fn.remote(0)));
    expect(await get(call.remote(add))).toBe(40);
  });

  test("SPREAD takes both nodes", async () => {
    const nap = remote(
      async () => {
        await new Promise((resolve) => setTimeout(resolve, 100));
        return (await import("mobula")).runtimeContext().nodeId;
      },
      { schedulingStrategy: "SPREAD" },
    );
    // With workers that stand ready on both: a free one takes the next task rather than wait for another to start.
    for (const nodeId of [here, other.nodeId]) {
      await get(Array.from({ length: 2 }, () => nap.options({ schedulingStrategy: { nodeId } }).remote()));
    }
    await waitFor("all is free again", async () => (await availableResources()).CPU === 8);
    expect(new Set(await get(Array.from({ length: 4 }, () => nap.remote()))).size).toBe(2);
  });

  test("affinity takes tasks and actors to their node", async () => {
    for (const nodeId of [here, other.nodeId]) {
      const at = { schedulingStrategy: { nodeId } };
      expect(await get(nodeOf.options(at).remote())).toBe(nodeId);
      const actor = Where.options(at).remote();
      expect(await get([actor.node.remote(), actor.count.remote()])).toEqual([nodeId, 1]);
      release(actor);
    }
  });
});

describe("an agent that is killed", () => {
  test(
    "its tasks run again elsewhere, its actors restart or die with the reason, its node is dead within 10 s",
    async () => {
      const node = await addNode();
      const at = { schedulingStrategy: { nodeId: node.nodeId, soft: true } };
      const gate = Signal.options({ schedulingStrategy: { nodeId: here } }).remote();
      const tally = Tally.options({ schedulingStrategy: { nodeId: here } }).remote();
      const counted = remote(async (tally: HandleOf<typeof Tally>, gate: HandleOf<typeof Signal>) => {
        const { get, runtimeContext } = await import("mobula");
        await get(tally.add.remote(runtimeContext().nodeId));
        await get(gate.wait.remote());
        return runtimeContext().nodeId;
      });
      const make = remote(() => new Uint8Array(1 << 20));
      const retried = counted.options(at).remote(tally, gate);
      const final = counted.options({ ...at, maxRetries: 0 }).remote(tally, gate);
      const mortal = Where.options(at).remote();
      const lasting = Where.options({ ...at, maxRestarts: 1, maxTaskRetries: -1 }).remote();
      const [mortalPid, lastingPid] = await get([mortal.pid.remote(), lasting.pid.remote()]);
      expect(await get([mortal.node.remote(), lasting.node.remote()])).toEqual([node.nodeId, node.nodeId]);
      await waitFor("both tasks run", async () => await get(gate.waiters.remote()) === 2);
      const onlyThere = make.options({ ...at, maxRetries: 0 }).remote();
      await wait([onlyThere], { fetchLocal: false });
      const workers = node.workers();
      expect(workers).toContain(mortalPid);

      const killedMs = performance.now();
      await node.kill();
      // NODE-11: nothing of a node outlives its agent.
      await waitFor("its workers end", () => workers.every((pid) => !isAlive(pid)));
      await waitFor("its node is dead", node.isDead);
      expect(performance.now() - killedMs).toBeLessThan(10_000);

      const error = await rejection<ActorDiedError>(get(mortal.count.remote()));
      expect(error).toBeInstanceOf(ActorDiedError);
      expect(error.message).toContain(`node ${node.nodeId} died`);
      expect(error.actorId).toMatch(/^a-/);
      expect(await get(lasting.count.remote())).toBe(1);
      expect(await get(lasting.node.remote())).toBe(here);
      expect(await get(lasting.pid.remote())).not.toBe(lastingPid);
      await waitFor("the task runs again", async () => await get(tally.read.remote()) === 3);
      await get(gate.send.remote());
      expect(await get(retried)).toBe(here);
      expect((await rejection(get(final))).message).toContain("died");
      expect(await get(tally.take.remote())).toEqual([node.nodeId, node.nodeId, here]);
      const lost = await rejection(get(onlyThere, { timeoutMs: 5_000 }));
      expect(lost.name).toBe("ObjectLostError");
      expect(lost.message).toContain(onlyThere.id);
      for (const handle of [lasting, gate, tally]) release(handle);
    },
    20_000,
  );

  test("one that stands still for 3 s harms nobody", async () => {
    const node = await addNode();
    const gate = Signal.options({ schedulingStrategy: { nodeId: here } }).remote();
    const at = { schedulingStrategy: { nodeId: node.nodeId } };
    const running = hold.options({ ...at, maxRetries: 0 }).remote(gate);
    const actor = Where.options(at).remote();
    const pid = await get(actor.pid.remote());
    await waitFor("the task runs", async () => await get(gate.waiters.remote()) === 1);
    process.kill(node.pid, "SIGSTOP");
    const stoppedMs = performance.now();
    const call = actor.count.remote();
    // Work elsewhere goes on meanwhile.
    for (let rounds = 0; performance.now() - stoppedMs < 3_000; rounds++) {
      expect(await get(nodeOf.remote())).toBe(here);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    process.kill(node.pid, "SIGCONT");
    expect(await get(call)).toBe(1);
    expect(await get(actor.pid.remote())).toBe(pid);
    await get(gate.send.remote());
    expect(await get(running)).toBe(node.nodeId);
    expect(await node.isDead()).toBe(false);
    expect(await get(nodeOf.options(at).remote())).toBe(node.nodeId);
    await node.kill();
    release(gate);
  }, 20_000);
});
