/**
 * List queries over the view: rows with stable columns, filtered, newest first, a page at a time. A page continues after a
 * cursor that names a place in the order, so rows that come or go in between are neither repeated nor skipped.
 * @module
 */
import type { ListAnswer, ListQuery } from "../../../dashboard/api_types.ts";
import type { ActorRows } from "./actor_rows.ts";
import type { JobRows, NodeRows, WorkerRows } from "./cluster_rows.ts";
import { matches, parseFilters } from "./filters.ts";
import type { ObjectGroups, TrackedObject } from "./object_groups.ts";
import { placementGroupRow, type PlacementGroupRows } from "./placement_group_rows.ts";
import type { TaskCounts } from "./task_counts.ts";
import type { KeptRow, TaskRows } from "./task_rows.ts";

export const LIMIT_DEFAULT: number = 100;
export const LIMIT_MAX: number = 10_000;

type Row = Record<string, unknown>;

/** Where the rows are. */
export interface ListSources {
  readonly nodes: NodeRows;
  readonly actors: ActorRows;
  readonly jobs: JobRows;
  readonly workers: WorkerRows;
  readonly counts: TaskCounts;
  readonly tasks: TaskRows;
  readonly objects: ObjectGroups;
  readonly placementGroups: PlacementGroupRows;
}

/** One row in the making: its place in the order (higher is newer; key breaks ties), and how to make it. */
interface Entry {
  readonly order: number;
  readonly key: string;
  readonly row: () => Row;
}

interface Kind {
  readonly columns: readonly string[];
  /** Left out unless details are asked for. */
  readonly detail: readonly string[];
  readonly entries: (view: ListSources) => Entry[];
  readonly dropped: (view: ListSources) => number;
}

/** @throws {RangeError} for an unknown kind, a bad filter, limit or cursor. */
export function listRows(view: ListSources, kindName: string, query: ListQuery): ListAnswer {
  const kind = Object.hasOwn(KINDS, kindName) ? KINDS[kindName]! : null;
  if (kind === null) {
    throw new RangeError(`there are no ${JSON.stringify(kindName)}; list ${Object.keys(KINDS).join(", ")}`);
  }
  const filters = parseFilters(query.filters ?? [], kind.columns);
  const limit = query.limit ?? LIMIT_DEFAULT;
  if (!Number.isInteger(limit) || limit < 1 || limit > LIMIT_MAX) {
    throw new RangeError(`limit ${limit} is not a whole number from 1 to ${LIMIT_MAX}`);
  }
  const after = query.after === undefined ? null : parseCursor(query.after);
  const page: Entry[] = [];
  let total = 0;
  let more = false;
  const entries = kind.entries(view).sort(newestFirst);
  for (const entry of entries) {
    // Without filters only the rows of the page are made.
    if (filters.length > 0 && !matches(entry.row(), filters)) continue;
    total++;
    if (after !== null && newestFirst(after, entry) >= 0) continue;
    if (page.length < limit) page.push(entry);
    else more = true;
  }
  const last = page.at(-1);
  return {
    rows: page.map(({ row }) => query.detail === true ? row() : without(row(), kind.detail)),
    total,
    next: more && last !== undefined ? `${last.order}~${last.key}` : null,
    dropped: kind.dropped(view),
  };
}

function newestFirst(a: { order: number; key: string }, b: { order: number; key: string }): number {
  return b.order - a.order || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);
}

function parseCursor(cursor: string): { order: number; key: string } {
  const at = cursor.indexOf("~");
  const order = at > 0 ? Number(cursor.slice(0, at)) : NaN;
  if (!Number.isFinite(order)) {
    throw new RangeError(
      `after ${JSON.stringify(cursor.slice(0, 80))} is no cursor: pass "next" of the answer before`,
    );
  }
  return { order, key: cursor.slice(at + 1) };
}

function without(row: Row, columns: readonly string[]): Row {
  const rest = { ...row };
  for (const column of columns) delete rest[column];
  return rest;
}

const ACTOR_DETAIL: readonly string[] = [
  "numLineageRestarts",
  "owner",
  "incarnation",
  "maxTaskRetries",
  "maxConcurrency",
  "concurrencyGroups",
  "requiredResources",
  "placementGroupId",
  "labelSelector",
  "fallbackStrategy",
  "runtimeEnv",
  "callSite",
  "reprName",
  "createdMs",
  "startedMs",
  "endedMs",
  "updatedMs",
  "callsRunning",
  "callsFinished",
];

