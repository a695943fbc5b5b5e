/**
 * Follows every link of the page, as a reader would: each address must show a page that loads, says nothing is broken, and
 * complains of nothing. Addresses of one kind (tasks, say) are visited a few times, not thousands.
 * @module
 */
import type { Page } from "playwright-core";
import { waitFor } from "../support/wait_for.ts";

/** Visits of addresses that differ in ids and values only. */
const EACH_KIND = 3;
const VISITS_MAX = 200;
/** A page that is still loading after this is broken. */
const READY_MS = 10_000;

export interface CrawlReport {
  /** Addresses that were opened, as they stand in links. */
  readonly visited: string[];
  /** What is wrong, one line each: the address and what was seen there. */
  readonly dead: string[];
  /** Script errors, failed requests, console errors. */
  readonly complaints: string[];
}

/** Crawl from `starts` (hashes like "#/jobs"). */
export async function crawl(page: Page, starts: readonly string[] = ["#/"]): Promise<CrawlReport> {
  const report: CrawlReport = { visited: [], dead: [], complaints: [] };
  const base = page.url().split("#")[0]!;
  const onError = (error: Error): void => void report.complaints.push(`${page.url()}: ${error.message}`);
  const onConsole = (message: { type(): string; text(): string }): void => {
    if (message.type() === "error") report.complaints.push(`${page.url()}: ${message.text()}`);
  };
  page.on("pageerror", onError);
  page.on("console", onConsole);
  const queue = [...starts];
  const queued = new Set(queue);
  const visits = new Map<string, number>();
  while (queue.length > 0 && report.visited.length < VISITS_MAX) {
    const href = queue.shift()!;
    const kind = kindOf(href);
    const times = visits.get(kind) ?? 0;
    if (times >= EACH_KIND) continue;
    visits.set(kind, times + 1);
    report.visited.push(href);
    const wrong = href.startsWith("#")
      ? await visit(page, href)
      : await fetchIt(page, new URL(href, base).href);
    if (wrong !== null) report.dead.push(`${href}: ${wrong}`);
    if (!href.startsWith("#")) continue;
    for (const next of await hrefs(page)) {
      if (queued.has(next)) continue;
      queued.add(next);
      queue.push(next);
    }
  }
  page.off("pageerror", onError);
  page.off("console", onConsole);
  return report;
}

/** What is wrong at an address of the page, or null. */
async function visit(page: Page, href: string): Promise<string | null> {
  await page.evaluate(`location.hash = ${JSON.stringify(href)}`);
  try {
    // The address is in force when the page has drawn it.
    await waitFor(`${href} is there`, () =>
      page.evaluate(
        `location.hash === ${JSON.stringify(href)} && document.querySelector("main") !== null &&
          document.querySelector("main [aria-busy=true]") === null`,
      ), READY_MS);
  } catch {
    return `still loading after ${READY_MS} ms`;
  }
  const broken = page.locator("main .broken:has-text('could not be loaded'), main .no-page");
  return await broken.count() === 0 ? null : (await broken.first().innerText()).replaceAll("\n", " ");
}

async function fetchIt(page: Page, url: string): Promise<string | null> {
  const response = await page.request.get(url);
  return response.ok() ? null : `status ${response.status()}`;
}

/** Every link that is on the page now, without those to other sites. */
async function hrefs(page: Page): Promise<string[]> {
  const all = await page.evaluate(
    `[...document.querySelectorAll("a[href]")].map((link) => link.getAttribute("href"))`,
  ) as string[];
  return [...new Set(all)].filter((href) => !/^[a-z]+:/.test(href) && href !== "#main");
}

/** An address without its ids and values: "#/tasks/*?filter". */
function kindOf(href: string): string {
  const [path, query = ""] = href.split("?");
  const [page, ...rest] = path!.replace(/^#?\.?\//, "").split("/");
  const names = [...new URLSearchParams(query).keys()].join("&");
  return `${page}/${rest.length > 0 ? "*" : ""}?${names}`;
}
