/**
 * What the pages of jobs and tasks decide, without a page: addresses, filters as text, functions as a tree.
 */
import { describe, expect, test } from "bun:test";
import type { FunctionCallDto, FunctionProfileDto } from "../../dashboard/api/tasks.ts";
import { columnOf, filterTerms, filterText, withTerm } from "../../dashboard/app/models/filter_text.ts";
import { functionTree } from "../../dashboard/app/models/function_tree.ts";
import { linkOf, links } from "../../dashboard/app/models/links.ts";
import { program, shortId } from "../../dashboard/app/models/format.ts";
import { formatRoute, parseRoute } from "../../dashboard/app/models/address.ts";

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

test("a job is named by its command without the folders of absolute paths", () => {
  expect(program("/home/me/app/sort.ts --mb 48")).toBe("sort.ts --mb 48");
  expect(program("bun src/app.ts --out /tmp/a/b a/b")).toBe("bun src/app.ts --out b a/b");
  expect(program("/home/me/app/")).toBe("app/");
  expect(program("")).toBe("(interactive)");
});
