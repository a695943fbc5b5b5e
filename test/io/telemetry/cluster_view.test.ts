/**
 * The picture for people: counts stay exact under duplicates, late batches and deaths; readers get differences; memory is
 * bounded and what is left out is counted.
 */
import { describe, expect, test } from "bun:test";
import type { NodeId, ObjectId, ProcessId } from "../../../runtime/common/ids.ts";
import { ClusterView } from "../../../runtime/io/telemetry/cluster_view.ts";
import { LocalTelemetry } from "../../../runtime/io/telemetry/telemetry_port.ts";
import type { WorkerReport } from "../../../runtime/protocol/messages.ts";
import * as events from "../../dashboard/cluster_events.ts";

/** A view and its clock, which the test moves. */
function newView(attemptsMax?: number) {
  const clock = { ms: 1_000_000 };
  const now = () => clock.ms;
  const view = new ClusterView({ now, telemetry: new LocalTelemetry(attemptsMax, now) });
  return {
    view,
    clock,
    /** What a reader sees who waits long enough for rows to be made. */
    read<T extends Parameters<ClusterView["read"]>[0]>(topic: T, since: number | null = null) {
      clock.ms += 1_000;
      return view.read(topic, since);
    },
  };
}

describe("counts", () => {
  test("are summed over processes, and a resent batch changes nothing", () => {
    const { view, read } = newView();
    const first = events.taskBatch("d-1", 1, { counts: [events.counts("add", { running: 2, finished: 5 })] });
    view.applyTaskEvents(first);
    view.applyTaskEvents(first);
    view.applyTaskEvents(events.taskBatch("w-1", 1, { counts: [events.counts("add", { finished: 7 })] }));
    view.applyTaskEvents(
      events.taskBatch("d-1", 2, { counts: [events.counts("add", { running: 1, finished: 6, runMs: 26 })] }),
    );
    expect(read("functions").data.rows).toMatchObject([{
      name: "add",
      running: 1,
      finished: 13,
      meanRunMs: 2,
    }]);
    expect(read("cluster").data.tasks).toMatchObject({ running: 1, finished: 13 });
  });

  test("a late batch, overtaken by a newer one, is ignored", () => {
    const { view, read } = newView();
    view.applyTaskEvents(events.taskBatch("d-1", 5, { counts: [events.counts("add", { finished: 9 })] }));
    view.applyTaskEvents(events.taskBatch("d-1", 4, { counts: [events.counts("add", { finished: 3 })] }));
    expect(read("cluster").data.tasks.finished).toBe(9);
  });

  test("what a dead process had not finished is failed, also when its last words come later", () => {
    const { view, read } = newView();
    view.applyTaskEvents(
      events.taskBatch("d-1", 1, {
        counts: [
          events.counts("add", { pendingArgs: 1, pendingNode: 2, submitted: 3, running: 4, finished: 5 }),
        ],
      }),
    );
    view.processDied("d-1");
    expect(read("cluster").data.tasks).toEqual({
      pendingArgs: 0,
      pendingNode: 0,
      submitted: 0,
      running: 0,
      finished: 5,
      failed: 10,
    });
    view.applyTaskEvents(
      events.taskBatch("d-1", 2, { counts: [events.counts("add", { running: 2, finished: 13 })] }),
    );
    expect(read("cluster").data.tasks).toMatchObject({ running: 0, finished: 13, failed: 2 });
  });

  test("a process of which nobody has heard may die first", () => {
    const { view, read } = newView();
    view.processDied("d-9");
    view.applyTaskEvents(events.taskBatch("d-9", 1, { counts: [events.counts("add", { running: 3 })] }));
    expect(read("cluster").data.tasks).toMatchObject({ running: 0, failed: 3 });
  });

  test("functions beyond the limit count together, and totals stay exact", () => {
    const { view, read } = newView();
    for (let process = 0; process < 3; process++) {
      const many = Array.from(
        { length: 1_500 },
        (_, i) => events.counts(`f-${process}-${i}`, { finished: 1 }),
      );
      view.applyTaskEvents(events.taskBatch(`d-${process}`, 1, { counts: many }));
    }
    const { data } = read("functions");
    expect(data.rows.length).toBe(200);
    expect(data.total).toBe(2_001);
    expect(data.rows[0]).toMatchObject({ name: "f-0-0" });
    expect(data.rows.some((row) => row.name === "(other)" && row.finished === 2_500)).toBe(true);
    expect(read("cluster").data.tasks.finished).toBe(4_500);
  });
});

