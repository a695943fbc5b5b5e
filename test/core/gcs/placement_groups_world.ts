/**
 * A small world around one placement group manager: nodes with real bundle tables, connections that keep their order and
 * break, nodes that die and come back, heads that die between two steps or in one. It keeps no promise that the real parts
 * do not keep: what is on a connection when it breaks is lost, what was persisted survives.
 * @module
 */
import { strict as assert } from "node:assert";
import type { GroupId, JobId, NodeId, ProcessId } from "../../../runtime/common/ids.ts";
import type { GroupSpec, PlacementStrategy } from "../../../runtime/common/placement_group.ts";
import { Prng } from "../../../runtime/common/prng.ts";
import { toUnits } from "../../../runtime/common/resources.ts";
import type { GroupEffect, GroupEvent, GroupRecord } from "../../../runtime/core/gcs/group_events.ts";
import { PlacementGroupManager } from "../../../runtime/core/gcs/placement_group_manager.ts";
import { BundleTable } from "../../../runtime/core/scheduler/bundle_table.ts";
import { NodeResources } from "../../../runtime/core/scheduler/node_resources.ts";
import type { NodeView } from "../../../runtime/core/scheduler/scheduling_policy.ts";

export const TOTAL: Readonly<Record<string, number>> = toUnits({ CPU: 8, GPU: 2 });

export function groupSpec(changes: Partial<GroupSpec> & { bundles?: GroupSpec["bundles"] } = {}): GroupSpec {
  return {
    groupId: "g-1" as GroupId,
    jobId: "j-1" as JobId,
    owner: "d-1" as ProcessId,
    ownerNode: "n-1" as NodeId,
    name: "",
    namespace: "ns",
    detached: false,
    byDetachedActor: false,
    strategy: "PACK",
    bundles: [toUnits({ CPU: 1 })],
    ...changes,
  };
}

/** A node as the head's scheduler would see it. */
export function view(nodeId: string, available: Readonly<Record<string, number>>): NodeView {
  return {
    nodeId: nodeId as NodeId,
    total: TOTAL,
    available: { ...available },
    labels: {},
    queueLength: 0,
    queueWaitMs: 0,
    overflow: 0,
    bandwidth: {},
  };
}

type Order = Extract<GroupEffect, { type: "prepareBundles" | "commitBundles" | "releaseBundles" }>;

class Node {
  readonly nodeId: NodeId;
  readonly resources: NodeResources = new NodeResources(TOTAL);
  readonly bundles: BundleTable = new BundleTable(this.resources);
  /** By the last heartbeat. */
  told: Record<string, number> = { ...TOTAL };
  /** Grows with each connection: what is on an older one is lost. */
  connection: number = 0;
  isUp: boolean = false;
  isAlive: boolean = true;

  constructor(nodeId: NodeId) {
    this.nodeId = nodeId;
  }
}

interface Later {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

export class GroupWorld {
  readonly prng: Prng;
  manager: PlacementGroupManager;
  nowMs: number = 1_000_000;
  calm: boolean = false;
  readonly nodes: Map<NodeId, Node> = new Map();
  /** What the store holds. */
  #records: Map<string, GroupRecord> = new Map();
  #queue: Later[] = [];
  #order: number = 0;
  #requests: number = 0;
  #groups: number = 0;
  #life: number = 0;
  /** How often each state was entered, to show that the run was one. */
  readonly seen: Map<string, number> = new Map();

  constructor(seed: number, nodes: number) {
    this.prng = new Prng(seed);
    this.manager = this.#newManager();
    for (let index = 1; index <= nodes; index++) this.#join(`n-${index}` as NodeId);
  }

  get live(): GroupRecord[] {
    return this.manager.records().filter(({ state }) => state !== "REMOVED");
  }

