/**
 * The placement group manager: every placement group of the cluster from its creation to its removal.
 *
 * It owns: names, states, which node has which bundle, who waits for a group, and where work inside goes. It does not own
 * the bundles' resources (each node's local scheduler has them), nor what runs inside.
 *
 *              1          2            3            (2 and 3 are one step for a group that fits one node)
 *   createGroup -> PENDING -> PREPARED -> CREATED ---> RESCHEDULING
 *                   |  ^---4---+ |          |  ^---6---+   |   |^
 *                   |            |          |      5       |   || 7
 *                   +------------+-----8----+--------------+   +/
 *                                v
 *                             REMOVED
 *
 *   1 Registered under its id and its name; answered after the commit, again when it is resent.
 *   2 Every node has reserved its bundles; the placement is durable before any is told that it counts.
 *   3 Every node has heard that.        4 A node died before: all give theirs back.
 *   5 A node died: its bundles look for another one, the others work on.       6 They have one.
 *   7 Another node died meanwhile.      8 Removed by its user, or with its job or its creator's process.
 *
 * How the reservations go is in group_reservations.ts, where work inside goes in group_picks.ts.
 * @module
 */
import { assert } from "../../common/assert.ts";
import type { GroupId, JobId, NodeId, ProcessId } from "../../common/ids.ts";
import type { BundleReport } from "../../common/placement_group.ts";
import { addResources } from "../../common/resources.ts";
import type { DemandRow } from "../../protocol/messages.ts";
import type { Core } from "../core.ts";
import type { PickRequest } from "../scheduler/pick_request.ts";
import type { NodeView } from "../scheduler/scheduling_policy.ts";
import type { GroupEffect, GroupEvent, GroupRecord } from "./group_events.ts";
import { GroupPicks } from "./group_picks.ts";
import { describeGroup, GroupReservations, missing } from "./group_reservations.ts";
import { type GroupEntry, groupRecord, GroupTable, RETRY_MS } from "./group_table.ts";

/** Live groups at once; above that they are refused. */
export const GROUPS_MAX: number = 10_000;
/** Placements that are looked for in one step, and bundles times nodes that are looked at for them; the others follow shortly. */
const ATTEMPTS_PER_STEP = 128;
const PAIRS_PER_STEP = 64_000;
const NEXT_ATTEMPTS_MS = 10;
/** Groups that are tried at once when a node has more, those whose last try is longest ago; the others follow in their time. */
const HURRIED_MAX = 32;
/** Requests that wait for groups. */
const WAITERS_MAX = 100_000;

type Event<T extends GroupEvent["type"]> = Extract<GroupEvent, { type: T }>;

interface Waiter {
  readonly requestId: string;
  readonly groupId: GroupId;
  readonly dueMs: number;
}

export class PlacementGroupManager implements Core<GroupEvent, GroupEffect> {
  readonly #table: GroupTable = new GroupTable();
  readonly #nodes: () => readonly NodeView[];
  readonly #reservations: GroupReservations;
  readonly #picks: GroupPicks = new GroupPicks(this.#table);
  readonly #waiters: Map<string, Waiter> = new Map();
  /** The same, by group; no empty sets. */
  readonly #waitersOf: Map<GroupId, Set<string>> = new Map();
  /** All and only waiters that do not wait for ever. */
  readonly #timedWaiters: Map<string, Waiter> = new Map();
  /** What was free at each node when it last said so, while groups wait. */
  readonly #available: Map<NodeId, Readonly<Record<string, number>>> = new Map();
  /** What this step has assigned: the nodes' figures have it when the step's effects are done. */
  readonly #assigned: Map<NodeId, Record<string, number>> = new Map();
  #timerMs: number = Infinity;

