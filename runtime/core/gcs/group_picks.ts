/**
 * Which node gets work that belongs into a placement group: the one that holds its bundle. Work waits here while the group,
 * or its bundle, has no node. Part of the placement group manager.
 * @module
 */
import type { GroupId, NodeId } from "../../common/ids.ts";
import type { BundleLoad } from "../../common/placement_group.ts";
import { addResources, describeResources, fits, type ResourceSet } from "../../common/resources.ts";
import type { GroupStrategy } from "../../common/task_spec.ts";
import type { DemandRow } from "../../protocol/messages.ts";
import type { PickRequest } from "../scheduler/pick_request.ts";
import type { GroupEffect } from "./group_events.ts";
import type { GroupEntry, GroupTable } from "./group_table.ts";

/** Work that may wait for groups at once; above that the oldest is given up (its agent asks again). */
export const GROUP_PICKS_MAX: number = 100_000;

interface Seat {
  readonly nodeId: NodeId;
  readonly index: number;
}

export class GroupPicks {
  readonly #table: GroupTable;
  /** Requests whose group has no node for them, oldest first. */
  readonly #waiting: Map<string, PickRequest> = new Map();
  /** What is free in bundles by the last word of their nodes, less what was sent there since. */
  readonly #free: Map<NodeId, Map<string, Record<string, number>>> = new Map();

  /** Work that finds nothing free takes turns. */
  #turn: number = 0;

  constructor(table: GroupTable) {
    this.#table = table;
  }

  get size(): number {
    return this.#waiting.size;
  }