  /** Run what is due next; false when nothing is left. */
  advance(): boolean {
    if (this.#queue.length === 0) return false;
    let best = 0;
    for (let index = 1; index < this.#queue.length; index++) {
      const [a, b] = [this.#queue[index]!, this.#queue[best]!];
      if (a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)) best = index;
    }
    const [next] = this.#queue.splice(best, 1);
    this.nowMs = Math.max(this.nowMs, next!.atMs);
    next!.run();
    this.#check();
    return true;
  }

  create(): void {
    const { prng } = this;
    const strategy = prng.pick<PlacementStrategy>(["PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD"]);
    const bundles = Array.from(
      { length: prng.between(1, 3) },
      () => toUnits({ CPU: prng.between(1, 2), GPU: prng.chance(20) ? 0.5 : 0 }),
    );
    const groupId = `g-${++this.#groups}` as GroupId;
    const spec = groupSpec({ groupId, strategy, bundles });
    this.send({
      type: "createGroup",
      requestId: this.requestId(),
      spec,
      refused: null,
      endsWithOwner: false,
    });
  }

  requestId(): string {
    return `q${++this.#requests}`;
  }

  remove(groupId: GroupId): void {
    this.send({ type: "removeGroup", requestId: this.requestId(), groupId });
  }

  /** One random thing that users or bad luck do. */
  mischief(): void {
    const { prng } = this;
    const kind = prng.below(12);
    const node = prng.pick([...this.nodes.values()]);
    if (kind <= 4) {
      if (this.live.length < 5) this.create();
    } else if (kind <= 6) {
      if (this.live.length > 0) this.remove(prng.pick(this.live).spec.groupId);
    } else if (kind === 7) this.#disconnect(node);
    else if (kind === 8 && prng.chance(50)) this.#die(node);
    else if (kind === 9 && prng.chance(30)) this.restartHead();
    else this.#hold(node);
  }

  send(event: GroupEvent): void {
    const effects = this.manager.step(this.nowMs, event);
    // The head may die before anything of this step is durable, or before what follows the commit has left.
    if (!this.calm && this.prng.chance(1)) {
      const survives = this.prng.chance(50);
      if (survives) { for (const effect of effects) this.#persist(effect); }
      return this.restartHead();
    }
    for (const effect of effects) this.#perform(effect);
  }

  restartHead(): void {
    this.#life++;
    this.manager = this.#newManager();
    for (const node of this.nodes.values()) this.#disconnect(node);
    const life = this.#life;
    this.#after(1, () => {
      if (life === this.#life) this.send({ type: "timer" });
    });
  }

  #newManager(): PlacementGroupManager {
    return new PlacementGroupManager(this.nowMs, () => this.#views(), [...this.#records.values()]);
  }

  /** As far as the head knows. */
  #views(): NodeView[] {
    const up = [...this.nodes.values()].filter((node) => node.isUp && node.isAlive);
    return up.map(({ nodeId, told }) => view(nodeId, told));
  }

  #after(ms: number, run: () => void): void {
    this.#queue.push({ atMs: this.nowMs + ms, order: this.#order++, run });
  }

