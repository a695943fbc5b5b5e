/**
 * Graph and timeline in a real browser, on a generated job: what the pages say is what the job has, what is under the pointer is
 * what ran there, keys do what the pointer does, the address keeps what is in view, and nothing is refused by the page's own
 * Content-Security-Policy (the layout runs in a worker).
 */
import { afterAll, beforeAll, describe, expect } from "bun:test";
import { readFile } from "node:fs/promises";
import { type Browser, chromium, type Page } from "playwright-core";
import * as events from "./cluster_events.ts";
import { TestDashboard } from "./dashboard_fixture.ts";
import { GeneratedJob } from "./generated_job.ts";
import { testUnless } from "../support/skip.ts";
import { chromiumPath, skipReason } from "../support/toolchain.ts";

const pageTest = testUnless(skipReason("chromium"));
const TIMEOUT_MS = 60_000;
const job = new GeneratedJob({ tasks: 12_000 });
const dashboard = new TestDashboard();
let browser: Browser;
let page: Page | null = null;
let complaints: string[] = [];

beforeAll(async () => {
  const executablePath = chromiumPath();
  if (executablePath === null) return;
  dashboard.services = { telemetry: job };
  await dashboard.start();
  dashboard.view.applyNodes(
    job.nodeIds.map((id, i) => events.nodeRow(id, { hostname: ["atlas", "boreas"][i]!, startedMs: i })),
  );
  dashboard.view.applyJob({ ...events.jobRow(job.jobId), entrypoint: "bun examples/embed.ts" });
  browser = await chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"],
  });
}, TIMEOUT_MS);
afterAll(async () => {
  await browser?.close();
  await dashboard.stop();
}, TIMEOUT_MS);

/** One signed-in page for all: @param hash its address behind the `#`. */
async function openPage(hash: string, width = 1280): Promise<Page> {
  if (page === null) {
    const context = await browser.newContext({ reducedMotion: "reduce" });
    page = await context.newPage();
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
    });
    await page.goto(dashboard.link());
  }
  await page.setViewportSize({ width, height: 900 });
  // By way of a page without a canvas, so that nothing is left of the one before.
  await page.evaluate("location.hash = '/sql'");
  await page.locator("main[data-page=sql]").waitFor();
  complaints = [];
  await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
  return page;
}

/** The text of a table's row, cell by cell. */
async function cells(page: Page, scope: string, name: string): Promise<string[]> {
  const row = page.locator(`${scope} tbody tr`, { hasText: name }).first();
  await row.waitFor();
  return (await row.locator("th, td").allInnerTexts()).map((text) => text.replace(/\s+/g, " ").trim());
}

/** The page's policy lets nothing be evaluated in it: the address is looked at from here. */
function hashIs(page: Page, isMeant: (hash: string) => boolean): Promise<void> {
  return page.waitForURL((url) => isMeant(url.hash));
}

function whole(value: number): string {
  return value.toLocaleString("en-US");
}

describe("the timeline", () => {
  /** A task of the first lane that is wide enough to be met, and a view with it in the middle. */
  function target(): { task: number; hash: string } {
    const task = Array.from({ length: job.count }, (_, i) => i)
      .find((i) => job.lane[i] === 0 && job.end[i]! - job.begin[i]! > 60)!;
    const middle = job.startMs + (job.begin[task]! + job.end[task]!) / 2;
    return { task, hash: `/timeline?job=${job.jobId}&from=${middle - 200}&to=${middle + 200}` };
  }
  /** The first lane's middle: below strip, axis and the node's heading. */
  const LANE_Y = 70 + 20 + 13;

  pageTest("says what ran, by function and in all", async () => {
    const page = await openPage(`/timeline?job=${job.jobId}`);
    await page.locator("#timeline-total", { hasText: `${whole(job.count)} bars in 10 lanes` }).waitFor();
    for (const row of job.range(job.startMs, job.startMs + job.toMs, [0, 9]).functions) {
      const [name, bars, failed] = await cells(page, "#aggregate", row.name);
      expect([name, bars, failed]).toEqual([row.name, whole(row.count), whole(row.failed)]);
    }
    await page.locator('#timeline canvas[data-detail="tiles"]').waitFor();
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.locator("#timeline .button", { hasText: "Export" }).click(),
    ]);
    const { traceEvents } = JSON.parse(await readFile(await download.path(), "utf8")) as {
      traceEvents: unknown[];
    };
    expect(traceEvents).toEqual([0, 5_000, 10_000].flatMap((after) => job.trace(after).traceEvents));
    expect(complaints).toEqual([]);
  }, TIMEOUT_MS);

  pageTest("names the task under the pointer, near by and far away", async () => {
    const { task, hash } = target();
    const page = await openPage(hash);
    const canvas = page.locator('#timeline canvas[data-detail="bars"]');
    await canvas.waitFor();
    const box = (await canvas.boundingBox())!;
    const x = 168 + (box.width - 168) / 2;
    await canvas.hover({ position: { x, y: LANE_Y } });
    await page.locator("#timeline .tip strong", { hasText: job.nameOf(task) }).waitFor();
    await canvas.click({ position: { x, y: LANE_Y } });
    await page.locator("#chosen", { hasText: job.taskId(task) }).waitFor();
    // All in view: tiles are drawn, and the server says what is there.
    await page.keyboard.press("f");
    await page.locator('#timeline canvas[data-detail="tiles"]').waitFor();
    const shown = job.toMs * 1.04, atMs = job.begin[task]! + 1;
    const far = 168 + (atMs + job.toMs * 0.02) / shown * (box.width - 168);
    await canvas.page().locator("#timeline canvas").hover({ position: { x: far, y: LANE_Y } });
    await page.locator("#timeline .tip strong").waitFor();
    const slack = shown / (box.width - 168) * 4;
    const near = job.bars(job.startMs + atMs - slack, job.startMs + atMs + slack, [0, 0]).bars!;
    expect(near.map((bar) => bar.name)).toContain(await page.locator("#timeline .tip strong").innerText());
    expect(complaints).toEqual([]);
  }, TIMEOUT_MS);

  pageTest("is moved by keys, sums a selection, pins lanes, and the address keeps it", async () => {
    const { hash } = target();
    const page = await openPage(hash);
    const canvas = page.locator('#timeline canvas[data-detail="bars"]');
    await canvas.waitFor();
    await canvas.focus();
    const range = (): [number, number] => {
      const params = new URLSearchParams(page.url().split("?")[1]);
      return [Number(params.get("from")), Number(params.get("to"))];
    };
    const [from, to] = range();
    await page.keyboard.press("w");
    await hashIs(page, (hash) => !hash.includes(`from=${from}`));
    const near = range();
    expect(near[1] - near[0]).toBeLessThan((to - from) * 0.75);
    await page.keyboard.press("d");
    await hashIs(page, (hash) => !hash.includes(`from=${near[0].toFixed(3)}`));
    expect(range()[0]).toBeGreaterThan(near[0]);
    const box = (await canvas.boundingBox())!;
    await page.keyboard.down("Shift");
    await page.mouse.move(box.x + 400, box.y + LANE_Y);
    await page.mouse.down();
    await page.mouse.move(box.x + 700, box.y + LANE_Y, { steps: 4 });
    await page.mouse.up();
    await page.keyboard.up("Shift");
    await page.locator("#aggregate h2", { hasText: "Selected" }).waitFor();
    await page.keyboard.press("Escape");
    await page.locator("#aggregate h2", { hasText: "In view" }).waitFor();
    await canvas.click({ position: { x: 60, y: LANE_Y } });
    await hashIs(page, (hash) => hash.includes("pin=0"));
    await page.keyboard.press("i");
    await page.locator('button[aria-pressed="true"]', { hasText: "Collapse idle" }).waitFor();
    expect(complaints).toEqual([]);
  }, TIMEOUT_MS);
});

