/**
 * Queries by name, with the parameters of an address (dashboard/api/tasks.ts says which and what they answer).
 * @module
 */
import type {
  TelemetryAnswers,
  TelemetryParams,
  TelemetryQueryName,
} from "../../../../dashboard/api/tasks.ts";
import { ZOOM_MAX, ZOOM_MIN } from "../../../../dashboard/api/timeline.ts";
import { graphOf, GROUP_TASKS, groupTasksOf } from "./graph_groups.ts";
import { criticalPathOf, neighbourhoodOf } from "./graph_tasks.ts";
import type { JobBook } from "./job_book.ts";
import { functionsOf, profileOf } from "./job_profile.ts";
import { makeRecord } from "./make_record.ts";
import { QueryParams } from "./query_params.ts";
import { listTasks, sumTasks } from "./task_list.ts";
import type { TaskTelemetry } from "./task_telemetry.ts";
import { barAt, barsOf, lanesOf, rangeOf, tileOf } from "./timeline_queries.ts";
import { TraceExport, type TracePage } from "./trace_export.ts";

/** Lanes in one tile. */
const TILE_LANES = 128;
/** Milliseconds since the epoch, far beyond. */
const TILES_MAX = 2 ** 43;

type Query<Q extends TelemetryQueryName> = {
  readonly params: readonly string[];
  readonly run: (telemetry: TaskTelemetry, params: QueryParams, queries: TaskQueries) => TelemetryAnswers[Q];
};

const LIST_PARAMS = ["filter", "filters", "limit", "after", "detail"];

const QUERIES: { readonly [Q in TelemetryQueryName]: Query<Q> } = {
  "tasks": {
    params: LIST_PARAMS,
    run: (telemetry, params) => {
      const after = params.text("after");
      const query = {
        filters: filtersOf(params),
        limit: params.number("limit") ?? undefined,
        ...(after === null ? {} : { after }),
        detail: params.flag("detail"),
      };
      return listTasks(telemetry.reader, query, droppedOf(telemetry));
    },
  },
  "task": {
    params: ["id"],
    run: (telemetry, params) => ({
      rows: telemetry.store.attemptsOf(params.required("id")).map((slot) => telemetry.reader.row(slot, true)),
    }),
  },
  "task/reported": {
    params: ["id"],
    run: (telemetry, params) => ({
      rows: telemetry.store.attemptsOf(params.required("id")).map((slot) => telemetry.reader.reported(slot)),
    }),
  },
  "summary/tasks": { params: ["by", "filter", "filters"], run: summaryOf },
  "profile": { params: ["job"], run: (telemetry, params) => profileOf(telemetry, jobOf(telemetry, params)) },
  "graph": { params: ["job"], run: (telemetry, params) => graphOf(telemetry, jobOf(telemetry, params)) },
  "graph/group": {
    params: ["job", "group", "limit"],
    run: (telemetry, params) => {
      const limit = params.whole("limit", GROUP_TASKS, 1, GROUP_TASKS);
      return groupTasksOf(telemetry, jobOf(telemetry, params), params.required("group"), limit);
    },
  },
  "graph/task": {
    params: ["id", "hops"],
    run: (telemetry, params) =>
      neighbourhoodOf(telemetry, params.required("id"), params.whole("hops", 2, 1, 5)),
  },
  "graph/critical": {
    params: ["job"],
    run: (telemetry, params) => criticalPathOf(telemetry, jobOf(telemetry, params)),
  },
  "timeline/lanes": {
    params: ["job"],
    run: (telemetry, params) => lanesOf(telemetry, jobOf(telemetry, params)),
  },
  "timeline/tile": {
    params: ["job", "z", "x", "lanes"],
    run: (telemetry, params) => {
      const book = jobOf(telemetry, params);
      params.required("z");
      const z = params.whole("z", 0, ZOOM_MIN, ZOOM_MAX);
      const x = params.whole("x", 0, -TILES_MAX, TILES_MAX);
      const lanes = lanesIn(book, params, TILE_LANES);
      return tileOf(telemetry, book, z, x, lanes);
    },
  },
  "timeline/bars": {
    params: ["job", "from", "to", "lanes"],
    run: (telemetry, params) => {
      const book = jobOf(telemetry, params);
      return barsOf(telemetry, book, stretchOf(book, params));
    },
  },
  "timeline/at": {
    params: ["job", "lane", "atMs", "slackMs"],
    run: (telemetry, params) => {
      const book = jobOf(telemetry, params);
      params.required("lane");
      params.required("atMs");
      const lane = params.whole("lane", 0, 0, 1_000_000);
      return barAt(telemetry, book, lane, params.number("atMs", 0), Math.max(0, params.number("slackMs", 0)));
    },
  },
  "timeline/range": {
    params: ["job", "from", "to", "lanes"],
    run: (telemetry, params) => {
      const book = jobOf(telemetry, params);
      return rangeOf(telemetry, book, stretchOf(book, params));
    },
  },
  "timeline/export": {
    params: ["job", "after"],
    run: (telemetry, params, queries) => queries.exportPage(jobOf(telemetry, params), params.text("after")),
  },
  "record": { params: ["job"], run: (telemetry, params) => makeRecord(telemetry, jobOf(telemetry, params)) },
};

