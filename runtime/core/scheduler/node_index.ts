/**
 * The nodes that could run one shape of work, so arranged that the best one is found in the logarithm of their number: a
 * tournament tree whose leaves are the nodes in the order of joining and whose inner vertices have the better score of
 * their two children. Exact: stable packing and round robin need the first node in the order, not a likely one.
 *
 * It brings itself up to date when it is used: nodes that changed since are scored again (a logarithm each), and after a
 * join, a death or a drain the tree is built anew. A shape that nobody asks for costs nothing.
 * @module
 */
import { assert } from "../../common/assert.ts";
import { type LabelSelector, matchesLabels } from "../../common/labels.ts";
import { fits, type ResourceSet } from "../../common/resources.ts";
import type { NodeId } from "../../common/ids.ts";
import type { ClusterNode, ClusterNodes } from "./cluster_nodes.ts";
import { NO_ROOM, scoreOf } from "./scheduling_policy.ts";

/** Not for anything now: it cannot be reached. */
const UNUSABLE = Infinity;

export class NodeIndex {
  readonly #nodes: ClusterNodes;
  readonly #resources: ResourceSet;
  readonly #selector: LabelSelector | undefined;
  /** Nodes that are not draining and that, idle, could run it, in order of joining. */
  #members: ClusterNode[] = [];
  #leafOf: Map<NodeId, number> = new Map();
  /** Leaves of the tree: a power of two. The children of vertex v are 2v and 2v + 1; 1 is the root. */
  #width: number = 1;
  #tree: Float64Array = new Float64Array(2).fill(UNUSABLE);
  #membership: number = -1;
  #nextChange: number = 0;
  /** Round robin: the order of the node that was taken last. */
  #lastTurn: number = 0;

  constructor(nodes: ClusterNodes, resources: ResourceSet, selector: LabelSelector | undefined) {
    this.#nodes = nodes;
    this.#resources = resources;
    this.#selector = selector;
  }

  /** How many nodes could run it, those that cannot be reached now included. */
  get size(): number {
    this.#refresh();
    return this.#members.length;
  }

  members(): readonly ClusterNode[] {
    this.#refresh();
    return this.#members;
  }

  /** The score of a node (scoreOf), or null when it cannot have it now. */
  score(nodeId: NodeId): number | null {
    this.#refresh();
    const leaf = this.#leafOf.get(nodeId);
    const score = leaf === undefined ? UNUSABLE : this.#tree[this.#width + leaf]!;
    return score === UNUSABLE ? null : score;
  }

