/**
 * How a placement group gets its bundles: in two phases, so that it holds all of them or none. Part of the placement group
 * manager.
 *
 *                      +--------6-------+
 *                      |                v
 *   waiting --1--> preparing --2--> committing --3--> (whole)
 *      ^  |            |                |                ^
 *      |  +------------|---------7------|----------------+
 *      +-------4-------+--------5-------+
 *
 *   1 A placement exists by what the nodes have said: each is asked to reserve its bundles, all or none.
 *   2 All have. The placement is written down, and then they are told that it counts.
 *   3 All have heard it.
 *   4 One refused, died or cannot be reached: the others give theirs back. Again after a pause that grows.
 *   5 One died. A new group gives everything back; one that was whole before looks for what it lost.
 *   6 A new group that fits one node needs no second phase: that node's agreement is the decision, and its bundles count as
 *     soon as they are reserved (one-phase commit, the usual shortcut for a single participant). All or none holds by itself.
 *   7 A node registers and holds such a group whole, of which the head does not know: it died before the agreement was written
 *     down, or gave the node up. The agreement counts.
 *
 * Messages of a connection keep their order and are lost only with it; a node that connects again says what it holds, and
 * is told what of it counts. So a lost, late or repeated answer changes nothing, and a restarted head needs to know only the
 * placements that it wrote down.
 * @module
 */
import type { NodeId } from "../../common/ids.ts";
import type { BundleReport } from "../../common/placement_group.ts";
import { describeResources } from "../../common/resources.ts";
import type { NodeView } from "../scheduler/scheduling_policy.ts";
import { type BundleDemand, placeBundles } from "./bundle_placement.ts";
import type { GroupEffect } from "./group_events.ts";
import { type GroupEntry, type GroupTable, PATIENCE, RETRY_MS, RETRY_MS_MAX } from "./group_table.ts";

export class GroupReservations {
  readonly #table: GroupTable;
  readonly #nodes: () => readonly NodeView[];
  /** A group is whole: who waits for it goes on. */
  readonly #whole: (nowMs: number, entry: GroupEntry, out: GroupEffect[]) => void;

  /** `nodes`: those that take new work now, and what is free there. */
  constructor(
    table: GroupTable,
    nodes: () => readonly NodeView[],
    whole: (nowMs: number, entry: GroupEntry, out: GroupEffect[]) => void,
  ) {
    this.#table = table;
    this.#nodes = nodes;
    this.#whole = whole;
  }

  /** Looks for a placement of what has none, and asks the nodes. */
  attempt(nowMs: number, entry: GroupEntry, out: GroupEffect[]): void {
    const { spec, placements, refusedBy } = entry;
    const { groupId } = spec;
    entry.triedMs = nowMs;
    entry.lacksRoom = false;
    this.#table.schedule(entry, null);
    const bundles = missing(entry);
    const nodes = this.#nodes().filter(({ nodeId }) => !refusedBy.has(nodeId));
    const taken = placements.filter((nodeId) => nodeId !== null);
    const placement = placeBundles({ strategy: spec.strategy, bundles, nodes, taken });
    if (placement === null) {
      if (refusedBy.size === 0) this.#warn(entry, out);
      refusedBy.clear();
      const message = `no placement for ${describeGroup(entry)} now`;
      const isNews = entry.message !== message;
      this.#pause(nowMs, entry, message);
      entry.lacksRoom = true;
      // For people: once, not with each try.
      if (isNews) this.#table.persist(entry, out);
      return;
    }
    if (this.#isWorthWaiting(entry, bundles, taken, placement)) {
      entry.patience--;
      refusedBy.clear();
      return this.#pause(nowMs, entry, `a node that could not reserve its bundles just now is tried again`);
    }
    entry.attempt = Math.max(entry.attempt + 1, Math.floor(nowMs));
    const byNode = new Map<NodeId, BundleDemand[]>();
    for (const bundle of bundles) {
      const nodeId = placement.get(bundle.index)!;
      const own = byNode.get(nodeId);
      if (own === undefined) byNode.set(nodeId, [bundle]);
      else own.push(bundle);
    }
    const { attempt } = entry;
    const final = entry.state === "PENDING" && byNode.size === 1;
    entry.round = { attempt, committing: false, final, nodes: new Map() };
    for (const [nodeId, own] of byNode) {
      entry.round.nodes.set(nodeId, { indices: own.map(({ index }) => index), attempt, done: false });
      for (const { resources } of own) out.push({ type: "assigned", nodeId, resources });
      out.push({ type: "prepareBundles", nodeId, groupId, attempt, bundles: own, final });
    }
  }

