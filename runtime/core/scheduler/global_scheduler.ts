/**
 * The global scheduler: picks a node for what a local scheduler could not or should not run itself, and for actors.
 *
 * It owns: its view of the nodes (last heartbeats, less what it assigned since), requests that no node fits, and the one
 * warning for each of their shapes. It does not own the queues of work (the picked node's local scheduler has them) nor
 * object locations (it reads the directory).
 *
 *   1              2
 *  ---> asked ----------> picked
 *         |  ^
 *         3  4      5
 *         v  |  -------> failed
 *       waiting
 *
 *   1 requestPick, idempotent by key.   2 A feasible node: the best that is free, else the one with the least expected wait.
 *   3 No node fits now: none has the resources, or those that have are suspects, draining or excluded by the asker.
 *   4 Nodes changed, or an exclusion ran out.   5 Hard affinity to a node that is dead, unknown or can never fit.
 * @module
 */
import { assert } from "../../common/assert.ts";
import type { JobId, NodeId, ObjectId } from "../../common/ids.ts";
import type { Prng } from "../../common/prng.ts";
import { addResources, fits, type ResourceSet } from "../../common/resources.ts";
import type { DemandRow, Heartbeat } from "../../protocol/messages.ts";
import type { Core } from "../core.ts";
import type { PickRequest } from "./pick_request.ts";
import {
  type ArgumentPlace,
  costOf,
  describeCost,
  describeDemand,
  type NodeCost,
  type NodeView,
  obstacle,
  shortfall,
  utilization,
} from "./scheduling_policy.ts";

/** An assignment is in the node's own figures by the first heartbeat that comes this much later. */
export const ASSIGNMENT_SETTLES_MS: number = 200;
/** How long an asker's exclusion of a node holds while its request waits. */
export const EXCLUSION_MS: number = 1_000;
/** Requests that may wait at once; above that they fail. */
export const PICKS_WAITING_MAX: number = 100_000;
/** Shapes whose warning is remembered. */
export const WARNINGS_KEPT: number = 1_000;

export type SchedulerEvent =
  | {
    readonly type: "nodeJoined";
    readonly nodeId: NodeId;
    readonly resources: ResourceSet;
    readonly labels: Readonly<Record<string, string>>;
  }
  | { readonly type: "nodeStateChanged"; readonly nodeId: NodeId; readonly state: "ALIVE" | "SUSPECT" }
  | { readonly type: "nodeDraining"; readonly nodeId: NodeId }
  | { readonly type: "nodeDied"; readonly nodeId: NodeId; readonly reason: string }
  | { readonly type: "heartbeatAccepted"; readonly heartbeat: Heartbeat }
  | { readonly type: "requestPick"; readonly request: PickRequest }
  | { readonly type: "cancelPick"; readonly key: string }
  | { readonly type: "jobEnded"; readonly jobId: JobId }
  | { readonly type: "tick" };

export type SchedulerEffect =
  | {
    readonly type: "picked";
    readonly key: string;
    readonly nodeId: NodeId;
    /** All feasible nodes, the best first. */
    readonly costs: readonly NodeCost[];
    /** The costs in one line, for the trace. */
    readonly detail: string;
  }
  /** TaskUnschedulableError, or ActorUnschedulableError. */
  | { readonly type: "pickFailed"; readonly key: string; readonly message: string }
  /** Once for each shape of a job, until a node fits it. */
  | { readonly type: "warnInfeasible"; readonly jobId: JobId; readonly text: string };

interface NodeEntry {
  readonly nodeId: NodeId;
  readonly total: ResourceSet;
  readonly labels: Readonly<Record<string, string>>;
  state: "ALIVE" | "SUSPECT";
  draining: boolean;
  heartbeat: Heartbeat | null;
  /** What was assigned and is not in the heartbeat yet, oldest first. */
  assigned: { readonly atMs: number; readonly resources: ResourceSet }[];
}

interface Waiting {
  readonly request: PickRequest;
  readonly sinceMs: number;
  /** One sentence: why no node was picked. */
  reason: string;
  infeasible: boolean;
}

type Choice =
  | { readonly type: "node"; readonly costs: NodeCost[] }
  | { readonly type: "wait"; readonly infeasible: boolean; readonly reason: string }
  | { readonly type: "fail"; readonly message: string };

