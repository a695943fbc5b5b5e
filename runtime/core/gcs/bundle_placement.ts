/**
 * Which node gets which bundle of a placement group: a pure function over what is free. Greedy by the strategy's wish, and
 * where greed misses, a search that goes back on its choices; its work is bounded, so that a large group in a large cluster
 * may be told to wait although some placement exists, but a small one is not.
 * @module
 */
import type { NodeId } from "../../common/ids.ts";
import type { PlacementStrategy } from "../../common/placement_group.ts";
import { addResources, fits, type ResourceSet } from "../../common/resources.ts";

/** A node that may hold bundles, and what is free there. */
export interface BundleNode {
  readonly nodeId: NodeId;
  readonly available: ResourceSet;
}

/** A bundle that needs a node. */
export interface BundleDemand {
  readonly index: number;
  readonly resources: ResourceSet;
}

export interface PlacementProblem {
  readonly strategy: PlacementStrategy;
  /** Bundles to place. */
  readonly bundles: readonly BundleDemand[];
  readonly nodes: readonly BundleNode[];
  /** Nodes of the group's other bundles, which stay where they are. */
  readonly taken: readonly NodeId[];
}

/** Steps of a search beside the first, greedy descent. */
const SEARCH_STEPS = 20_000;
/** Nodes that are compared for how many bundles they could take. */
const PACK_CANDIDATES = 64;

/** A node with what the group has put on it so far. */
interface Slot {
  readonly nodeId: NodeId;
  /** Place in the order of the nodes: the last word among equals. */
  readonly order: number;
  readonly left: Record<string, number>;
  /** Bundles of the group there, those that stay included. */
  count: number;
}

/** A node for each bundle, by bundle index; null when there is none now. */
export function placeBundles(problem: PlacementProblem): ReadonlyMap<number, NodeId> | null {
  const { strategy, nodes, taken } = problem;
  const slots = nodes.map(({ nodeId, available }, order): Slot => ({
    nodeId,
    order,
    left: { ...available },
    count: taken.filter((other) => other === nodeId).length,
  }));
  // The hardest to place first.
  const bundles = [...problem.bundles].sort((a, b) =>
    weight(b, slots) - weight(a, slots) || a.index - b.index
  );
  switch (strategy) {
    case "STRICT_PACK":
      return strictPack(bundles, slots, taken);
    case "STRICT_SPREAD":
      return strictSpread(bundles, slots.filter(({ count }) => count === 0));
    case "PACK":
      return pack(bundles, slots) ?? search(bundles, fresh(problem), byTightness);
    case "SPREAD":
      return search(bundles, slots, byRoom);
  }
}

/** What a bundle takes of the cluster's free resources, its scarcest one counted. */
function weight({ resources }: BundleDemand, slots: readonly Slot[]): number {
  let heaviest = 0;
  for (const name in resources) {
    let most = 0;
    for (const { left } of slots) most = Math.max(most, left[name] ?? 0);
    heaviest = Math.max(heaviest, most <= 0 ? Infinity : resources[name]! / most);
  }
  return heaviest === Infinity ? Number.MAX_VALUE : heaviest;
}

function fresh({ nodes, taken }: PlacementProblem): Slot[] {
  return nodes.map(({ nodeId, available }, order) => ({
    nodeId,
    order,
    left: { ...available },
    count: taken.filter((other) => other === nodeId).length,
  }));
}

/** One node for all; the fullest that has room, so that the emptiest stay for others. */
function strictPack(
  bundles: readonly BundleDemand[],
  slots: readonly Slot[],
  taken: readonly NodeId[],
): ReadonlyMap<number, NodeId> | null {
  const sum: Record<string, number> = {};
  for (const { resources } of bundles) addResources(sum, resources);
  const usable = slots.filter(({ nodeId, left }) =>
    fits(left, sum) && taken.every((other) => other === nodeId)
  );
  if (usable.length === 0) return null;
  const best = usable.reduce((a, b) => room(b.left, sum) < room(a.left, sum) ? b : a);
  return new Map(bundles.map(({ index }) => [index, best.nodeId]));
}

