/**
 * Every constant of the running system in one place, with its unit and why it has that value.
 * @module
 */

export const PROTOCOL_VERSION: number = 2;
/** Of this mobula, as package.json says. */
export const MOBULA_VERSION: string = "0.1.0";

/** Default TCP port of the head, and the first port that the dashboard tries. */
export const HEAD_PORT: number = 6380;
export const DASHBOARD_PORT: number = 8265;
/** A started node's metrics. */
export const METRICS_PORT: number = 8266;

/** Values up to this size travel inside messages; larger ones live in the object store (Ray: 100 KB). */
export const INLINE_BYTES_MAX: number = 100 * 1024;
/** From so many refs in one stored value on, whoever reads it holds them as a whole (ref_bundle.ts). */
export const BUNDLED_REFS_MIN: number = 64;
/** Frames above this are a protocol error; bulk bytes travel in object streams, not frames. */
export const FRAME_BYTES_MAX: number = 64 * 1024 * 1024;
/** Flow-control windows of HTTP/2, stream and session, both ends (measured: 3x the default windows' throughput). */
export const HTTP2_WINDOW_BYTES: number = 16 * 1024 * 1024;
/** Connections over which a node sends one large object to another (MOBULA_TRANSFER_CONNECTIONS). */
export const TRANSFER_CONNECTIONS: number = 4;
/** Those beyond the first are closed when they have been idle for this long. */
export const TRANSFER_CONNECTION_IDLE_MS: number = 10_000;
/** Bytes an outgoing queue may hold before its writers must wait. */
export const SEND_QUEUE_BYTES_MAX: number = 32 * 1024 * 1024;

/** Heartbeats between agents and head, on a connection of their own. */
export const HEARTBEAT_INTERVAL_MS: number = 500;
/** A node silent for this long (three heartbeats) is suspect: it gets no new work and loses nothing. */
export const NODE_SUSPECT_AFTER_MS: number = 1_500;
/** A node silent for this long is dead: stalls of 5 s are harmless, death is known within 10 s. */
export const NODE_DEAD_AFTER_MS: number = 7_000;
/** An agent whose connection closed has this long to come back before its node is dead. */
export const NODE_RECONNECT_MS: number = 3_000;

/** An unused lease goes back after this long (Ray: 500 ms). */
export const LEASE_IDLE_MS: number = 500;
/** Lease requests of one class that a submitter keeps open at once (Ray: 10 by default). */
export const LEASES_PENDING_PER_CLASS: number = 16;
/** Idle workers beyond one per CPU are stopped after this long (Ray: 1 s; bun workers are cheap to keep). */
export const WORKER_IDLE_MS: number = 10_000;
/** A worker process must say hello within this long (MOBULA_WORKER_START_TIMEOUT_MS). */
export const WORKER_START_TIMEOUT_MS: number = 30_000;
/** A worker that ends in good order has this long for what runs and for its shutdown hook (MOBULA_SHUTDOWN_GRACE_MS; as in Ray). */
export const SHUTDOWN_GRACE_MS: number = 30_000;

/** What a node's drain may take at most when nobody says so. */
export const DRAIN_DEADLINE_MS: number = 3_600_000;

/** How long requests wait for an unreachable GCS (MOBULA_GCS_REQUEST_TIMEOUT_MS). */
export const GCS_REQUEST_TIMEOUT_MS: number = 60_000;
/** Task events leave a process this often. */
export const TASK_EVENT_INTERVAL_MS: number = 200;
/** Rows per batch; above that, finished rows are dropped and counted, failed ones kept. */
export const TASK_ROWS_PER_BATCH: number = 500;

/** Default retries of a task (Ray: 3). */
export const TASK_MAX_RETRIES: number = 3;
/** Retries of a task that the memory monitor killed, beside its ordinary ones (Ray: 15; MOBULA_TASK_OOM_RETRIES). */
export const TASK_OOM_RETRIES: number = 15;
/** The memory monitor looks this often (Ray: 250 ms; MOBULA_MEMORY_MONITOR_MS, 0 turns it off). */
export const MEMORY_MONITOR_MS: number = 250;
/** The share of a node's memory above which it ends work (Ray: 0.95; MOBULA_MEMORY_USAGE_THRESHOLD). */
export const MEMORY_USAGE_THRESHOLD: number = 0.95;
/** What one process may remember of its tasks to make lost results again (Ray: 1 GB; MOBULA_MAX_LINEAGE_BYTES). */
export const LINEAGE_BYTES_MAX: number = 1024 * 1024 * 1024;
/** Tasks that one process may have pending (MOBULA_MAX_PENDING_TASKS). */
export const PENDING_TASKS_MAX: number = 5_000_000;

/** The object store's default share of the memory, for all agents of a host together (Ray: 30 %, each). */
export const OBJECT_STORE_MEMORY_SHARE: number = 0.3;
/** A creator waits this long for room after the last time that any was freed (Ray: 2 s), then ObjectStoreFullError. */
export const OBJECT_STORE_FULL_GRACE_MS: number = 2_000;
/** But never longer than this in all. */
export const OBJECT_STORE_FULL_WAIT_MAX_MS: number = 60_000;
/** Rounds of asking for locations and trying them all before a pull fails. */
export const PULL_ROUNDS_MAX: number = 8;
/** Pause before the next round; it doubles each time. */
export const PULL_RETRY_MS: number = 100;

/** The smallest object store: less would not hold one object that is worth storing. */
export const OBJECT_STORE_BYTES_MIN: number = 1024 * 1024;

/** Records of finished jobs in the store, all together (MOBULA_JOB_HISTORY_BYTES), and how long (MOBULA_JOB_HISTORY_DAYS). */
export const JOB_HISTORY_BYTES: number = 256 * 1024 * 1024;
export const JOB_HISTORY_DAYS: number = 30;

/** Files of one working directory together, unpacked (Ray: 500 MB, packed). */
export const WORKING_DIR_BYTES_MAX: number = 1024 * 1024 * 1024;
