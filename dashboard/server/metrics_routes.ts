/**
 * For Prometheus: the head's metrics, and where every node serves its own, in the form of its HTTP service discovery.
 *
 *   GET /metrics                    Prometheus' text format; OpenMetrics where that is accepted
 *   GET /api/v1/metrics/targets     [{ targets: ["HOST:PORT"], labels: { mobula_node: "n-…" } }]
 * @module
 */
import type { Hono } from "hono";
import type { StateReader } from "../api/state.ts";

/** The metrics of now, in the format that an Accept header asks for. */
export type MetricsSource = (accept: string | undefined) => { readonly text: string; readonly type: string };

/** Nodes in one answer. */
const NODES_MAX = 10_000;

export function addMetrics(app: Hono, state: StateReader, metrics: MetricsSource | undefined): void {
  if (metrics !== undefined) {
    app.get("/metrics", (c) => {
      const { text, type } = metrics(c.req.header("accept"));
      return new Response(text, { headers: { "content-type": type } });
    });
  }
  app.get("/api/v1/metrics/targets", async (c) => {
    const { rows } = await state.list("nodes", { filters: ["metricsAddress!="], limit: NODES_MAX });
    const nodes = rows.map(({ nodeId, metricsAddress }) => ({
      targets: [metricsAddress],
      labels: { mobula_node: nodeId },
    }));
    return c.json([{ targets: [c.req.header("host")], labels: { mobula_role: "head" } }, ...nodes]);
  });
}
