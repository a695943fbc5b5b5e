/**
 * D1, D2: a job's page at 10,000, 100,000 and 1,000,000 tasks: how soon it shows them, what it transfers, whether its counts
 * are the driver's own.
 * @module
 */
import type { BrowserContext } from "playwright-core";
import { percentile } from "../timing.ts";
import { type Bar, kb, ms } from "./bars.ts";
import { openWatched, shows } from "./browser.ts";
import type { Watchee } from "./cluster.ts";

const SIZES = [10_000, 100_000, 1_000_000] as const;
const LIMITS = { 100_000: { ms: 1_000, bytes: 300_000 }, 1_000_000: { ms: 1_500, bytes: 350_000 } } as const;
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