describe("the graph", () => {
  pageTest("says what the job has, opens a group, and says how many of how many", async () => {
    const page = await openPage(`/graph?job=${job.jobId}`);
    for (const name of ["readShard", "tokenize", "embed", "score"]) {
      const { finished, failed } = job.counts(name);
      const row = await cells(page, "#graph", name);
      expect([row[0], row[2], row[5]]).toEqual([name, whole(finished), whole(failed)]);
    }
    await page.locator("#graph-note", { hasText: "7 groups" }).waitFor();
    await page.locator('#graph tr[data-key="g1"] button', { hasText: "Open" }).click();
    const total = job.counts("tokenize").finished + job.counts("tokenize").failed;
    await page.locator("#graph-note", { hasText: `showing 1,800 of ${whole(total)} tasks of tokenize` })
      .waitFor();
    expect(page.url()).toContain("group=g1");
    expect(page.workers().length).toBe(1);
    await page.goBack();
    await page.locator("#graph-note", { hasText: /^7 groups$/ }).waitFor();
    expect(complaints).toEqual([]);
  }, TIMEOUT_MS);

  pageTest("leads by keyboard from node to node, along the arrows, and into a group", async () => {
    const page = await openPage(`/graph?job=${job.jobId}`);
    const canvas = page.locator("#graph canvas");
    await canvas.waitFor();
    await page.locator("#graph button[disabled]", { hasText: "Fit" }).waitFor();
    await page.locator("#graph input[type=search]").fill("embed");
    await page.keyboard.press("Enter");
    const title = page.locator(".graph-panel h2");
    await page.locator(".graph-panel h2", { hasText: "embed" }).waitFor();
    await canvas.focus();
    await page.keyboard.press("u");
    await page.locator(".graph-panel h2", { hasText: "tokenize" }).waitFor();
    await page.keyboard.press("j");
    await page.locator(".graph-panel h2", { hasText: "embed" }).waitFor();
    await page.keyboard.press("Enter");
    await hashIs(page, (hash) => hash.includes("group=g2"));
    await page.keyboard.press("f");
    await page.locator("#graph button[disabled]", { hasText: "Fit" }).waitFor();
    await page.keyboard.press("Escape");
    await title.waitFor({ state: "detached" });
    await page.keyboard.press("Escape");
    await hashIs(page, (hash) => !hash.includes("group="));
    expect(complaints).toEqual([]);
  }, TIMEOUT_MS);

  pageTest("shows what is around a task, and the critical path", async () => {
    const root = 1_990, around = job.around(job.taskId(root), 2);
    const page = await openPage(`/graph?job=${job.jobId}&task=${job.taskId(root)}`, 390);
    const note = `${around.tasks.length} tasks, ${around.objects.length} objects around`;
    await page.locator("#graph-note", { hasText: note }).waitFor();
    expect(await page.locator("#graph tbody tr").count()).toBe(around.tasks.length);
    await page.locator("#graph button", { hasText: "Critical path" }).click();
    const path = job.critical();
    await page.locator(".graph-panel", { hasText: `${path.tasks.length} tasks` }).waitFor();
    expect(await page.locator(".chain li").count()).toBe(path.tasks.length);
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(390);
    expect(complaints).toEqual([]);
  }, TIMEOUT_MS);
});
