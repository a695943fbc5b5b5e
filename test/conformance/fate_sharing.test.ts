/**
 * What a process submitted ends with it, on whatever node it runs; what a job submitted ends with its driver. Ray's NODE-02 has
 * 100 actors and 100 tasks on machines of many cores; here a driver has 4 actors, 4 tasks, 8 children of theirs and a
 * detached actor a round, which is 17 worker processes.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { availableResources, get, getActor, type HandleOf, kill, release, remote, shutdown } from "mobula";
import { currentDriver } from "../../runtime/api/init.ts";
import { Tally } from "../support/actors.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { endProcess, isAlive } from "../support/processes.ts";
import { StartedProgram } from "../support/started_program.ts";
import { waitFor } from "../support/wait_for.ts";
import { addNode, firstNodeId, startCases, workerRuntime } from "./cases.ts";

const DRIVER = join(import.meta.dirname, "programs/fate_driver.ts");
const SLOTS = 8;

const leftovers = watchLeftovers();
beforeAll(async () => {
  await startCases({ resources: { slot: SLOTS } });
});
afterAll(async () => {
  await shutdown();
  await leftovers.check();
});

const here = () => ({ schedulingStrategy: { nodeId: firstNodeId() } });
const gone = (pids: readonly number[]) => () => !pids.some(isAlive);
/** Runs at once exactly when so much is free. */
const probe = remote(() => "free", { numCpus: 0 });

/** A task with a child task and a child actor at the node that has `child`; all tell their pids and never end. */
const family = remote(async (tally: HandleOf<typeof Tally>) => {
  const { get, remote } = await import("mobula");
  const child = remote(async (tally: HandleOf<typeof Tally>) => {
    const { get } = await import("mobula");
    await get(tally.add.remote(["task", process.pid]));
    await new Promise(() => setInterval(() => {}, 1_000));
  }, { numCpus: 0, resources: { child: 1 } });
  const Child = remote(
    class Child {
      async begin(tally: HandleOf<typeof Tally>): Promise<void> {
        const { get } = await import("mobula");
        await get(tally.add.remote(["actor", process.pid]));
      }
    },
    { numCpus: 0, resources: { child: 1 }, maxRestarts: -1 },
  );
  const actor = Child.remote();
  const refs = [child.remote(tally), actor.begin.remote(tally)];
  await get(tally.add.remote(["parent", process.pid]));
  await get(refs);
}, { numCpus: 0, resources: { parent: 1 }, maxRetries: 0 });

/** The pids of a family, once all of it runs. */
async function begun(tally: HandleOf<typeof Tally>): Promise<Record<"parent" | "task" | "actor", number>> {
  const pids: [string, number][] = [];
  await waitFor("the family runs", async () => {
    pids.push(...await get(tally.take.remote()) as [string, number][]);
    return pids.length === 3;
  });
  return Object.fromEntries(pids) as Record<"parent" | "task" | "actor", number>;
}

for (const what of ["process", "node"] as const) {
  test(
    `NODE-01 children on another node end with their parent's ${what}, and what they held is free`,
    async () => {
      const parents = await addNode({ numCpus: 1, resources: { parent: 1 } });
      const children = await addNode({ numCpus: 1, resources: { child: 2 } });
      const tally = Tally.options(here()).remote();
      const ref = family.remote(tally);
      const pids = await begun(tally);
      await endProcess(what === "process" ? pids.parent : parents.pid);
      await waitFor("its children end", gone([pids.task, pids.actor]));
      expect(await get(probe.options({ numCpus: 0, resources: { child: 2 } }).remote())).toBe("free");
      // The actor would restart for any other reason.
      expect(await get(tally.take.remote())).toEqual([]);
      await expect(get(ref)).rejects.toThrow(/died/);
      for (const node of [parents, children]) if (isAlive(node.pid)) await node.kill();
      release(tally);
    },
    40_000,
  );
}

