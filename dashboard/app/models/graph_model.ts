/**
 * The live task graph as boxes and arrows: functions (all tasks of one), actor classes, and the stored objects that a function
 * made. Data flows left to right: function -> its objects -> the functions that take them.
 * @module
 */
import type { ActorDto, EdgeDto, FunctionDto, ObjectGroupDto, TaskTotals } from "../../api_types.ts";

/** Boxes that are drawn; the page says how many there are in all. */
export const GRAPH_NODES_MAX = 200;

export interface FunctionBox {
  readonly kind: "function" | "method";
  readonly key: string;
  readonly name: string;
  readonly counts: TaskTotals;
  readonly total: number;
  readonly meanRunMs: number | null;
}

export interface ActorBox {
  readonly kind: "actor";
  readonly key: string;
  readonly name: string;
  readonly alive: number;
  /** Being made, or made again. */
  readonly starting: number;
  readonly dead: number;
  readonly restarts: number;
  readonly total: number;
}

export interface ObjectBox {
  readonly kind: "objects";
  readonly key: string;
  readonly name: string;
  readonly objects: number;
  readonly bytes: number;
  /** Bytes of the copies on each node, most first. */
  readonly nodes: readonly { readonly nodeId: string; readonly bytes: number }[];
  readonly total: number;
}

export type GraphBox = FunctionBox | ActorBox | ObjectBox;

export interface GraphArrow {
  readonly key: string;
  readonly from: string;
  readonly to: string;
  /** Null: no data flows, the arrow shows which class a method is of. */
  readonly bytes: number | null;
  readonly count: number;
}

export interface Graph {
  readonly boxes: readonly GraphBox[];
  readonly arrows: readonly GraphArrow[];
  /** Boxes that there would be without the limit. */
  readonly boxesTotal: number;
}

export interface GraphInput {
  readonly functions: readonly FunctionDto[];
  readonly edges: readonly EdgeDto[];
  readonly actors: readonly ActorDto[];
  readonly objects: readonly ObjectGroupDto[];
}

export function makeGraph(input: GraphInput): Graph {
  const boxes = new Map<string, GraphBox>();
  for (const row of input.functions) if (row.type !== "ACTOR_CREATION_TASK") addFunction(boxes, row);
  for (const actor of input.actors) addActor(boxes, actor);
  for (const group of input.objects) if (group.objects > 0) addObjects(boxes, group);
  const putIsRead = input.edges.some((edge) => edge.from === "put");
  if (putIsRead && !boxes.has("o:put")) {
    addObjects(boxes, { producer: "put", objects: 0, bytes: 0, nodes: {} });
  }
  const all = [...boxes.values()];
  const kept = all.length <= GRAPH_NODES_MAX ? all : all.sort(byInterest).slice(0, GRAPH_NODES_MAX);
  const keys = new Set(kept.map((box) => box.key));
  const arrows = makeArrows(input, boxes).filter((arrow) => keys.has(arrow.from) && keys.has(arrow.to));
  return { boxes: kept, arrows, boxesTotal: all.length };
}

/** A name that is called as a task and as a method is one box. */
function addFunction(boxes: Map<string, GraphBox>, row: FunctionDto): void {
  const key = `f:${row.name}`;
  const before = boxes.get(key) as FunctionBox | undefined;
  const counts: TaskTotals = {
    pendingArgs: row.pendingArgs + (before?.counts.pendingArgs ?? 0),
    pendingNode: row.pendingNode + (before?.counts.pendingNode ?? 0),
    submitted: row.submitted + (before?.counts.submitted ?? 0),
    running: row.running + (before?.counts.running ?? 0),
    finished: row.finished + (before?.counts.finished ?? 0),
    failed: row.failed + (before?.counts.failed ?? 0),
  };
  boxes.set(key, {
    kind: row.type === "ACTOR_TASK" ? "method" : "function",
    key,
    name: row.name,
    counts,
    total: Object.values(counts).reduce((sum, value) => sum + value, 0),
    meanRunMs: row.meanRunMs,
  });
}

function addActor(boxes: Map<string, GraphBox>, actor: ActorDto): void {
  const name = actor.className || "(unknown class)";
  const key = `a:${name}`;
  const before = boxes.get(key) as ActorBox | undefined;
  const isAlive = actor.state === "ALIVE", isDead = actor.state === "DEAD";
  boxes.set(key, {
    kind: "actor",
    key,
    name,
    alive: (before?.alive ?? 0) + (isAlive ? 1 : 0),
    starting: (before?.starting ?? 0) + (isAlive || isDead ? 0 : 1),
    dead: (before?.dead ?? 0) + (isDead ? 1 : 0),
    restarts: (before?.restarts ?? 0) + actor.numRestarts,
    total: (before?.total ?? 0) + 1,
  });
}

function addObjects(boxes: Map<string, GraphBox>, group: ObjectGroupDto): void {
  const nodes = Object.entries(group.nodes).map(([nodeId, sums]) => ({ nodeId, bytes: sums.bytes }));
  boxes.set(`o:${group.producer}`, {
    kind: "objects",
    key: `o:${group.producer}`,
    name: group.producer,
    objects: group.objects,
    bytes: group.bytes,
    nodes: nodes.sort((a, b) => b.bytes - a.bytes || (a.nodeId < b.nodeId ? -1 : 1)),
    total: group.objects,
  });
}

function makeArrows(input: GraphInput, boxes: ReadonlyMap<string, GraphBox>): GraphArrow[] {
  const arrows: GraphArrow[] = [];
  for (const group of input.objects) {
    const [from, to] = [`f:${group.producer}`, `o:${group.producer}`];
    if (!boxes.has(from) || !boxes.has(to)) continue;
    arrows.push({ key: `${from}>${to}`, from, to, bytes: group.bytes, count: group.objects });
  }
  for (const edge of input.edges) {
    const from = boxes.has(`o:${edge.from}`) ? `o:${edge.from}` : `f:${edge.from}`;
    const to = `f:${edge.to}`;
    arrows.push({ key: `${from}>${to}`, from, to, bytes: edge.bytes, count: edge.count });
  }
  for (const box of boxes.values()) {
    if (box.kind !== "method") continue;
    const className = box.name.slice(0, Math.max(0, box.name.lastIndexOf(".")));
    const from = `a:${className}`;
    if (boxes.has(from)) {
      arrows.push({ key: `${from}>${box.key}`, from, to: box.key, bytes: null, count: box.total });
    }
  }
  return arrows;
}

/** What is under way first, then what failed, then the most. */
function byInterest(a: GraphBox, b: GraphBox): number {
  return interest(b) - interest(a) || (a.key < b.key ? -1 : 1);
}

function interest(box: GraphBox): number {
  const size = Math.min(box.total, 1e9);
  if (box.kind === "actor") return (box.alive + box.starting > 0 ? 3e9 : 0) + size;
  if (box.kind === "objects") return 1e9 + Math.min(box.bytes, 1e9);
  const { pendingArgs, pendingNode, submitted, running, failed } = box.counts;
  return (pendingArgs + pendingNode + submitted + running > 0 ? 4e9 : 0) + (failed > 0 ? 2e9 : 0) + size;
}
