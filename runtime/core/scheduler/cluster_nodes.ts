/**
 * The global scheduler's view of the nodes: what they have, what is free by their last heartbeat less what was assigned
 * since, and the order in which they changed, so that indexes over them (node_index.ts) catch up with what is new only.
 * @module
 */
import { assert } from "../../common/assert.ts";
import type { NodeId } from "../../common/ids.ts";
import { addResources, fits, type ResourceSet, sameResources } from "../../common/resources.ts";
import type { Heartbeat } from "../../protocol/messages.ts";
import type { PickRequest } from "./pick_request.ts";
import type { NodeView } from "./scheduling_policy.ts";

/** An assignment is in the node's own figures by the first heartbeat that comes this much later. */
export const ASSIGNMENT_SETTLES_MS: number = 200;
/** Changes that are remembered; who is further behind looks at all nodes. */
const CHANGES_MAX = 10_000;

/** A living member of the cluster. Fields are changed by ClusterNodes only. */
export interface ClusterNode {
  readonly nodeId: NodeId;
  /** Grows with each node that joins: the stable order of nodes. */
  readonly order: number;
  state: "ALIVE" | "SUSPECT";
  draining: boolean;
  heartbeat: Heartbeat | null;
  /** What was assigned and is not in the heartbeat yet, oldest first. */
  assigned: { readonly atMs: number; readonly resources: ResourceSet }[];
  /** As the policy sees it. */
  view: NodeView;
}

export class ClusterNodes {
  /** All living members, suspects and draining ones included, in order of joining. */
  readonly #nodes: Map<NodeId, ClusterNode> = new Map();
  #nextOrder: number = 1;
  /** The newest changes; the first has the number `#firstChange`. */
  #changes: ClusterNode[] = [];
  #firstChange: number = 0;
  /** Another number whenever a node came, went, began to drain, or has other resources or labels. */
  membership: number = 0;

  /** The number that the next change will have. */
  get nextChange(): number {
    return this.#firstChange + this.#changes.length;
  }

  get(nodeId: NodeId): ClusterNode | undefined {
    return this.#nodes.get(nodeId);
  }

  all(): Iterable<ClusterNode> {
    return this.#nodes.values();
  }

  /** The nodes that changed since that number, with repetitions; null when that is too long ago. */
  changedSince(change: number): readonly ClusterNode[] | null {
    return change < this.#firstChange ? null : this.#changes.slice(change - this.#firstChange);
  }

  /** It joined, or registered again. */
  join(nodeId: NodeId, total: ResourceSet, labels: Readonly<Record<string, string>>): ClusterNode {
    const known = this.#nodes.get(nodeId);
    const node: ClusterNode = {
      nodeId,
      order: known?.order ?? this.#nextOrder++,
      state: "ALIVE",
      draining: known?.draining ?? false,
      heartbeat: known?.heartbeat ?? null,
      assigned: known?.assigned ?? [],
      view: emptyView(nodeId, total, labels),
    };
    this.#nodes.set(nodeId, node);
    this.#look(node);
    this.membership++;
    return node;
  }

