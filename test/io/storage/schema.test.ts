/**
 * Migrations and drizzle's tables describe the same database; migrating is safe to repeat and to interrupt.
 * @module
 */
import { expect, test } from "bun:test";
import { createClient } from "@libsql/client";
import { getTableColumns, getTableName } from "drizzle-orm";
import { getTableConfig } from "drizzle-orm/sqlite-core";
import {
  migrate,
  type Migration,
  MIGRATIONS,
  SCHEMA_VERSION,
} from "../../../runtime/io/storage/migrations.ts";
import { HEAD, META, TABLES } from "../../../runtime/io/storage/schema.ts";

test("the migrated tables have drizzle's columns, types, keys and indices", async () => {
  const client = createClient({ url: ":memory:" });
  await migrate(client, 1);
  for (const table of [...Object.values(TABLES), META, HEAD]) {
    const name = getTableName(table);
    const config = getTableConfig(table);
    const keys = config.primaryKeys[0]?.columns.map((column) => column.name) ?? [];
    const wanted = Object.values(getTableColumns(table)).map((column) => {
      const isKey = column.primary || keys.includes(column.name);
      return `${column.name} ${column.getSQLType().toUpperCase()}${
        column.notNull || isKey ? " NOT NULL" : ""
      }${isKey ? " KEY" : ""}`;
    });
    const found = (await client.execute(`PRAGMA table_info(${name})`)).rows.map((row) =>
      `${row.name} ${row.type}${row.notnull ? " NOT NULL" : ""}${row.pk ? " KEY" : ""}`
    );
    expect([name, ...found.sort()]).toEqual([name, ...wanted.sort()]);
    const indices = (await client.execute(`PRAGMA index_list(${name})`)).rows.filter((row) =>
      row.origin === "c"
    );
    expect(indices.map((row) => row.name).sort()).toEqual(
      config.indexes.map((index) => index.config.name).sort(),
    );
  }
  client.close();
});

test("migrating again changes nothing; a step that fails leaves the version before it, whole", async () => {
  const client = createClient({ url: ":memory:" });
  expect(await migrate(client, 1)).toBe(0);
  expect(await migrate(client, 2)).toBe(SCHEMA_VERSION);
  const broken: Migration[] = [...MIGRATIONS, {
    version: SCHEMA_VERSION + 1,
    name: "half of a step",
    statements: ["CREATE TABLE half (id INTEGER)", "CREATE TABLE half (id INTEGER)"],
  }];
  await expect(migrate(client, 3, broken)).rejects.toThrow("already exists");
  expect((await client.execute("SELECT 1 FROM sqlite_master WHERE name = 'half'")).rows.length).toBe(0);
  const whole: Migration[] = [...MIGRATIONS, {
    ...broken.at(-1)!,
    statements: ["CREATE TABLE half (id INTEGER)"],
  }];
  expect(await migrate(client, 4, whole)).toBe(SCHEMA_VERSION);
  expect(await migrate(client, 5, whole)).toBe(SCHEMA_VERSION + 1);
  await expect(migrate(client, 6)).rejects.toThrow(`schema version ${SCHEMA_VERSION + 1}`);
  client.close();
});

test("a store of before has its memory in bytes afterwards", async () => {
  const client = createClient({ url: ":memory:" });
  await migrate(client, 1, MIGRATIONS.slice(0, 5));
  const old = {
    resources: { CPU: 10_000, memory: 5 * 2 ** 30 * 10_000 },
    placementResources: { CPU: 10_000 },
  };
  const bundles = [{ memory: 30_000 }, { CPU: 20_000 }, { CPU: 5_000, memory: 12_345 }];
  await client.batch([
    {
      sql:
        `INSERT INTO nodes (node_id, epoch, state, state_message, address, hostname, pid, runtime, session_dir,
        is_head_node, resources, labels, object_store_bytes, started_ms)
        VALUES ('n-1', 1, 'ALIVE', '', '', '', 1, 'bun', '', 1, ?, '{}', 0, 0)`,
      args: [JSON.stringify(old.resources)],
    },
    {
      sql: "INSERT INTO actor_specs (actor_id, spec, args) VALUES ('a-1', ?, x''), ('a-2', ?, x'')",
      args: [JSON.stringify({ name: "one", ...old }), JSON.stringify({ name: "two", resources: {} })],
    },
    {
      sql:
        `INSERT INTO placement_groups (group_id, state, message, spec, ends_with_owner, placements, created_ms)
        VALUES ('g-1', 'CREATED', '', ?, 0, '[]', 0)`,
      args: [JSON.stringify({ strategy: "PACK", bundles })],
    },
  ], "write");
  await migrate(client, 2);
  const read = async (sql: string) =>
    (await client.execute(sql)).rows.map((row) => JSON.parse(String(row[0])) as unknown);
  expect(await read("SELECT resources FROM nodes")).toEqual([{ CPU: 10_000, memory: 5 * 2 ** 30 }]);
  expect(await read("SELECT spec FROM actor_specs ORDER BY actor_id")).toEqual([
    { name: "one", resources: { CPU: 10_000, memory: 5 * 2 ** 30 }, placementResources: { CPU: 10_000 } },
    { name: "two", resources: {} },
  ]);
  expect(await read("SELECT spec FROM placement_groups")).toEqual([
    { strategy: "PACK", bundles: [{ memory: 3 }, { CPU: 20_000 }, { CPU: 5_000, memory: 2 }] },
  ]);
  client.close();
});
