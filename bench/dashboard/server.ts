/**
 * The dashboard's own server over a columnar store that is full of made-up tasks: what a driver that submits faster than rows
 * of tasks are kept (2,500 a second) would not fill.
 * @module
 */
import { createDashboardApp } from "../../dashboard/server/app.ts";
import { ensureDashboardApp } from "../../dashboard/server/app_build.ts";
import { createAuth } from "../../dashboard/server/auth.ts";
import { listenHttp } from "../../dashboard/server/serve.ts";
import { ClusterView } from "../../runtime/io/telemetry/cluster_view.ts";
import { StateApi } from "../../runtime/io/telemetry/state/state_api.ts";
import { taskTable } from "../../runtime/io/telemetry/state/task_table.ts";
import { fillTelemetry } from "./tasks.ts";

export interface Server {
  readonly url: string;
  /** Signs one browser in. */
  readonly ticket: () => string;
}

/** With so many tasks, as long as `use` runs. */
export async function withServer<T>(tasks: number, use: (server: Server) => Promise<T>): Promise<T> {
  const telemetry = fillTelemetry(tasks);
  const view = new ClusterView();
  const auth = createAuth("token-of-the-bench");
  const { app, endStreams } = createDashboardApp({
    view,
    services: { telemetry, state: new StateApi([taskTable(telemetry)]) },
    auth,
    meta: { clusterId: "c-bench", version: "0", address: "127.0.0.1:0", startedMs: Date.now() },
    appDir: () => ensureDashboardApp(),
  });
  const listener = await listenHttp({ fetch: (request) => app.fetch(request), host: "127.0.0.1", port: 0 });
  try {
    const url = `http://127.0.0.1:${listener.port}/`;
    return await use({ url, ticket: () => `${url}?ticket=${auth.createTicket()}` });
  } finally {
    endStreams();
    await listener.close();
  }
}
