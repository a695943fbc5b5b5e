/**
 * The contract of a runtime adapter: the few things that Bun, Deno and Node do differently. `#platform` (package.json
 * imports) chooses bun.ts, deno.ts or node.ts; each exports exactly these names. Everything else that mobula needs from
 * its runtime is the same `node:` API on all three.
 * @module
 */
import type { ChildProcess, StdioOptions } from "node:child_process";
import type { RuntimeName } from "../common/task_spec.ts";

/** How to start another runtime's process. */
export interface SpawnOptions {
  /** The whole environment of the child; the parent's when absent. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** As in node:child_process; all pipes when absent. */
  readonly stdio?: StdioOptions;
  /** Working directory; the parent's when absent. */
  readonly cwd?: string;
  /** The child gets a process group of its own and may outlive its parent. False when absent. */
  readonly detached?: boolean;
  /** Arguments of the program, after the entry. */
  readonly args?: readonly string[];
}

/** Starts `entry` (a script's path) under `runtime`, without a shell. Throws when the runtime is nowhere to be found. */
export type SpawnRuntime = (runtime: RuntimeName, entry: string, options?: SpawnOptions) => ChildProcess;

/**
 * Maps `length` bytes of an open file from `offset` copy-on-write: the buffer is `length` long, writable, and what is
 * written stays in this process. The file's bytes show through pages that were not written, so the caller keeps them
 * unchanged until `onUnmapped` is called (once, from a later turn, after the buffer is gone, wherever it was transferred).
 * The descriptor may be closed after the call. Null when this runtime cannot map, when the offset is not a multiple of the
 * page size, or when too many mappings are alive: the caller reads a copy instead.
 */
export type MapPrivate = (
  fd: number,
  offset: number,
  length: number,
  onUnmapped: () => void,
) => ArrayBuffer | null;

/** A mapping that its owner writes through, visible to every process that maps or reads the file. */
export interface SharedRegion {
  readonly bytes: Uint8Array;
  /** Ends the mapping; `bytes` must not be touched afterwards. Idempotent. */
  unmap(): void;
}

/**
 * Maps `length` bytes of an open file from `offset` shared and writable, or answers null. Writing to a page that the file
 * system cannot provide kills the process (SIGBUS), so only ranges whose pages exist may be written.
 */
export type MapShared = (fd: number, offset: number, length: number) => SharedRegion | null;

/** What one adapter module exports. */
export interface Platform {
  readonly runtimeName: RuntimeName;
  /** For people: `1.4.5`. */
  readonly runtimeVersion: string;
  /** Whether mapPrivate and mapShared work here at all. */
  readonly canMap: boolean;
  readonly spawnRuntime: SpawnRuntime;
  readonly mapPrivate: MapPrivate;
  readonly mapShared: MapShared;
  /** Collects garbage now, so that finalizers of views and refs run soon; does nothing where there is no way. */
  readonly collectGarbage: () => void;
}
