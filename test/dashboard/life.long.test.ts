/**
 * The page through what happens to a cluster: work under way and finished, a node that dies, a head that is killed and comes
 * back while the page is open, a reader that stalls. No link is dead in any of these states, and nothing is complained of.
 */
import { afterAll, beforeAll, expect } from "bun:test";
import { connect } from "node:net";
import { get, remote } from "mobula";
import { type Browser, chromium, type Page } from "playwright-core";
import { currentDriver } from "../../runtime/api/init.ts";
import type { LocalCluster } from "../../runtime/process/local_cluster.ts";
import { Signal } from "../support/actors.ts";
import { endAttached, killHead, startAttached } from "../support/attach.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { endProcess, rejection } from "../support/processes.ts";
import { longRunReason, testUnless } from "../support/skip.ts";
import { chromiumPath, skipReason } from "../support/toolchain.ts";
import { waitFor } from "../support/wait_for.ts";
import { crawl } from "./crawl.ts";

const reason = longRunReason() ?? skipReason("chromium");
const longTest = testUnless(reason);
const TIMEOUT_MS = 300_000;
const STALLED_MS = 60_000;
/** Before it is measured: buffers of the connection fill, and a head that has just begun takes its memory. */
const SETTLE_MS = 30_000;

const leftovers = watchLeftovers();
let cluster: LocalCluster | undefined;
let browser: Browser | null = null;
let page: Page;
/** What the page asks when the head is away fails, and the browser says so: that is no complaint. */
const AWAY =
  /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|status of 401/;

const fails = remote((n: number) => {
  throw new RangeError(`page ${n} has no title`);
}, { name: "fetchTitle" });
const makes = remote((n: number) => new Uint8Array(200_000).fill(n), { name: "renderTile" });
const waits = remote(async (gate: never) => {
  await (await import("mobula")).get((gate as { wait: { remote(): never } }).wait.remote());
}, { name: "waitForGate", numCpus: 0 });

beforeAll(async () => {
  if (reason !== null) return;
  // A fixed port: the page looks for the head that comes back where it was.
  const dashboardPort = 20_000 + process.pid % 20_000;
  cluster = await startAttached({ numCpus: 2, dashboard: true, dashboardPort });
  browser = await chromium.launch({
    executablePath: chromiumPath()!,
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"],
  });
  page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  await page.goto(currentDriver()!.dashboardUrl);
}, TIMEOUT_MS);
afterAll(async () => {
  await browser?.close();
  await endAttached(cluster);
  await leftovers.check();
}, TIMEOUT_MS);

async function noDeadLinks(): Promise<void> {
  const report = await crawl(page, ["#/", "#/jobs", "#/tasks"]);
  expect(report.dead).toEqual([]);
  expect(report.complaints.filter((text) => !AWAY.test(text))).toEqual([]);
  expect(report.visited.length).toBeGreaterThan(20);
}

/** Residents of the head's memory, in bytes. */
async function headBytes(): Promise<number> {
  const { readFileSync } = await import("node:fs");
  const pid = cluster!.head.process.pid;
  return 1024 * Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]);
}

longTest("no link is dead while work runs, when it is over, and when a node has died", async () => {
  const other = await cluster!.addAgent({ numCpus: 1, resources: { there: 1 }, objectStoreBytes: 64 << 20 });
  const gate = Signal.remote();
  const held = waits.remote(gate as never);
  const kept = makes.options({ resources: { there: 0.1 } }).remote(1);
  await get(kept);
  await Promise.all([1, 2, 3].map((n) => rejection(get(fails.remote(n)))));
  await noDeadLinks();
  await get(gate.send.remote());
  await get(held);
  await noDeadLinks();
  await endProcess(other.ready.pid);
  await page.evaluate("location.hash = '#/'");
  await page.locator("#attention li", { hasText: "is dead" }).waitFor();
  await noDeadLinks();
}, TIMEOUT_MS);

longTest(
  "D11 a head that is killed shows as a banner within 2 s, and the page is live again within 5 s of its return",
  async () => {
    await page.evaluate("location.hash = '#/jobs'");
    await page.locator("#jobs tbody tr").waitFor();
    // The page is not loaded again: this would be lost.
    await page.evaluate("globalThis.isSamePage = true");
    const killedMs = performance.now();
    await killHead(cluster!);
    await page.locator(".banner").waitFor({ timeout: 2_000 });
    const bannerMs = performance.now() - killedMs;
    await cluster!.startHead();
    const backMs = performance.now();
    await page.locator("#connection.live").waitFor({ timeout: 5_000 });
    await page.locator(".banner").waitFor({ state: "detached", timeout: 5_000 });
    console.log(
      `banner after ${bannerMs.toFixed(0)} ms, live after ${(performance.now() - backMs).toFixed(0)} ms`,
    );
    expect(bannerMs).toBeLessThan(2_000);
    expect(await page.evaluate("globalThis.isSamePage")).toBe(true);
    await page.locator("#jobs tbody tr", { hasText: "running" }).waitFor();
    await noDeadLinks();
  },
  TIMEOUT_MS,
);

longTest("D7 a reader that stalls for a minute costs the head nothing", async () => {
  const { port, host } = new URL(cluster!.dashboardUrl!);
  const socket = connect(Number(port), "127.0.0.1");
  socket.pause();
  const live = ["profile", "tasks?limit=1000", "slots", "attention"].map((name) =>
    `live=${encodeURIComponent(name)}`
  );
  const authorization = `Bearer ${cluster!.token}`;
  socket.write(
    `GET /api/v1/stream?${
      live.join("&")
    } HTTP/1.1\r\nhost: ${host}\r\nauthorization: ${authorization}\r\n\r\n`,
  );
  // Nothing runs, but figures of nodes change every second: who is queued for would be, second by second.
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const before = await headBytes();
  await new Promise((resolve) => setTimeout(resolve, STALLED_MS));
  const grown = await headBytes() - before;
  console.log(`the head grew by ${(grown / 2 ** 20).toFixed(1)} MiB`);
  expect(grown).toBeLessThan(8 * 2 ** 20);
  // When it reads again it gets whole frames.
  let text = "";
  socket.on("data", (chunk: Uint8Array) => text += new TextDecoder().decode(chunk));
  socket.resume();
  await waitFor("what was kept back", () => /"topic":"heartbeat"|"seq":[1-9]\d/.test(text), 30_000);
  socket.destroy();
}, TIMEOUT_MS);
