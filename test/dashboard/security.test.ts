/**
 * Who may trigger what, and from where: requests as an attacker writes them, and a real browser that refuses what the page
 * must not do.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { type Browser, chromium, type Page } from "playwright-core";
import { createAuth, type Role, SESSION_LIFE_MS } from "../../dashboard/server/auth.ts";
import { BODY_BYTES_MAX } from "../../dashboard/server/commands/registry.ts";
import { StoreReader } from "../../runtime/io/storage/reader_client.ts";
import type { GcsStore } from "../../runtime/io/storage/store_client.ts";
import { open, task, temporaryFolder } from "../io/storage/store_fixture.ts";
import { testUnless } from "../support/skip.ts";
import { chromiumPath, skipReason } from "../support/toolchain.ts";
import { TestDashboard, TOKEN } from "./dashboard_fixture.ts";

const TIMEOUT_MS = 60_000;
const folder = temporaryFolder();
const reader = new StoreReader({ url: null, dir: folder.path, runtime: "bun" });
const dashboard = new TestDashboard({ services: { console: reader } });
let store: GcsStore;
let host: string;

beforeAll(async () => {
  store = await open(folder.path);
  for (let i = 0; i < 5; i++) store.record(task(`t-${i}`));
  await store.committed();
  await dashboard.start();
  host = new URL(dashboard.url).host;
}, TIMEOUT_MS);

afterAll(async () => {
  await dashboard.stop();
  reader.close();
  await store.close();
  folder[Symbol.dispose]();
}, TIMEOUT_MS);

interface Answer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** Exactly these bytes, as no client library would send them. */
function send(text: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(host.split(":")[1]), "127.0.0.1", () => socket.write(text));
    let all = "";
    socket.on("data", (chunk) => all += chunk);
    socket.on("error", reject);
    socket.on("close", () => {
      const [head, ...rest] = all.split("\r\n\r\n");
      resolve({ status: Number(all.slice(9, 12)), head: head!, body: rest.join("\r\n\r\n") });
    });
  });
}

interface Request {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string | undefined>;
  readonly body?: string;
}

/** A command from our own page with a full session, but for what is changed; undefined takes a header away. */
function command({ method = "POST", path = "/api/v1/sql", headers = {}, body = SQL }: Request = {}) {
  const all: Record<string, string | undefined> = {
    host,
    connection: "close",
    cookie: cookieOf("full"),
    origin: `http://${host}`,
    "sec-fetch-site": "same-origin",
    "x-mobula-command": "1",
    "content-type": "application/json",
    "content-length": String(body.length),
    ...headers,
  };
  const lines = Object.entries(all).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}: ${value}`]
  );
  return send(`${method} ${path} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n${body}`);
}

const SQL = JSON.stringify({ sql: "SELECT count(*) AS n FROM tasks" });
const NO_PAGE = {
  origin: undefined,
  "sec-fetch-site": undefined,
  "x-mobula-command": undefined,
  cookie: undefined,
};

function cookieOf(role: Role, auth = dashboard.auth): string {
  return `${auth.cookieName}=${auth.redeemTicket(auth.createTicket(role))}`;
}

describe("a command", () => {
  test("runs for the page's full session, and for the token's bearer", async () => {
    const page = await command();
    expect(page.status, page.body).toBe(200);
    expect(page.body).toContain('"rows":[[5]]');
    const program = await command({ headers: { ...NO_PAGE, authorization: `Bearer ${TOKEN}` } });
    expect(program.status, program.body).toBe(200);
  });

  test("is refused to viewers, whose reads are answered", async () => {
    const byCookie = await command({ headers: { cookie: cookieOf("viewer") } });
    expect(byCookie.status).toBe(403);
    expect(byCookie.body).toContain("VIEWER_REFUSED");
    const authorization = `Bearer ${dashboard.auth.viewerToken}`;
    expect((await command({ headers: { ...NO_PAGE, authorization } })).status).toBe(403);
    const status = await (await dashboard.fetch("/api/v1/status", { headers: { authorization } })).json();
    expect(status).toMatchObject({ role: "viewer" });
    const tables = await command({
      method: "GET",
      path: "/api/v1/sql/tables",
      headers: { cookie: cookieOf("viewer") },
    });
    expect(tables.status).toBe(200);
  });

  test("is refused when a browser may have been led to send it", async () => {
    const led: Record<string, string | undefined>[] = [
      { origin: "http://evil.example" },
      { origin: "null" },
      { origin: `http://${host}.evil.example` },
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
      { "x-mobula-command": undefined },
      { "x-mobula-command": "yes" },
      { origin: undefined, "sec-fetch-site": undefined },
      { origin: undefined, "sec-fetch-site": "none" },
      { host: "evil.example" },
      { host: "localhost.evil.example:80" },
    ];
    for (const headers of led) {
      expect((await command({ headers })).status, JSON.stringify(headers)).toBe(403);
    }
  });

  test("needs a session that is good", async () => {
    const past = createAuth(TOKEN, () => Date.now() - SESSION_LIFE_MS - 1);
    const [name, value] = cookieOf("viewer").split("=") as [string, string];
    const bad = [
      cookieOf("full", past),
      cookieOf("full", createAuth("another")),
      `${name}=${value.replace("viewer", "full")}`,
    ];
    for (const cookie of [...bad, undefined]) {
      const { status, body } = await command({ headers: { cookie } });
      expect(status).toBe(401);
      expect(body).toContain("AUTHENTICATION_ERROR");
      expect((await command({ method: "GET", path: "/api/v1/status", headers: { cookie }, body: "" })).status)
        .toBe(401);
    }
  });

  test("is a JSON object, named so, and bounded", async () => {
    for (
      const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", undefined]
    ) {
      expect((await command({ headers: { "content-type": type } })).status, type).toBe(415);
    }
    const large = await command({ body: JSON.stringify({ sql: "x".repeat(BODY_BYTES_MAX) }) });
    expect(large.status).toBe(413);
    for (
      const body of [
        "",
        "{",
        "[]",
        '"SELECT 1"',
        '{"sql":1}',
        '{"sql":"SELECT 1","limit":0}',
        '{"sql":"DROP TABLE kv"}',
      ]
    ) {
      expect((await command({ body })).status, body).toBe(400);
    }
  });

  test("has one method; the others are refused whoever sends them", async () => {
    for (const method of ["PUT", "DELETE", "PATCH", "OPTIONS"]) {
      expect((await command({ method })).status, method).toBe(405);
    }
    expect((await command({ path: "/api/v1/tasks" })).status).toBe(404);
    expect((await command({ path: "/healthz", headers: { cookie: undefined } })).status).toBe(403);
  });
});