  /** A node's answer to the first phase. */
  prepared(
    nowMs: number,
    entry: GroupEntry,
    answer: { readonly nodeId: NodeId; readonly attempt: number; readonly problem: string | null },
    out: GroupEffect[],
  ): void {
    const { nodeId, attempt, problem } = answer;
    const { round } = entry;
    const asked = round?.nodes.get(nodeId);
    // Of a round that is over, or told again.
    if (round?.attempt !== attempt || round.committing || asked === undefined) return;
    if (problem !== null) {
      entry.refusedBy.add(nodeId);
      return this.#rollBack(nowMs, entry, `${nodeId} could not reserve its bundles: ${problem}`, out);
    }
    round.nodes.set(nodeId, { ...asked, done: true });
    this.#advance(nowMs, entry, out);
  }

  /** A node's answer to the second phase. */
  committed(nowMs: number, entry: GroupEntry, nodeId: NodeId, attempt: number, out: GroupEffect[]): void {
    const { round } = entry;
    const asked = round?.nodes.get(nodeId);
    if (round?.committing !== true || asked?.attempt !== attempt) return;
    round.nodes.set(nodeId, { ...asked, done: true });
    this.#advance(nowMs, entry, out);
  }

  /** A node holds bundles and has heard nothing for long: it is told again what it missed, or that they are not wanted. */
  asked(
    entry: GroupEntry,
    { nodeId, attempt, indices }: {
      readonly nodeId: NodeId;
      readonly attempt: number;
      readonly indices: readonly number[];
    },
    out: GroupEffect[],
  ): void {
    const { round, placements, spec: { groupId } } = entry;
    // It is the others' answer that is missing.
    if (round?.attempt === attempt && round.nodes.has(nodeId) && !round.committing) return;
    if (indices.some((index) => placements[index] === nodeId)) {
      out.push({ type: "commitBundles", nodeId, groupId, attempt });
    }
    const stray = indices.filter((index) => placements[index] !== nodeId);
    if (stray.length === 0) return;
    const message = "it is placed elsewhere";
    out.push({ type: "releaseBundles", nodeId, groupId, indices: stray, removed: false, message });
  }

  /** After a restart of the head: go on where the old one stopped. What nodes hold they will say. */
  resume(nowMs: number, entry: GroupEntry): void {
    const { state, placements, spec } = entry;
    if (state === "CREATED" || state === "REMOVED") return;
    if (missing(entry).length > 0) {
      this.#table.schedule(entry, nowMs);
      return;
    }
    entry.round = { attempt: entry.attempt, committing: true, final: false, nodes: new Map() };
    for (const nodeId of new Set(placements as NodeId[])) {
      const indices = spec.bundles.flatMap((_, index) => placements[index] === nodeId ? [index] : []);
      entry.round.nodes.set(nodeId, { indices, attempt: 0, done: false });
    }
  }

  /** A node (re)joined and holds these bundles of the group. What the head does not know of is given back. */
  reported(
    nowMs: number,
    entry: GroupEntry,
    nodeId: NodeId,
    bundles: readonly BundleReport[],
    out: GroupEffect[],
  ): void {
    if (isWholeThere(entry, bundles)) {
      this.#table.schedule(entry, null);
      entry.placements.fill(nodeId);
      return this.#madeWhole(nowMs, entry, out);
    }
    const { placements, round, spec: { groupId } } = entry;
    const asked = round?.nodes.get(nodeId);
    const preparing = round !== null && !round.committing && asked !== undefined;
    const held = new Map(bundles.map((bundle) => [bundle.index, bundle]));
    const isOfRound = ({ attempt }: BundleReport): boolean => preparing && attempt === round.attempt;
    const stray = bundles.filter((bundle) => placements[bundle.index] !== nodeId && !isOfRound(bundle));
    if (stray.length > 0) {
      const indices = stray.map(({ index }) => index);
      out.push({
        type: "releaseBundles",
        nodeId,
        groupId,
        indices,
        removed: false,
        message: "it is placed elsewhere",
      });
    }
    const lost = placements.flatMap((at, index) => at === nodeId && !held.has(index) ? [index] : []);
    if (lost.length > 0) return this.lost(nowMs, entry, nodeId, lost, `${nodeId} came back without it`, out);
    // All that a node has reserved and not heard of is of one round: an earlier one's was given back before.
    const unheard = bundles.find(({ index, committed }) => placements[index] === nodeId && !committed);
    if (unheard !== undefined) {
      out.push({ type: "commitBundles", nodeId, groupId, attempt: unheard.attempt });
    }
    if (asked === undefined) return;
    if (preparing && !asked.indices.every((index) => held.get(index)?.attempt === round.attempt)) {
      // The order was lost with the connection.
      const demands = asked.indices.map((index) => demandOf(entry, index));
      round.nodes.set(nodeId, { ...asked, done: false });
      const { attempt, final } = round;
      out.push({ type: "prepareBundles", nodeId, groupId, attempt, bundles: demands, final });
      return;
    }
    const attempt = unheard?.attempt ?? asked.attempt;
    round!.nodes.set(nodeId, { ...asked, attempt, done: unheard === undefined });
    this.#advance(nowMs, entry, out);
  }