  /** `nodes`: those that take new work now. `restored`: the store's groups after a restart of the head. */
  constructor(nowMs: number, nodes: () => readonly NodeView[], restored: readonly GroupRecord[] = []) {
    this.#nodes = nodes;
    this.#reservations = new GroupReservations(this.#table, () => this.#free(), (atMs, entry, out) => {
      this.#created(atMs, entry, out);
    });
    for (const record of restored) this.#reservations.resume(nowMs, this.#table.restore(nowMs, record));
  }

  step(nowMs: number, event: GroupEvent): readonly GroupEffect[] {
    return this.stepAll(nowMs, [event]);
  }

  /** Events that came together. */
  stepAll(nowMs: number, events: readonly GroupEvent[]): readonly GroupEffect[] {
    const out: GroupEffect[] = [];
    for (const event of events) this.#apply(nowMs, event, out);
    this.#attemptDue(nowMs, out);
    this.#assigned.clear();
    this.#setTimer(nowMs, out);
    return out;
  }

  record(groupId: GroupId): GroupRecord | null {
    const entry = this.#table.get(groupId);
    return entry === undefined ? null : groupRecord(entry);
  }

  /** All live groups and the newest removed ones. */
  records(): GroupRecord[] {
    return this.#table.entries().map(groupRecord);
  }

  /** Groups that wait for resources, and work that waits for groups. */
  demand(): DemandRow[] {
    const rows: DemandRow[] = [];
    for (const entry of this.#table.live()) {
      const bundles = missing(entry);
      if (bundles.length === 0) continue;
      const resources: Record<string, number> = {};
      for (const bundle of bundles) {
        for (const name in bundle.resources) {
          resources[name] = (resources[name] ?? 0) + bundle.resources[name]!;
        }
      }
      const name = entry.spec.name === "" ? entry.spec.groupId : entry.spec.name;
      const reason = entry.message === "" ? `${describeGroup(entry)} are being reserved` : entry.message;
      rows.push({ name: `placement group ${name}`, resources, count: 1, reason });
    }
    return [...rows, ...this.#picks.demand()];
  }

  /** Why a request for a place inside a group waits; null when none of that key does. */
  reason(key: string): string | null {
    return this.#picks.reason(key);
  }

  /** Whether work inside a group could start at once at another of its nodes, and not at this one. */
  betterElsewhere(request: PickRequest, current: NodeId): boolean {
    return this.#picks.betterElsewhere(request, current);
  }

  check(): void {
    this.#table.check();
    this.#picks.check((message) => {
      throw new Error(`Invariant broken: ${message}`);
    });
    for (const { requestId, groupId } of this.#waiters.values()) {
      assert(this.#waitersOf.get(groupId)?.has(requestId) === true, `${requestId} is filed under ${groupId}`);
      const state = this.#table.get(groupId)?.state;
      assert(
        state !== undefined && state !== "CREATED" && state !== "REMOVED",
        `${requestId} waits for ${groupId}`,
      );
    }
  }

  #apply(nowMs: number, event: GroupEvent, out: GroupEffect[]): void {
    switch (event.type) {
      case "createGroup":
        return this.#create(nowMs, event, out);
      case "getGroup":
        return this.#lookUp(event, out);
      case "removeGroup": {
        const entry = this.#table.get(event.groupId);
        if (entry !== undefined) this.#remove(nowMs, entry, "it was removed by removePlacementGroup()", out);
        return void out.push({ type: "removeDone", requestId: event.requestId });
      }
      case "waitGroup":
        return this.#wait(nowMs, event, out);
      case "cancelWait":
        return this.#forgetWaiter(event.requestId);
      case "bundlesReported":
        return this.#reported(nowMs, event.nodeId, event.bundles, out);
      case "jobEnded":
        this.#picks.jobEnded(event.jobId);
        return this.#jobEnded(nowMs, event.jobId, out);
      case "processExited":
        return this.#ownerGone(nowMs, (entry) => entry.spec.owner === event.processId, event.processId, out);
      case "requestPick":
        return this.#picks.request(event.request, out);
      case "cancelPick":
        return this.#picks.cancel(event.key);
      case "roomMade":
        return this.#hurry(nowMs, HURRIED_MAX);
      case "timer":
        return this.#timer(nowMs, out);
      default:
        return this.#applyNode(nowMs, event, out);
    }
  }

  #applyNode(nowMs: number, event: NodeWord, out: GroupEffect[]): void {
    const { nodeId } = event;
    switch (event.type) {
      case "bundlesPrepared":
      case "bundlesCommitted":
      case "bundlesAsked": {
        const entry = this.#table.get(event.groupId);
        // Removed, or never heard of: the node has been told, or is when it registers; one that asks is told again.
        if (entry === undefined || entry.state === "REMOVED") {
          if (event.type === "bundlesAsked") releaseUnknown(event.groupId, nodeId, event.indices, out);
          return;
        }
        if (event.type === "bundlesPrepared") return this.#reservations.prepared(nowMs, entry, event, out);
        if (event.type === "bundlesAsked") return this.#reservations.asked(entry, event, out);
        return this.#reservations.committed(nowMs, entry, nodeId, event.attempt, out);
      }
      case "nodeLoad":
        this.#picks.load(nodeId, event.bundles);
        // Where no group waits, what was free does not matter, and a look at each node's heartbeat would be for nothing.
        if (this.#table.timedCount === 0) this.#available.clear();
        else if (this.#hasGrown(nodeId, event.available)) this.#hurry(nowMs, HURRIED_MAX);
        return;
      case "nodeJoined":
        return this.#hurry(nowMs, HURRIED_MAX);
      case "nodeSuspected":
        for (const entry of this.#table.live()) this.#reservations.suspected(nowMs, entry, nodeId, out);
        return;
      case "nodeDied":
        this.#available.delete(nodeId);
        this.#picks.nodeDied(nodeId);
        this.#ownerGone(nowMs, (entry) => entry.spec.ownerNode === nodeId, `node ${nodeId}`, out);
        for (const entry of this.#table.live()) {
          this.#reservations.nodeDied(nowMs, entry, nodeId, event.reason, out);
        }
        return this.#hurry(nowMs);
      default:
        event satisfies never;
    }
  }

  #create(nowMs: number, event: Event<"createGroup">, out: GroupEffect[]): void {
    const { spec, requestId, refused, endsWithOwner } = event;
    const { groupId, name, namespace } = spec;
    const found: GroupEffect = { type: "groupFound", requestId, info: { groupId, bundles: spec.bundles } };
    // Resent: the answer was lost with a connection or with a head.
    if (this.#table.get(groupId) !== undefined) return void out.push(found);
    const what = name === "" ? groupId : `"${name}"`;
    const refuse = (code: "NameTakenError" | "MobulaError", why: string): void => {
      out.push({
        type: "groupRefused",
        requestId,
        code,
        message: `Cannot create placement group ${what}: ${why}`,
      });
    };
    if (refused !== null) return refuse("MobulaError", refused);
    if (this.#table.liveCount >= GROUPS_MAX) {
      return refuse("MobulaError", `the cluster has ${GROUPS_MAX} of them`);
    }
    const holder = name === "" ? undefined : this.#table.named(namespace, name);
    if (holder !== undefined) {
      return refuse(
        "NameTakenError",
        `in namespace "${namespace}", ${holder.spec.groupId} (${holder.state}) has the name`,
      );
    }
    const entry = this.#table.add(nowMs, spec, endsWithOwner);
    this.#table.schedule(entry, nowMs);
    this.#table.persist(entry, out);
    out.push(found);
  }

  #lookUp({ requestId, name, namespace }: Event<"getGroup">, out: GroupEffect[]): void {
    const entry = this.#table.named(namespace, name);
    if (entry !== undefined) {
      const { groupId, bundles } = entry.spec;
      return void out.push({ type: "groupFound", requestId, info: { groupId, bundles } });
    }
    const message =
      `Cannot find placement group "${name}" in namespace "${namespace}": no live group has that name`;
    out.push({ type: "groupRefused", requestId, code: "MobulaError", message });
  }

  #wait(nowMs: number, event: Event<"waitGroup">, out: GroupEffect[]): void {
    const { requestId, groupId, timeoutMs } = event;
    const entry = this.#table.get(groupId);
    if (entry === undefined || entry.state === "REMOVED") {
      const why = entry === undefined ? "it is not known (any more)" : entry.message;
      const message = `Placement group ${groupId} was removed: ${why}`;
      return void out.push({ type: "groupRefused", requestId, code: "PlacementGroupRemovedError", message });
    }
    if (entry.state === "CREATED" || timeoutMs === 0 || this.#waiters.size >= WAITERS_MAX) {
      return void out.push({ type: "groupWaited", requestId, created: entry.state === "CREATED" });
    }
    const waiter = { requestId, groupId, dueMs: timeoutMs === null ? Infinity : nowMs + timeoutMs };
    this.#waiters.set(requestId, waiter);
    const own = this.#waitersOf.get(groupId);
    if (own === undefined) this.#waitersOf.set(groupId, new Set([requestId]));
    else own.add(requestId);
    if (timeoutMs !== null) this.#timedWaiters.set(requestId, waiter);
  }

  #created(_nowMs: number, entry: GroupEntry, out: GroupEffect[]): void {
    const { groupId } = entry.spec;
    for (const requestId of this.#takeWaiters(groupId)) {
      out.push({ type: "groupWaited", requestId, created: true });
    }
    this.#picks.retry(groupId, out);
  }

  #remove(nowMs: number, entry: GroupEntry, message: string, out: GroupEffect[]): void {
    if (entry.state === "REMOVED") return;
    const { groupId } = entry.spec;
    const released: GroupEffect[] = [];
    this.#reservations.releaseAll(entry, message, released);
    this.#table.bury(nowMs, entry, message, out);
    out.push(...released);
    for (const requestId of this.#takeWaiters(groupId)) {
      const text = `Placement group ${groupId} was removed: ${message}`;
      out.push({ type: "groupRefused", requestId, code: "PlacementGroupRemovedError", message: text });
    }
    this.#picks.retry(groupId, out);
    out.push({ type: "groupRemoved", groupId, message });
    this.#hurry(nowMs);
  }

  #jobEnded(nowMs: number, jobId: JobId, out: GroupEffect[]): void {
    for (const entry of this.#table.live()) {
      const { spec, endsWithOwner } = entry;
      if (spec.jobId !== jobId || spec.detached || endsWithOwner) continue;
      this.#remove(nowMs, entry, `its job ${jobId} ended`, out);
    }
  }

  #ownerGone(
    nowMs: number,
    isOf: (entry: GroupEntry) => boolean,
    who: ProcessId | string,
    out: GroupEffect[],
  ): void {
    for (const entry of this.#table.live()) {
      if (!entry.endsWithOwner || entry.spec.detached || !isOf(entry)) continue;
      this.#remove(nowMs, entry, `its creator ${entry.spec.owner} ended (${who})`, out);
    }
  }

  #reported(nowMs: number, nodeId: NodeId, bundles: readonly BundleReport[], out: GroupEffect[]): void {
    const byGroup = new Map<GroupId, BundleReport[]>();
    for (const bundle of bundles) {
      const own = byGroup.get(bundle.groupId);
      if (own === undefined) byGroup.set(bundle.groupId, [bundle]);
      else own.push(bundle);
    }
    for (const [groupId, own] of byGroup) {
      const entry = this.#table.get(groupId);
      if (entry !== undefined && entry.state !== "REMOVED") continue;
      releaseUnknown(groupId, nodeId, own.map(({ index }) => index), out);
    }
    for (const entry of this.#table.live()) {
      this.#reservations.reported(nowMs, entry, nodeId, byGroup.get(entry.spec.groupId) ?? [], out);
    }
    this.#hurry(nowMs);
  }

  /** Whether a node has more of something than it said last, or says it for the first time since a group waits. */
  #hasGrown(nodeId: NodeId, available: Readonly<Record<string, number>>): boolean {
    const before = this.#available.get(nodeId);
    this.#available.set(nodeId, available);
    if (before === undefined) return true;
    for (const name in available) if (available[name]! > (before[name] ?? 0)) return true;
    return false;
  }

  /**
   * Something may fit now: what waits need not wait for its whole pause. `atOnce`: this many that wait for nothing but room
   * need not wait at all; one that a node refused is spared to it for a while.
   */
  #hurry(nowMs: number, atOnce: number = 0): void {
    let hurried = 0;
    for (const entry of this.#table.timed()) {
      const isNow = entry.lacksRoom && hurried < atOnce;
      if (isNow) hurried++;
      const soonestMs = isNow ? nowMs : Math.max(nowMs, entry.triedMs + RETRY_MS);
      this.#table.schedule(entry, Math.min(entry.tryAtMs!, soonestMs));
    }
  }

  #timer(nowMs: number, out: GroupEffect[]): void {
    this.#timerMs = Infinity;
    for (const { requestId, dueMs } of [...this.#timedWaiters.values()]) {
      if (dueMs > nowMs) continue;
      this.#forgetWaiter(requestId);
      out.push({ type: "groupWaited", requestId, created: false });
    }
  }

  #attemptDue(nowMs: number, out: GroupEffect[]): void {
    if (this.#table.timedCount === 0) return;
    let attempts = 0;
    let pairs = 0;
    for (const entry of [...this.#table.timed()]) {
      if (entry.tryAtMs! > nowMs) continue;
      if (attempts >= ATTEMPTS_PER_STEP || pairs >= PAIRS_PER_STEP) {
        this.#table.schedule(entry, nowMs + NEXT_ATTEMPTS_MS);
        continue;
      }
      attempts++;
      pairs += entry.spec.bundles.length * this.#nodes().length;
      const before = out.length;
      this.#reservations.attempt(nowMs, entry, out);
      for (let at = before; at < out.length; at++) {
        const effect = out[at]!;
        if (effect.type === "assigned") this.#assign(effect);
      }
    }
  }

  #assign({ nodeId, resources }: Extract<GroupEffect, { type: "assigned" }>): void {
    const assigned = this.#assigned.get(nodeId) ?? {};
    this.#assigned.set(nodeId, assigned);
    addResources(assigned, resources);
  }

  /** Nodes that take new work, with what is free there after this step's assignments: else all groups would get the same. */
  #free(): readonly NodeView[] {
    const nodes = this.#nodes();
    if (this.#assigned.size === 0) return nodes;
    return nodes.map((node) => {
      const assigned = this.#assigned.get(node.nodeId);
      if (assigned === undefined) return node;
      const available = { ...node.available };
      addResources(available, assigned, -1);
      return { ...node, available };
    });
  }

  #takeWaiters(groupId: GroupId): string[] {
    const own = [...this.#waitersOf.get(groupId) ?? []];
    for (const requestId of own) this.#forgetWaiter(requestId);
    return own;
  }

  #forgetWaiter(requestId: string): void {
    const waiter = this.#waiters.get(requestId);
    if (waiter === undefined) return;
    this.#waiters.delete(requestId);
    this.#timedWaiters.delete(requestId);
    const own = this.#waitersOf.get(waiter.groupId)!;
    own.delete(requestId);
    if (own.size === 0) this.#waitersOf.delete(waiter.groupId);
  }

  /** One timer, only when it must be earlier than the one that is set. */
  #setTimer(nowMs: number, out: GroupEffect[]): void {
    if (this.#table.timedCount + this.#timedWaiters.size === 0) return;
    let dueMs = Infinity;
    for (const { tryAtMs } of this.#table.timed()) dueMs = Math.min(dueMs, tryAtMs!);
    for (const waiter of this.#timedWaiters.values()) dueMs = Math.min(dueMs, waiter.dueMs);
    if (dueMs >= this.#timerMs) return;
    this.#timerMs = Math.max(nowMs, dueMs);
    out.push({ type: "setTimer", atMs: this.#timerMs });
  }
}

type NodeWord = Event<
  | "bundlesPrepared"
  | "bundlesCommitted"
  | "bundlesAsked"
  | "nodeLoad"
  | "nodeJoined"
  | "nodeSuspected"
  | "nodeDied"
>;

/** A node holds bundles of a group that is no more. */
function releaseUnknown(
  groupId: GroupId,
  nodeId: NodeId,
  indices: readonly number[],
  out: GroupEffect[],
): void {
  const message = "it was removed";
  out.push({ type: "releaseBundles", nodeId, groupId, indices, removed: true, message });
}
