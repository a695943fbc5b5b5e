/**
 * Unpacks a packed folder (manifest.ts) into a new one. What it is given may be anybody's: everything is checked before it
 * is written, and nothing is written but new plain files and folders below the target, through handles that follow no link.
 * Memory is bounded by the manifest and a few chunks.
 * @module
 */
import { closeSync, constants, mkdirSync, openSync, writeSync } from "node:fs";
import { inflateSync } from "node:zlib";
import { RuntimeEnvSetupError } from "../../common/errors.ts";
import {
  checkRatio,
  decodeManifest,
  FOLDER_LIMITS,
  type FolderEntry,
  type FolderLimits,
  type Manifest,
  MANIFEST_BYTES_MAX,
  sha256,
} from "./manifest.ts";

/** The event loop has a turn after this long. */
const TURN_MS = 5;

/** Chunks that are on their way while one is written. */
const CHUNKS_AHEAD = 4;

/** Where a packed folder's parts come from, deflated as they are kept. */
export interface PackedSource {
  manifest(hash: string): Promise<Uint8Array>;
  chunk(hash: string): Promise<Uint8Array>;
}

/** A manifest that has been checked against its hash. */
export async function fetchManifest(
  hash: string,
  source: PackedSource,
  limits: FolderLimits = FOLDER_LIMITS,
): Promise<Manifest> {
  const text = inflate(await source.manifest(hash), MANIFEST_BYTES_MAX, "its manifest");
  if (sha256(text) !== hash) refuse("its manifest is not the one of its hash");
  return decodeManifest(text, limits);
}

/**
 * Write a folder's files below `target`, which must not exist. Answers the bytes written.
 * @throws {RuntimeEnvSetupError} for whatever is wrong with it; a part may be written then: remove `target`.
 */
export async function unpackFolder(
  hash: string,
  source: PackedSource,
  target: string,
  limits: FolderLimits = FOLDER_LIMITS,
): Promise<number> {
  const manifest = await fetchManifest(hash, source, limits);
  mkdirSync(target, { mode: 0o700 });
  const writer = new FileWriter(target, manifest.entries);
  let bytes = 0;
  let packed = 0;
  try {
    const ahead: Promise<Uint8Array>[] = [];
    const fetchNext = (index: number): void => {
      const next = manifest.chunks[index];
      if (next === undefined) return;
      const fetched = source.chunk(next[0]);
      fetched.catch(() => undefined); // Awaited in its turn.
      ahead.push(fetched);
    };
    for (let index = 0; index < CHUNKS_AHEAD; index++) fetchNext(index);
    for (const [index, [chunkHash, size]] of manifest.chunks.entries()) {
      const deflated = await ahead.shift()!;
      fetchNext(index + CHUNKS_AHEAD);
      packed += deflated.length;
      const chunk = inflate(deflated, size, `chunk ${chunkHash.slice(0, 12)}`);
      if (chunk.length !== size || sha256(chunk) !== chunkHash) {
        refuse(`chunk ${chunkHash.slice(0, 12)} is not what it says`);
      }
      bytes += size;
      checkRatio(bytes, packed, limits);
      await writer.write(chunk);
    }
    await writer.write(new Uint8Array(0));
  } finally {
    writer.close();
  }
  return bytes;
}

/** Distributes a stream of bytes over files. */
class FileWriter {
  readonly #target: string;
  readonly #entries: readonly FolderEntry[];
  readonly #folders = new Set<string>();
  #next = 0;
  #fd: number | null = null;
  #left = 0;
  #turnMs = performance.now();

  constructor(target: string, entries: readonly FolderEntry[]) {
    this.#target = target;
    this.#entries = entries;
  }

  /** The next bytes; none at all make what is left: empty files and folders at the end. */
  async write(bytes: Uint8Array): Promise<void> {
    let at = 0;
    for (;;) {
      if (this.#left > 0) {
        if (at === bytes.length) return;
        const end = Math.min(bytes.length, at + this.#left);
        while (at < end) {
          const written = writeSync(this.#fd!, bytes, at, end - at);
          at += written;
          this.#left -= written;
        }
        if (this.#left > 0) return;
      }
      this.close();
      if (this.#next === this.#entries.length) return;
      // Nothing is opened before its bytes are here.
      if (at === bytes.length && this.#entries[this.#next]![2] > 0) return;
      this.#open(this.#entries[this.#next++]!);
      if (performance.now() - this.#turnMs < TURN_MS) continue;
      await new Promise((resolve) => setImmediate(resolve));
      this.#turnMs = performance.now();
    }
  }

  #open([path, kind, bytes]: FolderEntry): void {
    if (kind === "d") return this.#folder(path);
    const slash = path.lastIndexOf("/");
    if (slash > 0) this.#folder(path.slice(0, slash));
    const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
    const mode = kind === "x" ? 0o700 : 0o600;
    this.#fd = openSync(`${this.#target}/${path}`, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
    this.#left = bytes;
  }

  #folder(path: string): void {
    if (this.#folders.has(path)) return;
    const slash = path.lastIndexOf("/");
    if (slash > 0) this.#folder(path.slice(0, slash));
    mkdirSync(`${this.#target}/${path}`, { mode: 0o700 });
    this.#folders.add(path);
  }

  close(): void {
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
  }
}

function inflate(deflated: Uint8Array, bytesMax: number, what: string): Uint8Array {
  try {
    // Never more than was announced is made, whatever the bytes say.
    return inflateSync(deflated, { maxOutputLength: Math.max(bytesMax, 1) });
  } catch (cause) {
    refuse(`${what} cannot be unpacked: ${(cause as Error).message}`);
  }
}

function refuse(why: string): never {
  throw new RuntimeEnvSetupError(`The folder is refused: ${why}`);
}
