/**
 * The one connection that writes. A file is opened by exactly one process at a time, which also does all checkpoints (the
 * bundled SQLite can lose commits when two connections of one database checkpoint): a lock file, held by an exclusive
 * transaction that the kernel ends with the process, keeps every other head out. Remote stores have the epoch for that.
 * @module
 */
import { chmodSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { type Client, createClient } from "@libsql/client";
import { FileClient, type StoreConnection } from "./file_client.ts";
import { migrate, SCHEMA_VERSION } from "./migrations.ts";
import { StoreError, storeErrorOf } from "./store_error.ts";
import type { StorePlace } from "./store_url.ts";

/** A request to a remote store that takes longer counts as unanswered and is sent again. */
const REMOTE_TIMEOUT_MS = 10_000;

export interface OpenOptions {
  readonly place: StorePlace;
  readonly authToken: string | null;
  /** Cluster id of a store that is new. */
  readonly clusterId: string;
  readonly nowMs: number;
  /** Bytes that a file may grow to; then it counts as a full disk. Null: as much as the disk has. */
  readonly fileBytesMax: number | null;
  /** How long to wait for another process to leave the file. */
  readonly lockWaitMs: number;
}

export interface Database {
  readonly client: StoreConnection;
  readonly isRemote: boolean;
  readonly clusterId: string;
  readonly epoch: number;
  readonly schemaVersion: number;
  readonly isNew: boolean;
  /** Bring a file into one piece: what is only in the log beside it moves into it. Throws when it cannot. */
  settle(): Promise<void>;
  close(): void;
}

/** Open, lock, check, migrate and take over (a new epoch). Throws StoreError; a remote store that is away is one too. */
export async function openDatabase(options: OpenOptions): Promise<Database> {
  const { place } = options;
  const isRemote = place.type === "remote";
  let lock: Client | null = null;
  let client: StoreConnection | null = null;
  try {
    if (place.type === "file") {
      mkdirSync(dirname(place.path), { recursive: true, mode: 0o700 });
      lock = await lockFile(place.path, options.lockWaitMs);
      client = new FileClient(place.path);
      await prepareFile(client, place.path, options.fileBytesMax);
    } else {
      client = connectRemote(place.url, options.authToken);
    }
    const found = await migrate(client, options.nowMs);
    const { clusterId, epoch } = await takeOver(client, options);
    const opened = client;
    return {
      client: opened,
      isRemote,
      clusterId,
      epoch,
      schemaVersion: SCHEMA_VERSION,
      isNew: found === 0,
      async settle() {
        // Closing alone does not: whoever copies the file of a stopped head must have all of it.
        if (!isRemote) await opened.execute("PRAGMA wal_checkpoint(TRUNCATE)");
      },
      close() {
        opened.close();
        lock?.close();
      },
    };
  } catch (error) {
    client?.close();
    lock?.close();
    throw atOpen(storeErrorOf(error, isRemote), place);
  }
}

/** A connection to a libSQL server; every request has a bound in time. */
export function connectRemote(url: string, authToken: string | null): Client {
  return createClient({
    url,
    ...(authToken === null ? {} : { authToken }),
    concurrency: 1,
    fetch: (request: Request) => fetch(request, { signal: AbortSignal.timeout(REMOTE_TIMEOUT_MS) }),
  });
}

async function lockFile(path: string, lockWaitMs: number): Promise<Client> {
  const lockPath = `${path}.lock`;
  const lock = createClient({ url: `file:${lockPath}`, concurrency: 1, timeout: lockWaitMs });
  try {
    // Not WAL: in rollback-journal mode BEGIN EXCLUSIVE takes the operating system's lock on the file, and keeps it.
    await lock.execute("PRAGMA journal_mode = MEMORY");
    await lock.execute("PRAGMA locking_mode = EXCLUSIVE");
    await lock.batch(["CREATE TABLE IF NOT EXISTS holder (pid INTEGER NOT NULL)", "DELETE FROM holder", {
      sql: "INSERT INTO holder (pid) VALUES (?)",
      args: [process.pid],
    }], "write");
    chmodSync(lockPath, 0o600);
    return lock;
  } catch (error) {
    lock.close();
    const text = error instanceof Error ? error.message : String(error);
    if (!/BUSY|locked/i.test(text)) throw error;
    throw new StoreError(
      "STORE_IN_USE",
      `Another head holds the store ${path}: stop it first (mobula stop), or give another --store`,
    );
  }
}

async function prepareFile(
  client: StoreConnection,
  path: string,
  fileBytesMax: number | null,
): Promise<void> {
  const mode = await client.execute("PRAGMA journal_mode = WAL");
  if (String(mode.rows[0]?.journal_mode).toLowerCase() !== "wal") {
    throw new StoreError(
      "STORE_IO",
      `The store ${path} is on a file system without shared locks: WAL was refused`,
    );
  }
  chmodSync(path, 0o600);
  await client.execute("PRAGMA synchronous = FULL");
  await client.execute("PRAGMA journal_size_limit = 67108864");
  if (fileBytesMax !== null) {
    const page = await client.execute("PRAGMA page_size");
    const pages = Math.max(1, Math.floor(fileBytesMax / Number(page.rows[0]!.page_size)));
    await client.execute(`PRAGMA max_page_count = ${pages}`);
  }
  const check = await client.execute("PRAGMA quick_check(1)");
  const verdict = String(check.rows[0]?.quick_check ?? Object.values(check.rows[0] ?? {})[0]);
  if (verdict !== "ok") throw new StoreError("STORE_CORRUPT", verdict);
}

/** Idempotent but for the epoch, which may skip a number when an answer is lost. */
async function takeOver(
  client: StoreConnection,
  options: OpenOptions,
): Promise<{ clusterId: string; epoch: number }> {
  const results = await client.batch([
    { sql: "INSERT OR IGNORE INTO meta (key, value) VALUES ('cluster_id', ?)", args: [options.clusterId] },
    {
      sql: "INSERT OR IGNORE INTO meta (key, value) VALUES ('created_ms', ?)",
      args: [String(options.nowMs)],
    },
    "INSERT INTO head (id, epoch) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET epoch = epoch + 1",
    "SELECT (SELECT value FROM meta WHERE key = 'cluster_id') AS cluster_id, (SELECT epoch FROM head WHERE id = 1) AS epoch",
  ], "write");
  const row = results[3]!.rows[0]!;
  return { clusterId: String(row.cluster_id), epoch: Number(row.epoch) };
}

/** Say which store it was, and for a damaged one what to do. */
function atOpen(error: StoreError, place: StorePlace): StoreError {
  if (error.code === "STORE_CORRUPT") {
    const found = error.message.replace(/^The store failed and cannot be trusted any more: /, "");
    return new StoreError(
      "STORE_CORRUPT",
      `The store ${place.url} is corrupt (${found}); needed is an intact mobula store of schema version ` +
        `${SCHEMA_VERSION} or older: restore a backup, or move it away to start empty`,
      { cause: error },
    );
  }
  if (error.code === "STORE_URL" || error.code === "STORE_IN_USE" || error.message.includes(place.url)) {
    return error;
  }
  return new StoreError(error.code, `Cannot open the store ${place.url}: ${error.message}`, { cause: error });
}