export class GlobalScheduler implements Core<SchedulerEvent, SchedulerEffect> {
  /** All living members, suspects and draining ones included, in order of joining. */
  readonly #nodes: Map<NodeId, NodeEntry> = new Map();
  /** Requests that no node fits now, oldest first. */
  readonly #waiting: Map<string, Waiting> = new Map();
  /** Shapes that were warned of and that no node fits. */
  readonly #warned: Set<string> = new Set();
  /** Where an argument is: read from the object directory. */
  readonly #locate: (id: ObjectId) => ArgumentPlace | null;
  readonly #prng: Prng;
  /** The node that spread work went to last. */
  #spreadLast: NodeId | null = null;

  constructor(locate: (id: ObjectId) => ArgumentPlace | null, prng: Prng) {
    this.#locate = locate;
    this.#prng = prng;
  }

  step(nowMs: number, event: SchedulerEvent): readonly SchedulerEffect[] {
    const out: SchedulerEffect[] = [];
    switch (event.type) {
      case "nodeJoined":
        this.#join(event);
        this.#retry(nowMs, out);
        break;
      case "nodeStateChanged": {
        const node = this.#nodes.get(event.nodeId);
        if (node === undefined || node.state === event.state) break;
        node.state = event.state;
        if (event.state === "ALIVE") this.#retry(nowMs, out);
        break;
      }
      case "nodeDraining": {
        const node = this.#nodes.get(event.nodeId);
        if (node !== undefined) node.draining = true;
        break;
      }
      case "nodeDied":
        this.#nodes.delete(event.nodeId);
        for (const [key, { request }] of this.#waiting) {
          if (request.asker === event.nodeId) this.#waiting.delete(key);
        }
        this.#retry(nowMs, out);
        break;
      case "heartbeatAccepted":
        this.#heartbeat(nowMs, event.heartbeat);
        break;
      case "requestPick":
        this.#waiting.delete(event.request.key);
        this.#decide(nowMs, event.request, nowMs, out);
        break;
      case "cancelPick":
        // Answered before, or never arrived: nothing to forget.
        this.#waiting.delete(event.key);
        break;
      case "jobEnded":
        for (const [key, { request }] of this.#waiting) {
          // Actors may be detached: the actor manager cancels those that are not.
          if (request.jobId === event.jobId && request.kind === "task") this.#waiting.delete(key);
        }
        break;
      case "tick":
        this.#retry(nowMs, out);
        break;
      default:
        event satisfies never;
    }
    return out;
  }

  /** Waiting requests by shape, with the reason. */
  demand(): DemandRow[] {
    const rows = new Map<string, { name: string; resources: ResourceSet; count: number; reason: string }>();
    for (const { request, reason } of this.#waiting.values()) {
      const shape = `${request.name}/${shapeKey(request)}`;
      const row = rows.get(shape);
      if (row === undefined) {
        rows.set(shape, { name: request.name, resources: request.resources, count: 1, reason });
      } else row.count++;
    }
    return [...rows.values()];
  }

  /** Whether the request could start at once on another node than `current`, and not on that one. */
  betterElsewhere(request: PickRequest, current: NodeId): boolean {
    const here = this.#nodes.get(current);
    if (here !== undefined && fits(this.#view(here).available, request.resources)) return false;
    const { strategy } = request;
    if (strategy.type === "nodeAffinity" && !strategy.soft && strategy.nodeId === current) return false;
    // A soft wish was heard when it was sent there; what fills that node may never end.
    const choice = this.#chooseAmong([...this.#nodes.values()], { ...request, waitingAt: current }, false);
    return choice.type === "node" && choice.costs[0]!.nodeId !== current && choice.costs[0]!.availableNow;
  }

  check(): void {
    for (const [id, node] of this.#nodes) {
      assert(node.nodeId === id, `${id} is filed under its own id`);
      for (const { resources } of node.assigned) {
        for (const name in resources) {
          assert(resources[name]! >= 0, `assigned ${name} on ${id} is not negative`);
        }
      }
    }
    for (const [key, { request }] of this.#waiting) {
      assert(request.key === key, `${key} is filed under its own key`);
      const choice = this.#choose(request, true);
      const excluded = request.exclude.length > 0;
      assert(choice.type === "wait" || excluded, `${key} waits only while no node fits`);
    }
    assert(this.#waiting.size <= PICKS_WAITING_MAX, "waiting requests are bounded");
    assert(this.#warned.size <= WARNINGS_KEPT, "remembered warnings are bounded");
  }

  #join(event: Extract<SchedulerEvent, { type: "nodeJoined" }>): void {
    const { nodeId, resources, labels } = event;
    const known = this.#nodes.get(nodeId);
    this.#nodes.set(nodeId, {
      nodeId,
      total: resources,
      labels,
      state: "ALIVE",
      draining: known?.draining ?? false,
      heartbeat: known?.heartbeat ?? null,
      assigned: known?.assigned ?? [],
    });
  }

  #heartbeat(nowMs: number, heartbeat: Heartbeat): void {
    const node = this.#nodes.get(heartbeat.nodeId);
    if (node === undefined) return;
    // What was taken since the last figures is what was assigned, oldest first: counted twice, a node would seem full.
    const taken = { ...(node.heartbeat?.available ?? node.total) };
    addResources(taken, heartbeat.available, -1);
    node.heartbeat = heartbeat;
    node.assigned = node.assigned.filter(({ atMs, resources }) => {
      if (nowMs - atMs >= ASSIGNMENT_SETTLES_MS) return false;
      if (!fits(taken, resources)) return true;
      addResources(taken, resources, -1);
      return false;
    });
  }

