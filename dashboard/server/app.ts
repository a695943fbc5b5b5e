/**
 * The head's HTTP API and the dashboard's page, as a Hono app over a view of the cluster. GET reads; what may trigger something
 * is a POST, for the full role alone (guard.ts). Answers to people's text are JSON: the page shows names as text, never as
 * markup.
 *
 *   GET /healthz                  for everybody: the head is there
 *   GET /?ticket=…                signs a browser in, once
 *   GET /, /<file>                the page
 *   GET /api/v1/status            the cluster in one answer
 *   GET /api/v1/openapi.json      the state API's document
 *   GET /api/v1/state/:id         all that is known of one id
 *   GET /metrics, /api/v1/metrics/targets   for Prometheus: see metrics_routes.ts
 *   GET /api/v1/trace/:id         the steps that a task really took
 *   GET /api/v1/stream?topics=…&live=…   live frames, NDJSON; `live` may be repeated: `name?params` of a query below;
 *                                        `every`: so many ms between frames of topics that no new answer goes with
 *   GET /api/v1/<query>?…         the queries of queries/registry.ts
 *   POST /api/v1/<command>        the commands of commands/registry.ts
 * @module
 */
import { type Context, Hono } from "hono";
import { setCookie } from "hono/cookie";
import type { ClusterReader, HelloDto, Topic } from "../api_types.ts";
import { type Auth, SESSION_LIFE_MS } from "./auth.ts";
import { addCommands } from "./commands/registry.ts";
import { onlyCommands, onlyOurOrigin, onlySignedIn, refuse, safeHeaders } from "./guard.ts";
import { errorBody, LiveQueries } from "./live_queries.ts";
import type { QueryServices } from "./queries/query.ts";
import { parseQuestion, QueryRegistry } from "./queries/registry.ts";
import { addMetrics } from "./metrics_routes.ts";
import { addJobRoutes, type JobService } from "./job_routes.ts";
import { openApiDocument } from "./openapi.ts";
import { addRowStreams } from "./row_streams.ts";
import { addTraceExport } from "./trace_stream.ts";
import { readStaticFiles, type StaticFile } from "./static_files.ts";
import { addLogDownload } from "./log_download.ts";
import { HEARTBEAT_MS, openStream } from "./stream.ts";

/** Streams at once; a page holds one. */
const STREAMS_MAX = 200;
/** Queries that one stream watches. */
const QUESTIONS_MAX = 64;

export interface DashboardOptions {
  readonly view: ClusterReader;
  /** What queries may read besides the view. */
  readonly services?: Omit<QueryServices, "view">;
  readonly auth: Auth;
  readonly meta: {
    readonly clusterId: string;
    readonly version: string;
    /** The head's address for agents and tools, HOST:PORT. */
    readonly address: string;
    readonly startedMs: number;
  };
  /** Folder of the built page, or what builds it (ensureDashboardApp) when it is asked for. The API works without. */
  readonly appDir: string | (() => Promise<string>);
  /** Submitted jobs; without it there are no such routes. */
  readonly jobs?: JobService;
  /** Host names under which the server may be reached, besides loopback's. */
  readonly hosts?: readonly string[];
  /** Origins whose pages may show this one in a frame; none by default. */
  readonly frames?: readonly string[];
}

export interface DashboardApp {
  readonly app: Hono;
  /** End the streams that are open, so that the server can close. */
  readonly endStreams: () => void;
}

export function createDashboardApp(options: DashboardOptions): DashboardApp {
  const app = new Hono();
  const streams = new Set<() => void>();
  const frames = options.frames ?? [];
  app.use(safeHeaders(frames));
  app.use(onlyOurOrigin(options.hosts ?? [], frames.length > 0));
  app.use(redeemTicket(options.auth));
  app.use(onlySignedIn(options.auth));
  app.use(onlyCommands());
  if (options.jobs !== undefined) addJobRoutes(app, options.jobs, options.auth);
  app.get("/healthz", (c) => c.text("ok\n"));
  addApi(app, options, streams);
  addPage(app, options.appDir);
  app.notFound((c) => refuse(c, 404, "NOT_FOUND", "there is nothing at this address"));
  app.onError((error, c) => {
    const { status, code, message } = errorBody(error);
    return refuse(c, status, code, message);
  });
  return {
    app,
    endStreams: () => {
      for (const end of [...streams]) end();
    },
  };
}

/** `GET /?ticket=…`: exchange the ticket for a cookie and lead to the page without it in the address. */
function redeemTicket(auth: Auth): (c: Context, next: () => Promise<void>) => Promise<Response | void> {
  return async (c, next) => {
    const ticket = c.req.query("ticket");
    // A prefetch must not use the ticket up.
    const isVisit = c.req.method === "GET" && c.req.path === "/" && c.req.header("sec-purpose") === undefined;
    const session = isVisit && ticket !== undefined ? auth.redeemTicket(ticket) : null;
    if (session === null) return await next();
    setCookie(c, auth.cookieName, session, {
      httpOnly: true,
      sameSite: "Strict",
      path: "/",
      maxAge: SESSION_LIFE_MS / 1000,
      secure: new URL(c.req.url).protocol === "https:",
    });
    // After a link on another site, a redirect would come without the strict cookie; a refresh is the page's own.
    if (c.req.header("sec-fetch-site") === "cross-site") {
      return c.html('<!doctype html><title>mobula</title><meta http-equiv="refresh" content="0;url=./">');
    }
    return c.redirect("./", 303);
  };
}

