/**
 * Lists and summaries: filters, pages, groups, and clear errors for what is no query.
 */
import { describe, expect, test } from "bun:test";
import { allPages } from "../../../../runtime/common/pages.ts";
import { ClusterView } from "../../../../runtime/io/telemetry/cluster_view.ts";
import * as events from "../../../dashboard/cluster_events.ts";
import { rejection } from "../../../support/processes.ts";

function viewWithTasks(): ClusterView {
  const view = new ClusterView();
  const rows = Array.from({ length: 25 }, (_, i) =>
    events.taskRow(`t-${i}`, {
      name: i % 2 === 0 ? "fetchPage" : "add",
      state: i % 5 === 0 ? "FAILED" : "FINISHED",
      startMs: 1_000,
      endMs: 1_000 + i,
      resultBytes: i * 1_000_000,
      error: i % 5 === 0 ? { type: "RangeError", message: `bad input ${i}` } : null,
    }));
  view.applyTaskEvents(events.taskBatch("d-1", 1, { rows }));
  return view;
}

const { state } = viewWithTasks();

async function ids(...filters: string[]): Promise<unknown[]> {
  return (await state.list("tasks", { filters })).rows.map((row) => row["taskId"]);
}
async function refusal(asked: Promise<unknown>): Promise<string> {
  const { name, message } = await rejection(asked);
  return `${name}: ${message}`;
}

describe("filters", () => {
  test("are AND-ed", async () => {
    expect(await ids("state=FAILED", "name=add")).toEqual(["t-15", "t-5"]);
    expect(await ids("state=failed", "name=ADD")).toEqual([]);
  });

  test("compare numbers", async () => {
    expect(await ids("durationMs>22")).toEqual(["t-24", "t-23"]);
    expect(await ids("durationMs >= 23", "durationMs<24")).toEqual(["t-23"]);
    expect(await ids("durationMs<=0")).toEqual(["t-0"]);
    expect(await ids("durationMs=7")).toEqual(["t-7"]);
  });

  test("take durations, sizes and times in their units, and short names", async () => {
    expect(await ids("dur>0.022s")).toEqual(["t-24", "t-23"]);
    expect(await ids("duration=7ms")).toEqual(["t-7"]);
    expect(await ids("dur>1min")).toEqual([]);
    expect(await ids("result>22.9MiB")).toEqual([]);
    expect(await ids("resultBytes>22MiB")).toEqual(["t-24"]);
    expect(await ids("resultBytes>=23MB")).toEqual(["t-24", "t-23"]);
    expect(await ids("end>1970-01-01T00:00:01.023Z")).toEqual(["t-24"]);
    expect((await ids("job=j-1")).length).toBe(25);
  });

  test("~ finds a part, letter case aside", async () => {
    expect(await ids("name~FETCH", "state!=FINISHED")).toEqual(["t-20", "t-10", "t-0"]);
    expect(await ids("error~input 15")).toEqual(["t-15"]);
  });

  test("what is absent equals nothing", async () => {
    expect((await state.list("tasks", { filters: ["errorType="] })).total).toBe(20);
    expect((await state.list("tasks", { filters: ["errorType!=null"] })).total).toBe(5);
  });

  test("that are none say what is wrong", async () => {
    const of = (...filters: string[]) => refusal(state.list("tasks", { filters }));
    expect(await of("state")).toContain('RangeError: filter "state" is not of the form "column op value"');
    expect(await of("stat=FAILED")).toContain('no column "stat"; there are taskId, attempt, name');
    expect(await of("durationMs>5MB")).toContain('a duration (500ms, 5s, 2min, 1h), not "5MB"');
    expect(await of("resultBytes>5s")).toContain('a size (64MiB, 1.5GB), not "5s"');
    expect(await of("endMs<soon")).toContain("> needs a time".replace(">", "<"));
    expect(await of("attempt>1s")).toContain('needs a number, not "1s"');
    expect(await of("name>a")).toContain("> orders numbers, and name is none");
    expect(await of(`name=${"x".repeat(600)}`)).toStartWith("RangeError");
    expect(await of(...Array(21).fill("name=add"))).toContain("too many filters");
    expect(await refusal(state.list("tasks", { filters: "name=add" as never }))).toContain("a list of texts");
  });
});

