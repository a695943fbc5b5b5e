/**
 * Follows every link of the page, as a reader would: each address must show a page that loads, says nothing is broken, and
 * complains of nothing. Nothing is left out in silence: what a bound keeps from being visited is counted.
 * @module
 */
import type { Page } from "playwright-core";
import { waitFor } from "../support/wait_for.ts";

/** A line of a log has an address of its own, and logs have many lines: so many of them are visited. */
const LINES_MAX = 10;
const LOG_LINE = "logs/?file&at";
const VISITS_MAX = 2_000;
/** A page that is still loading after this is broken. */
const READY_MS = 10_000;

export interface CrawlReport {
  /** Addresses that were opened, as they stand in links. */
  readonly visited: string[];
  /** How many of each kind: "tasks/*?" for the pages of single tasks. */
  readonly kinds: ReadonlyMap<string, number>;
  /** Addresses that were seen and not opened: bounds. */
  readonly left: string[];
  /** What is wrong, one line each: the address and what was seen there. */
  readonly dead: string[];
  /** Script errors, failed requests, console errors. */
  readonly complaints: string[];
}

/** Crawl from `starts` (hashes like "#/jobs"). */
export async function crawl(page: Page, starts: readonly string[] = ["#/"]): Promise<CrawlReport> {
  const kinds = new Map<string, number>();
  const report: CrawlReport = { visited: [], kinds, left: [], dead: [], complaints: [] };
  const base = page.url().split("#")[0]!;
  const onError = (error: Error): void => void report.complaints.push(`${page.url()}: ${error.message}`);
  const onConsole = (message: { type(): string; text(): string }): void => {
    if (message.type() === "error") report.complaints.push(`${page.url()}: ${message.text()}`);
  };
  page.on("pageerror", onError);
  page.on("console", onConsole);
  const queue = [...starts];
  const queued = new Set(queue);
  for (let href = queue.shift(); href !== undefined; href = queue.shift()) {
    const kind = kindOf(href);
    const times = kinds.get(kind) ?? 0;
    if (report.visited.length >= VISITS_MAX || (kind === LOG_LINE && times >= LINES_MAX)) {
      report.left.push(href);
      continue;
    }
    kinds.set(kind, times + 1);
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
