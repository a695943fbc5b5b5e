/** The global scheduler: where requests go and why, what waits, what it says about it. */
import { describe, expect, test } from "bun:test";
import type { NodeId, ObjectId } from "../../../runtime/common/ids.ts";
import { Prng } from "../../../runtime/common/prng.ts";
import { toUnits } from "../../../runtime/common/resources.ts";
import { ASSIGNMENT_SETTLES_MS } from "../../../runtime/core/scheduler/cluster_nodes.ts";
import {
  EXCLUSION_MS,
  GlobalScheduler,
  type SchedulerEffect,
  type SchedulerEvent,
} from "../../../runtime/core/scheduler/global_scheduler.ts";
import { type PickRequest, pickRequestOf } from "../../../runtime/core/scheduler/pick_request.ts";
import type { ArgumentPlace } from "../../../runtime/core/scheduler/scheduling_policy.ts";
import type { Heartbeat } from "../../../runtime/protocol/messages.ts";
import { heartbeat, J1, leaseRequest, N1, N2, N3, O1 } from "../gcs/fixtures.ts";

class Bench {
  readonly places: Map<ObjectId, ArgumentPlace> = new Map();
  readonly machine: GlobalScheduler = new GlobalScheduler((id) => this.places.get(id) ?? null);
  nowMs: number = 1_000;
  #keys: number = 0;

  step(event: SchedulerEvent): readonly SchedulerEffect[] {
    const effects = this.machine.step(this.nowMs, event);
    this.machine.check();
    return effects;
  }

  join(
    nodeId: NodeId,
    quantities: Record<string, number>,
    labels: Record<string, string> = {},
  ): readonly SchedulerEffect[] {
    return this.step({ type: "nodeJoined", nodeId, resources: toUnits(quantities), labels });
  }

  load(nodeId: NodeId, changes: Omit<Partial<Heartbeat>, "nodeId">): void {
    this.step({ type: "heartbeatAccepted", heartbeat: heartbeat({ nodeId, ...changes }) });
  }

  ask(changes: Partial<PickRequest> = {}): readonly SchedulerEffect[] {
    const request: PickRequest = {
      key: `k${++this.#keys}`,
      kind: "task",
      asker: N1,
      jobId: J1,
      name: "work",
      resources: toUnits({ CPU: 1 }),
      strategy: { type: "hybrid" },
      args: [],
      exclude: [],
      ...changes,
    };
    return this.step({ type: "requestPick", request });
  }

  /** The node that a request goes to, or null when it waits or fails. */
  picked(changes: Partial<PickRequest> = {}): NodeId | null {
    const picked = this.ask(changes).find((effect) => effect.type === "picked");
    return picked?.nodeId ?? null;
  }
}

const BIG = { id: O1, home: N1, bytes: 64_000_000 };
const NONE = { CPU: 0 };

