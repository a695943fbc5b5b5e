/** Placement groups, case by case, against real processes. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import {
  ActorDiedError,
  availableResources,
  clusterResources,
  get,
  getActor,
  getPlacementGroup,
  getState,
  type HandleOf,
  kill,
  listActors,
  listPlacementGroups,
  NameTakenError,
  type ObjectRef,
  type PlacementGroup,
  placementGroup,
  PlacementGroupRemovedError,
  ready,
  release,
  remote,
  removePlacementGroup,
  runtimeContext,
  shutdown,
  wait,
} from "mobula";
import { currentDriver } from "../../runtime/api/init.ts";
import { Signal } from "../support/actors.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { isAlive, rejection } from "../support/processes.ts";
import { runProgram } from "../support/run_program.ts";
import { waitFor } from "../support/wait_for.ts";
import { addNode, type CaseNode, firstNodeId, startCases } from "./cases.ts";

const leftovers = watchLeftovers();
const CPUS = 4;
let second: CaseNode;
/** Groups of the present test: removed after it. */
let groups: PlacementGroup[] = [];

beforeAll(async () => {
  await startCases({ numCpus: CPUS, numGpus: 2, namespace: "groups" });
  second = await addNode({ numCpus: CPUS });
});
afterEach(async () => {
  await Promise.all(groups.map((group) => removePlacementGroup(group)));
  groups = [];
  await allFree();
});
afterAll(async () => {
  await shutdown();
  await leftovers.check();
});

type Bundles = readonly Record<string, number>[];
type Options = Parameters<typeof placementGroup>[1];

async function group(bundles: Bundles, options?: Options): Promise<PlacementGroup> {
  const made = await placementGroup(bundles, options);
  groups.push(made);
  return made;
}

async function whole(bundles: Bundles, options?: Options): Promise<PlacementGroup> {
  const made = await group(bundles, options);
  await get(made.ready());
  return made;
}

const inside = (placementGroup: PlacementGroup, bundleIndex = -1, captureChildTasks = false) => ({
  schedulingStrategy: { placementGroup, bundleIndex, captureChildTasks },
});

async function rowOf({ id }: PlacementGroup): Promise<Record<string, unknown>> {
  return (await listPlacementGroups({ filters: [`placementGroupId=${id}`] }))[0]!;
}

async function nodesOf(made: PlacementGroup): Promise<string[]> {
  return ((await rowOf(made)).bundles as { nodeId: string }[]).map(({ nodeId }) => nodeId);
}

/** All CPUs of the cluster are nobody's again. */
async function allFree(): Promise<void> {
  await waitFor("all resources are back", async () => {
    const [free, all] = await Promise.all([availableResources(), clusterResources()]);
    return free.CPU === all.CPU && free.GPU === all.GPU;
  });
}

const Where = remote(
  class Where {
    async node(): Promise<string> {
      return (await import("mobula")).runtimeContext().nodeId;
    }
    async context(): Promise<[string | null, Record<string, number>, number[]]> {
      const { placementGroup, assignedResources, gpuIds } = (await import("mobula")).runtimeContext();
      return [placementGroup?.id ?? null, assignedResources, gpuIds];
    }
    pid(): number {
      return process.pid;
    }
  },
);
const groupOf = remote(async () => (await import("mobula")).runtimeContext().placementGroup?.id ?? null);
/** Runs until the gate opens. */
const hold = remote(async (gate: HandleOf<typeof Signal>) => {
  const { get } = await import("mobula");
  await get(gate.wait.remote());
});

async function standing(gate: HandleOf<typeof Signal>, count: number): Promise<void> {
  await waitFor(`${count} stand at the gate`, async () => await get(gate.waiters.remote()) === count);
}

/** Still pending after a while in which it had its chance. */
async function expectPending(ref: ObjectRef<unknown>): Promise<void> {
  const [done] = await wait([ref], { timeoutMs: 300 });
  expect(done).toEqual([]);
}

