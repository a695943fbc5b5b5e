/**
 * One session, all the ways in which people ask for numbers: what three programs counted themselves is what the library, HTTP,
 * the pages' questions, SQL, history, metrics and the command line say, or they say how many rows they do not have.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { init, listTasks, shutdown, summarize } from "mobula";
import { currentDriver } from "../../runtime/api/init.ts";
import type { ErrorsDto } from "../../dashboard/api/errors.ts";
import type { HistoryDto } from "../../dashboard/api/history.ts";
import type { SqlResult } from "../../dashboard/api/sql.ts";
import type { ProfileDto } from "../../dashboard/api/tasks.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { readMetrics } from "../support/metrics_text.ts";
import { endProcess } from "../support/processes.ts";
import { StartedProgram } from "../support/started_program.ts";
import { waitFor } from "../support/wait_for.ts";

/** Short tasks of each of two functions; enough that rows are sampled. */
const EACH = 1_200;

const leftovers = watchLeftovers();
beforeAll(async () => {
  await init({ numCpus: 2, objectStoreBytes: 16 << 20 });
});
afterAll(async () => {
  await shutdown();
  await leftovers.check();
});

async function text(path: string, body?: unknown): Promise<string> {
  const { head, token } = currentDriver()!.local!;
  const response = await fetch(new URL(path, head.ready.dashboardUrl!), {
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
  });
  expect(`${path} ${response.status}`).toBe(`${path} 200`);
  return await response.text();
}

async function ask<T>(question: string, body?: unknown): Promise<T> {
  return JSON.parse(await text(`/api/v1/${question}`, body)) as T;
}

interface Counted {
  readonly jobId: string;
  readonly finished: number;
  readonly failed: number;
  readonly open: number;
}

/** Runs it to its end. */
async function counted(how: "shutdown" | "exit" | "kill"): Promise<Counted> {
  const { address, token } = currentDriver()!.local!;
  const program = new StartedProgram("bun", join(import.meta.dirname, "programs/counting.ts"), {
    args: [how, String(EACH)],
    env: { MOBULA_ADDRESS: address, MOBULA_TOKEN: token },
    stdin: "pipe",
  });
  const told = JSON.parse(await program.line()) as Counted;
  // What it did last is told within an interval, or never, when it is killed.
  await waitFor("all of it is told, with rows of what is under way", async () => {
    const { totals } = await ask<ProfileDto>(`profile?job=${told.jobId}`);
    const open = await listTasks({ filters: [`jobId=${told.jobId}`, "state!=FINISHED", "state!=FAILED"] });
    return totals.finished === told.finished && open.total === told.open;
  });
  if (how === "kill") await endProcess(program.child.pid!);
  else program.child.stdin!.end();
  await program.ended;
  return told;
}

test("what programs counted is what everybody is told, however they ended", async () => {
  const jobs = await Promise.all((["shutdown", "exit", "kill"] as const).map(counted));
  for (const { jobId, finished, failed, open } of jobs) await isTold(jobId, finished, failed + open);
  await isTold(null, sumOf(jobs, "finished"), sumOf(jobs, "failed") + sumOf(jobs, "open"));
  const { samples } = readMetrics(await text("/metrics"));
  const tasks = (state: string) =>
    samples.filter(({ name, labels }) => name === "mobula_tasks" && labels["state"] === state)
      .reduce((sum, { value }) => sum + value, 0);
  expect([tasks("FINISHED"), tasks("FAILED")]).toEqual([
    sumOf(jobs, "finished"),
    sumOf(jobs, "failed") + sumOf(jobs, "open"),
  ]);
  expect(tasks("RUNNING") + tasks("PENDING_ARGS_AVAIL") + tasks("PENDING_NODE_ASSIGNMENT")).toBe(0);
}, 30_000);

function sumOf(jobs: readonly Counted[], field: "finished" | "failed" | "open"): number {
  return jobs.reduce((sum, job) => sum + job[field], 0);
}

/** `jobId` null: of all jobs. */
async function isTold(jobId: string | null, finished: number, failed: number): Promise<void> {
  const ofJob = jobId === null ? "" : `?job=${jobId}`;
  const profile = await waitFor("nothing is open", async () => {
    const now = await ask<ProfileDto>(`profile${ofJob}`);
    return now.totals.finished + now.totals.failed === finished + failed ? now : null;
  });
  expect(profile.totals).toEqual({
    pendingArgs: 0,
    pendingNode: 0,
    submitted: 0,
    running: 0,
    finished,
    failed,
  });
  const { attempts, sampledOut, evicted, lost } = profile.recorded;
  expect([attempts + sampledOut, evicted, lost]).toEqual([finished + failed, 0, 0]);
  expect(sampledOut).toBeGreaterThan(0);
  const rowsFinished = attempts - failed;
  const own = jobId === null ? [] : [`jobId=${jobId}`];
  const totalOf = async (...filters: string[]) =>
    (await listTasks({ filters: [...own, ...filters], limit: 1 })).total;
  expect([await totalOf("state=FAILED"), await totalOf("state=FINISHED"), await totalOf()])
    .toEqual([failed, rowsFinished, attempts]);
  expect(
    (await summarize("tasks", { by: ["state"], filters: own })).map((row) => [row["state"], row["count"]])
      .sort(),
  )
    .toEqual([["FAILED", failed], ["FINISHED", finished]]);
  const errors = await ask<ErrorsDto>(`errors${ofJob}`);
  expect([errors.attempts, errors.attemptsTotal]).toEqual([failed, failed]);
  expect(errors.groups.reduce((sum, { count }) => sum + count, 0)).toBe(failed);
  const statement = `SELECT state, count(*) FROM tasks ${
    jobId === null ? "" : `WHERE job_id = '${jobId}'`
  } GROUP BY state ORDER BY state`;
  await waitFor("the store has them", async () => {
    const { rows } = await ask<SqlResult>("sql", { sql: statement });
    return JSON.stringify(rows) === JSON.stringify([["FAILED", failed], ["FINISHED", rowsFinished]]);
  });
  if (jobId === null) return;
  const kept = await waitFor("its record is made", async () => {
    const { rows } = await ask<HistoryDto>("history");
    return rows.find((row) => row.jobId === jobId && row.endedMs !== null) ?? null;
  });
  expect([kept.finished, kept.failed, kept.unfinished]).toEqual([finished, failed, 0]);
}