describe("the least expected wait", () => {
  test("a task goes to its large argument when both nodes are free, and the trace says what each would cost", () => {
    const bench = new Bench();
    bench.join(N1, { CPU: 2 });
    bench.join(N2, { CPU: 2 });
    bench.places.set(O1, { bytes: 64_000_000, nodes: new Set([N2]) });
    bench.load(N1, { available: toUnits({ CPU: 2 }), bandwidth: { [N2]: 1.2e9 } as Record<NodeId, number> });
    const cost = {
      availableNow: true,
      usedShare: 0,
      queueMs: 0,
      moveBytes: 0,
      bandwidth: 1e9,
      measured: false,
      totalMs: 0,
    };
    expect(bench.ask({ key: "k", args: [BIG] })).toEqual([{
      type: "picked",
      key: "k",
      nodeId: N2,
      costs: [
        { ...cost, nodeId: N2 },
        { ...cost, nodeId: N1, moveBytes: 64_000_000, bandwidth: 1.2e9, measured: true, totalMs: 53 },
      ],
      detail: "n-2: free (0 % used) = 0 ms; n-1: free (0 % used) + move 61.0 MiB / 1.12 GiB/s = 53 ms",
    }]);
  });

  test("what is free now beats waiting, unless moving the argument takes longer; one that has waited goes", () => {
    const bench = new Bench();
    bench.join(N1, { CPU: 4 });
    bench.join(N2, { CPU: 2 });
    bench.places.set(O1, { bytes: 64_000_000, nodes: new Set([N2]) });
    // 25 ms against 64 ms; the node may seem full only because a lease there has just become idle.
    bench.load(N2, { available: NONE, queueLength: 1, queueWaitMs: 10 });
    expect(bench.picked({ args: [BIG] })).toBe(N2);
    expect(bench.picked({ args: [{ ...BIG, id: "o-2" as ObjectId }] })).toBe(N1);
    bench.load(N2, { sequence: 2, available: NONE, queueLength: 1, queueWaitMs: 100 });
    expect(bench.picked({ args: [BIG] })).toBe(N1);
    bench.load(N2, { sequence: 3, available: NONE, queueLength: 1, queueWaitMs: 10 });
    expect(bench.picked({ args: [BIG], waitingAt: N2 })).toBe(N1);
  });

  test("when nothing is free, queue time and bytes to move are weighed", () => {
    const bench = new Bench();
    for (const node of [N1, N2]) bench.join(node, { CPU: 2 });
    bench.places.set(O1, { bytes: 64_000_000, nodes: new Set([N2]) });
    bench.load(N1, { available: NONE, queueWaitMs: 30 });
    bench.load(N2, { available: NONE, queueWaitMs: 80 });
    // 30 + 64 ms against 80 + 0 ms.
    expect(bench.picked({ args: [BIG] })).toBe(N2);
    expect(bench.picked()).toBe(N1);
  });

  test("a burst spreads: what was assigned counts until the node's own figures have it", () => {
    const bench = new Bench();
    for (const node of [N1, N2, N3]) bench.join(node, { CPU: 2 });
    const counts = new Map<NodeId, number>();
    for (let index = 0; index < 6; index++) {
      const node = bench.picked()!;
      counts.set(node, (counts.get(node) ?? 0) + 1);
    }
    expect([...counts.values()]).toEqual([2, 2, 2]);
    // Full by its own account of what was assigned; a heartbeat from before does not undo that.
    bench.load(N1, { available: toUnits({ CPU: 2 }) });
    bench.nowMs += ASSIGNMENT_SETTLES_MS;
    bench.load(N1, { sequence: 2, available: toUnits({ CPU: 1 }) });
    expect(bench.picked()).toBe(N1);
  });

  test("figures that show an assignment end its counting, also at once", () => {
    const bench = new Bench();
    bench.join(N1, { CPU: 2 });
    bench.join(N2, { CPU: 2 });
    bench.load(N1, { available: toUnits({ CPU: 0 }) });
    bench.load(N2, { available: toUnits({ CPU: 2 }) });
    expect(bench.picked()).toBe(N2);
    bench.nowMs += 10;
    bench.load(N2, { available: toUnits({ CPU: 1 }) });
    bench.load(N1, { available: toUnits({ CPU: 1 }) });
    // Its argument is there, and one CPU is free there: counted twice, none would be.
    bench.places.set(O1, { bytes: 64_000_000, nodes: new Set([N2]) });
    expect(bench.picked({ args: [BIG] })).toBe(N2);
  });

  test("spread takes the nodes in turn, those that are free first", () => {
    const bench = new Bench();
    for (const node of [N1, N2, N3]) bench.join(node, { CPU: 4 });
    bench.load(N2, { available: NONE });
    const strategy = { type: "spread" } as const;
    expect([1, 2, 3, 4].map(() => bench.picked({ strategy }))).toEqual([N1, N3, N1, N3]);
  });
});

describe("the default strategy", () => {
  test("packs on nodes that are less than half used, in the order of joining, then takes the least used", () => {
    const bench = new Bench();
    for (const node of [N1, N2, N3]) bench.join(node, { CPU: 4 });
    const asker = null;
    const order = Array.from({ length: 12 }, () => bench.picked({ asker }));
    expect(order.slice(0, 6)).toEqual([N1, N1, N2, N2, N3, N3]);
    expect(order.slice(6)).toEqual([N1, N2, N3, N1, N2, N3]);
  });

  test("the node that asks comes first among those that are as little used as any", () => {
    const bench = new Bench();
    for (const node of [N1, N2, N3]) bench.join(node, { CPU: 4 });
    expect([1, 2, 3].map(() => bench.picked({ asker: N3 }))).toEqual([N3, N3, N1]);
  });

  test("the scarcest of CPU, memory and what is asked for counts; others may be used up", () => {
    const bench = new Bench();
    bench.join(N1, { CPU: 4, memory: 2, disk: 2 });
    bench.join(N2, { CPU: 4, memory: 2, disk: 2 });
    bench.load(N1, { available: toUnits({ CPU: 4, memory: 2 }) });
    expect(bench.picked({ asker: null })).toBe(N1);
    expect(bench.picked({ asker: null, resources: toUnits({ disk: 1 }) })).toBe(N2);
    bench.load(N1, { available: toUnits({ CPU: 4, memory: 1, disk: 2 }) });
    expect(bench.picked({ asker: null })).toBe(N2);
  });

  test("the trace has the best few of many nodes, and how many more there are", () => {
    const bench = new Bench();
    for (let index = 0; index < 9; index++) bench.join(`n-${index}` as NodeId, { CPU: 4 });
    expect(bench.ask({ asker: null })).toMatchObject([{
      detail:
        "n-0: free (0 % used) = 0 ms; n-1: free (0 % used) = 0 ms; n-2: free (0 % used) = 0 ms; 6 more nodes",
    }]);
  });
});

