/** The pages Logs and Errors in a real browser, over real files: search, follow, a line's address, groups of failures. */
import { afterAll, beforeAll, expect } from "bun:test";
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import type { TaskId } from "../../runtime/common/ids.ts";
import { type LogMark, markText } from "../../runtime/common/log_lines.ts";
import { ClusterLogs } from "../../runtime/process/head_logs.ts";
import { testUnless } from "../support/skip.ts";
import { chromiumPath, skipReason } from "../support/toolchain.ts";
import * as events from "./cluster_events.ts";
import { TestDashboard } from "./dashboard_fixture.ts";

const pageTest = testUnless(skipReason("chromium"));
const TIMEOUT_MS = 60_000;
const folder = mkdtempSync(join(tmpdir(), "mobula-test-"));
const logs = new ClusterLogs({ nodes: { ask: () => Promise.resolve(null) }, members: () => [], folder });
const dashboard = new TestDashboard({ services: { logs } });
const complaints: string[] = [];
let browser: Browser | undefined;
let page: Page;

function marked(at: number, task: number, level: LogMark["level"], text: string): string {
  const id = `t-1f-${task}` as TaskId;
  const stream = level === "info" ? "out" : "err";
  return markText({ at, level, stream, name: `work#${task}`, task: id, actor: null, attempt: 0, job: null }) +
    `${text}\n`;
}

beforeAll(async () => {
  const executablePath = chromiumPath();
  if (executablePath === null) return;
  const now = Date.now();
  let text = "";
  for (let i = 0; i < 500; i++) {
    text += marked(now - 1_000 + i, i % 3, i % 100 === 0 ? "error" : "info", `step ${i}`);
  }
  writeFileSync(join(folder, "w-1.log"), text);
  await dashboard.start();
  const args = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"];
  browser = await chromium.launch({ executablePath, args });
  page = await (await browser.newContext({ viewport: { width: 1280, height: 900 } })).newPage();
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  await page.goto(dashboard.link());
}, TIMEOUT_MS);
afterAll(async () => {
  await browser?.close();
  logs.close();
  await dashboard.stop();
  rmSync(folder, { recursive: true, force: true });
}, TIMEOUT_MS);

const open = (hash: string): Promise<unknown> => page.goto(new URL(hash, dashboard.url).href);
const texts = (): Promise<string[]> => page.locator(".log-text").allTextContents();

pageTest("lines are found, narrowed, paged, and have an address of their own", async () => {
  await open("#/logs");
  await page.getByText("200 lines").waitFor();
  expect((await texts()).at(-1)).toBe("step 499");
  await page.getByRole("button", { name: "Older lines" }).click();
  await page.getByText("400 lines").waitFor();
  expect((await texts())[0]).toBe("step 100");
  await page.getByLabel("Regular expression").fill("step \\d*7$");
  await page.getByText("50 lines").waitFor();
  expect(page.url()).toContain("q=step");
  await open("#/logs?level=error");
  await page.getByText("5 lines").waitFor();
  expect(await texts()).toEqual([0, 100, 200, 300, 400].map((i) => `step ${i}`));
  expect(await page.locator(".log-who").first().getAttribute("href")).toBe("#/tasks/t-1f-0");
  await page.locator(".log-time").nth(3).click();
  expect(await page.locator(".log-line.chosen .log-text").textContent()).toBe("step 300");
  expect((await texts()).slice(0, 2)).toEqual(["step 200", "step 201"]);
  await page.getByRole("button", { name: "Later lines" }).click();
  await page.getByText("step 499").waitFor();
  await open("#/logs?q=(");
  await page.getByRole("alert").getByText("Invalid regular expression").waitFor();
  expect(complaints.splice(0)).toEqual([expect.stringContaining("400")]);
}, TIMEOUT_MS);

pageTest("following shows what is written", async () => {
  await open("#/logs?follow=1&q=news");
  await page.getByText("No line yet.").waitFor();
  appendFileSync(join(folder, "w-1.log"), marked(Date.now(), 1, "info", "news of today"));
  await page.locator(".log-text", { hasText: "news of today" }).waitFor();
  expect(complaints).toEqual([]);
}, TIMEOUT_MS);

pageTest("failures that differ in numbers only are one row, with their tasks and lines", async () => {
  const failed = (task: string, message: string): ReturnType<typeof events.taskRow> =>
    events.taskRow(task, { name: "work", state: "FAILED", error: { type: "RangeError", message } });
  const rows = [0, 1, 2].map((i) => failed(`t-1f-${i}`, `page ${i} has no body`));
  dashboard.view.applyTaskEvents(
    events.taskBatch("d-1", 1, {
      counts: [events.counts("work", { failed: 4 })],
      edges: [],
      rows: [...rows, failed("t-1f-9", "no connection")],
    }),
  );
  await open("#/errors");
  await page.getByText("2 errors").waitFor();
  const row = page.locator("#errors tbody tr", { hasText: "has no body" });
  expect(await row.locator("[data-column=count]").textContent()).toBe("3");
  await row.getByRole("button").click();
  await page.locator("#sample .error-sample", { hasText: "has no body" }).waitFor();
  expect(await page.locator("#sample li").count()).toBe(3);
  await page.locator("#log-tail .log-line").first().waitFor();
  expect(complaints).toEqual([]);
}, TIMEOUT_MS);
