/**
 * The HTTP API over a real server: who gets in, what is answered, what is refused and how.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { request } from "node:http";
import { createDashboardApp } from "../../dashboard/server/app.ts";
import { createAuth } from "../../dashboard/server/auth.ts";
import { ClusterView } from "../../runtime/io/telemetry/cluster_view.ts";
import * as events from "./cluster_events.ts";
import { META, TestDashboard, TOKEN } from "./dashboard_fixture.ts";

const dashboard = new TestDashboard();
beforeAll(async () => {
  await dashboard.start();
  const { view } = dashboard;
  view.applyNodes([events.nodeRow("n-1")]);
  view.applyTaskEvents(
    events.taskBatch("d-1", 1, {
      counts: [events.counts("add", { finished: 3 })],
      rows: [events.taskRow("t-1"), events.taskRow("t-2", { state: "RUNNING" })],
      steps: [{
        taskId: "t-1" as never,
        journey: "submit",
        step: 2,
        name: "queue",
        nodeId: null,
        processId: null,
        atMs: 1,
        detail: "",
      }],
    }),
  );
});
afterAll(() => dashboard.stop());

/** Every route, with its parameters filled in: from the router itself, so that none is forgotten. */
function routes(): { method: string; path: string }[] {
  const { app } = createDashboardApp({
    view: new ClusterView(),
    auth: createAuth(TOKEN),
    meta: META,
    appDir: "/",
  });
  return app.routes.filter((route) => route.method !== "ALL").map((route) => ({
    method: route.method,
    path: route.path.replace(":id", "t-1").replace(":file?", "main.js"),
  }));
}

/** A request with any header, also those that fetch keeps for itself. */
function raw(
  path: string,
  headers: Record<string, string>,
  method = "GET",
): Promise<{ status: number; headers: Record<string, unknown>; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(new URL(path, dashboard.url), { method, headers }, (response) => {
      let body = "";
      response.on("data", (chunk) => body += chunk);
      response.on("end", () => resolve({ status: response.statusCode!, headers: response.headers, body }));
    });
    sent.on("error", reject);
    sent.end();
  });
}

describe("without token or session", () => {
  test("every route but the health check is refused", async () => {
    const all = routes();
    expect(all.length).toBeGreaterThan(9);
    for (
      const { method, path } of [...all, { method: "GET", path: "/" }, { method: "GET", path: "/nothing" }]
    ) {
      const response = await fetch(new URL(path, dashboard.url), { method });
      expect(response.status, path).toBe(path === "/healthz" ? 200 : 401);
      await response.body?.cancel();
    }
  });

  test("other methods are refused too", async () => {
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "HEAD"]) {
      expect((await fetch(new URL("/api/v1/tasks", dashboard.url), { method })).status).toBe(401);
    }
  });

  test("the refusal says what is missing, and a browser gets a page that does", async () => {
    const json = await fetch(new URL("/api/v1/status", dashboard.url));
    expect(await json.json()).toMatchObject({ error: { code: "AUTHENTICATION_ERROR" } });
    expect(json.headers.get("www-authenticate")).toBe("Bearer");
    const page = await fetch(dashboard.url, { headers: { accept: "text/html" } });
    expect(page.status).toBe(401);
    expect(await page.text()).toContain("mobula status");
  });

  test("a wrong token and a foreign cookie are refused", async () => {
    const wrong = await dashboard.fetch("/api/v1/status", { headers: { authorization: "Bearer wrong" } });
    expect(wrong.status).toBe(401);
    const cookie = await raw("/api/v1/status", {
      cookie: `${dashboard.auth.cookieName}=1.9999999999999.x.y`,
    });
    expect(cookie.status).toBe(401);
  });

  test("a token in the address is worth nothing", async () => {
    expect((await fetch(new URL(`/api/v1/status?token=${TOKEN}`, dashboard.url))).status).toBe(401);
  });
});

