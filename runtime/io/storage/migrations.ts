/**
 * The store's history of schemas: numbered steps, each applied in one transaction (those of a new store together), never
 * edited once released (a change is a new step). A store that is newer than this program knows is refused; so is a database
 * that is not ours.
 * The SQL is text, not generated at start: what will run is what was reviewed.
 * @module
 */
import type { StoreConnection } from "./file_client.ts";
import { StoreError } from "./store_error.ts";

export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly statements: readonly string[];
}

/** A JSON text in which the number at `path`, where there is one, is that of a unit 10,000 times as large. */
function inBytes(text: string, path: string): string {
  return `CASE WHEN json_extract(${text}, '${path}') IS NULL THEN ${text}
    ELSE json_set(${text}, '${path}', (json_extract(${text}, '${path}') + 9999) / 10000) END`;
}

export const MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    name: "tables of the first release",
    statements: [
      `CREATE TABLE meta (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) WITHOUT ROWID`,
      `CREATE TABLE head (id INTEGER PRIMARY KEY NOT NULL CHECK (id = 1), epoch INTEGER NOT NULL)`,
      `CREATE TABLE nodes (
        node_id TEXT PRIMARY KEY NOT NULL, epoch INTEGER NOT NULL, state TEXT NOT NULL, state_message TEXT NOT NULL,
        address TEXT NOT NULL, hostname TEXT NOT NULL, pid INTEGER NOT NULL, runtime TEXT NOT NULL,
        session_dir TEXT NOT NULL, is_head_node INTEGER NOT NULL, resources TEXT NOT NULL, labels TEXT NOT NULL,
        object_store_bytes INTEGER NOT NULL, started_ms INTEGER NOT NULL, ended_ms INTEGER) WITHOUT ROWID`,
      `CREATE TABLE jobs (
        job_id TEXT PRIMARY KEY NOT NULL, driver_id TEXT NOT NULL, node_id TEXT NOT NULL, namespace TEXT NOT NULL,
        entrypoint TEXT NOT NULL, pid INTEGER NOT NULL, runtime TEXT NOT NULL, state TEXT NOT NULL,
        message TEXT NOT NULL, started_ms INTEGER NOT NULL, ended_ms INTEGER) WITHOUT ROWID`,
      `CREATE TABLE functions (
        hash TEXT PRIMARY KEY NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, created_ms INTEGER NOT NULL,
        source BLOB NOT NULL)`,
      `CREATE TABLE actors (
        actor_id TEXT PRIMARY KEY NOT NULL, job_id TEXT NOT NULL, class_name TEXT NOT NULL, name TEXT NOT NULL,
        namespace TEXT NOT NULL, state TEXT NOT NULL, incarnation INTEGER NOT NULL, restarts_left INTEGER NOT NULL,
        node_id TEXT, worker_id TEXT, socket_path TEXT, pid INTEGER, death_cause TEXT,
        has_error_value INTEGER NOT NULL, created_ms INTEGER NOT NULL, started_ms INTEGER, ended_ms INTEGER) WITHOUT ROWID`,
      `CREATE TABLE actor_specs (actor_id TEXT PRIMARY KEY NOT NULL, spec TEXT NOT NULL, args BLOB NOT NULL)`,
      `CREATE TABLE actor_errors (actor_id TEXT PRIMARY KEY NOT NULL, error BLOB NOT NULL)`,
      `CREATE TABLE names (
        namespace TEXT NOT NULL, name TEXT NOT NULL, actor_id TEXT NOT NULL,
        PRIMARY KEY (namespace, name)) WITHOUT ROWID`,
      `CREATE TABLE kv (key TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL)`,
      `CREATE TABLE objects (
        object_id TEXT PRIMARY KEY NOT NULL, bytes INTEGER NOT NULL, home TEXT NOT NULL, owner TEXT NOT NULL,
        is_error INTEGER NOT NULL, producer TEXT) WITHOUT ROWID`,
      `CREATE TABLE object_locations (
        object_id TEXT NOT NULL, node_id TEXT NOT NULL, is_primary INTEGER NOT NULL,
        PRIMARY KEY (object_id, node_id)) WITHOUT ROWID`,
      `CREATE INDEX object_locations_by_node ON object_locations (node_id)`,
      // With a rowid: pruning takes the oldest rows by it, and an upsert leaves it alone.
      `CREATE TABLE tasks (
        task_id TEXT NOT NULL, attempt INTEGER NOT NULL, job_id TEXT NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL,
        state TEXT NOT NULL, parent_task_id TEXT, actor_id TEXT, node_id TEXT, worker_id TEXT,
        submitted_ms INTEGER NOT NULL, pushed_ms INTEGER, start_ms INTEGER, end_ms INTEGER, args TEXT NOT NULL,
        result_bytes INTEGER NOT NULL, error_type TEXT, error_message TEXT,
        PRIMARY KEY (task_id, attempt))`,
      `CREATE INDEX tasks_by_state ON tasks (state, submitted_ms)`,
      `CREATE TABLE trace_steps (
        task_id TEXT NOT NULL, journey TEXT NOT NULL, step INTEGER NOT NULL, name TEXT NOT NULL,
        at_ms INTEGER NOT NULL, node_id TEXT, process_id TEXT, detail TEXT NOT NULL,
        PRIMARY KEY (task_id, journey, step, name, at_ms))`,
      `CREATE TABLE function_counts (
        process_id TEXT NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL, job_id TEXT, node_id TEXT NOT NULL,
        submitted INTEGER NOT NULL, finished INTEGER NOT NULL, failed INTEGER NOT NULL, run_ms INTEGER NOT NULL,
        sequence INTEGER NOT NULL, updated_ms INTEGER NOT NULL,
        PRIMARY KEY (process_id, name, type))`,
    ],
  },
  {
    version: 2,
    name: "nodes that are drained",
    statements: [`ALTER TABLE nodes ADD COLUMN drain TEXT`],
  },
  {
    version: 3,
    name: "placement groups",
    statements: [
      `CREATE TABLE placement_groups (
        group_id TEXT PRIMARY KEY NOT NULL, state TEXT NOT NULL, message TEXT NOT NULL, spec TEXT NOT NULL,
        ends_with_owner INTEGER NOT NULL, placements TEXT NOT NULL, created_ms INTEGER NOT NULL, ready_ms INTEGER,
        ended_ms INTEGER) WITHOUT ROWID`,
    ],
  },
  {
    version: 4,
    name: "submitted jobs",
    statements: [
      `CREATE TABLE submissions (
        submission_id TEXT PRIMARY KEY NOT NULL, state TEXT NOT NULL, message TEXT NOT NULL, entrypoint TEXT NOT NULL,
        metadata TEXT NOT NULL, spec TEXT NOT NULL, node_id TEXT, epoch INTEGER, pid INTEGER, job_id TEXT,
        exit_code INTEGER, signal TEXT, is_stopping INTEGER NOT NULL, submitted_ms INTEGER NOT NULL,
        started_ms INTEGER, ended_ms INTEGER) WITHOUT ROWID`,
    ],
  },
  {
    version: 5,
    name: "records of jobs",
    statements: [
      // With a rowid: the record is large, and lists leave it alone.
      `CREATE TABLE job_records (
        job_id TEXT PRIMARY KEY NOT NULL, name TEXT NOT NULL, namespace TEXT NOT NULL, state TEXT NOT NULL,
        message TEXT NOT NULL, started_ms INTEGER NOT NULL, ended_ms INTEGER, made_ms INTEGER NOT NULL,
        finished INTEGER NOT NULL, failed INTEGER NOT NULL, unfinished INTEGER NOT NULL, bytes INTEGER NOT NULL,
        record BLOB NOT NULL)`,
      `CREATE INDEX job_records_by_time ON job_records (made_ms, bytes)`,
    ],
  },
  {
    version: 6,
    name: "memory in bytes, not in ten-thousandths of one",
    statements: [
      `UPDATE nodes SET resources = ${inBytes("resources", "$.memory")}`,
      `UPDATE actor_specs SET spec = ${inBytes("spec", "$.resources.memory")}`,
      `UPDATE actor_specs SET spec = ${inBytes("spec", "$.placementResources.memory")}`,
      `UPDATE placement_groups SET spec = json_set(spec, '$.bundles', (
        SELECT json_group_array(json(${inBytes("value", "$.memory")}))
        FROM (SELECT value FROM json_each(spec, '$.bundles') ORDER BY key)))`,
    ],
  },
  {
    version: 7,
    name: "where a task's error comes from",
    statements: [
      `ALTER TABLE tasks ADD COLUMN error_stack TEXT`,
      `ALTER TABLE tasks ADD COLUMN error_root TEXT`,
    ],
  },
];

