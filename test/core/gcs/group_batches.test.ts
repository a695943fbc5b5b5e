/** Messages about many placement groups at once: how the GCS answers them, and what it orders in one step. */
import { expect, test } from "bun:test";
import type { GroupId, JobId, ProcessId } from "../../../runtime/common/ids.ts";
import { toUnits } from "../../../runtime/common/resources.ts";
import { Gcs } from "../../../runtime/core/gcs/gcs.ts";
import type { GcsEffect, GcsEvent, GroupWish, Of } from "../../../runtime/core/gcs/gcs_events.ts";
import { OrderBatches } from "../../../runtime/core/gcs/group_batches.ts";
import type { BundleOrder, BundleWord, GroupOutcome } from "../../../runtime/protocol/group_messages.ts";
import { heartbeat, N1, registration } from "./fixtures.ts";
import { groupSpec } from "./placement_groups_world.ts";

const JOB = "j-1" as JobId;
const ids = (count: number): GroupId[] => Array.from({ length: count }, (_, at) => `g-${at + 1}` as GroupId);

/** A head with one node of 8 CPUs and a running job. */
class Bench {
  readonly gcs: Gcs = new Gcs(0);
  nowMs = 1_000;

  constructor() {
    const resources = toUnits({ CPU: 8 });
    this.step({
      type: "registerNode",
      requestId: "r0",
      connection: 1,
      registration: registration({ nodeId: N1, resources }),
    });
    this.step({
      type: "addJob",
      requestId: "r1",
      newJobId: JOB,
      driverId: "d-1" as ProcessId,
      nodeId: N1,
      namespace: "ns",
      entrypoint: "x.ts",
      pid: 1,
      runtime: "bun",
    });
  }

  step(event: GcsEvent): readonly GcsEffect[] {
    const effects = this.gcs.step(this.nowMs, event);
    this.gcs.check();
    return effects;
  }

  wish(requestId: string, wishes: readonly GroupWish[]): readonly GcsEffect[] {
    return this.step({ type: "groupWishes", requestId, wishes });
  }

  create(requestId: string, groupIds: readonly GroupId[], name: string = ""): readonly GcsEffect[] {
    return this.wish(
      requestId,
      groupIds.map((groupId) => ({ type: "createGroup", spec: groupSpec({ groupId, jobId: JOB, name }) })),
    );
  }

  /** The node agrees to these groups, in one message. */
  agree(orders: readonly BundleOrder[]): readonly GcsEffect[] {
    const words = orders.flatMap((order): BundleWord[] => {
      if (order.type !== "bundlesPrepare") return [];
      const { groupId, attempt } = order;
      return [{ type: "bundlesPrepared", groupId, attempt, problem: null }];
    });
    return this.step({ type: "bundlesTold", requestId: "b", nodeId: N1, words });
  }
}

function sends(effects: readonly GcsEffect[]): { orders: readonly BundleOrder[]; afterCommit: boolean }[] {
  return effects.flatMap((effect) => {
    if (effect.type !== "send" || effect.method !== "bundleOrders") return [];
    return [{ orders: effect.params.orders, afterCommit: effect.afterCommit }];
  });
}

function outcomes(effects: readonly GcsEffect[], requestId: string): (GroupOutcome | null)[] | null {
  const replies = effects.filter((effect): effect is Of<GcsEffect, "reply"> =>
    effect.type === "reply" && effect.requestId === requestId
  );
  expect(replies.length).toBeLessThanOrEqual(1);
  if (replies.length === 0) return null;
  expect(replies[0]!.afterCommit).toBe(true);
  return replies[0]!.result["outcomes"] as (GroupOutcome | null)[];
}

test("groups that come in one message are one order to their node, and one answer", () => {
  const bench = new Bench();
  const created = bench.create("c", ids(5));
  expect(outcomes(created, "c")).toEqual(ids(5).map(() => ({ created: false })));
  const [order, ...others] = sends(created);
  expect(others).toEqual([]);
  expect(order!.orders.map(({ groupId }) => groupId)).toEqual(ids(5));
  // Nothing of what it asks for needs to be known after a restart; the answer does, and comes after it.
  expect(order!.afterCommit).toBe(false);
  const kinds = created.map(({ type }) => type);
  expect(kinds.lastIndexOf("reply")).toBeGreaterThan(kinds.indexOf("send"));
  bench.wish("w", ids(5).map((groupId) => ({ type: "waitGroup", groupId, timeoutMs: null })));
  const whole = bench.agree(order!.orders);
  expect(outcomes(whole, "w")).toEqual(ids(5).map(() => ({ created: true })));
  expect(sends(whole)).toEqual([]);
  const removed = bench.wish("d", ids(5).map((groupId) => ({ type: "removeGroup", groupId })));
  expect(outcomes(removed, "d")!.length).toBe(5);
  expect(sends(removed).map(({ orders, afterCommit }) => [orders.length, afterCommit])).toEqual([[5, true]]);
});

