/**
 * What a core worker needs of the program that it is part of, and cannot do with web-standard APIs alone: given to it, so
 * that the same core worker runs in a process (node_host.ts) and in a page or an edge function (runtime/web/).
 * @module
 */
import { RuntimeEnvSetupError } from "../../common/errors.ts";
import type { LocalFolder, RuntimeEnvRequest } from "../../common/runtime_env.ts";
import type { RuntimeEnvSpec } from "../../common/task_spec.ts";
import type { ObjectPlace } from "../../protocol/messages.ts";
import type { ObjectParts } from "../../protocol/object_layout.ts";
import type { AnyClass, ClassCodec } from "../../protocol/serialization/mod.ts";
import type { CoreWorker } from "./core_worker.ts";
import type { AgentLink } from "./agent_link.ts";

/** The node's shared memory, as one process reaches it. */
export interface PoolAccess {
  read(
    place: ObjectPlace & { type: "shm" },
    onReleased: () => void,
  ): { body: Uint8Array; buffers: ArrayBuffer[] };
  write(
    place: { readonly path: string; readonly offset: number; readonly isCold?: boolean },
    parts: ObjectParts,
  ): void;
  close(): void;
}

/** The folders that a program gives to its workers (working_dirs.ts). */
export interface FolderAccess {
  /** The environment as agents know it. RuntimeEnvSetupError when its folder cannot be packed or sent. */
  resolve(env: RuntimeEnvRequest): Promise<RuntimeEnvSpec>;
  /** The hash of a folder at once, for an option that travels in a value. */
  hashNow(folder: LocalFolder): string;
}

/** See the module's header. */
export interface CoreHost {
  /** Packs and sends working directories; null where there are no folders. */
  readonly openFolders: ((link: AgentLink) => FolderAccess) | null;
  /** Opens the node's memory; null where it cannot be reached: bytes come and go by messages. */
  readonly openPool: (() => PoolAccess) | null;
  /** The class and codec of a registered class that came from elsewhere. Throws where code must not be run. */
  readonly loadCodec: (
    exported: { readonly source: string; readonly hash: string; readonly name: string },
  ) => { readonly cls: AnyClass; readonly codec: ClassCodec };
  /** A function of the function table, loaded in this process; absent where code must not be run. */
  readonly loadFunction?: (
    definition: { readonly hash: string; readonly kind: "function" | "class"; readonly name: string },
    core: CoreWorker,
  ) => Promise<unknown>;
  /** Code under one hash is known under another one too (with captures), for stacks; absent where stacks are not read. */
  readonly sameSource?: (hash: string, also: string) => void;
  /** Puts the user's lines into an arrived error's stack; absent where sources cannot be read. */
  readonly readStack?: (error: unknown) => void;
  /** A place (`file:line:column`) in code that travelled, in the user's file; absent where none is run. */
  readonly userLines?: (place: string) => string;
  /** Collects garbage now, where there is a way. */
  readonly collectGarbage: () => void;
  /** What users are told when the way into the cluster breaks; default: that it is the agent's. */
  readonly lostMessage?: string;
}

/** Of a program without folders: environments without one are what they are. */
export const NO_FOLDERS: FolderAccess = {
  resolve: (env) => env.folder === undefined ? Promise.resolve(env) : Promise.reject(noFolders()),
  hashNow: () => {
    throw noFolders();
  },
};

function noFolders(): Error {
  return new RuntimeEnvSetupError("workingDir is a folder, and there are none here");
}

/** `bytes` random bytes as hexadecimal. */
export function randomHex(bytes: number): string {
  let text = "";
  for (const byte of crypto.getRandomValues(new Uint8Array(bytes))) {
    text += byte.toString(16).padStart(2, "0");
  }
  return text;
}