describe("rates", () => {
  test("count what ended in each second, and close the gaps", () => {
    const { view, clock } = newView();
    const report = (sequence: number, finished: number) =>
      view.applyTaskEvents(
        events.taskBatch("d-1", sequence, { counts: [events.counts("add", { finished })] }),
      );
    report(1, 10);
    clock.ms += 3_000;
    report(2, 14);
    const { data, version } = view.read("rates", null);
    expect(data.finished).toEqual([10, 0, 0, 4]);
    report(3, 20);
    clock.ms += 1_000;
    const delta = view.read("rates", version);
    expect(delta.kind).toBe("delta");
    expect(delta.data.finished).toEqual([10, 0]);
    expect(delta.data.atMs[0]).toBe(data.atMs.at(-1));
  });

  test("what happened before the head began is no rate of now", () => {
    const { view, clock } = newView();
    const counts = [events.counts("add", { finished: 1_000 })];
    view.applyTaskEvents(events.taskBatch("d-1", 1, { counts }), true);
    view.applyTaskEvents(events.taskBatch("d-2", 40, { counts }));
    clock.ms += 1_000;
    expect(view.read("rates", null).data.finished).toEqual([0, 0]);
  });

  test("ten minutes are kept", () => {
    const { view, clock } = newView();
    clock.ms += 3_600_000;
    view.applyTaskEvents(events.taskBatch("d-1", 1, { counts: [events.counts("add", { finished: 3 })] }));
    const { data } = view.read("rates", null);
    expect(data.atMs.length).toBe(600);
    expect(data.finished.at(-1)).toBe(3);
    expect(data.finished.reduce((sum, value) => sum + value)).toBe(3);
  });
});

describe("task rows", () => {
  test("never go back, and attempts are rows of their own", async () => {
    const { view } = newView();
    const row = events.taskRow("t-1", { state: "FINISHED" });
    view.applyTaskEvents(events.taskBatch("d-1", 1, { rows: [row] }));
    view.applyTaskEvents(events.taskBatch("d-1", 2, { rows: [{ ...row, state: "RUNNING", endMs: null }] }));
    view.applyTaskEvents(events.taskBatch("d-1", 3, { rows: [{ ...row, attempt: 2, state: "RUNNING" }] }));
    expect((await view.state.list("tasks")).rows.map((found) => [found["attempt"], found["state"]])).toEqual([
      [2, "RUNNING"],
      [1, "FINISHED"],
    ]);
  });

  test("the oldest finished go first, failed ones last, and all are counted", async () => {
    const { view, read } = newView(10);
    const rows = [
      events.taskRow("t-failed", { state: "FAILED", error: { type: "Error", message: "no" } }),
      events.taskRow("t-running", { state: "RUNNING" }),
      ...Array.from({ length: 30 }, (_, i) => events.taskRow(`t-${i}`)),
    ];
    view.applyTaskEvents(events.taskBatch("d-1", 1, { rows }));
    const kept = await view.state.list("tasks");
    expect(kept.rows.map((row) => row["taskId"])).toEqual([
      ...Array.from({ length: 8 }, (_, i) => `t-${29 - i}`),
      "t-running",
      "t-failed",
    ]);
    expect(kept.dropped).toBe(22);
    expect(read("cluster").data.taskRowsEvicted).toBe(22);
  });

  test("those of a dead submitter fail, and show among the failures", async () => {
    const { view, read } = newView();
    view.applyTaskEvents(
      events.taskBatch("d-1", 1, { rows: [events.taskRow("t-1", { state: "RUNNING", endMs: null })] }),
    );
    view.processDied("d-1");
    expect((await view.state.list("tasks", { filters: ["state=FAILED"] })).rows).toMatchObject([
      { taskId: "t-1", errorType: "OwnerDiedError" },
    ]);
    expect(read("failures").data.rows).toMatchObject([{ taskId: "t-1", errorType: "OwnerDiedError" }]);
  });

  test("failures are the newest fifty", () => {
    const { view, read } = newView();
    const rows = Array.from({ length: 60 }, (_, i) => events.taskRow(`t-${i}`, { state: "FAILED" }));
    view.applyTaskEvents(events.taskBatch("d-1", 1, { rows }));
    const { data } = read("failures");
    expect(data.rows.length).toBe(50);
    expect(data.rows[0]!.taskId).toBe("t-10");
  });
});

