/**
 * The head's HTTP API and page: the dashboard's app on the wanted port or the next free one.
 * @module
 */
import { join } from "node:path";
import { createDashboardApp } from "../../dashboard/server/app.ts";
import { ensureDashboardApp } from "../../dashboard/server/app_build.ts";
import { createAuth } from "../../dashboard/server/auth.ts";
import { listenHttp } from "../../dashboard/server/serve.ts";
import type { ClusterView } from "../io/telemetry/cluster_view.ts";
import { formatAddress } from "../io/transport/http2.ts";
import { reachableHost } from "../io/transport/reachable_host.ts";

export interface HeadHttpOptions {
  readonly view: ClusterView;
  readonly token: string;
  readonly clusterId: string;
  /** The head's address for agents, HOST:PORT. */
  readonly address: string;
  readonly host: string;
  readonly port: number;
  readonly sessionDir: string;
  readonly startedMs: number;
}

export interface HeadHttp {
  readonly url: string;
  /** The page's address with a fresh one-time ticket. */
  link(): string;
  close(): Promise<void>;
}

/** mobula's version, for the page. */
const VERSION = "0.1.0";

export async function openHeadHttp(options: HeadHttpOptions): Promise<HeadHttp> {
  const { view, token, clusterId, address, host, port, sessionDir, startedMs } = options;
  const auth = createAuth(token);
  const reachable = reachableHost(host);
  const { app, endStreams } = createDashboardApp({
    view,
    auth,
    meta: { clusterId, version: VERSION, address, startedMs },
    appDir: ensureDashboardApp({ fallbackDir: join(sessionDir, "dashboard") }),
    hosts: [host, reachable],
  });
  const listener = await listenHttp({ fetch: (request) => app.fetch(request), host, port });
  const url = `http://${formatAddress({ host: reachable, port: listener.port })}/`;
  return {
    url,
    link: () => `${url}?ticket=${auth.createTicket()}`,
    async close() {
      endStreams();
      await listener.close();
    },
  };
}
