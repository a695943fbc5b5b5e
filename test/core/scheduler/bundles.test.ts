/** Bundles of placement groups on one node: reserved, drawn from, given back. */
import { expect, test } from "bun:test";
import type { GroupId, ProcessId } from "../../../runtime/common/ids.ts";
import { toUnits } from "../../../runtime/common/resources.ts";
import type { LeaseRequest } from "../../../runtime/common/task_spec.ts";
import { UNHEARD_MS } from "../../../runtime/core/scheduler/bundle_table.ts";
import { LocalScheduler } from "../../../runtime/core/scheduler/local_scheduler.ts";
import type {
  LocalSchedulerEffect,
  LocalSchedulerEvent,
} from "../../../runtime/core/scheduler/local_scheduler_types.ts";
import { HERE, leaseRequest } from "./local_scheduler_world.ts";

const G1 = "g-1" as GroupId;
const TOTAL = toUnits({ CPU: 4, GPU: 2 });

/** A node of 4 CPUs and 2 GPUs whose workers start at once. */
class Node {
  readonly machine = new LocalScheduler({ nodeId: HERE, leaseIdPrefix: "l-", resources: TOTAL, labels: {} });
  nowMs = 1_000;
  readonly #workers: ProcessId[] = [];

  step(event: LocalSchedulerEvent): LocalSchedulerEffect[] {
    const effects = [...this.machine.step(this.nowMs, event)];
    for (const effect of [...effects]) {
      if (effect.type !== "startWorker") continue;
      const workerId = `w-${effect.startId}` as ProcessId;
      this.#workers.push(workerId);
      effects.push(...this.step({ type: "workerReady", startId: effect.startId, workerId }));
    }
    this.machine.check();
    return effects;
  }

  reserve(bundles: readonly Record<string, number>[], attempt = 1): void {
    const requests = bundles.map((resources, index) => ({ index, resources: toUnits(resources) }));
    const [answer] = this.step({
      type: "bundlesPrepare",
      groupId: G1,
      attempt,
      bundles: requests,
      final: false,
    });
    expect(answer).toEqual({ type: "bundlesPrepared", groupId: G1, attempt, problem: null });
    this.step({ type: "bundlesCommit", groupId: G1, attempt });
  }

  request(changes: Parameters<typeof leaseRequest>[0]): LocalSchedulerEffect[] {
    const request = leaseRequest({ ...changes, classKey: JSON.stringify(changes) });
    return this.step({ type: "leaseRequested", request, origin: "own", missingBytes: 0 });
  }

  /** In a bundle of the group; -1: in any. */
  inside(
    requestId: string,
    bundleIndex: number,
    cpu: number,
    more: Partial<LeaseRequest> = {},
  ): LocalSchedulerEffect[] {
    const strategy = { type: "group", groupId: G1, bundleIndex, capture: false } as const;
    return this.request({ requestId, cpu, strategy, ...more });
  }

  release(removed: boolean, indices: readonly number[] = [0, 1]): LocalSchedulerEffect[] {
    return this.step({ type: "bundlesRelease", groupId: G1, indices, removed, message: "it was removed" });
  }
}

function grantOf(
  effects: readonly LocalSchedulerEffect[],
): Extract<LocalSchedulerEffect, { type: "grant" }> | undefined {
  return effects.find((effect) => effect.type === "grant");
}

test("a bundle leaves the node's pool and comes back to the last unit", () => {
  const node = new Node();
  node.reserve([{ CPU: 2 }, { CPU: 1.5, GPU: 1 }]);
  expect(node.machine.available).toEqual(toUnits({ CPU: 0.5, GPU: 1 }));
  expect(node.machine.bundles.loads().map(({ available }) => available)).toEqual([
    toUnits({ CPU: 2 }),
    toUnits({ CPU: 1.5, GPU: 1 }),
  ]);
  node.release(true);
  expect(node.machine.available).toEqual(TOTAL);
  expect(node.machine.bundles.reports()).toEqual([]);
});

