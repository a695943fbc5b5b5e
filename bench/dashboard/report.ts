/**
 * D16: a report of the job at 100,000 tasks by the command line, opened from its file without a network.
 * @module
 */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import type { Browser } from "playwright-core";
import { type Bar, kb, ms } from "./bars.ts";
import { shows } from "./browser.ts";
import type { Watchee } from "./cluster.ts";

const BYTES_MAX = 2e6;
const MOBULA = fileURLToPath(new URL("../../scripts/mobula.mjs", import.meta.url));
const run = promisify(execFile);

export async function measureReport(cluster: Watchee, browser: Browser): Promise<Bar> {
  const folder = mkdtempSync(join(tmpdir(), "mobula-bench-"));
  const context = await browser.newContext({ offline: true });
  try {
    const file = join(folder, "report.html");
    const env = { ...process.env, ...cluster.environment };
    const startMs = performance.now();
    const { stdout } = await run("node", [MOBULA, "report", cluster.jobId, "-o", file, "--json"], { env });
    const builtMs = performance.now() - startMs;
    const { bytes } = JSON.parse(stdout) as { bytes: number };
    const page = await context.newPage();
    const asked: string[] = [];
    page.on("request", (request) => asked.push(request.url()));
    const { href } = pathToFileURL(file);
    await page.goto(href);
    await shows(page, '[data-state="finished"]', cluster.finished().toLocaleString("en-US"));
    const others = asked.filter((url) => !url.startsWith("data:") && url.split("#")[0] !== href);
    return {
      id: "D16",
      what: `report of ${cluster.finished().toLocaleString("en-US")} tasks, from its file, offline`,
      asked: `${kb(BYTES_MAX)}, 0 requests`,
      measured: `${kb(bytes)}, ${others.length} requests, built in ${ms(builtMs)}`,
      isReached: bytes <= BYTES_MAX && others.length === 0,
    };
  } finally {
    await context.close();
    rmSync(folder, { recursive: true, force: true });
  }
}
