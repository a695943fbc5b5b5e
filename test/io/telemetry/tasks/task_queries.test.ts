/**
 * What is told of jobs against plain sums over the same rows: profile, graph, timeline tiles and bars, sums, exports, the
 * record. Random jobs, their seed printed.
 */
import { describe, expect, test } from "bun:test";
import { Prng } from "../../../../runtime/common/prng.ts";
import type { TaskRow } from "../../../../runtime/common/task_event.ts";
import { LocalTelemetry } from "../../../../runtime/io/telemetry/telemetry_port.ts";
import { TILE_BINS, type TraceEvent } from "../../../../dashboard/api/timeline.ts";
import type { JobDto } from "../../../../dashboard/api_types.ts";
import * as events from "../../../dashboard/cluster_events.ts";

const ORIGIN = 1_700_000_000_000;
const NAMES = ["load", "parse", "train", "merge"];

const JOB: JobDto = {
  jobId: "j-1",
  state: "SUCCEEDED",
  message: "",
  entrypoint: "app.ts",
  namespace: "default",
  nodeId: "n-1",
  driverId: "d-p",
  pid: 1,
  runtime: "bun",
  startedMs: ORIGIN,
  endedMs: ORIGIN + 60_000,
};

/** Tasks of a job, lane after lane one at a time; each takes up to two results of earlier ones. */
function randomJob(random: Prng, count: number): TaskRow[] {
  const freeMs = [ORIGIN, ORIGIN, ORIGIN];
  return Array.from({ length: count }, (_, i) => {
    const lane = random.below(3);
    const startMs = freeMs[lane]! + random.below(64) / 8;
    const endMs = startMs + random.below(200) / 8;
    freeMs[lane] = endMs;
    const args = Array.from(
      { length: Math.min(i, random.below(3)) },
      () => random.below(4) === 0 ? `o-p-p${random.below(9)}` : `o-p-${random.below(i).toString(36)}.0`,
    );
    const isFailed = random.below(10) === 0;
    return events.taskRow(`t-p-${i.toString(36)}`, {
      attempt: 0,
      name: NAMES[random.below(NAMES.length)]!,
      state: isFailed ? "FAILED" : "FINISHED",
      workerId: `w-${lane}` as TaskRow["workerId"],
      parentTaskId:
        (i > 0 && random.below(3) === 0 ? `t-p-${random.below(i).toString(36)}` : null) as TaskRow[
          "parentTaskId"
        ],
      submittedMs: ORIGIN,
      pushedMs: startMs,
      startMs,
      endMs,
      args: args as unknown as TaskRow["args"],
      resultBytes: 100,
      error: isFailed ? { type: "RangeError", message: `bad value ${i}` } : null,
    });
  });
}

/** In batches, so that what is kept between questions is used; `look` after each. */
function tell(telemetry: LocalTelemetry, rows: readonly TaskRow[], look: () => void = () => {}): void {
  for (let at = 0, sequence = 1; at < rows.length; at += 50, sequence++) {
    telemetry.take([events.taskBatch("d-p", sequence, { rows: rows.slice(at, at + 50) })], false);
    look();
  }
}

function begin(count: number, attemptsMax?: number) {
  const seed = Math.floor(Math.random() * 2 ** 31);
  console.log(`seed ${seed}`);
  const telemetry = new LocalTelemetry(attemptsMax, () => ORIGIN + 100_000_000);
  telemetry.job(JOB);
  return { telemetry, rows: randomJob(new Prng(seed), count) };
}

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(Buffer.from(base64, "base64"));
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((all, item) => all + of(item), 0);
}

