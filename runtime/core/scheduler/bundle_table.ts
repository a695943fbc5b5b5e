/**
 * The bundles of placement groups on one node: parts of its resources that nobody else may use. Part of the local scheduler.
 *
 *   prepared --1--> committed --2--> ending --3--> (gone)
 *      |                               ^
 *      +---------------2---------------+
 *
 *   1 The head says that it counts (at once, when the whole group is here): requests of the group may draw from it.
 *   2 Given back: nothing new starts in it.
 *   3 The last thing that ran inside is gone; its resources are the node's again.
 *
 * Work inside draws from the bundle as from a node of its own: CPUs of blocked tasks are lent within the bundle, and GPUs
 * are those that the bundle took from the node.
 * @module
 */
import { assert } from "../../common/assert.ts";
import type { GroupId } from "../../common/ids.ts";
import type { BundleLoad, BundleReport } from "../../common/placement_group.ts";
import { addResources, describeResources, type ResourceSet } from "../../common/resources.ts";
import type { GroupStrategy } from "../../common/task_spec.ts";
import { type Allocation, NodeResources } from "./node_resources.ts";

/** A reservation of which nothing was heard for this long is asked about, and again after the same time. */
export const UNHEARD_MS: number = 10_000;

interface Bundle {
  readonly groupId: GroupId;
  readonly index: number;
  readonly attempt: number;
  /** What it took from the node. */
  readonly taken: Allocation;
  readonly pool: NodeResources;
  committed: boolean;
  /** When it was reserved, or last asked about. */
  askedMs: number;
}

export interface BundleRequest {
  readonly index: number;
  readonly resources: ResourceSet;
}

/** A round's bundles of which nothing was heard. */
export interface UnheardBundles {
  readonly groupId: GroupId;
  readonly attempt: number;
  readonly indices: number[];
}

export class BundleTable {
  readonly #node: NodeResources;
  /** Prepared and committed ones, by group and index; no empty maps. */
  readonly #groups: Map<GroupId, Map<number, Bundle>> = new Map();
  /** All and only bundles that were given back and in which something still runs. */
  readonly #ending: Set<Bundle> = new Set();
  /** Units that all bundles together took from the node. */
  readonly taken: Record<string, number> = {};
  /** Grows with whatever bundles take from the node or give back to it. */
  changes: number = 0;
  /** How many are prepared and not committed. */
  #unheard: number = 0;

  constructor(node: NodeResources) {
    this.#node = node;
  }

