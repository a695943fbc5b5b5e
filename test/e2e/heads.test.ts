/** The head is killed in the middle of everything and started again on its store: a file, or a libSQL server. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import {
  ActorDiedError,
  availableResources,
  get,
  getActor,
  getPlacementGroup,
  type HandleOf,
  kill,
  listActors,
  nodes,
  type ObjectRef,
  placementGroup,
  put,
  ready,
  release,
  remote,
  removePlacementGroup,
  runtimeContext,
  wait,
} from "mobula";
import type { LocalCluster } from "../../runtime/process/local_cluster.ts";
import { type Sqld, startSqld } from "../io/storage/sqld_fixture.ts";
import { Signal } from "../support/actors.ts";
import { endAttached, killHead, startAttached } from "../support/attach.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { endProcess, isAlive, rejection } from "../support/processes.ts";
import { testUnless } from "../support/skip.ts";
import { skipReason } from "../support/toolchain.ts";
import { waitFor } from "../support/wait_for.ts";

const leftovers = watchLeftovers();
afterAll(() => leftovers.check());

const Counter = remote(
  class Counter {
    count = 0;
    increment(): number {
      return ++this.count;
    }
    pid(): number {
      return process.pid;
    }
  },
);
const square = remote((n: number) => n * n);

/** Tasks of tasks, actor calls and stored values, all at once; the head dies when part of it is done. */
async function killDuringRun(cluster: LocalCluster): Promise<void> {
  const gate = Signal.remote();
  const keeper = Counter.options({ name: "keeper", lifetime: "detached" }).remote();
  const pid = await get(keeper.pid.remote());
  const held = remote(async (gate: HandleOf<typeof Signal>) => {
    const { get } = await import("mobula");
    await get(gate.wait.remote());
    return process.pid;
  }, { numCpus: 0, maxRetries: 0 });
  const running = held.remote(gate);
  await waitFor("a task is under way", async () => await get(gate.waiters.remote()) === 1);

  const values = await put(Float64Array.from({ length: 50_000 }, (_, i) => i));
  const sumOf = remote((values: Float64Array, n: number) => values.reduce((a, b) => a + b, n));
  const nested = remote(async (fn: typeof square, n: number) => (await import("mobula")).get(fn.remote(n)));
  const counter = Counter.remote();
  const squares: ObjectRef<number>[] = [];
  const sums: ObjectRef<number>[] = [];
  const counts: ObjectRef<number>[] = [];
  const submit = (from: number, to: number): void => {
    for (let n = from; n < to; n++) {
      squares.push(n % 10 === 0 ? nested.remote(square, n) : square.remote(n));
      if (n % 20 === 0) sums.push(sumOf.remote(values, n));
      counts.push(counter.increment.remote());
    }
  };
  submit(0, 200);
  await get(squares.slice(0, 50));
  const killed = killHead(cluster);
  submit(200, 400);
  await killed;
  // GCS-02: what is there goes on without a head; what must be committed waits for one.
  submit(400, 500);
  expect(await get(keeper.increment.remote())).toBe(1);
  const late = Counter.options({ name: "late" }).remote();
  const lateCall = late.increment.remote();
  expect((await wait([lateCall], { timeoutMs: 300 }))[0]).toEqual([]);
  await cluster.startHead();

  const total = 49_999 * 25_000;
  expect(await get(squares)).toEqual(Array.from({ length: 500 }, (_, n) => n * n));
  expect(await get(sums)).toEqual(Array.from({ length: 25 }, (_, i) => total + 20 * i));
  expect(await get(counts)).toEqual(Array.from({ length: 500 }, (_, n) => n + 1));
  expect(await get(lateCall)).toBe(1);
  // A task that ran all the time gives its result to the end.
  expect(await rejection(get(running, { timeoutMs: 0 }))).toHaveProperty("name", "GetTimeoutError");
  await get(gate.send.remote());
  expect(isAlive(await get(running))).toBe(true);
  // GCS-01: names and actors are there, and the process is the same.
  const found = await getActor<{ pid(): number; increment(): number }>("keeper");
  expect(await get(found.pid.remote())).toBe(pid);
  expect(await get(found.increment.remote())).toBe(2);
  expect(await rejection(ready(Counter.options({ name: "keeper" }).remote()))).toHaveProperty(
    "name",
    "NameTakenError",
  );
  await Promise.all([kill(found), kill(late)]);
  for (const handle of [counter, gate]) release(handle);
  values.release();
}