describe("the ticket", () => {
  test("becomes a cookie once, and leaves the address", async () => {
    const link = dashboard.link();
    const first = await fetch(link, { redirect: "manual" });
    expect(first.status).toBe(303);
    expect(first.headers.get("location")).toBe("./");
    const cookie = first.headers.get("set-cookie")!;
    expect(cookie).toContain("HttpOnly");
    expect(cookie).toContain("SameSite=Strict");
    const status = await raw("/api/v1/status", { cookie: cookie.split(";")[0]! });
    expect(status.status).toBe(200);
    const second = await fetch(link, { redirect: "manual", headers: { accept: "text/html" } });
    expect(second.status).toBe(401);
    expect(await second.text()).toContain("used already");
  });

  test("is not used up by a prefetch or by a look at the headers", async () => {
    const link = dashboard.link();
    const path = link.slice(dashboard.url.length - 1);
    expect((await raw(path, { "sec-purpose": "prefetch" })).status).toBe(401);
    expect((await raw(path, {}, "HEAD")).status).toBe(401);
    expect((await raw(path, {})).status).toBe(303);
  });

  test("after a link on another site, the page leads itself on, so that the cookie is sent", async () => {
    const path = dashboard.link().slice(dashboard.url.length - 1);
    const visit = {
      "sec-fetch-site": "cross-site",
      "sec-fetch-mode": "navigate",
      "sec-fetch-dest": "document",
    };
    const answer = await raw(path, visit);
    expect(answer.status).toBe(200);
    expect(answer.body).toContain('http-equiv="refresh"');
  });
});

describe("other sites", () => {
  const authorization = `Bearer ${TOKEN}`;

  test("cannot reach us by a name of their own", async () => {
    for (
      const host of [
        "evil.example",
        "evil.example:80",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "[::1].evil.example",
      ]
    ) {
      const { status } = await raw("/api/v1/status", { host, authorization });
      expect([400, 403], host).toContain(status);
    }
    for (const host of ["localhost:9", "127.0.0.1", "[::1]:8265", "10.1.2.3:8265"]) {
      expect((await raw("/api/v1/status", { host, authorization })).status, host).toBe(200);
    }
    expect((await raw("/healthz", { host: "evil.example" })).status).toBe(403);
  });

  test("cannot ask with any method, even with a session", async () => {
    const host = new URL(dashboard.url).host;
    for (const method of ["GET", "POST", "HEAD", "DELETE"]) {
      for (
        const origin of ["http://evil.example", "null", `http://${host}.evil.example`, "http://127.0.0.1:1"]
      ) {
        expect((await raw("/api/v1/tasks", { origin, authorization }, method)).status, origin).toBe(403);
      }
      for (const site of ["cross-site", "same-site"]) {
        const headers = {
          "sec-fetch-site": site,
          "sec-fetch-mode": "navigate",
          "sec-fetch-dest": "document",
        };
        expect((await raw("/api/v1/tasks", { ...headers, authorization }, method)).status, site).toBe(403);
      }
    }
    expect((await raw("/api/v1/tasks", { origin: `http://${host}`, authorization })).status).toBe(200);
    expect((await raw("/api/v1/tasks", { "sec-fetch-site": "same-origin", authorization })).status).toBe(200);
  });

  test("may link to the page, not embed it", async () => {
    const visit = { authorization, "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" };
    expect((await raw("/", { ...visit, "sec-fetch-dest": "document" })).status).toBe(200);
    expect((await raw("/", { ...visit, "sec-fetch-dest": "iframe" })).status).toBe(403);
  });
});

