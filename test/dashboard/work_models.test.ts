/**
 * What the pages of jobs and tasks decide, without a page: addresses, filters as text, functions as a tree, profiles of rows.
 */
import { describe, expect, test } from "bun:test";
import type { FunctionCallDto, FunctionProfileDto, TaskRowDto } from "../../dashboard/api/tasks.ts";
import { columnOf, filterTerms, filterText, withTerm } from "../../dashboard/app/models/filter_text.ts";
import { functionTree } from "../../dashboard/app/models/function_tree.ts";
import { linkOf, links } from "../../dashboard/app/models/links.ts";
import { shortId } from "../../dashboard/app/models/format.ts";
import { formatRoute, parseRoute } from "../../dashboard/app/models/address.ts";
import { profileOfRows, spreadOf } from "../../dashboard/server/queries/profile_rows.ts";

describe("addresses", () => {
  test("say which page, which id and which parameters, and back", () => {
    const href = formatRoute("tasks", "t-1/x y", { filter: "name=a b", from: null });
    expect(href).toBe("#/tasks/t-1%2Fx%20y?filter=name%3Da+b");
    const { page, id, params } = parseRoute(href);
    expect([page, id, params.get("filter"), params.get("from")]).toEqual([
      "tasks",
      "t-1/x y",
      "name=a b",
      null,
    ]);
    expect(parseRoute("")).toMatchObject({ page: "", id: null });
    expect(parseRoute("#/jobs/")).toMatchObject({ page: "jobs", id: null });
    expect(parseRoute("#/jobs/%E0%A4%A")).toMatchObject({ id: "%E0%A4%A" });
  });

  test("of ids of all kinds lead to their pages", () => {
    expect(["t-1", "o-1.0", "a-1", "n-1", "w-1", "d-1", "j-1", "g-1", "x-1", ""].map(linkOf)).toEqual([
      "#/tasks/t-1",
      "#/objects/o-1.0",
      "#/actors/a-1",
      "#/nodes/n-1",
      "#/workers/w-1",
      "#/workers/d-1",
      "#/jobs/j-1",
      "#/groups/g-1",
      null,
      null,
    ]);
    expect(links.compare("j-1", "j-2")).toBe("#/history/compare?a=j-1&b=j-2");
    expect([shortId("n-3f2a91c07b"), shortId("t-652559204e66-4ah"), shortId("j-1")]).toEqual(
      ["n-3f2a91c0", "t-6525…-4ah", "j-1"],
    );
  });
});

describe("a filter's text", () => {
  test("is terms apart by spaces; words ask for names, ids for what they name", () => {
    expect(filterTerms(`state=FAILED  name~"my fn" durationMs>5s fetch j-12ab`)).toEqual(
      ["state=FAILED", "name~my fn", "durationMs>5s", "name~fetch", "jobId=j-12ab"],
    );
    expect(filterTerms("")).toEqual([]);
    expect(filterTerms(filterText(["name=a b", "state!=RUNNING"]))).toEqual(["name=a b", "state!=RUNNING"]);
    expect(columnOf("durationMs>5s")).toBe("durationMs");
  });

  test("has one column's terms replaced, the others as they were", () => {
    expect(withTerm("name~x state=FAILED", "state", "state=RUNNING")).toBe("name~x state=RUNNING");
    expect(withTerm("name~x state=FAILED", "state", null)).toBe("name~x");
  });
});

function fn(id: string): FunctionProfileDto {
  return {
    ...{ pendingArgs: 0, pendingNode: 0, submitted: 0, running: 0, finished: 1, failed: 0 },
    ...{
      id,
      name: id,
      type: "NORMAL_TASK",
      runMs: 0,
      run: null,
      wait: null,
      retries: 0,
      resultBytes: 0,
      argBytes: 0,
    },
  };
}