describe("what is refused", () => {
  test("PG-01 bundles that are none, empty, or have a reserved name", async () => {
    // deno-lint-ignore no-explicit-any -- wrong on purpose
    const create = (bundles: any, options?: any) => rejection(placementGroup(bundles, options));
    for (
      const bundles of [[], [{}], [{ CPU: 0 }], [{ CPU: -1 }], [{ bundle: 1 }], [{ CPU_group_x: 1 }], [{
        GPU: 1.5,
      }]]
    ) {
      expect(await create(bundles), JSON.stringify(bundles)).toBeInstanceOf(RangeError);
    }
    for (const bundles of [undefined, { CPU: 1 }, [1], [null], [[]], [{ CPU: "1" }], [{ CPU: NaN }]]) {
      expect(await create(bundles), JSON.stringify(bundles)).toBeInstanceOf(TypeError);
    }
    expect(await create([{ CPU: 1 }], { strategy: "TIGHT" })).toBeInstanceOf(RangeError);
    expect(await create([{ CPU: 1 }], { lifetime: "job" })).toBeInstanceOf(RangeError);
    expect(await create([{ CPU: 1 }], { name: "" })).toBeInstanceOf(RangeError);
    expect(await create([{ CPU: 1 }], { name: 7 })).toBeInstanceOf(TypeError);
    expect(await create([{ CPU: 1 }], { bundles: 7 })).toBeInstanceOf(TypeError);
    expect((await listPlacementGroups()).length).toBe(0);
  });

  test("PG-02 a bundle index that the group does not have, or without a group", async () => {
    const made = await group([{ CPU: 1 }, { CPU: 2 }]);
    for (const index of [2, 3, -2]) {
      expect(() => groupOf.options(inside(made, index)), String(index)).toThrow(RangeError);
      expect(() => Where.options(inside(made, index)), String(index)).toThrow(RangeError);
    }
    expect(() => groupOf.options(inside(made, 0.5))).toThrow(TypeError);
    const without = { schedulingStrategy: { bundleIndex: 0 } } as never;
    expect(() => groupOf.options(without)).toThrow(TypeError);
    // What no bundle could ever hold is refused when it is submitted.
    expect(() => groupOf.options({ ...inside(made), numCpus: 3 }).remote()).toThrow(RangeError);
    expect(() => groupOf.options({ ...inside(made, 0), numCpus: 2 }).remote()).toThrow(/bundle 0 has CPU 1/);
    expect(() => Where.options({ ...inside(made), resources: { gold: 1 } }).remote()).toThrow(RangeError);
  });

  test("SCHED-10 a group that is none, and options of groups outside of the strategy", async () => {
    const made = await group([{ CPU: 1 }]);
    const given = (options: unknown) => () => groupOf.options(options as never);
    for (const none of [null, undefined, "g-1", {}, { id: made.id }]) {
      expect(given({ schedulingStrategy: { placementGroup: none } })).toThrow(TypeError);
    }
    expect(given({ placementGroup: made })).toThrow(TypeError);
    expect(given({ bundleIndex: 0 })).toThrow(TypeError);
    expect(given({ schedulingStrategy: { placementGroup: made, nodeId: firstNodeId() } })).toThrow(TypeError);
    const labelled = { ...inside(made), labelSelector: { zone: "a" } };
    expect(() => groupOf.options(labelled).remote()).toThrow(RangeError);
    expect(await rejection(removePlacementGroup({ id: made.id } as never))).toBeInstanceOf(TypeError);
    expect(await rejection(made.wait("1" as never))).toBeInstanceOf(TypeError);
    expect(await rejection(made.wait(-1))).toBeInstanceOf(RangeError);
  });
});