function addApi(app: Hono, options: DashboardOptions, streams: Set<() => void>): void {
  const { view, meta } = options;
  const registry = new QueryRegistry({ ...options.services, view });
  const live = new LiveQueries(registry);
  const hello = (c: Context) => (): HelloDto => ({
    ...meta,
    role: c.get("caller").role,
    nowMs: Date.now(),
    topics: view.topics,
  });
  app.get("/api/v1/status", (c) => c.json({ ...hello(c)(), ...view.read("cluster", null).data }));
  app.get(
    "/api/v1/trace/:id",
    async (c) =>
      c.json(await registry.run("trace", new URLSearchParams({ id: c.req.param("id") })) as object),
  );
  app.get(
    "/api/v1/state/:id",
    async (c) =>
      c.json(await registry.run("state", new URLSearchParams({ id: c.req.param("id") })) as object),
  );
  addLogDownload(app, { ...options.services, view });
  const document = openApiDocument(view.state.tables, meta.version);
  app.get("/api/v1/openapi.json", (c) => c.json(document));
  const state = options.services?.state ?? view.state;
  addTraceExport(app, registry);
  addRowStreams(app, state);
  addMetrics(app, state, options.services?.metrics);
  app.get("/api/v1/stream", (c) => {
    const topics = parseTopics(c.req.query("topics"), view.topics);
    const questions = parseQuestions(c.req.queries("live") ?? []);
    const topicsEveryMs = parseEvery(c.req.query("every"));
    if (streams.size >= STREAMS_MAX) {
      return refuse(c, 503, "TOO_MANY_STREAMS", `${STREAMS_MAX} streams are open already`);
    }
    const onEnd = (): void => void streams.delete(stream.end);
    const stream = openStream({ view, topics, questions, live, topicsEveryMs, hello: hello(c), onEnd });
    streams.add(stream.end);
    return new Response(stream.body, {
      headers: { "content-type": "application/x-ndjson; charset=utf-8", "x-accel-buffering": "no" },
    });
  });
  addCommands(app, { ...options.services, view });
  for (const name of registry.names) {
    app.get(`/api/v1/${name}`, async (c) => {
      const data = await registry.run(name, new URL(c.req.url).searchParams);
      if (!(data instanceof Uint8Array)) return c.json(data as object);
      return new Response(data as Uint8Array<ArrayBuffer>, {
        headers: { "content-type": "application/octet-stream" },
      });
    });
  }
}

function addPage(app: Hono, appDir: DashboardOptions["appDir"]): void {
  let files: Promise<ReadonlyMap<string, StaticFile>> | null = null;
  const folder = async (): Promise<string> => typeof appDir === "string" ? appDir : await appDir();
  app.get("/:file?", async (c) => {
    files ??= folder().then(readStaticFiles);
    let found: ReadonlyMap<string, StaticFile>;
    try {
      found = await files;
    } catch (error) {
      files = null;
      return c.text(`The dashboard's page could not be built: ${(error as Error).message}\n`, 503);
    }
    const file = found.get(c.req.param("file") ?? "index.html");
    if (file === undefined) return c.notFound();
    const headers = {
      "content-type": file.type,
      etag: file.etag,
      "cache-control": "no-cache",
      vary: "Accept-Encoding",
    };
    if (c.req.header("if-none-match") === file.etag) return new Response(null, { status: 304, headers });
    const isGzip = /\bgzip\b/.test(c.req.header("accept-encoding") ?? "");
    return isGzip
      ? new Response(file.gzip, { headers: { ...headers, "content-encoding": "gzip" } })
      : new Response(file.bytes, { headers });
  });
}

function parseTopics(text: string | undefined, all: readonly Topic[]): readonly Topic[] {
  if (text === undefined || text === "") return all;
  if (text === "none") return [];
  const names = text.split(",");
  const unknown = names.find((name) => !all.includes(name as Topic));
  if (unknown === undefined) return all.filter((topic) => names.includes(topic));
  throw new RangeError(
    `there is no topic ${JSON.stringify(unknown.slice(0, 40))}; there are ${all.join(", ")}`,
  );
}

function parseEvery(text: string | undefined): number {
  const ms = Number(text ?? 0);
  if (Number.isInteger(ms) && ms >= 0 && ms <= HEARTBEAT_MS) return ms;
  throw new RangeError(`every is a whole number of milliseconds, at most ${HEARTBEAT_MS}`);
}

function parseQuestions(questions: readonly string[]): readonly string[] {
  if (questions.length > QUESTIONS_MAX) {
    throw new RangeError(`a stream watches at most ${QUESTIONS_MAX} queries, not ${questions.length}`);
  }
  for (const question of questions) parseQuestion(question);
  return [...new Set(questions)];
}
