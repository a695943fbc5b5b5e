/**
 * The page in a real browser, against a real server and view: it shows the true values, follows changes, comes back after the
 * server was restarted, and shows names as text whatever they are.
 */
import { afterAll, afterEach, beforeAll, describe, expect } from "bun:test";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import * as events from "./cluster_events.ts";
import { TestDashboard } from "./dashboard_fixture.ts";
import { testUnless } from "../support/skip.ts";
import { chromiumPath, skipReason } from "../support/toolchain.ts";

const pageTest = testUnless(skipReason("chromium"));
const TIMEOUT_MS = 60_000;
const EVIL = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`;

const dashboard = new TestDashboard();
let browser: Browser;
let context: BrowserContext;
/** What the page complained of: script errors, refused content, failed requests. */
let complaints: string[] = [];
let sequence = 0;

beforeAll(async () => {
  const executablePath = chromiumPath();
  if (executablePath === null) return;
  await dashboard.start();
  browser = await chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"],
  });
}, TIMEOUT_MS);
afterEach(() => context?.close());
afterAll(async () => {
  await browser?.close();
  await dashboard.stop();
}, TIMEOUT_MS);

/** A signed-in browser's page on a fresh cluster. */
async function openPage(options: { path?: string; width?: number; dark?: boolean } = {}): Promise<Page> {
  await dashboard.restart();
  sequence = 0;
  complaints = [];
  context = await browser.newContext({
    viewport: { width: options.width ?? 1280, height: 900 },
    colorScheme: options.dark ? "dark" : "light",
  });
  const page = await context.newPage();
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  await page.goto(dashboard.link());
  return page;
}

/** One node after the other, tasks in every state, an actor that was restarted, objects on two nodes, a job. */
function fill(name = "countWords"): void {
  const { view } = dashboard;
  view.applyNodes([
    events.nodeRow("n-1", { isHeadNode: true, hostname: "atlas", storeUsedBytes: 3 * 2 ** 20 }),
    events.nodeRow("n-2", { hostname: "boreas", startedMs: 2_000, demand: [] }),
  ]);
  view.applyTaskEvents(events.taskBatch("d-1", ++sequence, {
    counts: [
      events.counts(name, { finished: 1_234, running: 3, pendingNode: 17, failed: 2, runMs: 2_472 }),
      events.counts("mergeCounts", { pendingArgs: 5 }),
      events.counts("Counter.increment", { type: "ACTOR_TASK", finished: 40 }),
    ],
    edges: [{ from: name, to: "mergeCounts", count: 9, bytes: 9_000 }],
    rows: [events.taskRow("t-1", { name, state: "FAILED", error: { type: "RangeError", message: EVIL } })],
  }));
  view.applyActor(
    events.actorStatus("a-1", { incarnation: 3, restartsLeft: 2 }),
    events.actorSpec("a-1", { maxRestarts: 4 }),
  );
  view.applyActorFigures([{
    actorId: "a-1" as never,
    incarnation: 3,
    mailboxDepth: 3,
    callsRunning: 1,
    callsFinished: 500,
    callsPerSecond: 119.6,
    meanCallMs: 2,
    reprName: EVIL,
  }]);
  view.applyObjects("n-1", [events.objectReport("o-1-1.0", 2 ** 20, { producer: name })], []);
  view.applyObjects("n-2", [events.objectReport("o-1-2.0", 2 ** 21, { producer: name })], []);
  view.applyJob(events.jobRow("j-1"));
}

/** Follow a link of the navigation. */
async function goTo(page: Page, title: string): Promise<void> {
  await page.locator("#navigation a", { hasText: title }).click();
}

/** The cells of a table's row, by its key. */
async function cells(page: Page, panel: string, key: string): Promise<string[]> {
  const row = page.locator(`#${panel} tbody tr[data-key="${key}"]`);
  await row.waitFor();
  return (await row.locator("th, td").allInnerTexts()).map((text) => text.replace(/\s+/g, " ").trim());
}

async function figure(page: Page, id: string, value: string): Promise<void> {
  await page.locator(`#figure-${id} .value`, { hasText: new RegExp(`^${value}$`) }).waitFor();
}

