/**
 * `GET /api/v1/logs/raw?id=`: a whole log as text. It is read as fast as the browser takes it, a piece at a time, and is nowhere
 * in memory.
 * @module
 */
import type { Context, Hono } from "hono";
import type { QueryServices } from "./queries/query.ts";
import { logsOf } from "./queries/logs.ts";
import { refuse } from "./guard.ts";

export function addLogDownload(app: Hono, services: QueryServices): void {
  app.get("/api/v1/logs/raw", async (c: Context) => {
    const id = c.req.query("id") ?? "";
    const logs = logsOf(services);
    let next = await logs.text(id, 0);
    if (next === null) {
      return refuse(c, 404, "NOT_FOUND", `no node has the log ${JSON.stringify(id.slice(0, 80))}`);
    }
    const encoder = new TextEncoder();
    const body = new ReadableStream<Uint8Array>({
      async pull(controller): Promise<void> {
        if (next === null) return controller.close();
        const { text, end, size } = next;
        if (text !== "") controller.enqueue(encoder.encode(text));
        next = end >= size || text === "" ? null : await logs.text(id, end);
        if (next === null) controller.close();
      },
    }, { highWaterMark: 0 });
    return new Response(body, {
      headers: {
        "content-type": "text/plain; charset=utf-8",
        "content-disposition": `attachment; filename="mobula-${id}.log"`,
      },
    });
  });
}
