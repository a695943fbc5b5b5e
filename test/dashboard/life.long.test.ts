/**
 * The page through what happens to a cluster: work under way, failed and finished, a node that dies, a head that is killed and
 * comes back while the page is open, a reader that stalls. No link is dead in any of these states, nothing is complained of,
 * and the counts are the program's.
 */
import { afterAll, beforeAll, expect } from "bun:test";
import { get as httpGet, type IncomingMessage } from "node:http";
import { get, listJobs, listTasks, placementGroup, remote } from "mobula";
import { type Browser, chromium, type Page } from "playwright-core";
import type { StreamFrame } from "../../dashboard/api_types.ts";
import { applyFrames, cluster as clusterSeen, functions } from "../../dashboard/app/models/cluster.ts";
import { currentDriver } from "../../runtime/api/init.ts";
import type { LocalCluster } from "../../runtime/process/local_cluster.ts";
import { Signal } from "../support/actors.ts";
import { endAttached, killHead, startAttached } from "../support/attach.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { endProcess, rejection } from "../support/processes.ts";
import { longRunReason, testUnless } from "../support/skip.ts";
import { StartedProgram } from "../support/started_program.ts";
import { chromiumPath, skipReason } from "../support/toolchain.ts";
import { waitFor } from "../support/wait_for.ts";
import { crawl } from "./crawl.ts";
import { PageReader } from "./page_reader.ts";

const reason = longRunReason() ?? skipReason("chromium");
const longTest = testUnless(reason);
const TIMEOUT_MS = 600_000;
const STALLED_MS = 60_000;
/** Before it is measured: buffers of the connection fill, and a head that has just begun takes its memory. */
const SETTLE_MS = 30_000;

const leftovers = watchLeftovers();
let cluster: LocalCluster | undefined;
let browser: Browser | null = null;
let page: Page;
let reader: PageReader;
/** Jobs of programs that are over, by how they ended. */
const over = { succeeded: "", failed: "" };
/** What the page asks when the head is away fails, and the browser says so: that is no complaint. */
const AWAY =
  /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|status of 401/;
/** Pages that links must lead to in every state. */
const PAGES = [
  ...[
    "/?",
    "jobs/?",
    "jobs/*?",
    "tasks/?",
    "tasks/?filter",
    "tasks/*?",
    "graph/?",
    "graph/?job",
    "graph/?job&task",
  ],
  ...["timeline/?", "timeline/?job", "objects/?", "objects/?group", "objects/*?", "actors/?", "actors/*?"],
  ...["nodes/?", "nodes/*?", "workers/*?", "groups/?", "groups/*?", "logs/?", "logs/?file", "logs/?file&at"],
  ...["errors/?", "errors/?job", "history/?", "sql/?"],
];

const fails = remote((n: number) => {
  console.log(`fetches page ${n}`);
  throw new RangeError(`page ${n} has no title`);
}, { name: "fetchTitle" });
const makes = remote((n: number) => new Uint8Array(200_000).fill(n), { name: "renderTile" });
const counts = remote((n: number) => n, { name: "countOne" });
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
  reader = new PageReader(page);
  await page.goto(currentDriver()!.dashboardUrl);
}, TIMEOUT_MS);
afterAll(async () => {
  await browser?.close();
  await endAttached(cluster);
  await leftovers.check();
}, TIMEOUT_MS);

async function noDeadLinks(state: string): Promise<void> {
  const report = await crawl(page, ["#/", ...Object.values(over).map((id) => `#/jobs/${id}`)]);
  console.log(`${state}: ${report.visited.length} addresses visited, ${report.left.length} left`);
  expect(report.dead).toEqual([]);
  expect(report.complaints.filter((text) => !AWAY.test(text))).toEqual([]);
  expect(PAGES.filter((kind) => !report.kinds.has(kind))).toEqual([]);
  // All but lines of logs, of which there are many.
  expect(report.left.filter((href) => !href.includes("at="))).toEqual([]);
}

