/**
 * `mobula sql` and `mobula ui` as they are typed, against a cluster that runs, and against the store that it leaves.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { SqlResult } from "../../dashboard/api/sql.ts";
import { CliSession } from "../support/cli.ts";

const session = new CliSession();
const NODES = "SELECT state, count(*) AS n FROM nodes GROUP BY state";

beforeAll(async () => {
  const small = ["--num-cpus", "1", "--object-store-bytes", "16777216"];
  await session.json("start", "--head", "--port", "0", "--dashboard-port", "0", ...small);
}, 30_000);
afterAll(() => session.end());

test("a statement is answered as a table, as JSON and as CSV; what is left out is said", async () => {
  expect(await session.json<SqlResult>("sql", NODES)).toMatchObject({
    columns: ["state", "n"],
    rows: [["ALIVE", 1]],
  });
  const numbers =
    "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 9) SELECT n, 'a \"b\",' FROM c";
  const shown = await session.mobula(["sql", "--limit", "2", numbers]);
  expect(shown.out).toContain("showing 2 of 9 rows");
  expect(shown.error).toContain("--limit");
  const csv = await session.mobula(["sql", "--csv", "--limit", "1", numbers]);
  expect(csv.out).toBe('n,"\'a ""b"",\'"\n1,"a ""b"","\n');
}, 30_000);

test("what only reads may be said, anything else is one line and exit code 1", async () => {
  const refused: [string[], string][] = [
    [["DELETE FROM jobs"], "only reads"],
    [["SELECT absent FROM jobs"], "no such column: absent"],
    [["SELECT value FROM main.kv"], "not shown here"],
    [[], "say which statement"],
    [["--csv", "--json", NODES], "not both"],
    [["--store", "/nowhere.db", NODES], "no store at /nowhere.db"],
  ];
  for (const [args, why] of refused) {
    const { code, out, error } = await session.mobula(["sql", ...args]);
    expect(code, error).toBe(1);
    expect(error).toContain(why);
    expect(error.split("\n")).toHaveLength(1);
    expect(out).toBe("");
  }
}, 30_000);

test("a link signs one browser in, for full use or to look; a viewer's token opens reads alone", async () => {
  const { url, role } = await session.json<{ url: string; role: string }>("ui", "--viewer");
  expect(role).toBe("viewer");
  const cookie = (await fetch(url, { redirect: "manual" })).headers.get("set-cookie")!.split(";")[0]!;
  expect(await (await fetch(new URL("/api/v1/status", url), { headers: { cookie } })).json()).toMatchObject({
    role,
  });
  expect((await fetch(url, { redirect: "manual" })).status).toBe(401);
  const full = await session.mobula(["ui"]);
  expect(full.out).toStartWith(new URL(url).origin);
  const token = (await session.mobula(["ui", "--viewer", "--token"])).out.trim();
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const sql = new URL("/api/v1/sql", url);
  expect((await fetch(sql, { method: "POST", headers, body: JSON.stringify({ sql: NODES }) })).status).toBe(
    403,
  );
  expect((await session.mobula(["ui", "--token"])).error).toContain("--viewer");
}, 30_000);

test("when the cluster is gone its store is still read", async () => {
  await session.mobula(["stop"]);
  expect((await session.mobula(["sql", NODES])).code).toBe(2);
  const result = await session.json<SqlResult>("sql", "--store", session.sessionDir, NODES);
  expect(result.rows).toEqual([["DEAD", 1]]);
}, 30_000);
