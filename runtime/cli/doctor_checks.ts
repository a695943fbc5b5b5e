/**
 * What `mobula doctor` looks at on this machine: the runtimes, shared memory, limits, ports, the session folder and the store
 * file in it. Each check says what it found, and what to do when that is not good.
 * @module
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statfsSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { freemem, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { byteText } from "../common/byte_text.ts";
import { createClient } from "@libsql/client";
import { runtimeName } from "#platform";
import { DASHBOARD_PORT, HEAD_PORT, OBJECT_STORE_BYTES_MIN } from "../common/config.ts";
import type { RuntimeName } from "../common/task_spec.ts";
import { findRuntime } from "../platform/spawn.ts";
import { tokenPath } from "../process/config.ts";
import { runningSupervisors } from "../process/session.ts";

/** `warn`: it works, but not well; `bad`: something will fail. */
export interface Finding {
  readonly check: string;
  readonly state: "ok" | "warn" | "bad";
  readonly found: string;
  /** What to do; "" when nothing. */
  readonly advice: string;
}

const VERSIONS_MIN: Readonly<Record<RuntimeName, readonly [major: number, minor: number]>> = {
  bun: [1, 4],
  deno: [2, 9],
  node: [24, 0],
};
/** Agents hold a socket or two for each worker, driver and peer. */
const DESCRIPTORS_MIN = 4_096;
/** The share of memory that all object stores of a host may have. */
const STORE_SHARE = 0.3;
/** A larger store takes long to look through. */
const STORE_BYTES_CHECKED = 4 * 1024 * 1024 * 1024;

/** All checks of this machine and of the session there. */
export async function machineFindings(sessionDir: string): Promise<Finding[]> {
  const isRunning = runningSupervisors(sessionDir).length > 0;
  return [
    ...runtimeFindings(),
    sharedMemoryFinding(),
    memoryFinding(),
    descriptorsFinding(),
    ...await portFindings(isRunning),
    ...sessionFindings(sessionDir),
    await storeFinding(sessionDir, isRunning),
  ];
}

function ok(check: string, found: string): Finding {
  return { check, state: "ok", found, advice: "" };
}

function runtimeFindings(): Finding[] {
  let usable = 0;
  const findings = (Object.keys(VERSIONS_MIN) as RuntimeName[]).map((name): Finding => {
    const [major, minor] = VERSIONS_MIN[name];
    const wanted =
      `install ${name} ${major}.${minor} or newer, or set MOBULA_${name.toUpperCase()} to its path`;
    let path: string;
    try {
      path = findRuntime(name, { name: runtimeName, path: process.execPath });
    } catch {
      const advice = `only workers with runtime "${name}" need it: ${wanted}`;
      return { check: name, state: "warn", found: "not found", advice };
    }
    const { stdout, status } = spawnSync(path, ["--version"], { timeout: 10_000 });
    const version = /(\d+)\.(\d+)\.\d+/.exec(String(stdout ?? ""));
    if (status !== 0 || version === null) {
      return { check: name, state: "bad", found: `${path} does not tell its version`, advice: wanted };
    }
    const isNew = Number(version[1]) > major || (Number(version[1]) === major && Number(version[2]) >= minor);
    if (!isNew) return { check: name, state: "bad", found: `${version[0]} (${path})`, advice: wanted };
    usable++;
    return ok(name, `${version[0]} (${path})`);
  });
  if (usable > 0) return findings;
  return findings.map((finding) => ({ ...finding, state: "bad" }));
}

function sharedMemoryFinding(): Finding {
  const check = "shared memory";
  if (!existsSync("/dev/shm")) {
    return { check, state: "warn", found: "no /dev/shm", advice: "objects are kept in a temporary folder" };
  }
  const { bsize, blocks, bavail } = statfsSync("/dev/shm");
  const [size, free] = [bsize * blocks, bsize * bavail];
  const found = `/dev/shm has ${byteText(size)}, ${byteText(free)} free`;
  const wanted = totalmem() * STORE_SHARE;
  if (free < OBJECT_STORE_BYTES_MIN) {
    const advice = "make it larger (docker: --shm-size 8g), or start with --object-store-dir";
    return { check, state: "bad", found, advice };
  }
  if (size >= wanted) return ok(check, found);
  const advice =
    `the object store is clamped to it instead of ${byteText(wanted)}: make it larger (docker: --shm-size ` +
    `${Math.ceil(wanted / 2 ** 30)}g), or start with --object-store-dir`;
  return { check, state: "warn", found, advice };
}

