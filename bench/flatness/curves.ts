/**
 * The curves: what each measures, its sizes, and how flat it has to be.
 * @module
 */
import type { HeadEvent } from "./head_events.ts";

/** A cost that is the same at any size: within 20 %. */
export const FLAT = 1.2;
/** A cost that grows with the logarithm of the number of nodes: from 10 to 1,000. */
const LOGARITHMIC = 3;

export interface Curve {
  readonly title: string;
  /** The case (case.ts) that measures it, or the head's event. */
  readonly source: { readonly case: CaseName } | { readonly event: HeadEvent };
  /** The case's figures for wall and processor time. */
  readonly figures: { readonly wallUs: string; readonly cpuUs: string };
  readonly sizes: readonly number[];
  /** How many times a smaller size's cost a larger one's may be; null where the work itself grows with the size. */
  readonly growthMax: number | null;
  /** One picture for each of these. */
  readonly chart: ChartName;
}

export type CaseName = "tasks" | "calls" | "dedicated" | "light" | "nodes";
export type ChartName = "queued" | "actors" | "nodes" | "head";

export interface ChartText {
  readonly title: string;
  /** What the horizontal axis counts. */
  readonly axis: string;
  /** What its reader has to know. */
  readonly note?: string;
}

export const CHARTS: Readonly<Record<ChartName, ChartText>> = {
  queued: {
    title: "Cost of one operation by what is queued",
    axis: "queued",
    note:
      "A million of each, with one worker, after a million that do not count. A task takes the same steps in a short queue and " +
      "in a long one. What it pays beyond that in a long one: its task, entry and ref (300 bytes) live until it has run, so " +
      "that the collector visits them instead of dropping them, and they lie in memory that the kernel hands out for them and " +
      "no cache holds. Where a mark is missed, this is why.",
  },
  actors: {
    title: "Cost of one operation by live actors",
    axis: "live actors",
    note:
      "One worker runs the tasks, and calls go to the actor that was there first, at every size. Calls in turn have no mark: a " +
      "thousand calls in flight to one actor share a few frames and one process's wake-ups; to a hundred actors they are a " +
      "hundred frames to a hundred processes, each of which first compiles its code.",
  },
  nodes: { title: "Cost of one operation by node agents on this machine", axis: "node agents" },
  head: {
    title: "Cost of one event in the head's machines by simulated nodes",
    axis: "simulated nodes",
    note:
      "Eight thousand leases, actors or bundles live at once, however many nodes there are. Placing a group has no mark: it " +
      "compares all nodes that are free. A heartbeat takes the same steps however many nodes there are " +
      "(test/core/scheduler/cluster_nodes.test.ts counts them); but what the head knows of 1,000 nodes is more than a " +
      "processor's second-level cache holds, so that the node which a heartbeat is of has to be fetched. Where its mark is " +
      "missed, this is why.",
  },
};

const QUEUED = [1_000, 10_000, 100_000, 1_000_000];
const LIVE = [1, 10, 100];
const LIGHT = [1, 10, 100, 1_000];
const AGENTS = [1, 8, 32];
export const SIMULATED: readonly number[] = [10, 100, 1_000];

const PLAIN = { wallUs: "wallUs", cpuUs: "cpuUs" };
const TASK = { wallUs: "taskWallUs", cpuUs: "taskCpuUs" };
const CALL = { wallUs: "callWallUs", cpuUs: "callCpuUs" };
const EACH = { wallUs: "eachWallUs", cpuUs: "eachCpuUs" };
const FAR = { wallUs: "farWallUs", cpuUs: "farCpuUs" };

function curve(
  chart: ChartName,
  title: string,
  name: CaseName,
  figures: Curve["figures"],
  sizes: readonly number[],
  growthMax: number | null = FLAT,
): Curve {
  return { title, source: { case: name }, figures, sizes, growthMax, chart };
}

function head(title: string, event: HeadEvent, growthMax: number | null): Curve {
  return { title, source: { event }, figures: PLAIN, sizes: SIMULATED, growthMax, chart: "head" };
}

export const CURVES: readonly Curve[] = [
  curve("queued", "no-op task, all of them queued at once", "tasks", PLAIN, QUEUED),
  curve("queued", "call to one actor, all of them queued at once", "calls", PLAIN, QUEUED),
  curve("actors", "no-op task beside dedicated actors", "dedicated", TASK, LIVE),
  curve("actors", "call to one of the dedicated actors", "dedicated", CALL, LIVE),
  curve("actors", "call to each dedicated actor in turn", "dedicated", EACH, LIVE, null),
  curve("actors", "no-op task beside light actors", "light", TASK, LIGHT),
  curve("actors", "call to one of the light actors", "light", CALL, LIGHT),
  curve("actors", "call to each light actor in turn", "light", EACH, LIGHT, null),
  curve("nodes", "no-op task on the driver's node", "nodes", TASK, AGENTS),
  curve("nodes", "no-op task on another node", "nodes", FAR, AGENTS.slice(1)),
  head("heartbeat", "heartbeat", FLAT),
  head("lease request placed", "lease", LOGARITHMIC),
  head("actor created and placed", "actor", LOGARITHMIC),
  head("actor ended", "actorEnd", FLAT),
  head("group of 4 bundles placed", "group", null),
  head("group removed", "groupEnd", FLAT),
];

/** What one more of something takes, of all processes together. */
export interface MemoryRow {
  readonly title: string;
  readonly case: CaseName | "refs" | "workers";
  readonly size: number;
  readonly figure: string;
}

export const MEMORY: readonly MemoryRow[] = [
  { title: "queued no-op task with its ref", case: "refs", size: 300_000, figure: "queuedBytes" },
  { title: "kept ref of a small result", case: "refs", size: 300_000, figure: "resultBytes" },
  { title: "kept ref of a small put", case: "refs", size: 300_000, figure: "putBytes" },
  { title: "idle light actor", case: "light", size: 10_000, figure: "actorBytes" },
  { title: "idle dedicated actor", case: "dedicated", size: 100, figure: "actorBytes" },
  { title: "idle worker", case: "workers", size: 16, figure: "workerBytes" },
  {
    title: "node, with its worker and its share of head and driver",
    case: "nodes",
    size: 32,
    figure: "nodeBytes",
  },
];
