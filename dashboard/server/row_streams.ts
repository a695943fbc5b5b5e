/**
 * Lists without a limit: `GET /api/v1/{tasks,…}` with `Accept: application/x-ndjson` answers a row a line, as fast as it is
 * read. The headers mobula-total and mobula-dropped say how many rows there are and how many are no longer in memory.
 * @module
 */
import type { Hono } from "hono";
import type { ListAnswer, ListQuery, StateReader } from "../api/state.ts";
import { allPages } from "../../runtime/common/pages.ts";
import { LIST_KINDS, listQuery } from "./queries/lists.ts";
import { QueryParams } from "./queries/query.ts";

export const NDJSON: string = "application/x-ndjson";

/** Before the routes of the lists: what does not ask for lines goes on to them. */
export function addRowStreams(app: Hono, state: StateReader): void {
  for (const kind of LIST_KINDS) {
    app.get(`/api/v1/${kind}`, async (c, next) => {
      if (!(c.req.header("accept") ?? "").includes(NDJSON)) return await next();
      return await streamRows(state, kind, listQuery(new QueryParams(new URL(c.req.url).searchParams)));
    });
  }
}

/** All rows, or `limit`: the first page is asked for before the answer begins, so that a bad query is refused as such. */
async function streamRows(state: StateReader, kind: string, query: ListQuery): Promise<Response> {
  const pages = allPages((part) => state.list(kind, { ...query, ...part }), query);
  const first = (await pages.next()).value as ListAnswer;
  const encoder = new TextEncoder();
  const linesOf = (page: ListAnswer): Uint8Array =>
    encoder.encode(page.rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  let isFirst = true;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const page = isFirst ? first : (await pages.next()).value;
      isFirst = false;
      if (page) controller.enqueue(linesOf(page));
      else controller.close();
    },
    cancel: async () => void await pages.return(),
  }, { highWaterMark: 0 });
  return new Response(body, {
    headers: {
      "content-type": `${NDJSON}; charset=utf-8`,
      "mobula-total": String(first.total),
      "mobula-dropped": String(first.dropped),
    },
  });
}
