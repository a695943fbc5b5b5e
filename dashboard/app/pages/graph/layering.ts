/**
 * The order of a layered drawing: which nodes stand in which layer (the longest way from a source) and in which order, so
 * that few edges cross. Edges over several layers get a place in each layer between, so that they lead around nodes. Pure
 * and deterministic; nodes that were there before keep their order.
 * @module
 */

export interface LayerEdge {
  readonly from: number;
  readonly to: number;
}

export interface Layering {
  /** Per layer, its members in order: below `nodes` a node's number, from there on a place of an edge. */
  readonly layers: readonly (readonly number[])[];
  /** How many nodes there are; members beyond are places of edges. */
  readonly nodes: number;
  /** Per edge of the input the members that it leads over, ends included; an edge that closes a circle has two. */
  readonly ways: readonly (readonly number[])[];
  /** Neighbours of each member in the layer before and in the layer after. */
  readonly before: readonly (readonly number[])[];
  readonly after: readonly (readonly number[])[];
  /** Edges that lead back: from a later layer to an earlier one, or to the node itself. */
  readonly isBack: readonly boolean[];
}

/** Beyond so many places of edges, long edges go straight: the drawing is too dense for more. */
const PLACES_MAX = 4_000;
const SWEEPS = 8;

/** @param rank where each node stood in its layer before, lower first; NaN for new ones. */
export function makeLayering(nodes: number, edges: readonly LayerEdge[], rank: readonly number[]): Layering {
  const isBack = backEdges(nodes, edges);
  const depth = depths(nodes, edges, isBack);
  const layers: number[][] = [];
  for (let node = 0; node < nodes; node++) (layers[depth[node]!] ??= []).push(node);
  for (let i = 0; i < layers.length; i++) layers[i] ??= [];
  const ways = edges.map((edge) => [edge.from, edge.to]);
  addPlaces(layers, edges, isBack, depth, ways, nodes);
  const members = layers.reduce((sum, layer) => sum + layer.length, 0);
  const before: number[][] = Array.from({ length: members }, () => []);
  const after: number[][] = Array.from({ length: members }, () => []);
  ways.forEach((way, i) => {
    if (isBack[i]) return;
    for (let at = 1; at < way.length; at++) {
      after[way[at - 1]!]!.push(way[at]!);
      before[way[at]!]!.push(way[at - 1]!);
    }
  });
  for (const layer of layers) {
    layer.sort((a, b) => rankOf(rank, a) - rankOf(rank, b) || a - b);
  }
  order(layers, before, after);
  return { layers, nodes, ways, before, after, isBack };
}

function rankOf(rank: readonly number[], member: number): number {
  const value = rank[member];
  return value === undefined || Number.isNaN(value) ? 1e9 : value;
}

/** Edges that close a circle, found from the sources first: then it is the edge that points back which is left out. */
function backEdges(nodes: number, edges: readonly LayerEdge[]): boolean[] {
  const outgoing: number[][] = Array.from({ length: nodes }, () => []);
  const incoming = new Int32Array(nodes);
  edges.forEach(({ from, to }, i) => {
    outgoing[from]!.push(i);
    if (from !== to) incoming[to]!++;
  });
  const isBack = new Array<boolean>(edges.length).fill(false);
  const state = new Uint8Array(nodes);
  const OPEN = 1, DONE = 2;
  const visit = (root: number): void => {
    const path = [root], next = [0];
    state[root] = OPEN;
    while (path.length > 0) {
      const node = path.at(-1)!;
      const edge = outgoing[node]![next[next.length - 1]!++];
      if (edge === undefined) {
        state[node] = DONE;
        path.pop();
        next.pop();
        continue;
      }
      const { to } = edges[edge]!;
      if (state[to] === OPEN) isBack[edge] = true;
      if (state[to] !== 0) continue;
      state[to] = OPEN;
      path.push(to);
      next.push(0);
    }
  };
  for (let node = 0; node < nodes; node++) if (incoming[node] === 0 && state[node] === 0) visit(node);
  for (let node = 0; node < nodes; node++) if (state[node] === 0) visit(node);
  return isBack;
}

/** The longest way from a source; a source itself stands just before the first that takes from it. */
function depths(nodes: number, edges: readonly LayerEdge[], isBack: readonly boolean[]): Int32Array {
  const outgoing: number[][] = Array.from({ length: nodes }, () => []);
  const waiting = new Int32Array(nodes), incoming = new Int32Array(nodes);
  edges.forEach(({ from, to }, i) => {
    if (isBack[i]) return;
    outgoing[from]!.push(to);
    waiting[to]!++;
    incoming[to]!++;
  });
  const depth = new Int32Array(nodes);
  const ready: number[] = [];
  for (let node = 0; node < nodes; node++) if (waiting[node] === 0) ready.push(node);
  for (let i = 0; i < ready.length; i++) {
    const node = ready[i]!;
    for (const to of outgoing[node]!) {
      depth[to] = Math.max(depth[to]!, depth[node]! + 1);
      if (--waiting[to]! === 0) ready.push(to);
    }
  }
  for (const node of ready) {
    const next = outgoing[node]!;
    if (incoming[node] !== 0 || next.length === 0) continue;
    let first = Infinity;
    for (const to of next) first = Math.min(first, depth[to]!);
    depth[node] = first - 1;
  }
  return depth;
}

function addPlaces(
  layers: number[][],
  edges: readonly LayerEdge[],
  isBack: readonly boolean[],
  depth: Int32Array,
  ways: number[][],
  nodes: number,
): void {
  let places = 0;
  edges.forEach(({ from, to }, i) => {
    const span = depth[to]! - depth[from]!;
    if (isBack[i] || span < 2 || places + span - 1 > PLACES_MAX) return;
    const way = [from];
    for (let layer = depth[from]! + 1; layer < depth[to]!; layer++) {
      const place = nodes + places++;
      layers[layer]!.push(place);
      way.push(place);
    }
    way.push(to);
    ways[i] = way;
  });
}

/** Sort each layer by the mean place of its neighbours, to and fro. Equal means keep their order: sorting is stable. */
function order(
  layers: number[][],
  before: readonly (readonly number[])[],
  after: readonly (readonly number[])[],
): void {
  const place = new Float64Array(before.length);
  const note = (layer: readonly number[]): void =>
    layer.forEach((member, i) => place[member] = (i + 0.5) / layer.length);
  layers.forEach(note);
  const mean = new Float64Array(before.length);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const isDown = sweep % 2 === 0;
    const neighbours = isDown ? before : after;
    for (let i = 0; i < layers.length; i++) {
      const layer = layers[isDown ? i : layers.length - 1 - i]!;
      for (const member of layer) {
        const others = neighbours[member]!;
        let sum = 0;
        for (const other of others) sum += place[other]!;
        mean[member] = others.length === 0 ? place[member]! : sum / others.length;
      }
      layer.sort((a, b) => mean[a]! - mean[b]!);
      note(layer);
    }
  }
}