describe("where bundles are", () => {
  test("PG-04 one node for PACK and STRICT_PACK, distinct ones for SPREAD and STRICT_SPREAD", async () => {
    for (const strategy of ["PACK", "STRICT_PACK", "SPREAD", "STRICT_SPREAD"] as const) {
      const made = await whole([{ CPU: 2 }, { CPU: 2 }], { strategy });
      const actors = [0, 1].map((index) => Where.options({ ...inside(made, index), numCpus: 2 }).remote());
      const nodes = await get(actors.map((actor) => actor.node.remote()));
      expect(nodes, strategy).toEqual(await nodesOf(made));
      expect(new Set(nodes).size, strategy).toBe(strategy.endsWith("PACK") ? 1 : 2);
      const rows = await listActors({ filters: ["state=ALIVE"] });
      expect(rows.map(({ nodeId }) => nodeId).sort(), strategy).toEqual(nodes.sort());
      // In use until here: a handle that is forgotten is collected, and ends its actor.
      actors.forEach(release);
      await removePlacementGroup(made);
      await allFree();
    }
  }, 30_000);

  test(
    "PG-05 what is reserved is separate: the third actor waits although the cluster has CPUs",
    async () => {
      const made = await whole([{ CPU: 2 }, { CPU: 2 }], { strategy: "STRICT_SPREAD" });
      const [first, second, third] = Array.from(
        { length: 3 },
        () => Where.options({ ...inside(made), numCpus: 2 }).remote(),
      );
      const nodes = await get([first!, second!].map((actor) => actor.node.remote()));
      expect(new Set(nodes).size).toBe(2);
      expect((await availableResources()).CPU).toBe(CPUS);
      const call = third!.node.remote();
      await waitFor(
        "it is known",
        async () => (await listActors({ filters: ["state=PENDING_CREATION"] })).length === 1,
      );
      await expectPending(call);
      // Work outside takes what is free there, and nothing of the bundles.
      expect(await get(groupOf.options({ numCpus: 2 }).remote())).toBeNull();
      await kill(first!);
      expect(await get(call)).toBe(nodes[0]!);
      // Its handle is in use until here: one that is forgotten is collected, and ends its actor.
      expect(await get(second!.node.remote())).toBe(nodes[1]!);
    },
    30_000,
  );

  test("PG-07 a task that is submitted before its group is there runs when it is", async () => {
    const made = await group([{ CPU: 1, late: 1 }]);
    const task = groupOf.options(inside(made, 0)).remote();
    await waitFor(
      "the group waits",
      async () => String((await rowOf(made)).message).includes("no placement"),
    );
    expect(await made.wait(0)).toBe(false);
    await expectPending(task);
    const node = await addNode({ numCpus: 1, resources: { late: 1 } });
    try {
      expect(await get(task)).toBe(made.id);
      expect(await made.wait(0)).toBe(true);
    } finally {
      await removePlacementGroup(made);
      await node.kill();
      await waitFor("the node is dead", () => node.isDead());
    }
  }, 30_000);

  test("PG-08 all or nothing: while it waits nothing is held, and everything comes back", async () => {
    const { CPU: all } = await clusterResources();
    // Actors: a task that waits would lend its CPUs.
    const busy = [firstNodeId(), second.nodeId].map((nodeId) =>
      Where.options({ numCpus: 3, schedulingStrategy: { nodeId } }).remote()
    );
    await Promise.all(busy.map((actor) => ready(actor)));
    const rest = async () => (await availableResources()).CPU === all! - 6;
    await waitFor("they hold what they need", rest);
    const made = await group([{ CPU: 2 }, { CPU: 2 }, { CPU: 1 }, { CPU: 1 }]);
    await waitFor("it was tried", async () => String((await rowOf(made)).message).includes("no placement"));
    for (let look = 0; look < 5; look++) {
      expect(await made.wait(100)).toBe(false);
      expect((await rowOf(made)).state).toBe("PENDING");
      expect(await nodesOf(made)).toEqual([null, null, null, null] as never);
      expect(await rest()).toBe(true);
    }
    await kill(busy[0]!);
    expect(await made.wait(300)).toBe(false);
    await kill(busy[1]!);
    expect(await made.wait(10_000)).toBe(true);
    await waitFor("all of it is reserved", async () => (await availableResources()).CPU === all! - 6);
    await removePlacementGroup(made);
    await waitFor("all is back", async () => (await availableResources()).CPU === all);
  }, 30_000);

  test("PG-10 a group that no node can hold is created when one that can joins", async () => {
    const made = await group([{ rare: 1 }, { rare: 1 }], { strategy: "STRICT_PACK" });
    expect(await made.wait(200)).toBe(false);
    const node = await addNode({ numCpus: 1, resources: { rare: 2 } });
    try {
      expect(await made.wait(10_000)).toBe(true);
      expect(await nodesOf(made)).toEqual([node.nodeId, node.nodeId]);
    } finally {
      await removePlacementGroup(made);
      await node.kill();
      await waitFor("the node is dead", () => node.isDead());
    }
  }, 30_000);

  test(
    "PG-11 a node's death: its bundle alone is placed again, the others and what runs there stay",
    async () => {
      const third = await addNode({ numCpus: CPUS });
      const made = await whole([{ CPU: 1 }, { CPU: 1 }, { CPU: 1 }], { strategy: "SPREAD" });
      const before = await nodesOf(made);
      expect(new Set(before).size).toBe(3);
      const lost = before.indexOf(third.nodeId);
      const options = { numCpus: 1, maxRestarts: 1, maxTaskRetries: -1 };
      const actors = before.map((_, index) => Where.options({ ...inside(made, index), ...options }).remote());
      const pids = await get(actors.map((actor) => actor.pid.remote()));
      // The others are full, so that it has to look for a place.
      const others = before.filter((nodeId) => nodeId !== third.nodeId);
      const fillers = others.map((nodeId) =>
        Where.options({ numCpus: CPUS - 1, schedulingStrategy: { nodeId } }).remote()
      );
      await Promise.all(fillers.map((filler) => ready(filler)));
      await third.kill();
      await waitFor("the bundle is missed", async () => (await rowOf(made)).state === "RESCHEDULING", 20_000);
      await kill(fillers[0]!);
      await waitFor("the group is whole", async () => (await rowOf(made)).state === "CREATED");
      const after = await nodesOf(made);
      expect(after.filter((_, index) => index !== lost)).toEqual(before.filter((_, index) => index !== lost));
      expect(after[lost]).toBe(others[0]!);
      // Live bundles kept their work; the lost one's actor came back into it.
      const pidsAfter = await get(actors.map((actor) => actor.pid.remote()));
      expect(pidsAfter.filter((_, index) => index !== lost)).toEqual(
        pids.filter((_, index) => index !== lost),
      );
      expect(await get(actors[lost]!.node.remote())).toBe(after[lost]!);
      await kill(fillers[1]!);
    },
    60_000,
  );
});

