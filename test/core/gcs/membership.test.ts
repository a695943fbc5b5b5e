/** What a node learns from two lists of the cluster's nodes. */
import { expect, test } from "bun:test";
import { diedBetween, livingOf } from "../../../runtime/core/gcs/membership.ts";
import { N1, N2, N3 } from "./fixtures.ts";

const alive = { state: "ALIVE", epoch: 1 } as const;

test("those that are dead, forgotten, or there in another incarnation have died", () => {
  const before = [
    { ...alive, nodeId: N1 },
    { ...alive, nodeId: N2 },
    { ...alive, nodeId: N3 },
  ];
  expect(diedBetween(before, before)).toEqual([]);
  expect(diedBetween(before, [{ ...alive, nodeId: N1, state: "DEAD" }, { ...alive, nodeId: N2 }])).toEqual([
    N1,
    N3,
  ]);
  // It restarted faster than the next list came.
  expect(diedBetween(before, [...before.slice(1), { ...alive, nodeId: N1, epoch: 2 }])).toEqual([N1]);
});

test("suspects live, and the dead die once", () => {
  const rows = [{ ...alive, nodeId: N1, state: "SUSPECT" as const }, {
    ...alive,
    nodeId: N2,
    state: "DEAD" as const,
  }];
  expect(livingOf(rows)).toEqual([N1]);
  expect(diedBetween(rows, [{ ...alive, nodeId: N2 }, { ...alive, nodeId: N1 }])).toEqual([]);
});
