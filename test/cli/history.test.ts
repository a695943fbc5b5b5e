/**
 * Jobs that are over stay: after the head and the whole cluster are gone and back, their pages answer from their records.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { type Browser, chromium } from "playwright-core";
import { readFileSync } from "node:fs";
import type { HistoryDto } from "../../dashboard/api/history.ts";
import type { GraphDto } from "../../dashboard/api/graph.ts";
import type { ProfileDto } from "../../dashboard/api/tasks.ts";
import type { ClusterFile } from "../../runtime/process/config.ts";
import { CliSession } from "../support/cli.ts";
import { testUnless } from "../support/skip.ts";
import { chromiumPath, skipReason } from "../support/toolchain.ts";
import { runProgram } from "../support/run_program.ts";
import { waitFor } from "../support/wait_for.ts";

const TIMEOUT_MS = 60_000;
const session = new CliSession();
const inBrowser = testUnless(skipReason("chromium"));
let browser: Browser | null = null;
const program = join(import.meta.dirname, "programs", "short_job.ts");
let cluster: ClusterFile;

async function start(): Promise<void> {
  const small = ["--num-cpus", "2", "--object-store-bytes", "16777216"];
  cluster = await session.json("start", "--head", "--port", "0", "--dashboard-port", "0", ...small);
}

async function ask<T>(question: string): Promise<T> {
  const token = readFileSync(join(session.sessionDir, "token"), "utf8").trim();
  const url = new URL(`api/v1/${question}`, cluster.dashboardUrl!);
  const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  if (!response.ok) throw new Error(`${question}: ${await response.text()}`);
  return await response.json() as T;
}

beforeAll(async () => {
  await start();
  const executablePath = chromiumPath();
  const args = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
  ];
  if (executablePath !== null) browser = await chromium.launch({ executablePath, args });
}, TIMEOUT_MS);
afterAll(async () => {
  await browser?.close();
  await session.end();
}, TIMEOUT_MS);

/** A page with what it complains of and asks for. */
async function openTab(address: string, options: { offline?: boolean } = {}) {
  const context = await browser!.newContext({
    viewport: { width: 1280, height: 900 },
    offline: options.offline ?? false,
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  const asked: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("request", (request) => asked.push(request.url()));
  await page.goto(address);
  return { page, complaints, asked, [Symbol.asyncDispose]: () => context.close() };
}

test(
  "two jobs end, the cluster ends and comes back: their records say what the jobs themselves counted",
  async () => {
    const env = { ...session.env, MOBULA_ADDRESS: cluster.address, MOBULA_TOKEN: "" } as Record<
      string,
      string
    >;
    for (const count of ["40", "60"]) {
      const { failed } = JSON.parse(await runProgram("bun", program, { args: [count], env }));
      expect(failed).toBe(3);
    }
    const kept = await waitFor("both records", async () => {
      const list = await ask<HistoryDto>("history?state=SUCCEEDED");
      return list.total === 2 && list;
    }, 15_000);
    const [second, first] = kept.rows;
    expect(second).toMatchObject({ finished: 60 + 3, failed: 3, unfinished: 0 });
    expect(first).toMatchObject({ finished: 40 + 3, failed: 3, unfinished: 0 });
    const live = await ask<ProfileDto>(`profile?job=${first!.jobId}`);
    expect(await ask(`record/about?job=${first!.jobId}`)).toMatchObject({ source: "live" });

    await session.mobula(["stop"]);
    await start();
    const after = await ask<HistoryDto>("history?limit=1");
    expect(after).toMatchObject({ total: 2, kept: 2, dropped: 0, rows: [{ jobId: second!.jobId }] });
    const rest = await ask<HistoryDto>(`history?limit=1&after=${after.next}`);
    expect(rest.rows.map(({ jobId }) => jobId)).toEqual([first!.jobId]);
    expect((await ask<HistoryDto>("history?q=SHORT_job")).total).toBe(2);
    expect((await ask<HistoryDto>("history?q=nothing")).rows).toEqual([]);
    expect(
      await waitFor("the list of records", async () => {
        const about = await ask<{ source: string }>(`record/about?job=${first!.jobId}`);
        return about.source === "record" && about;
      }),
    ).toMatchObject({ source: "record", state: "SUCCEEDED" });

    const profile = await ask<ProfileDto>(`profile?job=${first!.jobId}`);
    expect(profile.totals).toEqual(live.totals);
    expect(profile.totals).toMatchObject({ finished: 43, failed: 3 });
    expect(profile.functions.map(({ name, finished }) => [name, finished]).sort()).toEqual(
      live.functions.map(({ name, finished }) => [name, finished]).sort(),
    );
    expect(profile.errors[0]).toMatchObject({ errorType: "TaskError(TypeError)", count: 3 });
    const graph = await ask<GraphDto>(`graph?job=${second!.jobId}`);
    expect(graph.groups.find(({ name }) => name === "square")).toMatchObject({ finished: 60 });
    const group = graph.groups.find(({ name }) => name === "square")!.id;
    expect(await ask(`graph/group?job=${second!.jobId}&group=${encodeURIComponent(group)}`)).toMatchObject({
      shown: 60,
    });
    const lanes = await ask<{ fromMs: number; toMs: number; lanes: unknown[]; bars: number }>(
      `timeline/lanes?job=${second!.jobId}`,
    );
    expect(lanes.lanes.length).toBeGreaterThan(0);
    const bars = await ask<{ bars: unknown[] }>(`timeline/bars?job=${second!.jobId}`);
    expect(bars.bars.length).toBe(lanes.bars);
    expect(await ask(`actors/page?filter=jobId%3D${second!.jobId}`)).toMatchObject({ total: 1 });
  },
  60_000,
);

inBrowser("the list leads to a job's record, which says so, and to two jobs side by side", async () => {
  const { url } = await session.json<{ url: string }>("ui", "--viewer");
  await using tab = await openTab(url);
  const { page, complaints } = tab;
  await page.locator("nav").first().waitFor();
  await page.goto(`${cluster.dashboardUrl}#/history`);
  const rows = page.locator("#history tbody tr");
  await rows.nth(1).waitFor();
  expect(await rows.count()).toBe(2);
  expect(await rows.first().locator("[data-column=finished]").textContent()).toBe("63");
  for (const box of await page.locator("#history input[type=checkbox]").all()) await box.check();
  await page.getByRole("button", { name: "Compare 2 of 2" }).click();
  const square = page.locator("#compare-functions tbody tr", { hasText: "square" });
  await square.waitFor();
  expect(await square.locator("[data-column=tasks]").textContent()).toMatch(/60 \/ 40/);
  const failures = page.locator("#compare-errors tbody tr");
  expect(await failures.locator("[data-column=a]").textContent()).toBe("3");
  await page.locator(".compare-head a", { hasText: "open" }).first().click();
  await page.getByText("From the record of a job that is over").waitFor();
  const jobId = /#\/jobs\/([^?]+)/.exec(page.url())![1]!;
  // These pages know the present cluster only, and say so beside the name of a job that is over.
  for (const hash of [`#/objects?job=${jobId}`, `#/actors?filter=jobId%3D${jobId}`]) {
    await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
    await page.getByText("The cluster as it is now, not as it was for this job").waitFor();
    expect(await page.getByText("From the record of a job").count()).toBe(0);
  }
  expect(complaints).toEqual([]);
}, TIMEOUT_MS);

inBrowser(
  "D16 a report is one file that opens offline, asks nothing of a network and shows the job's pages",
  async () => {
    const [row] = (await ask<HistoryDto>("history")).rows;
    const file = join(session.folder, "report.html");
    const made = await session.json<{ file: string; bytes: number }>("report", row!.jobId, "-o", file);
    expect(made.bytes).toBeLessThan(2 * 1024 * 1024);
    expect(readFileSync(file).length).toBe(made.bytes);
    await using tab = await openTab(`file://${file}`, { offline: true });
    const { page, complaints, asked } = tab;
    await page.getByText("A report of one job").waitFor();
    await page.locator("main", { hasText: "square" }).waitFor();
    expect(page.url()).toContain(`#/jobs/${row!.jobId}`);
    const pages: [hash: string, text: string][] = [
      [`#/graph?job=${row!.jobId}`, ""],
      [`#/timeline?job=${row!.jobId}`, ""],
      ["#/objects", ""],
      ["#/actors", ""],
      [`#/errors?job=${row!.jobId}`, "TypeError"],
      ["#/tasks?filter=state=FAILED", "refuse"],
    ];
    for (const [hash, text] of pages) {
      await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
      await page.locator("main section.panel").first().waitFor();
      if (text !== "") await page.locator("main", { hasText: text }).waitFor();
      expect(await page.locator("main .broken").count(), hash).toBe(0);
    }
    expect(complaints).toEqual([]);
    expect(asked.filter((url) => !url.startsWith("data:"))).toEqual([`file://${file}`]);
  },
  TIMEOUT_MS,
);

test(
  "of a cluster that is gone the store alone gives the same report; of a job that is not kept, none",
  async () => {
    const [row] = (await ask<HistoryDto>("history")).rows;
    await session.mobula(["stop"]);
    const file = join(session.folder, "later.html");
    await session.json("report", row!.jobId, "--store", session.sessionDir, "-o", file);
    expect(readFileSync(file, "utf8")).toContain('id="record"');
    const none = await session.mobula(["report", "j-000000000000", "--store", session.sessionDir]);
    expect(none).toMatchObject({ code: 1 });
    expect(none.error).toContain("nothing is kept of j-000000000000");
    expect((await session.mobula(["report", "../x"])).error).toContain("no job's id");
  },
  TIMEOUT_MS,
);