  #perform(effect: GroupEffect): void {
    this.#persist(effect);
    if (effect.type === "setTimer") {
      const life = this.#life;
      return this.#after(effect.atMs - this.nowMs, () => {
        if (life === this.#life) this.send({ type: "timer" });
      });
    }
    if (
      effect.type !== "prepareBundles" && effect.type !== "commitBundles" && effect.type !== "releaseBundles"
    ) return;
    const node = this.nodes.get(effect.nodeId);
    // Without a connection it is dropped: registering makes up for it.
    if (node?.isUp !== true || !node.isAlive) return;
    this.#onConnection(node, () => this.#obey(node, effect));
  }

  #persist(effect: GroupEffect): void {
    if (effect.type === "persistGroup") {
      this.#records.set(effect.record.spec.groupId, effect.record);
      this.seen.set(effect.record.state, (this.seen.get(effect.record.state) ?? 0) + 1);
    }
    if (effect.type === "forgetGroup") this.#records.delete(effect.groupId);
  }

  /** In order, and not at all when the connection breaks before. */
  #onConnection(node: Node, run: () => void): void {
    const { connection } = node;
    const lastMs = this.#queue.reduce((last, later) => Math.max(last, later.atMs), this.nowMs);
    // One delay for all keeps the order of a connection.
    const ms = this.prng.chance(80) ? 1 : Math.min(20, lastMs - this.nowMs + 1);
    const dueMs = Math.max(this.nowMs + ms, this.#lastOn.get(node) ?? 0);
    this.#lastOn.set(node, dueMs);
    this.#after(dueMs - this.nowMs, () => {
      if (node.isAlive && node.connection === connection) run();
    });
  }
  readonly #lastOn: Map<Node, number> = new Map();

  #obey(node: Node, order: Order): void {
    const { nodeId, bundles } = node;
    const { groupId } = order;
    if (order.type === "releaseBundles") return void bundles.release(groupId, order.indices);
    const { attempt } = order;
    if (order.type === "commitBundles") {
      bundles.commit(groupId, attempt);
      this.#onConnection(node, () => this.send({ type: "bundlesCommitted", nodeId, groupId, attempt }));
    } else {
      const problem = bundles.prepare(this.nowMs, groupId, attempt, order.bundles);
      if (problem === null && order.final) bundles.commit(groupId, attempt);
      this.#onConnection(
        node,
        () => this.send({ type: "bundlesPrepared", nodeId, groupId, attempt, problem }),
      );
    }
    bundles.check();
    node.resources.check();
  }

  #join(nodeId: NodeId): void {
    const node = new Node(nodeId);
    this.nodes.set(nodeId, node);
    this.#connect(node);
    const heartbeat = (): void => {
      if (!node.isAlive) return;
      node.told = { ...node.resources.available };
      const load = { nodeId, available: node.told, bundles: node.bundles.loads() };
      if (node.isUp) this.send({ type: "nodeLoad", ...load });
      this.#after(100, heartbeat);
    };
    this.#after(100, heartbeat);
  }

  #connect(node: Node): void {
    const { nodeId } = node;
    const connection = ++node.connection;
    this.#after(this.prng.between(1, 30), () => {
      if (!node.isAlive || node.connection !== connection) return;
      // What it holds when it registers; what it is told before the head hears of that is on another connection.
      const bundles = node.bundles.reports();
      node.isUp = true;
      this.send({ type: "bundlesReported", nodeId, bundles });
    });
  }

  #disconnect(node: Node): void {
    if (!node.isAlive) return;
    const wasUp = node.isUp;
    node.isUp = false;
    node.connection++;
    if (wasUp) this.send({ type: "nodeSuspected", nodeId: node.nodeId });
    this.#connect(node);
  }

  #die(node: Node): void {
    if (!node.isAlive || this.calm) return;
    node.isAlive = node.isUp = false;
    const { nodeId } = node;
    this.#after(this.prng.between(1, 300), () => this.#known(nodeId));
  }

  /** The head hears of a node's death; another incarnation of it may come. */
  #known(nodeId: NodeId): void {
    const life = this.#life;
    this.send({ type: "nodeDied", nodeId, reason: "it was killed" });
    // A head that died of the news has not heard it: it finds the node missing.
    if (life !== this.#life) return this.#after(10, () => this.#known(nodeId));
    this.#after(this.prng.between(1, 500), () => this.#join(nodeId));
  }

  /** Ordinary work takes something of a node for a while. */
  #hold(node: Node): void {
    const allocation = node.isAlive
      ? node.resources.acquire(toUnits({ CPU: this.prng.between(1, 4) }))
      : null;
    if (allocation !== null) {
      this.#after(this.prng.between(10, 400), () => node.resources.release(allocation));
    }
  }

  #check(): void {
    this.manager.check();
    for (const { state, spec, placements } of this.manager.records()) {
      if (state !== "CREATED") continue;
      for (const [index, nodeId] of placements.entries()) {
        const node = this.nodes.get(nodeId!)!;
        if (!node.isAlive || !node.isUp) continue;
        const held = node.bundles.reports().some((bundle) =>
          bundle.groupId === spec.groupId && bundle.index === index && bundle.committed
        );
        assert(held, `${spec.groupId} is CREATED, ${nodeId} does not hold its bundle ${index}`);
      }
    }
  }
}
