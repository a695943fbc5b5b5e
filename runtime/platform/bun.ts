/**
 * Bun's adapter.
 * @module
 */
import type { ChildProcess } from "node:child_process";
import type { RuntimeName } from "../common/task_spec.ts";
import type { Platform, SharedRegion, SpawnOptions } from "./platform.ts";
import { spawnWith } from "./spawn.ts";

declare const Bun: { gc(force: boolean): number };

export const runtimeName: RuntimeName = "bun";
export const runtimeVersion: string = process.versions["bun"] ?? "";
export const canMap: boolean = false;

const self = { name: runtimeName, path: process.execPath };

export function spawnRuntime(runtime: RuntimeName, entry: string, options: SpawnOptions = {}): ChildProcess {
  return spawnWith(self, runtime, entry, options);
}

export function mapPrivate(
  _fd: number,
  _offset: number,
  _length: number,
  _onUnmapped: () => void,
): ArrayBuffer | null {
  return null;
}

export function mapShared(_fd: number, _offset: number, _length: number): SharedRegion | null {
  return null;
}

export function collectGarbage(): void {
  Bun.gc(true);
}

({
  runtimeName,
  runtimeVersion,
  canMap,
  spawnRuntime,
  mapPrivate,
  mapShared,
  collectGarbage,
}) satisfies Platform;