test("all bundles of a round are reserved, or none", () => {
  const node = new Node();
  const bundles = [{ index: 0, resources: toUnits({ CPU: 3 }) }, {
    index: 1,
    resources: toUnits({ CPU: 2 }),
  }];
  const [refused] = node.step({ type: "bundlesPrepare", groupId: G1, attempt: 1, bundles, final: false });
  expect(refused).toMatchObject({ problem: "bundle 1 needs CPU 2, free is CPU 1, GPU 2" });
  expect(node.machine.available).toEqual(TOTAL);
});

test("a whole group on one node counts as soon as it is reserved, and not when it is refused", () => {
  const node = new Node();
  const order = (attempt: number, cpu: number): LocalSchedulerEffect[] =>
    node.step({
      type: "bundlesPrepare",
      groupId: G1,
      attempt,
      bundles: [{ index: 0, resources: toUnits({ CPU: cpu }) }],
      final: true,
    });
  expect(order(1, 5)).toMatchObject([{ type: "bundlesPrepared", attempt: 1 }]);
  expect(grantOf(node.inside("early", 0, 1))).toBeUndefined();
  expect(node.machine.bundles.reports()).toEqual([]);
  const reserved = order(2, 3);
  expect(reserved).toContainEqual({ type: "bundlesPrepared", groupId: G1, attempt: 2, problem: null });
  // The same order again: what counts stays as it is.
  order(2, 3);
  expect(node.machine.bundles.reports()).toEqual([{ groupId: G1, index: 0, attempt: 2, committed: true }]);
  expect(grantOf(node.inside("late", 0, 2))).toBeDefined();
});

test("an order that comes again is answered again and takes nothing more; a newer round replaces an older", () => {
  const node = new Node();
  const order = (attempt: number): LocalSchedulerEvent => ({
    type: "bundlesPrepare",
    groupId: G1,
    attempt,
    bundles: [{ index: 0, resources: toUnits({ CPU: 3 }) }],
    final: false,
  });
  node.step(order(1));
  expect(node.step(order(1))[0]).toMatchObject({ type: "bundlesPrepared", attempt: 1, problem: null });
  expect(node.step(order(2))[0]).toMatchObject({ type: "bundlesPrepared", attempt: 2, problem: null });
  expect(node.machine.available["CPU"]).toBe(10_000);
  // Of the round that is over.
  node.step({ type: "bundlesCommit", groupId: G1, attempt: 1 });
  expect(node.machine.bundles.reports()).toEqual([{ groupId: G1, index: 0, attempt: 2, committed: false }]);
});

test("work inside draws from its bundle; work outside never does", () => {
  const node = new Node();
  node.reserve([{ CPU: 3 }, { CPU: 1 }]);
  expect(grantOf(node.request({ requestId: "outside", cpu: 1 }))).toBeUndefined();
  expect(grantOf(node.inside("a", 0, 2))).toBeDefined();
  expect(grantOf(node.inside("b", 0, 2))).toBeUndefined();
  expect(grantOf(node.inside("c", 1, 1))).toBeDefined();
  expect(grantOf(node.inside("d", -1, 1))).toBeDefined();
  expect(grantOf(node.inside("e", -1, 1))).toBeUndefined();
});

test("nothing runs in a bundle before it counts", () => {
  const node = new Node();
  const bundles = [{ index: 0, resources: toUnits({ CPU: 2 }) }];
  node.step({ type: "bundlesPrepare", groupId: G1, attempt: 1, bundles, final: false });
  const asked = node.inside("a", 0, 1);
  expect(grantOf(asked)).toBeUndefined();
  // Its node is the head's to say, and may be this one in a moment.
  expect(asked.some(({ type }) => type === "pickNode")).toBe(true);
  node.step({ type: "bundlesCommit", groupId: G1, attempt: 1 });
  const picked = node.step({ type: "nodePicked", key: "d-1/a", nodeId: HERE });
  expect(grantOf(picked)).toBeDefined();
});

