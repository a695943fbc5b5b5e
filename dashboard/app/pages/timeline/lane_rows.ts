/**
 * Which lane stands where: pinned lanes first and always in view, then the lanes of each node under its heading, as high as
 * there is room for. Pure.
 * @module
 */
import type { TimelineLane } from "../../../api/timeline.ts";

export const LANE_HEIGHT_MIN = 9;
export const LANE_HEIGHT_MAX = 26;
export const HEADING_HEIGHT = 20;

/** One row of the canvas. */
export interface Row {
  /** From the top of its part (pinned or scrolled). */
  readonly y: number;
  readonly height: number;
  /** Index into the lanes, or -1 for a heading. */
  readonly lane: number;
  readonly nodeId: string | null;
}

export interface LaneRows {
  readonly pinned: readonly Row[];
  readonly pinnedHeight: number;
  readonly rows: readonly Row[];
  readonly height: number;
  readonly laneHeight: number;
}

/** @param room pixels that there are for all rows: lanes shrink and grow within bounds to fill it. */
export function placeLanes(
  lanes: readonly TimelineLane[],
  pins: ReadonlySet<number>,
  room: number,
): LaneRows {
  const headings = new Set(lanes.map((lane) => lane.nodeId)).size;
  const free = room - headings * HEADING_HEIGHT - pins.size;
  const each = Math.floor(free / Math.max(1, lanes.length));
  const laneHeight = Math.min(LANE_HEIGHT_MAX, Math.max(LANE_HEIGHT_MIN, each));
  const pinned: Row[] = [], rows: Row[] = [];
  let y = 0, nodeId: string | null | undefined;
  const order = lanes.map((_, i) => i).sort((a, b) => byNode(lanes, a, b));
  for (const lane of order) {
    const of = lanes[lane]!;
    if (pins.has(of.lane)) {
      pinned.push({ y: pinned.length * laneHeight, height: laneHeight, lane, nodeId: of.nodeId });
      continue;
    }
    if (of.nodeId !== nodeId) {
      nodeId = of.nodeId;
      rows.push({ y, height: HEADING_HEIGHT, lane: -1, nodeId });
      y += HEADING_HEIGHT;
    }
    rows.push({ y, height: laneHeight, lane, nodeId: of.nodeId });
    y += laneHeight;
  }
  return { pinned, pinnedHeight: pinned.length * laneHeight, rows, height: y, laneHeight };
}

/** Lanes of one node together, in the order in which nodes first come; workers before actors, an actor's lanes together. */
function byNode(lanes: readonly TimelineLane[], a: number, b: number): number {
  const [one, other] = [lanes[a]!, lanes[b]!];
  if (one.nodeId !== other.nodeId) return firstOf(lanes, one.nodeId) - firstOf(lanes, other.nodeId);
  if (one.actorId !== other.actorId) {
    return Number(one.actorId !== null) - Number(other.actorId !== null) ||
      (one.actorId! < other.actorId! ? -1 : 1);
  }
  return one.actorId === null ? a - b : one.slot - other.slot || a - b;
}

const firsts = new WeakMap<readonly TimelineLane[], Map<string | null, number>>();

function firstOf(lanes: readonly TimelineLane[], nodeId: string | null): number {
  let known = firsts.get(lanes);
  if (known === undefined) {
    known = new Map();
    for (let i = lanes.length - 1; i >= 0; i--) known.set(lanes[i]!.nodeId, i);
    firsts.set(lanes, known);
  }
  return known.get(nodeId)!;
}

/** A row with where it stands in the view. */
export interface SeenRow extends Row {
  /** From the top of the rows' place. */
  readonly top: number;
}

/** The rows in view: the pinned ones on top of what is scrolled. */
export function seenRows(placed: LaneRows, scroll: number, height: number): SeenRow[] {
  const seen: SeenRow[] = placed.pinned.map((row) => ({ ...row, top: row.y }));
  for (const row of placed.rows) {
    const top = row.y - scroll + placed.pinnedHeight;
    if (top + row.height <= placed.pinnedHeight || top >= height) continue;
    seen.push({ ...row, top });
  }
  return seen;
}

/** The row at a height of the view; pinned rows lie over the others. */
export function rowAt(seen: readonly SeenRow[], y: number): SeenRow | null {
  return seen.find((row) => y >= row.top && y < row.top + row.height) ?? null;
}

/** How far the rows can be scrolled. */
export function scrollMax(placed: LaneRows, height: number): number {
  return Math.max(0, placed.height + placed.pinnedHeight - height);
}