describe("pages", () => {
  test("follow each other without gap or repetition, also when rows come in between", async () => {
    const view = viewWithTasks();
    const first = await view.state.list("tasks", { limit: 10 });
    view.applyTaskEvents(events.taskBatch("d-2", 1, { rows: [events.taskRow("t-new")] }));
    const second = await view.state.list("tasks", { limit: 10, after: first.next! });
    const third = await view.state.list("tasks", { limit: 10, after: second.next! });
    const seen = [...first.rows, ...second.rows, ...third.rows].map((row) => row["taskId"]);
    expect(seen).toEqual(Array.from({ length: 25 }, (_, i) => `t-${24 - i}`));
    expect(third.next).toBeNull();
  });

  test("of 30,000 rows hold each of them once, with the total in each, and a limit cuts them anywhere", async () => {
    const view = new ClusterView();
    const rows = Array.from({ length: 30_000 }, (_, i) => events.taskRow(`t-${i}`));
    view.applyTaskEvents(events.taskBatch("d-1", 1, { rows }));
    const all = async (limit?: number) => {
      const seen: unknown[] = [];
      for await (const page of allPages((part) => view.state.list("tasks", part), { limit })) {
        expect(page.total).toBe(30_000);
        seen.push(...page.rows.map((row) => row["taskId"]));
      }
      return seen;
    };
    expect(await all()).toEqual(rows.map((row) => row.taskId).reverse());
    expect((await all(2_001)).length).toBe(2_001);
  });

  test("of actors stay in the order of their creation while their states change", async () => {
    const view = new ClusterView();
    for (let i = 0; i < 6; i++) {
      const times = { createdMs: i, startedMs: null, endedMs: null };
      view.applyActor(events.actorStatus(`a-${i}`), events.actorSpec(`a-${i}`), times);
    }
    const first = await view.state.list("actors", { limit: 3 });
    view.applyActor(events.actorStatus("a-4", { state: "DEAD" }), null);
    view.applyActor(events.actorStatus("a-1", { state: "DEAD" }), null);
    const second = await view.state.list("actors", { limit: 3, after: first.next! });
    expect([...first.rows, ...second.rows].map((row) => row["actorId"])).toEqual(
      [5, 4, 3, 2, 1, 0].map((i) => `a-${i}`),
    );
  });
});

test("a long look gives the process its turns", async () => {
  const view = new ClusterView();
  view.applyObjects(
    "n-1",
    Array.from({ length: 100_000 }, (_, i) => events.objectReport(`o-d-${i}.0`, i)),
    [],
  );
  let turns = 0;
  let isDone = false;
  const turn = () => {
    turns++;
    if (!isDone) setImmediate(turn);
  };
  setImmediate(turn);
  const { total } = await view.state.list("objects", {
    filters: ["objectId~o", "owner~d", "home~n", "nodes~n", "producer~zzz"],
  });
  isDone = true;
  expect(total).toBe(0);
  expect(turns).toBeGreaterThan(1);
});

test("details are left out unless they are asked for", async () => {
  expect((await state.list("tasks", { limit: 1 })).rows[0]).not.toHaveProperty("args");
  expect((await state.list("tasks", { limit: 1, detail: true })).rows[0]).toHaveProperty("args");
});

describe("a summary", () => {
  test("counts by the kind's own columns, or any others, and measures", async () => {
    const { rows, total, ungrouped } = await state.summarize("tasks");
    expect(rows.map((row) => [row["name"], row["state"], row["count"]])).toEqual([
      ["add", "FINISHED", 10],
      ["fetchPage", "FINISHED", 10],
      ["fetchPage", "FAILED", 3],
      ["add", "FAILED", 2],
    ]);
    expect([total, ungrouped]).toEqual([25, 0]);
    expect(rows[3]!["durationMs"]).toEqual({ count: 2, sum: 20, mean: 10, min: 5, max: 15 });
    const byNode = await state.summarize("tasks", { by: ["node"], filters: ["name=add"] });
    expect(byNode.rows).toMatchObject([{ nodeId: "n-1", count: 12 }]);
    const all = await state.summarize("tasks", { by: [] });
    expect(all.rows).toMatchObject([{ count: 25 }]);
  });

  test("of too many groups says how many rows are in none", async () => {
    const view = new ClusterView();
    const rows = Array.from({ length: 10_050 }, (_, i) => events.taskRow(`t-${i}`));
    view.applyTaskEvents(events.taskBatch("d-1", 1, { rows }));
    const { rows: groups, total, ungrouped } = await view.state.summarize("tasks", { by: ["taskId"] });
    expect([groups.length, total, ungrouped]).toEqual([10_000, 10_050, 50]);
  });

  test("by what is no column is refused", async () => {
    expect(await refusal(state.summarize("tasks", { by: ["nonsense"] }))).toContain(
      'RangeError: by: no column "nonsense"; there are taskId',
    );
    expect(await refusal(state.summarize("tusks"))).toContain("list tasks, actors, objects");
    expect(await refusal(state.summarize("tasks", { by: "name" as never }))).toContain("a list of columns");
    expect(await refusal(state.summarize("tasks", { by: Array(9).fill("name") }))).toContain(
      "too many columns",
    );
  });
});

test("what is no query is refused", async () => {
  expect(await refusal(state.list("tusks"))).toContain(
    'RangeError: there are no "tusks"; list tasks, actors, objects',
  );
  expect(await refusal(state.list("constructor"))).toStartWith("RangeError");
  for (const limit of [0, -1, 1.5, NaN, 10_001]) {
    expect(await refusal(state.list("tasks", { limit }))).toContain("RangeError: limit");
  }
  expect(await refusal(state.list("tasks", { after: "nonsense" }))).toContain("is no cursor");
});

test("an id gives its rows, all columns", async () => {
  expect(await state.get("t-7")).toMatchObject([{ taskId: "t-7", args: [] }]);
  expect(await state.get("t-none")).toEqual([]);
  expect(await refusal(state.get("sum"))).toContain("is no id");
});
