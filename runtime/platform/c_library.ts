/**
 * Names and numbers of the C library's calls, the same for both runtimes with FFI.
 * @module
 */

export const C_LIBRARIES: readonly string[] = process.platform === "darwin"
  ? ["libSystem.B.dylib"]
  : ["libc.so.6", `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`];

export const PROT_READ_WRITE: number = 1 | 2;
export const MAP_SHARED: number = 1;
export const MAP_PRIVATE: number = 2;
export const MS_ASYNC: number = 1;
/** Linux 5.14; elsewhere the call fails, and writers use pwrite. It fails, instead of killing, on a full file system. */
export const MADV_POPULATE_WRITE: number = 23;
/** Gives the pages of a shared mapping back, in its file too (tmpfs and most others). Linux. */
export const MADV_REMOVE: number = 9;

/** prctl(PR_SET_PDEATHSIG, SIGKILL), of Linux. */
export const PR_SET_PDEATHSIG: number = 1;
export const SIGKILL: number = 9;

/** Whether mmap's answer is an address (failure is -1, the largest number there is). */
export function isAddress(value: number): boolean {
  return value > 0 && value < Number.MAX_SAFE_INTEGER;
}