describe("fallbacks of a label selector", () => {
  const wishes = {
    labelSelector: { zone: "eu" },
    fallbackStrategy: [{ labelSelector: { zone: "us" } }, { labelSelector: {} }],
  };

  test("are tried in order while no live node that has the resources meets the ones before", () => {
    const bench = new Bench();
    bench.join(N1, { CPU: 2 }, { zone: "asia" });
    expect(bench.picked(wishes)).toBe(N1);
    bench.join(N2, { CPU: 2 }, { zone: "us" });
    expect(bench.picked(wishes)).toBe(N2);
    bench.join(N3, { CPU: 1 }, { zone: "eu" });
    expect(bench.picked(wishes)).toBe(N3);
    expect(bench.picked({ ...wishes, resources: toUnits({ CPU: 2 }) })).toBe(N2);
    bench.step({ type: "nodeDied", nodeId: N3, reason: "silent" });
    expect(bench.picked(wishes)).toBe(N2);
  });

  test("a busy node of the first choice is waited for", () => {
    const bench = new Bench();
    bench.join(N1, { CPU: 2 }, { zone: "us" });
    bench.join(N2, { CPU: 2 }, { zone: "eu" });
    bench.load(N2, { available: NONE, queueWaitMs: 5_000 });
    expect(bench.picked(wishes)).toBe(N2);
  });

  test("what none meets waits, and the warning names all of them", () => {
    const bench = new Bench();
    bench.join(N1, { CPU: 2 }, { zone: "asia" });
    const fallbackStrategy = [{ labelSelector: { zone: "us" } }];
    const text = "no node has CPU 1 and zone=eu or zone=us; the nearest is n-1: zone must be eu (is asia)";
    expect(bench.ask({ ...wishes, fallbackStrategy })).toMatchObject([{
      text: expect.stringContaining(text),
    }]);
    expect(bench.join(N2, { CPU: 2 }, { zone: "us" })).toMatchObject([{ type: "picked", nodeId: N2 }]);
  });

  test("hard affinity to a node that meets only a fallback holds", () => {
    const bench = new Bench();
    bench.join(N1, { CPU: 2 }, { zone: "us" });
    const strategy = { type: "nodeAffinity", nodeId: N1, soft: false } as const;
    expect(bench.picked({ labelSelector: { zone: "eu" }, strategy })).toBe(null);
    expect(bench.picked({ ...wishes, strategy })).toBe(N1);
  });
});

