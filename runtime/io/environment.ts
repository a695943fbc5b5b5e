/**
 * Settings by environment variables, read and checked in one place. An empty variable is an absent one; a value that
 * cannot be meant is an error that names the variable, not a silent default.
 * @module
 */
import {
  GCS_REQUEST_TIMEOUT_MS,
  JOB_HISTORY_BYTES,
  JOB_HISTORY_DAYS,
  LINEAGE_BYTES_MAX,
  MEMORY_MONITOR_MS,
  MEMORY_USAGE_THRESHOLD,
  NODE_RECONNECT_MS,
  PENDING_TASKS_MAX,
  SHUTDOWN_GRACE_MS,
  TASK_MAX_RETRIES,
  TASK_OOM_RETRIES,
  TRANSFER_CONNECTIONS,
  WORKER_START_TIMEOUT_MS,
  WORKING_DIR_BYTES_MAX,
} from "../common/config.ts";

/** How much weight a message has; `debug` is only written when asked for. */
export type LogLevel = "debug" | "info" | "warning" | "error";

const LOG_LEVELS: readonly LogLevel[] = ["debug", "info", "warning", "error"];

/** Text of a variable, or null when it is absent or empty. A page has none. */
export function textSetting(name: string): string | null {
  return typeof process === "undefined" ? null : process.env?.[name] || null;
}

function integerSetting(name: string, otherwise: number, minimum: number): number {
  const text = textSetting(name);
  if (text === null) return otherwise;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < minimum) {
    throw new RangeError(`${name} must be an integer of at least ${minimum}, is ${JSON.stringify(text)}`);
  }
  return value;
}

/** MOBULA_TASK_MAX_RETRIES: retries of a task that says nothing itself. -1 without end. */
export function taskMaxRetries(): number {
  return integerSetting("MOBULA_TASK_MAX_RETRIES", TASK_MAX_RETRIES, -1);
}

/** MOBULA_RECORD_TASKS: whether this process tells of its tasks, for people: counts, rows, traces. 1 by default. */
export function recordsTasks(): boolean {
  const text = textSetting("MOBULA_RECORD_TASKS") ?? "1";
  if (text === "0" || text === "1") return text === "1";
  throw new RangeError(`MOBULA_RECORD_TASKS must be 0 or 1, is ${JSON.stringify(text)}`);
}

/** MOBULA_TASK_OOM_RETRIES: retries of a task after kills for low memory, beside its ordinary ones. -1 without end. */
export function taskOomRetries(): number {
  return integerSetting("MOBULA_TASK_OOM_RETRIES", TASK_OOM_RETRIES, -1);
}

/** MOBULA_WORKER_START_TIMEOUT_MS: how long a worker process may take to come up before its agent kills it. */
export function workerStartTimeoutMs(): number {
  return integerSetting("MOBULA_WORKER_START_TIMEOUT_MS", WORKER_START_TIMEOUT_MS, 1);
}

/** MOBULA_SHUTDOWN_GRACE_MS: how long a worker that ends in good order may take before its agent kills it. */
export function shutdownGraceMs(): number {
  return integerSetting("MOBULA_SHUTDOWN_GRACE_MS", SHUTDOWN_GRACE_MS, 0);
}

/** MOBULA_NODE_RECONNECT_MS: how long an agent whose connection closed may take to come back before its node is dead. */
export function nodeReconnectMs(): number {
  return integerSetting("MOBULA_NODE_RECONNECT_MS", NODE_RECONNECT_MS, 0);
}

/** MOBULA_TRANSFER_CONNECTIONS: over how many connections this node is sent a large object by one other. */
export function transferConnections(): number {
  return integerSetting("MOBULA_TRANSFER_CONNECTIONS", TRANSFER_CONNECTIONS, 1);
}

/** How an agent watches its node's memory. */
export interface MemorySettings {
  /** MOBULA_MEMORY_MONITOR_MS: how often it looks; 0: never. */
  readonly intervalMs: number;
  /** MOBULA_MEMORY_USAGE_THRESHOLD: the share of all memory, above 0 up to 1, above which work is ended. */
  readonly threshold: number;
  /** MOBULA_MEMORY_MIN_FREE_BYTES: nothing is ended while this much is free, whatever the share; null: the share alone. */
  readonly minFreeBytes: number | null;
  /** MOBULA_TEST_MEMORY_FILE, for tests: a file that holds "USED TOTAL" in bytes, read in place of the system's figures. */
  readonly testFile: string | null;
}

export function memorySettings(): MemorySettings {
  const share = textSetting("MOBULA_MEMORY_USAGE_THRESHOLD");
  const threshold = share === null ? MEMORY_USAGE_THRESHOLD : Number(share);
  if (!(threshold > 0 && threshold <= 1)) {
    throw new RangeError(
      `MOBULA_MEMORY_USAGE_THRESHOLD must be above 0 and at most 1, is ${JSON.stringify(share)}`,
    );
  }
  const minFree = integerSetting("MOBULA_MEMORY_MIN_FREE_BYTES", -1, 0);
  return {
    intervalMs: integerSetting("MOBULA_MEMORY_MONITOR_MS", MEMORY_MONITOR_MS, 0),
    threshold,
    minFreeBytes: minFree < 0 ? null : minFree,
    testFile: textSetting("MOBULA_TEST_MEMORY_FILE"),
  };
}

