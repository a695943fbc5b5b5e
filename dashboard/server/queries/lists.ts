/**
 * The state API: rows of one kind, filtered and page by page, the same counted by columns, and all that is known of one id;
 * and the steps of one task.
 * @module
 */
import type { ListQuery, StateKind, StateReader } from "../../api/state.ts";
import { NotFound, type Query, type QueryParams, type QueryServices } from "./query.ts";

export const LIST_KINDS: readonly StateKind[] = [
  "tasks",
  "actors",
  "objects",
  "nodes",
  "workers",
  "jobs",
  "placement-groups",
];

export const LIST_QUERIES: readonly Query[] = [
  ...LIST_KINDS.flatMap((kind): Query[] => [
    { name: kind, run: async (params, services) => await stateOf(services).list(kind, listQuery(params)) },
    {
      name: `summary/${kind}`,
      async run(params, services): Promise<unknown> {
        // `by=` asks for one group of all rows.
        const by = params.has("by")
          ? params.all("by").flatMap((names) => names.split(",")).filter((name) => name !== "")
          : undefined;
        return await stateOf(services).summarize(kind, { by, filters: params.all("filter") });
      },
    },
  ]),
  {
    name: "state",
    async run(params, services): Promise<unknown> {
      const id = params.required("id");
      const rows = await stateOf(services).get(id);
      if (rows.length > 0) return { id, rows };
      throw new NotFound(`${id.slice(0, 80)} is not known (any more)`);
    },
  },
  {
    name: "trace",
    async run(params, { view }): Promise<unknown> {
      const taskId = params.required("id");
      const steps = await view.trace(taskId);
      if (steps.length > 0) return { taskId, steps };
      throw new NotFound(`no steps of ${taskId.slice(0, 80)} are known: the newest tasks are kept`);
    },
  },
];

function stateOf({ state, view }: QueryServices): StateReader {
  return state ?? view.state;
}

export function listQuery(params: QueryParams): ListQuery {
  const limit = params.get("limit");
  const detail = params.get("detail");
  return {
    filters: params.all("filter"),
    limit: params.has("limit") ? limitOf(limit ?? "") : undefined,
    after: params.get("after") ?? undefined,
    detail: params.has("detail") && detail !== "0" && detail !== "false",
  };
}

/** Whether there may be so many, the list says. @throws {RangeError} for what is no number. */
function limitOf(text: string): number {
  const limit = Number(text);
  if (text === "" || Number.isNaN(limit)) {
    throw new RangeError(`limit ${JSON.stringify(text.slice(0, 80))} is not a whole number`);
  }
  return limit;
}
