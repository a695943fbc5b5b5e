/**
 * The global scheduler: picks a node for what a local scheduler could not or should not run itself, and for actors.
 *
 * It owns: its view of the nodes (cluster_nodes.ts), indexes over them by shape (node_index.ts), requests that no node
 * fits, and the one warning for each of their shapes. It does not own the queues of work (the picked node's local
 * scheduler has them) nor object locations (it reads the directory).
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
 *   4 A node came that helps its shape, or an exclusion ran out.   5 Hard affinity to a node that is dead, unknown or can never fit.
 *
 * A decision costs the logarithm of the number of nodes: the index of its shape names the best few, the holders of its
 * arguments are looked at besides, and only these are compared.
 * @module
 */
import { assert } from "../../common/assert.ts";
import type { JobId, NodeId, ObjectId } from "../../common/ids.ts";
import { type LabelSelector, selectorsOf } from "../../common/labels.ts";
import { fits, type ResourceSet } from "../../common/resources.ts";
import type { ArgumentRef } from "../../common/task_spec.ts";
import type { DemandRow, Heartbeat } from "../../protocol/messages.ts";
import type { Core } from "../core.ts";
import { type ClusterNode, ClusterNodes } from "./cluster_nodes.ts";
import { NodeIndex } from "./node_index.ts";
import type { PickRequest } from "./pick_request.ts";
import {
  type ArgumentPlace,
  costOf,
  describeCost,
  describeDemand,
  HOLDERS_MAX,
  NO_ROOM,
  type NodeCost,
  type NodeView,
  obstacle,
  shortfall,
} from "./scheduling_policy.ts";
import { WaitingPicks, waitingShape } from "./waiting_picks.ts";

/** How long an asker's exclusion of a node holds while its request waits. */
export const EXCLUSION_MS: number = 1_000;
/** Requests that may wait at once; above that they fail. */
export const PICKS_WAITING_MAX: number = 100_000;
/** Shapes whose warning is remembered. */
export const WARNINGS_KEPT: number = 1_000;
/** Shapes whose index is kept, the ones used last. */
const INDEXES_MAX = 64;
/** Nodes that are compared, the holders of arguments and the asker aside. */
const CANDIDATES = 3;

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
    /** The nodes that were compared, the picked one first. */
    readonly costs: readonly NodeCost[];
    /** The costs in one line, for the trace. */
    readonly detail: string;
  }
  /** TaskUnschedulableError, or ActorUnschedulableError. */
  | { readonly type: "pickFailed"; readonly key: string; readonly message: string }
  /** Once for each shape of a job, until a node fits it. */
  | { readonly type: "warnInfeasible"; readonly jobId: JobId; readonly text: string };

type Choice =
  /** `others`: how many more nodes could run it. */
  | { readonly type: "node"; readonly costs: NodeCost[]; readonly others: number }
  | { readonly type: "infeasible" }
  /** Nodes that would fit are suspects, or excluded by the asker. */
  | { readonly type: "unreachable" }
  | { readonly type: "fail"; readonly message: string };

export class GlobalScheduler implements Core<SchedulerEvent, SchedulerEffect> {
  readonly #nodes: ClusterNodes = new ClusterNodes();
  /** By resources and selector, the one that was used last at the end. */
  readonly #indexes: Map<string, NodeIndex> = new Map();
  readonly #waiting: WaitingPicks = new WaitingPicks();
  /** Shapes that were warned of and that no node fits. */
  readonly #warned: Set<string> = new Set();
  /** Where an argument is: read from the object directory. */
  readonly #locate: (id: ObjectId) => ArgumentPlace | null;

  constructor(locate: (id: ObjectId) => ArgumentPlace | null) {
    this.#locate = locate;
  }