/** Nothing is on its way. */
const still = { inFlight: 0, inFlightBytes: 0 };

describe("objects", () => {
  test("are grouped by function and node, copies apart from objects", async () => {
    const { view, read } = newView();
    const made = events.objectReport("o-1-1.0", 100, { producer: "load" });
    view.applyObjects("n-1", [made, events.objectReport("o-1-p1", 7)], []);
    view.applyObjects("n-2", [{ ...made, primary: false }], []);
    view.applyObjects("n-2", [{ ...made, primary: false }], []);
    const { data, version } = read("objects");
    expect(data.rows).toEqual([
      {
        producer: "load",
        objects: 1,
        bytes: 100,
        nodes: {
          "n-1": { objects: 1, bytes: 100, spilledBytes: 0, ...still },
          "n-2": { objects: 1, bytes: 100, spilledBytes: 0, ...still },
        },
      },
      {
        producer: "put",
        objects: 1,
        bytes: 7,
        nodes: { "n-1": { objects: 1, bytes: 7, spilledBytes: 0, ...still } },
      },
    ]);
    view.applyObjects("n-1", [], ["o-1-1.0" as ObjectId, "o-1-1.0" as ObjectId, "o-1-p1" as ObjectId]);
    const delta = read("objects", version);
    expect(delta.kind).toBe("delta");
    expect(delta.data.removed).toEqual(["put"]);
    expect(delta.data.rows).toMatchObject([{
      producer: "load",
      objects: 1,
      nodes: { "n-2": { bytes: 100 } },
    }]);
    expect((await view.state.list("objects")).rows).toMatchObject([{
      objectId: "o-1-1.0",
      nodes: ["n-2"],
      primary: "",
    }]);
  });

  test("that a node has on disk alone are counted apart, until they are in memory again or gone", async () => {
    const { view, read } = newView();
    const made = events.objectReport("o-1-1.0", 100, { producer: "load" });
    const onDisk = (): unknown => read("objects").data.rows.map(({ nodes }) => nodes);
    view.applyObjects("n-1", [made], []);
    view.applyObjects("n-1", [{ ...made, spilled: true }], []);
    view.applyObjects("n-1", [{ ...made, spilled: true }], []);
    expect(onDisk()).toEqual([{ "n-1": { objects: 1, bytes: 100, spilledBytes: 100, ...still } }]);
    expect((await view.state.list("objects")).rows).toMatchObject([{ nodes: ["n-1"], spilled: ["n-1"] }]);
    view.applyObjects("n-2", [{ ...made, primary: false }], []);
    view.applyObjects("n-1", [made], []);
    expect((await view.state.list("objects")).rows).toMatchObject([{ nodes: ["n-1", "n-2"], spilled: [] }]);
    view.applyObjects("n-1", [{ ...made, spilled: true }], []);
    view.applyObjects("n-1", [], [made.id]);
    expect(onDisk()).toEqual([{ "n-2": { objects: 1, bytes: 100, spilledBytes: 0, ...still } }]);
  });

  test("what is on its way to a node is shown there until it has come, or comes no more", async () => {
    const { view, read } = newView();
    const at = (): unknown => read("objects").data.rows.map(({ nodes }) => nodes);
    const none = { objects: 0, bytes: 0, spilledBytes: 0 };
    const here = { objects: 1, bytes: 100, spilledBytes: 0, ...still };
    const [first, second] = ["o-1-1.0", "o-1-2.0"] as ObjectId[];
    view.applyObjects("n-1", [events.objectReport(first!, 100, { producer: "load" })], []);
    view.applyIncoming("n-2", [first!, "o-9-9.0" as ObjectId]);
    expect(at()).toEqual([{ "n-1": here, "n-2": { ...none, inFlight: 1, inFlightBytes: 100 } }]);
    expect((await view.state.list("objects")).rows).toMatchObject([{ nodes: ["n-1"], inFlight: ["n-2"] }]);
    // Its last word counts, and a word that is resent changes nothing.
    view.applyIncoming("n-2", [first!]);
    view.applyIncoming("n-2", []);
    expect(at()).toEqual([{ "n-1": here }]);
    view.applyIncoming("n-2", [first!]);
    view.applyObjects("n-2", [events.objectReport(first!, 100, { producer: "load", primary: false })], []);
    expect(at()).toEqual([{ "n-1": here, "n-2": here }]);
    // A late word of what is there already.
    view.applyIncoming("n-2", [first!]);
    expect(at()).toEqual([{ "n-1": here, "n-2": here }]);
    // Freed on its way.
    view.applyObjects("n-1", [events.objectReport(second!, 30, { producer: "save" })], [first!]);
    view.applyObjects("n-2", [], [first!]);
    view.applyIncoming("n-2", [second!]);
    view.applyObjects("n-1", [], [second!]);
    expect(at()).toEqual([]);
    view.applyIncoming("n-2", []);
    expect(at()).toEqual([]);
  });

  test("nothing is on its way to a node that died, and what is moves with the name of its maker", () => {
    const { view, read } = newView();
    const id = "o-1-5.0" as ObjectId;
    view.applyNodes([events.nodeRow("n-2")]);
    view.applyObjects("n-1", [events.objectReport(id, 100)], []);
    view.applyIncoming("n-2", [id]);
    const [before] = read("objects").data.rows;
    expect(before!.nodes["n-2"]).toMatchObject({ inFlight: 1, inFlightBytes: 100 });
    view.applyTaskEvents(
      events.taskBatch("d-1", 1, { rows: [events.taskRow("t-1-5", { name: "load" })] }),
    );
    const { rows } = read("objects").data;
    expect(rows.map(({ producer }) => producer)).toEqual(["load"]);
    expect(rows[0]!.nodes["n-2"]).toMatchObject({ inFlight: 1, inFlightBytes: 100 });
    view.applyNodes([events.nodeRow("n-2", { state: "DEAD" })]);
    expect(Object.keys(read("objects").data.rows[0]!.nodes)).toEqual(["n-1"]);
  });

  test("find their maker when a row of its task comes later", () => {
    const { view, read } = newView();
    view.applyObjects("n-1", [events.objectReport("o-1-5.0", 10)], []);
    expect(read("objects").data.rows).toMatchObject([{ producer: "(unknown function)" }]);
    view.applyTaskEvents(events.taskBatch("d-1", 1, { rows: [events.taskRow("t-1-5", { name: "load" })] }));
    expect(read("objects").data.rows).toMatchObject([{ producer: "load", objects: 1, bytes: 10 }]);
    view.applyObjects("n-1", [events.objectReport("o-1-5.1", 10)], []);
    expect(read("objects").data.rows).toMatchObject([{ producer: "load", objects: 2, bytes: 20 }]);
  });

  test("go with their node, and come back exactly when it joins again", () => {
    const { view, read } = newView();
    view.applyNodes([events.nodeRow("n-1"), events.nodeRow("n-2")]);
    const [a, b] = [events.objectReport("o-1-p1", 5), events.objectReport("o-1-p2", 6)];
    view.applyObjects("n-1", [a, b], []);
    view.resetObjects("n-1", [b]);
    expect(read("objects").data.rows).toMatchObject([{ producer: "put", objects: 1, bytes: 6 }]);
    view.applyNodes([events.nodeRow("n-1", { state: "DEAD" })]);
    expect(read("objects").data.rows).toEqual([]);
    expect(read("cluster").data).toMatchObject({ nodesAlive: 1, nodesTotal: 2 });
  });
});