  /** Reserve these bundles, all or none; null, or why not. Asked again, it answers again. */
  prepare(
    nowMs: number,
    groupId: GroupId,
    attempt: number,
    requests: readonly BundleRequest[],
  ): string | null {
    const made: Bundle[] = [];
    for (const { index, resources } of requests) {
      const known = this.#groups.get(groupId)?.get(index);
      if (known?.attempt === attempt) continue;
      // Of a round that the head has given up.
      if (known !== undefined) this.release(groupId, [index]);
      const taken = this.#node.acquire(resources);
      if (taken === null) {
        const free = describeResources(positive(this.#node.available));
        for (const bundle of made) this.#end(bundle);
        return `bundle ${index} needs ${describeResources(resources)}, free is ${free}`;
      }
      const pool = new NodeResources(resources, taken.gpus);
      const bundle: Bundle = { groupId, index, attempt, taken, pool, committed: false, askedMs: nowMs };
      made.push(bundle);
      addResources(this.taken, resources);
      this.changes++;
      let group = this.#groups.get(groupId);
      if (group === undefined) this.#groups.set(groupId, group = new Map());
      group.set(index, bundle);
      this.#unheard++;
    }
    return null;
  }

  /** What was reserved in this round counts from now on. */
  commit(groupId: GroupId, attempt: number): void {
    for (const bundle of this.#groups.get(groupId)?.values() ?? []) {
      if (bundle.attempt !== attempt || bundle.committed) continue;
      bundle.committed = true;
      this.#unheard--;
    }
  }

  /** Given back: nothing new starts in them. Answers their pools, in which something may still run. */
  release(groupId: GroupId, indices: readonly number[]): NodeResources[] {
    const group = this.#groups.get(groupId);
    const pools: NodeResources[] = [];
    for (const index of indices) {
      const bundle = group?.get(index);
      // Given back before.
      if (bundle === undefined) continue;
      pools.push(bundle.pool);
      this.#end(bundle);
    }
    return pools;
  }

  /** Bundles in which the last thing has ended go back to the node. */
  settle(): void {
    if (this.#ending.size === 0) return;
    for (const bundle of this.#ending) if (bundle.pool.isIdle) this.#free(bundle);
  }

  /** Pools of this node that work of the group may draw from. */
  pools({ groupId, bundleIndex }: GroupStrategy): NodeResources[] {
    const group = this.#groups.get(groupId);
    if (group === undefined) return [];
    const pools: NodeResources[] = [];
    for (const { index, committed, pool } of group.values()) {
      if (committed && (bundleIndex < 0 || index === bundleIndex)) pools.push(pool);
    }
    return pools;
  }

  /** Which bundle a pool is of; null for the node's own. */
  bundleOf(pool: NodeResources): { readonly groupId: GroupId; readonly index: number } | null {
    if (pool === this.#node) return null;
    for (const bundle of this.#all()) {
      if (bundle.pool === pool) return { groupId: bundle.groupId, index: bundle.index };
    }
    return null;
  }

  /** For (re)registration: what this node holds. */
  reports(): BundleReport[] {
    const reports: BundleReport[] = [];
    for (const group of this.#groups.values()) {
      for (const { groupId, index, attempt, committed } of group.values()) {
        reports.push({ groupId, index, attempt, committed });
      }
    }
    return reports;
  }

  /** For heartbeats: what is free in each bundle that counts. */
  loads(): BundleLoad[] {
    const loads: BundleLoad[] = [];
    for (const group of this.#groups.values()) {
      for (const { groupId, index, committed, pool } of group.values()) {
        if (committed) loads.push({ groupId, index, available: { ...pool.available } });
      }
    }
    return loads;
  }

  /** Whether `askUnheard` has something to look at. */
  get hasUnheard(): boolean {
    return this.#unheard > 0;
  }

  /** Reservations to ask the head about. */
  askUnheard(nowMs: number): UnheardBundles[] {
    const asked = new Map<string, UnheardBundles>();
    for (const group of this.#groups.values()) {
      for (const bundle of group.values()) {
        if (bundle.committed || nowMs - bundle.askedMs < UNHEARD_MS) continue;
        bundle.askedMs = nowMs;
        const { groupId, attempt, index } = bundle;
        const key = `${groupId}/${attempt}`;
        const own = asked.get(key);
        if (own === undefined) asked.set(key, { groupId, attempt, indices: [index] });
        else own.indices.push(index);
      }
    }
    return [...asked.values()];
  }

  check(): void {
    let unheard = 0;
    const taken: Record<string, number> = { ...this.taken };
    for (const { taken: own } of this.#all()) addResources(taken, own.resources, -1);
    assert(Object.values(taken).every((left) => left === 0), "what bundles took adds up");
    for (const [groupId, group] of this.#groups) {
      assert(group.size > 0, `${groupId} has bundles here`);
      for (const [index, bundle] of group) {
        assert(bundle.groupId === groupId && bundle.index === index, "bundles are filed under their names");
        assert(!this.#ending.has(bundle), `${groupId}/${index} is not ending`);
        assert(
          bundle.committed || bundle.pool.isIdle,
          `nothing runs in ${groupId}/${index} before it counts`,
        );
        if (!bundle.committed) unheard++;
        bundle.pool.check();
      }
    }
    for (const { pool } of this.#ending) pool.check();
    assert(unheard === this.#unheard, "reservations that do not count yet are counted");
  }

  *#all(): Iterable<Bundle> {
    for (const group of this.#groups.values()) yield* group.values();
    yield* this.#ending;
  }

  #end(bundle: Bundle): void {
    const group = this.#groups.get(bundle.groupId)!;
    group.delete(bundle.index);
    if (group.size === 0) this.#groups.delete(bundle.groupId);
    if (!bundle.committed) this.#unheard--;
    this.#ending.add(bundle);
    if (bundle.pool.isIdle) this.#free(bundle);
  }

  #free(bundle: Bundle): void {
    this.#ending.delete(bundle);
    this.#node.release(bundle.taken);
    addResources(this.taken, bundle.taken.resources, -1);
    this.changes++;
  }
}

function positive(units: ResourceSet): ResourceSet {
  return Object.fromEntries(Object.entries(units).filter(([, amount]) => amount > 0));
}
