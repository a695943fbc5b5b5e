/**
 * All that one picture of the graph is drawn from, where its arrows run, and what is at a point of it. Pure.
 * @module
 */
import { type Camera, isVisible, type Point, type Size, toGraph } from "../../models/camera.ts";
import { type Dot, dotAt } from "./cloud.ts";
import type { Layout } from "./layout.ts";
import { CLOUD_HEADER, type GraphScene, type SceneEdge, type SceneNode } from "./scene.ts";

/** Where a cloud's dots begin, from its corner. */
export const CLOUD_INSET: Point = { x: 14, y: CLOUD_HEADER };

export interface CriticalMarks {
  readonly tasks: ReadonlySet<string>;
  readonly groups: ReadonlySet<string>;
  /** `from>to` of groups. */
  readonly edges: ReadonlySet<string>;
}

export interface Picture {
  readonly scene: GraphScene;
  readonly layout: Layout;
  /** Top left corners as drawn now: between two layouts while one glides into the other. */
  readonly at: (key: string) => Point | undefined;
  readonly camera: Camera;
  readonly view: Size;
  readonly isDown: boolean;
  readonly hovered: string | null;
  readonly selected: string | null;
  /** A task of the opened group. */
  readonly selectedTask: string | null;
  readonly hoveredTask: string | null;
  readonly critical: CriticalMarks | null;
  /** Tasks of the group that end per second. */
  readonly rateOf: (key: string) => number;
  readonly nodeColour: (nodeId: string) => string;
  readonly nodeName: (nodeId: string) => string;
}

/** What is under a point of the view: a node, and perhaps one of its dots. */
export interface Hit {
  readonly node: SceneNode;
  readonly dot: Dot | null;
}

export function hitAt(picture: Picture, x: number, y: number): Hit | null {
  const point = toGraph(picture.camera, x, y);
  for (let i = picture.scene.nodes.length - 1; i >= 0; i--) {
    const node = picture.scene.nodes[i]!;
    const at = picture.at(node.key);
    if (at === undefined) continue;
    const [dx, dy] = [point.x - at.x, point.y - at.y];
    if (dx < 0 || dy < 0 || dx > node.width || dy > node.height) continue;
    const dot = node.kind === "cloud" ? dotAt(node.cloud, dx - CLOUD_INSET.x, dy - CLOUD_INSET.y) : null;
    return { node, dot };
  }
  return null;
}

/** Nodes that can be seen. */
export function visibleNodes(picture: Picture): readonly { readonly node: SceneNode; readonly at: Point }[] {
  const seen: { node: SceneNode; at: Point }[] = [];
  for (const node of picture.scene.nodes) {
    const at = picture.at(node.key);
    if (at !== undefined && isVisible(picture.camera, picture.view, { ...at, ...node })) {
      seen.push({ node, at });
    }
  }
  return seen;
}

/** Points of an arrow: its ends at the nodes' sides and the bends between; and whether it leads on, back, or to itself. */
export interface Way {
  readonly points: readonly Point[];
  readonly kind: "on" | "back" | "self";
}

export function wayOf(
  edge: SceneEdge,
  from: SceneNode,
  to: SceneNode,
  bends: readonly Point[],
  picture: Picture,
): Way | null {
  const a = picture.at(edge.from), b = picture.at(edge.to);
  if (a === undefined || b === undefined) return null;
  if (edge.from === edge.to) {
    const x = a.x + from.width - 34;
    return { points: [{ x, y: a.y }, { x: x + 24, y: a.y }], kind: "self" };
  }
  const { isDown } = picture;
  const start = isDown
    ? { x: a.x + from.width / 2, y: a.y + from.height }
    : { x: a.x + from.width, y: a.y + from.height / 2 };
  const end = isDown ? { x: b.x + to.width / 2, y: b.y } : { x: b.x, y: b.y + to.height / 2 };
  const leadsOn = isDown ? end.y > start.y : end.x > start.x;
  return { points: [start, ...(leadsOn ? bends : []), end], kind: leadsOn ? "on" : "back" };
}

/** The middle of the way, where its label stands. */
export function middleOf(way: Way): Point {
  const { points } = way;
  const at = Math.floor((points.length - 1) / 2);
  const a = points[at]!, b = points[Math.min(points.length - 1, at + 1)]!;
  return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
}
