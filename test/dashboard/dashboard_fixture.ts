/**
 * A dashboard as the head has one: real view, app and HTTP server, in this process. It can be stopped and started again on
 * its port, as a head is.
 * @module
 */
import { createDashboardApp, type DashboardApp, type DashboardOptions } from "../../dashboard/server/app.ts";
import { ensureDashboardApp } from "../../dashboard/server/app_build.ts";
import { type Auth, createAuth } from "../../dashboard/server/auth.ts";
import { type HttpListener, listenHttp } from "../../dashboard/server/serve.ts";
import { EntityReads } from "../../runtime/io/telemetry/entity_reads.ts";
import { ClusterView } from "../../runtime/io/telemetry/cluster_view.ts";

export const TOKEN = "token-of-a-test-cluster";
export const META = { clusterId: "c-test", version: "0.0.1", address: "127.0.0.1:6380", startedMs: 1_000 };

export class TestDashboard implements AsyncDisposable {
  /** What queries may read besides the view. */
  services: NonNullable<DashboardOptions["services"]> = {};
  /** Sites that may show the page in a frame. */
  readonly frames: readonly string[];
  view: ClusterView = new ClusterView();
  auth: Auth = createAuth(TOKEN);
  #made: DashboardApp | null = null;
  #listener: HttpListener | null = null;
  #port = 0;

  constructor(options: Pick<DashboardOptions, "services" | "frames"> = {}) {
    this.services = options.services ?? {};
    this.frames = options.frames ?? [];
  }

  /** The page is built when it is not. */
  async start(): Promise<this> {
    this.#made = createDashboardApp({
      view: this.view,
      services: { entities: new EntityReads(this.view), ...this.services },
      auth: this.auth,
      meta: { ...META, startedMs: Date.now() },
      appDir: () => ensureDashboardApp(),
      frames: this.frames,
    });
    const { app } = this.#made;
    this.#listener = await listenHttp({
      fetch: (request) => app.fetch(request),
      host: "127.0.0.1",
      port: this.#port,
    });
    this.#port = this.#listener.port;
    return this;
  }

  async stop(): Promise<void> {
    this.#made?.endStreams();
    await this.#listener?.close();
    this.#listener = null;
  }

  /** As after kill -9 and a restart: nothing is remembered but the token. */
  async restart(): Promise<void> {
    await this.stop();
    this.view = new ClusterView();
    this.auth = createAuth(TOKEN);
    await this.start();
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/`;
  }
  link(): string {
    return `${this.url}?ticket=${this.auth.createTicket()}`;
  }
  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { authorization: `Bearer ${TOKEN}`, ...init.headers as Record<string, string> };
    return fetch(new URL(path, this.url), { redirect: "manual", ...init, headers });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