/** Residents of the head's memory, in bytes. */
async function headBytes(): Promise<number> {
  const { readFileSync } = await import("node:fs");
  const pid = cluster!.head.process.pid;
  return 1024 * Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]);
}

/** Runs an example to its end, or until it stays and is killed; answers its job. */
async function runExample(file: string, args: readonly string[]): Promise<string> {
  const isStaying = args.includes("--stay");
  const program = new StartedProgram("bun", `examples/${file}`, {
    args,
    env: { MOBULA_ADDRESS: "auto" },
    stdin: isStaying ? "pipe" : "ignore",
  });
  if (isStaying) {
    await waitFor(`${file} stays`, () => program.errors.includes("Enter ends"), TIMEOUT_MS);
    // Owners tell of their attempts every 200 ms: what is not told yet would die with it.
    await waitFor(`${file}'s tasks are known`, async () => {
      const [job] = await listJobs({ filters: [`entrypoint~${file}`] });
      const sorts = await listTasks({ filters: [`jobId=${job!["jobId"]}`, "state=FINISHED"] });
      return new Set(sorts.map((task) => task["name"])).size > 1;
    });
    program.kill("SIGKILL");
  }
  expect(await program.ended).toBe(isStaying ? "SIGKILL" : 0);
  const [job] = await listJobs({ filters: [`entrypoint~${file}`] });
  return String(job!["jobId"]);
}

longTest(
  "no link is dead while work runs, when it failed, when it is over, and when a node has died",
  async () => {
    const other = await cluster!.addAgent({
      numCpus: 1,
      resources: { there: 1 },
      objectStoreBytes: 64 << 20,
    });
    const gate = Signal.remote();
    const held = waits.remote(gate as never);
    const kept = makes.options({ resources: { there: 0.1 } }).remote(1);
    await get(kept);
    const group = await placementGroup([{ there: 0.1 }], { name: "pair" });
    await group.wait(30_000);
    await Promise.all([1, 2, 3].map((n) => rejection(get(fails.remote(n)))));
    over.succeeded = await runExample("quickstart.ts", []);
    await noDeadLinks("running");
    over.failed = await runExample("sort.ts", ["--mb", "4", "--chunk-mb", "2", "--stay"]);
    await reader.shows(`#/jobs/${over.failed}`, () => reader.text("#head .state"), "failed");
    await noDeadLinks("failed");
    await get(gate.send.remote());
    await get(held);
    await noDeadLinks("finished");
    await endProcess(other.ready.pid);
    await page.evaluate("location.hash = '#/'");
    await page.locator("#attention li", { hasText: "is dead" }).waitFor();
    await noDeadLinks("node dead");
    // Held until here.
    kept.release();
  },
  TIMEOUT_MS,
);

longTest(
  "D11 a head that is killed shows as a banner within 2 s, the page is live within 5 s of its return, and nothing is lost",
  async () => {
    const [own] = await listJobs({ filters: ["state=RUNNING"] });
    const ownPage = `#/jobs/${own!["jobId"]}`;
    const finishedRows = () => reader.rows("#functions", "Function", "Finished", "Failed");
    // Its own job goes on, and so does its row.
    const history = async () =>
      (await reader.rows("#history", "Job", "State", "Begun", "Took", "Finished", "Failed"))
        .filter((row) => !row.includes("| running |"));
    const before: Record<string, string[]> = {};
    for (const id of Object.values(over)) {
      await reader.open(`#/jobs/${id}`);
      before[id] = await finishedRows();
      expect(before[id].length).toBeGreaterThan(1);
    }
    // A job is kept a moment after it ends.
    await reader.shows("#/history", async () => (await history()).length, 2);
    const kept = await history();
    const COUNTED = 30;
    expect(await get(Array.from({ length: COUNTED }, (_, n) => counts.remote(n)))).toHaveLength(COUNTED);
    const row = (times: number): string[] => [`ƒcountOne | ${times} | 0`];
    const countedRow = async () => (await finishedRows()).filter((text) => text.includes("countOne"));
    await reader.shows(ownPage, countedRow, row(COUNTED));
    // The page is not loaded again: this would be lost.
    await page.evaluate("globalThis.isSamePage = true");
    const killedMs = performance.now();
    const down = killHead(cluster!);
    // These run while it is away.
    const meanwhile = Array.from({ length: COUNTED }, (_, n) => counts.remote(n));
    await down;
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
    expect(await get(meanwhile)).toHaveLength(COUNTED);
    // Where it was, it goes on: what was counted before, while the head was away, and after.
    await reader.sees(countedRow, row(2 * COUNTED));
    expect(await get(Array.from({ length: COUNTED }, (_, n) => counts.remote(n)))).toHaveLength(COUNTED);
    await reader.sees(countedRow, row(3 * COUNTED));
    for (const id of Object.values(over)) await reader.shows(`#/jobs/${id}`, finishedRows, before[id]!);
    await reader.shows("#/history", history, kept);
    await reader.open("#/jobs");
    await page.locator("#jobs tbody tr", { hasText: "running" }).waitFor();
    expect(await page.evaluate("globalThis.isSamePage")).toBe(true);
    const tile = makes.remote(2);
    await get(tile);
    await noDeadLinks("head restarted");
    tile.release();
  },
  TIMEOUT_MS,
);