const KINDS: Record<string, Kind> = {
  tasks: {
    columns: [
      "taskId",
      "attempt",
      "name",
      "type",
      "state",
      "jobId",
      "nodeId",
      "workerId",
      "actorId",
      "parentTaskId",
      "submittedMs",
      "pushedMs",
      "startMs",
      "endMs",
      "durationMs",
      "resultBytes",
      "errorType",
      "errorMessage",
      "args",
      "labelSelector",
      "fallbackStrategy",
    ],
    detail: ["args", "pushedMs", "parentTaskId", "labelSelector", "fallbackStrategy"],
    entries: (view) => view.tasks.all().map(taskEntry),
    dropped: (view) => view.tasks.evicted + view.counts.rowsDropped,
  },
  actors: {
    columns: [
      "actorId",
      "className",
      "name",
      "namespace",
      "jobId",
      "state",
      "nodeId",
      "workerId",
      "pid",
      "numRestarts",
      "maxRestarts",
      "isDetached",
      "deathCause",
      "deathMessage",
      "mailboxDepth",
      "callsPerSecond",
      "meanCallMs",
      ...ACTOR_DETAIL,
    ],
    detail: ACTOR_DETAIL,
    entries: (view) =>
      [...view.actors.entries()].map(({ actorId: key, updatedMs: order, row }) => ({
        order,
        key,
        row: () => ({ ...row() }),
      })),
    dropped: (view) => view.actors.ended.dropped,
  },
  objects: {
    columns: [
      "objectId",
      "bytes",
      "producer",
      "nodes",
      "spilled",
      "inFlight",
      "primary",
      "owner",
      "home",
      "isError",
    ],
    detail: ["home", "isError"],
    entries: (view) => [...view.objects.objects.values()].map(objectEntry),
    dropped: (view) => view.objects.untracked,
  },
  nodes: {
    columns: [
      "nodeId",
      "state",
      "stateMessage",
      "drain",
      "hostname",
      "address",
      "pid",
      "runtime",
      "isHeadNode",
      "resources",
      "labels",
      "storeBytes",
      "storeUsedBytes",
      "storeObjects",
      "storeSpilledBytes",
      "workers",
      "memoryKills",
      "cpuPercent",
      "rssBytes",
      "memoryBytes",
      "netInPerSecond",
      "netOutPerSecond",
      "diskBytes",
      "diskFreeBytes",
      "startedMs",
    ],
    detail: ["labels"],
    entries: (view) =>
      view.nodes.rows().map((node) => ({
        order: node.startedMs,
        key: node.nodeId,
        row: () => ({ ...node }),
      })),
    dropped: (view) => view.nodes.ended.dropped,
  },
  workers: {
    columns: [
      "workerId",
      "nodeId",
      "pid",
      "runtime",
      "state",
      "jobId",
      "actorId",
      "startedMs",
      "endedMs",
      "exitDetail",
    ],
    detail: [],
    entries: (view) =>
      [...view.workers.rows.values()].map((worker) => ({
        order: worker.startedMs,
        key: worker.workerId,
        row: () => ({ ...worker }),
      })),
    dropped: (view) => view.workers.dropped,
  },
  "placement-groups": {
    columns: [
      "placementGroupId",
      "name",
      "namespace",
      "state",
      "message",
      "strategy",
      "bundles",
      "jobId",
      "owner",
      "detached",
      "createdMs",
      "readyMs",
      "endedMs",
    ],
    detail: ["owner", "readyMs"],
    entries: (view) =>
      [...view.placementGroups.records()].map((record) => ({
        order: record.createdMs,
        key: record.spec.groupId,
        row: () => ({ ...placementGroupRow(record) }),
      })),
    dropped: (view) => view.placementGroups.dropped,
  },
  jobs: {
    columns: [
      "jobId",
      "state",
      "message",
      "entrypoint",
      "namespace",
      "nodeId",
      "driverId",
      "pid",
      "runtime",
      "startedMs",
      "endedMs",
    ],
    detail: [],
    entries: (view) =>
      [...view.jobs.table.groups.values()].map((job) => ({
        order: job.startedMs,
        key: job.jobId,
        row: () => ({ ...job }),
      })),
    dropped: (view) => view.jobs.ended.dropped,
  },
};

function taskEntry(kept: KeptRow): Entry {
  return { order: kept.order, key: kept.key, row: () => taskRow(kept) };
}

function taskRow(kept: KeptRow): Row {
  const { error, ...row } = kept.row;
  return {
    ...row,
    durationMs: row.startMs !== null && row.endMs !== null ? row.endMs - row.startMs : null,
    errorType: error?.type ?? null,
    errorMessage: error?.message ?? null,
    labelSelector: row.labelSelector ?? null,
    fallbackStrategy: row.fallbackStrategy ?? null,
  };
}

function objectEntry(object: TrackedObject): Entry {
  return { order: object.order, key: object.id, row: () => objectRow(object) };
}

function objectRow(object: TrackedObject): Row {
  return {
    objectId: object.id,
    bytes: object.bytes,
    producer: object.group,
    nodes: [...object.nodes],
    spilled: [...object.spilled ?? []],
    inFlight: [...object.inFlight ?? []],
    primary: object.primary,
    owner: object.owner,
    home: object.home,
    isError: object.isError,
  };
}
