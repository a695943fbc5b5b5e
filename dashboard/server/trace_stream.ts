/**
 * `GET /api/v1/timeline/export?job=ID`: the whole trace as one file that Perfetto and Chrome open, page after page as fast as it
 * is read, whatever its size.
 * @module
 */
import type { Hono } from "hono";
import type { TelemetryAnswers } from "../api/tasks.ts";
import type { QueryRegistry } from "./queries/registry.ts";

/** A record of a job that is over says all at once. */
type Page = Pick<TelemetryAnswers["timeline/export"], "traceEvents"> & { readonly next?: string | null };

/** Before the routes of the queries: the query of the same name gives single pages to programs. */
export function addTraceExport(app: Hono, registry: QueryRegistry): void {
  app.get("/api/v1/timeline/export", async (c) => {
    const job = c.req.query("job");
    const params = job === undefined || job === "" ? {} : { job };
    const ask = (after: string | null): Promise<Page> => {
      const asked = new URLSearchParams(after === null ? params : { ...params, after });
      return registry.run("timeline/export", asked) as Promise<Page>;
    };
    // Asked for before the answer begins, so that an unknown job is refused as such.
    const first = await ask(null);
    const name = job === undefined ? "mobula" : `mobula-${job.replace(/[^\w-]/g, "")}`;
    return new Response(traceFile(first, ask), {
      headers: {
        "content-type": "application/json; charset=utf-8",
        "content-disposition": `attachment; filename="${name}.trace.json"`,
      },
    });
  });
}

function traceFile(first: Page, ask: (after: string | null) => Promise<Page>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let page: Page | null = first;
  let isFirst = true;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (page === null) return controller.close();
      const events = page.traceEvents.map((event) => JSON.stringify(event)).join(",\n");
      const begin = isFirst ? '{"displayTimeUnit":"ms","traceEvents":[\n' : events === "" ? "" : ",\n";
      isFirst = false;
      const { next = null } = page;
      const isLast = next === null;
      controller.enqueue(encoder.encode(`${begin}${events}${isLast ? "\n]}\n" : ""}`));
      page = isLast ? null : await ask(next);
    },
  }, { highWaterMark: 0 });
}
