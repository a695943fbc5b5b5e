/**
 * The session folder: what of a cluster is on this host, and who may use it. It is 0700; the token in it is 0600; a
 * cluster.json in it is true only while the supervisor that wrote it lives.
 *
 *     <sessionDir>/  token  cluster.json  cluster-<pid>.json…  start.lock  store/gcs.db  logs/  n/<node>/*.sock
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { type ClusterFile, clusterFilePath, tokenPath } from "./config.ts";

/** Unix socket paths must stay below 100 bytes; below the folder they need up to 40. */
const PATH_BYTES_MAX = 60;

/** The folder, made when it is missing and closed to others. Absolute. RangeError when its path is too long for sockets. */
export function prepareSessionDir(path: string): string {
  const sessionDir = resolve(path);
  if (Buffer.byteLength(sessionDir) > PATH_BYTES_MAX) {
    throw new RangeError(
      `Cannot use session folder ${sessionDir}: its path is longer than ${PATH_BYTES_MAX} bytes, which leaves no room for ` +
        "unix sockets below it; set MOBULA_SESSION_DIR to a shorter one",
    );
  }
  try {
    mkdirSync(sessionDir, { recursive: true, mode: 0o700 });
    chmodSync(sessionDir, 0o700);
    mkdirSync(join(sessionDir, "logs"), { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new Error(
      `Cannot make the session folder ${sessionDir}: ${
        (error as Error).message
      }; set MOBULA_SESSION_DIR to another one`,
      { cause: error },
    );
  }
  return sessionDir;
}

/**
 * Where agents of this session put objects that do not fit into memory: MOBULA_SPILL_DIR, else a folder in the session's; null
 * for MOBULA_SPILL_DIR=none. Made when it is missing.
 */
export function spillFolder(sessionDir: string): string | null {
  const given = process.env.MOBULA_SPILL_DIR ?? "";
  if (given === "none") return null;
  const folder = given === "" ? join(sessionDir, "spill") : resolve(given);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return folder;
  } catch (error) {
    throw new Error(
      `Cannot make the folder for spilled objects: ${(error as Error).message} (MOBULA_SPILL_DIR)`,
      {
        cause: error,
      },
    );
  }
}

/** Writes the token so that nobody else can read it at any time, and no reader sees half of it. */
export function writeToken(sessionDir: string, token: string): void {
  writePrivately(tokenPath(sessionDir), token + "\n");
}

/** A fresh cluster token: 256 random bits. */
export function newToken(): string {
  return randomBytes(32).toString("hex");
}

/** The cluster that runs in this session, or null. */
export function runningCluster(sessionDir: string): ClusterFile | null {
  return readClusterFile(clusterFilePath(sessionDir));
}

/** Every supervisor that runs in this session: the first one, then agents that were added. */
export function runningSupervisors(sessionDir: string): ClusterFile[] {
  if (!existsSync(sessionDir)) return [];
  return readdirSync(sessionDir).filter((name) => /^cluster(-\d+)?\.json$/.test(name)).sort().reverse()
    .map((name) => readClusterFile(join(sessionDir, name))).filter((file) => file !== null);
}

/** Says that this supervisor's processes serve: as the session's cluster, or beside it when one runs already. */
export function publishCluster(sessionDir: string, file: ClusterFile): void {
  const first = runningCluster(sessionDir);
  const beside = first !== null && first.pid !== file.pid;
  writePrivately(
    beside ? besidePath(sessionDir, file.pid) : clusterFilePath(sessionDir),
    JSON.stringify(file, null, 2) + "\n",
  );
}

/** Takes back what publishCluster wrote for this supervisor. */
export function withdrawCluster(sessionDir: string, pid: number): void {
  rmSync(besidePath(sessionDir, pid), { force: true });
  // Only its own: by now the session may be another's.
  if (readAny(clusterFilePath(sessionDir))?.pid === pid) rmSync(clusterFilePath(sessionDir), { force: true });
}

/** Whether the supervisor that wrote the file still runs. */
export function isRunning(file: { readonly pid: number; readonly pidStart: string | null }): boolean {
  try {
    process.kill(file.pid, 0);
  } catch (error) {
    if ((error as { code?: string }).code !== "EPERM") return false;
  }
  return file.pidStart === null || processStart(file.pid) === file.pidStart;
}

/** When a process began, in the system's own count, or null where that cannot be told. */
export function processStart(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The command's name, in parentheses, may hold anything; the state is field 3, the start field 22.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // A zombie has ended; only its parent has not looked yet.
    return fields[0] === "Z" ? "ended" : fields[19] ?? null;
  } catch {
    return null; // Gone, or no /proc here.
  }
}

/** Holds the session against a second start at the same time. Returns what releases it. */
export function lockSession(sessionDir: string): () => void {
  const path = join(sessionDir, "start.lock");
  for (let attempt = 0;; attempt++) {
    try {
      const file = openSync(path, "wx", 0o600);
      writeFileSync(file, JSON.stringify({ pid: process.pid, pidStart: processStart(process.pid) }));
      closeSync(file);
      return () => rmSync(path, { force: true });
    } catch (error) {
      if ((error as { code?: string }).code !== "EEXIST") throw error;
      const holder = readAny(path);
      if (attempt > 0 || (holder !== null && isRunning(holder))) {
        throw new Error(`Another start is under way in ${sessionDir} (process ${holder?.pid ?? "unknown"})`);
      }
      // Its holder died between start and release.
      rmSync(path, { force: true });
    }
  }
}

function besidePath(sessionDir: string, pid: number): string {
  return join(sessionDir, `cluster-${pid}.json`);
}

function readClusterFile(path: string): ClusterFile | null {
  const file = readAny(path);
  return file !== null && isRunning(file) ? file : null;
}

function readAny(path: string): ClusterFile | null {
  try {
    const value = JSON.parse(readFileSync(path, "utf8")) as ClusterFile;
    return typeof value?.pid === "number" ? value : null;
  } catch {
    return null; // Not there, or a broken leftover: the same as none.
  }
}

function writePrivately(path: string, text: string): void {
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, text, { mode: 0o600 });
  renameSync(temporary, path);
}
