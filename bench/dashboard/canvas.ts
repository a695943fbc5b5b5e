/**
 * What the pages that draw on canvases cost in a real browser without a GPU, at a million bars and at a hundred thousand tasks
 * (bars D3 and D4 of the dashboard): the 95th percentile of frames while the timeline is zoomed and dragged, how long a hit
 * test takes, how soon the graph stands and a group opens, and the longest task of the page's thread. The cluster's part is real
 * (the columnar store, its queries, the dashboard's server); only the tasks are made up.
 * @module
 */
import type { Browser, Page } from "playwright-core";
import { percentile } from "../timing.ts";
import { type Bar, ms } from "./bars.ts";
import { type Server, withServer } from "./server.ts";
import { JOB } from "./tasks.ts";

const GRAPH_TASKS = 100_000;
/** Frames are counted while the wheel turns and the pointer drags. */
const STEPS = 120;

/** Measures D3 with `tasks` bars, and D4. Takes about a minute. */
export async function measureCanvases(browser: Browser, tasks: number = 1_000_000): Promise<Bar[]> {
  return [
    ...await withServer(tasks, (open) => measureTimeline(browser, open)),
    ...await withServer(GRAPH_TASKS, (open) => measureGraph(browser, open)),
  ];
}

/** A signed-in page that counts its frames and its long tasks. */
async function openPage(browser: Browser, server: Server): Promise<Page> {
  const page = await (await browser.newContext({ viewport: { width: 1440, height: 900 } })).newPage();
  await page.addInitScript(`
    window.bench = { frames: [], longest: 0, isOn: false };
    let before = 0;
    const count = (now) => {
      if (bench.isOn && before > 0) bench.frames.push(now - before);
      before = now;
      requestAnimationFrame(count);
    };
    requestAnimationFrame(count);
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) bench.longest = Math.max(bench.longest, entry.duration);
    }).observe({ type: "longtask", buffered: true });
  `);
  await page.goto(server.ticket());
  return page;
}

async function measureTimeline(browser: Browser, server: Server): Promise<Bar[]> {
  const page = await openPage(browser, server);
  await page.evaluate(`location.hash = "/timeline?job=${JOB}"`);
  const canvas = page.locator("#timeline canvas[data-detail]");
  await canvas.waitFor({ timeout: 60_000 });
  const box = (await canvas.boundingBox())!;
  const [x, y] = [box.x + box.width * 0.6, box.y + box.height * 0.6];
  await page.mouse.move(x, y);
  await page.waitForTimeout(2_000);
  await page.evaluate("bench.isOn = true; bench.longest = 0");
  for (let step = 0; step < STEPS; step++) {
    // In, and out again: through every level of detail and back.
    await page.mouse.wheel(0, step < STEPS * 0.7 ? -60 : 120);
    await page.waitForTimeout(16);
  }
  await page.keyboard.press("f");
  for (let step = 0; step < 8; step++) await page.mouse.wheel(0, -120);
  await page.mouse.down();
  for (let step = 0; step < STEPS; step++) {
    await page.mouse.move(x - 300 * Math.sin(step / 9), y);
    await page.waitForTimeout(16);
  }
  await page.mouse.up();
  const { frames, longest } = await page.evaluate<{ frames: number[]; longest: number }>(
    "(bench.isOn = false, { frames: bench.frames, longest: bench.longest })",
  );
  const hits = await measureHits(page, box);
  return [
    figure(
      "D3",
      `timeline: p95 of ${frames.length} frames while zooming and dragging`,
      percentile(frames, 0.95),
      33,
    ),
    figure("D3", "timeline: p95 of hit tests by the server", percentile(hits, 0.95), 100),
    figure("D4", "timeline: longest task of the page's thread", longest, 200),
  ];
}

/** Times of the server's answers to what is under the pointer. */
async function measureHits(
  page: Page,
  box: { x: number; y: number; width: number; height: number },
): Promise<number[]> {
  await page.keyboard.press("f");
  // The view's own tiles and sums are not what is measured.
  await page.waitForLoadState("networkidle", { timeout: 3_000 }).catch(() => null);
  await page.waitForTimeout(1_500);
  await page.evaluate("performance.clearResourceTimings()");
  for (let i = 0; i < 20; i++) {
    const answer = page.waitForResponse((response) => response.url().includes("timeline/at"), {
      timeout: 5_000,
    });
    await page.mouse.move(box.x + 250 + i * 40, box.y + 110 + i % 5 * 24);
    await answer.catch(() => null);
  }
  return await page.evaluate<number[]>(
    "performance.getEntriesByType('resource').filter((entry) => entry.name.includes('timeline/at')).map((entry) => entry.duration)",
  );
}

async function measureGraph(browser: Browser, server: Server): Promise<Bar[]> {
  const page = await openPage(browser, server);
  await page.waitForTimeout(1_000);
  await page.evaluate("bench.longest = 0");
  let startedMs = performance.now();
  await page.evaluate(`location.hash = "/graph?job=${JOB}"`);
  await page.locator("#graph canvas").waitFor();
  await page.locator("#graph tbody tr").first().waitFor();
  const levelMs = performance.now() - startedMs;
  startedMs = performance.now();
  await page.locator("#graph tbody tr button", { hasText: "Open" }).first().click();
  await page.locator("#graph-note", { hasText: "tasks of" }).waitFor();
  const openMs = performance.now() - startedMs;
  await page.waitForTimeout(1_000);
  const note = await page.locator("#graph-note").innerText();
  const groups = Number(/^(\d+) groups?/.exec(note)?.[1] ?? NaN);
  const tasks = Number(/showing ([\d,]+) of [\d,]+ tasks/.exec(note)?.[1]?.replaceAll(",", "") ?? NaN);
  const longest = await page.evaluate<number>("bench.longest");
  return [
    figure("D4", `graph: level 0 of ${GRAPH_TASKS} tasks`, levelMs, 1_000),
    figure("D4", "graph: a group opened to its tasks", openMs, 500),
    figure("D4", "graph: nodes laid out at most", groups + tasks, 2_000, "nodes"),
    figure("D4", "graph: longest task of the page's thread", longest, 200),
  ];
}

function figure(id: string, what: string, value: number, limit: number, unit: "ms" | "nodes" = "ms"): Bar {
  const text = (one: number): string => unit === "ms" ? ms(one) : `${one} nodes`;
  return { id, what, asked: text(limit), measured: text(value), isReached: value <= limit };
}
