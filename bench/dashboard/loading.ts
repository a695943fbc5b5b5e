/**
 * D1, D2, D12: a job's page at 10,000, 100,000 and 1,000,000 tasks: how soon it shows them, what it transfers, whether its
 * counts are the driver's own, and how soon a search over all attempts answers.
 * @module
 */
import type { BrowserContext } from "playwright-core";
import { percentile } from "../timing.ts";
import { type Bar, kb, ms } from "./bars.ts";
import { openWatched, shows } from "./browser.ts";
import type { Watchee } from "./cluster.ts";

const SIZES = [10_000, 100_000, 1_000_000] as const;
const LIMITS = { 100_000: { ms: 1_000, bytes: 300_000 }, 1_000_000: { ms: 1_500, bytes: 350_000 } } as const;
const SEARCH_MS_MAX = 500;
const LOADS = 3;

/** `fresh`: a signed-in window that has nothing in its cache. `at100k`: measures what else wants that many tasks. */
export async function measureLoading(
  cluster: Watchee,
  fresh: () => Promise<BrowserContext>,
  base: string,
  at100k: () => Promise<Bar>,
): Promise<Bar[]> {
  const bars: Bar[] = [];
  const counts: string[] = [];
  for (const size of SIZES) {
    await cluster.run(size - cluster.finished());
    const wanted = cluster.finished().toLocaleString("en-US");
    const loads: { ms: number; bytes: number }[] = [];
    for (let load = 0; load < LOADS; load++) {
      loads.push(await loadJob(await fresh(), base, cluster.jobId, wanted));
    }
    counts.push(`${wanted}: the same`);
    if (size === 100_000) bars.push(await at100k());
    const limit = LIMITS[size as keyof typeof LIMITS];
    if (limit === undefined) continue;
    const took = percentile(loads.map((load) => load.ms), 0.5);
    const bytes = Math.max(...loads.map((load) => load.bytes));
    bars.push({
      id: "D1",
      what: `Job page of ${size.toLocaleString("en-US")} tasks`,
      asked: `${ms(limit.ms)}, ${kb(limit.bytes)}`,
      measured: `${ms(took)}, ${kb(bytes)}`,
      isReached: took <= limit.ms && bytes <= limit.bytes,
    });
  }
  bars.push({
    id: "D2",
    what: "counts of the page against the driver's own",
    asked: "no difference, or labelled",
    measured: counts.join("; "),
    // A count that never shows ends the run with an error.
    isReached: true,
  });
  bars.push(await search(await fresh(), base));
  return bars;
}

/** A fresh page, until it shows the count; a count that is never shown is an error. */
async function loadJob(
  context: BrowserContext,
  base: string,
  jobId: string,
  wanted: string,
): Promise<{ ms: number; bytes: number }> {
  const watched = await openWatched(context);
  const startMs = performance.now();
  await watched.page.goto(`${base}#/jobs/${jobId}`);
  await shows(watched.page, '[data-state="finished"]', wanted);
  const took = performance.now() - startMs;
  const bytes = watched.bytes();
  await context.close();
  return { ms: took, bytes };
}

async function search(context: BrowserContext, base: string): Promise<Bar> {
  const page = await context.newPage();
  await page.goto(base);
  const times: number[] = [];
  for (const filter of ["name~ech", "durationMs>1000000", "state=FAILED", "workerId~zz", "taskId~ff00"]) {
    times.push(
      await page.evaluate(async (text) => {
        const startMs = performance.now();
        const answer = await fetch(`api/v1/tasks?limit=50&filter=${encodeURIComponent(text)}`);
        await answer.json();
        return performance.now() - startMs;
      }, filter),
    );
  }
  await context.close();
  return {
    id: "D12",
    what: "search over 1,000,000 tasks, first results (worst of 5 filters)",
    asked: ms(SEARCH_MS_MAX),
    measured: ms(Math.max(...times)),
    isReached: Math.max(...times) <= SEARCH_MS_MAX,
  };
}