describe("functions as a tree", () => {
  const tree = (ids: string[], calls: FunctionCallDto[]): string[] =>
    functionTree(ids.map(fn), calls).map(({ row, depth, alsoFrom }) =>
      `${"  ".repeat(depth)}${row.name}${alsoFrom.length > 0 ? ` (${alsoFrom.join()})` : ""}`
    );
  const call = (parent: string | null, child: string, count = 1): FunctionCallDto => ({
    parent,
    child,
    count,
  });

  test("stand below what calls them most", () => {
    const calls = [call(null, "a"), call("a", "b", 5), call("c", "b", 2), call(null, "c"), call("b", "d")];
    expect(tree(["d", "c", "b", "a"], calls)).toEqual(["c", "a", "  b (c)", "    d"]);
  });

  test("that call themselves or each other in a circle are all there, once", () => {
    const calls = [call(null, "a"), call("a", "a", 9), call("b", "c"), call("c", "b")];
    expect(tree(["a", "b", "c"], calls)).toEqual(["a", "b", "  c"]);
  });
});

describe("a profile of rows", () => {
  const row = (taskId: string, some: Partial<TaskRowDto> = {}): TaskRowDto => ({
    ...{ taskId, attempt: 0, name: "f", type: "NORMAL_TASK", state: "FINISHED", jobId: "j-1", nodeId: "n-1" },
    ...{ workerId: "w-1", actorId: null, submittedMs: 1_000, startMs: 1_010, endMs: 1_030, durationMs: 20 },
    ...{ resultBytes: 10, errorType: null, errorMessage: null, parentTaskId: null },
    ...some,
  });
  const failed = (taskId: string, message: string, some: Partial<TaskRowDto> = {}): TaskRowDto =>
    row(taskId, { state: "FAILED", errorType: "RangeError", errorMessage: message, ...some });

  test("counts by state, knows who calls whom, and puts alike failures together", () => {
    const profile = profileOfRows({
      rows: [
        row("t-1", { endMs: 9_500 }),
        row("t-2", { name: "g", parentTaskId: "t-1" }),
        row("t-3", { name: "g", parentTaskId: "t-1", state: "RUNNING", endMs: null }),
        failed("t-4", "page 7 of t-abc-1 is gone"),
        failed("t-5", "page 8 of t-abc-2 is gone", { attempt: 1, endMs: 2_000 }),
        failed("t-6", "no network"),
      ],
      left: 4,
      dropped: 1,
      jobId: "j-1",
      job: null,
      nowMs: 12_500,
    });
    expect(profile.totals).toMatchObject({ finished: 2, running: 1, failed: 3 });
    expect(
      profile.functions.map((each) => [each.name, each.finished, each.failed, each.running, each.retries]),
    ).toEqual(
      [["g", 1, 0, 1, 0], ["f", 1, 3, 0, 1]],
    );
    expect(profile.calls).toEqual([
      { parent: null, child: "NORMAL_TASK f", count: 3 },
      { parent: "NORMAL_TASK f", child: "NORMAL_TASK g", count: 2 },
    ]);
    expect(profile.errors.map((each) => [each.count, each.message, each.taskIds])).toEqual([
      [2, "page 7 of t-abc-1 is gone", ["t-4", "t-5"]],
      [1, "no network", ["t-6"]],
    ]);
    expect(profile.perSecond).toBe(0.1);
    expect(profile.etaMs).toBe(10_000);
    expect(profile.recorded).toMatchObject({ attempts: 6, evicted: 5 });
    expect(profile.resultBytes).toBe(60);
  });

  test("has exact quantiles", () => {
    expect(spreadOf([])).toBeNull();
    expect(spreadOf(Array.from({ length: 100 }, (_, i) => 100 - i))).toEqual(
      { count: 100, mean: 50.5, min: 1, p25: 25, p50: 50, p75: 75, p95: 95, p99: 99, max: 100 },
    );
    expect(spreadOf([7])).toMatchObject({ min: 7, p50: 7, p99: 7, max: 7 });
  });
});
