/**
 * The tasks of one opened group as dots: by depth where they take from each other, a lane per actor where they are calls, else
 * a field in the order in which they began. Linear in tasks and edges. Pure.
 * @module
 */
import type { GraphTask, GraphTaskEdge } from "../../../api/graph.ts";

export const DOT = 11;
export const PITCH = 15;
const LANE_LABEL = 92;
const BLOCK_GAP = 34;
/** Dots above each other in a block, and beside each other in a lane, before it wraps. */
const BLOCK_ROWS = 30;
const LANE_COLUMNS = 80;
/** Longer chains are shown as a field: side by side they would be a thread that nobody can read. */
const BLOCKS_MAX = 60;

export interface Dot {
  readonly task: GraphTask;
  /** Its middle, from the cloud's corner. */
  readonly x: number;
  readonly y: number;
}

export interface Cloud {
  readonly dots: readonly Dot[];
  /** Pairs of dots by number: the second took a result of the first. */
  readonly edges: readonly (readonly [number, number])[];
  /** Actors' lanes: their ids and the middles of their rows. */
  readonly lanes: readonly { readonly actorId: string; readonly y: number }[];
  readonly width: number;
  readonly height: number;
}

export function makeCloud(
  tasks: readonly GraphTask[],
  edges: readonly GraphTaskEdge[],
  isActor: boolean,
): Cloud {
  const number = new Map(tasks.map((task, i) => [task.taskId, i]));
  const pairs: [number, number][] = [];
  for (const edge of edges) {
    const from = number.get(edge.from), to = number.get(edge.to);
    if (from !== undefined && to !== undefined && from !== to) pairs.push([from, to]);
  }
  const order = tasks.map((_, i) => i).sort((a, b) =>
    (tasks[a]!.startMs ?? Infinity) - (tasks[b]!.startMs ?? Infinity) || a - b
  );
  if (isActor && tasks.some((task) => task.actorId !== null)) return lanesOf(tasks, order, pairs);
  return blocksOf(tasks, order, pairs);
}

function lanesOf(tasks: readonly GraphTask[], order: readonly number[], pairs: [number, number][]): Cloud {
  const byActor = new Map<string, number[]>();
  for (const i of order) {
    const actorId = tasks[i]!.actorId ?? "";
    const list = byActor.get(actorId);
    if (list === undefined) byActor.set(actorId, [i]);
    else list.push(i);
  }
  const dots = new Array<Dot>(tasks.length);
  const lanes: { actorId: string; y: number }[] = [];
  let y = 0, columns = 0;
  for (const [actorId, calls] of byActor) {
    const rows = Math.ceil(calls.length / LANE_COLUMNS);
    lanes.push({ actorId, y: y + PITCH / 2 });
    calls.forEach((i, at) => {
      const column = at % LANE_COLUMNS;
      dots[i] = {
        task: tasks[i]!,
        x: LANE_LABEL + (column + 0.5) * PITCH,
        y: y + (Math.floor(at / LANE_COLUMNS) + 0.5) * PITCH,
      };
      columns = Math.max(columns, column + 1);
    });
    y += rows * PITCH + 8;
  }
  return { dots, edges: pairs, lanes, width: LANE_LABEL + columns * PITCH, height: Math.max(PITCH, y - 8) };
}

function blocksOf(tasks: readonly GraphTask[], order: readonly number[], pairs: [number, number][]): Cloud {
  const depth = depthsOf(tasks.length, pairs);
  const isThread = depth.some((value) => value >= BLOCKS_MAX);
  const blocks: number[][] = [];
  for (const i of order) (blocks[isThread ? 0 : depth[i]!] ??= []).push(i);
  const dots = new Array<Dot>(tasks.length);
  let left = 0, height = PITCH;
  const alone = blocks.length === 1;
  for (const block of blocks) {
    if (block === undefined) continue;
    // A field is wider than high; blocks beside each other share a height.
    const rows = alone
      ? Math.max(1, Math.round(Math.sqrt(block.length / 2.2)))
      : Math.min(BLOCK_ROWS, block.length);
    const columns = Math.ceil(block.length / rows);
    block.forEach((i, at) => {
      dots[i] = {
        task: tasks[i]!,
        x: left + ((alone ? at % columns : Math.floor(at / rows)) + 0.5) * PITCH,
        y: ((alone ? Math.floor(at / columns) : at % rows) + 0.5) * PITCH,
      };
    });
    height = Math.max(height, rows * PITCH);
    left += columns * PITCH + BLOCK_GAP;
  }
  return { dots, edges: pairs, lanes: [], width: Math.max(PITCH, left - BLOCK_GAP), height };
}

/** The longest way from a task that takes from none; circles cannot be among tasks, and would end here all the same. */
function depthsOf(count: number, pairs: readonly (readonly [number, number])[]): Int32Array {
  const depth = new Int32Array(count), waiting = new Int32Array(count);
  const next: number[][] = Array.from({ length: count }, () => []);
  for (const [from, to] of pairs) {
    next[from]!.push(to);
    waiting[to]!++;
  }
  const ready: number[] = [];
  for (let i = 0; i < count; i++) if (waiting[i] === 0) ready.push(i);
  for (let at = 0; at < ready.length; at++) {
    const i = ready[at]!;
    for (const to of next[i]!) {
      depth[to] = Math.max(depth[to]!, depth[i]! + 1);
      if (--waiting[to]! === 0) ready.push(to);
    }
  }
  return depth;
}

/** The dot at a point of the cloud; null between dots. */
export function dotAt(cloud: Cloud, x: number, y: number): Dot | null {
  for (const dot of cloud.dots) {
    if (Math.abs(dot.x - x) <= PITCH / 2 && Math.abs(dot.y - y) <= PITCH / 2) return dot;
  }
  return null;
}
