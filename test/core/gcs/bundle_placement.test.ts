/** Which node gets which bundle. */
import { expect, test } from "bun:test";
import type { NodeId } from "../../../runtime/common/ids.ts";
import type { PlacementStrategy } from "../../../runtime/common/placement_group.ts";
import { Prng } from "../../../runtime/common/prng.ts";
import { addResources, fits, toUnits } from "../../../runtime/common/resources.ts";
import { type BundleNode, placeBundles } from "../../../runtime/core/gcs/bundle_placement.ts";

type Quantities = Record<string, number>;

/** Nodes in order, n-1 first; placements by bundle, or null. */
function place(
  strategy: PlacementStrategy,
  bundles: readonly Quantities[],
  nodes: readonly Quantities[],
  taken: readonly string[] = [],
): string[] | null {
  const placed = placeBundles({
    strategy,
    bundles: bundles.map((resources, index) => ({ index, resources: toUnits(resources) })),
    nodes: nodes.map((free, index): BundleNode => ({
      nodeId: `n-${index + 1}` as NodeId,
      available: toUnits(free),
    })),
    taken: taken as NodeId[],
  });
  return placed === null ? null : bundles.map((_, index) => placed.get(index)!);
}

const CPU = (amount: number): Quantities => ({ CPU: amount });

test("STRICT_PACK: one node for all, the fullest that has room, or none", () => {
  expect(place("STRICT_PACK", [CPU(1), CPU(1)], [CPU(1), CPU(4), CPU(2)])).toEqual(["n-3", "n-3"]);
  expect(place("STRICT_PACK", [CPU(1), CPU(2)], [CPU(2), CPU(2)])).toBeNull();
});

test("STRICT_SPREAD: a node for each, also where greed would take the wrong one", () => {
  expect(new Set(place("STRICT_SPREAD", [CPU(1), CPU(1), CPU(1)], [CPU(4), CPU(4), CPU(4)])!).size).toBe(3);
  expect(place("STRICT_SPREAD", [CPU(1), CPU(1)], [CPU(4)])).toBeNull();
  // Only n-1 has a GPU, and only n-1 and n-2 have room: each bundle alone would be happy with n-1.
  const nodes = [{ CPU: 2, GPU: 1 }, { CPU: 2 }];
  expect(place("STRICT_SPREAD", [{ CPU: 1 }, { GPU: 1 }], nodes)).toEqual(["n-2", "n-1"]);
});

test("STRICT_SPREAD: bundles that stay keep their nodes to themselves", () => {
  expect(place("STRICT_SPREAD", [CPU(1)], [CPU(4), CPU(1)], ["n-1"])).toEqual(["n-2"]);
  expect(place("STRICT_SPREAD", [CPU(1)], [CPU(4)], ["n-1"])).toBeNull();
});

test("PACK: as few nodes as it takes", () => {
  expect(place("PACK", [CPU(1), CPU(1), CPU(1)], [CPU(1), CPU(3), CPU(2)])).toEqual(["n-2", "n-2", "n-2"]);
  const placed = place("PACK", [CPU(2), CPU(2), CPU(2)], [CPU(2), CPU(4), CPU(2)])!;
  expect(placed.filter((node) => node === "n-2").length).toBe(2);
  expect(new Set(placed).size).toBe(2);
});

test("PACK: a lost bundle goes to where the others are", () => {
  expect(place("PACK", [CPU(1)], [CPU(4), CPU(4)], ["n-2", "n-2"])).toEqual(["n-2"]);
});

test("PACK finds a placement that the greedy order misses", () => {
  // Most bundles at once would be three of 2 on the node of 6; then 3 and 3 fit nowhere.
  const bundles = [CPU(3), CPU(3), CPU(2), CPU(2), CPU(2)];
  expect(place("PACK", bundles, [CPU(6), CPU(6)])).not.toBeNull();
});

