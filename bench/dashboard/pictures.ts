/**
 * `npm run pictures`: every page of the dashboard as PNGs, in dark and light, wide and narrow, of a real cluster of two nodes
 * that examples and failing, restarting and waiting work give something to show.
 *
 *   --out FOLDER      where the PNGs go. Default pictures
 *   --only now,job    only these pages
 *   --schemes dark    only these of dark, light
 *   --widths 1440     only these widths in pixels. Default 1440,390
 * @module
 */
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import {
  init,
  listActors,
  listJobs,
  listNodes,
  listObjects,
  listPlacementGroups,
  listTasks,
  listWorkers,
  shutdown,
} from "mobula";
import type { BrowserContext, Page } from "playwright-core";
import { currentDriver } from "../../runtime/api/init.ts";
import { openBrowser, openWindow } from "./browser.ts";
import { doWork } from "./pictures_work.ts";
import { cookieOf } from "./readers.ts";

const { values: flags } = parseArgs({
  options: {
    out: { type: "string", default: "pictures" },
    only: { type: "string" },
    schemes: { type: "string", default: "dark,light" },
    widths: { type: "string", default: "1440,390" },
  },
});
const HEIGHTS: Readonly<Record<number, number>> = { 390: 844 };
/** Programs whose jobs are over when pictures are taken. */
const PROGRAMS: readonly (readonly string[])[] = [
  ["examples/wordcount.ts", "node_modules/hono"],
  ["examples/wordcount.ts", "node_modules/hono/dist/types"],
  ["examples/sort.ts", "--mb", "48", "--chunk-mb", "8"],
  ["examples/rl_controller.ts", "--steps", "12"],
];
/** Charts have drawn what came. */
const SETTLE_MS = 900;

type Row = Readonly<Record<string, unknown>>;

/** The pages by name, and the address of each. */
async function addresses(): Promise<ReadonlyMap<string, string>> {
  const [live] = await listJobs({ filters: ["state=RUNNING"] });
  const over = await listJobs({ filters: ["state!=RUNNING"] });
  const counts = over.filter((row) => String(row["entrypoint"]).includes("wordcount"));
  const job = String(live!["jobId"]);
  const id = (rows: readonly Row[], key: string, is: (row: Row) => boolean = () => true): string =>
    String((rows.find(is) ?? rows[0])?.[key]);
  // What tasks do is known up to a second later.
  const taskOf = async (...filters: string[]): Promise<string> => {
    for (;;) {
      const [row] = await listTasks({ filters: [`jobId=${job}`, ...filters], limit: 1 });
      if (row !== undefined) return String(row["taskId"]);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  };
  const actors = await listActors({ filters: [`jobId=${job}`] });
  const groups = await listPlacementGroups();
  const named = (name: string) => (row: Row): boolean => row["name"] === name;
  return new Map([
    ["now", "#/"],
    ["jobs", "#/jobs"],
    ["job", `#/jobs/${job}`],
    ["job-over", `#/jobs/${id(over, "jobId")}`],
    ["tasks", "#/tasks"],
    ["task", `#/tasks/${await taskOf("name=mergeCounts", "state=FINISHED")}`],
    ["task-failed", `#/tasks/${await taskOf("name=fetchPage", "state=FAILED")}`],
    ["task-waiting", `#/tasks/${await taskOf("name=needsMemory")}`],
    ["graph", `#/graph?job=${job}`],
    ["timeline", `#/timeline?job=${job}`],
    ["objects", "#/objects"],
    ["object", `#/objects/${id(await listObjects(), "objectId")}`],
    ["actors", "#/actors"],
    ["actor", `#/actors/${id(actors, "actorId", named("index"))}`],
    ["actor-waiting", `#/actors/${id(actors, "actorId", (row) => row["state"] !== "ALIVE")}`],
    ["nodes", "#/nodes"],
    ["node", `#/nodes/${id(await listNodes(), "nodeId")}`],
    ["worker", `#/workers/${id(await listWorkers(), "workerId")}`],
    ["groups", "#/groups"],
    ["group", `#/groups/${id(groups, "placementGroupId", named("trainers"))}`],
    ["group-waiting", `#/groups/${id(groups, "placementGroupId", named("wants-64-cpus"))}`],
    ["logs", "#/logs"],
    ["logs-search", "#/logs?q=page"],
    ["errors", "#/errors"],
    ["history", "#/history"],
    ["compare", `#/history/compare?a=${String(counts[0]?.["jobId"])}&b=${String(counts[1]?.["jobId"])}`],
    ["sql", "#/sql"],
  ]);
}

/** A program of its own in this cluster, to its end. */
async function runProgram(args: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const child = spawn(process.execPath, [...args], { env, stdio: "ignore" });
  await new Promise((resolve) => child.once("exit", resolve));
}

async function takePictures(context: BrowserContext, base: string): Promise<number> {
  const only = flags.only?.split(",");
  const complaints: string[] = [];
  const page: Page = await context.newPage();
  page.on("pageerror", (error) => complaints.push(`${page.url()}: ${error.message}`));
  page.on(
    "console",
    (message) => message.type() === "error" && complaints.push(`${page.url()}: ${message.text()}`),
  );
  for (const [name, address] of await addresses()) {
    if (only !== undefined && !only.includes(name)) continue;
    for (const width of flags.widths.split(",").map(Number)) {
      await page.setViewportSize({ width, height: HEIGHTS[width] ?? 900 });
      await page.goto(`${base}${address}`);
      await page.waitForTimeout(SETTLE_MS);
      const overflow = await page.evaluate<number>("document.documentElement.scrollWidth - innerWidth");
      if (overflow > 0) complaints.push(`${address}: ${overflow} px too wide at ${width} px`);
      for (const colorScheme of flags.schemes.split(",") as ("dark" | "light")[]) {
        await page.emulateMedia({ colorScheme });
        await page.waitForTimeout(150);
        await page.screenshot({ path: join(flags.out, `${name}-${colorScheme}-${width}.png`) });
      }
    }
  }
  for (const complaint of new Set(complaints)) console.error(complaint);
  return complaints.length;
}

mkdirSync(flags.out, { recursive: true });
const cluster = await init({ numCpus: 2, objectStoreBytes: 256 << 20, logToDriver: false });
const browser = await openBrowser();
let complaints = 0;
try {
  const local = currentDriver()!.local!;
  await local.addAgent({ numCpus: 2, objectStoreBytes: 256 << 20 });
  const env = { ...process.env, MOBULA_ADDRESS: cluster.address, MOBULA_TOKEN: local.token };
  for (const program of PROGRAMS) {
    console.error(`${program.join(" ")} …`);
    await runProgram(program, env);
  }
  const kept = await doWork();
  const [name, value] = (await cookieOf(cluster.dashboardUrl!)).split("=") as [string, string];
  const base = cluster.dashboardUrl!.split("?")[0]!;
  const context = await openWindow(browser, base, { name, value });
  complaints = await takePictures(context, base);
  console.log(`${kept.length} things kept; pictures in ${flags.out}`);
} finally {
  await browser.close();
  await shutdown();
}
process.exit(complaints === 0 ? 0 : 1);