describe("what cannot be placed now", () => {
  test("an infeasible request waits with one warning that says what is missing, and goes when a node fits", () => {
    const bench = new Bench();
    bench.join(N1, { CPU: 2 });
    bench.join(N2, { CPU: 4, GPU: 1 });
    const resources = toUnits({ CPU: 4, GPU: 2 });
    const reason = "no node has CPU 4, GPU 2; the nearest is n-2: it needs GPU 2 (has 1)";
    expect(bench.ask({ key: "k", resources })).toEqual([{
      type: "warnInfeasible",
      jobId: J1,
      text: `Task work cannot be placed: ${reason}. It waits until a node that fits joins.`,
    }]);
    expect(bench.ask({ resources })).toEqual([]);
    expect(bench.machine.demand()).toEqual([{ name: "work", resources, count: 2, reason }]);
    expect(bench.join(N3, { CPU: 8, GPU: 4 })).toMatchObject([
      { type: "picked", key: "k", nodeId: N3 },
      { type: "picked", nodeId: N3 },
    ]);
    expect(bench.machine.demand()).toEqual([]);
  });

  test("nobody looks again at requests that a node, a heartbeat or the clock does not help", () => {
    let looked = 0;
    const machine = new GlobalScheduler(() => {
      looked++;
      return null;
    });
    const step = (event: SchedulerEvent) => machine.step(1_000, event);
    const join = (nodeId: NodeId, quantities: Record<string, number>) =>
      step({ type: "nodeJoined", nodeId, resources: toUnits(quantities), labels: {} });
    join(N1, { CPU: 2 });
    const asked = { kind: "task", asker: N1, jobId: J1, name: "work", args: [BIG], exclude: [] } as const;
    for (let index = 0; index < 1_000; index++) {
      const resources = toUnits({ GPU: 1 + index % 2 });
      const request: PickRequest = { ...asked, key: `k${index}`, resources, strategy: { type: "hybrid" } };
      step({ type: "requestPick", request });
    }
    looked = 0;
    join(N2, { CPU: 8 });
    step({ type: "heartbeatAccepted", heartbeat: heartbeat({ nodeId: N2 }) });
    step({ type: "tick" });
    expect(looked).toBe(0);
    expect(machine.demand().map(({ count }) => count)).toEqual([500, 500]);
    // Half of them: the other shape is not looked at.
    expect(join(N3, { GPU: 1 })).toHaveLength(500);
    expect(looked).toBe(500);
  });

  test("an empty cluster says so", () => {
    expect(new Bench().ask()).toMatchObject([{
      text: expect.stringContaining("no node that takes new work"),
    }]);
  });

  test("labels are a hard condition", () => {
    const bench = new Bench();
    bench.join(N1, { CPU: 2 }, { zone: "us" });
    expect(bench.ask({ labelSelector: { zone: "eu" } })).toMatchObject([{
      text: expect.stringContaining("zone must be eu (is us)"),
    }]);
    bench.join(N2, { CPU: 2 }, { zone: "eu" });
    expect(bench.picked({ labelSelector: { zone: "eu" } })).toBe(N2);
  });

  test("suspects get nothing, without a warning; back alive, they get what waited", () => {
    const bench = new Bench();
    bench.join(N1, { CPU: 2 });
    bench.step({ type: "nodeStateChanged", nodeId: N1, state: "SUSPECT" });
    expect(bench.ask()).toEqual([]);
    expect(bench.machine.demand()[0]!.reason).toBe("n-1 would fit, but cannot be reached now");
    expect(bench.step({ type: "nodeStateChanged", nodeId: N1, state: "ALIVE" })).toMatchObject([{
      nodeId: N1,
    }]);
  });

  test("an exclusion holds for a while only", () => {
    const bench = new Bench();
    bench.join(N1, { CPU: 2 });
    expect(bench.ask({ exclude: [N1] })).toEqual([]);
    bench.nowMs += EXCLUSION_MS - 1;
    expect(bench.step({ type: "tick" })).toEqual([]);
    bench.nowMs += 1;
    expect(bench.step({ type: "tick" })).toMatchObject([{ type: "picked", nodeId: N1 }]);
  });

  test("draining nodes take nothing new", () => {
    const bench = new Bench();
    bench.join(N1, { CPU: 2 });
    bench.join(N2, { CPU: 2 });
    bench.step({ type: "nodeDraining", nodeId: N1 });
    expect([1, 2, 3].map(() => bench.picked())).toEqual([N2, N2, N2]);
  });

  test("cancelled, ended and orphaned requests are forgotten; actors of an ended job are not", () => {
    const bench = new Bench();
    bench.ask({ key: "cancelled" });
    bench.ask({ key: "orphan", asker: N2 });
    bench.ask({ key: "actor", kind: "actor", asker: null });
    bench.step({ type: "cancelPick", key: "cancelled" });
    bench.step({ type: "nodeDied", nodeId: N2, reason: "silent" });
    bench.ask({ key: "ended" });
    bench.step({ type: "jobEnded", jobId: J1 });
    expect(bench.join(N1, { CPU: 2 })).toMatchObject([{ type: "picked", key: "actor" }]);
  });
});