describe("on a file", () => {
  let cluster: LocalCluster;
  beforeAll(async () => {
    cluster = await startAttached({ numCpus: 3 });
  });
  afterAll(() => endAttached(cluster));

  test(
    "GCS-01 GCS-02 killed during a run: the run ends with the right result",
    () => killDuringRun(cluster),
    20_000,
  );

  test("and again, right after", () => killDuringRun(cluster), 20_000);

  test(
    "GCS-04 GCS-05 actors that die while there is no head: restarted, or dead with the reason",
    async () => {
      const lasting = Counter.options({ name: "lasting", lifetime: "detached", maxRestarts: 1 }).remote();
      const mortal = Counter.remote();
      const [lastingPid, mortalPid] = await get([lasting.pid.remote(), mortal.pid.remote()]);
      await get(lasting.increment.remote());
      await killHead(cluster);
      await Promise.all([endProcess(lastingPid), endProcess(mortalPid)]);
      const call = mortal.increment.remote();
      await cluster.startHead();
      const error = await rejection<ActorDiedError>(get(call));
      expect(error).toBeInstanceOf(ActorDiedError);
      expect(error.message).toContain("SIGKILL");
      const again = await waitFor("it runs again", () => get(lasting.pid.remote()).catch(() => null));
      expect(again).not.toBe(lastingPid);
      expect(await get(lasting.increment.remote())).toBe(1);
      const [row] = await listActors({ filters: ["name=lasting"] });
      expect(row).toMatchObject({ state: "ALIVE", numRestarts: 1 });
      await kill(lasting);
    },
    15_000,
  );

  test(
    "GCS-08 a node that dies while there is no head is dead after the restart; its actors die or move",
    async () => {
      const agent = await cluster.addAgent({
        numCpus: 2,
        resources: { there: 2 },
        objectStoreBytes: 32 << 20,
      });
      const { nodeId, pid } = agent.ready;
      const actor = Counter.options({ resources: { there: 1 } }).remote();
      const moving = Counter.options({ schedulingStrategy: { nodeId, soft: true }, maxRestarts: 1 }).remote();
      await Promise.all([ready(actor), ready(moving)]);
      await killHead(cluster);
      await endProcess(pid);
      await cluster.startHead();
      const error = await rejection(get(actor.increment.remote()));
      expect(error).toBeInstanceOf(ActorDiedError);
      expect(error.message).toContain(nodeId);
      await waitFor(
        "the node is dead",
        async () => (await nodes()).find((node) => node.nodeId === nodeId)?.alive === false,
      );
      const pidNow = await waitFor("the other one moved", () => get(moving.pid.remote()).catch(() => null));
      expect(isAlive(pidNow)).toBe(true);
      release(moving);
    },
    20_000,
  );

  test("a driver that comes while there is no head is served when it is back", async () => {
    const program = join(import.meta.dirname, "programs/other_driver.ts");
    await killHead(cluster);
    const { runProgram } = await import("../support/run_program.ts");
    const namespace = runtimeContext().namespace;
    const env = { MOBULA_ADDRESS: "auto", TEST_NAMESPACE: namespace };
    const answer = runProgram("bun", program, { args: ["named", "newcomer"], env });
    answer.catch(() => undefined);
    // Its hello is answered by the agent, its job only by a head.
    expect(await Promise.race([answer, new Promise((go) => setTimeout(go, 300, "waits"))])).toBe("waits");
    await cluster.startHead();
    expect(JSON.parse(await answer)[0]).toBe(1);
  }, 15_000);
});

describe("on a libSQL server", () => {
  let sqld: Sqld | undefined;
  let cluster: LocalCluster | undefined;
  afterAll(async () => {
    await endAttached(cluster);
    await sqld?.kill();
    rmSync(join(leftovers.folder, "server"), { recursive: true, force: true });
  });

  testUnless(skipReason("sqld"))("killed during a run: the run ends with the right result", async () => {
    sqld = await startSqld({ dir: leftovers.folder, name: "server" });
    cluster = await startAttached({ numCpus: 3, store: sqld.url });
    await killDuringRun(cluster);
  }, 30_000);
});

test("GCS-11 a head that comes back without its store is another cluster: the agents leave", async () => {
  const cluster = await startAttached({ numCpus: 1 });
  try {
    const counter = Counter.remote();
    const worker = await get(counter.pid.remote());
    await killHead(cluster);
    rmSync(join(cluster.sessionDir, "store"), { recursive: true });
    await cluster.startHead();
    const { pid } = cluster.agents[0]!.ready;
    await waitFor("the agent and its workers end", () => !isAlive(pid) && !isAlive(worker));
    // The driver's part is over as well: nothing hangs.
    expect(await rejection(get(counter.increment.remote()))).toBeInstanceOf(Error);
    expect(() => square.remote(2)).toThrow(/lost/);
  } finally {
    await endAttached(cluster);
  }
}, 20_000);

test(
  "GCS-10 groups in creation survive the head's death: all become ready; one that runs keeps its process",
  async () => {
    const cluster = await startAttached({ numCpus: 4, resources: { slot: 120 } });
    try {
      const kept = await placementGroup([{ CPU: 1 }], { name: "kept" });
      await get(kept.ready());
      const inside = { schedulingStrategy: { placementGroup: kept }, numCpus: 1 };
      const counter = Counter.options(inside).remote();
      const pid = await get(counter.pid.remote());
      // Thirty of them fit at a time, so that most are in creation whenever the head dies.
      const create = (length: number) =>
        Array.from({ length }, () => placementGroup([{ slot: 2 }, { slot: 2 }]));
      const groups = await Promise.all(create(60));
      // Of these it has answered nothing.
      const creating = create(40);
      await killHead(cluster);
      expect(await get(counter.increment.remote())).toBe(1);
      await cluster.startHead();
      groups.push(...await Promise.all(creating));
      expect(groups.length).toBe(100);
      // Each is ready in its turn, and gives way to the next ones.
      await Promise.all(groups.map(async (group) => removePlacementGroup(await get(group.ready()))));
      expect(await get(counter.pid.remote())).toBe(pid);
      expect((await getPlacementGroup("kept")).id).toBe(kept.id);
      const free = async () => (await availableResources()).slot === 120;
      await waitFor("nothing is left reserved", free);
    } finally {
      await endAttached(cluster);
    }
  },
  60_000,
);
