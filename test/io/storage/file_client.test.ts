/** The connection to a local file: rows as the client's, transactions whole or not at all, statements used again. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@libsql/client";
import { FileClient } from "../../../runtime/io/storage/file_client.ts";

const folder = mkdtempSync(join(tmpdir(), "file-client-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("answers what @libsql/client answers, by name and by column, and error codes that begin with its own", async () => {
  const ours = new FileClient(join(folder, "ours.db"));
  const theirs = createClient({ url: `file:${join(folder, "theirs.db")}`, concurrency: 1 });
  const seen = [];
  for (const client of [ours, theirs]) {
    await client.batch(["CREATE TABLE t (k TEXT PRIMARY KEY, n INTEGER, r REAL, b BLOB)"], "write");
    const put = "INSERT INTO t VALUES (?, ?, ?, ?)";
    const answers = await client.batch([
      { sql: put, args: ["a", 2 ** 53 - 1, 0.5, Uint8Array.of(0, 1, 255).subarray(1)] },
      { sql: put, args: ["b", null, null, null] },
      { sql: "UPDATE t SET r = r + 1 WHERE k < ?", args: ["c"] },
    ], "write");
    const { rows } = await client.execute({
      sql: "SELECT k, n, r, b, n AS n, NULL AS x, 1 AS x FROM t WHERE k >= ?",
      args: ["a"],
    });
    const error = await client.execute({ sql: put, args: ["a", 1, 1, null] }).catch((error) => error);
    seen.push({
      affected: answers.map(({ rowsAffected }) => rowsAffected),
      names: rows.map((row) => Object.keys(row)),
      cells: rows.map((row) => [row[0], row["n"], row[2], row["x"]]),
      bytes: [...new Uint8Array(rows[0]!["b"] as ArrayBuffer)],
      code: error.code,
    });
    client.close();
  }
  const [own, client] = [seen[0]!, seen[1]!];
  // The client keeps the longer code apart.
  expect([own.code, client.code]).toEqual(["SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT"]);
  expect({ ...own, code: "" }).toEqual({ ...client, code: "" });
});

test("a batch that fails leaves nothing, and its kept statements go on", async () => {
  const client = new FileClient(join(folder, "batch.db"));
  await client.execute("CREATE TABLE t (k TEXT PRIMARY KEY, b BLOB)");
  const put = (key: string, bytes = 1) => ({
    sql: "INSERT INTO t VALUES (?, ?)",
    args: [key, new Uint8Array(bytes)],
  });
  const keys = async () =>
    (await client.execute("SELECT k, length(b) FROM t ORDER BY k")).rows.map((row) => row[1]);
  await client.batch([put("a"), put("b", 100_000)], "write");
  for (let round = 0; round < 3; round++) {
    await expect(client.batch([put("c"), put("a")], "write")).rejects.toThrow("UNIQUE constraint failed");
    expect(await keys()).toEqual([1, 100_000]);
  }
  await client.batch([put("c", 2)], "write");
  // The table changes below a kept statement.
  await client.batch(["ALTER TABLE t RENAME COLUMN b TO blob", put("d", 3)], "write");
  const after = await client.execute("SELECT length(blob) AS bytes FROM t ORDER BY k");
  expect(after.rows.map((row) => row["bytes"])).toEqual([1, 100_000, 2, 3]);
  client.close();
});
