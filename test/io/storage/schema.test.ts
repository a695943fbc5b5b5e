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