describe("the timeline", () => {
  for (const attemptsMax of [undefined, 300]) {
    test(`has in its tiles the time that its tasks took, also of those that went (at most ${attemptsMax ?? "a million"})`, async () => {
      const { telemetry, rows } = begin(600, attemptsMax);
      const asked: Promise<unknown>[] = [];
      tell(telemetry, rows, () => {
        for (const z of [0, 2, 4]) {
          asked.push(telemetry.ask("timeline/tile", { job: "j-1", z, x: 0, lanes: "0-2" }));
        }
      });
      await Promise.all(asked);
      const { lanes, originMs, functions } = await telemetry.ask("timeline/lanes", { job: "j-1" });
      expect(originMs).toBe(ORIGIN);
      const laneOf = new Map(lanes.map(({ workerId, lane }) => [workerId as string, lane]));
      for (const z of [0, 2, 4]) {
        // What is asked for the first time knows only what is kept.
        for (const x of attemptsMax === undefined ? [0, 1] : [0]) {
          const tile = await telemetry.ask("timeline/tile", { job: "j-1", z, x, lanes: "0-2" });
          const busy = bytesOf(tile.busy), names = bytesOf(tile.functions);
          const fromMs = ORIGIN + x * TILE_BINS * 2 ** z;
          const expected = new Float64Array(3 * TILE_BINS);
          const byName = Array.from(expected, () => new Map<string, number>());
          for (const row of rows) {
            for (let bin = 0; bin < TILE_BINS; bin++) {
              const a = fromMs + bin * 2 ** z, b = a + 2 ** z;
              const part = (Math.min(b, row.endMs!) - Math.max(a, row.startMs!)) / 2 ** z;
              if (part <= 0) continue;
              const cell = laneOf.get(row.workerId!)! * TILE_BINS + bin;
              expected[cell]! += part;
              byName[cell]!.set(row.name, (byName[cell]!.get(row.name) ?? 0) + part);
            }
          }
          for (let cell = 0; cell < expected.length; cell++) {
            // Tasks of no time are seen too, with the least that can be.
            expect(Math.abs(busy[cell]! / 255 - expected[cell]!)).toBeLessThan(0.06);
            // The one that had more than half of the busy time has the cell.
            const [most] = [...byName[cell]!].sort((p, q) => q[1] - p[1]);
            if (most !== undefined && most[1] > 0.6 * expected[cell]! && expected[cell]! > 0.2) {
              expect(functions[names[cell]! - 1]).toBe(most[0]);
            }
          }
        }
      }
    });
  }

  test("has single bars with their phases, what is at a point, and sums of a range", async () => {
    const { telemetry, rows } = begin(400);
    tell(telemetry, rows);
    const { fromMs, toMs, lanes } = await telemetry.ask("timeline/lanes", { job: "j-1" });
    expect([fromMs, lanes.length]).toEqual([ORIGIN, 3]);
    const { bars } = await telemetry.ask("timeline/bars", { job: "j-1", from: fromMs, to: toMs });
    expect(bars!.map((bar) => bar.taskId).sort()).toEqual(rows.map((row) => row.taskId).sort());
    for (const bar of bars!) {
      const row = rows.find(({ taskId }) => taskId === bar.taskId)!;
      expect([bar.startMs, bar.endMs, bar.pushedMs, bar.state]).toEqual([
        row.startMs,
        row.endMs,
        row.pushedMs,
        row.state,
      ]);
    }
    const one = rows.find((row) => row.endMs! - row.startMs! > 5)!;
    const lane = lanes.find(({ workerId }) => workerId === one.workerId)!.lane;
    const { bar } = await telemetry.ask("timeline/at", {
      job: "j-1",
      lane,
      atMs: (one.startMs! + one.endMs!) / 2,
    });
    expect(bar).toMatchObject({ taskId: one.taskId, name: one.name, workerId: one.workerId });
    const range = await telemetry.ask("timeline/range", { job: "j-1", from: fromMs, to: toMs });
    expect(range.count).toBe(rows.length);
    expect(range.runMs).toBeCloseTo(sum(rows, (row) => row.endMs! - row.startMs!), 2);
    const load = rows.filter(({ name }) => name === "load");
    expect(range.functions.find(({ name }) => name === "load")).toMatchObject({
      count: load.length,
      failed: load.filter(({ state }) => state === "FAILED").length,
    });
  });

  test("says how many bars are too many, and shows what runs up to now", async () => {
    const telemetry = new LocalTelemetry(undefined, () => ORIGIN + 512);
    const rows = Array.from(
      { length: 6_000 },
      (_, i) =>
        events.taskRow(`t-p-${i.toString(36)}`, {
          submittedMs: ORIGIN,
          pushedMs: ORIGIN,
          startMs: ORIGIN + 10,
          endMs: ORIGIN + 20,
        }),
    );
    const running = events.taskRow("t-q-1", {
      state: "RUNNING",
      workerId: "w-2" as never,
      submittedMs: ORIGIN,
      startMs: ORIGIN + 256,
      endMs: null,
    });
    telemetry.take([events.taskBatch("d-p", 1, { rows: [...rows, running] })], false);
    expect(await telemetry.ask("timeline/bars", { job: "j-1", from: ORIGIN, to: ORIGIN + 400 })).toEqual({
      tooMany: 6_001,
    });
    const tile = await telemetry.ask("timeline/tile", { job: "j-1", z: 0, x: 0, lanes: "1" });
    const busy = bytesOf(tile.busy);
    expect([busy[255], busy[256], busy[511]]).toEqual([0, 255, 255]);
    expect(tile.final).toBe(false);
  });

  test("gives calls that overlap in an actor's worker places side by side", async () => {
    const telemetry = new LocalTelemetry(undefined, () => ORIGIN + 1_000);
    const call = (i: number, startMs: number, endMs: number | null) =>
      events.taskRow(`t-p-${i}`, {
        type: "ACTOR_TASK",
        actorId: "a-1" as never,
        state: endMs === null ? "RUNNING" : "FINISHED",
        submittedMs: ORIGIN,
        pushedMs: ORIGIN,
        startMs: ORIGIN + startMs,
        endMs: endMs === null ? null : ORIGIN + endMs,
      });
    telemetry.take([events.taskBatch("d-p", 1, { rows: [call(1, 0, null), call(2, 5, 9)] })], false);
    telemetry.take(
      [events.taskBatch("d-p", 2, { rows: [call(1, 0, 20), call(3, 10, 12), call(4, 21, 22)] })],
      false,
    );
    const { bars } = await telemetry.ask("timeline/bars", { job: "j-1" });
    expect(bars!.map(({ taskId, lane }) => [taskId, lane])).toEqual([
      ["t-p-1", 0],
      ["t-p-4", 0],
      ["t-p-2", 1],
      ["t-p-3", 1],
    ]);
  });

  test("keeps calls that ran one after the other in one lane, in whatever order their callers tell of them", async () => {
    const telemetry = new LocalTelemetry(undefined, () => ORIGIN + 10_000);
    const call = (i: number): TaskRow =>
      events.taskRow(`t-p-${i}`, {
        type: i === 0 ? "ACTOR_CREATION_TASK" : "ACTOR_TASK",
        actorId: "a-1" as never,
        submittedMs: ORIGIN,
        pushedMs: ORIGIN,
        startMs: ORIGIN + 10 * i,
        endMs: ORIGIN + 10 * i + 10,
      });
    const rows = Array.from({ length: 60 }, (_, i) => call(i));
    const of = (caller: number): TaskRow[] => rows.filter((_, i) => i > 0 && i % 3 === caller);
    // One caller's calls, then those that ran between them; the constructor's agent is the last to speak.
    telemetry.take([events.taskBatch("d-p", 1, { rows: of(1) })], false);
    telemetry.take([events.taskBatch("w-q", 1, { rows: of(0) })], false);
    telemetry.take([events.taskBatch("w-r", 1, { rows: of(2) })], false);
    telemetry.take([events.taskBatch("n-1", 1, { rows: [rows[0]!] })], false);
    // It overlaps: no room in that lane.
    const beside = { ...call(30), taskId: "t-p-beside" as never, startMs: ORIGIN + 305, endMs: ORIGIN + 308 };
    telemetry.take([events.taskBatch("d-p", 2, { rows: [beside] })], false);
    const { bars } = await telemetry.ask("timeline/bars", { job: "j-1" });
    expect(bars!.filter(({ lane }) => lane !== 0).map(({ taskId }) => taskId as string)).toEqual([
      "t-p-beside",
    ]);
    expect(bars!.length).toBe(61);
  });
});