  load(nodeId: NodeId, bundles: readonly BundleLoad[]): void {
    if (bundles.length === 0) return void this.#free.delete(nodeId);
    this.#free.set(
      nodeId,
      new Map(bundles.map(({ groupId, index, available }) => [seatKey(groupId, index), { ...available }])),
    );
  }

  request(request: PickRequest, out: GroupEffect[]): void {
    this.#waiting.delete(request.key);
    this.#decide(request, out);
  }

  cancel(key: string): void {
    this.#waiting.delete(key);
  }

  /** The group got nodes: what waited for them goes there. */
  retry(groupId: GroupId, out: GroupEffect[]): void {
    for (const request of [...this.#waiting.values()]) {
      if (strategyOf(request).groupId === groupId) this.#decide(request, out);
    }
  }

  nodeDied(nodeId: NodeId): void {
    this.#free.delete(nodeId);
    for (const [key, { asker }] of this.#waiting) if (asker === nodeId) this.#waiting.delete(key);
  }

  /** Tasks of a job that ended; actors are the actor manager's. */
  jobEnded(jobId: string): void {
    for (const [key, request] of this.#waiting) {
      if (request.jobId === jobId && request.kind === "task") this.#waiting.delete(key);
    }
  }

  /** Whether another node's bundle could take it at once, and the present one's could not. */
  betterElsewhere(request: PickRequest, current: NodeId): boolean {
    const { groupId } = strategyOf(request);
    const entry = this.#table.get(groupId);
    if (entry === undefined) return false;
    const seats = this.#seats(entry, request);
    const free = seats.filter((seat) => this.#isFree(groupId, seat, request.resources));
    return free.length > 0 && !free.some(({ nodeId }) => nodeId === current);
  }

  /** Why a request waits; null when none of that key does. */
  reason(key: string): string | null {
    const request = this.#waiting.get(key);
    return request === undefined ? null : this.#reason(request);
  }

  /** What waits here and why. */
  demand(): DemandRow[] {
    const rows = new Map<string, DemandRow>();
    for (const request of this.#waiting.values()) {
      const { name, resources } = request;
      const key = `${name}/${strategyOf(request).groupId}`;
      rows.set(key, {
        name,
        resources,
        count: (rows.get(key)?.count ?? 0) + 1,
        reason: this.#reason(request),
      });
    }
    return [...rows.values()];
  }

  #reason(request: PickRequest): string {
    const { groupId } = strategyOf(request);
    const entry = this.#table.get(groupId)!;
    const why = entry.message === "" ? "" : `: ${entry.message}`;
    return `Waits for placement group ${groupId}, which is ${entry.state}${why}.`;
  }

  check(fail: (message: string) => never): void {
    for (const [key, request] of this.#waiting) {
      const entry = this.#table.get(strategyOf(request).groupId);
      if (entry === undefined || entry.state === "REMOVED") fail(`${key} waits for a group that is no more`);
      if (this.#seats(entry, request).length > 0) fail(`${key} waits although its bundle has a node`);
    }
  }

  #decide(request: PickRequest, out: GroupEffect[]): void {
    const { key, resources, waitingAt, exclude, name } = request;
    const { groupId, bundleIndex } = strategyOf(request);
    const entry = this.#table.get(groupId);
    if (entry === undefined || entry.state === "REMOVED") {
      this.#waiting.delete(key);
      const why = entry === undefined ? "it is not known (any more)" : entry.message;
      const message = `${name} cannot run: placement group ${groupId} was removed: ${why}`;
      return void out.push({ type: "pickRemoved", key, groupId, message });
    }
    const seats = this.#seats(entry, request);
    if (seats.length === 0) {
      this.#waiting.set(key, request);
      if (this.#waiting.size > GROUP_PICKS_MAX) this.#giveUpOldest(out);
      return;
    }
    this.#waiting.delete(key);
    const free = seats.filter((seat) => this.#isFree(groupId, seat, resources));
    // A node that has just refused, or where it waits in vain, only when nothing else is left.
    const wanted = free.filter(({ nodeId }) => !exclude.includes(nodeId));
    const here = seats.find(({ nodeId }) => nodeId === waitingAt);
    const seat = wanted[0] ?? here ?? free[0] ?? seats[this.#turn++ % seats.length]!;
    const load = this.#free.get(seat.nodeId)?.get(seatKey(groupId, seat.index));
    if (load !== undefined) addResources(load, resources, -1);
    const which = bundleIndex < 0 ? `any bundle, ${seat.index}` : `bundle ${seat.index}`;
    const detail = `placement group ${groupId}, ${which}, is at ${seat.nodeId}` +
      (free.length > 0 ? "" : `; ${describeResources(resources)} is not free there now`);
    out.push({ type: "picked", key, nodeId: seat.nodeId, detail });
  }

  #giveUpOldest(out: GroupEffect[]): void {
    const [key, { name, strategy }] = this.#waiting.entries().next().value!;
    this.#waiting.delete(key);
    const { groupId } = strategy as GroupStrategy;
    const message =
      `${name} cannot run: ${GROUP_PICKS_MAX} requests wait for placement groups, such as ${groupId}`;
    out.push({ type: "pickRemoved", key, groupId, message });
  }

  /** Bundles that have a node and could ever hold it. None before the group was whole for the first time. */
  #seats({ spec, state, placements }: GroupEntry, request: PickRequest): Seat[] {
    if (state !== "CREATED" && state !== "RESCHEDULING") return [];
    const { bundleIndex } = strategyOf(request);
    const seats: Seat[] = [];
    for (const [index, nodeId] of placements.entries()) {
      if (nodeId === null || (bundleIndex >= 0 && index !== bundleIndex)) continue;
      if (fits(spec.bundles[index]!, request.resources)) seats.push({ nodeId, index });
    }
    return seats;
  }

  /** A bundle that its node has not told of yet is new, and free. */
  #isFree(groupId: GroupId, { nodeId, index }: Seat, resources: ResourceSet): boolean {
    const load = this.#free.get(nodeId)?.get(seatKey(groupId, index));
    return load === undefined || fits(load, resources);
  }
}

function strategyOf({ strategy }: PickRequest): GroupStrategy {
  if (strategy.type !== "group") throw new Error("Invariant broken: only group work is placed here.");
  return strategy;
}

function seatKey(groupId: GroupId, index: number): string {
  return `${groupId}/${index}`;
}