  /** The nodes with the lowest scores, at most `count`, the first in the order first among equals. */
  best(count: number, exclude: readonly NodeId[]): ClusterNode[] {
    this.#refresh();
    const found: ClusterNode[] = [];
    const hidden = exclude.flatMap((nodeId) => this.#leafOf.get(nodeId) ?? []);
    for (const leaf of hidden) this.#set(leaf, UNUSABLE);
    while (found.length < count && this.#tree[1]! < UNUSABLE) {
      const leaf = this.#lowest();
      found.push(this.#members[leaf]!);
      hidden.push(leaf);
      if (found.length < count) this.#set(leaf, UNUSABLE);
    }
    for (const leaf of hidden) this.#scoreLeaf(leaf);
    return found;
  }

  /** Round robin: the next node in the order after the last one among those with room, else among all. */
  nextInTurn(exclude: readonly NodeId[]): ClusterNode | null {
    this.#refresh();
    const hidden = exclude.flatMap((nodeId) => this.#leafOf.get(nodeId) ?? []);
    for (const leaf of hidden) this.#set(leaf, UNUSABLE);
    const from = this.#leafAfter(this.#lastTurn);
    let leaf = -1;
    for (const limit of [NO_ROOM, UNUSABLE]) {
      if (leaf < 0) leaf = this.#firstBelow(limit, from, 1, 0, this.#width);
      if (leaf < 0) leaf = this.#firstBelow(limit, 0, 1, 0, this.#width);
    }
    for (const leaf of hidden) this.#scoreLeaf(leaf);
    return leaf < 0 ? null : this.#members[leaf]!;
  }

  tookTurn(node: ClusterNode): void {
    this.#lastTurn = node.order;
  }

  check(): void {
    this.#refresh();
    for (const [leaf, node] of this.#members.entries()) {
      assert(this.#leafOf.get(node.nodeId) === leaf, `${node.nodeId} is at its leaf`);
      assert(this.#tree[this.#width + leaf] === this.#scoreOf(node), `${node.nodeId}'s score is up to date`);
    }
    for (let vertex = 1; vertex < this.#width; vertex++) {
      const lower = Math.min(this.#tree[2 * vertex]!, this.#tree[2 * vertex + 1]!);
      assert(this.#tree[vertex] === lower, `vertex ${vertex} has the lower score of its children`);
    }
  }

  #refresh(): void {
    const nodes = this.#nodes;
    const behind = nodes.nextChange - this.#nextChange;
    if (this.#membership === nodes.membership && behind === 0) return;
    const changed = behind > this.#members.length ? null : nodes.changedSince(this.#nextChange);
    if (this.#membership !== nodes.membership || changed === null) this.#build();
    else {
      for (const { nodeId } of changed) {
        const leaf = this.#leafOf.get(nodeId);
        if (leaf !== undefined) this.#scoreLeaf(leaf);
      }
    }
    this.#membership = nodes.membership;
    this.#nextChange = nodes.nextChange;
  }

  #build(): void {
    if (this.#membership !== this.#nodes.membership) {
      this.#members = [];
      for (const node of this.#nodes.all()) if (this.#fitsEver(node)) this.#members.push(node);
      this.#leafOf = new Map(this.#members.map((node, leaf) => [node.nodeId, leaf]));
      this.#width = 1;
      while (this.#width < this.#members.length) this.#width *= 2;
      this.#tree = new Float64Array(2 * this.#width).fill(UNUSABLE);
    }
    const tree = this.#tree;
    for (const [leaf, node] of this.#members.entries()) tree[this.#width + leaf] = this.#scoreOf(node);
    for (let vertex = this.#width - 1; vertex > 0; vertex--) {
      tree[vertex] = Math.min(tree[2 * vertex]!, tree[2 * vertex + 1]!);
    }
  }

  #fitsEver({ draining, view }: ClusterNode): boolean {
    return !draining && fits(view.total, this.#resources) && matchesLabels(view.labels, this.#selector);
  }

  #scoreOf(node: ClusterNode): number {
    return node.state === "ALIVE" ? scoreOf(node.view, this.#resources) : UNUSABLE;
  }

  #scoreLeaf(leaf: number): void {
    this.#set(leaf, this.#scoreOf(this.#members[leaf]!));
  }

  #set(leaf: number, score: number): void {
    const tree = this.#tree;
    let vertex = this.#width + leaf;
    if (tree[vertex] === score) return;
    tree[vertex] = score;
    while (vertex > 1) {
      vertex >>= 1;
      const lower = Math.min(tree[2 * vertex]!, tree[2 * vertex + 1]!);
      if (tree[vertex] === lower) return;
      tree[vertex] = lower;
    }
  }

  /** The first leaf with the lowest score. */
  #lowest(): number {
    let vertex = 1;
    while (vertex < this.#width) {
      vertex *= 2;
      if (this.#tree[vertex + 1]! < this.#tree[vertex]!) vertex++;
    }
    return vertex - this.#width;
  }

  /** The first leaf from `from` on with a score below `limit`, below a vertex that covers leaves `low` to `high`; -1: none. */
  #firstBelow(limit: number, from: number, vertex: number, low: number, high: number): number {
    if (high <= from || this.#tree[vertex]! >= limit) return -1;
    if (vertex >= this.#width) return low;
    const middle = (low + high) / 2;
    const left = this.#firstBelow(limit, from, 2 * vertex, low, middle);
    return left >= 0 ? left : this.#firstBelow(limit, from, 2 * vertex + 1, middle, high);
  }

  /** The first leaf whose node joined after that place in the order. */
  #leafAfter(order: number): number {
    let low = 0;
    let high = this.#members.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#members[middle]!.order > order) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
