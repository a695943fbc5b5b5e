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
import { OpenFiles } from "./open_files.ts";
import { makePoolFolder, removePoolFolder, sweepPools } from "./pool_folder.ts";
import { ReadOrder } from "./read_order.ts";

/** What is written, read and checked at a time; reading begins at a multiple of it. */
export const SPILL_PART_BYTES: number = 1024 * 1024;
/** How many parts are being read at once: the disk works while a part is checked. More were slower: the kernel reads ahead
 *  of calls that come in order. */
const PARTS_AT_ONCE = 2;
/** So much of the disk stays free, whatever is the smaller: a full disk hurts more than this node. */
const KEEP_FREE_SHARE = 0.05;
const KEEP_FREE_BYTES_MAX = 1024 ** 3;
/** Where what is read ahead goes: nobody looks at it, so that all share it. */
const aheadBytes = new Uint8Array(SPILL_PART_BYTES);
/** Folders of agents that were killed, in a folder that many agents use. */
const FOLDER_MODE = { shared: false } as const;

/** An object that goes to disk, readable until the write is over. */
export interface SpillSource {
  readonly size: number;
  read(offset: number, length: number): Uint8Array;
}

/** Why a file could not be read just now, which says nothing of the file. */
const PASSING_CODES: ReadonlySet<string | undefined> = new Set(["EMFILE", "ENFILE", "ENOMEM", "EAGAIN"]);

/** Whether the bytes may well be there the next time. */
export function isPassing(error: unknown): boolean {
  return PASSING_CODES.has((error as NodeJS.ErrnoException).code);
}

/** Where bytes from disk go. */
export interface ReadTarget {
  /** Memory for bytes of the object from `at` on, written at some time until the read is over. */
  memory(at: number, length: number): Uint8Array;
  /** They are there, and right. */
  done(at: number, bytes: Uint8Array): void;
}

export class SpillFiles {
  readonly #dir: string;
  /** Made with the first file. */
  #folder: string | null = null;
  #sequence = 0;
  /** Checksums of the parts of each object, by file and the object's offset there. */
  readonly #checksums = new Map<string, Map<number, Uint32Array>>();
  readonly #open = new OpenFiles();
  readonly #order = new ReadOrder();
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

  /**
   * Reads an object from `range.offset` on (a multiple of SPILL_PART_BYTES) into `target`, piece by piece, each checked before
   * it is `done`, in order. Once this is over, nobody writes into the target's memory any more, however it ended.
   * Throws what `target` throws, and for what the disk has lost or changed.
   */
  async read(
    place: DiskPlace,
    range: { readonly size: number; readonly offset: number; readonly length: number },
    target: ReadTarget,
  ): Promise<void> {
    const checksums = this.#checksums.get(place.file)?.get(place.offset);
    if (checksums === undefined || this.#folder === null) throw new Error(`file ${place.file} is gone`);
    // Whole parts: others cannot be checked.
    const end = Math.min(range.size, wholeParts(range.offset + range.length));
    if (range.offset === 0) this.#order.begins(place, range.size);
    await this.#open.use(join(this.#folder, place.file), async (file) => {
      const pieces: { readonly at: number; readonly bytes: Uint8Array; readonly reading: Promise<void> }[] =
        [];
      try {
        for (let next = range.offset; next < end || pieces.length > 0;) {
          while (next < end && pieces.length < PARTS_AT_ONCE) {
            const bytes = target.memory(next, Math.min(SPILL_PART_BYTES, end - next));
            const reading = readFully(file, place.offset + next, bytes);
            // Awaited in turn; it may fail before.
            reading.catch(() => undefined);
            pieces.push({ at: next, bytes, reading });
            next += bytes.byteLength;
            if (next === range.size) this.#readAhead(place);
          }
          const { at, bytes, reading } = pieces[0]!;
          await reading;
          pieces.shift();
          checkParts(bytes, checksums, at, place);
          target.done(at, bytes);
        }
      } finally {
        await Promise.allSettled(pieces.map(({ reading }) => reading));
      }
    });
  }

  /**
   * The disk goes on with the next file while the object is published, and its reader asks for the one after it: the kernel
   * reads ahead within a file only. Its first bytes are read and thrown away.
   */
  #readAhead(place: DiskPlace): void {
    const name = this.#order.nextFile(place);
    if (name === null || !this.#checksums.has(name)) return;
    const path = join(this.#folder!, name);
    if (this.#open.isRead(path)) return;
    const read = (file: FileHandle): Promise<unknown> => file.read(aheadBytes, 0, aheadBytes.byteLength, 0);
    // Whoever needs it reads it again, and hears what is wrong with it.
    this.#open.use(path, read).catch(() => undefined);
  }

  delete(name: string): void {
    this.#checksums.delete(name);
    if (this.#folder === null) return;
    const path = join(this.#folder, name);
    this.#open.forget(path);
    // A file that cannot be removed now goes with its folder.
    rm(path, { force: true }).catch(() => undefined);
  }

  /** Removes everything. Idempotent. */
  close(): void {
    process.off("exit", this.#onExit);
    this.#checksums.clear();
    this.#open.close();
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
  const checksums = new Uint32Array(Math.ceil(object.size / SPILL_PART_BYTES));
  for (let part = 0; part < checksums.length; part++) {
    const from = part * SPILL_PART_BYTES;
    const bytes = object.read(from, Math.min(SPILL_PART_BYTES, object.size - from));
    checksums[part] = crc32(bytes);
    for (let done = 0; done < bytes.byteLength;) {
      done += (await file.write(bytes, done, bytes.byteLength - done, at + from + done)).bytesWritten;
    }
  }
  return checksums;
}

async function readFully(file: FileHandle, at: number, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.byteLength;) {
    const { bytesRead } = await file.read(bytes, done, bytes.byteLength - done, at + done);
    if (bytesRead === 0) throw new Error(`the file ends at ${at + done}`);
    done += bytesRead;
  }
}

/** Throws when one of the parts that begin at `at` is not as it was written. */
function checkParts(bytes: Uint8Array, checksums: Uint32Array, at: number, place: DiskPlace): void {
  for (let from = 0; from < bytes.byteLength; from += SPILL_PART_BYTES) {
    const part = (at + from) / SPILL_PART_BYTES;
    if (crc32(bytes.subarray(from, from + SPILL_PART_BYTES)) !== checksums[part]) {
      throw new Error(`part ${part} of the object at ${place.offset} of file ${place.file} has changed`);
    }
  }
}

function wholeParts(bytes: number): number {
  return Math.ceil(bytes / SPILL_PART_BYTES) * SPILL_PART_BYTES;
}