  /** A reservation does not wait for a node that cannot be reached. */
  suspected(nowMs: number, entry: GroupEntry, nodeId: NodeId, out: GroupEffect[]): void {
    const { round } = entry;
    if (round === null || round.committing || !round.nodes.has(nodeId)) return;
    this.#rollBack(nowMs, entry, `${nodeId} cannot be reached`, out);
  }

  nodeDied(nowMs: number, entry: GroupEntry, nodeId: NodeId, reason: string, out: GroupEffect[]): void {
    entry.refusedBy.delete(nodeId);
    const lost = entry.placements.flatMap((at, index) => at === nodeId ? [index] : []);
    if (lost.length > 0) this.lost(nowMs, entry, nodeId, lost, `node ${nodeId} died: ${reason}`, out);
    const { round } = entry;
    if (round?.nodes.has(nodeId) && !round.committing) {
      round.nodes.delete(nodeId);
      this.#rollBack(nowMs, entry, `node ${nodeId} died: ${reason}`, out);
    }
  }

  /** These bundles are gone with their node. */
  lost(
    nowMs: number,
    entry: GroupEntry,
    nodeId: NodeId,
    indices: readonly number[],
    reason: string,
    out: GroupEffect[],
  ): void {
    const { round, placements } = entry;
    for (const index of indices) placements[index] = null;
    if (entry.state === "PREPARED") {
      // Nothing runs in it yet: all or nothing.
      round!.nodes.delete(nodeId);
      return this.#giveAllBack(nowMs, entry, reason, out);
    }
    entry.message = `bundle ${indices.join(", ")} is lost: ${reason}`;
    if (entry.state === "CREATED") this.#table.transition(entry, "RESCHEDULING");
    entry.retryMs = RETRY_MS;
    this.#table.persist(entry, out);
    if (round === null) this.#table.schedule(entry, nowMs);
    else if (round.committing) {
      const asked = round.nodes.get(nodeId);
      if (asked === undefined) return;
      const rest = asked.indices.filter((index) => !indices.includes(index));
      if (rest.length === 0) round.nodes.delete(nodeId);
      else round.nodes.set(nodeId, { ...asked, indices: rest });
      this.#advance(nowMs, entry, out);
    }
    // A round that prepares goes on without them; they are the next one's.
  }

  /** Gives back what a removed group holds or has asked for. */
  releaseAll(entry: GroupEntry, message: string, out: GroupEffect[]): void {
    const byNode = new Map<NodeId, number[]>();
    const add = (nodeId: NodeId, index: number): void => {
      const indices = byNode.get(nodeId);
      if (indices === undefined) byNode.set(nodeId, [index]);
      else if (!indices.includes(index)) indices.push(index);
    };
    entry.placements.forEach((nodeId, index) => {
      if (nodeId !== null) add(nodeId, index);
    });
    for (const [nodeId, { indices }] of entry.round?.nodes ?? []) {
      for (const index of indices) add(nodeId, index);
    }
    const { groupId } = entry.spec;
    for (const [nodeId, indices] of byNode) {
      out.push({ type: "releaseBundles", nodeId, groupId, indices, removed: true, message });
      for (const index of indices) {
        out.push({ type: "unassigned", nodeId, resources: entry.spec.bundles[index]! });
      }
    }
  }