describe("the graph", () => {
  test("shows a task's neighbourhood and the longest chain as plain walks find them", async () => {
    const { telemetry, rows } = begin(300);
    tell(telemetry, rows);
    const byId = new Map(rows.map((row) => [row.taskId as string, row]));
    const producers = (row: TaskRow) =>
      row.args.filter((id) => id.includes(".")).map((id) => byId.get(`t${id.slice(1, id.indexOf("."))}`)!);
    const centre = rows[150]!;
    const around = await telemetry.ask("graph/task", { id: centre.taskId, hops: 1 });
    const expected = new Set([
      centre,
      ...producers(centre),
      ...rows.filter((row) => producers(row).includes(centre)),
    ]);
    expect(around.tasks.map(({ taskId }) => taskId).sort()).toEqual(
      [...expected].map(({ taskId }) => taskId).sort(),
    );
    expect(around.total).toBe(expected.size);

    const longest = new Map<TaskRow, number>();
    for (const row of rows) {
      longest.set(
        row,
        row.endMs! - row.startMs! + Math.max(0, ...producers(row).map((by) => longest.get(by)!)),
      );
    }
    const critical = await telemetry.ask("graph/critical", { job: "j-1" });
    expect(critical.runMs).toBeCloseTo(Math.max(...longest.values()), 2);
    expect(sum(critical.tasks, ({ runMs }) => runMs)).toBeCloseTo(critical.runMs, 2);
    for (const [i, task] of critical.tasks.entries()) {
      if (i > 0) {
        expect(producers(byId.get(task.taskId)!).map(({ taskId }) => taskId)).toContain(
          critical.tasks[i - 1]!.taskId as never,
        );
      }
    }
  });

  test("counts exactly by group, though few rows came, and samples a group's tasks, failed ones first", async () => {
    const { telemetry, rows } = begin(600);
    tell(telemetry, rows);
    telemetry.take([events.taskBatch("d-p", 100, {
      counts: [events.counts("load", { finished: 900_000, failed: 7, running: 2, runMs: 5_000 })],
      edges: [{ from: "put", to: "load", count: 3, bytes: 300 }, {
        from: "load",
        to: "load",
        count: 5,
        bytes: 50,
      }],
      rowsDropped: 899_000,
    })], false);
    const graph = await telemetry.ask("graph", { job: "j-1" });
    expect(graph.groups.find(({ name }) => name === "load")).toMatchObject({
      finished: 900_000,
      failed: 7,
      running: 2,
      runMs: 5_000,
      type: "task",
    });
    expect(graph.edges).toEqual([
      { from: "p:put", to: "t:load", count: 3, bytes: 300 },
      { from: "t:load", to: "t:load", count: 5, bytes: 50 },
    ]);
    const load = rows.filter(({ name }) => name === "load");
    const group = await telemetry.ask("graph/group", { job: "j-1", group: "t:load", limit: 40 });
    expect([group.shown, group.total]).toEqual([40, load.length]);
    const failed = Math.min(10, load.filter(({ state }) => state === "FAILED").length);
    expect(group.tasks.slice(0, failed).every(({ state }) => state === "FAILED")).toBe(true);
    const profile = await telemetry.ask("profile", { job: "j-1" });
    expect(profile.totals).toMatchObject({ finished: 900_000, failed: 7, running: 2 });
    expect(profile.recorded).toEqual({ attempts: 600, sampledOut: 899_000, evicted: 0, lost: 0 });
    const [row] = profile.functions;
    const durations = load.map(({ startMs, endMs }) => endMs! - startMs!).sort((a, b) => a - b);
    expect(row!.run).toMatchObject({ count: load.length, min: durations[0], max: durations.at(-1) });
    const middle = durations[Math.floor((load.length - 1) / 2)]!;
    expect(Math.abs(row!.run!.p50 - middle)).toBeLessThanOrEqual(0.03 * middle + 0.13);
    const calls = profile.calls.filter(({ parent }) => parent === "t:train");
    expect(sum(calls, ({ count }) => count)).toBe(
      rows.filter((one) =>
        one.parentTaskId !== null && rows.find(({ taskId }) => taskId === one.parentTaskId)!.name === "train"
      ).length,
    );
    const summary = await telemetry.ask("summary/tasks", { by: ["name", "state"] });
    expect(summary.rows.find((one) => one["name"] === "load" && one["state"] === "FINISHED")).toMatchObject({
      count: 900_000,
    });
    expect(summary.dropped).toBe(899_000);
  });

  test("puts failures that look alike into one group", async () => {
    const { telemetry, rows } = begin(500);
    tell(telemetry, rows);
    const { errors, errorsTotal } = await telemetry.ask("profile", { job: "j-1" });
    const failed = rows.filter(({ state }) => state === "FAILED");
    expect(errorsTotal).toBe(new Set(failed.map(({ name }) => name)).size);
    for (const { functionName, count, errorType } of errors) {
      expect([count, errorType]).toEqual([
        failed.filter(({ name }) => name === functionName).length,
        "RangeError",
      ]);
    }
  });
});

