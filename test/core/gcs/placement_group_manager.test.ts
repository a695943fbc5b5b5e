/** The placement group manager, event by event. */
import { expect, test } from "bun:test";
import type { GroupId, JobId, NodeId, ProcessId } from "../../../runtime/common/ids.ts";
import type { GroupSpec } from "../../../runtime/common/placement_group.ts";
import { toUnits } from "../../../runtime/common/resources.ts";
import type { GroupEffect, GroupEvent } from "../../../runtime/core/gcs/group_events.ts";
import { REMOVED_GROUPS_KEPT, RETRY_MS } from "../../../runtime/core/gcs/group_table.ts";
import { PlacementGroupManager } from "../../../runtime/core/gcs/placement_group_manager.ts";
import { pickRequestOf } from "../../../runtime/core/scheduler/pick_request.ts";
import type { NodeView } from "../../../runtime/core/scheduler/scheduling_policy.ts";
import { leaseRequest, N1, N2, typesOf } from "./fixtures.ts";
import { groupSpec, view } from "./placement_groups_world.ts";

const G1 = "g-1" as GroupId;
const CPU = (amount: number): Readonly<Record<string, number>> => toUnits({ CPU: amount });

/** A manager over two nodes of 2 CPUs, which answer what they are asked unless told otherwise. */
class Bench {
  views: NodeView[] = [view(N1, CPU(2)), view(N2, CPU(2))];
  nowMs = 1_000;
  manager: PlacementGroupManager = new PlacementGroupManager(0, () => this.views);

  step(event: GroupEvent): readonly GroupEffect[] {
    const effects = this.manager.step(this.nowMs, event);
    this.manager.check();
    return effects;
  }

  create(
    changes: Partial<GroupSpec> = {},
    more: { refused?: string; endsWithOwner?: boolean } = {},
  ): readonly GroupEffect[] {
    const { refused = null, endsWithOwner = false } = more;
    return this.step({
      type: "createGroup",
      requestId: "q",
      spec: groupSpec(changes),
      refused,
      endsWithOwner,
    });
  }

  /** Nodes agree to everything until nothing is asked any more; answers all effects. */
  answer(effects: readonly GroupEffect[]): GroupEffect[] {
    const all = [...effects];
    for (const effect of all) {
      if (effect.type !== "prepareBundles" && effect.type !== "commitBundles") continue;
      const { nodeId, groupId, attempt } = effect;
      const event: GroupEvent = effect.type === "prepareBundles"
        ? { type: "bundlesPrepared", nodeId, groupId, attempt, problem: null }
        : { type: "bundlesCommitted", nodeId, groupId, attempt };
      all.push(...this.step(event));
    }
    return all;
  }

  state(groupId: GroupId = G1): string | undefined {
    return this.manager.record(groupId)?.state;
  }
}

function attemptOf(effects: readonly GroupEffect[]): number {
  for (const effect of effects) if (effect.type === "prepareBundles") return effect.attempt;
  throw new Error("nothing was asked");
}

test("a group is persisted before it is answered, and reserved in two phases", () => {
  const bench = new Bench();
  const created = bench.create({ strategy: "STRICT_SPREAD", bundles: [CPU(1), CPU(2)] });
  expect(typesOf(created).slice(0, 2)).toEqual(["persistGroup", "groupFound"]);
  const attempt = attemptOf(created);
  const asked = created.filter((effect) => effect.type === "prepareBundles");
  expect(asked.map(({ nodeId }) => nodeId).sort()).toEqual([N1, N2]);
  expect(bench.state()).toBe("PENDING");
  expect(bench.step({ type: "bundlesPrepared", nodeId: N1, groupId: G1, attempt, problem: null })).toEqual(
    [],
  );
  const second = bench.step({ type: "bundlesPrepared", nodeId: N2, groupId: G1, attempt, problem: null });
  expect(typesOf(second)).toEqual(["persistGroup", "commitBundles", "commitBundles"]);
  expect(bench.state()).toBe("PREPARED");
  bench.step({ type: "bundlesCommitted", nodeId: N1, groupId: G1, attempt });
  // Told twice.
  bench.step({ type: "bundlesCommitted", nodeId: N1, groupId: G1, attempt });
  expect(bench.state()).toBe("PREPARED");
  bench.step({ type: "bundlesCommitted", nodeId: N2, groupId: G1, attempt });
  expect(bench.state()).toBe("CREATED");
});