  #retry(nowMs: number, out: SchedulerEffect[]): void {
    for (const { request, sinceMs } of [...this.#waiting.values()]) {
      this.#decide(nowMs, request, sinceMs, out);
    }
  }

  /** Picks, fails, or puts the request into (or leaves it in) its place among the waiting. */
  #decide(nowMs: number, request: PickRequest, sinceMs: number, out: SchedulerEffect[]): void {
    const { key, jobId } = request;
    if (this.#stays(request, out)) return;
    const choice = this.#choose(request, nowMs - sinceMs < EXCLUSION_MS);
    if (choice.type === "wait") {
      if (choice.infeasible) this.#warn(request, choice.reason, out);
      const waiting = this.#waiting.get(key);
      if (waiting !== undefined) {
        waiting.reason = choice.reason;
        waiting.infeasible = choice.infeasible;
      } else if (this.#waiting.size < PICKS_WAITING_MAX) {
        this.#waiting.set(key, { request, sinceMs, reason: choice.reason, infeasible: choice.infeasible });
      } else {
        const message = `Cannot place ${request.name}: ${PICKS_WAITING_MAX} requests wait already`;
        out.push({ type: "pickFailed", key, message });
      }
      return;
    }
    this.#waiting.delete(key);
    if (choice.type === "fail") return void out.push({ type: "pickFailed", key, message: choice.message });
    this.#warned.delete(`${jobId}/${shapeKey(request)}`);
    const nodeId = choice.costs[0]!.nodeId;
    this.#nodes.get(nodeId)!.assigned.push({ atMs: nowMs, resources: request.resources });
    if (request.strategy.type === "spread") this.#spreadLast = nodeId;
    const detail = choice.costs.map(describeCost).join("; ");
    out.push({ type: "picked", key, nodeId, costs: choice.costs, detail });
  }

  /** Whether it waits at a node and stays there: its place in that queue is worth more than one in another. */
  #stays(request: PickRequest, out: SchedulerEffect[]): boolean {
    const { key, waitingAt } = request;
    const node = waitingAt === undefined ? undefined : this.#nodes.get(waitingAt);
    if (node === undefined || this.betterElsewhere(request, node.nodeId)) return false;
    // It may have been among those that wait, while that node was unknown.
    this.#waiting.delete(key);
    const cost = costOf(this.#view(node), request, this.#placesOf(request));
    const detail = `${describeCost(cost)}; it waits there, and no other node is free`;
    out.push({ type: "picked", key, nodeId: node.nodeId, costs: [cost], detail });
    return true;
  }

  #placesOf(request: PickRequest): ArgumentPlace[] {
    return request.args.flatMap((arg) => this.#locate(arg.id) ?? []);
  }

  #choose(request: PickRequest, withExclusions: boolean): Choice {
    const { strategy, waitingAt } = request;
    // One that waits somewhere and may leave has been where its soft wish sent it.
    if (strategy.type === "nodeAffinity" && !(strategy.soft && waitingAt !== undefined)) {
      const node = this.#nodes.get(strategy.nodeId);
      const problem = node === undefined
        ? "it is dead or unknown"
        : node.draining
        ? "it is draining"
        : obstacle(this.#view(node), request);
      if (problem === "") return this.#chooseAmong([node!], request, withExclusions);
      if (!strategy.soft) {
        const message =
          `Cannot place ${request.name} on node ${strategy.nodeId}, which its schedulingStrategy ` +
          `demands (soft: false): ${problem}`;
        return { type: "fail", message };
      }
    }
    return this.#chooseAmong([...this.#nodes.values()], request, withExclusions);
  }

