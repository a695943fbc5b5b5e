/**
 * D1, D2, D6 for mobula and Ray side by side: the same number of tasks that do nothing on the same two cores, then each one's own
 * pages in the same Chromium. One after the other, never at the same time. What does not come within a limit is said so.
 * @module
 */
import process from "node:process";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { percentile } from "../timing.ts";
import { treeCpuUs } from "../process_tree.ts";
import { kb, ms } from "./bars.ts";
import { openWatched } from "./browser.ts";
import { BROWSER } from "./watchers.ts";

/** One of the two: its tasks and its pages. */
export interface Side {
  readonly version: string;
  readonly run: (count: number) => Promise<void>;
  /** Tasks that have ended, as the driver counts them. */
  readonly finished: () => number;
  /** A window that may read its pages and has nothing in its cache. */
  readonly fresh: (browser: Browser) => Promise<BrowserContext>;
  /** The address of the job's page. */
  readonly jobPage: string;
  /** On the job's page: waits until it counts finished tasks; how many. */
  readonly countShown: (page: Page) => Promise<number>;
  /** From the job's page to its table of tasks: waits until that has rows. */
  readonly openTable: (page: Page) => Promise<void>;
  /** Finished tasks that its state API lists when it is asked for all that it gives, and what it says of the others. */
  readonly listed: () => Promise<{ readonly rows: number; readonly others: string }>;
  /** Five tabs that watch the job. */
  readonly watch: (context: BrowserContext) => Promise<void>;
  /** What each of them does. */
  readonly watching: string;
  readonly stop: () => Promise<void>;
}

export type Part = "pages" | "watchers";

/** Measurements by the row's name. */
export type Figures = ReadonlyMap<string, string>;

const SIZES = [10_000, 100_000] as const;
const LOADS = 3;
const PAIRS = 3;
const SLICE_MS = 6_000;
const SLICE_TASKS = 2_000;
/** For a count or a row to stand on a page. */
export const SHOWN_MS_MAX = 60_000;
/** Both report tasks once a second. */
const SETTLED_MS = 3_000;

/** All of one side, into `figures` as they come; it is stopped at the end. */
export async function measureSide(
  side: Side,
  browser: Browser,
  parts: ReadonlySet<Part>,
  figures: Map<string, string>,
): Promise<void> {
  figures.set("version", side.version);
  try {
    for (const size of SIZES) {
      await side.run(size - side.finished());
      await new Promise((resolve) => setTimeout(resolve, SETTLED_MS));
      const at = size.toLocaleString("en-US");
      if (parts.has("pages")) await measurePages(side, browser, at, figures);
      if (parts.has("watchers")) figures.set(`D6 ${at}: ${WATCHED}`, await measureLoss(side, browser));
    }
    if (parts.has("watchers")) figures.set("D6 each of the 5 tabs", side.watching);
  } finally {
    await side.stop();
  }
}

const WATCHED = "tasks/s without and with 5 tabs (median of 3 pairs)";

async function measurePages(
  side: Side,
  browser: Browser,
  at: string,
  figures: Map<string, string>,
): Promise<void> {
  const loads: Load[] = [];
  for (let load = 0; load < LOADS; load++) {
    loads.push(await loadPages(side, browser));
    // One that does not come in a minute does not come in the next.
    if (loads.some(({ rowsMs }) => rowsMs === Infinity)) break;
  }
  const median = (of: (load: Load) => number): number => percentile(loads.map(of), 0.5);
  const took = (value: number): string => value === Infinity ? `not in ${ms(SHOWN_MS_MAX)}` : ms(value);
  const { shown } = loads.at(-1)!;
  const driver = side.finished().toLocaleString("en-US");
  figures.set(
    `D1 ${at} tasks: job page until it counts them`,
    `${took(median((load) => load.countMs))}, ${kb(median((load) => load.countBytes))}`,
  );
  figures.set(
    `D1 ${at} tasks: from there to rows of tasks`,
    `${took(median((load) => load.rowsMs))}, ${kb(median((load) => load.rowsBytes))}`,
  );
  figures.set(
    `D2 ${at} tasks: finished by the page, of the driver's own`,
    `${Number.isNaN(shown) ? "nothing shown" : shown.toLocaleString("en-US")} of ${driver}`,
  );
  figures.set(
    `D2 ${at} tasks: finished that the state API lists`,
    await side.listed().then(
      ({ rows, others }) => `${rows.toLocaleString("en-US")} of ${driver}; ${others}`,
      (error: Error) => `no answer: ${error.message.slice(0, 200)}`,
    ),
  );
}

interface Load {
  readonly countMs: number;
  readonly countBytes: number;
  /** Of the table alone. */
  readonly rowsMs: number;
  readonly rowsBytes: number;
  /** Finished tasks by the page; NaN when it says nothing in time. */
  readonly shown: number;
}

async function loadPages(side: Side, browser: Browser): Promise<Load> {
  const context = await side.fresh(browser);
  const { page, bytes } = await openWatched(context);
  page.setDefaultTimeout(SHOWN_MS_MAX);
  const late = (): number => Infinity;
  try {
    let startMs = performance.now();
    let shown = NaN;
    await page.goto(side.jobPage);
    const countMs = await side.countShown(page).then((count) => {
      shown = count;
      return performance.now() - startMs;
    }, late);
    const countBytes = bytes();
    startMs = performance.now();
    const rowsMs = await side.openTable(page).then(() => performance.now() - startMs, late);
    return { countMs, countBytes, rowsMs, rowsBytes: bytes() - countBytes, shown };
  } finally {
    await context.close();
  }
}

async function measureLoss(side: Side, browser: Browser): Promise<string> {
  const without: number[] = [];
  const watched: number[] = [];
  const shares: number[] = [];
  await rateOf(side, SLICE_MS / 2);
  for (let pair = 0; pair < PAIRS; pair++) {
    without.push(await rateOf(side, SLICE_MS));
    const context = await side.fresh(browser);
    await side.watch(context);
    const [startMs, startUs] = [performance.now(), treeCpuUs(process.pid, BROWSER)];
    watched.push(await rateOf(side, SLICE_MS));
    shares.push((treeCpuUs(process.pid, BROWSER) - startUs) / 1_000 / (performance.now() - startMs));
    await context.close();
  }
  const loss = 1 - percentile(watched.map((rate, index) => rate / without[index]!), 0.5);
  const rate = (rates: readonly number[]): string =>
    Math.round(percentile(rates, 0.5)).toLocaleString("en-US");
  const browserShare = (percentile(shares, 0.5) * 100).toFixed(0);
  return `${rate(without)}, ${rate(watched)}: ${
    (loss * 100).toFixed(1)
  } % lost (Chromium ${browserShare} % of a core)`;
}

/** Tasks a second over at least `forMs`. */
async function rateOf(side: Side, forMs: number): Promise<number> {
  const [startMs, before] = [performance.now(), side.finished()];
  while (performance.now() - startMs < forMs) await side.run(SLICE_TASKS);
  return (side.finished() - before) / ((performance.now() - startMs) / 1_000);
}

/** One table of all sides. What a side has no figure of is missing there. */
export function sideTable(sides: readonly { readonly name: string; readonly figures: Figures }[]): string {
  const rows = [...new Set(sides.flatMap(({ figures }) => [...figures.keys()]))];
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [
    line(["", ...sides.map(({ name }) => name)]),
    line(["---", ...sides.map(() => "---")]),
    ...rows.map((row) => line([row, ...sides.map(({ figures }) => figures.get(row) ?? "missing")])),
  ].join("\n");
}