/** A node for each, by augmenting paths: a bundle may push another one to a node that would do as well. */
function strictSpread(bundles: readonly BundleDemand[], slots: readonly Slot[]): Map<number, NodeId> | null {
  if (bundles.length > slots.length) return null;
  const holder = new Map<Slot, BundleDemand>();
  let steps = SEARCH_STEPS + 4 * bundles.length * slots.length;
  const seat = (bundle: BundleDemand, visited: Set<Slot>): boolean => {
    const able = slots.filter((slot) => !visited.has(slot) && fits(slot.left, bundle.resources));
    steps -= slots.length;
    for (const slot of able) {
      if (holder.has(slot)) continue;
      holder.set(slot, bundle);
      return true;
    }
    for (const slot of able) {
      if (steps <= 0) return false;
      if (visited.has(slot)) continue;
      visited.add(slot);
      if (!seat(holder.get(slot)!, visited)) continue;
      holder.set(slot, bundle);
      return true;
    }
    return false;
  };
  for (const bundle of bundles) if (!seat(bundle, new Set())) return null;
  return new Map([...holder].map(([slot, { index }]) => [index, slot.nodeId]));
}

/** The node that takes most of what is left, again and again. */
function pack(bundles: readonly BundleDemand[], slots: readonly Slot[]): Map<number, NodeId> | null {
  const placed = new Map<number, NodeId>();
  let rest = [...bundles];
  const unused = new Set(slots);
  while (rest.length > 0) {
    const candidates = unused.size <= PACK_CANDIDATES ? [...unused] : roomiest(unused, rest);
    let best: { slot: Slot; taken: BundleDemand[] } | null = null;
    for (const slot of candidates) {
      const taken = takeable(slot, rest);
      const better = best === null || taken.length > best.taken.length ||
        (taken.length === best.taken.length && slot.count > best.slot.count);
      if (taken.length > 0 && better) best = { slot, taken };
    }
    if (best === null) return null;
    const { slot, taken } = best;
    for (const { index } of taken) placed.set(index, slot.nodeId);
    unused.delete(slot);
    rest = rest.filter((bundle) => !taken.includes(bundle));
  }
  return placed;
}

function roomiest(slots: Iterable<Slot>, bundles: readonly BundleDemand[]): Slot[] {
  const sum: Record<string, number> = {};
  for (const { resources } of bundles) addResources(sum, resources);
  const ranked = [...slots].map((slot) => ({ slot, room: room(slot.left, sum) }));
  ranked.sort((a, b) => b.slot.count - a.slot.count || b.room - a.room || a.slot.order - b.slot.order);
  return ranked.slice(0, PACK_CANDIDATES).map(({ slot }) => slot);
}

function takeable({ left }: Slot, bundles: readonly BundleDemand[]): BundleDemand[] {
  const free = { ...left };
  return bundles.filter(({ resources }) => {
    if (!fits(free, resources)) return false;
    addResources(free, resources, -1);
    return true;
  });
}

type Order = (a: Slot, b: Slot, demand: ResourceSet) => number;

/** Nodes in use first, the fullest first. */
const byTightness: Order = (a, b, demand) =>
  b.count - a.count || room(a.left, demand) - room(b.left, demand) || a.order - b.order;
/** Nodes with the fewest bundles first, the emptiest first. */
const byRoom: Order = (a, b, demand) =>
  a.count - b.count || room(b.left, demand) - room(a.left, demand) || a.order - b.order;

/** Depth first; the first descent is the greedy choice. */
function search(
  bundles: readonly BundleDemand[],
  slots: readonly Slot[],
  order: Order,
): Map<number, NodeId> | null {
  const chosen: Slot[] = [];
  let steps = SEARCH_STEPS + 2 * bundles.length * slots.length;
  const place = (at: number): boolean => {
    const bundle = bundles[at];
    if (bundle === undefined) return true;
    const { resources } = bundle;
    steps -= slots.length;
    const able = slots.filter(({ left }) => fits(left, resources)).sort((a, b) => order(a, b, resources));
    const tried = new Set<string>();
    for (const slot of able) {
      // Nodes that are alike fail alike.
      const likeness = `${slot.count} ${JSON.stringify(slot.left)}`;
      if (tried.has(likeness)) continue;
      if (tried.size > 0 && steps <= 0) return false;
      tried.add(likeness);
      addResources(slot.left, resources, -1);
      slot.count++;
      chosen[at] = slot;
      if (place(at + 1)) return true;
      addResources(slot.left, resources, 1);
      slot.count--;
    }
    return false;
  };
  if (!place(0)) return null;
  return new Map(bundles.map(({ index }, at) => [index, chosen[at]!.nodeId]));
}

/** How much room a node has for more of a demand: the least share that is left of what the demand names. */
function room(left: ResourceSet, demand: ResourceSet): number {
  let least = Infinity;
  for (const name in demand) least = Math.min(least, (left[name] ?? 0) / demand[name]!);
  return least;
}
