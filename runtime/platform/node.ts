/**
 * Node's adapter. Node 24 has no way to map memory without a native addon, so objects are read as copies here.
 * @module
 */
import type { ChildProcess } from "node:child_process";
import { flushCompileCache } from "node:module";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { RuntimeName } from "../common/task_spec.ts";
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

export const runtimeName: RuntimeName = "node";
export const runtimeVersion: string = process.versions.node;

// What was compiled to get here is kept for the next process: most workers end by a signal, when nothing is written any more.
if (process.env["NODE_COMPILE_CACHE"] !== undefined) setImmediate(() => flushCompileCache()).unref();

const self = { name: runtimeName, path: process.execPath };

export function spawnRuntime(runtime: RuntimeName, entry: string, options: SpawnOptions = {}): ChildProcess {
  return spawnWith(self, runtime, entry, options);
}

export function endWithParent(): boolean {
  watchParent();
  return false;
}

export const answerImport: AnswerImport = answerByHook;

export const connectLocal: ConnectLocal = connectByNet;
export const listenLocal: ListenLocal = listenByNet;

export function mapPrivate(
  _fd: number,
  _offset: number,
  _length: number,
  _onUnmapped: () => void,
): ArrayBuffer | null {
  return null;
}

export function mapShared(_fd: number, _length: number): SharedRegion | null {
  return null;
}

export function setVariable(name: string, value: string): void {
  process.env[name] = value;
}

/** Node has no way to. */
export function giveWay(): void {}

export function mappingsAlive(): number {
  return 0;
}

let gc: (() => void) | undefined;

export function collectGarbage(): void {
  if (gc === undefined) {
    // The flag works after start as well: a new context gets the function.
    setFlagsFromString("--expose-gc");
    gc = runInNewContext("gc") as () => void;
  }
  gc();
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
