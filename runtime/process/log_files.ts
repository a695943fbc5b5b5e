/**
 * The session's log files have limits: ended workers' logs by number and size, the others by size.
 * @module
 */
import { readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";

/** Ended workers' logs that are kept, newest first; and all of them together in bytes. */
const WORKER_LOGS_MAX = 200;
const WORKER_LOGS_BYTES_MAX = 256 * 1024 * 1024;
/** A log of head, agent or supervisor that has grown to this size becomes FILE.old when its process starts. */
const LOG_BYTES_MAX = 16 * 1024 * 1024;

export interface LogLimits {
  readonly files: number;
  readonly bytes: number;
}

/**
 * Removes the oldest workers' logs beyond the limits, but none of `living`. Logs of other agents' living workers in this
 * folder may go when they have been silent for long: their lines still reach their drivers.
 */
export function pruneWorkerLogs(
  folder: string,
  living: ReadonlySet<string>,
  limits: LogLimits = { files: WORKER_LOGS_MAX, bytes: WORKER_LOGS_BYTES_MAX },
): void {
  const logs: { path: string; bytes: number; changedMs: number }[] = [];
  for (const name of readdirSync(folder)) {
    if (!/^w-.*\.log$/.test(name)) continue;
    const path = join(folder, name);
    // Another agent of this session may remove it at this very moment.
    const found = statSync(path, { throwIfNoEntry: false });
    if (found !== undefined) logs.push({ path, bytes: bytesOnDisk(found), changedMs: found.mtimeMs });
  }
  logs.sort((a, b) => b.changedMs - a.changedMs);
  let files = 0;
  let bytes = 0;
  for (const log of logs) {
    if (living.has(log.path)) continue;
    files++;
    bytes += log.bytes;
    if (files > limits.files || bytes > limits.bytes) rmSync(log.path, { force: true });
  }
}

/** Of a file that may have given its beginning back (log_bounds.ts). */
function bytesOnDisk({ size, blocks }: { readonly size: number; readonly blocks: number }): number {
  return Math.min(size, blocks * 512);
}

/** Puts a log that has grown too large aside, in place of the one before it. */
export function rotateLog(path: string, bytesMax: number = LOG_BYTES_MAX): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found !== undefined && found.size > bytesMax) renameSync(path, `${path}.old`);
}