  #chooseAmong(nodes: readonly NodeEntry[], request: PickRequest, withExclusions: boolean): Choice {
    const feasible = nodes.filter((node) => !node.draining && obstacle(this.#view(node), request) === "");
    if (feasible.length === 0) return { type: "wait", infeasible: true, reason: this.#explain(request) };
    const usable = feasible.filter((node) =>
      node.state === "ALIVE" && !(withExclusions && request.exclude.includes(node.nodeId))
    );
    if (usable.length === 0) {
      const reason = `${feasible.map((node) => node.nodeId).join(", ")} would fit, but cannot be reached now`;
      return { type: "wait", infeasible: false, reason };
    }
    const args = this.#placesOf(request);
    const ranked = usable.map((node) => {
      const view = this.#view(node);
      return { cost: costOf(view, request, args), load: utilization(view, request) };
    });
    const first = request.strategy.type === "spread"
      ? this.#spreadRank(ranked)
      : this.#rank(ranked, request.waitingAt !== undefined);
    return { type: "node", costs: first };
  }

  /** The least expected wait first, then the least used; chance decides among equals. For one that has waited in vain: what
   *  is free now first, for what it waits for may never end. */
  #rank(ranked: { cost: NodeCost; load: number }[], hasWaited: boolean): NodeCost[] {
    const freeFirst = (a: NodeCost, b: NodeCost): number => Number(b.availableNow) - Number(a.availableNow);
    ranked.sort((a, b) =>
      (hasWaited ? freeFirst(a.cost, b.cost) : 0) || a.cost.totalMs - b.cost.totalMs ||
      freeFirst(a.cost, b.cost) || a.load - b.load
    );
    const best = ranked[0]!;
    let equals = 1;
    while (equals < ranked.length && isEqual(ranked[equals]!, best)) equals++;
    if (equals > 1) ranked.unshift(...ranked.splice(this.#prng.below(equals), 1));
    return ranked.map((entry) => entry.cost);
  }

  /** Round robin: the next node after the last one among those that are free, else among all. */
  #spreadRank(ranked: { cost: NodeCost }[]): NodeCost[] {
    const order = [...this.#nodes.keys()];
    const last = this.#spreadLast === null ? -1 : order.indexOf(this.#spreadLast);
    const distance = (id: NodeId): number => (order.indexOf(id) - last - 1 + order.length) % order.length;
    ranked.sort((a, b) =>
      Number(b.cost.availableNow) - Number(a.cost.availableNow) ||
      distance(a.cost.nodeId) - distance(b.cost.nodeId)
    );
    return ranked.map((entry) => entry.cost);
  }

  #view(node: NodeEntry): NodeView {
    const available: Record<string, number> = { ...(node.heartbeat?.available ?? node.total) };
    let overflow = 0;
    for (const { resources } of node.assigned) {
      if (!fits(available, resources)) overflow++;
      addResources(available, resources, -1);
    }
    return {
      nodeId: node.nodeId,
      total: node.total,
      available,
      labels: node.labels,
      queueLength: node.heartbeat?.queueLength ?? 0,
      queueWaitMs: node.heartbeat?.queueWaitMs ?? 0,
      overflow,
      bandwidth: node.heartbeat?.bandwidth ?? {},
    };
  }

  #explain(request: PickRequest): string {
    const candidates = [...this.#nodes.values()].filter((node) => !node.draining);
    if (candidates.length === 0) return "the cluster has no node that takes new work";
    const views = candidates.map((node) => this.#view(node));
    let nearest = views[0]!;
    for (const view of views) if (shortfall(view, request) < shortfall(nearest, request)) nearest = view;
    return `no node has ${describeDemand(request)}; the nearest is ${nearest.nodeId}: ${
      obstacle(nearest, request)
    }`;
  }

  #warn(request: PickRequest, reason: string, out: SchedulerEffect[]): void {
    const shape = `${request.jobId}/${shapeKey(request)}`;
    if (this.#warned.has(shape)) return;
    this.#warned.add(shape);
    if (this.#warned.size > WARNINGS_KEPT) this.#warned.delete(this.#warned.values().next().value!);
    const what = request.kind === "actor" ? "Actor" : "Task";
    const text =
      `${what} ${request.name} cannot be placed: ${reason}. It waits until a node that fits joins.`;
    out.push({ type: "warnInfeasible", jobId: request.jobId, text });
  }
}

function shapeKey(request: PickRequest): string {
  return JSON.stringify([request.resources, request.labelSelector ?? {}, request.strategy]);
}

function isEqual(a: { cost: NodeCost; load: number }, b: { cost: NodeCost; load: number }): boolean {
  return a.cost.availableNow === b.cost.availableNow && a.cost.totalMs === b.cost.totalMs &&
    a.load === b.load;
}