  remove(nodeId: NodeId): void {
    if (this.#nodes.delete(nodeId)) this.membership++;
  }

  /** Whether that was news. */
  changeState(nodeId: NodeId, state: ClusterNode["state"]): boolean {
    const node = this.#nodes.get(nodeId);
    if (node === undefined || node.state === state) return false;
    node.state = state;
    this.#changed(node);
    return true;
  }

  drain(nodeId: NodeId): void {
    const node = this.#nodes.get(nodeId);
    if (node === undefined || node.draining) return;
    node.draining = true;
    this.membership++;
  }

  /** The node that asks says what is free there: it may have given out much since its heartbeat. */
  told(nowMs: number, { asker, askerAvailable }: PickRequest): void {
    const heartbeat = asker === null ? undefined : this.#nodes.get(asker)?.heartbeat;
    if (askerAvailable === undefined || heartbeat === undefined || heartbeat === null) return;
    this.heartbeat(nowMs, { ...heartbeat, available: askerAvailable });
  }

  heartbeat(nowMs: number, heartbeat: Heartbeat): void {
    const node = this.#nodes.get(heartbeat.nodeId);
    if (node === undefined) return;
    if (node.assigned.length > 0) settle(nowMs, node, heartbeat);
    node.heartbeat = heartbeat;
    // Most heartbeats say what the one before said: then nothing is made anew, and no index scores the node again.
    if (node.assigned.length === 0 && saysTheSame(heartbeat, node.view)) {
      node.view.bandwidth = heartbeat.bandwidth;
    } else this.#look(node);
  }

  assign(nowMs: number, node: ClusterNode, resources: ResourceSet): void {
    node.assigned.push({ atMs: nowMs, resources });
    const { view } = node;
    if (!fits(view.available, resources)) view.overflow++;
    addResources(view.available, resources, -1);
    this.#changed(node);
  }

  /** An assignment is no more, before a heartbeat had it: it would count until ASSIGNMENT_SETTLES_MS. False when one had. */
  unassign(node: ClusterNode, resources: ResourceSet): boolean {
    const at = node.assigned.findIndex((assignment) => assignment.resources === resources);
    if (at < 0) return false;
    node.assigned.splice(at, 1);
    if (node.view.overflow > 0) this.#look(node);
    else {
      addResources(node.view.available, resources);
      this.#changed(node);
    }
    return true;
  }

  check(): void {
    let order = 0;
    for (const [id, node] of this.#nodes) {
      assert(node.nodeId === id, `${id} is filed under its own id`);
      assert(node.order > order, `${id} is in the order of joining`);
      order = node.order;
      for (const { resources } of node.assigned) {
        for (const name in resources) {
          assert(resources[name]! >= 0, `assigned ${name} on ${id} is not negative`);
        }
      }
    }
    assert(this.#changes.length <= CHANGES_MAX, "remembered changes are bounded");
  }

  /** Make its view from the last heartbeat and what was assigned since. */
  #look(node: ClusterNode): void {
    const { heartbeat, assigned } = node;
    const { nodeId, total, labels } = node.view;
    const view = emptyView(nodeId, total, labels);
    if (heartbeat !== null) {
      view.available = { ...heartbeat.available };
      view.queueLength = heartbeat.queueLength;
      view.queueWaitMs = heartbeat.queueWaitMs;
      view.bandwidth = heartbeat.bandwidth;
    }
    for (const { resources } of assigned) {
      if (!fits(view.available, resources)) view.overflow++;
      addResources(view.available, resources, -1);
    }
    node.view = view;
    this.#changed(node);
  }

  #changed(node: ClusterNode): void {
    if (this.#changes.length >= CHANGES_MAX) {
      // Half at once: dropping one at a time would move the rest each time.
      this.#changes = this.#changes.slice(CHANGES_MAX / 2);
      this.#firstChange += CHANGES_MAX / 2;
    }
    this.#changes.push(node);
  }
}

/** What was taken since the last figures is what was assigned, oldest first: counted twice, a node would seem full. */
function settle(nowMs: number, node: ClusterNode, { available }: Heartbeat): void {
  const taken = { ...(node.heartbeat?.available ?? node.view.total) };
  addResources(taken, available, -1);
  node.assigned = node.assigned.filter(({ atMs, resources }) => {
    if (nowMs - atMs >= ASSIGNMENT_SETTLES_MS) return false;
    if (!fits(taken, resources)) return true;
    addResources(taken, resources, -1);
    return false;
  });
}

/** Whether a view of the heartbeat alone would have the same score for any work. */
function saysTheSame(heartbeat: Heartbeat, view: NodeView): boolean {
  return view.overflow === 0 && view.queueLength === heartbeat.queueLength &&
    view.queueWaitMs === heartbeat.queueWaitMs && sameResources(view.available, heartbeat.available);
}

function emptyView(nodeId: NodeId, total: ResourceSet, labels: Readonly<Record<string, string>>): NodeView {
  return {
    nodeId,
    total,
    available: { ...total },
    labels,
    queueLength: 0,
    queueWaitMs: 0,
    overflow: 0,
    bandwidth: {},
  };
}
