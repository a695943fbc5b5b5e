/**
 * mobula and Ray as the two sides of beside_ray.ts: how each runs tasks, and where its pages show what.
 * @module
 */
import type { ProfileDto } from "../../dashboard/api/tasks.ts";
import { MOBULA_VERSION } from "../../runtime/common/config.ts";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { Peer } from "../peers/peer.ts";
import { rayPython } from "../peers/ray_install.ts";
import type { Side } from "./beside_ray.ts";
import { openWindow } from "./browser.ts";
import { openCluster } from "./cluster.ts";
import { cookieOf } from "./readers.ts";
import { openTabs } from "./watchers.ts";

/** What one run of this counts for (../peers/names.ts). */
const WORKLOAD = "single client tasks async";
const RUN_TASKS = 1_000;
/** As many as either's API gives in one answer; Ray's has no next page. */
const LIMIT = 10_000;
const TABS = 5;

export async function mobulaSide(): Promise<Side> {
  const cluster = await openCluster();
  const cookie = await cookieOf(cluster.link);
  const base = cluster.link.split("?")[0]!;
  const [name, value] = cookie.split("=") as [string, string];
  return {
    version: MOBULA_VERSION,
    run: cluster.run,
    finished: cluster.finished,
    fresh: (browser) => openWindow(browser, base, { name, value }),
    jobPage: `${base}#/jobs/${cluster.jobId}`,
    countShown: (page) => countIn(page, '[data-state="finished"]', /([1-9][\d,]*) finished/),
    openTable: async (page) => {
      await page.locator('[data-state="finished"] a').click();
      await page.locator("main tbody tr", { hasText: "echo" }).first().waitFor();
    },
    listed: async () => {
      const ask = async <T>(question: string): Promise<T> =>
        await (await fetch(new URL(`api/v1/${question}`, base), { headers: { cookie } })).json() as T;
      let listed = 0;
      for (let after: string | null = ""; after !== null;) {
        const { rows, next }: Rows<unknown> = await ask(
          `tasks?limit=${LIMIT}&filter=state%3DFINISHED${after && `&after=${after}`}`,
        );
        listed += rows.length;
        after = next;
      }
      const { recorded } = await ask<ProfileDto>(`profile?job=${cluster.jobId}`);
      const out = (recorded.sampledOut + recorded.evicted + recorded.lost).toLocaleString("en-US");
      return {
        rows: listed,
        others: `says that ${out} rows are left out (2,500 a second are kept, and all that fail)`,
      };
    },
    watch: async (context) => void await openTabs({ cluster, context, base }),
    watching: "streams Graph (3 tabs) or Timeline (2)",
    stop: cluster.stop,
  };
}

/** @throws {Error} when Ray, or its dashboard, cannot be had here: why. */
export async function raySide(): Promise<Side> {
  const python = await rayPython("dashboard");
  const program = fileURLToPath(new URL("../peers/ray_peer.py", import.meta.url));
  const peer = await Peer.start({ name: "Ray", command: python, args: [program, "--dashboard"] });
  const { url, jobId, version } = peer.facts as { url: string; jobId: string; version: string };
  const ofJob = `filter_keys=job_id&filter_predicates=%3D&filter_values=${jobId}`;
  const jobPage = `http://${url}/#/jobs/${jobId}`;
  // Its first result.
  let finished = 1;
  const countShown = (page: Page): Promise<number> =>
    countIn(page, "p, span, div", /Finished: ([1-9][\d,]*)/);
  const openTable = async (page: Page): Promise<void> => {
    await page.getByText("Task Table").click();
    await page.locator("tbody tr", { hasText: "small_value" }).first().waitFor();
  };
  return {
    version,
    run: async (count) => {
      for (let done = 0; done < count; done += RUN_TASKS) {
        await peer.slice(WORKLOAD, 0);
        finished += RUN_TASKS;
      }
    },
    finished: () => finished,
    fresh: (browser) => browser.newContext({ viewport: { width: 1440, height: 900 } }),
    jobPage,
    countShown,
    openTable,
    listed: async () => {
      const answer = await fetch(`http://${url}/api/v0/tasks?limit=${LIMIT}&${ofJob}`);
      const { data, msg } = await answer.json() as RayAnswer;
      if (data === null) throw new Error(msg);
      const { total, result } = data.result;
      const rows = result.filter(({ state }) => state === "FINISHED").length;
      return { rows, others: `says that it keeps ${total.toLocaleString("en-US")}` };
    },
    watch: async (context) => {
      for (let tab = 0; tab < TABS; tab++) {
        const page = await context.newPage();
        await page.goto(jobPage);
        // What has not come yet comes while the tasks run.
        await page.getByText("Task Table").click();
      }
    },
    watching: "asks for the job's progress and its table of tasks again and again, as Ray's page does",
    stop: () => peer.stop(),
  };
}

interface Rows<T> {
  readonly rows: readonly T[];
  readonly next: string | null;
}

interface RayAnswer {
  readonly msg: string;
  readonly data: {
    readonly result: { readonly total: number; readonly result: { readonly state: string }[] };
  } | null;
}

/** Waits until the element says a count; the count. */
async function countIn(page: Page, selector: string, pattern: RegExp): Promise<number> {
  const element = page.locator(selector).filter({ hasText: pattern }).last();
  await element.waitFor();
  return Number(pattern.exec(await element.innerText())![1]!.replaceAll(",", ""));
}