describe("answers", () => {
  test("carry the headers that keep a page safe", async () => {
    for (const path of ["/", "/api/v1/status", "/nothing", "/healthz"]) {
      const { headers } = await dashboard.fetch(path);
      expect(headers.get("content-security-policy"), path).toContain("default-src 'none'");
      expect(headers.get("x-content-type-options"), path).toBe("nosniff");
      expect(headers.get("referrer-policy"), path).toBe("no-referrer");
    }
  });

  test("list rows, filtered and bounded", async () => {
    const answer = await dashboard.fetch("/api/v1/tasks?filter=state%3DRUNNING&limit=10&detail=1");
    expect(answer.headers.get("content-type")).toContain("application/json");
    expect(await answer.json()).toMatchObject({ rows: [{ taskId: "t-2", args: [] }], total: 1, next: null });
    expect(await (await dashboard.fetch("/api/v1/nodes")).json()).toMatchObject({
      rows: [{ nodeId: "n-1" }],
    });
  });

  test("stream rows as lines, as many as there are, with the totals in the headers", async () => {
    const headers = { accept: "application/x-ndjson" };
    const answer = await dashboard.fetch("/api/v1/tasks?detail=1", { headers });
    expect(answer.headers.get("content-type")).toContain("application/x-ndjson");
    expect([answer.headers.get("mobula-total"), answer.headers.get("mobula-dropped")]).toEqual(["2", "0"]);
    const lines = (await answer.text()).trimEnd().split("\n").map((line) => JSON.parse(line));
    expect(lines).toMatchObject([{ taskId: "t-2", args: [] }, { taskId: "t-1" }]);
    const one = await dashboard.fetch("/api/v1/tasks?limit=1", { headers });
    expect((await one.text()).trimEnd().split("\n").length).toBe(1);
    for (const bad of ["limit=0", "limit=", "filter=nonsense", "after=zzz"]) {
      expect((await dashboard.fetch(`/api/v1/tasks?${bad}`, { headers })).status, bad).toBe(400);
    }
  });

  test("count rows by columns", async () => {
    const answer = await dashboard.fetch("/api/v1/summary/tasks?by=state,node&filter=name%3Dadd");
    expect(await answer.json()).toMatchObject({
      rows: [{ state: "FINISHED", nodeId: "n-1", count: 1 }, { state: "RUNNING", count: 1 }],
      total: 2,
      ungrouped: 0,
    });
    expect((await dashboard.fetch("/api/v1/summary/tasks?by=nonsense")).status).toBe(400);
    expect(await (await dashboard.fetch("/api/v1/summary/nodes?by=")).json()).toMatchObject({
      rows: [{ count: 1, storeBytes: { count: 1 } }],
    });
  });

  test("tell all of one id", async () => {
    expect(await (await dashboard.fetch("/api/v1/state/n-1")).json()).toMatchObject({
      id: "n-1",
      rows: [{ nodeId: "n-1", labels: {} }],
    });
    expect((await dashboard.fetch("/api/v1/state/n-7")).status).toBe(404);
    expect((await dashboard.fetch("/api/v1/state/sum")).status).toBe(400);
  });

  test("tell the status and the steps of a task", async () => {
    expect(await (await dashboard.fetch("/api/v1/status")).json()).toMatchObject({
      clusterId: "c-test",
      nodesAlive: 1,
      tasks: { finished: 3 },
    });
    // What was told of it, and then what its row says.
    const { steps } = await (await dashboard.fetch("/api/v1/trace/t-1")).json() as {
      steps: { name: string }[];
    };
    expect(steps.map((step) => step.name)).toEqual(["queue", "push", "run", "result", "record"]);
    expect((await dashboard.fetch("/api/v1/trace/t-none")).status).toBe(404);
  });

  test("say what is wrong with a query", async () => {
    for (
      const [query, message] of [
        ["filter=nonsense", "form"],
        ["filter=a%3Db", "no column"],
        ["limit=0", "limit"],
        ["limit=", "limit"],
        ["limit=many", 'limit "many" is not a whole number'],
        ["after=zzz", "cursor"],
      ] as const
    ) {
      const answer = await dashboard.fetch(`/api/v1/tasks?${query}`);
      expect(answer.status, query).toBe(400);
      expect((await answer.json() as { error: { message: string } }).error.message, query).toContain(message);
    }
    for (const query of ["topics=nothing", "every=soon", "every=-1", "every=60000"]) {
      expect((await dashboard.fetch(`/api/v1/stream?${query}`)).status, query).toBe(400);
    }
  });

  test("serve the page's files and no others", async () => {
    const page = await dashboard.fetch("/");
    expect(page.headers.get("content-type")).toContain("text/html");
    const script = await dashboard.fetch("/main.js");
    expect(script.headers.get("content-type")).toContain("text/javascript");
    for (const [encoding, answered] of [["gzip, br", "gzip"], ["identity", null]] as const) {
      const asked = await dashboard.fetch("/main.js", { headers: { "accept-encoding": encoding } });
      expect(asked.headers.get("content-encoding")).toBe(answered);
      expect(await asked.text()).toBe(await script.clone().text());
    }
    const again = await dashboard.fetch("/main.js", {
      headers: { "if-none-match": script.headers.get("etag")! },
    });
    expect(again.status).toBe(304);
    for (
      const path of ["/package.json", "/..%2fapp.ts", "/%2e%2e/%2e%2e/package.json", "/main.js/x", "/a/b"]
    ) {
      expect((await dashboard.fetch(path)).status, path).toBe(404);
    }
  });

  test("of a page that cannot be built say so, while the API works", async () => {
    const { app } = createDashboardApp({
      view: dashboard.view,
      auth: createAuth(TOKEN),
      meta: META,
      appDir: () => Promise.reject(new Error("no bundler")),
    });
    const ask = (path: string) =>
      app.request(path, { headers: { host: "localhost", authorization: `Bearer ${TOKEN}` } });
    expect((await ask("/")).status).toBe(503);
    expect(await (await ask("/")).text()).toContain("no bundler");
    expect((await ask("/api/v1/status")).status).toBe(200);
  });
});