test("a group that fits one node is whole when that node agrees; no second phase, two writes", () => {
  const bench = new Bench();
  const created = bench.create({ bundles: [CPU(1), CPU(1)] });
  expect(created.find(({ type }) => type === "prepareBundles")).toMatchObject({ final: true });
  bench.step({ type: "waitGroup", requestId: "w", groupId: G1, timeoutMs: null });
  const attempt = attemptOf(created);
  const agreed = { type: "bundlesPrepared", nodeId: N1, groupId: G1, attempt, problem: null } as const;
  const whole = bench.step(agreed);
  expect(typesOf(whole)).toEqual(["persistGroup", "groupWaited"]);
  expect(whole[0]).toMatchObject({ record: { state: "CREATED", placements: [N1, N1] } });
  // Told twice.
  expect(bench.step(agreed)).toEqual([]);
  // A bundle that it loses later is one of a group that others hold too: two phases.
  const N3 = "n-3" as NodeId;
  bench.views = [view(N3, CPU(2))];
  const lost = bench.step({ type: "nodeDied", nodeId: N1, reason: "power" });
  expect(lost.find(({ type }) => type === "prepareBundles")).toMatchObject({ nodeId: N3, final: false });
});

test("a head that died before it wrote the agreement down takes it from the node that registers", () => {
  const restarted = (held: readonly { index: number; attempt: number; committed: boolean }[]) => {
    const bench = new Bench();
    bench.create({ bundles: [CPU(1), CPU(1)] });
    const record = bench.manager.record(G1)!;
    bench.views = [];
    bench.manager = new PlacementGroupManager(bench.nowMs, () => bench.views, [record]);
    bench.step({ type: "timer" });
    bench.views = [view(N1, CPU(0)), view(N2, CPU(2))];
    const bundles = held.map((bundle) => ({ groupId: G1, ...bundle }));
    const effects = bench.step({ type: "bundlesReported", nodeId: N1, bundles });
    return { bench, effects };
  };
  const whole = restarted([0, 1].map((index) => ({ index, attempt: 7, committed: true })));
  expect(whole.bench.state()).toBe("CREATED");
  expect(typesOf(whole.effects)).toEqual(["persistGroup"]);
  expect(whole.bench.manager.record(G1)!.placements).toEqual([N1, N1]);
  // Another node says the same: it was given up for the first, and gives its own back.
  const held = [0, 1].map((index) => ({ groupId: G1, index, attempt: 6, committed: true }));
  const stray = whole.bench.step({ type: "bundlesReported", nodeId: N2, bundles: held });
  expect(stray).toMatchObject([{ type: "releaseBundles", nodeId: N2, indices: [0, 1], removed: false }]);
  // A part of it, or what does not count there, is no agreement.
  for (
    const part of [[{ index: 0, attempt: 7, committed: true }], [
      { index: 0, attempt: 7, committed: true },
      { index: 1, attempt: 7, committed: false },
    ]]
  ) {
    const { bench, effects } = restarted(part);
    expect(bench.state()).toBe("PENDING");
    expect(effects.find(({ type }) => type === "releaseBundles")).toMatchObject({
      nodeId: N1,
      indices: part.map(({ index }) => index),
    });
  }
});

test("groups that wait only for room are placed as soon as a node has some, however short ago they were tried", () => {
  const bench = new Bench();
  bench.views = [view(N1, CPU(0))];
  bench.step({ type: "nodeLoad", nodeId: N1, available: CPU(0), bundles: [] });
  for (let index = 1; index <= 100; index++) {
    bench.create({ groupId: `g-${index}` as GroupId, bundles: [CPU(1)] });
  }
  /** In the very millisecond of their last try: two find room, and take it, or are refused it. */
  const room = (problem: string | null): GroupId[] => {
    bench.views = [view(N1, CPU(2))];
    const effects = bench.step({ type: "nodeLoad", nodeId: N1, available: CPU(2), bundles: [] });
    bench.views = [view(N1, CPU(0))];
    bench.step({ type: "nodeLoad", nodeId: N1, available: CPU(0), bundles: [] });
    return effects.flatMap((effect) => {
      if (effect.type !== "prepareBundles") return [];
      const { groupId, attempt } = effect;
      bench.step({ type: "bundlesPrepared", nodeId: N1, groupId, attempt, problem });
      return [groupId];
    });
  };
  const placed = [room(null), room(null), room(null), room(null)].flat();
  expect(new Set(placed).size).toBe(8);
  for (const groupId of placed) expect(bench.state(groupId)).toBe("CREATED");
  // Those that the node refused just now are spared to it for a while; others are not.
  const refused = room("it is full");
  expect(refused.length).toBe(2);
  const others = room(null);
  expect(others.length).toBe(2);
  for (const groupId of refused) expect(others).not.toContain(groupId);
});

