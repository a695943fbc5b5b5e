/**
 * The graph as boxes and arrows, out of what the server tells: groups of tasks by function, one of them opened to its tasks,
 * or the tasks and objects around one task. Sizes depend on the kind only, so that nothing moves while counts change. Pure.
 * @module
 */
import type {
  GraphDto,
  GraphGroup,
  GraphGroupDto,
  GraphNeighbourhoodDto,
  GraphObject,
  GraphTask,
} from "../../../api/graph.ts";
import { type Cloud, makeCloud } from "./cloud.ts";

export const GROUP_SIZE = { width: 222, height: 84 } as const;
export const PUT_SIZE = { width: 168, height: 56 } as const;
export const TASK_SIZE = { width: 176, height: 46 } as const;
export const OBJECT_SIZE = { width: 132, height: 32 } as const;
export const CLOUD_HEADER = 40;

export type SceneNode =
  | {
    readonly kind: "group";
    readonly key: string;
    readonly name: string;
    readonly width: number;
    readonly height: number;
    readonly group: GraphGroup;
  }
  | {
    readonly kind: "cloud";
    readonly key: string;
    readonly name: string;
    readonly width: number;
    readonly height: number;
    readonly group: GraphGroup;
    readonly cloud: Cloud;
    readonly shown: number;
    readonly total: number;
  }
  | {
    readonly kind: "task";
    readonly key: string;
    readonly name: string;
    readonly width: number;
    readonly height: number;
    readonly task: GraphTask;
    readonly hop: number;
  }
  | {
    readonly kind: "object";
    readonly key: string;
    readonly name: string;
    readonly width: number;
    readonly height: number;
    readonly object: GraphObject;
  };

export interface SceneEdge {
  readonly key: string;
  readonly from: string;
  readonly to: string;
  readonly bytes: number | null;
  readonly count: number;
}

export interface GraphScene {
  readonly nodes: readonly SceneNode[];
  readonly edges: readonly SceneEdge[];
}

export const NO_SCENE: GraphScene = { nodes: [], edges: [] };

/** Level 0, with one group opened when its tasks are here. */
export function groupScene(graph: GraphDto, opened: GraphGroupDto | null): GraphScene {
  const nodes = graph.groups.map((group): SceneNode => {
    if (opened !== null && opened.group === group.id) return cloudNode(group, opened);
    const size = group.type === "put" ? PUT_SIZE : GROUP_SIZE;
    return { kind: "group", key: group.id, name: group.name, ...size, group };
  });
  const keys = new Set(nodes.map((node) => node.key));
  const edges = graph.edges.filter((edge) => keys.has(edge.from) && keys.has(edge.to));
  return { nodes, edges: edges.map((edge) => ({ key: `${edge.from}>${edge.to}`, ...edge })) };
}

function cloudNode(group: GraphGroup, opened: GraphGroupDto): SceneNode {
  const cloud = makeCloud(opened.tasks, opened.edges, group.type === "actor");
  return {
    kind: "cloud",
    key: group.id,
    name: group.name,
    width: Math.max(GROUP_SIZE.width + 60, cloud.width + 28),
    height: CLOUD_HEADER + cloud.height + 18,
    group,
    cloud,
    shown: opened.shown,
    // The group's exact count: recorded tasks may be fewer.
    total: Math.max(opened.total, totalOf(group)),
  };
}

/** Level 2: what is around one task. */
export function taskScene(answer: GraphNeighbourhoodDto): GraphScene {
  const nodes: SceneNode[] = answer.tasks.map((task) => ({
    kind: "task",
    key: task.taskId,
    name: task.name,
    ...TASK_SIZE,
    task,
    hop: task.hop,
  }));
  for (const object of answer.objects) {
    nodes.push({ kind: "object", key: object.objectId, name: object.objectId, ...OBJECT_SIZE, object });
  }
  const bytes = new Map(answer.objects.map((object) => [object.objectId, object.bytes]));
  const edges = answer.edges.map((edge) => ({
    key: `${edge.from}>${edge.to}`,
    ...edge,
    bytes: bytes.get(edge.from) ?? bytes.get(edge.to) ?? null,
    count: 1,
  }));
  return { nodes, edges };
}

/** All tasks of a group. */
export function totalOf(group: GraphGroup): number {
  return openOf(group) + group.finished + group.failed;
}

/** Those that are not over. */
export function openOf(group: GraphGroup): number {
  return group.pendingArgs + group.pendingNode + group.submitted + group.running;
}

/** Bytes that all nodes hold of the group's results. */
export function heldOf(group: GraphGroup): number {
  return Object.values(group.nodes).reduce((sum, bytes) => sum + bytes, 0);
}

/** Nodes whose name holds the text, or whose key begins with it; best first. */
export function findNodes(scene: GraphScene, text: string): readonly SceneNode[] {
  const wanted = text.trim().toLowerCase();
  if (wanted === "") return [];
  const rank = (node: SceneNode): number => {
    const name = node.name.toLowerCase();
    if (name === wanted || node.key === wanted) return 0;
    if (name.startsWith(wanted) || node.key.startsWith(wanted)) return 1;
    return name.includes(wanted) ? 2 : 3;
  };
  return scene.nodes.filter((node) => rank(node) < 3).sort((a, b) => rank(a) - rank(b));
}

/** The nodes at the other ends of a node's edges: up is what it takes from. */
export function neighbours(scene: GraphScene, key: string, direction: "up" | "down"): readonly string[] {
  return direction === "up"
    ? scene.edges.filter((edge) => edge.to === key).map((edge) => edge.from)
    : scene.edges.filter((edge) => edge.from === key).map((edge) => edge.to);
}
