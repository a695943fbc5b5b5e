/**
 * Where the nodes of the graph stand: layers across (or down, in a narrow place), nodes near the nodes that they are tied
 * to, parts that nothing ties together below each other, and nodes without edges in a grid at the end. It depends on the
 * structure and on sizes only, never on counts, so nothing moves while numbers change. Pure; runs in a worker.
 * @module
 */
import { makeLayering } from "./layering.ts";
import type { Layering } from "./layering.ts";

/** Nodes that are ever laid out at once. */
export const LAYOUT_NODES_MAX = 2_000;

export interface LayoutRequest {
  readonly nodes: readonly { readonly key: string; readonly width: number; readonly height: number }[];
  readonly edges: readonly { readonly from: string; readonly to: string }[];
  /** Layers go down (true) or across (false); null: whichever fills the view better. */
  readonly isDown: boolean | null;
  /** Keys of the layout before, in its order: those that stay keep their order. */
  readonly order: readonly string[];
  /** Width over height of the view, for the grid of nodes without edges. */
  readonly aspect: number;
}

export interface Spot {
  readonly x: number;
  readonly y: number;
}

export interface Layout {
  /** Top left corners by key. */
  readonly at: Readonly<Record<string, Spot>>;
  /** Per edge of the request the points between its ends that it leads over. */
  readonly bends: readonly (readonly Spot[])[];
  readonly width: number;
  readonly height: number;
  /** Keys in the order of the layers. */
  readonly order: readonly string[];
  readonly isDown: boolean;
}

export const NO_LAYOUT: Layout = { at: {}, bends: [], width: 0, height: 0, order: [], isDown: false };

const GAP_ALONG = 88;
const GAP_ACROSS = 26;
const PLACE_SIZE = 10;
const GAP_PARTS = 48;
const PASSES = 10;
const DOWN_GAIN = 1.2;

/** @throws RangeError when there are more nodes than are ever laid out: callers cap and say so. */
export function layOut(request: LayoutRequest): Layout {
  const { nodes, isDown, aspect } = request;
  if (nodes.length > LAYOUT_NODES_MAX) {
    throw new RangeError(`${nodes.length} nodes: at most ${LAYOUT_NODES_MAX} are laid out`);
  }
  if (isDown !== null) return layOutOneWay({ ...request, isDown });
  const across = layOutOneWay({ ...request, isDown: false });
  const down = layOutOneWay({ ...request, isDown: true });
  // Reading goes across: down must be clearly larger when it fills the view.
  const scale = ({ width, height }: Layout): number =>
    Math.min(aspect / Math.max(1, width), 1 / Math.max(1, height));
  return scale(down) > scale(across) * DOWN_GAIN ? down : across;
}

type OneWay = LayoutRequest & { readonly isDown: boolean };

function layOutOneWay(request: OneWay): Layout {
  const { nodes, isDown } = request;
  const number = new Map(nodes.map((node, i) => [node.key, i]));
  const edges = request.edges.map((edge) => ({
    from: number.get(edge.from) ?? -1,
    to: number.get(edge.to) ?? -1,
  }));
  const known = edges.map((edge, i) => ({ ...edge, i })).filter((edge) => edge.from >= 0 && edge.to >= 0);
  const rank = new Array<number>(nodes.length).fill(NaN);
  request.order.forEach((key, i) => {
    const at = number.get(key);
    if (at !== undefined) rank[at] = i;
  });
  const at: Record<string, Spot> = {};
  const bends: Spot[][] = edges.map(() => []);
  const order: string[] = [];
  let length = 0, breadth = 0;
  const parts = partsOf(nodes.length, known);
  for (const part of parts.linked) {
    const done = placePart(request, part, known, rank, bends, breadth);
    for (const { node, along, across } of done.spots) {
      const { key } = nodes[node]!;
      at[key] = isDown ? { x: across, y: along } : { x: along, y: across };
      order.push(key);
    }
    length = Math.max(length, done.length);
    breadth += done.breadth + GAP_PARTS;
  }
  if (breadth > 0) breadth -= GAP_PARTS;
  const grid = placeGrid(request, parts.single, breadth > 0 ? breadth + GAP_PARTS : 0, length, at, order);
  length = Math.max(length, grid.length);
  breadth = Math.max(breadth, grid.breadth);
  return { at, bends, width: isDown ? breadth : length, height: isDown ? length : breadth, order, isDown };
}

interface KnownEdge {
  readonly from: number;
  readonly to: number;
  /** Its number in the request. */
  readonly i: number;
}

/** Nodes that edges tie together, the largest part first; and those without an edge to another. */
function partsOf(
  nodes: number,
  edges: readonly KnownEdge[],
): { readonly linked: number[][]; readonly single: number[] } {
  const parent = Int32Array.from({ length: nodes }, (_, i) => i);
  const find = (node: number): number => {
    while (parent[node] !== node) node = parent[node] = parent[parent[node]!]!;
    return node;
  };
  for (const { from, to } of edges) parent[find(from)] = find(to);
  const members = new Map<number, number[]>();
  for (let node = 0; node < nodes; node++) {
    const root = find(node);
    const part = members.get(root);
    if (part === undefined) members.set(root, [node]);
    else part.push(node);
  }
  const all = [...members.values()];
  return {
    linked: all.filter((part) => part.length > 1).sort((a, b) => b.length - a.length || a[0]! - b[0]!),
    single: all.filter((part) => part.length === 1).map((part) => part[0]!),
  };
}

interface PlacedPart {
  readonly spots: readonly { readonly node: number; readonly along: number; readonly across: number }[];
  readonly length: number;
  readonly breadth: number;
}

