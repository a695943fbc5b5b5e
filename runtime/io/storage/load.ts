/**
 * Reads for a head that starts: everything that it serves from memory, in pages, so that no answer is larger than a frame.
 * @module
 */
import type { ConnectionAnswer, ConnectionRow, StoreConnection } from "./file_client.ts";
import { PLAN_BY_TABLE } from "./write_plan.ts";
import type { TableName } from "./rows.ts";

export type Row = Record<string, string | number | null | Uint8Array>;

const ROWS_PER_PAGE = 2_000;
/** Rows with blobs: each may have megabytes. */
const BLOB_ROWS_PER_PAGE = 16;

const STATE_TABLES: readonly TableName[] = [
  "nodes",
  "jobs",
  "names",
  "objects",
  "objectLocations",
  "placementGroups",
  "submissions",
];

/**
 * Every row that a head needs, page by page, through `take`. Functions come without source.
 */
export async function loadStore(
  client: StoreConnection,
  take: (table: TableName, rows: Row[]) => Promise<void>,
): Promise<void> {
  for (const table of STATE_TABLES) {
    await eachPage(client, table, ROWS_PER_PAGE, (rows) => take(table, rows));
  }
  await eachPage(client, "functions", ROWS_PER_PAGE, (rows) => take("functions", rows), ["source"]);
  await eachPage(client, "kv", BLOB_ROWS_PER_PAGE, (rows) => take("kv", rows));
  await eachPage(client, "actorSpecs", BLOB_ROWS_PER_PAGE, (rows) => take("actorSpecs", rows));
  await eachPage(client, "actorErrors", BLOB_ROWS_PER_PAGE, (rows) => take("actorErrors", rows));
  const plan = PLAN_BY_TABLE.get("actors")!;
  // Dead ones by their end, so that the oldest is forgotten first; the living, without an end, by their creation.
  const found = await client.execute(
    `SELECT ${plan.columns.join(", ")} FROM ${plan.sqlName} ORDER BY ended_ms, created_ms`,
  );
  const actors = found.rows.map((values) => rowOf(plan.properties, values));
  for (let at = 0; at < actors.length; at += ROWS_PER_PAGE) {
    await take("actors", actors.slice(at, at + ROWS_PER_PAGE));
  }
}

/** Pages by primary key: the next one starts after the last key of the one before. */
async function eachPage(
  client: StoreConnection,
  name: TableName,
  pageRows: number,
  take: (rows: Row[]) => Promise<void>,
  without: readonly string[] = [],
): Promise<void> {
  const plan = PLAN_BY_TABLE.get(name)!;
  const properties = plan.properties.filter((property) => !without.includes(property));
  const selected = properties.map((property) => plan.columns[plan.properties.indexOf(property)]!).join(", ");
  const key = plan.keyColumns.join(", ");
  const marks = plan.keyColumns.map(() => "?").join(", ");
  let after: (string | number)[] | null = null;
  for (;;) {
    const where: string = after === null ? "" : `WHERE (${key}) > (${marks})`;
    const result: ConnectionAnswer = await client.execute({
      sql: `SELECT ${selected} FROM ${plan.sqlName} ${where} ORDER BY ${key} LIMIT ${pageRows}`,
      args: after ?? [],
    });
    const rows = result.rows.map((values) => rowOf(properties, values));
    if (rows.length > 0) await take(rows);
    if (rows.length < pageRows) return;
    const last = rows[rows.length - 1]!;
    after = plan.keyProperties.map((property) => last[property] as string | number);
  }
}

/** A row by properties, from one whose columns were selected in their order. */
export function rowOf(properties: readonly string[], values: ConnectionRow): Row {
  const row: Row = {};
  properties.forEach((property, at) => row[property] = plainValue(values[at]));
  return row;
}

/** The client answers blobs as ArrayBuffer, the engine as Buffer. */
function plainValue(value: unknown): string | number | null | Uint8Array {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (value instanceof Uint8Array) return new Uint8Array(value.buffer, value.byteOffset, value.length);
  if (typeof value === "bigint") return Number(value);
  return value as string | number | null;
}