describe("nodes, actors, jobs", () => {
  test("a node's resources are in whole units, what is absent from the free ones is used", () => {
    const { view, read } = newView();
    view.applyNodes([
      events.nodeRow("n-1", { resources: { CPU: 40_000, GPU: 10_000 }, available: { CPU: 5_000 } }),
    ]);
    expect(read("nodes").data.rows[0]!.resources).toEqual({
      CPU: { total: 4, used: 3.5 },
      GPU: { total: 1, used: 1 },
    });
    expect(read("cluster").data.resources["CPU"]).toEqual({ total: 4, used: 3.5 });
  });

  test("an actor's later status keeps what its spec said", () => {
    const { view, read } = newView();
    view.applyActor(
      events.actorStatus("a-1"),
      events.actorSpec("a-1", { className: "Counter", name: "c", maxRestarts: 2 }),
    );
    expect(read("cluster").data.actorsAlive).toBe(1);
    view.applyActor(
      events.actorStatus("a-1", {
        state: "DEAD",
        incarnation: 3,
        deathCause: { code: "KILLED", message: "killed by mobula.kill()" },
      }),
      null,
    );
    expect(read("actors").data.rows).toMatchObject([
      { className: "Counter", name: "c", state: "DEAD", numRestarts: 2, deathCause: "KILLED" },
    ]);
    expect(read("cluster").data.actorsAlive).toBe(0);
  });

  test("figures of calls are those of the present incarnation, late ones are dropped", async () => {
    const { view } = newView();
    const figures = (incarnation: number, mailboxDepth: number) => ({
      actorId: "a-1" as never,
      incarnation,
      mailboxDepth,
      callsRunning: 1,
      callsFinished: 5,
      callsPerSecond: 2.5,
      meanCallMs: 1,
      reprName: "it",
    });
    const row = async () => (await view.state.list("actors", { detail: true })).rows[0]!;
    // Before anything else is known of it.
    view.applyActorFigures([figures(1, 9)]);
    expect((await view.state.list("actors")).total).toBe(0);
    view.applyActor(events.actorStatus("a-1"), events.actorSpec("a-1", { maxRestarts: 2 }));
    view.applyActorFigures([figures(1, 3)]);
    expect(await row()).toMatchObject({ mailboxDepth: 3, callsPerSecond: 2.5, reprName: "it" });
    view.applyActor(events.actorStatus("a-1", { state: "RESTARTING", incarnation: 2 }), null);
    view.applyActorFigures([figures(1, 4)]);
    expect(await row()).toMatchObject({ mailboxDepth: null, callsFinished: null, reprName: "it" });
    view.applyActor(events.actorStatus("a-1", { incarnation: 2 }), null);
    view.applyActorFigures([figures(2, 1)]);
    expect(await row()).toMatchObject({ state: "ALIVE", mailboxDepth: 1 });
    view.applyActor(events.actorStatus("a-1", { state: "DEAD", incarnation: 2 }), null);
    view.applyActorFigures([figures(2, 1)]);
    expect(await row()).toMatchObject({ state: "DEAD", mailboxDepth: null });
  });

  test("the dead are forgotten, oldest first, and counted; the living are shown first", async () => {
    const { view, read } = newView();
    view.applyActor(events.actorStatus("a-alive"), events.actorSpec("a-alive"));
    for (let i = 0; i < 2_100; i++) {
      view.applyActor(events.actorStatus(`a-${i}`, { state: "DEAD" }), events.actorSpec(`a-${i}`));
    }
    const { data } = read("actors");
    expect(data.total).toBe(2_001);
    expect(data.rows.length).toBe(200);
    expect(data.rows.some((row) => row.actorId === "a-alive")).toBe(true);
    expect((await view.state.list("actors")).dropped).toBe(100);
  });

  test("workers are what their agent tells, and die with their node", async () => {
    const { view } = newView();
    const worker = (workerId: string, state: WorkerReport["state"], startedMs: number) => ({
      workerId: workerId as ProcessId,
      pid: 7,
      runtime: "deno" as const,
      state,
      jobId: null,
      actorId: null,
      startedMs,
    });
    const shown = async () =>
      (await view.state.list("workers")).rows.map((row) => [row["workerId"], row["state"]]);
    view.applyNodes([events.nodeRow("n-1")]);
    view.applyWorkers("n-1", [worker("w-1", "STARTING", 1), worker("w-2", "LEASED", 2)]);
    expect((await view.state.list("workers", { filters: ["state=LEASED"] })).rows).toEqual([
      { ...worker("w-2", "LEASED", 2), nodeId: "n-1", endedMs: null, exitDetail: null },
    ]);
    view.applyWorkers("n-1", [worker("w-1", "IDLE", 1), worker("w-3", "ACTOR", 3)]);
    expect(await shown()).toEqual([["w-3", "ACTOR"], ["w-2", "DEAD"], ["w-1", "IDLE"]]);
    view.processDied("w-3");
    // Late.
    view.applyWorkers("n-1", [worker("w-1", "IDLE", 1), worker("w-3", "ACTOR", 3)]);
    expect(await shown()).toEqual([["w-3", "DEAD"], ["w-2", "DEAD"], ["w-1", "IDLE"]]);
    view.applyNodes([events.nodeRow("n-1", { state: "DEAD" })]);
    expect((await view.state.list("workers", { filters: ["state!=DEAD"] })).total).toBe(0);
  });

  test("what workers had submitted fails with their node, and whoever keeps rows is told of each", async () => {
    const { view, read } = newView();
    const told: string[] = [];
    view.onProcessDied = (id) => told.push(id);
    view.applyNodes([events.nodeRow("n-1")]);
    const worker = { workerId: "w-1" as ProcessId, pid: 7, runtime: "bun" as const, startedMs: 1 };
    view.applyWorkers("n-1", [{ ...worker, state: "LEASED", jobId: null, actorId: null }]);
    const rows = [events.taskRow("t-1-0", { state: "RUNNING", endMs: null })];
    const counts = [events.counts("add", { running: 3, finished: 2 })];
    view.applyTaskEvents(events.taskBatch("w-1", 1, { counts, rows }));
    view.applyNodes([events.nodeRow("n-1", { state: "DEAD" })]);
    expect(read("cluster").data.tasks).toMatchObject({ running: 0, finished: 2, failed: 3 });
    expect((await view.state.list("tasks", { filters: ["state=FAILED"] })).total).toBe(1);
    expect(told).toEqual(["w-1"]);
    // Its last words were on their way.
    view.applyTaskEvents(events.taskBatch("w-1", 2, { counts, rows }));
    expect(told).toEqual(["w-1", "w-1"]);
    expect(read("cluster").data.tasks).toMatchObject({ running: 0, failed: 3 });
  });

  test("constructors under way fail with their agent", () => {
    const { view, read } = newView();
    view.applyNodes([events.nodeRow("n-1")]);
    const counts = [events.counts("new Counter", { running: 1, finished: 2 })];
    view.applyTaskEvents(events.taskBatch("n-1@a", 1, { counts }));
    view.applyNodes([events.nodeRow("n-1", { state: "DEAD" })]);
    expect(read("cluster").data.tasks).toMatchObject({ running: 0, finished: 2, failed: 1 });
  });

  test("jobs that run are counted", () => {
    const { view, read } = newView();
    view.applyJob(events.jobRow("j-1"));
    view.applyJob(events.jobRow("j-2"));
    view.applyJob(events.jobRow("j-1", { state: "SUCCEEDED", endedMs: 5_000 }));
    expect(read("cluster").data.jobsRunning).toBe(1);
  });
});

