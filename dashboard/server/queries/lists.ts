/**
 * Rows of one kind, filtered and page by page, and the steps of one task.
 * @module
 */
import type { ListKind, ListQuery } from "../../api_types.ts";
import { NotFound, type Query, type QueryParams } from "./query.ts";

export const LIST_KINDS: readonly ListKind[] = ["tasks", "actors", "objects", "nodes", "workers", "jobs"];

export const LIST_QUERIES: readonly Query[] = [
  ...LIST_KINDS.map((kind): Query => ({
    name: kind,
    run: (params, { view }) => view.list(kind, listQuery(params)),
  })),
  {
    name: "trace",
    run(params, { view }): unknown {
      const taskId = params.required("id");
      const steps = view.trace(taskId);
      if (steps.length > 0) return { taskId, steps };
      throw new NotFound(`no steps of ${taskId.slice(0, 80)} are known: the newest tasks are kept`);
    },
  },
];

function listQuery(params: QueryParams): ListQuery {
  const limit = params.get("limit");
  const detail = params.get("detail");
  return {
    filters: params.all("filter"),
    limit: limit === null ? params.has("limit") ? NaN : undefined : Number(limit),
    after: params.get("after") ?? undefined,
    detail: params.has("detail") && detail !== "0" && detail !== "false",
  };
}