  step(nowMs: number, event: SchedulerEvent): readonly SchedulerEffect[] {
    const out: SchedulerEffect[] = [];
    switch (event.type) {
      case "nodeJoined":
        this.#helped(nowMs, this.#nodes.join(event.nodeId, event.resources, event.labels), out);
        break;
      case "nodeStateChanged":
        if (this.#nodes.changeState(event.nodeId, event.state) && event.state === "ALIVE") {
          this.#helped(nowMs, this.#nodes.get(event.nodeId)!, out);
        }
        break;
      case "nodeDraining":
        this.#nodes.drain(event.nodeId);
        for (const shape of this.#waiting.shapes()) this.#retry(nowMs, shape, out);
        break;
      case "nodeDied":
        this.#nodes.remove(event.nodeId);
        this.#waiting.deleteWhere((request) => request.asker === event.nodeId);
        // Those that waited for it fail, go elsewhere, or are infeasible now.
        for (const shape of this.#waiting.shapes()) this.#retry(nowMs, shape, out);
        break;
      case "heartbeatAccepted":
        // Never an answer for what waits: requests wait for nodes, not for free resources.
        this.#nodes.heartbeat(nowMs, event.heartbeat);
        break;
      case "requestPick":
        this.#waiting.delete(event.request.key);
        this.#nodes.told(nowMs, event.request);
        this.#decide(nowMs, event.request, nowMs, out);
        break;
      case "cancelPick":
        // Answered before, or never arrived: nothing to forget.
        this.#waiting.delete(event.key);
        break;
      case "jobEnded":
        // Actors may be detached: the actor manager cancels those that are not.
        this.#waiting.deleteWhere(({ jobId, kind }) => jobId === event.jobId && kind === "task");
        break;
      case "tick":
        for (const { request, sinceMs } of this.#waiting.excluding()) {
          if (nowMs - sinceMs >= EXCLUSION_MS) this.#decide(nowMs, request, sinceMs, out);
        }
        break;
      default:
        event satisfies never;
    }
    return out;
  }

  /** Nodes that take new work now, in order of joining. */
  available(): NodeView[] {
    const views: NodeView[] = [];
    for (const { state, draining, view } of this.#nodes.all()) {
      if (state === "ALIVE" && !draining) views.push(view);
    }
    return views;
  }

  /** A node will hold this, for what was placed by others. */
  assign(nowMs: number, nodeId: NodeId, resources: ResourceSet): void {
    const node = this.#nodes.get(nodeId);
    if (node !== undefined) this.#nodes.assign(nowMs, node, resources);
  }

  /**
   * What was assigned for others is given back. False when the node's figures have it already: then they will say that too.
   * `resources`: the same object as in `assign`.
   */
  unassign(nodeId: NodeId, resources: ResourceSet): boolean {
    const node = this.#nodes.get(nodeId);
    return node !== undefined && this.#nodes.unassign(node, resources);
  }

  /** Waiting requests by name and shape, with the reason. */
  demand(): DemandRow[] {
    const rows: DemandRow[] = [];
    for (const shape of this.#waiting.shapes()) {
      const counts = new Map<string, number>();
      for (const { request: { name } } of this.#waiting.ofShape(shape)) {
        counts.set(name, (counts.get(name) ?? 0) + 1);
      }
      const reason = this.#reason(shape);
      for (const [name, count] of counts) rows.push({ name, resources: shape.resources, count, reason });
    }
    return rows;
  }

  /** Why a request waits; null when none of that key does. */
  reason(key: string): string | null {
    const waiting = this.#waiting.get(key);
    return waiting === undefined ? null : this.#reason(waiting.request);
  }

  /** Whether the request could start at once on another node than `current`, and not on that one. */
  betterElsewhere(request: PickRequest, current: NodeId): boolean {
    const here = this.#nodes.get(current);
    if (here !== undefined && fits(here.view.available, request.resources)) return false;
    const { strategy } = request;
    if (strategy.type === "nodeAffinity" && !strategy.soft && strategy.nodeId === current) return false;
    // A soft wish was heard when it was sent there; what fills that node may never end.
    const index = this.#indexOf(request);
    const best = index.best(1, [current])[0];
    return best !== undefined && index.score(best.nodeId)! < NO_ROOM;
  }

  check(): void {
    this.#nodes.check();
    for (const index of this.#indexes.values()) index.check();
    this.#waiting.check();
    for (const { request } of this.#waiting.all()) {
      const { type } = this.#choose(request, true);
      const waits = type === "infeasible" || type === "unreachable" || request.exclude.length > 0;
      assert(waits, `${request.key} waits only while no node fits`);
    }
    assert(this.#waiting.size <= PICKS_WAITING_MAX, "waiting requests are bounded");
    assert(this.#warned.size <= WARNINGS_KEPT, "remembered warnings are bounded");
    assert(this.#indexes.size <= INDEXES_MAX, "indexes are bounded");
  }

  /** Decide again about the shapes that this node, which is new or back, can run. */
  #helped(nowMs: number, node: ClusterNode, out: SchedulerEffect[]): void {
    for (const shape of this.#waiting.shapes()) {
      const { strategy } = shape;
      const named = strategy.type === "nodeAffinity" && strategy.nodeId === node.nodeId;
      if (named || obstacle(node.view, shape) === "") this.#retry(nowMs, shape, out);
    }
  }

  /** Decide again about the requests of a shape, until one shows that there is still no node for any. */
  #retry(nowMs: number, shape: PickRequest, out: SchedulerEffect[]): void {
    for (const { request, sinceMs } of this.#waiting.ofShape(shape)) {
      this.#decide(nowMs, request, sinceMs, out);
      if (request.exclude.length === 0 && this.#waiting.get(request.key) !== undefined) return;
    }
  }

  /** Picks, fails, or puts the request into (or leaves it in) its place among the waiting. */
  #decide(nowMs: number, request: PickRequest, sinceMs: number, out: SchedulerEffect[]): void {
    const { key } = request;
    if (this.#stays(request, out)) return;
    const choice = this.#choose(request, nowMs - sinceMs < EXCLUSION_MS);
    if (choice.type === "infeasible" || choice.type === "unreachable") {
      if (choice.type === "infeasible") this.#warn(request, out);
      if (this.#waiting.get(key) !== undefined) return;
      if (this.#waiting.size < PICKS_WAITING_MAX) return this.#waiting.add(request, sinceMs);
      const message = `Cannot place ${request.name}: ${PICKS_WAITING_MAX} requests wait already`;
      return void out.push({ type: "pickFailed", key, message });
    }
    this.#waiting.delete(key);
    if (choice.type === "fail") return void out.push({ type: "pickFailed", key, message: choice.message });
    if (this.#warned.size > 0) this.#warned.delete(warningKey(request));
    const { costs, others } = choice;
    const node = this.#nodes.get(costs[0]!.nodeId)!;
    this.#nodes.assign(nowMs, node, request.resources);
    if (request.strategy.type === "spread") this.#indexOf(request).tookTurn(node);
    const more = others > 0 ? `; ${others} more ${others === 1 ? "node" : "nodes"}` : "";
    const detail = `${costs.map(describeCost).join("; ")}${more}`;
    out.push({ type: "picked", key, nodeId: node.nodeId, costs, detail });
  }

  /** Whether it waits at a node and stays there: its place in that queue is worth more than one in another. */
  #stays(request: PickRequest, out: SchedulerEffect[]): boolean {
    const { key, waitingAt } = request;
    const node = waitingAt === undefined ? undefined : this.#nodes.get(waitingAt);
    if (node === undefined || this.betterElsewhere(request, node.nodeId)) return false;
    // It may have been among those that wait, while that node was unknown.
    this.#waiting.delete(key);
    const cost = costOf(node.view, request, this.#placesOf(request.args));
    const detail = `${describeCost(cost)}; it waits there, and no other node is free`;
    out.push({ type: "picked", key, nodeId: node.nodeId, costs: [cost], detail });
    return true;
  }

  /** Where the arguments are. What the directory has not heard of yet is where it was made. */
  #placesOf(args: readonly ArgumentRef[]): ArgumentPlace[] {
    return args.flatMap(({ id, bytes, at }) =>
      this.#locate(id) ?? (at === undefined ? [] : { bytes, nodes: new Set([at]) })
    );
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
        : obstacle(node.view, request);
      if (problem === "") return this.#chooseOnly(node!, request, withExclusions);
      if (!strategy.soft) {
        const message =
          `Cannot place ${request.name} on node ${strategy.nodeId}, which its schedulingStrategy ` +
          `demands (soft: false): ${problem}`;
        return { type: "fail", message };
      }
    }
    return this.#chooseAmongAll(request, withExclusions ? request.exclude : []);
  }

  #chooseOnly(node: ClusterNode, request: PickRequest, withExclusions: boolean): Choice {
    const excluded = withExclusions && request.exclude.includes(node.nodeId);
    if (node.state !== "ALIVE" || excluded) return { type: "unreachable" };
    return { type: "node", costs: [costOf(node.view, request, this.#placesOf(request.args))], others: 0 };
  }

  #chooseAmongAll(request: PickRequest, exclude: readonly NodeId[]): Choice {
    const index = this.#indexOf(request);
    if (index.size === 0) return { type: "infeasible" };
    const args = this.#placesOf(request.args);
    const candidates = new Set(index.best(CANDIDATES, exclude));
    if (candidates.size === 0) return { type: "unreachable" };
    const add = (nodeId: NodeId): void => {
      if (index.score(nodeId) !== null && !exclude.includes(nodeId)) candidates.add(this.#nodes.get(nodeId)!);
    };
    if (request.asker !== null) add(request.asker);
    for (const { nodes } of args) {
      let looked = 0;
      for (const holder of nodes) {
        add(holder);
        if (++looked >= HOLDERS_MAX) break;
      }
    }
    const turn = request.strategy.type === "spread" ? index.nextInTurn(exclude) : null;
    if (turn !== null) candidates.add(turn);
    const costs = rank([...candidates], request, args, index, turn);
    return { type: "node", costs, others: index.size - costs.length };
  }

  /** The nodes that may run it: those of the first of its label selectors that any node meets which has the resources. */
  #indexOf(request: PickRequest): NodeIndex {
    const selectors = selectorsOf(request);
    for (const selector of selectors) {
      const index = this.#index(request.resources, selector);
      if (index.size > 0) return index;
    }
    return this.#index(request.resources, selectors[0]);
  }

  #index(resources: ResourceSet, selector: LabelSelector | undefined): NodeIndex {
    const key = JSON.stringify([resources, selector]);
    let index = this.#indexes.get(key);
    if (index === undefined) {
      index = new NodeIndex(this.#nodes, resources, selector);
      if (this.#indexes.size >= INDEXES_MAX) this.#indexes.delete(this.#indexes.keys().next().value!);
    } else this.#indexes.delete(key);
    this.#indexes.set(key, index);
    return index;
  }

  /** Why a waiting request waits, in one sentence. */
  #reason(request: PickRequest): string {
    const { strategy } = request;
    const members = strategy.type === "nodeAffinity" && this.#nodes.get(strategy.nodeId) !== undefined
      ? [this.#nodes.get(strategy.nodeId)!]
      : this.#indexOf(request).members();
    if (members.length > 0) {
      const some = members.slice(0, CANDIDATES).map(({ nodeId }) => nodeId).join(", ");
      const more = members.length > CANDIDATES ? ` and ${members.length - CANDIDATES} more` : "";
      return `${some}${more} would fit, but cannot be reached now`;
    }
    const views = [...this.#nodes.all()].filter(({ draining }) => !draining).map(({ view }) => view);
    if (views.length === 0) return "the cluster has no node that takes new work";
    const nearest = views.reduce((best, view) =>
      shortfall(view, request) < shortfall(best, request) ? view : best
    );
    const problem = obstacle(nearest, request);
    return `no node has ${describeDemand(request)}; the nearest is ${nearest.nodeId}: ${problem}`;
  }

  #warn(request: PickRequest, out: SchedulerEffect[]): void {
    const key = warningKey(request);
    if (this.#warned.has(key)) return;
    this.#warned.add(key);
    if (this.#warned.size > WARNINGS_KEPT) this.#warned.delete(this.#warned.values().next().value!);
    const what = request.kind === "actor" ? "Actor" : "Task";
    const text = `${what} ${request.name} cannot be placed: ${this.#reason(request)}. ` +
      "It waits until a node that fits joins.";
    out.push({ type: "warnInfeasible", jobId: request.jobId, text });
  }
}

function warningKey(request: PickRequest): string {
  return `${request.jobId}/${waitingShape(request)}`;
}

/**
 * What each node would cost, the best first. The node whose turn it is leads; else the least expected wait does, then the
 * node that asks, where it is as little used as any (below 50 % all are alike), then the first in the order of joining. For one
 * that has waited in vain what is free now comes first: what it waits for may never end.
 */
function rank(
  candidates: ClusterNode[],
  request: PickRequest,
  args: readonly ArgumentPlace[],
  index: NodeIndex,
  turn: ClusterNode | null,
): NodeCost[] {
  const ranked = candidates.map((node) => ({
    node,
    cost: costOf(node.view, request, args),
    score: index.score(node.nodeId)!,
    leads: Number(node === turn),
    asks: Number(node.nodeId === request.asker),
  }));
  const hasWaited = request.waitingAt !== undefined;
  ranked.sort((a, b) =>
    b.leads - a.leads ||
    (hasWaited ? Number(b.cost.availableNow) - Number(a.cost.availableNow) : 0) ||
    a.cost.totalMs - b.cost.totalMs || a.score - b.score || b.asks - a.asks || a.node.order - b.node.order
  );
  return ranked.map(({ cost }) => cost);
}
