/**
 * List queries: filters, pages, and clear errors for what is no query.
 */
import { describe, expect, test } from "bun:test";
import { ClusterView } from "../../../runtime/io/telemetry/cluster_view.ts";
import * as events from "../../dashboard/cluster_events.ts";

function viewWithTasks(): ClusterView {
  const view = new ClusterView();
  const rows = Array.from({ length: 25 }, (_, i) =>
    events.taskRow(`t-${i}`, {
      name: i % 2 === 0 ? "fetchPage" : "add",
      state: i % 5 === 0 ? "FAILED" : "FINISHED",
      startMs: 1_000,
      endMs: 1_000 + i,
      error: i % 5 === 0 ? { type: "RangeError", message: `bad input ${i}` } : null,
    }));
  view.applyTaskEvents(events.taskBatch("d-1", 1, { rows }));
  return view;
}

function ids(view: ClusterView, filters: string[]): unknown[] {
  return view.list("tasks", { filters }).rows.map((row) => row["taskId"]);
}

describe("filters", () => {
  const view = viewWithTasks();

  test("are AND-ed", () => {
    expect(ids(view, ["state=FAILED", "name=add"])).toEqual(["t-15", "t-5"]);
  });

  test("compare numbers", () => {
    expect(ids(view, ["durationMs>22"])).toEqual(["t-24", "t-23"]);
    expect(ids(view, ["durationMs >= 23", "durationMs<24"])).toEqual(["t-23"]);
    expect(ids(view, ["durationMs<=0"])).toEqual(["t-0"]);
    expect(ids(view, ["durationMs=7"])).toEqual(["t-7"]);
  });

  test("~ finds a part, letter case aside", () => {
    expect(ids(view, ["name~FETCH", "state!=FINISHED"])).toEqual(["t-20", "t-10", "t-0"]);
    expect(ids(view, ["errorMessage~input 15"])).toEqual(["t-15"]);
  });

  test("what is absent equals nothing", () => {
    expect(view.list("tasks", { filters: ["errorType="] }).total).toBe(20);
    expect(view.list("tasks", { filters: ["errorType!=null"] }).total).toBe(5);
  });

  test("that are none say what is wrong", () => {
    expect(() => view.list("tasks", { filters: ["state"] })).toThrow(/form "column op value"/);
    expect(() => view.list("tasks", { filters: ["stat=FAILED"] })).toThrow(
      /no column "stat"; there are taskId/,
    );
    expect(() => view.list("tasks", { filters: ["durationMs>5s"] })).toThrow(/> needs a number, not "5s"/);
    expect(() => view.list("tasks", { filters: [`name=${"x".repeat(600)}`] })).toThrow(RangeError);
    expect(() => view.list("tasks", { filters: Array(21).fill("name=add") })).toThrow(/too many filters/);
  });
});

test("pages follow each other without gap or repetition, also when rows come in between", () => {
  const view = viewWithTasks();
  const first = view.list("tasks", { limit: 10 });
  view.applyTaskEvents(events.taskBatch("d-2", 1, { rows: [events.taskRow("t-new")] }));
  const second = view.list("tasks", { limit: 10, after: first.next! });
  const third = view.list("tasks", { limit: 10, after: second.next! });
  const seen = [...first.rows, ...second.rows, ...third.rows].map((row) => row["taskId"]);
  expect(seen).toEqual(Array.from({ length: 25 }, (_, i) => `t-${24 - i}`));
  expect(third.next).toBeNull();
});

test("details are left out unless they are asked for", () => {
  const view = viewWithTasks();
  expect(view.list("tasks", { limit: 1 }).rows[0]).not.toHaveProperty("args");
  expect(view.list("tasks", { limit: 1, detail: true }).rows[0]).toHaveProperty("args");
});

test("what is no query is refused", () => {
  const view = viewWithTasks();
  expect(() => view.list("tusks")).toThrow(/there are no "tusks"; list tasks, actors, objects/);
  expect(() => view.list("constructor")).toThrow(RangeError);
  for (const limit of [0, -1, 1.5, NaN, 10_001]) expect(() => view.list("tasks", { limit })).toThrow(/limit/);
  expect(() => view.list("tasks", { after: "nonsense" })).toThrow(/is no cursor/);
});
