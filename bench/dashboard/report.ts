/**
 * D16: a report of the job at 100,000 tasks by the command line, opened from its file without a network.
 * @module
 */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import type { Browser } from "playwright-core";
import { buildReport } from "../../runtime/process/report.ts";
import { type Bar, kb, ms } from "./bars.ts";
import { shows } from "./browser.ts";
import type { Watchee } from "./cluster.ts";
import { fillTelemetry, JOB } from "./tasks.ts";

const BYTES_MAX = 2e6;
const ROWS = 100_000;
const MOBULA = fileURLToPath(new URL("../../scripts/mobula.mjs", import.meta.url));
const run = promisify(execFile);

export async function measureReport(cluster: Watchee, browser: Browser): Promise<Bar> {
  const folder = mkdtempSync(join(tmpdir(), "mobula-bench-"));
  try {
    const file = join(folder, "report.html");
    const env = { ...process.env, ...cluster.environment };
    const startMs = performance.now();
    await run("node", [MOBULA, "report", cluster.jobId, "-o", file], { env });
    const builtMs = performance.now() - startMs;
    const count = cluster.finished().toLocaleString("en-US");
    return await openReport(browser, file, `\`mobula report\` of ${count} tasks`, count, builtMs);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The same of a store that keeps a row of each task: a driver that submits more than 2,500 a second fills it with fewer. */
export async function measureFullReport(browser: Browser): Promise<Bar> {
  const folder = mkdtempSync(join(tmpdir(), "mobula-bench-"));
  try {
    const file = join(folder, "report.html");
    const telemetry = fillTelemetry(ROWS);
    const startMs = performance.now();
    const base = await telemetry.ask("record", { job: JOB });
    const record = JSON.stringify({ actors: [], objects: [], pages: {}, base });
    writeFileSync(file, await buildReport(JOB, gzipSync(record).toString("base64")));
    const builtMs = performance.now() - startMs;
    const count = ROWS.toLocaleString("en-US");
    return await openReport(browser, file, `report of ${count} kept rows of tasks`, count, builtMs);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** `shown`: finished tasks, as the page must say. */
async function openReport(
  browser: Browser,
  file: string,
  what: string,
  shown: string,
  builtMs: number,
): Promise<Bar> {
  const context = await browser.newContext({ offline: true });
  try {
    const page = await context.newPage();
    const asked: string[] = [];
    page.on("request", (request) => asked.push(request.url()));
    const { href } = pathToFileURL(file);
    await page.goto(href);
    await shows(page, '[data-state="finished"]', shown);
    const others = asked.filter((url) => !url.startsWith("data:") && url.split("#")[0] !== href);
    const { size } = statSync(file);
    return {
      id: "D16",
      what: `${what}, opened from its file, offline`,
      asked: `${kb(BYTES_MAX)}, 0 requests`,
      measured: `${kb(size)}, ${others.length} requests, built in ${ms(builtMs)}`,
      isReached: size <= BYTES_MAX && others.length === 0,
    };
  } finally {
    await context.close();
  }
}
