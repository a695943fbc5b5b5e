/**
 * The state API over the head's view: a table for each kind of row, and what an id names. Each kind is answered by whoever
 * has its records; asking is asynchronous, because that may be another process.
 * @module
 */
import type {
  ListAnswer,
  ListQuery,
  StateReader,
  StateRow,
  StateTableReader,
  SummaryAnswer,
  SummaryQuery,
  TableInfo,
} from "../../../../dashboard/api/state.ts";
import { kindOfId } from "../../../common/id_kinds.ts";
import type { ActorRows } from "../actor_rows.ts";
import type { JobRows, NodeRows, WorkerRows } from "../cluster_rows.ts";
import type { ObjectGroups } from "../object_groups.ts";
import { placementGroupRow, type PlacementGroupRows } from "../placement_group_rows.ts";
import { ACTOR_COLUMNS, ActorRecord } from "./actor_columns.ts";
import {
  GROUP_COLUMNS,
  JOB_COLUMNS,
  NODE_COLUMNS,
  OBJECT_COLUMNS,
  OBJECT_HOLDER_COLUMNS,
  WORKER_COLUMNS,
} from "./entity_columns.ts";
import { StateTable } from "./state_table.ts";

/** A task has a row per attempt: more are cut. */
const ROWS_OF_ID_MAX = 100;

/** Where the rows are. */
export interface StateSources {
  readonly nodes: NodeRows;
  readonly actors: ActorRows;
  readonly jobs: JobRows;
  readonly workers: WorkerRows;
  readonly objects: ObjectGroups;
  readonly placementGroups: PlacementGroupRows;
}

/** One kind: what its rows are, and who answers. */
export interface AnsweredTable extends StateTableReader {
  readonly info: TableInfo;
}

export class StateApi implements StateReader {
  readonly #tables: ReadonlyMap<string, AnsweredTable>;

  constructor(tables: readonly AnsweredTable[]) {
    this.#tables = new Map(tables.map((table) => [table.info.kind, table]));
  }

  get tables(): readonly TableInfo[] {
    return [...this.#tables.values()].map((table) => table.info);
  }

  async list(kind: string, query: ListQuery = {}): Promise<ListAnswer> {
    return await this.#table(kind).list(query);
  }

  async summarize(kind: string, query: SummaryQuery = {}): Promise<SummaryAnswer> {
    return await this.#table(kind).summarize(query);
  }

  async get(id: string): Promise<StateRow[]> {
    const { kind, column } = kindOfId(id);
    return (await this.list(kind, { filters: [`${column}=${id}`], limit: ROWS_OF_ID_MAX, detail: true }))
      .rows;
  }

  #table(kind: string): AnsweredTable {
    const table = this.#tables.get(kind);
    if (table !== undefined) return table;
    throw new RangeError(
      `there are no ${JSON.stringify(String(kind).slice(0, 40))}; list ${
        [...this.#tables.keys()].join(", ")
      }`,
    );
  }
}

/** The tables whose records the head itself has. */
export function headTables(sources: StateSources): AnsweredTable[] {
  const { nodes, actors, jobs, workers, objects, placementGroups } = sources;
  return [
    new StateTable({
      ...{ kind: "actors", about: "An actor.", idColumn: "actorId", columns: ACTOR_COLUMNS },
      by: ["className", "state"],
      records: () => actorRecords(actors),
      order: ({ createdMs }) => createdMs,
      key: ({ actorId }) => actorId,
      dropped: () => actors.ended.dropped,
    }),
    new StateTable({
      ...{ kind: "objects", about: "An object with a copy in some node's store.", idColumn: "objectId" },
      ...{ columns: OBJECT_COLUMNS, ofOne: OBJECT_HOLDER_COLUMNS, by: ["producer"] },
      records: () => objects.objects.values(),
      order: ({ order }) => order,
      key: ({ id }) => id,
      dropped: () => objects.untracked,
    }),
    new StateTable({
      ...{ kind: "nodes", about: "A node of the cluster.", idColumn: "nodeId", columns: NODE_COLUMNS },
      by: ["state"],
      records: () => nodes.rows(),
      order: ({ startedMs }) => startedMs,
      key: ({ nodeId }) => nodeId,
      dropped: () => nodes.ended.dropped,
    }),
    new StateTable({
      ...{ kind: "workers", about: "A worker process.", idColumn: "workerId", columns: WORKER_COLUMNS },
      by: ["nodeId", "state"],
      records: () => workers.rows.values(),
      order: ({ startedMs }) => startedMs,
      key: ({ workerId }) => workerId,
      dropped: () => workers.dropped,
    }),
    new StateTable({
      ...{ kind: "jobs", about: "A job: one run of a driver.", idColumn: "jobId", columns: JOB_COLUMNS },
      by: ["state"],
      records: () => jobs.table.groups.values(),
      order: ({ startedMs }) => startedMs,
      key: ({ jobId }) => jobId,
      dropped: () => jobs.ended.dropped,
    }),
    new StateTable({
      ...{ kind: "placement-groups", about: "A placement group.", idColumn: "placementGroupId" },
      ...{ columns: GROUP_COLUMNS, by: ["strategy", "state"] },
      records: () => groupRows(placementGroups),
      order: ({ createdMs }) => createdMs,
      key: ({ placementGroupId }) => placementGroupId,
      dropped: () => placementGroups.dropped,
    }),
  ];
}

function* actorRecords(actors: ActorRows): Iterable<ActorRecord> {
  for (const { actorId, createdMs, row } of actors.entries()) yield new ActorRecord(actorId, createdMs, row);
}

function* groupRows(groups: PlacementGroupRows): Iterable<ReturnType<typeof placementGroupRow>> {
  for (const record of groups.records()) yield placementGroupRow(record);
}
