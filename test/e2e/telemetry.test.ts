/**
 * The telemetry process of a real cluster: it dies by SIGKILL while tasks run, the head goes on and starts it again, and what
 * people are told is complete again. And what a program did is what profile, graph, timeline and trace file say.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { get, init, kill, listTasks, put, remote, shutdown, summarize, timeline } from "mobula";
import { currentDriver } from "../../runtime/api/init.ts";
import { requireCoreWorker } from "../../runtime/io/core_worker/current.ts";
import type { TelemetryAnswers } from "../../dashboard/api/tasks.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { childOf, endProcess } from "../support/processes.ts";
import { waitFor } from "../support/wait_for.ts";

const leftovers = watchLeftovers();
beforeAll(async () => {
  await init({ numCpus: 2, objectStoreBytes: 16 << 20 });
});
afterAll(async () => {
  await shutdown();
  await leftovers.check();
});

const double = remote((x: number) => 2 * x, { name: "double" });
/** How long a sum takes: more than any other task, so that the longest chain ends with it. */
const SUM_MS = 150;
const sum = remote(async (...xs: number[]) => {
  await new Promise((resolve) => setTimeout(resolve, SUM_MS));
  return xs.reduce((all, x) => all + x, 0);
}, { name: "sum" });
const refuse = remote((x: number) => {
  throw new RangeError(`no ${x}`);
}, { name: "refuse", maxRetries: 0 });

async function ask<Q extends keyof TelemetryAnswers>(
  name: Q,
  params: Record<string, string> = {},
): Promise<TelemetryAnswers[Q]> {
  const response = await fetch(urlOf(`${name}?${new URLSearchParams(params)}`), { headers: headers() });
  expect(response.status).toBe(200);
  return await response.json() as TelemetryAnswers[Q];
}

const urlOf = (question: string) =>
  new URL(`/api/v1/${question}`, currentDriver()!.local!.head.ready.dashboardUrl!);
const headers = () => ({ authorization: `Bearer ${currentDriver()!.local!.token}` });
const jobId = () => requireCoreWorker().identity.jobId as string;
const exact = async (name: string) =>
  (await ask("profile", { job: jobId() })).functions.find((row) => row.name === name);

test("what a program did is what profile, graph, timeline and trace say", async () => {
  const refs = Array.from({ length: 20 }, (_, i) => double.remote(i));
  const put1 = await put(1);
  const total = sum.remote(...refs, put1);
  expect(await get(total)).toBe(2 * 190 + 1);
  await get(refuse.remote(1)).catch(() => undefined);
  await waitFor(
    "its rows have come",
    async () => (await listTasks()).total === 22 && (await exact("refuse"))?.failed === 1,
  );
  const job = jobId();
  expect(await exact("double")).toMatchObject({ finished: 20, failed: 0, running: 0, run: { count: 20 } });
  const { errors, recorded } = await ask("profile", { job });
  expect(errors).toMatchObject([{ functionName: "refuse", errorType: "TaskError(RangeError)", count: 1 }]);
  expect(recorded).toEqual({ attempts: 22, sampledOut: 0, evicted: 0, lost: 0 });
  const { edges } = await ask("graph", { job });
  expect(edges.find(({ from }) => from === "t:double")).toMatchObject({ to: "t:sum", count: 20 });
  const { groups } = await ask("graph", { job });
  expect(groups.find(({ id }) => id === "t:sum")).toMatchObject({ finished: 1, type: "task" });
  const [summed] = await listTasks({ filters: ["name=sum"], detail: true });
  expect((summed!["args"] as string[]).length).toBe(21);
  const around = await ask("graph/task", { id: summed!["taskId"] as string, hops: "1" });
  expect(around.tasks.length).toBe(21);
  expect((await ask("graph/critical", { job })).tasks.map(({ name }) => name)).toEqual(["double", "sum"]);
  const { lanes, bars } = await ask("timeline/lanes", { job });
  expect(bars).toBe(22);
  expect(lanes.every(({ workerId, nodeId }) => workerId !== null && nodeId !== null)).toBe(true);
  const events = await timeline();
  expect(events.filter(({ ph, name }) => ph === "X" && name === "double").length).toBe(20);
  expect(events.filter(({ ph }) => ph === "f").length).toBe(20);
  const record = await ask("profile", { job });
  expect(record.job).toMatchObject({ jobId: job, state: "RUNNING" });
});

