/**
 * Cuts TCP connections of another process from outside, as a broken network would: both ends see the connection end, and
 * neither process is touched otherwise. Linux and Bun only; the process must be a child of this one, or this one root.
 * @module
 */
import { dlopen, FFIType } from "bun:ffi";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

const SYS_PIDFD_OPEN = 434;
const SYS_PIDFD_GETFD = 438;
const SHUT_RDWR = 2;
const { i32, i64 } = FFIType;

/**
 * Cuts the connections of process `pid` to `port`, at most `limit`, the newest first (by descriptor). Returns how many. Throws
 * where the kernel does not allow it.
 */
export function cutConnections(pid: number, port: number, limit: number = Infinity): number {
  const { symbols, close: unload } = dlopen("libc.so.6", {
    syscall: { args: [i64, i64, i64, i64], returns: i64 },
    shutdown: { args: [i32, i32], returns: i32 },
    close: { args: [i32], returns: i32 },
  });
  const own = (number: number, a: number, b: number): number => {
    const fd = Number(symbols.syscall(number, a, b, 0));
    if (fd < 0) throw new Error(`Cannot reach the sockets of process ${pid}: system call ${number} failed`);
    return fd;
  };
  const inodes = socketsTo(pid, port);
  const process = own(SYS_PIDFD_OPEN, pid, 0);
  let cut = 0;
  try {
    for (const name of readdirSync(`/proc/${pid}/fd`).sort((a, b) => Number(b) - Number(a))) {
      if (cut >= limit) break;
      if (!inodes.has(targetOf(pid, name))) continue;
      const socket = own(SYS_PIDFD_GETFD, process, Number(name));
      if (symbols.shutdown(socket, SHUT_RDWR) === 0) cut++;
      symbols.close(socket);
    }
  } finally {
    symbols.close(process);
    unload();
  }
  return cut;
}

/** What the kernel calls the sockets that are connected to `port`: `socket:[INODE]`. */
function socketsTo(pid: number, port: number): Set<string> {
  const found = new Set<string>();
  for (const line of readFileSync(`/proc/${pid}/net/tcp`, "latin1").trim().split("\n").slice(1)) {
    const fields = line.trim().split(/\s+/);
    if (Number.parseInt(fields[2]!.split(":")[1]!, 16) === port) found.add(`socket:[${fields[9]}]`);
  }
  return found;
}

function targetOf(pid: number, fd: string): string {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`);
  } catch {
    return ""; // Closed meanwhile.
  }
}
