/**
 * Bun's adapter: mappings by bun:ffi.
 * @module
 */
import type { ChildProcess } from "node:child_process";
import { dlopen, toArrayBuffer } from "bun:ffi";
import { fileURLToPath } from "node:url";
import type { RuntimeName } from "../common/task_spec.ts";
import { connectByBun, listenByBun } from "./bun_sockets.ts";
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
import { watchParent } from "./parent_watch.ts";
import type { ConnectLocal, ListenLocal, Platform, SharedRegion, SpawnOptions } from "./platform.ts";
import { spawnWith } from "./spawn.ts";

/** The part of Bun's globals that this file uses. */
declare const Bun: {
  gc(force: boolean): number;
  plugin(options: { name: string; setup(build: PluginBuilder): void }): void;
};

interface PluginBuilder {
  onLoad(where: { filter: RegExp }, load: () => { loader: "object"; exports: object }): void;
}

export const runtimeName: RuntimeName = "bun";
export const runtimeVersion: string = process.versions["bun"] ?? "";

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
      const { symbols } = dlopen(library, { prctl: { args: ["i32", "u64_fast"], returns: "i32" } });
      return symbols.prctl(PR_SET_PDEATHSIG, SIGKILL) === 0;
    } catch {
      continue; // Not this C library, or FFI is not permitted.
    }
  }
  return false;
}

export function answerImport(module: URL, exports: () => Readonly<Record<string, unknown>>): void {
  const filter = new RegExp(`^${fileURLToPath(module).replace(/[^\w/]/g, "\\$&")}$`);
  const setup = (build: PluginBuilder): void => {
    build.onLoad({ filter }, () => ({ loader: "object", exports: exports() }));
  };
  Bun.plugin({ name: "mobula", setup });
}

export const connectLocal: ConnectLocal = connectByBun;
export const listenLocal: ListenLocal = listenByBun;

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

/** Native code asks the C library, whose variables Bun's process.env leaves as they were. */
export function setVariable(name: string, value: string): void {
  process.env[name] = value;
  setenv ??= openSetenv();
  setenv(terminated(name), terminated(value), 1);
}

type Setenv = (name: Uint8Array, value: Uint8Array, overwrite: number) => number;
let setenv: Setenv | undefined;

function openSetenv(): Setenv {
  for (const library of C_LIBRARIES) {
    try {
      return dlopen(library, { setenv: { args: ["ptr", "ptr", "i32"], returns: "i32" } }).symbols.setenv;
    } catch {
      continue; // Not this C library, or FFI is not permitted.
    }
  }
  return () => -1;
}

function terminated(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}

export function mappingsAlive(): number {
  return opened?.liveCount ?? 0;
}

export function collectGarbage(): void {
  Bun.gc(true);
}

export function giveWay(): void {
  schedYield ??= openSchedYield();
  schedYield();
}

let schedYield: (() => number) | undefined;

function openSchedYield(): () => number {
  for (const library of C_LIBRARIES) {
    try {
      return dlopen(library, { sched_yield: { args: [], returns: "i32" } }).symbols.sched_yield;
    } catch {
      continue; // Not this C library, or FFI is not permitted.
    }
  }
  return () => -1;
}

/** The C library is opened at the first mapping only: most processes of a cluster never map. Null: FFI is not allowed. */
let opened: Mappings | null | undefined;

function mappings(): Mappings | null {
  if (opened === undefined) {
    const calls = openMemoryCalls();
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
  const { symbols } = dlopen(library, {
    mmap: { args: ["ptr", "u64_fast", "i32", "i32", "i32", "i64_fast"], returns: "ptr" },
    munmap: { args: ["ptr", "u64_fast"], returns: "i32" },
    msync: { args: ["ptr", "u64_fast", "i32"], returns: "i32" },
    madvise: { args: ["ptr", "u64_fast", "i32"], returns: "i32" },
    memcpy: { args: ["ptr", "ptr", "u64_fast"], returns: "ptr" },
    getpagesize: { args: [], returns: "i32" },
  });
  return {
    pageBytes: symbols.getpagesize(),
    map(fd, offset, length, shared) {
      const flags = shared ? MAP_SHARED : MAP_PRIVATE;
      const address = symbols.mmap(null, length, PROT_READ_WRITE, flags, fd, offset);
      return isAddress(address) ? address : null;
    },
    unmap: (address, length) => void symbols.munmap(address, length),
    // Asks for nothing; fails where nothing is mapped.
    isMapped: (address) => symbols.msync(address, 1, MS_ASYNC) === 0,
    populate: (address, length) => symbols.madvise(address, length, MADV_POPULATE_WRITE) === 0,
    drop: (address, length) => symbols.madvise(address, length, MADV_REMOVE) === 0,
    copy: (address, bytes) => void symbols.memcpy(address, bytes, bytes.byteLength),
    read: (address, target) => void symbols.memcpy(target, address, target.byteLength),
    view: (address, length) => toArrayBuffer(address, 0, length),
    // JavaScriptCore calls deallocator(bytes, context) from its collector: munmap itself, with the length as its context.
    buffer: (address, length) => toArrayBuffer(address, 0, length, length, symbols.munmap.ptr),
    unmapsItself: true,
  };
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