test("GPUs inside are those that the bundle took, by index", () => {
  const node = new Node();
  node.reserve([{ GPU: 1 }, { GPU: 0.5 }]);
  const first = grantOf(node.inside("a", 1, 0, { resources: toUnits({ GPU: 0.5 }) }));
  const second = grantOf(node.inside("b", 0, 0, { resources: toUnits({ GPU: 1 }) }));
  expect([second!.gpuIds, first!.gpuIds]).toEqual([[0], [1]]);
  expect(grantOf(node.request({ requestId: "out", cpu: 0, gpu: 0.5 }))!.gpuIds).toEqual([1]);
  expect(grantOf(node.request({ requestId: "no", cpu: 0, gpu: 1 }))).toBeUndefined();
});

test("the CPU of a blocked task is lent within its bundle only", () => {
  const node = new Node();
  node.reserve([{ CPU: 1 }, { CPU: 3 }]);
  const { workerId } = grantOf(node.inside("parent", 0, 1))!;
  expect(grantOf(node.inside("child", 0, 1, { depth: 1 }))).toBeUndefined();
  expect(grantOf(node.request({ requestId: "outside", cpu: 1 }))).toBeUndefined();
  const lent = node.step({ type: "workerBlocked", workerId });
  expect(lent.filter(({ type }) => type === "grant").length).toBe(1);
  expect(grantOf(lent)!.request.requestId).toBe("child");
});

test("removal ends what runs inside and refuses what waits; the resources come back with the last process", () => {
  const node = new Node();
  node.reserve([{ CPU: 2 }, { CPU: 2 }]);
  const { workerId, leaseId } = grantOf(node.inside("runs", 0, 2))!;
  node.inside("waits", 0, 1);
  const effects = node.release(true);
  expect(effects).toContainEqual(expect.objectContaining({ type: "stopWorker", workerId, force: true }));
  expect(effects).toContainEqual(expect.objectContaining({ type: "leaseLost", leaseId }));
  expect(effects).toContainEqual(
    expect.objectContaining({
      type: "reject",
      key: "d-1/waits",
      code: "PlacementGroupRemovedError",
      retry: false,
    }),
  );
  expect(node.machine.available["CPU"]).toBe(20_000);
  node.step({ type: "workerExited", workerId, cause: { code: "PLACEMENT_GROUP_REMOVED", message: "" } });
  expect(node.machine.available).toEqual(TOTAL);
});

test("what waited for a bundle that is given back looks for its new node", () => {
  const node = new Node();
  node.reserve([{ CPU: 2 }]);
  node.inside("runs", 0, 2);
  node.inside("waits", 0, 1);
  node.nowMs += 5_000;
  const effects = node.release(false, [0]);
  expect(effects.some(({ type }) => type === "reject")).toBe(false);
  node.nowMs += 1_000;
  const later = node.step({ type: "timer" });
  expect([...effects, ...later].some((effect) => effect.type === "pickNode" && effect.key === "d-1/waits"))
    .toBe(true);
});

test("a reservation of which nothing is heard is asked about", () => {
  const node = new Node();
  const bundles = [{ index: 0, resources: toUnits({ CPU: 2 }) }];
  const prepared = node.step({ type: "bundlesPrepare", groupId: G1, attempt: 1, bundles, final: false });
  expect(prepared).toContainEqual({ type: "setTimer", atMs: node.nowMs + UNHEARD_MS });
  node.nowMs += UNHEARD_MS;
  expect(node.step({ type: "timer" })).toContainEqual({
    type: "bundlesAsked",
    groupId: G1,
    attempt: 1,
    indices: [0],
  });
});

test("leases outside are not asked back for work inside, nor the other way round", () => {
  const node = new Node();
  node.reserve([{ CPU: 2 }]);
  node.inside("a", 0, 2, { submitter: "d-2" as ProcessId });
  node.request({ requestId: "b", cpu: 2, submitter: "d-2" as ProcessId });
  node.nowMs += 1_000;
  const waiting = node.inside("c", 0, 1);
  const asked = waiting.filter((effect) => effect.type === "reclaimLease");
  expect(asked.length).toBe(1);
  expect(asked[0]).toMatchObject({ leaseId: "l-1" });
});