test("kill -9 of the telemetry process loses no task and no count, and it is back while tasks run", async () => {
  const head = currentDriver()!.local!.head.process.pid!;
  const before = await exact("double");
  const first = childOf(head, "telemetry_process");
  let ran = 0;
  let isOver = false;
  const load = (async () => {
    for (; !isOver; ran += 50) await get(Array.from({ length: 50 }, (_, i) => double.remote(i)));
  })();
  await waitFor("tasks run", () => ran >= 100);
  await endProcess(first);
  const second = await waitFor("another one runs", () => {
    try {
      return childOf(head, "telemetry_process");
    } catch {
      return null;
    }
  });
  expect(second).not.toBe(first);
  // It answers, and goes on.
  const again = (await exact("double"))!.finished;
  await waitFor("counts grow", async () => (await exact("double"))!.finished > again);
  isOver = true;
  await load;
  await waitFor("counts are exact", async () => (await exact("double"))!.finished === before!.finished + ran);
  const { rows } = await ask("summary/tasks", { by: "name,state" });
  expect(rows.find((row) => row["name"] === "double" && row["state"] === "FINISHED")!["count"]).toBe(
    before!.finished + ran,
  );
  const { markers } = await ask("timeline/lanes");
  expect(markers.map(({ kind }) => kind)).toContain("telemetryRestarted");
  expect((await summarize("tasks", { by: ["state"] })).find((row) => row["state"] === "FAILED")!["count"])
    .toBe(1);
});

test("the trace file over HTTP is one JSON text that Perfetto reads", async () => {
  const response = await fetch(urlOf(`timeline/export?job=${jobId()}`), { headers: headers() });
  expect(response.headers.get("content-disposition")).toContain(`mobula-${jobId()}.trace.json`);
  const { traceEvents } = await response.json() as TelemetryAnswers["timeline/export"];
  const phases = new Set(traceEvents.map(({ ph }) => ph));
  for (const ph of ["M", "X", "b", "e"]) expect(phases.has(ph as "M")).toBe(true);
  for (const { ph, ts, dur, pid, tid } of traceEvents) {
    expect([typeof pid, typeof tid]).toEqual(["number", "number"]);
    if (ph !== "M") expect(ts).toBeGreaterThanOrEqual(0);
    if (ph === "X") expect(dur).toBeGreaterThanOrEqual(0);
  }
});

test("a call that waited behind another one began when that one ended, and shares its lane", async () => {
  const Napper = remote(
    class Napper {
      async nap(ms: number): Promise<void> {
        await new Promise((resolve) => setTimeout(resolve, ms));
      }
    },
    { name: "Napper" },
  );
  using napper = Napper.remote();
  const first = napper.nap.remote(500);
  const second = napper.nap.remote(60_000);
  await get(first);
  const runs = async (state: string) =>
    (await listTasks({ filters: ["name=Napper.nap", `state=${state}`] }))[0] as
      | { startMs: number; endMs: number }
      | undefined;
  const [ended, running] = await waitFor("both are told of", async () => {
    const both = [await runs("FINISHED"), await runs("RUNNING")];
    return both.includes(undefined) ? null : both;
  });
  expect(running!.startMs).toBeGreaterThanOrEqual(ended!.endMs - 0.01);
  const { bars } = await waitFor("both have bars", async () => {
    const answer = await ask("timeline/bars", { job: jobId() });
    return answer.bars!.filter(({ name }) => name === "Napper.nap").length === 2 ? answer : null;
  });
  const own = bars!.filter(({ name }) => name === "Napper.nap" || name === "new Napper");
  expect(new Set(own.map(({ lane }) => lane)).size).toBe(1);
  await kill(napper);
  expect(await get(second).catch((error: Error) => error.name)).toContain("ActorDied");
});
