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
  /** Have the kernel kill it when this process ends, where `setpriv` is there to ask: for a child that cannot ask itself. */
  readonly endsWithParent?: boolean;
  /** Deno only: its permission flags, in place of --allow-all. */
  readonly denoFlags?: readonly string[];
  /** Arguments of the program, after the entry. */
  readonly args?: readonly string[];
}

/** Starts `entry` (a script's path) under `runtime`, without a shell. Throws when the runtime is nowhere to be found. */
export type SpawnRuntime = (runtime: RuntimeName, entry: string, options?: SpawnOptions) => ChildProcess;

/**
 * Maps `length` bytes of an open file from `offset` copy-on-write: the buffer is `length` long, writable, and what is
 * written stays in this process. The file's bytes show through pages that were not written, so the caller keeps them
 * unchanged until `onUnmapped` is called (once, from a later turn, after the buffer is gone, wherever it was transferred).
 * The descriptor may be closed after the call. On Deno the buffer cannot be transferred (a slice of it can). Null when this runtime cannot map, when the offset is not a multiple of the
 * page size, or when too many mappings are alive: the caller reads a copy instead.
 */
export type MapPrivate = (
  fd: number,
  offset: number,
  length: number,
  onUnmapped: () => void,
) => ArrayBuffer | null;

/** A whole file mapped shared, kept and reused by one writer. */
export interface SharedRegion {
  /**
   * Makes the pages of a range exist and be present. False when it cannot (file system full, old kernel): the range must
   * not be written through the mapping then, because a page that cannot be provided kills the process (SIGBUS).
   */
  populate(offset: number, length: number): boolean;
  /** Gives the pages of a range back to the kernel: it reads as zeros, and takes no memory. False where that cannot be done. */
  drop(offset: number, length: number): boolean;
  /** A view of a populated range. It dangles after unmap: never hand it out. */
  view(offset: number, length: number): Uint8Array;
  /** Writes into a populated range. No view is made: a collector counts each one's bytes as if they had been allocated. */
  copy(offset: number, bytes: Uint8Array): void;
  /** Fills `target` from a range that exists; no view is made either. */
  read(offset: number, target: Uint8Array): void;
  /** Idempotent. */
  unmap(): void;
}

/** Maps the first `length` bytes of an open file shared and writable, or answers null. The descriptor may be closed. */
export type MapShared = (fd: number, length: number) => SharedRegion | null;

/**
 * From now on this process is killed when its parent is gone, also in the middle of synchronous code: by the kernel where
 * the runtime can ask it to (Linux with FFI), else by a thread that looks twice a second. Answers whether the kernel does it.
 */
export type EndWithParent = () => boolean;

/** An open unix socket: the part of `node:stream`'s Duplex that connections use. Events have one listener each. */
export interface LocalPipe {
  on(event: "data", listener: (chunk: Uint8Array) => void): unknown;
  on(event: "end" | "close" | "drain", listener: () => void): unknown;
  on(event: "error", listener: (error: unknown) => void): unknown;
  write(chunk: Uint8Array, written?: () => void): boolean;
  cork(): void;
  uncork(): void;
  end(): unknown;
  pause(): unknown;
  resume(): unknown;
  destroy(): unknown;
  /** It does not keep the process alive. */
  unref(): unknown;
  readonly destroyed: boolean;
}

/** Connects to a unix socket; rejects with the system's error (its `code` says which) or after the time. */
export type ConnectLocal = (path: string, timeoutMs: number) => Promise<LocalPipe>;

/** Listens on a unix socket; rejects with the system's error. Closing ends no connection; it resolves when all are over, or at once. */
export type ListenLocal = (
  path: string,
  onPipe: (pipe: LocalPipe) => void,
) => Promise<{ close(): Promise<void> }>;

/** From now on, importing the module with this address gives what `exports` answers; its code is not read. */
export type AnswerImport = (module: URL, exports: () => Readonly<Record<string, unknown>>) => void;

/** What one adapter module exports. */
export interface Platform {
  readonly runtimeName: RuntimeName;
  /** For people: `1.4.5`. */
  readonly runtimeVersion: string;
  readonly spawnRuntime: SpawnRuntime;
  readonly endWithParent: EndWithParent;
  readonly answerImport: AnswerImport;
  readonly connectLocal: ConnectLocal;
  readonly listenLocal: ListenLocal;
  readonly mapPrivate: MapPrivate;
  readonly mapShared: MapShared;
  /** Sets a variable of this process, also for native code in it (getenv), which not every runtime's process.env does. */
  readonly setVariable: (name: string, value: string) => void;
  /** Collects garbage now, so that finalizers of views and refs run soon; does nothing where there is no way. */
  readonly collectGarbage: () => void;
  /** Lets others that wait for this CPU run first (sched_yield); does nothing where there is no way. Under 1 us when nobody waits. */
  readonly giveWay: () => void;
  /** Private mappings that are alive. */
  readonly mappingsAlive: () => number;
}
