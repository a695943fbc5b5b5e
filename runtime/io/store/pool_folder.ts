/**
 * Folders of pools: `<dir>/mobula-<pid>-<random>/` with mode 0700, holding `pool` (the bytes) and `owner` (who made it). An
 * agent removes its own at its end; one that was killed leaves it behind, and the next agent of the host sweeps it.
 * @module
 */
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const NAME = /^mobula-(\d+)-[0-9a-f]{16}$/;
export const POOL_FILE: string = "pool";
const OWNER_FILE = "owner";
/** A folder without a readable owner file is swept when it is older than this: its maker may be at it just now. */
const UNOWNED_AGE_MS = 60_000;
/** Blocks of stat are of this size on every system. */
const BLOCK_BYTES = 512;

interface Owner {
  readonly pid: number;
  /** When the process started, in kernel ticks since boot ("" where the kernel does not tell): pids are used again. */
  readonly started: string;
  /** Processes of other pid namespaces cannot be judged from here ("" where there are none). */
  readonly namespace: string;
  /** Whether the pool shares the host's default budget with others. */
  readonly shared: boolean;
}

/** Where pools go when nobody says otherwise: memory on Linux, a temporary folder elsewhere. */
export function defaultPoolDir(): string {
  try {
    if (statSync("/dev/shm").isDirectory()) return "/dev/shm";
  } catch {
    // Not there (macOS), or hidden from this process.
  }
  return tmpdir();
}

/** Makes a folder with an unpredictable name. Throws when `dir` cannot be written. */
export function makePoolFolder(dir: string, options: { readonly shared: boolean }): string {
  const folder = join(dir, `mobula-${process.pid}-${randomBytes(8).toString("hex")}`);
  mkdirSync(folder, { mode: 0o700 });
  chmodSync(folder, 0o700); // Whatever the umask.
  const owner: Owner = {
    pid: process.pid,
    started: startOf(process.pid) ?? "",
    namespace: pidNamespace(),
    shared: options.shared,
  };
  writeFileSync(join(folder, OWNER_FILE), JSON.stringify(owner), { mode: 0o600 });
  return folder;
}

export function removePoolFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

/** Removes what dead agents of this user left in `dir`. Answers the removed folders. */
export function sweepPools(dir: string): string[] {
  const removed: string[] = [];
  for (const { folder, stale } of poolFolders(dir)) {
    if (!stale) continue;
    removePoolFolder(folder);
    removed.push(folder);
  }
  return removed;
}

/** Bytes that the other living pools of the default budget take up. */
export function bytesOfOthers(dir: string, own: string): number {
  let bytes = 0;
  for (const { folder, stale, owner } of poolFolders(dir)) {
    if (folder === own || stale || owner?.shared !== true) continue;
    try {
      bytes += statSync(join(folder, POOL_FILE)).blocks * BLOCK_BYTES;
    } catch {
      continue; // It is just going away.
    }
  }
  return bytes;
}

/** Bytes of a file that really exist. */
export function reservedBytes(path: string): number {
  return statSync(path).blocks * BLOCK_BYTES;
}

/** This user's pool folders. Links and other users' folders are not looked into. */
function poolFolders(dir: string): { folder: string; stale: boolean; owner: Owner | null }[] {
  const folders: { folder: string; stale: boolean; owner: Owner | null }[] = [];
  let names: string[];
  try {
    names = readdirSync(dir);
  } catch {
    return [];
  }
  for (const name of names) {
    if (!NAME.test(name)) continue;
    const folder = join(dir, name);
    try {
      const stat = lstatSync(folder);
      if (!stat.isDirectory() || stat.uid !== process.getuid?.()) continue;
      const owner = readOwner(folder);
      const stale = owner === null ? Date.now() - stat.mtimeMs > UNOWNED_AGE_MS : isDead(owner);
      folders.push({ folder, stale, owner });
    } catch {
      continue; // It is just going away.
    }
  }
  return folders;
}

function readOwner(folder: string): Owner | null {
  try {
    const owner = JSON.parse(readFileSync(join(folder, OWNER_FILE), "utf8")) as Owner;
    return typeof owner?.pid === "number" ? owner : null;
  } catch {
    return null;
  }
}

function isDead(owner: Owner): boolean {
  if (owner.namespace !== pidNamespace()) return false;
  if (owner.started !== "") return startOf(owner.pid) !== owner.started;
  try {
    process.kill(owner.pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

/** When a process started, or null when there is none (or the kernel does not tell). A zombie is dead. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name, in parentheses, may hold anything; the state and then 18 more fields follow it.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? null : fields[19] ?? null;
  } catch {
    return null;
  }
}

function pidNamespace(): string {
  try {
    return readlinkSync("/proc/self/ns/pid");
  } catch {
    return "";
  }
}