test("no address leads to the file system", async () => {
  const paths = [
    "/../../../../etc/passwd",
    "/..%2f..%2f..%2fetc%2fpasswd",
    "/%2e%2e/%2e%2e/package.json",
    "/%252e%252e%252fpackage.json",
    "/main.js/../../package.json",
    "/..\\..\\package.json",
    "//etc/passwd",
    "/main.js%00.html",
    "/api/v1/../../package.json",
    "/api/v1/sql/tables?path=../../etc/passwd",
    "file:///etc/passwd",
    `http://${"evil.example"}/etc/passwd`,
  ];
  for (const path of paths) {
    const { status, body } = await command({
      method: "GET",
      path,
      body: "",
      headers: { "content-length": undefined },
    });
    expect(body, path).not.toContain("root:");
    expect(body, path).not.toContain("playwright");
    if (!path.includes("sql/tables")) expect([400, 403, 404], path).toContain(status);
  }
});

test("sites on a list may show the page in a frame, and no others", async () => {
  const framed = new TestDashboard({ frames: ["https://portal.example.org"] });
  await framed.start();
  try {
    const headers = {
      "sec-fetch-site": "same-site",
      "sec-fetch-mode": "navigate",
      "sec-fetch-dest": "iframe",
    };
    const page = await framed.fetch("/", { headers });
    expect(page.status).toBe(200);
    expect(page.headers.get("content-security-policy")).toContain(
      "frame-ancestors 'self' https://portal.example.org",
    );
    expect((await framed.fetch("/api/v1/status", { headers })).status).toBe(403);
    expect((await dashboard.fetch("/", { headers })).status).toBe(403);
    const own = (await dashboard.fetch("/")).headers.get("content-security-policy")!;
    expect(own).toContain("frame-ancestors 'none'");
    expect(own).not.toContain("unsafe");
  } finally {
    await framed.stop();
  }
});