describe("an export", () => {
  test("is whole over its pages: every attempt a slice, none over another in its thread, arrows with both ends", async () => {
    const { telemetry, rows } = begin(4_500);
    tell(telemetry, rows);
    const all: TraceEvent[] = [];
    let pages = 0;
    for (let after: string | null = "";; pages++) {
      const page: { traceEvents: readonly TraceEvent[]; next: string | null } = await telemetry.ask(
        "timeline/export",
        { job: "j-1", ...(after === "" ? {} : { after }) },
      );
      all.push(...page.traceEvents);
      if (page.next === null) break;
      after = page.next;
    }
    expect(pages).toBeGreaterThan(0);
    const slices = all.filter(({ ph }) => ph === "X");
    expect(slices.map(({ args }) => args!["taskId"] as string).sort()).toEqual(
      rows.map(({ taskId }) => taskId as string).sort(),
    );
    const ends = new Map<number, number>();
    for (const { tid, ts, dur } of slices) {
      expect(ts!).toBeGreaterThanOrEqual((ends.get(tid) ?? -1) - 0.001);
      ends.set(tid, ts! + dur!);
    }
    const starts = new Set(all.filter(({ ph }) => ph === "s").map(({ id }) => id));
    const finishes = new Set(all.filter(({ ph }) => ph === "f").map(({ id }) => id));
    expect(starts).toEqual(finishes);
    expect(starts.size).toBe(sum(rows, ({ args }) => args.filter((id) => id.includes(".")).length));
    expect(all.filter(({ ph }) => ph === "b").length).toBe(all.filter(({ ph }) => ph === "e").length);
  });
});