test("GCS-07 after a restart of the head, a task still ends with the process that submitted it", async () => {
  const parents = await addNode({ numCpus: 1, resources: { parent: 1 } });
  const children = await addNode({ numCpus: 1, resources: { child: 2 } });
  const tally = Tally.options(here()).remote();
  const ref = family.remote(tally);
  const pids = await begun(tally);
  const { local } = currentDriver()!;
  await endProcess(local!.head.ready.pid);
  await local!.startHead();
  await endProcess(pids.parent);
  await waitFor("its children end", gone([pids.task, pids.actor]));
  await expect(get(ref)).rejects.toThrow(/died/);
  expect(await get(probe.options({ numCpus: 0, resources: { child: 2 } }).remote())).toBe("free");
  for (const node of [parents, children]) await node.kill();
  release(tally);
}, 40_000);

test(
  "NODE-11 workers end by themselves when their agent is killed, an actor's and one that computes",
  async () => {
    const node = await addNode({ numCpus: 2, resources: { there: 2 } });
    const Pid = remote(
      class Pid {
        pid(): number {
          return process.pid;
        }
      },
      { numCpus: 0, resources: { there: 1 } },
    );
    const tally = Tally.options(here()).remote();
    const compute = remote(async (tally: HandleOf<typeof Tally>) => {
      const { get } = await import("mobula");
      await get(tally.add.remote(process.pid));
      for (;;);
    }, { numCpus: 0, resources: { there: 1 }, maxRetries: 0 });
    const actor = Pid.remote();
    const pid = await get(actor.pid.remote());
    const ref = compute.remote(tally);
    const [busy] = await waitFor("it computes", async () => {
      const pids = await get(tally.take.remote()) as number[];
      return pids.length === 1 && pids;
    });
    await endProcess(node.pid);
    await waitFor("both are gone", gone([pid, busy!]), 5_000);
    await expect(get(ref)).rejects.toThrow(/died/);
    release(actor);
    release(tally);
  },
  30_000,
);

test(
  "NODE-02 everything of a job ends with its driver, five times; its detached actor lives on",
  async () => {
    const { local } = currentDriver()!;
    const env = { MOBULA_ADDRESS: local!.address, MOBULA_TOKEN: local!.token };
    const far = await addNode({ numCpus: 1, resources: { far: 4 } });
    const late: Awaited<ReturnType<typeof addNode>>[] = [];
    for (let round = 0; round < 5; round++) {
      const how = round % 2 === 0 ? "stay" : "ends";
      const driver = new StartedProgram("bun", DRIVER, { args: [how, String(SLOTS), workerRuntime], env });
      // Half of the children find a place only when the second node has joined.
      if (late.length === 0) late.push(await addNode({ numCpus: 1, resources: { far: 4 } }));
      const { ending, lasting } = JSON.parse(await driver.line()) as { ending: number[]; lasting: number };
      expect(new Set(ending).size).toBe(2 * SLOTS);
      // One of the nodes hears of it late.
      if (round === 2) process.kill(far.pid, "SIGSTOP");
      if (how === "stay") driver.kill("SIGKILL");
      await driver.ended;
      if (round === 2) {
        await waitFor("the others have heard", () => ending.filter(isAlive).length <= 4);
        process.kill(far.pid, "SIGCONT");
      }
      await waitFor(`round ${round}: all of it ends`, gone(ending));
      expect(isAlive(lasting)).toBe(true);
      const all = probe.options({ numCpus: 0, resources: { slot: SLOTS } });
      expect(await get(all.remote())).toBe("free");
      await kill(await getActor("lasting", { namespace: "fate" }));
      await waitFor("the detached actor ends when it is killed", gone([lasting]));
    }
    await waitFor("all is free", async () => {
      const free = await availableResources();
      return free["slot"] === SLOTS && free["far"] === 8;
    });
    for (const node of [far, ...late]) await node.kill();
  },
  120_000,
);
