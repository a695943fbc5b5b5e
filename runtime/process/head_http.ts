/**
 * The head's HTTP API and page: the dashboard's app on the wanted port or the next free one.
 * @module
 */
import { join } from "node:path";
import { createDashboardApp } from "../../dashboard/server/app.ts";
import { ensureDashboardApp } from "../../dashboard/server/app_build.ts";
import { createAuth, type Role } from "../../dashboard/server/auth.ts";
import { dashboardFrames, webOrigins } from "../io/environment.ts";
import type { JobService } from "../../dashboard/server/job_routes.ts";
import type { QueryServices } from "../../dashboard/server/queries/query.ts";
import { listenHttp } from "../../dashboard/server/serve.ts";
import { MOBULA_VERSION } from "../common/config.ts";
import type { ClusterView } from "../io/telemetry/cluster_view.ts";
import { formatAddress, type TlsOptions } from "../io/transport/http2.ts";
import { reachableHost } from "../io/transport/reachable_host.ts";
import type { NodeRow } from "../protocol/messages.ts";
import { WebDrivers } from "./head_web.ts";

/** The page is looked for, or built, when it is first asked for, or after this long: starts have no time for it. */
const PAGE_AFTER_MS = 1_000;

export interface HeadHttpOptions {
  readonly view: ClusterView;
  /** What queries may ask besides. */
  readonly services: Omit<QueryServices, "view">;
  readonly token: string;
  readonly clusterId: string;
  /** The head's address for agents, HOST:PORT. */
  readonly address: string;
  readonly host: string;
  readonly port: number;
  readonly sessionDir: string;
  readonly startedMs: number;
  readonly jobs: JobService;
  readonly nodes: () => readonly NodeRow[];
  /** For connections to agents. */
  readonly tls: TlsOptions | undefined;
}

export interface HeadHttp {
  readonly url: string;
  /** The page's address with a fresh one-time ticket. */
  link(role: Role): string;
  /** What lets viewers in instead of the cluster's token. */
  readonly viewerToken: string;
  close(): Promise<void>;
}

export async function openHeadHttp(options: HeadHttpOptions): Promise<HeadHttp> {
  const { view, token, clusterId, address, host, port, sessionDir, startedMs } = options;
  const auth = createAuth(token);
  const page = pageBuild(join(sessionDir, "dashboard"));
  const reachable = reachableHost(host);
  const { app, endStreams } = createDashboardApp({
    view,
    services: options.services,
    auth,
    jobs: options.jobs,
    meta: { clusterId, version: MOBULA_VERSION, address, startedMs },
    appDir: page.folder,
    hosts: [host, reachable],
    frames: dashboardFrames(),
  });
  const drivers = new WebDrivers({
    ...{ token, clusterId, hosts: [host, reachable], nodes: options.nodes, tls: options.tls },
    origins: webOrigins(),
  });
  const listener = await listenHttp({
    fetch: (request) => app.fetch(request),
    host,
    port,
    bare: (request, response) => drivers.request(request, response),
    upgrade: (request, socket, head) => drivers.upgrade(request, socket, head),
  });
  const url = `http://${formatAddress({ host: reachable, port: listener.port })}/`;
  return {
    url,
    link: (role) => `${url}?ticket=${auth.createTicket(role)}`,
    viewerToken: auth.viewerToken,
    async close() {
      page.close();
      endStreams();
      await drivers.close();
      await listener.close();
    },
  };
}

/** The page's folder, made once. */
function pageBuild(fallbackDir: string): { folder(): Promise<string>; close(): void } {
  let made: Promise<string> | null = null;
  const folder = (): Promise<string> => made ??= ensureDashboardApp({ fallbackDir });
  // A build that fails is told to those who ask for the page.
  const timer = setTimeout(() => void folder().catch(() => undefined), PAGE_AFTER_MS);
  return { folder, close: () => clearTimeout(timer) };
}