test("the record of a job holds what its pages show, in a bounded size", async () => {
  const { telemetry, rows } = begin(5_000);
  tell(telemetry, rows);
  const record = await telemetry.ask("record", { job: "j-1" });
  expect(record.job).toEqual(JOB);
  expect(record.profile.recorded.attempts).toBe(5_000);
  expect(record.timeline.tiles.length).toBeGreaterThan(10);
  expect(record.timeline.barsTotal).toBe(5_000);
  expect(record.tasks.filter(({ state }) => state === "FAILED").length).toBe(200);
  expect(JSON.stringify(record).length).toBeLessThan(2_000_000);
});

test("questions that make no sense are refused with a sentence", async () => {
  const { telemetry } = begin(0);
  const refusal = async (name: string, params: Record<string, string | number> = {}) =>
    await telemetry.ask(name as "profile", params).then(
      () => "",
      (error) => `${error.name}: ${error.message}`,
    );
  expect(await refusal("nonsense")).toStartWith('RangeError: there is no query "nonsense"; there are tasks');
  expect(await refusal("constructor")).toStartWith("RangeError: there is no query");
  expect(await refusal("profile", { job: "j-none" })).toBe('RangeError: there is no job "j-none" in memory');
  expect(await refusal("profile", { jub: "j-1" })).toContain('profile has no parameter "jub": it takes job');
  expect(await refusal("timeline/tile", { job: "j-1" })).toContain("timeline/tile needs z");
  expect(await refusal("timeline/tile", { job: "j-1", z: 99, x: 0 })).toContain("from -10 to 30, not 99");
  expect(await refusal("timeline/tile", { job: "j-1", z: 0, x: 0, lanes: "0-500" })).toContain("at most 128");
  expect(await refusal("timeline/bars", { job: "j-1", lanes: "b-a" })).toContain("like 0-15");
  expect(await refusal("graph/task", { id: "t-p-1" })).toContain("no attempt of");
  expect(await refusal("graph/group", { job: "j-1", group: "x" })).toContain("no group");
  expect(await refusal("timeline/export", { after: "e9.0" })).toContain("no export under way");
});

