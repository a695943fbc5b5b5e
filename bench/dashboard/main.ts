/**
 * `npm run bench:dashboard`: the bars D1 to D16 of a good dashboard, measured in a real Chromium against a real cluster, as a table.
 * What is a test rather than a figure is named with its file.
 *
 * The same tasks and pages on Ray, where it can be had, stand in a second table. Ray is looked for as `npm run bench:peers`
 * does (MOBULA_BENCH_PYTHON, else installed once), here with its dashboard: ray[default].
 *
 *   --only D1,D5        only these (D1, D2 and D16 are measured together, and so are D3 and D4);
 *                       ray: only the table beside Ray; ray:pages, ray:watchers: a part of it
 *   --soak-minutes N    how long D9 watches the page's heap (5; the bar asks for 60)
 *   --json FILE         also write the rows there
 * @module
 */
import { writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";
import type { Browser, BrowserContext } from "playwright-core";
import { type Bar, barTable } from "./bars.ts";
import { type Figures, measureSide, type Part, sideTable } from "./beside_ray.ts";
import { openBrowser, openWindow } from "./browser.ts";
import { measureCanvases } from "./canvas.ts";
import { openCluster } from "./cluster.ts";
import { measureLoading } from "./loading.ts";
import { measurePage } from "./page.ts";
import { cookieOf } from "./readers.ts";
import { measureFullReport, measureReport } from "./report.ts";
import { measureSearch } from "./search.ts";
import { mobulaSide, raySide } from "./sides.ts";
import { measureWatching } from "./watching.ts";

const { values: flags } = parseArgs({
  options: {
    only: { type: "string" },
    "soak-minutes": { type: "string", default: "5" },
    json: { type: "string" },
  },
});
const soakMinutes = Number(flags["soak-minutes"]);
if (!Number.isInteger(soakMinutes) || soakMinutes < 2) {
  throw new RangeError(`--soak-minutes is a whole number of at least 2, not ${flags["soak-minutes"]}`);
}
const PARTS: readonly Part[] = ["pages", "watchers"];
const BARS = Array.from({ length: 16 }, (_, index) => `D${index + 1}`);
const only = flags.only?.split(",") ?? [...BARS, "ray"];
for (const name of only) {
  if (![...BARS, "ray", ...PARTS.map((part) => `ray:${part}`)].includes(name)) {
    throw new RangeError(`--only takes D1 to D16, ray, ray:pages and ray:watchers, not ${name}`);
  }
}
const isWanted = (...ids: string[]): boolean => only.some((id) => ids.includes(id));

/** Bars that are a test each, or several. */
const TESTED: readonly Bar[] = [
  [
    "D10",
    "no dead link: running, finished, failed, dead node, head restarted",
    "test/dashboard/life.long.test.ts",
  ],
  ["D11", "head killed with the page open", "test/dashboard/life.long.test.ts"],
  ["D12", "1 GB of logs, first results", "test/io/logs/log_search.long.test.ts"],
  ["D13", "why names the cause, 12 of 12", "test/e2e/why_causes.test.ts and .long.test.ts"],
  ["D14", "15 errors: at most 14 lines, the root cause in the first 2", "test/e2e/error_reports.test.ts"],
  [
    "D15",
    "base path, iframe, dark and light, keyboard, 360 px",
    "test/dashboard/page.test.ts, security.test.ts",
  ],
  ["D16", "a report opens from a file, offline", "test/cli/history.test.ts"],
].map(([id, what, file]) => ({ id: id!, what: what!, asked: "", measured: file!, isReached: null }));

/** The bars that are figures. */
async function measureBars(browser: Browser): Promise<Bar[]> {
  const bars: Bar[] = [];
  const cluster = await openCluster();
  try {
    const cookie = await cookieOf(cluster.link);
    const base = cluster.link.split("?")[0]!;
    const [name, value] = cookie.split("=") as [string, string];
    const fresh = (): Promise<BrowserContext> => openWindow(browser, base, { name, value });
    const context = await fresh();
    if (isWanted("D12")) bars.push(await measureSearch(browser));
    if (isWanted("D16")) bars.push(await measureFullReport(browser));
    if (isWanted("D1", "D2", "D16")) {
      bars.push(...await measureLoading(cluster, fresh, base, () => measureReport(cluster, browser)));
    }
    if (isWanted("D3", "D4")) bars.push(...await measureCanvases(browser));
    if (isWanted("D5", "D6", "D7", "D8")) {
      bars.push(...await measureWatching({ cluster, context, base, cookie }, isWanted));
    }
    if (isWanted("D9")) bars.push(...await measurePage(context, base, soakMinutes));
  } finally {
    await cluster.stop();
  }
  return bars;
}

interface Beside {
  readonly sides: { readonly name: string; readonly figures: Figures }[];
  /** Who could not be measured, or not to the end, and why. */
  readonly missing: string[];
}

async function measureBeside(browser: Browser, parts: ReadonlySet<Part>): Promise<Beside> {
  const beside: Beside = { sides: [], missing: [] };
  for (const [name, open] of [["mobula", mobulaSide], ["Ray", raySide]] as const) {
    const figures = new Map<string, string>();
    beside.sides.push({ name, figures });
    try {
      await measureSide(await open(), browser, parts, figures);
    } catch (error) {
      beside.missing.push(`${name}: ${(error as Error).message}`);
    }
  }
  return beside;
}

const startMs = performance.now();
const before = loadavg()[0]!.toFixed(1);
const browser = await openBrowser();
const parts = new Set(PARTS.filter((part) => isWanted("ray", `ray:${part}`)));
const bars = isWanted(...BARS) ? await measureBars(browser) : [];
const beside = parts.size > 0 ? await measureBeside(browser, parts) : null;
await browser.close();
console.log(
  `${cpus().length} cores, load before ${before}, ${((performance.now() - startMs) / 1_000).toFixed(0)} s\n`,
);
if (flags.only === undefined) bars.push(...TESTED);
if (bars.length > 0) {
  bars.sort((a, b) => Number(a.id.slice(1)) - Number(b.id.slice(1)));
  const missed = bars.filter(({ isReached }) => isReached === false);
  console.log(`${barTable(bars)}\n`);
  console.log(
    missed.length === 0
      ? "All bars reached.\n"
      : `Missed: ${missed.map(({ id, what }) => `${id} (${what})`).join(", ")}\n`,
  );
}
if (beside !== null) {
  console.log(sideTable(beside.sides));
  for (const why of beside.missing) console.log(`Missing: ${why}`);
}
if (flags.json !== undefined) {
  const sides = beside?.sides.map(({ name, figures }) => ({ name, figures: Object.fromEntries(figures) }));
  writeFileSync(flags.json, `${JSON.stringify({ bars, sides, missing: beside?.missing }, null, 2)}\n`);
}
process.exit(0);
