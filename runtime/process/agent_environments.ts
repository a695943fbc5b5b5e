/**
 * Working directories of this node's workers: packed folders from the function table, each fetched and unpacked once while
 * it is kept. Those that no worker has are kept to a limit, the ones used last longest.
 *
 *   (none) --acquire--> unpacking --> in use --last release--> unused --over the limit--> (none)
 *                           \ failed --> (none)      ^-----acquire------/
 * @module
 */
import { mkdirSync, rmSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { RuntimeEnvSetupError } from "../common/errors.ts";
import { chunkKey, manifestKey } from "../io/runtime_env/manifest.ts";
import { type PackedSource, unpackFolder } from "../io/runtime_env/unpack_folder.ts";
import type { HeadLink } from "./agent_head_link.ts";

/** Bytes of folders that are kept though nobody uses them. */
export const UNUSED_BYTES_MAX: number = 2 * 1024 * 1024 * 1024;

interface Unpacked {
  readonly path: string;
  readonly ready: Promise<void>;
  bytes: number;
  users: number;
}

export interface EnvironmentsOptions {
  /** Made when first needed; the agent's own folder goes with all that is in it. */
  readonly dir: string;
  readonly source: PackedSource;
  /** Default UNUSED_BYTES_MAX. */
  readonly unusedBytesMax?: number;
}

/** Packed folders as the head has them. */
export function headSource(head: HeadLink): PackedSource {
  const fetch = async (hash: string): Promise<Uint8Array> => {
    const { result, sections } = await head.request("fetchFunction", { hash });
    if (result.kind !== "folder" || sections[0] === undefined) {
      throw new RuntimeEnvSetupError(`${hash} is no folder`);
    }
    return sections[0].slice();
  };
  return { manifest: (hash) => fetch(manifestKey(hash)), chunk: (hash) => fetch(chunkKey(hash)) };
}

export class Environments {
  readonly #options: EnvironmentsOptions;
  /** By hash, the one that was let go last at the end. */
  readonly #folders: Map<string, Unpacked> = new Map();
  readonly #unpacking: Set<string> = new Set();
  #sequence = 0;

  constructor(options: EnvironmentsOptions) {
    this.#options = options;
  }

  /** The path of a folder, unpacked; it stays until as many release. Rejects, with nothing to release, with what is wrong with it. */
  async acquire(hash: string): Promise<string> {
    // It becomes part of a path.
    if (!/^[0-9a-f]{64}$/.test(hash)) {
      throw new RuntimeEnvSetupError(`${JSON.stringify(hash)} is no folder's hash`);
    }
    let folder = this.#folders.get(hash);
    if (folder === undefined) {
      const path = join(this.#options.dir, hash);
      folder = { path, ready: this.#unpack(hash, path), bytes: 0, users: 0 };
      this.#folders.set(hash, folder);
    }
    folder.users++;
    try {
      await folder.ready;
      return folder.path;
    } catch (error) {
      // The next one tries again.
      if (this.#folders.get(hash) === folder) this.#folders.delete(hash);
      throw error;
    }
  }

  /** Whether a folder is being fetched and unpacked now. */
  isUnpacking(hash: string): boolean {
    return this.#unpacking.has(hash);
  }

  release(hash: string): void {
    const folder = this.#folders.get(hash);
    if (folder === undefined || --folder.users > 0) return;
    this.#folders.delete(hash);
    this.#folders.set(hash, folder);
    this.#evict();
  }

  /** A folder with nothing in it, for restricted workers without one of their own. */
  empty(): string {
    const path = join(this.#options.dir, "empty");
    mkdirSync(path, { recursive: true, mode: 0o700 });
    return path;
  }

  async #unpack(hash: string, path: string): Promise<void> {
    const { dir, source } = this.#options;
    this.#unpacking.add(hash);
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    // Unpacked aside: a folder that has its name is whole.
    const part = join(dir, `part-${++this.#sequence}`);
    try {
      const bytes = await unpackFolder(hash, source, part);
      rmSync(path, { recursive: true, force: true });
      await rename(part, path);
      this.#folders.get(hash)!.bytes = bytes;
    } catch (error) {
      await rm(part, { recursive: true, force: true }).catch(() => undefined);
      throw error;
    } finally {
      this.#unpacking.delete(hash);
    }
  }

  #evict(): void {
    const { unusedBytesMax = UNUSED_BYTES_MAX } = this.#options;
    const unused = [...this.#folders].filter(([, { users }]) => users === 0);
    let bytes = unused.reduce((sum, [, folder]) => sum + folder.bytes, 0);
    for (const [hash, folder] of unused) {
      if (bytes <= unusedBytesMax) return;
      bytes -= folder.bytes;
      this.#folders.delete(hash);
      rmSync(folder.path, { recursive: true, force: true });
    }
  }
}
