/**
 * Deno's adapter: mappings by Deno's FFI.
 * @module
 */
import type { ChildProcess } from "node:child_process";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { markAsUntransferable } from "node:worker_threads";
import type { RuntimeName } from "../common/task_spec.ts";
import {
  C_LIBRARIES,
  isAddress,
  MADV_POPULATE_WRITE,
  MADV_REMOVE,
  MAP_PRIVATE,
  MAP_SHARED,
  MS_ASYNC,
  PR_SET_PDEATHSIG,
  PROT_READ_WRITE,
  SIGKILL,
} from "./c_library.ts";
import { Mappings, type MemoryCalls } from "./mappings.ts";
import { answerByHook } from "./import_hook.ts";
import { connectByNet, listenByNet } from "./local_sockets.ts";
import { watchParent } from "./parent_watch.ts";
import type {
  AnswerImport,
  ConnectLocal,
  ListenLocal,
  Platform,
  SharedRegion,
  SpawnOptions,
} from "./platform.ts";
import { spawnWith } from "./spawn.ts";

/** The part of Deno's globals that this file uses. */
declare const Deno: {
  dlopen<Names extends string>(
    library: string,
    symbols: Record<Names, { name?: string; parameters: readonly string[]; result: string }>,
  ): { symbols: Record<Names, (...args: (number | Uint8Array)[]) => number | bigint> };
  permissions: { querySync(name: { name: "ffi" }): { state: string } };
  UnsafePointer: { create(address: bigint): object };
  UnsafePointerView: { getArrayBuffer(pointer: object, length: number): ArrayBuffer };
};

export const runtimeName: RuntimeName = "deno";
export const runtimeVersion: string = process.versions["deno"] ?? "";

const self = { name: runtimeName, path: process.execPath };

export function spawnRuntime(runtime: RuntimeName, entry: string, options: SpawnOptions = {}): ChildProcess {
  return spawnWith(self, runtime, entry, options);
}

export function endWithParent(): boolean {
  if (process.platform === "linux" && askKernel()) return true;
  watchParent();
  return false;
}

/** Whether the kernel will kill this process when the thread that started it ends: the parent's main thread. */
function askKernel(): boolean {
  for (const library of C_LIBRARIES) {
    try {
      const prctl = { parameters: ["i32", "usize"], result: "i32" };
      return Deno.dlopen(library, { prctl }).symbols.prctl(PR_SET_PDEATHSIG, SIGKILL) === 0;
    } catch {
      continue; // Not this C library, or FFI is not permitted.
    }
  }
  return false;
}

export const answerImport: AnswerImport = answerByHook;

export const connectLocal: ConnectLocal = connectByNet;
export const listenLocal: ListenLocal = listenByNet;

export function mapPrivate(
  fd: number,
  offset: number,
  length: number,
  onUnmapped: () => void,
): ArrayBuffer | null {
  return mappings()?.mapPrivate(fd, offset, length, onUnmapped) ?? null;
}

export function mapShared(fd: number, length: number): SharedRegion | null {
  return mappings()?.mapShared(fd, length) ?? null;
}

export function setVariable(name: string, value: string): void {
  process.env[name] = value;
}

export function mappingsAlive(): number {
  return opened?.liveCount ?? 0;
}

let gc: (() => void) | undefined;

export function collectGarbage(): void {
  gc ??= exposeGc();
  gc();
}

function exposeGc(): () => void {
  // The flag works after start as well: a new context gets the function.
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}

export function giveWay(): void {
  schedYield ??= openSchedYield();
  schedYield();
}

let schedYield: (() => number | bigint) | undefined;

function openSchedYield(): () => number | bigint {
  // Nobody is asked for a permission for this.
  const isAllowed = Deno.permissions.querySync({ name: "ffi" }).state === "granted";
  for (const library of isAllowed ? C_LIBRARIES : []) {
    try {
      return Deno.dlopen(library, { sched_yield: { parameters: [], result: "i32" } }).symbols.sched_yield;
    } catch {
      continue; // Not this C library.
    }
  }
  return () => -1;
}

/** The C library is opened at the first mapping only: most processes of a cluster never map. Null: FFI is not allowed. */
let opened: Mappings | null | undefined;

function mappings(): Mappings | null {
  if (opened === undefined) {
    const calls = canForbidTransfers() ? openMemoryCalls() : null;
    opened = calls === null ? null : new Mappings(calls);
  }
  return opened;
}

function openMemoryCalls(): MemoryCalls | null {
  for (const library of C_LIBRARIES) {
    try {
      return memoryCalls(library);
    } catch {
      continue; // Not this C library, or FFI is not permitted; without any, objects are read as copies.
    }
  }
  return null;
}

function memoryCalls(library: string): MemoryCalls {
  const { symbols } = Deno.dlopen(library, {
    mmap: { parameters: ["usize", "usize", "i32", "i32", "i32", "i64"], result: "usize" },
    munmap: { parameters: ["usize", "usize"], result: "i32" },
    msync: { parameters: ["usize", "usize", "i32"], result: "i32" },
    madvise: { parameters: ["usize", "usize", "i32"], result: "i32" },
    copyTo: { name: "memcpy", parameters: ["usize", "buffer", "usize"], result: "usize" },
    copyFrom: { name: "memcpy", parameters: ["buffer", "usize", "usize"], result: "usize" },
    getpagesize: { parameters: [], result: "i32" },
  });
  return {
    pageBytes: Number(symbols.getpagesize()),
    map(fd, offset, length, shared) {
      const flags = shared ? MAP_SHARED : MAP_PRIVATE;
      const address = Number(symbols.mmap(0, length, PROT_READ_WRITE, flags, fd, offset));
      return isAddress(address) ? address : null;
    },
    unmap: (address, length) => void symbols.munmap(address, length),
    isMapped: (address) => symbols.msync(address, 1, MS_ASYNC) === 0,
    populate: (address, length) => symbols.madvise(address, length, MADV_POPULATE_WRITE) === 0,
    drop: (address, length) => symbols.madvise(address, length, MADV_REMOVE) === 0,
    copy: (address, bytes) => void symbols.copyTo(address, bytes, bytes.byteLength),
    read: (address, target) => void symbols.copyFrom(target, address, target.byteLength),
    view: viewOf,
    // V8's buffers over foreign memory have no deallocator in Deno, so a transferred one would outlive its mapping: Deno
    // sets a detach key on marked buffers, and every kind of transfer throws a TypeError (a slice can be transferred).
    buffer(address, length) {
      const buffer = viewOf(address, length);
      markAsUntransferable(buffer);
      return buffer;
    },
    unmapsItself: false,
  };
}

function viewOf(address: number, length: number): ArrayBuffer {
  return Deno.UnsafePointerView.getArrayBuffer(Deno.UnsafePointer.create(BigInt(address)), length);
}

/** Whether marking works in this version of Deno: else nothing is mapped for readers. */
function canForbidTransfers(): boolean {
  const buffer = new ArrayBuffer(8);
  markAsUntransferable(buffer);
  try {
    buffer.transfer();
    return false;
  } catch {
    return true;
  }
}

({
  runtimeName,
  runtimeVersion,
  spawnRuntime,
  endWithParent,
  answerImport,
  connectLocal,
  listenLocal,
  mapPrivate,
  mapShared,
  collectGarbage,
  setVariable,
  giveWay,
  mappingsAlive,
}) satisfies Platform;
