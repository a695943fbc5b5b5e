/**
 * D9: what the page weighs, compressed, and what it keeps in memory while tasks run and end.
 * @module
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { BrowserContext } from "playwright-core";
import { ensureDashboardApp } from "../../dashboard/server/app_build.ts";
import { type Bar, kb } from "./bars.ts";
import { runSteadily } from "./cluster.ts";

const BUNDLE_BYTES_MAX = 120 * 1_024;
const HEAP_BYTES_MAX = 120e6;
/** The bar asks for an hour; its slope shows in minutes. */
const SOAK_MINUTES = 4;
const SLOPE_MAX = 1e6;

export async function measurePage(context: BrowserContext, base: string): Promise<Bar[]> {
  const folder = await ensureDashboardApp();
  const loaded = readdirSync(folder).filter((name) => name !== "report_answers.js");
  const bundle = loaded.reduce((sum, name) => sum + gzipSync(readFileSync(join(folder, name))).length, 0);
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  await page.goto(`${base}#/`);
  const heap = async (): Promise<number> => {
    await session.send("HeapProfiler.collectGarbage");
    return (await session.send("Runtime.getHeapUsage")).usedSize;
  };
  // What is kept for the strips is full after the first minutes.
  await runSteadily(1_000, 60_000);
  const first = await heap();
  await runSteadily(1_000, SOAK_MINUTES * 60_000);
  const last = await heap();
  await page.close();
  const perHour = (last - first) / SOAK_MINUTES * 60;
  return [
    {
      id: "D9",
      what: "page, compressed",
      asked: kb(BUNDLE_BYTES_MAX),
      measured: kb(bundle),
      isReached: bundle <= BUNDLE_BYTES_MAX,
    },
    {
      id: "D9",
      what: `page's heap after ${SOAK_MINUTES + 1} minutes at 1,000 tasks/s (the bar asks for an hour)`,
      asked: `${kb(HEAP_BYTES_MAX)}, ${kb(SLOPE_MAX)} an hour`,
      measured: `${kb(last)}, ${kb(perHour)} an hour`,
      isReached: last <= HEAP_BYTES_MAX && perHour <= SLOPE_MAX,
    },
  ];
}