test("steps of a task come in the order in which they happened, each once", async () => {
  const { view } = newView();
  const step = (name: string, number: number, atMs: number) => ({
    taskId: "t-1" as never,
    journey: "submit" as const,
    step: number,
    name,
    nodeId: "n-1" as NodeId,
    processId: null,
    atMs,
    detail: "",
  });
  view.applyTaskEvents(events.taskBatch("d-1", 1, { steps: [step("push", 7, 30), step("queue", 2, 10)] }));
  view.applySteps([step("queue", 2, 10), step("globalPick", 4, 20)]);
  expect((await view.trace("t-1")).map((found) => found.name)).toEqual(["queue", "globalPick", "push"]);
  expect(await view.trace("t-2")).toEqual([]);
});

test("rows are made at most every 200 ms, and readers that are equally far share an answer", () => {
  const { view, clock } = newView();
  const report = (sequence: number) =>
    view.applyTaskEvents(
      events.taskBatch("d-1", sequence, { counts: [events.counts("add", { finished: sequence })] }),
    );
  report(1);
  const version = view.version("functions");
  report(2);
  expect(view.version("functions")).toBe(version);
  clock.ms += 200;
  expect(view.version("functions")).toBeGreaterThan(version);
  expect(view.read("functions", version).data).toBe(view.read("functions", version).data);
});