/** How many calls of countOne are known to have finished; none is under way. */
async function counted(): Promise<number> {
  return (await listTasks({ filters: ["name=countOne", "state=FINISHED"] })).length;
}

/** A reader of the stream that reads when it is told to: frames are the page's own business. */
async function openReader(): Promise<{ pause(): void; resume(): void; close(): void }> {
  const live = ["profile", "tasks?limit=1000", "slots", "attention"].map((name) =>
    `live=${encodeURIComponent(name)}`
  );
  const request = httpGet(
    new URL(`/api/v1/stream?topics=cluster,functions&${live.join("&")}`, cluster!.dashboardUrl!),
    {
      headers: { authorization: `Bearer ${cluster!.token}` },
    },
  );
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request.on("response", resolve);
    request.on("error", reject);
  });
  let rest = "";
  const decoder = new TextDecoder();
  response.on("data", (chunk: Uint8Array) => {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop()!;
    applyFrames(lines.map((line) => JSON.parse(line) as StreamFrame));
  });
  response.on("error", () => undefined);
  return {
    pause: () => void response.pause(),
    resume: () => void response.resume(),
    close: () => void request.destroy(),
  };
}

longTest(
  "D7 a reader that stalls for a minute costs the head nothing, and then has exactly what there is",
  async () => {
    const countedBefore = await counted();
    await get(counts.remote(0));
    const stream = await openReader();
    const seen = () => ({
      all: clusterSeen.value?.tasks.finished,
      own: functions.value?.rows.find(({ name }) => name === "countOne")?.finished,
    });
    await waitFor("the counts", () => seen().own === countedBefore + 1);
    const [all, own] = [seen().all!, seen().own!];
    stream.pause();
    // Nothing runs, but figures of nodes change every second: who is queued for would be, second by second.
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    const before = await headBytes();
    await new Promise((resolve) => setTimeout(resolve, STALLED_MS));
    const grown = await headBytes() - before;
    console.log(`the head grew by ${(grown / 2 ** 20).toFixed(1)} MiB`);
    expect(grown).toBeLessThan(8 * 2 ** 20);
    const RAN = 700;
    for (let n = 0; n < 7; n++) await get(Array.from({ length: RAN / 7 }, (_, n) => counts.remote(n)));
    await reader.shows(
      "#/",
      () => reader.text("#figure-finished .value"),
      (all + RAN).toLocaleString("en-US"),
    );
    expect(seen()).toEqual({ all, own });
    // When it reads again it gets the difference, or all anew: in the end, what the program has run.
    stream.resume();
    await waitFor("what was kept back", () => seen().own === own + RAN, 30_000).catch(() => undefined);
    expect(seen()).toEqual({ all: all + RAN, own: own + RAN });
    stream.close();
  },
  TIMEOUT_MS,
);