  /** The phase is over when all have answered. */
  #advance(nowMs: number, entry: GroupEntry, out: GroupEffect[]): void {
    const { round, placements, spec: { groupId } } = entry;
    for (const { done } of round!.nodes.values()) if (!done) return;
    if (round!.committing) {
      entry.round = null;
      if (missing(entry).length > 0) {
        this.#table.schedule(entry, nowMs);
        return;
      }
      return this.#madeWhole(nowMs, entry, out);
    }
    for (const [nodeId, asked] of round!.nodes) {
      for (const index of asked.indices) placements[index] = nodeId;
      round!.nodes.set(nodeId, { ...asked, done: false });
    }
    if (round!.final) {
      entry.round = null;
      return this.#madeWhole(nowMs, entry, out);
    }
    round!.committing = true;
    // Only now, so that after a restart the head knows all that may count somewhere.
    if (entry.state === "PENDING") this.#table.transition(entry, "PREPARED");
    this.#table.persist(entry, out);
    for (const nodeId of round!.nodes.keys()) {
      out.push({ type: "commitBundles", nodeId, groupId, attempt: round!.attempt });
    }
  }

  /** Every bundle counts at its node. */
  #madeWhole(nowMs: number, entry: GroupEntry, out: GroupEffect[]): void {
    this.#table.transition(entry, "CREATED");
    entry.message = "";
    entry.readyMs ??= nowMs;
    entry.retryMs = RETRY_MS;
    entry.patience = PATIENCE;
    entry.refusedBy.clear();
    this.#table.persist(entry, out);
    this.#whole(nowMs, entry, out);
  }

  /**
   * SPREAD is a wish, and a node that refused is left out. But it may have refused because what ended there was still on its
   * way out: it is asked again, a few times, before bundles share a node for want of it.
   */
  #isWorthWaiting(
    { spec: { strategy }, refusedBy, patience }: GroupEntry,
    bundles: readonly BundleDemand[],
    taken: readonly NodeId[],
    placement: ReadonlyMap<number, NodeId>,
  ): boolean {
    if (strategy !== "SPREAD" || refusedBy.size === 0 || patience === 0) return false;
    const wished = placeBundles({ strategy, bundles, nodes: this.#nodes(), taken });
    const nodesOf = (chosen: ReadonlyMap<number, NodeId>): number =>
      new Set([...chosen.values(), ...taken]).size;
    return wished !== null && nodesOf(wished) > nodesOf(placement);
  }

  #rollBack(nowMs: number, entry: GroupEntry, message: string, out: GroupEffect[]): void {
    const { groupId } = entry.spec;
    for (const [nodeId, { indices }] of entry.round!.nodes) {
      out.push({ type: "releaseBundles", nodeId, groupId, indices, removed: false, message });
    }
    entry.round = null;
    this.#pause(nowMs, entry, message);
  }

  /** A node died before all had heard that their bundles count: the others give theirs back. */
  #giveAllBack(nowMs: number, entry: GroupEntry, message: string, out: GroupEffect[]): void {
    this.#table.transition(entry, "PENDING");
    entry.placements.fill(null);
    this.#rollBack(nowMs, entry, message, out);
    this.#table.schedule(entry, nowMs);
    this.#table.persist(entry, out);
  }

  #pause(nowMs: number, entry: GroupEntry, message: string): void {
    entry.message = message;
    this.#table.schedule(entry, nowMs + entry.retryMs);
    entry.retryMs = Math.min(entry.retryMs * 1.5, RETRY_MS_MAX);
  }

  /** Once, when all nodes, were they idle, could not hold it. */
  #warn(entry: GroupEntry, out: GroupEffect[]): void {
    if (entry.warned) return;
    const { spec, placements } = entry;
    const nodes = this.#nodes().map(({ nodeId, total }) => ({ nodeId, available: total }));
    const bundles = spec.bundles.map((resources, index) => ({ index, resources }));
    const inUse = placements.some((nodeId) => nodeId !== null);
    if (inUse || placeBundles({ strategy: spec.strategy, bundles, nodes, taken: [] }) !== null) return;
    entry.warned = true;
    const text = `Placement group ${spec.name === "" ? spec.groupId : `"${spec.name}"`} cannot be placed: ` +
      `no nodes could hold ${describeGroup(entry)}. It waits until nodes that fit join.`;
    out.push({ type: "warnInfeasible", jobId: spec.jobId, text });
  }
}

/** Whether a node that registers with these bundles has agreed to the whole of a group that has nothing under way. */
function isWholeThere({ state, round, spec }: GroupEntry, bundles: readonly BundleReport[]): boolean {
  return state === "PENDING" && round === null && bundles.length === spec.bundles.length &&
    bundles.every(({ committed, attempt }) => committed && attempt === bundles[0]!.attempt);
}

/** Bundles without a node. */
export function missing(entry: GroupEntry): BundleDemand[] {
  return entry.placements.flatMap((nodeId, index) => nodeId === null ? [demandOf(entry, index)] : []);
}

/** `2 bundles (STRICT_SPREAD): CPU 2; CPU 1`, cut where there are many. */
export function describeGroup({ spec }: GroupEntry): string {
  const shown = spec.bundles.slice(0, 4).map(describeResources);
  if (spec.bundles.length > shown.length) shown.push("…");
  const count = spec.bundles.length;
  return `${count} ${count === 1 ? "bundle" : "bundles"} (${spec.strategy}): ${shown.join("; ")}`;
}

function demandOf({ spec }: GroupEntry, index: number): BundleDemand {
  return { index, resources: spec.bundles[index]! };
}