test("one refusal gives everything back, and the next try waits a little longer each time", () => {
  const bench = new Bench();
  let effects = bench.create({ strategy: "STRICT_SPREAD", bundles: [CPU(1), CPU(1)] });
  const pauses: number[] = [];
  for (let round = 0; round < 9; round++) {
    const attempt = attemptOf(effects);
    bench.step({ type: "bundlesPrepared", nodeId: N1, groupId: G1, attempt, problem: null });
    const refused = bench.step({
      type: "bundlesPrepared",
      nodeId: N2,
      groupId: G1,
      attempt,
      problem: "it is full",
    });
    expect(refused.filter(({ type }) => type === "releaseBundles").length).toBe(2);
    expect(bench.state()).toBe("PENDING");
    // Late: that round is over.
    expect(bench.step({ type: "bundlesPrepared", nodeId: N1, groupId: G1, attempt, problem: null })).toEqual(
      [],
    );
    const sinceMs = bench.nowMs;
    do {
      bench.nowMs += 10;
      effects = bench.step({ type: "timer" });
      // Without the node that refused there is no placement: that is a try too.
    } while (!effects.some(({ type }) => type === "prepareBundles"));
    pauses.push(bench.nowMs - sinceMs);
  }
  expect(pauses[0]).toBeGreaterThanOrEqual(RETRY_MS);
  expect(pauses.at(-1)).toBeGreaterThan(pauses[0]!);
  // Two pauses of at most a second: the one without the node, and the one after that.
  expect(pauses.at(-1)).toBeLessThanOrEqual(2_100);
});

test("SPREAD asks a node that refused again before it does with fewer, and then does with fewer", () => {
  for (const refusals of [1, 9]) {
    const bench = new Bench();
    let effects = bench.create({ strategy: "SPREAD", bundles: [CPU(1), CPU(1)] });
    let refused = 0;
    while (bench.state() !== "CREATED") {
      const asked = effects.filter((effect) => effect.type === "prepareBundles");
      const says = (nodeId: NodeId): string | null =>
        nodeId === N2 && refused < refusals ? "what ran there is on its way out" : null;
      const answers = asked.map(({ nodeId, groupId, attempt }) => {
        return { type: "bundlesPrepared", nodeId, groupId, attempt, problem: says(nodeId) } as const;
      });
      if (asked.some(({ nodeId }) => says(nodeId) !== null)) refused++;
      bench.answer(answers.flatMap((answer) => bench.step(answer)));
      bench.nowMs += 10;
      expect(bench.nowMs).toBeLessThan(10_000);
      effects = bench.step({ type: "timer" });
    }
    const nodes = new Set(bench.manager.record(G1)!.placements);
    expect([...nodes].sort()).toEqual(refusals === 1 ? [N1, N2] : [N1]);
    expect(refused).toBe(refusals === 1 ? 1 : 3);
  }
});

test("it waits for resources without holding any, and hurries when more is free", () => {
  const bench = new Bench();
  bench.views = [view(N1, CPU(1)), view(N2, CPU(1))];
  bench.step({ type: "nodeLoad", nodeId: N1, available: CPU(1), bundles: [] });
  const waiting = bench.create({ strategy: "STRICT_PACK", bundles: [CPU(1), CPU(1)] });
  expect(waiting.some(({ type }) => type === "prepareBundles")).toBe(false);
  expect(bench.manager.demand()[0]!.reason).toContain("no placement for 2 bundles (STRICT_PACK)");
  for (let tries = 0; tries < 20; tries++) {
    bench.nowMs += 1_000;
    bench.step({ type: "timer" });
  }
  bench.views = [view(N1, CPU(2)), view(N2, CPU(1))];
  bench.nowMs += 200;
  const found = bench.step({ type: "nodeLoad", nodeId: N1, available: CPU(2), bundles: [] });
  expect(attemptOf(found)).toBeGreaterThan(0);
});