describe("affinity", () => {
  const hard = { type: "nodeAffinity", nodeId: N2, soft: false } as const;

  test("hard affinity to a node that is dead, draining or too small fails with the reason", () => {
    const bench = new Bench();
    bench.join(N1, { CPU: 2 });
    const start = "Cannot place work on node n-2, which its schedulingStrategy demands (soft: false): ";
    expect(bench.ask({ key: "k", strategy: hard })).toEqual([
      { type: "pickFailed", key: "k", message: `${start}it is dead or unknown` },
    ]);
    bench.join(N2, { CPU: 1 });
    expect(bench.ask({ key: "k", strategy: hard, resources: toUnits({ CPU: 2 }) })).toEqual([
      { type: "pickFailed", key: "k", message: `${start}it needs CPU 2 (has 1)` },
    ]);
    bench.step({ type: "nodeDraining", nodeId: N2 });
    expect(bench.ask({ strategy: hard })).toMatchObject([{ message: `${start}it is draining` }]);
  });

  test("hard affinity to a busy node queues there, soft affinity falls back where the node cannot", () => {
    const bench = new Bench();
    bench.join(N1, { CPU: 2 });
    bench.join(N2, { CPU: 2 });
    bench.load(N2, { available: NONE, queueWaitMs: 5_000 });
    expect(bench.picked({ strategy: hard })).toBe(N2);
    expect(bench.picked({ strategy: { ...hard, soft: true } })).toBe(N2);
    expect(bench.picked({ strategy: { type: "nodeAffinity", nodeId: N3, soft: true } })).toBe(N1);
  });
});

test("a request that waits at a node stays there until another one is free", () => {
  const bench = new Bench();
  bench.join(N1, { CPU: 1 });
  bench.join(N2, { CPU: 1 });
  bench.load(N1, { available: NONE });
  bench.load(N2, { available: NONE, queueLength: 9, queueWaitMs: 900 });
  expect(bench.picked({ waitingAt: N2 })).toBe(N2);
  bench.load(N1, { available: { CPU: 10_000 } });
  expect(bench.picked({ waitingAt: N2, strategy: { type: "nodeAffinity", nodeId: N2, soft: false } })).toBe(
    N2,
  );
  expect(bench.picked({ waitingAt: N2, strategy: { type: "nodeAffinity", nodeId: N2, soft: true } })).toBe(
    N1,
  );
  // That one is assigned now.
  expect(bench.picked({ waitingAt: N2 })).toBe(N2);
  bench.step({ type: "nodeDied", nodeId: N2, reason: "it left" });
  expect(bench.picked({ waitingAt: N2 })).toBe(N1);
});

test("an actor is better elsewhere only when its node has no room and another has", () => {
  const bench = new Bench();
  bench.join(N1, { CPU: 1 });
  bench.join(N2, { CPU: 1 });
  const request = pickRequestOf(leaseRequest({ kind: "actor" }), N1, []);
  expect(bench.machine.betterElsewhere(request, N1)).toBe(false);
  bench.load(N1, { available: NONE });
  expect(bench.machine.betterElsewhere(request, N1)).toBe(true);
  expect(
    bench.machine.betterElsewhere(
      { ...request, strategy: { type: "nodeAffinity", nodeId: N1, soft: false } },
      N1,
    ),
  )
    .toBe(false);
  bench.load(N2, { available: NONE });
  expect(bench.machine.betterElsewhere(request, N1)).toBe(false);
});

test("random requests on random nodes keep the invariants", () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const prng = new Prng(seed);
  const bench = new Bench();
  const nodes = [N1, N2, N3];
  try {
    for (let round = 0; round < 3_000; round++) {
      const nodeId = prng.pick(nodes);
      const kind = prng.below(9);
      if (kind === 0) bench.join(nodeId, { CPU: prng.between(1, 4), GPU: prng.below(2) });
      else if (kind === 1 && prng.chance(20)) bench.step({ type: "nodeDied", nodeId, reason: "silent" });
      else if (kind === 2) {
        bench.step({ type: "nodeStateChanged", nodeId, state: prng.chance(60) ? "ALIVE" : "SUSPECT" });
      } else if (kind === 3) {
        bench.load(nodeId, { available: toUnits({ CPU: prng.below(4) }), queueLength: prng.below(9) });
      } else if (kind === 4) bench.step({ type: "tick" });
      else {
        const soft = prng.chance(50);
        bench.ask({
          key: `k${prng.below(30)}`,
          resources: toUnits({ CPU: prng.between(0, 5), GPU: prng.below(2) }),
          strategy: prng.chance(20) ? { type: "nodeAffinity", nodeId, soft } : { type: "hybrid" },
          exclude: prng.chance(20) ? [nodeId] : [],
        });
      }
      bench.nowMs += prng.below(300);
    }
  } catch (error) {
    throw new Error(`seed ${seed}`, { cause: error });
  }
});
