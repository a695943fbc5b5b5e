/**
 * A real Chromium for the dashboard's bars: what a page transfers, when it shows what it should, and how long its main thread
 * was busy without a break.
 * @module
 */
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import process from "node:process";

const ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--js-flags=--expose-gc"];

export async function openBrowser(): Promise<Browser> {
  const executablePath = process.env["MOBULA_CHROMIUM"] ?? "/usr/bin/chromium";
  return await chromium.launch({ executablePath, args: ARGS });
}

/** A window with a signed-in reader's cookie. */
export async function openWindow(
  browser: Browser,
  base: string,
  cookie: { readonly name: string; readonly value: string },
): Promise<BrowserContext> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  await context.addCookies([{ ...cookie, url: base, httpOnly: true, sameSite: "Strict" }]);
  return context;
}

export interface Watched {
  readonly page: Page;
  /** Bytes over the wire since the page was opened. */
  readonly bytes: () => number;
  /** The longest task of the main thread since the last call, in ms. */
  readonly longestTaskMs: () => Promise<number>;
}

/** In the page: the longest task of its main thread. */
const WATCH_LONG_TASKS = `
  globalThis.longestTask = 0;
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) longestTask = Math.max(longestTask, duration);
  }).observe({ entryTypes: ["longtask"] });`;

/** A page whose traffic and main thread are watched from its start. */
export async function openWatched(context: BrowserContext): Promise<Watched> {
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  const bytes = new Map<string, number>();
  await session.send("Network.enable");
  session.on("Network.dataReceived", ({ requestId, dataLength }) => {
    bytes.set(requestId, (bytes.get(requestId) ?? 0) + dataLength);
  });
  // What came over the wire is known at the end; of a stream that goes on, its length (it is not compressed).
  session.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    bytes.set(requestId, encodedDataLength);
  });
  await page.addInitScript({ content: WATCH_LONG_TASKS });
  return {
    page,
    bytes: () => [...bytes.values()].reduce((sum, one) => sum + one, 0),
    longestTaskMs: () =>
      page.evaluate("(() => { const longest = longestTask; longestTask = 0; return longest; })()"),
  };
}

/** Milliseconds from `start` until `text` stands in the element. */
export async function shows(page: Page, selector: string, text: string | RegExp): Promise<void> {
  try {
    await page.locator(selector).filter({ hasText: text }).first().waitFor({ timeout: 60_000 });
  } catch (error) {
    const said = (await page.locator("body").innerText()).slice(0, 2_000);
    throw new Error(`${page.url()} does not show ${text} in ${selector}. It says: ${said}`, { cause: error });
  }
}
