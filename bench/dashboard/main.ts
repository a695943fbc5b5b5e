/**
 * `npm run bench:dashboard`: the bars D1 to D16 of a good dashboard, measured in a real Chromium against a real cluster, as a table.
 * What is a test rather than a figure is named with its file.
 *
 *   --only D1,D5        only these (D1, D2, D12 and D16 are measured together, and so are D3 and D4)
 *   --soak-minutes N    how long D9 watches the page's heap (5; the bar asks for 60)
 *   --json FILE         also write the rows there
 * @module
 */
import { writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";
import type { BrowserContext } from "playwright-core";
import { type Bar, barTable } from "./bars.ts";
import { openBrowser, openWindow } from "./browser.ts";
import { measureCanvases } from "./canvas.ts";
import { openCluster } from "./cluster.ts";
import { measureLoading } from "./loading.ts";
import { measurePage } from "./page.ts";
import { cookieOf } from "./readers.ts";
import { measureReport } from "./report.ts";
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
const isWanted = (...ids: string[]): boolean =>
  flags.only === undefined || flags.only.split(",").some((id) => ids.includes(id));

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

const startMs = performance.now();
const before = loadavg()[0]!.toFixed(1);
const bars: Bar[] = [];
const cluster = await openCluster();
const browser = await openBrowser();
try {
  const cookie = await cookieOf(cluster.link);
  const base = cluster.link.split("?")[0]!;
  const [name, value] = cookie.split("=") as [string, string];
  const fresh = (): Promise<BrowserContext> => openWindow(browser, base, { name, value });
  const context = await fresh();
  if (isWanted("D1", "D2", "D12", "D16")) {
    bars.push(...await measureLoading(cluster, fresh, base, () => measureReport(cluster, browser)));
  }
  if (isWanted("D3", "D4")) bars.push(...await measureCanvases(browser));
  if (isWanted("D5", "D6", "D7", "D8")) {
    bars.push(...await measureWatching({ cluster, context, base, cookie }, isWanted));
  }
  if (isWanted("D9")) bars.push(...await measurePage(context, base, soakMinutes));
} finally {
  await browser.close();
  await cluster.stop();
}
console.log(
  `${cpus().length} cores, load before ${before}, ${((performance.now() - startMs) / 1_000).toFixed(0)} s\n`,
);
if (flags.only === undefined) bars.push(...TESTED);
bars.sort((a, b) => Number(a.id.slice(1)) - Number(b.id.slice(1)));
console.log(barTable(bars));
const missed = bars.filter(({ isReached }) => isReached === false);
console.log(
  missed.length === 0
    ? "\nAll bars reached."
    : `\nMissed: ${missed.map(({ id, what }) => `${id} (${what})`).join(", ")}`,
);
if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(bars, null, 2)}\n`);
process.exit(0);
