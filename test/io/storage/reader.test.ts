/**
 * The process that reads the store for people, on real files and a real server: it answers what may be known, whatever
 * else is asked of it changes nothing, and it can be killed.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { SqlResult } from "../../../dashboard/api/sql.ts";
import { ReadError, StoreReader } from "../../../runtime/io/storage/reader_client.ts";
import type { GcsStore } from "../../../runtime/io/storage/store_client.ts";
import { RUNTIMES } from "../../support/run_program.ts";
import { testUnless } from "../../support/skip.ts";
import { skipReason } from "../../support/toolchain.ts";
import { startSqld } from "./sqld_fixture.ts";
import { kv, open, task, temporaryFolder } from "./store_fixture.ts";

const TASKS = 300;
const folder = temporaryFolder();
let store: GcsStore;
let reader: StoreReader;

function fill(into: GcsStore): Promise<void> {
  for (let i = 0; i < TASKS; i++) {
    into.record(task(`t-${i}`, i % 10 === 0 ? "FAILED" : "FINISHED", 1_000 + i));
  }
  into.write(kv("secret", "value of the secret"));
  into.write({
    table: "functions",
    put: { hash: "h", kind: "function", name: "add", createdMs: 1, source: new Uint8Array(77) },
  });
  return into.committed();
}

beforeAll(async () => {
  store = await open(folder.path);
  await fill(store);
  reader = new StoreReader({ url: null, dir: folder.path, runtime: "bun" });
});

afterAll(async () => {
  reader.close();
  await store.close();
  folder[Symbol.dispose]();
});

const sql = (text: string, limit = 100): Promise<SqlResult> => reader.ask("sql", { sql: text, limit });

test("a statement gives its rows, while the head has the store open and writes", async () => {
  const result = await sql("SELECT state, count(*) AS n, count(*) FROM tasks GROUP BY state ORDER BY n");
  expect(result.columns).toEqual(["state", "n", "count(*)"]);
  expect(result.rows).toEqual([["FAILED", 30, 30], ["FINISHED", 270, 270]]);
  expect(result).toMatchObject({ total: 2, isTotalExact: true, cutBy: null, cellsCut: 0 });
  store.record(task("t-later"));
  store.write(kv("wakes", "the writer"));
  await store.committed();
  expect((await sql("select count(*) from tasks")).rows).toEqual([[TASKS + 1]]);
});

test("what is left out of an answer is said: rows, bytes, long values, blobs, large numbers", async () => {
  const numbers = (count: number) =>
    `WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT ${count}) SELECT n, n AS n FROM c`;
  const some = await sql(numbers(2_000), 3);
  expect(some.rows).toEqual([[1, 1], [2, 2], [3, 3]]);
  expect(some).toMatchObject({ total: 2_000, isTotalExact: true, cutBy: "rows" });
  const large = await sql(`SELECT *, printf('%.*c', 10000, 'x') FROM (${numbers(1_000)})`, 10_000);
  expect(large.cutBy).toBe("bytes");
  expect(large.rows.length).toBeGreaterThan(100);
  expect(large.total).toBe(1_000);
  const odd = await sql("SELECT x'0102', 9223372036854775807, 1e999, NULL, printf('%.*c', 20000, 'x')");
  expect(odd.rows[0]!.slice(0, 4)).toEqual(["<blob of 2 bytes>", "9223372036854775807", "Infinity", null]);
  expect(odd.rows[0]![4]).toHaveLength(16_385);
  expect(odd.cellsCut).toBe(1);
});

test("values that users keep, their code and their arguments are not shown; how many and how large is", async () => {
  expect((await sql("SELECT * FROM kv WHERE key = 'secret'")).rows).toEqual([["secret", 19]]);
  expect((await sql("SELECT name, source_bytes FROM functions")).rows).toEqual([["add", 77]]);
  const hidden = [
    "SELECT value FROM main.kv",
    'SELECT value FROM "main"."kv"',
    "SELECT * FROM tasks WHERE name IN (SELECT value FROM main . [kv])",
    "WITH x AS (SELECT source FROM main.functions) SELECT hex(source) FROM x",
    "SELECT (SELECT spec FROM main.actor_specs)",
    "SELECT count(*) FROM main.actor_errors",
  ];
  for (const text of hidden) await expect(sql(text), text).rejects.toThrow("not shown here");
  await expect(sql("SELECT value FROM kv")).rejects.toThrow("no such column: value");
  for (const text of ["SELECT data FROM sqlite_dbpage", "SELECT * FROM 'sqlite_dbpage'"]) {
    await expect(sql(text), text).rejects.toThrow("sqlite_dbpage cannot be read");
  }
});

test("nothing can be written, no file be read, nothing else be attached", async () => {
  const file = join(folder.path, "written");
  const digest = () => createHash("sha256").update(readFileSync(join(folder.path, "gcs.db"))).digest("hex");
  const before = digest();
  const refused: [string, string][] = [
    ["WITH x AS (SELECT 1) DELETE FROM tasks", "would write"],
    ["WITH x AS (SELECT 1) INSERT INTO kv SELECT 'a', 'b'", ""],
    ["SELECT readfile('/etc/hostname')", "readfile"],
    ["SELECT ReadFile(name) FROM tasks", "readfile"],
    [`SELECT writefile('${file}', 'x')`, "writefile"],
    ["SELECT * FROM fsdir('/')", "fsdir"],
    ["SELECT load_extension('x')", "load_extension"],
    ["SELECT fts3_tokenizer('x')", "fts3_tokenizer"],
    ["SELECT * FROM absent", "no such table: absent"],
    ["SELECT zeroblob(900000000)", "memory"],
  ];
  for (const [text, why] of refused) {
    const error = await sql(text).then(() => null, (reason: Error) => reason);
    expect(error, text).toBeInstanceOf(RangeError);
    expect(error!.message).toContain(why);
  }
  expect(existsSync(file)).toBe(false);
  expect(digest()).toBe(before);
  expect((await sql("select count(*) from kv")).rows).toEqual([[2]]);
});

test("a statement that takes too long is ended with its process; the next one has another", async () => {
  const endless = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT max(n) FROM c";
  await sql("SELECT 1");
  const first = reader.pid;
  const asked = [reader.ask("sql", { sql: endless, limit: 1 }, 300), sql("SELECT 2")];
  const error = await asked[0]!.then(() => null, (reason: unknown) => reason);
  expect(error).toBeInstanceOf(ReadError);
  expect((error as ReadError).code).toBe("READ_TIMEOUT");
  expect((await asked[1]!).rows).toEqual([[2]]);
  expect(reader.pid).not.toBe(first);
});

test("questions that wait are bounded", async () => {
  const other = new StoreReader({ url: null, dir: folder.path, runtime: "bun" });
  const asked = Array.from({ length: 40 }, () => other.ask("sql", { sql: "SELECT 1", limit: 1 }));
  const settled = await Promise.allSettled(asked);
  other.close();
  expect(settled.filter(({ status }) => status === "fulfilled")).toHaveLength(33);
  const busy = settled.find(({ status }) => status === "rejected") as PromiseRejectedResult;
  expect(busy.reason.code).toBe("READ_BUSY");
});

test("the tables are listed with the columns that statements can name", async () => {
  const tables = await reader.ask("tables", {});
  expect(tables[0]!.name).toBe("tasks");
  expect(tables.every(({ about }) => about !== "")).toBe(true);
  for (const { name, columns } of tables) {
    await sql(`SELECT ${columns.map((column) => column.name).join(", ")} FROM ${name}`, 1);
  }
});

describe("a store whose head is gone", () => {
  for (const runtime of RUNTIMES) {
    test(`is read by a reader on ${runtime}, with and without a log, and is the same file after it`, async () => {
      using other = temporaryFolder();
      const past = await open(other.path);
      await fill(past);
      past.kill();
      const dead = new StoreReader({ url: `file:${join(other.path, "gcs.db")}`, dir: "/", runtime });
      try {
        const count = { sql: "SELECT count(*) FROM tasks", limit: 10 };
        expect((await dead.ask("sql", count)).rows).toEqual([[TASKS]]);
        await (await open(other.path)).close();
        for (const end of ["-wal", "-shm"]) rmSync(join(other.path, `gcs.db${end}`), { force: true });
        const before = readFileSync(join(other.path, "gcs.db"));
        expect((await dead.ask("sql", count)).rows).toEqual([[TASKS]]);
        expect(readFileSync(join(other.path, "gcs.db")).equals(before)).toBe(true);
      } finally {
        dead.close();
      }
    });
  }

  test("that is not there, or none of ours, is said", async () => {
    const none = new StoreReader({ url: "file:/nowhere/gcs.db", dir: "/", runtime: "bun" });
    await expect(none.ask("tables", {})).rejects.toThrow("no store at /nowhere/gcs.db");
    none.close();
    const foreign = new StoreReader({ url: `file:${import.meta.path}`, dir: "/", runtime: "bun" });
    await expect(foreign.ask("tables", {})).rejects.toThrow("Cannot read the store");
    foreign.close();
  });
});

testUnless(skipReason("sqld"))("a libSQL server is read by the same rules", async () => {
  using other = temporaryFolder();
  const server = await startSqld({ dir: other.path, name: "primary" });
  const written = await open(other.path, { url: server.url });
  const remote = new StoreReader({ url: server.url, dir: other.path, runtime: "bun" });
  const ask = (text: string, limit = 10): Promise<SqlResult> => remote.ask("sql", { sql: text, limit });
  try {
    await fill(written);
    expect((await ask("SELECT state, count(*) FROM tasks GROUP BY 1")).rows).toEqual([["FAILED", 30], [
      "FINISHED",
      270,
    ]]);
    expect(await ask("SELECT task_id FROM tasks", 5)).toMatchObject({ total: 6, isTotalExact: false });
    await expect(ask("WITH x AS (SELECT 1) DELETE FROM tasks")).rejects.toThrow("would write");
    await expect(ask("SELECT value FROM kv")).rejects.toThrow("not shown here");
    await expect(ask("SELECT readfile('/etc/hostname')")).rejects.toThrow("readfile");
    await expect(ask("SELECT absent FROM tasks")).rejects.toThrow("no such column");
    expect((await remote.ask("tables", {})).map(({ name }) => name)).not.toContain("kv");
    expect((await ask("SELECT count(*) FROM tasks")).rows).toEqual([[TASKS]]);
  } finally {
    remote.close();
    await written.close();
    await server.kill();
  }
});
