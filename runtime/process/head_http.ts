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
import type { TlsOptions } from "../io/transport/http2.ts";
import type { NodeRow } from "../protocol/messages.ts";
import { WebDrivers } from "./head_web.ts";

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
  readonly nodes: () => readonly NodeRow[];
  /** For connections to agents. */
  readonly tls: TlsOptions | undefined;
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
  const { app, endStreams } = createDashboardApp({
    view,
    auth,
    meta: { clusterId, version: VERSION, address, startedMs },
    appDir: ensureDashboardApp({ fallbackDir: join(sessionDir, "dashboard") }),
    hosts: [host],
  });
  const drivers = new WebDrivers({
    ...{ token, clusterId, hosts: [host], nodes: options.nodes, tls: options.tls },
    origins: webOrigins(process.env.MOBULA_WEB_ORIGINS),
  });
  const listener = await listenHttp({
    fetch: (request) => app.fetch(request),
    host,
    port,
    bare: (request, response) => drivers.request(request, response),
    upgrade: (request, socket, head) => drivers.upgrade(request, socket, head),
  });
  return {
    url: listener.url,
    link: () => `${listener.url}?ticket=${auth.createTicket()}`,
    async close() {
      endStreams();
      await drivers.close();
      await listener.close();
    },
  };
}

/**
 * MOBULA_WEB_ORIGINS: sites whose pages may be drivers, as "https://app.example.org, http://localhost:5173". TypeError for
 * what is no origin.
 */
export function webOrigins(text: string | undefined): string[] {
  const given = (text ?? "").split(",").map((part) => part.trim()).filter((part) => part !== "");
  for (const part of given) {
    if (URL.canParse(part) && new URL(part).origin === part) continue;
    throw new TypeError(
      `MOBULA_WEB_ORIGINS: ${JSON.stringify(part)} is no origin such as https://app.example.org`,
    );
  }
  return given;
}