test("each has its own outcome, and one that is refused spoils none", () => {
  const bench = new Bench();
  const [G1, G2] = ids(2);
  expect(outcomes(bench.create("c", [G1!, G2!], "train"), "c")).toMatchObject([
    { created: false },
    { code: "NameTakenError" },
  ]);
  const wishes = [G1!, G2!].map((groupId) => ({ type: "waitGroup", groupId, timeoutMs: 0 } as const));
  expect(outcomes(bench.wish("w", wishes), "w")).toMatchObject([
    { created: false },
    { code: "PlacementGroupRemovedError" },
  ]);
});

test("a message of waits is answered when one is over; the others are to be asked for again", () => {
  const bench = new Bench();
  const [order] = sends(bench.create("c", ids(3)));
  const wait = (groupId: GroupId): GroupWish => ({ type: "waitGroup", groupId, timeoutMs: null });
  expect(outcomes(bench.wish("w", ids(3).map(wait)), "w")).toBeNull();
  expect(outcomes(bench.agree([order!.orders[1]!]), "w")).toEqual([null, { created: true }, null]);
  // Nobody waits for the others now: nothing is said of them twice.
  const rest = bench.agree([order!.orders[0]!, order!.orders[2]!]);
  expect(rest.filter(({ type }) => type === "reply").length).toBe(1);
  expect(outcomes(bench.wish("again", [wait(ids(1)[0]!)]), "again")).toEqual([{ created: true }]);
});

test("what is given back before a heartbeat told of it has room for those that wait, in the same step", () => {
  const bench = new Bench();
  const all = ids(10);
  const [order] = sends(bench.create("c", all));
  expect(order!.orders.length).toBe(8);
  bench.agree(order!.orders);
  const kinds = (effects: readonly GcsEffect[]) =>
    sends(effects).flatMap(({ orders }) => orders.map(({ type, groupId }) => `${type} ${groupId}`));
  const gone = all.slice(0, 2);
  // The node hears of them in this order, so that it has what it is asked for.
  expect(kinds(bench.wish("d", gone.map((groupId) => ({ type: "removeGroup", groupId }))))).toEqual([
    "bundlesRelease g-1",
    "bundlesRelease g-2",
    "bundlesPrepare g-9",
    "bundlesPrepare g-10",
  ]);
  // A heartbeat has the others: their room is free when one says so.
  const available = toUnits({ CPU: 0 });
  bench.step({ type: "heartbeatReceived", heartbeat: heartbeat({ nodeId: N1, available }) });
  bench.create("e", ["g-11" as GroupId]);
  expect(kinds(bench.wish("f", [{ type: "removeGroup", groupId: all[2]! }]))).toEqual(["bundlesRelease g-3"]);
  const free = heartbeat({ nodeId: N1, sequence: 2, available: toUnits({ CPU: 1 }) });
  expect(kinds(bench.step({ type: "heartbeatReceived", heartbeat: free }))).toEqual(["bundlesPrepare g-11"]);
});

test("orders to a node are cut where they become large, and keep their sequence", () => {
  const orders = new OrderBatches();
  const bundles = Array.from({ length: 900 }, (_, index) => ({ index, resources: {} }));
  for (const groupId of ids(5)) {
    orders.add(N1, { type: "bundlesPrepare", groupId, attempt: 1, bundles, final: true }, false);
  }
  orders.add(N1, { type: "bundlesCommit", groupId: ids(1)[0]!, attempt: 1 }, true);
  const messages = [...orders.take()];
  expect(messages.map((message) => message.orders.length)).toEqual([2, 2, 2]);
  expect(messages.flatMap((message) => message.orders.map(({ groupId }) => groupId))).toEqual([
    ...ids(5),
    ids(1)[0]!,
  ]);
  expect([...orders.take()]).toEqual([]);
});