describe.if(chromiumPath() !== null)("in a browser", () => {
  const inBrowser = testUnless(skipReason("chromium"));
  let browser: Browser;
  beforeAll(async () => {
    const args = [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-background-networking",
      "--disable-dev-shm-usage",
    ];
    browser = await chromium.launch({ executablePath: chromiumPath()!, args });
  }, TIMEOUT_MS);
  afterAll(() => browser.close());

  async function signedIn(role: Role): Promise<{ page: Page; complaints: string[] } & AsyncDisposable> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    await page.goto(`${dashboard.url}?ticket=${dashboard.auth.createTicket(role)}`);
    await page.locator("nav").first().waitFor();
    return { page, complaints, [Symbol.asyncDispose]: () => context.close() };
  }

  inBrowser(
    "a statement is typed, runs and is shown; its errors are told; nothing breaks the policy",
    async () => {
      await using tab = await signedIn("full");
      const { page, complaints } = tab;
      await page.goto(`${dashboard.url}#/sql`);
      await page.getByRole("button", { name: "Tasks by function and state" }).click();
      await page.getByRole("textbox", { name: "Statement" }).press("Control+Enter");
      await page.locator("#sql-result td", { hasText: "FINISHED" }).waitFor();
      expect(await page.getByTestId("sql-total").textContent()).toContain("1 row");
      expect(await page.locator("#sql-tables summary").first().textContent()).toBe("tasks");
      expect(complaints).toEqual([]);
      await page.getByRole("textbox", { name: "Statement" }).fill("SELECT absent FROM tasks");
      await page.getByRole("button", { name: "Run" }).click();
      await page.getByRole("alert").filter({ hasText: "no such column: absent" }).waitFor();
      expect(page.url()).toContain("SELECT+absent");
      expect(complaints.filter((text) => !text.includes("400"))).toEqual([]);
    },
    TIMEOUT_MS,
  );

  inBrowser("a viewer is told so and is offered no console", async () => {
    await using tab = await signedIn("viewer");
    await tab.page.goto(`${dashboard.url}#/sql`);
    await tab.page.getByText("Statements are for the full role").waitFor();
    expect(await tab.page.getByRole("textbox", { name: "Statement" }).count()).toBe(0);
    expect(tab.complaints).toEqual([]);
  }, TIMEOUT_MS);

  inBrowser("script that gets into the page does not run", async () => {
    await using tab = await signedIn("full");
    await tab.page.evaluate(`{
      const script = document.createElement("script");
      script.textContent = "document.title = 'owned'";
      document.body.append(script);
      const image = document.createElement("img");
      image.setAttribute("onerror", "document.title = 'owned'");
      image.src = "data:,";
      document.body.append(image);
    }`);
    await tab.page.waitForFunction(() => performance.now() > 0);
    expect(await tab.page.title()).not.toBe("owned");
    expect(tab.complaints.some((text) => text.includes("Content Security Policy"))).toBe(true);
  }, TIMEOUT_MS);

  inBrowser(
    "a page of another port has the browser's cookie sent, and still neither acts nor reads nor frames",
    async () => {
      await using tab = await signedIn("full");
      const evil = await listen("<!doctype html><title>evil</title><body></body>");
      try {
        const page = await tab.page.context().newPage();
        await page.goto(`http://127.0.0.1:${(evil.address() as AddressInfo).port}/`);
        const answers: Promise<number>[] = [];
        page.on(
          "response",
          (response) => response.url().includes("/api/") && answers.push(Promise.resolve(response.status())),
        );
        const outcome = await page.evaluate(async (url) => {
          const send = (init: RequestInit) =>
            fetch(`${url}api/v1/sql`, { credentials: "include", ...init }).then(() => "read", () => "failed");
          const body = '{"sql":"SELECT 1"}';
          return [
            await send({ method: "POST", body }),
            await send({ method: "POST", body, mode: "no-cors" }),
            await send({
              method: "POST",
              body,
              headers: { "content-type": "application/json", "x-mobula-command": "1" },
            }),
            await send({}),
          ];
        }, dashboard.url);
        expect(outcome).toEqual(["failed", "failed", "failed", "failed"]);
        expect((await Promise.all(answers)).every((status) => status === 403)).toBe(true);
        await page.evaluate(`new Promise((resolve) => {
        const frame = document.createElement("iframe");
        frame.src = "${dashboard.url}";
        frame.onload = resolve;
        document.body.append(frame);
      })`);
        expect(await page.frames()[1]!.locator("nav").count().catch(() => 0)).toBe(0);
      } finally {
        evil.closeAllConnections();
        evil.close();
      }
    },
    TIMEOUT_MS,
  );
});

function listen(html: string): Promise<Server> {
  return new Promise((resolve) => {
    const server = createServer((_, response) => response.setHeader("content-type", "text/html").end(html));
    server.listen(0, "127.0.0.1", () => resolve(server));
  });
}
