/**
 * Reads for a head that starts: everything that it serves from memory, in pages, so that no answer is larger than a frame.
 * @module
 */
import type { Client, ResultSet } from "@libsql/client";
import { drizzle } from "drizzle-orm/libsql";
import { desc, eq, getTableColumns, inArray, ne } from "drizzle-orm";
import type { SQLiteColumn } from "drizzle-orm/sqlite-core";
import { TABLES } from "./schema.ts";
import { PLAN_BY_TABLE } from "./write_plan.ts";
import type { TableName } from "./rows.ts";

export type Row = Record<string, string | number | null | Uint8Array>;

/** Dead actors that a restarted head still knows, newest last; older ones are history. */
const DEAD_ACTORS_LOADED = 1_000;
const ROWS_PER_PAGE = 2_000;
/** Rows with blobs: a page must fit a frame (64 MB) even when each blob is large. */
const BLOB_ROWS_PER_PAGE = 64;

function columnsOf(table: TableName): Record<string, SQLiteColumn> {
  return getTableColumns(TABLES[table]) as Record<string, SQLiteColumn>;
}

/**
 * Every row that a head needs, page by page, through `take`. Actors come whole with their specs while they live; dead ones
 * only as rows. Functions come without source.
 */
export async function loadStore(
  client: Client,
  take: (table: TableName, rows: Row[]) => Promise<void>,
): Promise<void> {
  for (const table of ["nodes", "jobs", "names", "objects", "objectLocations"] as const) {
    await eachPage(client, table, ROWS_PER_PAGE, (rows) => take(table, rows));
  }
  await eachPage(client, "functions", ROWS_PER_PAGE, (rows) => take("functions", rows), ["source"]);
  await eachPage(client, "kv", BLOB_ROWS_PER_PAGE, (rows) => take("kv", rows));
  await loadActors(client, take);
}

async function loadActors(
  client: Client,
  take: (table: TableName, rows: Row[]) => Promise<void>,
): Promise<void> {
  const db = drizzle(client);
  const actor = columnsOf("actors");
  const dead = await db.select().from(TABLES.actors).where(eq(actor.state!, "DEAD"))
    .orderBy(desc(actor.endedMs!)).limit(DEAD_ACTORS_LOADED) as Row[];
  const living = await db.select().from(TABLES.actors).where(ne(actor.state!, "DEAD")) as Row[];
  await take("actors", [...dead.reverse(), ...living]);
  const livingIds = living.map((row) => row.actorId as string);
  const spec = columnsOf("actorSpecs");
  for (const ids of pages(livingIds, BLOB_ROWS_PER_PAGE)) {
    const rows = await db.select().from(TABLES.actorSpecs).where(inArray(spec.actorId!, ids)) as Row[];
    await take("actorSpecs", rows);
  }
  const failure = columnsOf("actorErrors");
  for (const ids of pages(dead.map((row) => row.actorId as string), BLOB_ROWS_PER_PAGE)) {
    const rows = await db.select().from(TABLES.actorErrors).where(inArray(failure.actorId!, ids)) as Row[];
    await take("actorErrors", rows);
  }
}

function* pages<T>(items: readonly T[], size: number): Iterable<T[]> {
  for (let at = 0; at < items.length; at += size) yield items.slice(at, at + size);
}

/** Pages by primary key: the next one starts after the last key of the one before. */
async function eachPage(
  client: Client,
  name: TableName,
  pageRows: number,
  take: (rows: Row[]) => Promise<void>,
  without: readonly string[] = [],
): Promise<void> {
  const plan = PLAN_BY_TABLE.get(name)!;
  const indices = plan.properties.flatMap((property, index) => without.includes(property) ? [] : [index]);
  const selected = indices.map((index) => plan.columns[index]!).join(", ");
  const key = plan.keyColumns.join(", ");
  const marks = plan.keyColumns.map(() => "?").join(", ");
  let after: (string | number)[] | null = null;
  for (;;) {
    const where: string = after === null ? "" : `WHERE (${key}) > (${marks})`;
    const result: ResultSet = await client.execute({
      sql: `SELECT ${selected} FROM ${plan.sqlName} ${where} ORDER BY ${key} LIMIT ${pageRows}`,
      args: after ?? [],
    });
    const rows = result.rows.map((values) => {
      const row: Row = {};
      indices.forEach((index, at) => row[plan.properties[index]!] = plainValue(values[at]));
      return row;
    });
    if (rows.length > 0) await take(rows);
    if (rows.length < pageRows) return;
    const last = rows[rows.length - 1]!;
    after = plan.keyProperties.map((property) => last[property] as string | number);
  }
}

/** The binding answers blobs as ArrayBuffer. */
export function plainValue(value: unknown): string | number | null | Uint8Array {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (typeof value === "bigint") return Number(value);
  return value as string | number | null;
}