/** Answers queries over one telemetry. */
export class TaskQueries {
  readonly #telemetry: TaskTelemetry;
  /** The newest exports under way. */
  readonly #exports: Map<string, TraceExport> = new Map();
  #nextExport = 1;

  constructor(telemetry: TaskTelemetry) {
    this.#telemetry = telemetry;
  }

  /** @throws {RangeError} for a query that there is not, bad parameters, an unknown job or task. */
  ask<Q extends TelemetryQueryName>(name: Q, params: TelemetryParams = {}): TelemetryAnswers[Q] {
    if (!Object.hasOwn(QUERIES, name)) {
      throw new RangeError(
        `there is no query ${JSON.stringify(String(name).slice(0, 40))}; there are ${
          Object.keys(QUERIES).join(", ")
        }`,
      );
    }
    const query = QUERIES[name] as Query<Q>;
    return query.run(this.#telemetry, new QueryParams(name, params, query.params), this);
  }

  /** The first page of a new export, or the one that `after` names. */
  exportPage(book: JobBook, after: string | null): TracePage {
    if (after === null) {
      const id = `e${this.#nextExport++}`;
      const made = new TraceExport(id, this.#telemetry, book);
      this.#exports.set(id, made);
      if (this.#exports.size > 2) this.#exports.delete(this.#exports.keys().next().value!);
      return made.page(0);
    }
    const [, id, from] = /^(e\d{1,9})\.(\d{1,9})$/.exec(after) ?? [];
    const known = id === undefined ? undefined : this.#exports.get(id);
    if (known === undefined) {
      throw new RangeError(
        `after ${JSON.stringify(after.slice(0, 40))} is of no export under way: begin without it`,
      );
    }
    const page = known.page(Number(from));
    if (page.next === null) this.#exports.delete(known.id);
    return page;
  }
}

function jobOf(telemetry: TaskTelemetry, params: QueryParams): JobBook {
  return telemetry.bookOf(params.text("job"));
}

function lanesIn(book: JobBook, params: QueryParams, most: number = Infinity): [number, number] {
  return params.lanes("lanes", book.lanes.lanes.length, most);
}

function stretchOf(
  book: JobBook,
  params: QueryParams,
): { fromMs: number; toMs: number; lanes: [number, number] } {
  const fromMs = params.number("from", -Infinity), toMs = params.number("to", Infinity);
  return {
    fromMs: Math.max(fromMs, Math.min(book.fromMs, Number.MAX_SAFE_INTEGER)),
    toMs: Math.min(toMs, Number.MAX_SAFE_INTEGER),
    lanes: lanesIn(book, params),
  };
}

function filtersOf(params: QueryParams): string[] {
  return [...params.texts("filter"), ...params.texts("filters")];
}

const STATE_COUNTS = [
  ["PENDING_ARGS_AVAIL", "pendingArgs"],
  ["PENDING_NODE_ASSIGNMENT", "pendingNode"],
  ["SUBMITTED_TO_WORKER", "submitted"],
  ["RUNNING", "running"],
  ["FINISHED", "finished"],
  ["FAILED", "failed"],
] as const;

/** Of one job or of all, the counters say more than sampled rows. */
function summaryOf(telemetry: TaskTelemetry, params: QueryParams): TelemetryAnswers["summary/tasks"] {
  const by = params.list("by");
  const filters = filtersOf(params);
  const jobId = filters.length === 1
    ? /^\s*job(?:Id)?\s*=\s*(.*)$/.exec(filters[0]!)?.[1]?.trim()
    : undefined;
  const book = filters.length === 0
    ? telemetry.all
    : jobId === undefined
    ? undefined
    : telemetry.books.get(jobId);
  const exact = book === undefined
    ? []
    : functionsOf(telemetry, book).flatMap((row) =>
      STATE_COUNTS.map(([state, field]) => ({ name: row.name, type: row.type, state, count: row[field] }))
    );
  const query = { filters, ...(params.has("by") ? { by } : {}) };
  return sumTasks(telemetry.reader, query, exact, droppedOf(telemetry));
}

/** Rows that are not there to look at. */
function droppedOf(telemetry: TaskTelemetry): number {
  const { sampledOut, evicted, lost } = telemetry.recorded(telemetry.all);
  return sampledOut + evicted + lost;
}