describe("the page", () => {
  pageTest("shows what the cluster has", async () => {
    const page = await openPage();
    fill();
    await figure(page, "finished", "1,274");
    await figure(page, "running", "3");
    await figure(page, "waiting", "22");
    await figure(page, "failed", "2");
    expect(await cells(page, "functions", "NORMAL_TASK countWords")).toEqual(
      ["ƒcountWords", "", "0", "17", "0", "3", "1,234", "2", "2.00 ms"],
    );
    await goTo(page, "Nodes");
    const node = await cells(page, "nodes", "n-1");
    expect(node[0]).toContain("n-1 head");
    expect(node[2]).toContain("3 of 4 CPU");
    expect(node[4]).toContain("3.00 MiB of 1.00 GiB");
    await goTo(page, "Actors");
    const actor = await cells(page, "actors", "a-1");
    expect(actor[0]).toContain(EVIL);
    expect(actor.slice(1, 7)).toEqual(["alive", "2 of 4", "3", "120", "2.00 ms", "n-1"]);
    await goTo(page, "Objects");
    expect(await cells(page, "objects", "countWords")).toEqual(
      ["countWords", "2 2 copies", "3.00 MiB", "1.00 MiB", "2.00 MiB"],
    );
    await goTo(page, "Jobs");
    expect((await cells(page, "jobs", "j-1"))[0]).toContain("examples/wordcount.ts");
    expect(complaints).toEqual([]);
  }, TIMEOUT_MS);

  pageTest("follows what changes, and forgets what is gone", async () => {
    const page = await openPage();
    fill();
    await figure(page, "finished", "1,274");
    const { view } = dashboard;
    view.applyTaskEvents(
      events.taskBatch("d-1", ++sequence, { counts: [events.counts("countWords", { finished: 5_000 })] }),
    );
    await figure(page, "finished", "5,040");
    await goTo(page, "Objects");
    await page.locator("#objects tbody tr").waitFor();
    view.applyObjects("n-1", [], ["o-1-1.0" as never]);
    view.applyObjects("n-2", [], ["o-1-2.0" as never]);
    await page.locator("#objects .empty").waitFor();
    view.applyNodes([events.nodeRow("n-2", { state: "DEAD", stateMessage: "no heartbeat for 7.0 s" })]);
    await goTo(page, "Nodes");
    await page.locator("#nodes", { hasText: "no heartbeat for 7.0 s" }).waitFor();
    expect(complaints).toEqual([]);
  }, TIMEOUT_MS);

  pageTest("without anything to show says what will be there", async () => {
    const page = await openPage();
    await page.locator("#functions .empty").waitFor();
    for (const title of ["Graph", "Nodes", "Objects", "Actors", "Jobs"]) {
      await goTo(page, title);
      await page.locator(`#${title.toLowerCase()} .empty`).waitFor();
    }
    expect(await page.locator("#connection").innerText()).toBe("Live");
    expect(complaints).toEqual([]);
  }, TIMEOUT_MS);

  pageTest("says so when the head is gone, and comes back by itself with the new truth", async () => {
    const page = await openPage();
    fill();
    await figure(page, "finished", "1,274");
    await dashboard.stop();
    await page.locator(".banner").waitFor();
    expect(await page.locator(".banner").innerText()).toContain("What you see is from");
    expect(await page.locator("#connection").innerText()).toBe("Reconnecting");
    await dashboard.restart();
    dashboard.view.applyTaskEvents(
      events.taskBatch("d-1", 1, { counts: [events.counts("countWords", { finished: 7 })] }),
    );
    await figure(page, "finished", "7");
    expect(await page.locator("#connection").innerText()).toBe("Live");
    expect(await page.locator(".banner").count()).toBe(0);
    await goTo(page, "Actors");
    await page.locator("#actors .empty").waitFor();
  }, TIMEOUT_MS);

  pageTest("shows names and errors as text, and refuses no content of its own", async () => {
    const page = await openPage();
    fill(EVIL);
    dashboard.view.applyActor(
      events.actorStatus("a-2"),
      events.actorSpec("a-2", { className: EVIL, name: EVIL }),
    );
    dashboard.view.applyJob(events.jobRow("j-2", { entrypoint: EVIL, message: EVIL }));
    dashboard.view.applyNodes([events.nodeRow("n-3", { hostname: EVIL, labels: { a: EVIL } })]);
    await page.locator("#functions .clip", { hasText: "onerror" }).first().waitFor();
    await goTo(page, "Errors");
    await page.locator("#errors .message", { hasText: "onerror" }).waitFor();
    await goTo(page, "Jobs");
    await page.locator("#jobs .clip", { hasText: "onerror" }).first().waitFor();
    expect(await page.locator("main img, main script").count()).toBe(0);
    expect(await page.title()).toBe("Jobs · mobula");
    expect(complaints).toEqual([]);
  }, TIMEOUT_MS);

  pageTest("fits a narrow screen, in the dark", async () => {
    const page = await openPage({ width: 360, dark: true });
    fill();
    await figure(page, "finished", "1,274");
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(360);
    expect(complaints).toEqual([]);
  }, TIMEOUT_MS);

  pageTest("stays small with a thousand functions and says how many it shows", async () => {
    const page = await openPage();
    const counts = Array.from({ length: 1_000 }, (_, i) => events.counts(`fn${i}`, { finished: i + 1 }));
    const edges = Array.from(
      { length: 999 },
      (_, i) => ({ from: `fn${i}`, to: `fn${i + 1}`, count: 1, bytes: 10 }),
    );
    dashboard.view.applyTaskEvents(events.taskBatch("d-1", 1, { counts, edges }));
    await page.locator("#functions", { hasText: "showing 200 of 1,000 functions" }).waitFor();
    expect(complaints).toEqual([]);
  }, TIMEOUT_MS);

  pageTest("leads by keyboard through what can be reached", async () => {
    const page = await openPage();
    fill();
    await page.locator("#functions tbody tr").first().waitFor();
    // The first stop skips what is the same on every page; then the navigation, then the page.
    await page.keyboard.press("Tab");
    expect(await page.evaluate("document.activeElement.className")).toBe("skip");
    await page.keyboard.press("Enter");
    expect(await page.evaluate("document.activeElement.id")).toBe("main");
    await page.keyboard.press("/");
    await page.keyboard.type("graph");
    await page.keyboard.press("Enter");
    await page.locator("#graph").waitFor();
    expect(page.url()).toContain("#/graph");
  }, TIMEOUT_MS);

  pageTest("of a browser that is not signed in asks for the link", async () => {
    await openPage();
    const other = await browser.newContext();
    const page = await other.newPage();
    await page.goto(dashboard.url);
    expect(await page.locator("body").innerText()).toContain("not signed in");
    await other.close();
  }, TIMEOUT_MS);

  pageTest("works below a path of a proxy, and shows one panel alone where it is embedded", async () => {
    await openPage();
    fill();
    const proxy = await prefixProxy("/x/y/");
    const other = await browser.newContext();
    const page = await other.newPage();
    await page.goto(`${proxy.url}?ticket=${dashboard.auth.createTicket()}`);
    await figure(page, "finished", "1,274");
    await page.locator("#navigation a", { hasText: "Nodes" }).click();
    await page.locator("#nodes", { hasText: "n-1" }).waitFor();
    expect(page.url()).toStartWith(`${proxy.url}#/nodes`);
    await page.goto(`${proxy.url}?embed=1#/?panel=attention`);
    await page.locator("#attention li").first().waitFor();
    expect(await page.locator("header, nav, #functions, #slots").count()).toBe(0);
    await other.close();
    await proxy.close();
    // The proxy's own streams were cut: the first page goes on.
    expect(complaints).toEqual([]);
  }, TIMEOUT_MS);

  pageTest("is dark or light as the viewer chooses, and stays so", async () => {
    const page = await openPage({ dark: false });
    const isDark = (): Promise<boolean> =>
      page.evaluate("getComputedStyle(document.body).color.match(/\\d+/g).every((part) => part > 128)");
    expect(await isDark()).toBe(false);
    await page.locator("button.scheme").click();
    await page.locator("button.scheme").click();
    expect(await isDark()).toBe(true);
    await page.reload();
    await page.locator("button.scheme").waitFor();
    expect(await isDark()).toBe(true);
  }, TIMEOUT_MS);

  pageTest("by arrow keys leads through a table's rows, and by Enter into one", async () => {
    const page = await openPage();
    fill();
    dashboard.view.applyJob(events.jobRow("j-2", { startedMs: 5 }));
    await goTo(page, "Jobs");
    await page.locator("#jobs tbody tr").nth(1).waitFor();
    await page.locator("#jobs tbody tr").first().focus();
    const focused = (): Promise<string> => page.evaluate("document.activeElement.dataset.key");
    const first = await focused();
    await page.keyboard.press("ArrowDown");
    expect(await focused()).not.toBe(first);
    await page.keyboard.press("Home");
    expect(await focused()).toBe(first);
    await page.keyboard.press("Enter");
    await page.locator("#head h2").waitFor();
    expect(page.url()).toContain(`#/jobs/${first}`);
  }, TIMEOUT_MS);
});

/** Passes on what comes below a path, without the path. */
async function prefixProxy(prefix: string): Promise<{ url: string; close(): Promise<void> }> {
  const target = new URL(dashboard.url);
  const server = createServer((incoming, outgoing) => {
    if (!incoming.url!.startsWith(prefix)) return void outgoing.writeHead(404).end();
    const passed = request({
      host: target.hostname,
      port: target.port,
      method: incoming.method,
      path: incoming.url!.slice(prefix.length - 1),
      headers: incoming.headers,
    }, (answer) => {
      outgoing.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(outgoing);
    });
    passed.on("error", () => outgoing.destroy());
    outgoing.on("close", () => passed.destroy());
    incoming.pipe(passed);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}${prefix}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