test("SPREAD: the fewest bundles a node, and more than one only when it must be", () => {
  expect(new Set(place("SPREAD", [CPU(1), CPU(1), CPU(1)], [CPU(4), CPU(4), CPU(4)])!).size).toBe(3);
  const two = place("SPREAD", [CPU(1), CPU(1), CPU(1), CPU(1)], [CPU(4), CPU(4)])!;
  expect(two.filter((node) => node === "n-1").length).toBe(2);
  expect(place("SPREAD", [CPU(1)], [CPU(4), CPU(4)], ["n-1"])).toEqual(["n-2"]);
});

test("nothing fits where something is missing", () => {
  for (const strategy of ["PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD"] as const) {
    expect(place(strategy, [CPU(5)], [CPU(4), CPU(4)])).toBeNull();
    expect(place(strategy, [{ gold: 1 }], [CPU(4)])).toBeNull();
    expect(place(strategy, [CPU(1)], [])).toBeNull();
  }
});

test("a small group is placed whenever some placement exists: compared with trying all", () => {
  const prng = new Prng(7);
  let found = 0;
  for (let round = 0; round < 400; round++) {
    const nodes = Array.from(
      { length: prng.between(1, 3) },
      () => ({ CPU: prng.between(1, 6), GPU: prng.below(3) }),
    );
    const bundles = Array.from(
      { length: prng.between(1, 5) },
      () => ({ CPU: prng.between(1, 3), GPU: prng.chance(30) ? 1 : 0 }),
    );
    for (const strategy of ["PACK", "SPREAD", "STRICT_SPREAD", "STRICT_PACK"] as const) {
      const placed = place(strategy, bundles, nodes);
      const possible = exists(strategy, bundles, nodes);
      expect(placed !== null, JSON.stringify({ strategy, bundles, nodes })).toBe(possible);
      if (placed === null) continue;
      found++;
      expectFits(placed, bundles, nodes);
    }
  }
  expect(found).toBeGreaterThan(200);
});

test("a thousand bundles on a thousand nodes are placed in bounded time", () => {
  const nodes = Array.from({ length: 1_000 }, (_, index) => CPU(4 + (index % 7)));
  const bundles = Array.from({ length: 1_000 }, (_, index) => CPU(1 + (index % 3)));
  for (const strategy of ["PACK", "SPREAD", "STRICT_SPREAD"] as const) {
    const placed = place(strategy, bundles, nodes)!;
    expectFits(placed, bundles, nodes);
    if (strategy === "STRICT_SPREAD") expect(new Set(placed).size).toBe(1_000);
  }
  expect(place("PACK", [...bundles, CPU(100)], nodes)).toBeNull();
});

function expectFits(
  placed: readonly string[],
  bundles: readonly Quantities[],
  nodes: readonly Quantities[],
): void {
  const free = nodes.map((node) => toUnits(node));
  placed.forEach((node, index) =>
    addResources(free[Number(node.slice(2)) - 1]!, toUnits(bundles[index]!), -1)
  );
  for (const left of free) expect(Object.values(left).every((amount) => amount >= 0)).toBe(true);
}

function exists(
  strategy: PlacementStrategy,
  bundles: readonly Quantities[],
  nodes: readonly Quantities[],
): boolean {
  const free = nodes.map((node) => toUnits(node));
  const used = nodes.map(() => 0);
  const assign = (at: number): boolean => {
    if (at === bundles.length) {
      return strategy !== "STRICT_PACK" || used.filter((count) => count > 0).length === 1;
    }
    const needs = toUnits(bundles[at]!);
    for (const [index, left] of free.entries()) {
      if (!fits(left, needs) || (strategy === "STRICT_SPREAD" && used[index]! > 0)) continue;
      addResources(left, needs, -1);
      used[index]!++;
      const ok = assign(at + 1);
      addResources(left, needs, 1);
      used[index]!--;
      if (ok) return true;
    }
    return false;
  };
  return assign(0);
}