/** MOBULA_MAX_PENDING_TASKS: unfinished tasks that one process may have. */
export function maxPendingTasks(): number {
  return integerSetting("MOBULA_MAX_PENDING_TASKS", PENDING_TASKS_MAX, 1);
}

/** How long records of finished jobs are kept, and how many bytes of them: whichever is reached first. */
export interface JobHistorySettings {
  readonly bytes: number;
  readonly days: number;
}

/** MOBULA_JOB_HISTORY_BYTES, MOBULA_JOB_HISTORY_DAYS; 0 keeps none. */
export function jobHistorySettings(): JobHistorySettings {
  return {
    bytes: integerSetting("MOBULA_JOB_HISTORY_BYTES", JOB_HISTORY_BYTES, 0),
    days: integerSetting("MOBULA_JOB_HISTORY_DAYS", JOB_HISTORY_DAYS, 0),
  };
}

/** MOBULA_MAX_LINEAGE_BYTES: what a process remembers of its tasks to make lost results again; above it the oldest half goes. */
export function maxLineageBytes(): number {
  return integerSetting("MOBULA_MAX_LINEAGE_BYTES", LINEAGE_BYTES_MAX, 0);
}

/** MOBULA_GCS_REQUEST_TIMEOUT_MS: how long an agent's requests wait for a head that is away, in milliseconds. */
export function gcsRequestTimeoutMs(): number {
  return integerSetting("MOBULA_GCS_REQUEST_TIMEOUT_MS", GCS_REQUEST_TIMEOUT_MS, 1);
}

/** MOBULA_MAX_WORKING_DIR_BYTES: what the files of a workingDir may have together, in the process that packs it. */
export function maxWorkingDirBytes(): number {
  return Math.min(
    integerSetting("MOBULA_MAX_WORKING_DIR_BYTES", WORKING_DIR_BYTES_MAX, 1),
    WORKING_DIR_BYTES_MAX,
  );
}

/** MOBULA_LOG_LEVEL: the least level of mobula's own messages on stderr. Default info. */
export function logLevel(): LogLevel {
  const text = textSetting("MOBULA_LOG_LEVEL");
  if (text === null) return "info";
  if (!LOG_LEVELS.includes(text as LogLevel)) {
    throw new RangeError(`MOBULA_LOG_LEVEL must be ${LOG_LEVELS.join(", ")}, is ${JSON.stringify(text)}`);
  }
  return text as LogLevel;
}

/** MOBULA_LOG_FORMAT: "text" (default), or "json": workers' lines without a prefix, mobula's messages as JSON. */
export function logFormat(): "text" | "json" {
  const text = textSetting("MOBULA_LOG_FORMAT") ?? "text";
  if (text === "text" || text === "json") return text;
  throw new RangeError(`MOBULA_LOG_FORMAT must be text or json, is ${JSON.stringify(text)}`);
}

/** MOBULA_LOG_DEDUP: whether lines that many workers print alike are held back on a terminal. Default 1. */
export function logDedup(): boolean {
  const text = textSetting("MOBULA_LOG_DEDUP") ?? "1";
  if (text === "0" || text === "1") return text === "1";
  throw new RangeError(`MOBULA_LOG_DEDUP must be 0 or 1, is ${JSON.stringify(text)}`);
}

/** MOBULA_PROGRESS: 1 shows a driver's progress everywhere, 0 nowhere; default: bars on a terminal. */
export function progressSetting(): "never" | "terminal" | "always" {
  const text = textSetting("MOBULA_PROGRESS");
  if (text === null) return "terminal";
  if (text === "0" || text === "1") return text === "1" ? "always" : "never";
  throw new RangeError(`MOBULA_PROGRESS must be 0 or 1, is ${JSON.stringify(text)}`);
}

/** Whether messages of this level are to be written. */
export function isLogged(level: LogLevel): boolean {
  return LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(logLevel());
}

/**
 * MOBULA_WEB_ORIGINS: sites whose pages may be drivers, as "https://app.example.org, http://localhost:5173". TypeError for
 * what is no origin.
 */
export function webOrigins(text: string = textSetting("MOBULA_WEB_ORIGINS") ?? ""): string[] {
  return origins("MOBULA_WEB_ORIGINS", text);
}

/**
 * MOBULA_DASHBOARD_FRAMES: sites whose pages may show the dashboard in a frame, as "https://portal.example.org". None by
 * default. TypeError for what is no origin.
 */
export function dashboardFrames(text: string = textSetting("MOBULA_DASHBOARD_FRAMES") ?? ""): string[] {
  return origins("MOBULA_DASHBOARD_FRAMES", text);
}

function origins(variable: string, text: string): string[] {
  const given = text.split(",").map((part) => part.trim()).filter((part) => part !== "");
  for (const part of given) {
    if (URL.canParse(part) && new URL(part).origin === part) continue;
    throw new TypeError(`${variable}: ${JSON.stringify(part)} is no origin such as https://app.example.org`);
  }
  return given;
}

/** Throws an error that names the first variable whose value cannot be meant. */
export function checkEnvironment(): void {
  taskMaxRetries();
  taskOomRetries();
  memorySettings();
  workerStartTimeoutMs();
  transferConnections();
  shutdownGraceMs();
  maxPendingTasks();
  maxLineageBytes();
  gcsRequestTimeoutMs();
  maxWorkingDirBytes();
  logLevel();
  logFormat();
  logDedup();
  jobHistorySettings();
  progressSetting();
  webOrigins();
  dashboardFrames();
}
