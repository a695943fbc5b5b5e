/**
 * The pages of jobs, tasks and workers on a real cluster: what they show is what the programs themselves counted.
 */
import { afterAll, beforeAll, expect } from "bun:test";
import { join } from "node:path";
import { get, type HandleOf, type ObjectRef, remote } from "mobula";
import { type Browser, chromium, type Page } from "playwright-core";
import { currentDriver } from "../../runtime/api/init.ts";
import type { LocalCluster } from "../../runtime/process/local_cluster.ts";
import { Signal, type SignalHandle } from "../support/actors.ts";
import { endAttached, startAttached } from "../support/attach.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { rejection } from "../support/processes.ts";
import { testUnless } from "../support/skip.ts";
import { StartedProgram } from "../support/started_program.ts";
import { chromiumPath, skipReason } from "../support/toolchain.ts";
import { waitFor } from "../support/wait_for.ts";

const pageTest = testUnless(skipReason("chromium"));
const TIMEOUT_MS = 90_000;
/** What the words are counted of: some megabytes, in several batches. */
const TEXTS = join(import.meta.dirname, "../../node_modules/playwright-core");
const REDUCERS = 4;

const leftovers = watchLeftovers();
let cluster: LocalCluster | undefined;
let browser: Browser | null = null;
let page: Page;
let gate: SignalHandle;
let held: ObjectRef<number>;
/** Batches, as wordcount says at its end. */
let batches = 0;

const fails = remote((n: number) => {
  throw new RangeError(`page ${n} has no title`);
}, { name: "fetchTitle" });
const doubles = remote((n: number) => 2 * n, { name: "double" });
const calls = remote(
  async (n: number, double: typeof doubles) => (await import("mobula")).get(double.remote(n)),
  {
    name: "callDouble",
  },
);
const waits = remote(async (gate: HandleOf<typeof Signal>) => {
  await (await import("mobula")).get(gate.wait.remote());
  return 1;
}, { name: "waitForGate", numCpus: 0 });

beforeAll(async () => {
  const executablePath = chromiumPath();
  if (executablePath === null) return;
  cluster = await startAttached({
    numCpus: 2,
    dashboard: true,
    dashboardPort: 0,
    objectStoreBytes: 128 << 20,
  });
  await cluster.addAgent({ numCpus: 2, objectStoreBytes: 128 << 20 });
  browser = await chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"],
  });
  page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  await page.goto(currentDriver()!.dashboardUrl);
  const wordcount = new StartedProgram("bun", "examples/wordcount.ts", {
    args: [TEXTS],
    env: { MOBULA_ADDRESS: "auto" },
  });
  gate = Signal.remote();
  held = waits.remote(gate);
  await Promise.all([1, 2, 3].map((n) => rejection(get(fails.remote(n)))));
  expect(await get([1, 2, 3, 4, 5].map((n) => calls.remote(n, doubles)))).toEqual([2, 4, 6, 8, 10]);
  await waitFor("the held task is under way", async () => await get(gate.waiters.remote()) === 1);
  while (batches === 0) batches = Number(/(\d+) batches on/.exec(await wordcount.line())?.[1] ?? 0);
  expect(await wordcount.ended).toBe(0);
}, TIMEOUT_MS);
afterAll(async () => {
  await browser?.close();
  await endAttached(cluster);
  await leftovers.check();
}, TIMEOUT_MS);

async function open(hash: string): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
}

/** Opens a job's page by its row in the list. */
async function openJob(entrypoint: string): Promise<void> {
  await open("#/jobs");
  await page.locator("#jobs tbody a.clip", { hasText: entrypoint }).first().click();
  await page.locator("#progress").waitFor();
}

/** Numbers of a function's row: waiting, running, finished, failed. */
async function counts(name: string): Promise<string[] | null> {
  const row = page.locator("#functions tbody tr", {
    has: page.locator("a.clip", { hasText: new RegExp(`^${name}$`) }),
  });
  if (await row.count() !== 1) return null;
  return (await row.locator("td").allInnerTexts()).slice(1, 5).map((text) => text.trim());
}

