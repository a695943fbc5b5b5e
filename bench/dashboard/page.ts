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
const SLOPE_MAX = 1e6;
/** What is kept for the strips fills up in the first minutes: a fifth of them, ten of an hour. */
const FILLING_SHARE = 0.2;
const FILLING_MINUTES_MAX = 10;

/** `minutes`: how long tasks run before the page (the bar asks for 60), at least 2. */
export async function measurePage(context: BrowserContext, base: string, minutes: number): Promise<Bar[]> {
  const folder = await ensureDashboardApp();
  const loaded = readdirSync(folder).filter((name) => name !== "report_answers.js");
  const bundle = loaded.reduce((sum, name) => sum + gzipSync(readFileSync(join(folder, name))).length, 0);
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  await page.goto(`${base}#/`);
  /** Bytes at the end of each minute. */
  const heaps: number[] = [];
  for (let minute = 1; minute <= minutes; minute++) {
    await runSteadily(1_000, 60_000);
    await session.send("HeapProfiler.collectGarbage");
    heaps.push((await session.send("Runtime.getHeapUsage")).usedSize);
  }
  await page.close();
  const filling = Math.min(FILLING_MINUTES_MAX, Math.ceil(minutes * FILLING_SHARE));
  const perHour = slope(heaps.slice(filling - 1)) * 60;
  const last = heaps.at(-1)!;
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
      what: `page's heap after ${minutes} minutes at 1,000 tasks/s${
        minutes < 60 ? " (the bar asks for an hour: --soak-minutes 60)" : ""
      }; slope without the first ${filling}`,
      asked: `${kb(HEAP_BYTES_MAX)}, ${kb(SLOPE_MAX)} an hour`,
      measured: `${kb(last)}, ${kb(perHour)} an hour`,
      isReached: last <= HEAP_BYTES_MAX && perHour <= SLOPE_MAX,
    },
  ];
}

/** Of the line that lies nearest to the values: how much one is above the one before. */
function slope(values: readonly number[]): number {
  const middle = (values.length - 1) / 2;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const [above, below] = values.reduce(
    ([sum, squares], value, index) => [
      sum + (index - middle) * (value - mean),
      squares + (index - middle) ** 2,
    ],
    [0, 0] as [number, number],
  );
  return above / below;
}
