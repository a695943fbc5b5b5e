/**
 * Settings by environment variables, read and checked in one place. An empty variable is an absent one; a value that
 * cannot be meant is an error that names the variable, not a silent default.
 * @module
 */
import { GCS_REQUEST_TIMEOUT_MS, PENDING_TASKS_MAX, TASK_MAX_RETRIES } from "../common/config.ts";

/** How much weight a message has; `debug` is only written when asked for. */
export type LogLevel = "debug" | "info" | "warning" | "error";

const LOG_LEVELS: readonly LogLevel[] = ["debug", "info", "warning", "error"];

/** Text of a variable, or null when it is absent or empty. */
export function textSetting(name: string): string | null {
  return process.env[name] || null;
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

/** MOBULA_MAX_PENDING_TASKS: unfinished tasks that one process may have. */
export function maxPendingTasks(): number {
  return integerSetting("MOBULA_MAX_PENDING_TASKS", PENDING_TASKS_MAX, 1);
}

/** MOBULA_GCS_REQUEST_TIMEOUT_MS: how long an agent's requests wait for a head that is away, in milliseconds. */
export function gcsRequestTimeoutMs(): number {
  return integerSetting("MOBULA_GCS_REQUEST_TIMEOUT_MS", GCS_REQUEST_TIMEOUT_MS, 1);
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

/** Whether messages of this level are to be written. */
export function isLogged(level: LogLevel): boolean {
  return LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(logLevel());
}

/** Throws a RangeError that names the first variable whose value cannot be meant. */
export function checkEnvironment(): void {
  taskMaxRetries();
  maxPendingTasks();
  gcsRequestTimeoutMs();
  logLevel();
}