describe("what runs inside", () => {
  test("draws from its bundle, under plain names, GPU indices included", async () => {
    const made = await whole([{ CPU: 1 }, { CPU: 1, GPU: 1 }]);
    const actor = Where.options({ ...inside(made, 1), numCpus: 1, numGpus: 1 }).remote();
    const [id, resources, gpuIds] = await get(actor.context.remote());
    expect([id, resources]).toEqual([made.id, { CPU: 1, GPU: 1 }]);
    expect(gpuIds.length).toBe(1);
    expect((await availableResources()).GPU).toBe(1);
    expect(runtimeContext().placementGroup).toBeNull();
  });

  test("children join the group with captureChildTasks alone, and never those that say DEFAULT", async () => {
    const made = await whole([{ CPU: 2 }]);
    const parent = remote(async (child: typeof groupOf, Child: typeof Where) => {
      const { get } = await import("mobula");
      const own = Child.remote();
      return [
        await get(child.remote()),
        await get(child.options({ schedulingStrategy: "DEFAULT" }).remote()),
        (await get(own.context.remote()))[0],
      ];
    });
    const run = (capture: boolean) =>
      get(parent.options(inside(made, 0, capture)).remote(groupOf as never, Where as never));
    expect(await run(true)).toEqual([made.id, null, made.id]);
    expect(await run(false)).toEqual([null, null, null]);
    // The same worker outside: what was captured before is no habit.
    expect(await get(parent.remote(groupOf as never, Where as never))).toEqual([null, null, null]);
  });

  test("a task that waits for its child in a bundle of one CPU lends it that CPU", async () => {
    const made = await whole([{ CPU: 1 }]);
    const parent = remote(async (child: typeof groupOf) => {
      const { get } = await import("mobula");
      return await get(child.remote());
    });
    expect(await get(parent.options(inside(made, 0, true)).remote(groupOf as never))).toBe(made.id);
  });

  test("a group travels as a value, and its ready() needs no CPU", async () => {
    const all = await whole([{ CPU: CPUS }, { CPU: CPUS }], { strategy: "STRICT_SPREAD" });
    const said: string[] = [];
    const write = process.stderr.write;
    process.stderr.write = ((text: string | Uint8Array) => said.push(String(text)) > 0) as typeof write;
    try {
      // Nothing is free outside; the task below runs in the group that it is given.
      const use = remote(async (given: PlacementGroup, readied: PlacementGroup) => {
        const { get } = await import("mobula");
        return [given.id, readied.id, (await get(given.ready())).id, await given.wait(1_000)];
      });
      const [id, ...others] = await get(use.options(inside(all, 1)).remote(all, all.ready()));
      expect(id).toBe(all.id);
      expect(others).toEqual([all.id, all.id, true]);
      expect((await get(all.ready())).id).toBe(all.id);
    } finally {
      process.stderr.write = write;
    }
    expect(said.filter((text) => text.includes("cannot be placed"))).toEqual([]);
  });

  test("removal ends tasks and actors inside, with the reason, and is idempotent", async () => {
    const gate = Signal.remote();
    const made = await whole([{ CPU: 2 }, { CPU: 1 }]);
    const running = hold.options({ ...inside(made, 0), maxRetries: 0 }).remote(gate);
    const retried = hold.options(inside(made, 0)).remote(gate);
    await standing(gate, 2);
    const actor = Where.options({ ...inside(made, 1), numCpus: 1, maxRestarts: -1 }).remote();
    const pid = await get(actor.pid.remote());
    await removePlacementGroup(made);
    await removePlacementGroup(made);
    for (const task of [running, retried]) {
      expect(await rejection(get(task))).toBeInstanceOf(PlacementGroupRemovedError);
    }
    const died = await rejection<ActorDiedError>(get(actor.pid.remote()));
    expect(died).toBeInstanceOf(ActorDiedError);
    expect(died.cause).toBeInstanceOf(PlacementGroupRemovedError);
    await waitFor("its process is gone", () => !isAlive(pid));
    expect((await rowOf(made)).state).toBe("REMOVED");
    // What comes later fails alike.
    expect(await rejection(get(groupOf.options(inside(made)).remote()))).toBeInstanceOf(
      PlacementGroupRemovedError,
    );
    expect(await rejection(ready(Where.options(inside(made)).remote()))).toBeInstanceOf(ActorDiedError);
    expect(await rejection(get(made.ready()))).toBeInstanceOf(PlacementGroupRemovedError);
    expect(await rejection(made.wait(10))).toBeInstanceOf(PlacementGroupRemovedError);
    await kill(gate);
  }, 30_000);

  test("names are unique among live groups, and found by getPlacementGroup", async () => {
    const made = await group([{ CPU: 1 }], { name: "train" });
    expect(await rejection(placementGroup([{ CPU: 1 }], { name: "train" }))).toBeInstanceOf(NameTakenError);
    expect((await getPlacementGroup("train")).id).toBe(made.id);
    expect(await getState(made.id)).toMatchObject([{
      placementGroupId: made.id,
      name: "train",
      strategy: "PACK",
    }]);
    expect(await getState("g-none")).toEqual([]);
    expect(await rejection(getState("train"))).toBeInstanceOf(RangeError);
    expect((await rejection(getPlacementGroup("nobody"))).message).toContain('"nobody"');
    expect(await rejection(getPlacementGroup(""))).toBeInstanceOf(RangeError);
    await removePlacementGroup(made);
    expect((await rejection(getPlacementGroup("train"))).message).toContain('"train"');
    await whole([{ CPU: 1 }], { name: "train" });
  });
});