/** The schema that this program reads and writes. */
export const SCHEMA_VERSION: number = MIGRATIONS[MIGRATIONS.length - 1]!.version;

const LEDGER = `CREATE TABLE schema_migrations (
  version INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL, applied_ms INTEGER NOT NULL)`;

/**
 * Bring the store to SCHEMA_VERSION; answers the version that it had (0: it was empty). Safe to repeat, also after a
 * crash or a lost answer half-way: a step and its ledger row are one transaction. Throws StoreError STORE_NEWER or
 * STORE_FOREIGN, with nothing changed.
 */
export async function migrate(
  client: StoreConnection,
  nowMs: number,
  steps: readonly Migration[] = MIGRATIONS,
): Promise<number> {
  const found = await schemaVersion(client);
  const needed = steps[steps.length - 1]!.version;
  if (found > needed) {
    throw new StoreError(
      "STORE_NEWER",
      `The store has schema version ${found}, this program needs ${needed} or older: start a newer mobula, or give another --store`,
    );
  }
  const missing = steps.filter(({ version }) => version > found).map((step) => [
    ...(step.version === 1 ? [LEDGER] : []),
    ...step.statements,
    {
      sql: "INSERT INTO schema_migrations (version, name, applied_ms) VALUES (?, ?, ?)",
      args: [step.version, step.name, nowMs],
    },
  ]);
  // An empty one is made in one transaction: a start waits for it.
  for (const statements of found === 0 ? [missing.flat()] : missing) await client.batch(statements, "write");
  return found;
}

/** 0 for an empty database. */
async function schemaVersion(client: StoreConnection): Promise<number> {
  const listed = await client.execute(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'libsql_%'",
  );
  const names = new Set(listed.rows.map((row) => String(row.name)));
  if (names.size === 0) return 0;
  if (!names.has("schema_migrations") || !names.has("head")) {
    const some = [...names].slice(0, 3).join(", ");
    throw new StoreError(
      "STORE_FOREIGN",
      `The database is not a mobula store (it has tables such as ${some}): give another --store`,
    );
  }
  const newest = await client.execute("SELECT max(version) AS version FROM schema_migrations");
  const version = Number(newest.rows[0]?.version);
  if (!Number.isSafeInteger(version) || version < 1) {
    throw new StoreError(
      "STORE_CORRUPT",
      "The store's table schema_migrations is empty: it is damaged, restore a backup",
    );
  }
  return version;
}