test("a process whose first words come after the news of its death has left nothing open in its job", async () => {
  const telemetry = new LocalTelemetry(100, () => ORIGIN + 1_000);
  telemetry.died("d-late");
  const counts = [events.counts("load", { running: 2, pendingNode: 3, finished: 4 })];
  telemetry.take([events.taskBatch("d-late", 1, { counts })], false);
  const { totals } = await telemetry.ask("profile", { job: "j-1" });
  expect(totals).toMatchObject({ running: 0, pendingNode: 0, finished: 4, failed: 5 });
});

test("what a submitter left open without having told is counted as not recorded", async () => {
  const telemetry = new LocalTelemetry(100, () => ORIGIN + 1_000);
  const counts = [events.counts("load", { running: 2, pendingNode: 3 })];
  const rows = [events.taskRow("t-p-1", { name: "load", state: "RUNNING", endMs: null })];
  telemetry.take([events.taskBatch("d-p", 1, { counts, rows, rowsDropped: 7 })], false);
  telemetry.died("d-p");
  const { totals, recorded } = await telemetry.ask("profile", { job: "j-1" });
  expect(totals.failed).toBe(5);
  expect(recorded).toEqual({ attempts: 1, sampledOut: 7 + 4, evicted: 0, lost: 0 });
  // Its last words come after the news of its death: one had ended, the others are the same ones.
  const last = [events.counts("load", { running: 1, pendingNode: 3, finished: 1 })];
  telemetry.take([events.taskBatch("d-p", 2, { counts: last, rowsDropped: 7 })], false);
  const again = await telemetry.ask("profile", { job: "j-1" });
  expect(again.totals).toMatchObject({ running: 0, pendingNode: 0, finished: 1, failed: 4 });
  expect(again.recorded).toEqual({ attempts: 1, sampledOut: 7 + 3, evicted: 0, lost: 0 });
});

test("what failed because another task had is counted with it, in whatever order they come, also after a restart", async () => {
  const first = {
    taskId: "t-p-1",
    name: "load",
    type: "TaskError(RangeError)",
    message: "task load failed: bad 7",
  };
  const failed = (taskId: string, name: string, error: Partial<TaskRow["error"]>): TaskRow =>
    events.taskRow(taskId, {
      name,
      state: "FAILED",
      attempt: 0,
      error: { type: first.type, message: first.message, ...error },
    });
  const own = failed("t-p-1", "load", { stack: "at load (app.ts:3:9)" });
  const others = [
    failed("t-p-2", "parse", { root: first }),
    failed("t-p-3", "all", { message: "task all failed: task load failed: bad 7", root: first }),
    failed("t-p-4", "load", { message: "task load failed: bad 8", stack: "at load (app.ts:3:9)" }),
  ];
  const answers = [[own, ...others], [...others, own], others.concat(own).reverse()].map(async (rows) => {
    const { telemetry } = begin(0);
    tell(telemetry, rows);
    const again = new LocalTelemetry(undefined, () => ORIGIN);
    const reported = rows.map(({ taskId }) => telemetry.ask("task/reported", { id: taskId }));
    tell(again, (await Promise.all(reported)).map((answer) => answer.rows[0]!.row));
    return [telemetry, again];
  });
  for (const telemetry of (await Promise.all(answers)).flat()) {
    const { errors, errorsTotal } = await telemetry.ask("profile", { job: "j-1" });
    expect([errorsTotal, errors.length]).toEqual([1, 1]);
    expect(errors[0]).toMatchObject({
      ...{
        functionName: "load",
        errorType: first.type,
        count: 2,
        dependants: 2,
        stack: "at load (app.ts:3:9)",
      },
    });
    expect(errors[0]!.taskIds.toSorted()).toEqual(["t-p-1", "t-p-4"]);
  }
});