test("groups of one tick have an outcome each, and take turns where there is room for two", async () => {
  const name = "twice";
  const [one, other] = await Promise.allSettled([
    placementGroup([{ CPU: CPUS }], { name }),
    placementGroup([{ CPU: CPUS }], { name }),
  ]);
  expect(other).toMatchObject({ status: "rejected", reason: expect.any(NameTakenError) });
  const first = (one as PromiseFulfilledResult<PlacementGroup>).value;
  // More than one message holds.
  const made = await Promise.all(Array.from({ length: 150 }, () => placementGroup([{ CPU: CPUS }])));
  groups.push(first, ...made);
  await Promise.all([first, ...made].map(async (each) => {
    expect(await each.wait(60_000)).toBe(true);
    await removePlacementGroup(each);
    expect(await rejection(each.wait(0))).toBeInstanceOf(PlacementGroupRemovedError);
  }));
}, 60_000);

describe("how long groups live", () => {
  const program = `${import.meta.dirname}/programs/groups_driver.ts`;
  async function otherDriver(...args: string[]): Promise<string[]> {
    const { local } = currentDriver()!;
    const env = { MOBULA_ADDRESS: local!.address, MOBULA_TOKEN: local!.token };
    return JSON.parse(await runProgram("bun", program, { args, env })) as string[];
  }
  const stateOf = async (id: string) =>
    (await listPlacementGroups({ filters: [`placementGroupId=${id}`] }))[0]?.state;

  test("PG-13 a driver's groups end with it", async () => {
    const ids = await otherDriver("job");
    expect(ids.length).toBe(4);
    for (const id of ids) await waitFor(`${id} is removed`, async () => await stateOf(id) === "REMOVED");
    await allFree();
  }, 20_000);

  test(
    "PG-14 a detached group outlives its driver; one that a detached actor made ends with the actor",
    async () => {
      const [kept] = await otherDriver("detached", "kept");
      const [ofActor] = await otherDriver("actor", "maker");
      const found = await getPlacementGroup("kept");
      groups.push(found);
      expect(found.id).toBe(kept!);
      expect(await get(groupOf.options({ ...inside(found), numCpus: 0.5 }).remote())).toBe(kept!);
      expect(await stateOf(ofActor!)).toBe("CREATED");
      await kill(await getActor("maker"));
      await waitFor("it ends with its maker", async () => await stateOf(ofActor!) === "REMOVED");
      expect(await stateOf(kept!)).toBe("CREATED");
    },
    20_000,
  );
});