async function showsCounts(name: string, expected: readonly number[]): Promise<void> {
  let seen: string[] | null = null;
  await waitFor(`${name} with ${expected} (last seen: ${seen})`, async () => {
    seen = await counts(name);
    return seen !== null && seen.join() === expected.join();
  }).catch(() => expect(seen).toEqual(expected.map(String)));
}

async function state(kind: string): Promise<number> {
  return Number((await page.locator(`#progress [data-state=${kind}] b`).innerText()).replaceAll(",", ""));
}

pageTest("the page of a finished job shows what the program counted", async () => {
  await openJob("wordcount");
  await showsCounts("mapBatch", [0, 0, batches, 0]);
  await showsCounts("Reducer.add", [0, 0, REDUCERS * batches, 0]);
  await showsCounts("Reducer.top", [0, 0, REDUCERS, 0]);
  await showsCounts("new Reducer", [0, 0, REDUCERS, 0]);
  expect(await state("finished")).toBe(batches + REDUCERS * batches + 2 * REDUCERS);
  expect(await state("failed")).toBe(0);
  expect(await page.locator("#head .state").innerText()).toBe("succeeded");
  expect(await page.locator("#functions .box").count()).toBe(4);
}, TIMEOUT_MS);

pageTest(
  "the page of a running job shows calls as a tree, failures once each, and what still runs",
  async () => {
    await openJob("job_pages");
    await showsCounts("waitForGate", [0, 1, 0, 0]);
    await showsCounts("fetchTitle", [0, 0, 0, 3]);
    await showsCounts("callDouble", [0, 0, 5, 0]);
    await showsCounts("double", [0, 0, 5, 0]);
    // What callDouble submits stands below it.
    const indent = async (name: string): Promise<number> =>
      parseFloat(
        await page.locator("#functions tbody th", {
          has: page.locator("a.clip", { hasText: new RegExp(`^${name}$`) }),
        })
          .evaluate((cell: { style: { paddingLeft: string } }) => cell.style.paddingLeft),
      );
    expect(await indent("double")).toBeGreaterThan(await indent("callDouble"));
    const error = page.locator("#errors tbody tr");
    expect(await error.count()).toBe(1);
    expect(await error.innerText()).toContain("has no title");
    expect(await error.locator("td[data-column=count]").innerText()).toBe("3");
  },
  TIMEOUT_MS,
);

pageTest(
  "tasks are filtered by the server, by what stands in the address; one leads to its steps",
  async () => {
    await open("#/tasks?filter=name%3DfetchTitle");
    const rows = page.locator("#tasks tbody tr");
    await page.locator("#tasks .showing", { hasText: "3 attempts" }).waitFor();
    expect(await rows.count()).toBe(3);
    await page.locator("#tasks button", { hasText: "Finished" }).click();
    await page.locator("#tasks .empty").waitFor();
    expect(page.url()).toContain("state%3DFINISHED");
    await page.locator("#tasks input").fill("nothing=1");
    await page.locator("#tasks .broken").waitFor();
    await page.locator("#tasks input").fill("fetchTitle");
    await rows.first().waitFor();
    await rows.first().locator("a.clip").click();
    await page.locator("#task-error", { hasText: "has no title" }).waitFor();
    await page.locator("#steps li", { hasText: "run" }).first().waitFor();
    await page.locator("#head dd a.mono", { hasText: /^w-/ }).click();
    await page.locator("#head dt", { hasText: "Worker" }).waitFor();
    await page.locator("#tasks tbody tr", { hasText: "fetchTitle" }).first().waitFor();
  },
  TIMEOUT_MS,
);

pageTest("why a task waits is said at once, and changes when it goes on", async () => {
  await open("#/tasks?filter=name%3DwaitForGate");
  await page.locator("#tasks tbody a.clip").first().click();
  const why = page.locator("#why", { hasText: /running|runs/ });
  await why.waitFor();
  await get(gate.send.remote());
  expect(await get(held)).toBe(1);
  await page.locator("#head .state", { hasText: "finished" }).waitFor();
}, TIMEOUT_MS);