function memoryFinding(): Finding {
  const limit = containerLimit();
  const total = totalmem();
  const what = limit === null ? "no limit of a container" : `a container's limit of ${byteText(limit)}`;
  const found = `${byteText(total)}, ${byteText(freemem())} free, ${what}`;
  if (limit === null || limit >= total) return ok("memory", found);
  return ok("memory", `${found}: workers are ended above 95 % of it`);
}

/** Null when there is none. */
function containerLimit(): number | null {
  for (const path of ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]) {
    const limit = Number(readIfThere(path)?.trim());
    if (Number.isFinite(limit) && limit > 0 && limit < 2 ** 60) return limit;
  }
  return null;
}

function descriptorsFinding(): Finding {
  const line = /^Max open files\s+(\S+)\s+(\S+)/m.exec(readIfThere("/proc/self/limits") ?? "");
  if (line === null) return ok("open files", "not known here");
  const [, soft, hard] = line;
  const found = `limit ${soft}, at most ${hard}`;
  if (soft === "unlimited" || Number(soft) >= DESCRIPTORS_MIN) return ok("open files", found);
  return { check: "open files", state: "warn", found, advice: "raise it before the start: ulimit -n 65536" };
}

async function portFindings(isRunning: boolean): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [port, flag] of [[HEAD_PORT, "--port"], [DASHBOARD_PORT, "--dashboard-port"]] as const) {
    const check = `port ${port}`;
    const isFree = await canListen(port);
    if (isFree || isRunning) findings.push(ok(check, isFree ? "free" : "taken, and a cluster runs here"));
    else {
      findings.push({
        check,
        state: "warn",
        found: "taken, and no cluster runs in this session",
        advice: flag === "--port" ? "start with another --port" : "the dashboard takes the next free one",
      });
    }
  }
  return findings;
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

function sessionFindings(sessionDir: string): Finding[] {
  const folder = statSync(sessionDir, { throwIfNoEntry: false });
  if (folder === undefined) return [ok("session folder", `${sessionDir} is not there yet`)];
  return [
    privacyFinding("session folder", sessionDir, 0o700),
    ...existsSync(tokenPath(sessionDir)) ? [privacyFinding("token", tokenPath(sessionDir), 0o600)] : [],
  ];
}

function privacyFinding(check: string, path: string, mode: number): Finding {
  const status = statSync(path);
  const others = status.mode & 0o077;
  const found = `${path} has mode ${(status.mode & 0o777).toString(8)}`;
  if (process.getuid !== undefined && status.uid !== process.getuid()) {
    const advice = "start and use a cluster as one user, or set MOBULA_SESSION_DIR to a folder of your own";
    return { check, state: "bad", found: `${path} belongs to user ${status.uid}`, advice };
  }
  if (others === 0) return ok(check, found);
  const advice = `others can read the cluster's token: chmod ${
    mode.toString(8)
  } ${path}, and start with a new token`;
  return { check, state: "bad", found, advice };
}

/** Looks at a copy: one process alone may open a store's file. */
async function storeFinding(sessionDir: string, isRunning: boolean): Promise<Finding> {
  const check = "store file";
  const file = join(sessionDir, "store", "gcs.db");
  const size = statSync(file, { throwIfNoEntry: false })?.size;
  if (size === undefined) return ok(check, "none yet");
  if (isRunning) return ok(check, `${byteText(size)}, in use: looked through when the cluster does not run`);
  if (size > STORE_BYTES_CHECKED) {
    return ok(
      check,
      `${byteText(size)}, too large to be looked through here (PRAGMA quick_check on a copy does it)`,
    );
  }
  const folder = mkdtempSync(join(tmpdir(), "mobula-doctor-"));
  try {
    for (const end of ["", "-wal"]) {
      if (existsSync(file + end)) copyFileSync(file + end, join(folder, `gcs.db${end}`));
    }
    const client = createClient({ url: `file:${join(folder, "gcs.db")}` });
    try {
      const { rows } = await client.execute("PRAGMA quick_check(3)");
      const told = rows.map((row) => String(row[0]));
      if (told.length === 1 && told[0] === "ok") return ok(check, `${byteText(size)}, whole`);
      return { check, state: "bad", found: told.join("; "), advice: BROKEN_STORE };
    } finally {
      client.close();
    }
  } catch (error) {
    return { check, state: "bad", found: `${file}: ${(error as Error).message}`, advice: BROKEN_STORE };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const BROKEN_STORE =
  "keep a copy, and start with another --store, or move the file away: the cluster begins anew";

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