test("what no cluster of these nodes could hold is warned of once", () => {
  const bench = new Bench();
  const warnings = (effects: readonly GroupEffect[]) =>
    effects.filter(({ type }) => type === "warnInfeasible");
  expect(warnings(bench.create({ bundles: [toUnits({ GPU: 4 })] })).length).toBe(1);
  bench.nowMs += 5_000;
  expect(warnings(bench.step({ type: "timer" }))).toEqual([]);
});

test("names are unique among live groups of a namespace, and free after removal", () => {
  const bench = new Bench();
  bench.answer(bench.create({ name: "train" }));
  const G2 = "g-2" as GroupId;
  const [refused] = bench.create({ groupId: G2, name: "train" });
  expect(refused).toMatchObject({ type: "groupRefused", code: "NameTakenError" });
  expect(bench.state(G2)).toBeUndefined();
  bench.create({ groupId: G2, name: "train", namespace: "other" });
  expect(bench.step({ type: "getGroup", requestId: "q", name: "train", namespace: "ns" })).toMatchObject([
    { type: "groupFound", info: { groupId: G1 } },
  ]);
  bench.step({ type: "removeGroup", requestId: "q", groupId: G1 });
  expect(bench.step({ type: "getGroup", requestId: "q", name: "train", namespace: "ns" })).toMatchObject([
    { type: "groupRefused", code: "MobulaError" },
  ]);
  bench.create({ groupId: "g-3" as GroupId, name: "train" });
  expect(bench.state("g-3" as GroupId)).toBe("PENDING");
});

test("a creation that is sent again changes nothing; one of an ended job is refused", () => {
  const bench = new Bench();
  bench.answer(bench.create());
  expect(bench.create()).toMatchObject([{ type: "groupFound", info: { groupId: G1 } }]);
  const [refused] = bench.create({ groupId: "g-2" as GroupId }, { refused: "its job has ended" });
  expect(refused).toMatchObject({ type: "groupRefused", code: "MobulaError" });
});

test("removal is idempotent, gives bundles back and tells everybody", () => {
  const bench = new Bench();
  bench.answer(bench.create());
  expect(typesOf(bench.step({ type: "removeGroup", requestId: "q", groupId: G1 }))).toEqual([
    "persistGroup",
    "releaseBundles",
    "unassigned",
    "groupRemoved",
    "removeDone",
  ]);
  expect(bench.state()).toBe("REMOVED");
  expect(typesOf(bench.step({ type: "removeGroup", requestId: "q", groupId: G1 }))).toEqual(["removeDone"]);
  const unknown = "g-9" as GroupId;
  expect(typesOf(bench.step({ type: "removeGroup", requestId: "q", groupId: unknown }))).toEqual([
    "removeDone",
  ]);
});

test("who waits hears of the creation, of the time's end, or of the removal", () => {
  const bench = new Bench();
  bench.views = [];
  bench.create();
  const wait = (requestId: string, timeoutMs: number | null): GroupEvent => ({
    type: "waitGroup",
    requestId,
    groupId: G1,
    timeoutMs,
  });
  expect(bench.step(wait("now", 0))).toEqual([{ type: "groupWaited", requestId: "now", created: false }]);
  const [timer] = bench.step(wait("soon", 50));
  expect(timer).toEqual({ type: "setTimer", atMs: bench.nowMs + 50 });
  bench.step(wait("long", null));
  bench.nowMs += 50;
  expect(bench.step({ type: "timer" })).toContainEqual({
    type: "groupWaited",
    requestId: "soon",
    created: false,
  });
  bench.views = [view(N1, CPU(2))];
  bench.nowMs += 1_000;
  const created = bench.answer(bench.step({ type: "timer" }));
  expect(created).toContainEqual({ type: "groupWaited", requestId: "long", created: true });
  expect(bench.step(wait("late", null))).toEqual([{ type: "groupWaited", requestId: "late", created: true }]);
  bench.step({ type: "removeGroup", requestId: "q", groupId: G1 });
  expect(bench.step(wait("gone", null))).toMatchObject([{ code: "PlacementGroupRemovedError" }]);
});

