/**
 * A node's spilled objects: files in a folder of its own, each with a batch of objects one after the other, and a checksum for
 * every part of an object in memory. They live and die with the agent: a copy on disk spares memory, it survives nothing.
 * @module
 */
import { statfsSync } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import type { DiskPlace } from "../../core/object/spills.ts";
import { makePoolFolder, removePoolFolder, sweepPools } from "./pool_folder.ts";

/** What is written and checked at a time. */
const PART_BYTES = 1024 * 1024;
/** So much of the disk stays free, whatever is the smaller: a full disk hurts more than this node. */
const KEEP_FREE_SHARE = 0.05;
const KEEP_FREE_BYTES_MAX = 1024 ** 3;
/** Folders of agents that were killed, in a folder that many agents use. */
const FOLDER_MODE = { shared: false } as const;

/** An object that goes to disk, readable until the write is over. */
export interface SpillSource {
  readonly size: number;
  read(offset: number, length: number): Uint8Array;
}

export class SpillFiles {
  readonly #dir: string;
  /** Made with the first file. */
  #folder: string | null = null;
  #sequence = 0;
  /** Checksums of the parts of each object, by file and the object's offset there. */
  readonly #checksums = new Map<string, Map<number, Uint32Array>>();
  readonly #onExit = (): void => this.close();

  /** `dir`: where the folder goes. What killed agents left there is removed. */
  constructor(dir: string) {
    this.#dir = dir;
    sweepPools(dir);
  }

  /**
   * Writes objects one after the other into a new file; resolves with its name.
   * @throws {Error} that names folder and bytes, when the disk is full or broken. Nothing is left of the file then.
   */
  async write(objects: readonly SpillSource[]): Promise<string> {
    const bytes = objects.reduce((sum, { size }) => sum + size, 0);
    const name = `${++this.#sequence}`;
    let path: string | null = null;
    try {
      path = join(this.#makeFolder(), name);
      this.#checkRoom(bytes);
      const checksums = new Map<number, Uint32Array>();
      const file = await open(path, "wx", 0o600);
      try {
        let at = 0;
        for (const object of objects) {
          checksums.set(at, await writeObject(file, object, at));
          at += object.size;
        }
      } finally {
        await file.close();
      }
      this.#checksums.set(name, checksums);
      return name;
    } catch (error) {
      if (path !== null) await rm(path, { force: true }).catch(() => undefined);
      const why = (error as Error).message;
      throw new Error(`cannot write ${bytes} bytes to ${this.#dir}: ${why}`, { cause: error });
    }
  }

  /** Hands a part of an object to `sink`, piece by piece, in order, checked. Throws what `sink` throws, and for what the disk
   *  has lost or changed. */
  async read(
    place: DiskPlace,
    range: { readonly size: number; readonly offset: number; readonly length: number },
    sink: (offset: number, bytes: Uint8Array) => void,
  ): Promise<void> {
    const checksums = this.#checksums.get(place.file)?.get(place.offset);
    if (checksums === undefined || this.#folder === null) throw new Error(`file ${place.file} is gone`);
    const end = range.offset + range.length;
    const file = await open(join(this.#folder, place.file), "r");
    try {
      for (let part = Math.floor(range.offset / PART_BYTES); part * PART_BYTES < end; part++) {
        const from = part * PART_BYTES;
        const bytes = await readFully(file, place.offset + from, Math.min(PART_BYTES, range.size - from));
        if (crc32(bytes) !== checksums[part]) {
          throw new Error(`part ${part} of the object at ${place.offset} of file ${place.file} has changed`);
        }
        const first = Math.max(range.offset - from, 0);
        sink(from + first, bytes.subarray(first, Math.min(bytes.byteLength, end - from)));
      }
    } finally {
      await file.close();
    }
  }

  delete(name: string): void {
    this.#checksums.delete(name);
    // A file that cannot be removed now goes with its folder.
    if (this.#folder !== null) rm(join(this.#folder, name), { force: true }).catch(() => undefined);
  }

  /** Removes everything. Idempotent. */
  close(): void {
    process.off("exit", this.#onExit);
    this.#checksums.clear();
    if (this.#folder !== null) removePoolFolder(this.#folder);
    this.#folder = null;
  }

  #makeFolder(): string {
    if (this.#folder === null) {
      this.#folder = makePoolFolder(this.#dir, FOLDER_MODE);
      process.on("exit", this.#onExit);
    }
    return this.#folder;
  }

  #checkRoom(bytes: number): void {
    const { bavail, blocks, bsize } = statfsSync(this.#dir);
    const kept = Math.min(blocks * bsize * KEEP_FREE_SHARE, KEEP_FREE_BYTES_MAX);
    const free = Math.max(0, Math.floor(bavail * bsize - kept));
    if (bytes > free) throw new Error(`no space left on the disk, it has room for ${free} bytes`);
  }
}

async function writeObject(file: FileHandle, object: SpillSource, at: number): Promise<Uint32Array> {
  const checksums = new Uint32Array(Math.ceil(object.size / PART_BYTES));
  for (let part = 0; part < checksums.length; part++) {
    const from = part * PART_BYTES;
    const bytes = object.read(from, Math.min(PART_BYTES, object.size - from));
    checksums[part] = crc32(bytes);
    for (let done = 0; done < bytes.byteLength;) {
      done += (await file.write(bytes, done, bytes.byteLength - done, at + from + done)).bytesWritten;
    }
  }
  return checksums;
}

async function readFully(file: FileHandle, at: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length;) {
    const { bytesRead } = await file.read(bytes, done, length - done, at + done);
    if (bytesRead === 0) throw new Error(`the file ends at ${at + done}`);
    done += bytesRead;
  }
  return bytes;
}
