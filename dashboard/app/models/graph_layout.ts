/**
 * Where the boxes of the graph stand: layers from left to right by the longest way from a source, and within a layer near
 * their neighbours. It depends on the structure only, never on counts, so nothing moves while numbers change; when boxes
 * come or go, the others keep their order.
 * @module
 */

export const BOX_WIDTH = 176;
export const BOX_HEIGHT = 50;
const GAP_X = 72;
const GAP_Y = 22;
/** Between layers that stand below each other: room for an arrow and its label. */
const GAP_DOWN = 44;
/** Boxes side by side in a narrow place; more of one layer take several rows. */
const DOWN_COLUMNS = 2;
/** Boxes without arrows stand below, in a grid of at least so many columns. */
const GRID_COLUMNS_MIN = 3;

export interface LayoutArrow {
  readonly from: string;
  readonly to: string;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Layout {
  /** Top left corners. */
  readonly at: ReadonlyMap<string, Point>;
  readonly width: number;
  readonly height: number;
}

/** Lays out, and keeps the result until the structure changes. */
export class GraphLayout {
  #structure = "";
  #layout: Layout = { at: new Map(), width: 0, height: 0 };
  /** The order of the last layout, by key: where a box stood in its layer. */
  #order = new Map<string, number>();

  /** @param isVertical layers from top to bottom: for places that are higher than wide. */
  update(keys: readonly string[], arrows: readonly LayoutArrow[], isVertical: boolean): Layout {
    const sorted = [...keys].sort();
    const flow = arrows.filter((arrow) => arrow.from !== arrow.to);
    const structure = `${isVertical}\n${sorted.join("\n")}\n\n${
      flow.map((arrow) => `${arrow.from}\t${arrow.to}`).sort().join("\n")
    }`;
    if (structure === this.#structure) return this.#layout;
    this.#structure = structure;
    const forward = withoutCycles(sorted, flow);
    const linked = new Set(forward.flatMap((arrow) => [arrow.from, arrow.to]));
    const layers = makeLayers(sorted.filter((key) => linked.has(key)), forward);
    orderLayers(layers, forward, this.#order);
    this.#order = new Map(layers.flatMap((layer) => layer.map((key, i) => [key, i] as const)));
    const single = sorted.filter((key) => !linked.has(key));
    this.#layout = isVertical ? placeDown(layers, single) : placeAcross(layers, single);
    return this.#layout;
  }
}

/** Arrows that close a circle (recursion, actors that call each other) do not take part in the layering. */
function withoutCycles(keys: readonly string[], arrows: readonly LayoutArrow[]): LayoutArrow[] {
  const outgoing = new Map<string, string[]>(keys.map((key) => [key, []]));
  const incoming = new Map<string, number>(keys.map((key) => [key, 0]));
  for (const { from, to } of arrows) {
    outgoing.get(from)?.push(to);
    incoming.set(to, (incoming.get(to) ?? 0) + 1);
  }
  const state = new Map<string, "open" | "done">();
  const kept: LayoutArrow[] = [];
  const visit = (root: string): void => {
    const stack = [{ key: root, next: 0 }];
    state.set(root, "open");
    while (stack.length > 0) {
      const top = stack.at(-1)!;
      const to = outgoing.get(top.key)![top.next++];
      if (to === undefined) {
        state.set(top.key, "done");
        stack.pop();
        continue;
      }
      if (!outgoing.has(to) || state.get(to) === "open") continue;
      kept.push({ from: top.key, to });
      if (state.has(to)) continue;
      state.set(to, "open");
      stack.push({ key: to, next: 0 });
    }
  };
  // From the sources first: then the arrow that closes a circle is the one that points back.
  for (const key of keys) if (incoming.get(key) === 0) visit(key);
  for (const key of keys) if (!state.has(key)) visit(key);
  return kept;
}

function makeLayers(keys: readonly string[], arrows: readonly LayoutArrow[]): string[][] {
  const outgoing = new Map<string, string[]>(keys.map((key) => [key, []]));
  const waiting = new Map<string, number>(keys.map((key) => [key, 0]));
  for (const { from, to } of arrows) {
    outgoing.get(from)!.push(to);
    waiting.set(to, waiting.get(to)! + 1);
  }
  const depth = new Map<string, number>(keys.map((key) => [key, 0]));
  const ready = keys.filter((key) => waiting.get(key) === 0);
  for (let i = 0; i < ready.length; i++) {
    const key = ready[i]!;
    for (const to of outgoing.get(key)!) {
      depth.set(to, Math.max(depth.get(to)!, depth.get(key)! + 1));
      waiting.set(to, waiting.get(to)! - 1);
      if (waiting.get(to) === 0) ready.push(to);
    }
  }
  // A source stands just before the first that takes from it, not at the far left.
  for (const key of [...ready].reverse()) {
    const next = outgoing.get(key)!;
    if (next.length > 0 && !arrows.some((arrow) => arrow.to === key)) {
      depth.set(key, Math.min(...next.map((to) => depth.get(to)!)) - 1);
    }
  }
  const layers: string[][] = [];
  for (const key of keys) (layers[depth.get(key)!] ??= []).push(key);
  return Array.from(layers, (layer) => layer ?? []);
}

/** Sort each layer by the mean place of its neighbours, a few times to and fro; begin with the order of before. */
function orderLayers(
  layers: string[][],
  arrows: readonly LayoutArrow[],
  before: ReadonlyMap<string, number>,
): void {
  const neighbours = new Map<string, string[]>();
  for (const { from, to } of arrows) {
    (neighbours.get(from) ?? neighbours.set(from, []).get(from)!).push(to);
    (neighbours.get(to) ?? neighbours.set(to, []).get(to)!).push(from);
  }
  for (const layer of layers) {
    layer.sort((a, b) => (before.get(a) ?? Infinity) - (before.get(b) ?? Infinity) || (a < b ? -1 : 1));
  }
  const place = new Map<string, number>();
  const note = (layer: readonly string[]): void =>
    layer.forEach((key, i) => place.set(key, (i + 0.5) / layer.length));
  layers.forEach(note);
  for (let sweep = 0; sweep < 6; sweep++) {
    const order = sweep % 2 === 0 ? layers : [...layers].reverse();
    for (const layer of order) {
      const mean = new Map(layer.map((key) => {
        const others = neighbours.get(key) ?? [];
        const sum = others.reduce((total, other) => total + place.get(other)!, 0);
        return [key, others.length === 0 ? place.get(key)! : sum / others.length] as const;
      }));
      // Equal means keep their order: sorting is stable.
      layer.sort((a, b) => mean.get(a)! - mean.get(b)!);
      note(layer);
    }
  }
}

function placeAcross(layers: readonly (readonly string[])[], single: readonly string[]): Layout {
  const [stepX, stepY] = [BOX_WIDTH + GAP_X, BOX_HEIGHT + GAP_Y];
  const at = new Map<string, Point>();
  const rows = Math.max(0, ...layers.map((layer) => layer.length));
  layers.forEach((layer, column) =>
    layer.forEach((key, row) =>
      at.set(key, { x: column * stepX, y: (row + (rows - layer.length) / 2) * stepY })
    )
  );
  const columns = Math.max(GRID_COLUMNS_MIN, layers.length, Math.ceil(Math.sqrt(single.length)));
  const below = rows * stepY + (rows > 0 && single.length > 0 ? GAP_Y : 0);
  const gridX = rows > 0 ? stepX : BOX_WIDTH + GAP_Y;
  single.forEach((key, i) =>
    at.set(key, { x: (i % columns) * gridX, y: below + Math.floor(i / columns) * stepY })
  );
  return measured(at);
}

function placeDown(layers: readonly (readonly string[])[], single: readonly string[]): Layout {
  const stepX = BOX_WIDTH + GAP_Y, stepY = BOX_HEIGHT + GAP_DOWN;
  const at = new Map<string, Point>();
  const columns = DOWN_COLUMNS;
  let below = 0;
  for (const layer of [...layers, single]) {
    for (let from = 0; from < layer.length; from += columns) {
      const row = layer.slice(from, from + columns);
      const y = below;
      row.forEach((key, column) => at.set(key, { x: (column + (columns - row.length) / 2) * stepX, y }));
      below += from + columns < layer.length || layer === single ? BOX_HEIGHT + GAP_Y : stepY;
    }
  }
  return measured(at);
}

function measured(at: ReadonlyMap<string, Point>): Layout {
  let width = 0, height = 0;
  for (const point of at.values()) {
    width = Math.max(width, point.x + BOX_WIDTH);
    height = Math.max(height, point.y + BOX_HEIGHT);
  }
  return { at, width, height };
}