test("only the lost bundle is placed again when a node dies", () => {
  const bench = new Bench();
  bench.answer(bench.create({ strategy: "STRICT_SPREAD", bundles: [CPU(1), CPU(1)] }));
  const before = bench.manager.record(G1)!.placements;
  const lost = before.indexOf(N2);
  const N3 = "n-3" as NodeId;
  bench.views = [view(N1, CPU(1)), view(N3, CPU(2))];
  const effects = bench.answer(bench.step({ type: "nodeDied", nodeId: N2, reason: "power" }));
  expect(effects.filter(({ type }) => type === "prepareBundles")).toMatchObject([
    { nodeId: N3, bundles: [{ index: lost }] },
  ]);
  const states = effects.flatMap((effect) => effect.type === "persistGroup" ? [effect.record.state] : []);
  expect(states).toEqual(["RESCHEDULING", "RESCHEDULING", "CREATED"]);
  expect(bench.manager.record(G1)!.placements[1 - lost]).toBe(N1);
  expect(effects.some(({ type }) => type === "releaseBundles")).toBe(false);
});

test("groups end with their job; detached ones with nothing, those of a detached actor with its process", () => {
  const bench = new Bench();
  const J2 = "j-2" as JobId;
  const owner = "w-7" as ProcessId;
  bench.answer(bench.create());
  bench.answer(bench.create({ groupId: "g-2" as GroupId, detached: true }));
  bench.answer(
    bench.create({ groupId: "g-3" as GroupId, owner, byDetachedActor: true }, { endsWithOwner: true }),
  );
  bench.answer(bench.create({ groupId: "g-4" as GroupId, jobId: J2 }));
  bench.step({ type: "jobEnded", jobId: "j-1" as JobId });
  const states = (): (string | undefined)[] =>
    ["g-1", "g-2", "g-3", "g-4"].map((id) => bench.state(id as GroupId));
  expect(states()).toEqual(["REMOVED", "CREATED", "CREATED", "CREATED"]);
  bench.step({ type: "processExited", processId: owner });
  expect(states()).toEqual(["REMOVED", "CREATED", "REMOVED", "CREATED"]);
});

test("work inside goes to its bundle's node, and waits while there is none", () => {
  const bench = new Bench();
  bench.views = [];
  bench.create({ strategy: "STRICT_SPREAD", bundles: [CPU(1), CPU(2)] });
  const pick = (requestId: string, bundleIndex: number, cpus: number): GroupEvent => {
    const strategy = { type: "group", groupId: G1, bundleIndex, capture: false } as const;
    const lease = leaseRequest({ requestId, strategy, resources: CPU(cpus) });
    return { type: "requestPick", request: pickRequestOf(lease, N1, []) };
  };
  expect(bench.step(pick("r1", 1, 1))).toEqual([]);
  expect(bench.manager.demand().at(-1)!.reason).toContain("Waits for placement group g-1, which is PENDING");
  bench.views = [view(N1, CPU(1)), view(N2, CPU(2))];
  bench.nowMs += 1_000;
  const effects = bench.answer(bench.step({ type: "timer" }));
  expect(effects).toContainEqual(expect.objectContaining({ type: "picked", key: "d-1/r1", nodeId: N2 }));
  // Any bundle that could hold it.
  expect(bench.step(pick("r2", -1, 2))).toMatchObject([{ type: "picked", nodeId: N2 }]);
  bench.step({
    type: "nodeLoad",
    nodeId: N2,
    available: {},
    bundles: [{ groupId: G1, index: 1, available: CPU(0) }],
  });
  expect(bench.step(pick("r3", -1, 1))).toMatchObject([{ type: "picked", nodeId: N1 }]);
  bench.step({ type: "removeGroup", requestId: "q", groupId: G1 });
  expect(bench.step(pick("r4", 0, 1))).toMatchObject([{ type: "pickRemoved", groupId: G1 }]);
});

test("removed groups are remembered up to a limit", () => {
  const bench = new Bench();
  bench.views = [];
  let forgotten: readonly GroupEffect[] = [];
  for (let index = 1; index <= REMOVED_GROUPS_KEPT + 1; index++) {
    const groupId = `g-${index}` as GroupId;
    bench.manager.step(bench.nowMs, {
      type: "createGroup",
      requestId: "q",
      spec: groupSpec({ groupId }),
      refused: null,
      endsWithOwner: false,
    });
    forgotten = bench.manager.step(bench.nowMs, { type: "removeGroup", requestId: "q", groupId });
  }
  bench.manager.check();
  expect(forgotten).toContainEqual({ type: "forgetGroup", groupId: G1 });
  expect(bench.state()).toBeUndefined();
});