function placePart(
  request: OneWay,
  part: readonly number[],
  edges: readonly KnownEdge[],
  rank: readonly number[],
  bends: Spot[][],
  offset: number,
): PlacedPart {
  const { nodes, isDown } = request;
  const local = new Map(part.map((node, i) => [node, i]));
  const own = edges.filter((edge) => local.has(edge.from));
  const layering = makeLayering(
    part.length,
    own.map((edge) => ({ from: local.get(edge.from)!, to: local.get(edge.to)! })),
    part.map((node) => rank[node]!),
  );
  const sizeAcross = (member: number): number => {
    if (member >= part.length) return PLACE_SIZE;
    const node = nodes[part[member]!]!;
    return isDown ? node.width : node.height;
  };
  const sizeAlong = (member: number): number => {
    if (member >= part.length) return 0;
    const node = nodes[part[member]!]!;
    return isDown ? node.height : node.width;
  };
  const middle = placeAcross(layering, sizeAcross);
  let least = Infinity, most = -Infinity;
  layering.layers.flat().forEach((member) => {
    least = Math.min(least, middle[member]! - sizeAcross(member) / 2);
    most = Math.max(most, middle[member]! + sizeAcross(member) / 2);
  });
  const spots: { node: number; along: number; across: number }[] = [];
  const along = new Float64Array(middle.length);
  let start = 0;
  for (const layer of layering.layers) {
    const depth = layer.reduce((size, member) => Math.max(size, sizeAlong(member)), 0);
    for (const member of layer) {
      along[member] = start + depth / 2;
      if (member >= part.length) continue;
      const across = middle[member]! - sizeAcross(member) / 2 - least + offset;
      spots.push({ node: part[member]!, along: start + (depth - sizeAlong(member)) / 2, across });
    }
    start += depth + gapAlong(isDown);
  }
  own.forEach((edge, i) => {
    bends[edge.i] = layering.ways[i]!.slice(1, -1).map((member) => {
      const across = middle[member]! - least + offset;
      return isDown ? { x: across, y: along[member]! } : { x: along[member]!, y: across };
    });
  });
  return { spots, length: start - gapAlong(isDown), breadth: most - least };
}

function gapAlong(isDown: boolean): number {
  return isDown ? GAP_ALONG * 0.7 : GAP_ALONG;
}

/** Middles across the layers: each member near the mean of its neighbours, none over another. */
function placeAcross(layering: Layering, size: (member: number) => number): Float64Array {
  const { layers, before, after } = layering;
  const middle = new Float64Array(before.length);
  for (const layer of layers) {
    let sum = 0;
    for (const member of layer) {
      middle[member] = sum + size(member) / 2;
      sum += size(member) + GAP_ACROSS;
    }
    for (const member of layer) middle[member]! -= (sum - GAP_ACROSS) / 2;
  }
  for (let pass = 0; pass < PASSES; pass++) {
    const isForward = pass % 2 === 0;
    for (let i = 0; i < layers.length; i++) {
      const layer = layers[isForward ? i : layers.length - 1 - i]!;
      const wish = layer.map((member) => {
        // The last passes look both ways, so that a node stands between what it takes and what takes it.
        const others = pass >= PASSES - 3
          ? [...before[member]!, ...after[member]!]
          : (isForward ? before : after)[member]!;
        if (others.length === 0) return middle[member]!;
        let sum = 0;
        for (const other of others) sum += middle[other]!;
        return sum / others.length;
      });
      apart(layer, wish, size).forEach((value, at) => middle[layer[at]!] = value);
    }
  }
  return middle;
}

/** The places nearest to the wishes (least squares) that keep the order and the gaps: isotonic regression. */
export function apart(
  layer: readonly number[],
  wish: readonly number[],
  size: (member: number) => number,
): number[] {
  const shift: number[] = [];
  let sum = 0;
  layer.forEach((member, i) => {
    if (i > 0) sum += (size(layer[i - 1]!) + size(member)) / 2 + GAP_ACROSS;
    shift.push(sum);
  });
  const means: number[] = [], weights: number[] = [];
  wish.forEach((value, i) => {
    let mean = value - shift[i]!, weight = 1;
    while (means.length > 0 && means.at(-1)! > mean) {
      const other = weights.pop()!;
      mean = (mean * weight + means.pop()! * other) / (weight + other);
      weight += other;
    }
    means.push(mean);
    weights.push(weight);
  });
  const places: number[] = [];
  means.forEach((mean, block) => {
    for (let i = 0; i < weights[block]!; i++) places.push(mean + shift[places.length]!);
  });
  return places;
}

/** Nodes without edges: rows of even columns, about as wide as what stands above or as the view is. */
function placeGrid(
  request: OneWay,
  single: readonly number[],
  offset: number,
  length: number,
  at: Record<string, Spot>,
  order: string[],
): { readonly length: number; readonly breadth: number } {
  if (single.length === 0) return { length: 0, breadth: 0 };
  const { nodes, isDown } = request;
  const along = Math.max(...single.map((node) => isDown ? nodes[node]!.height : nodes[node]!.width)) +
    GAP_ACROSS;
  const across = Math.max(...single.map((node) => isDown ? nodes[node]!.width : nodes[node]!.height)) +
    GAP_ACROSS;
  const wide = Math.sqrt(single.length * across * (isDown ? 1 / request.aspect : request.aspect) / along);
  const columns = Math.max(1, Math.round(wide), Math.floor((length + GAP_ACROSS) / along));
  single.forEach((node, i) => {
    const first = (i % columns) * along, second = offset + Math.floor(i / columns) * across;
    const { key } = nodes[node]!;
    at[key] = isDown ? { x: second, y: first } : { x: first, y: second };
    order.push(key);
  });
  return {
    length: Math.min(columns, single.length) * along - GAP_ACROSS,
    breadth: offset + Math.ceil(single.length / columns) * across - GAP_ACROSS,
  };
}
