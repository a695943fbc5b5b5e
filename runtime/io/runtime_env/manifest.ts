/**
 * A packed folder: a manifest, which names every file, and its contents in chunks, one after the other in the manifest's
 * order. Both are kept in the function table: the manifest by the folder's hash, which is the hash of its text, and every
 * chunk by the hash of its bytes. So the same files have the same hash whoever packs them, and what arrives is checked.
 *
 *   manifest  {"format":1,"entries":[[path,kind,bytes],…],"chunks":[[sha256,bytes],…]}   kind: "d" folder, "f" file, "x" program
 *   both are stored deflated (zlib), each by itself
 *
 * The format can say nothing but folders and plain files: there are no links, owners, devices or times. Names are checked
 * by the same function when a folder is packed and before anything of it is written elsewhere.
 * @module
 */
import { WORKING_DIR_BYTES_MAX } from "../../common/config.ts";
import { RuntimeEnvSetupError } from "../../common/errors.ts";

/** What a folder may hold, the same where it is packed and where it is unpacked. */
export interface FolderLimits {
  /** Files and folders. */
  readonly entries: number;
  /** Bytes of all files together, as they are. */
  readonly bytes: number;
  /** Bytes of all chunks together, as they travel. */
  readonly packedBytes: number;
  /** How many times smaller than its files a packed folder may be, once these are more than RATIO_FROM_BYTES. */
  readonly ratio: number;
}

/** The default limits; MOBULA_MAX_WORKING_DIR_BYTES sets `bytes` of the process that packs. */
export const FOLDER_LIMITS: FolderLimits = {
  entries: 100_000,
  bytes: WORKING_DIR_BYTES_MAX,
  packedBytes: 500 * 1024 * 1024,
  ratio: 200,
};
/** A small folder may be as uniform as it likes. */
export const RATIO_FROM_BYTES: number = 16 * 1024 * 1024;
/** Every chunk but the last has this size. */
export const CHUNK_BYTES: number = 1024 * 1024;
/** A manifest's text. */
export const MANIFEST_BYTES_MAX: number = 16 * 1024 * 1024;
const PATH_BYTES_MAX = 1_024;
const NAME_BYTES_MAX = 255;
const DEPTH_MAX = 64;

export type EntryKind = "d" | "f" | "x";
/** Path (relative, with `/`), kind, size. */
export type FolderEntry = readonly [path: string, kind: EntryKind, bytes: number];

export interface Manifest {
  readonly format: 1;
  readonly entries: readonly FolderEntry[];
  readonly chunks: readonly (readonly [sha256: string, bytes: number])[];
}

export function sha256(bytes: Uint8Array): string {
  const { createHash } = process.getBuiltinModule("node:crypto");
  return createHash("sha256").update(bytes).digest("hex");
}

/** Keys in the function table. */
export function manifestKey(hash: string): string {
  return `folder-${hash}`;
}
export function chunkKey(hash: string): string {
  return `chunk-${hash}`;
}

export function encodeManifest({ entries, chunks }: Manifest): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ format: 1, entries, chunks }));
}

/** The manifest of this text. RuntimeEnvSetupError for anything that could leave its folder or break a limit. */
export function decodeManifest(text: Uint8Array, limits: FolderLimits = FOLDER_LIMITS): Manifest {
  if (text.length > MANIFEST_BYTES_MAX) {
    refuse(`its manifest has ${text.length} bytes, limit ${MANIFEST_BYTES_MAX}`);
  }
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(text));
  } catch {
    refuse("its manifest cannot be read");
  }
  const { format, entries, chunks } = (value ?? {}) as Partial<Record<keyof Manifest, unknown>>;
  if (format !== 1) refuse("its manifest is of another format");
  if (!Array.isArray(entries) || !Array.isArray(chunks)) refuse("its manifest has no entries or no chunks");
  const bytes = checkEntries(entries, limits);
  checkChunks(chunks, bytes);
  return { format: 1, entries: entries as FolderEntry[], chunks: chunks as Manifest["chunks"] };
}

/** Throws unless all entries are good together; answers the bytes of their files. */
export function checkEntries(entries: readonly unknown[], limits: FolderLimits): number {
  if (entries.length > limits.entries) {
    refuse(`it has ${entries.length} files and folders, limit ${limits.entries}`);
  }
  const names = new NameTable();
  let total = 0;
  for (const entry of entries) {
    if (!Array.isArray(entry) || entry.length !== 3) refuse("an entry of its manifest cannot be read");
    const [path, kind, bytes] = entry as [unknown, unknown, unknown];
    if (typeof path !== "string") refuse("an entry of its manifest has no path");
    if (kind !== "d" && kind !== "f" && kind !== "x") refuse(`${quote(path)} is neither a file nor a folder`);
    if (!Number.isSafeInteger(bytes) || (bytes as number) < 0 || (kind === "d" && bytes !== 0)) {
      refuse(`${quote(path)} has an impossible size`);
    }
    names.add(path, kind === "d");
    total += bytes as number;
    if (total > limits.bytes) refuse(`its files have more than ${limits.bytes} bytes`);
  }
  return total;
}

function checkChunks(chunks: readonly unknown[], bytes: number): void {
  if (chunks.length !== Math.ceil(bytes / CHUNK_BYTES)) refuse("its chunks are not those of its files");
  for (const [index, chunk] of chunks.entries()) {
    const [hash, size] = Array.isArray(chunk) ? chunk : [];
    const expected = Math.min(CHUNK_BYTES, bytes - index * CHUNK_BYTES);
    if (typeof hash !== "string" || !/^[0-9a-f]{64}$/.test(hash) || size !== expected) {
      refuse("its chunks are not those of its files");
    }
  }
}

/** Names seen so far: refuses what could leave the folder, and two that are one on some file system. */
class NameTable {
  /** Folded path to the spelling that was seen, and what it is. */
  readonly #seen = new Map<string, { readonly path: string; readonly isFolder: boolean; listed: boolean }>();

  add(path: string, isFolder: boolean): void {
    const parts = checkPath(path);
    for (let depth = 1; depth < parts.length; depth++) {
      this.#take(parts.slice(0, depth).join("/"), true, false);
    }
    this.#take(path, isFolder, true);
  }

  #take(path: string, isFolder: boolean, listed: boolean): void {
    // macOS folds case and composes; a folder must unpack to the same files everywhere.
    const folded = path.normalize("NFC").toLowerCase().normalize("NFC");
    const known = this.#seen.get(folded);
    if (known === undefined) {
      this.#seen.set(folded, { path, isFolder, listed });
      return;
    }
    if (known.path !== path) {
      refuse(
        `${quote(known.path)} and ${
          quote(path)
        } are one name where case does not count: rename or exclude one`,
      );
    }
    if (known.isFolder !== isFolder) refuse(`${quote(path)} is a file and a folder`);
    if (listed && known.listed) refuse(`${quote(path)} is there twice`);
    known.listed ||= listed;
  }
}

/** The parts of a path that stays in its folder; RuntimeEnvSetupError for any other. */
export function checkPath(path: string): string[] {
  const parts = path.split("/");
  const problem = path === "" ? "is empty" : path.startsWith("/")
    ? "is absolute"
    // deno-lint-ignore no-control-regex -- control characters are what is looked for
    : /[\x00-\x1f\x7f\\]/.test(path)
    ? "has a backslash or control character"
    // A name that was not UTF-8, or half a character.
    : !path.isWellFormed() || path.includes("\ufffd")
    ? "is not proper UTF-8"
    : parts.some((part) => part === "" || part === "." || part === "..")
    ? "does not stay in its folder"
    : parts.length > DEPTH_MAX
    ? `is nested more than ${DEPTH_MAX} deep`
    : new TextEncoder().encode(path).length > PATH_BYTES_MAX
    ? `is longer than ${PATH_BYTES_MAX} bytes`
    : parts.some((part) => new TextEncoder().encode(part).length > NAME_BYTES_MAX)
    ? `has a name longer than ${NAME_BYTES_MAX} bytes`
    : null;
  if (problem !== null) refuse(`the path ${quote(path)} ${problem}`);
  return parts;
}

/** Throws when so many bytes of so few are no honest folder. */
export function checkRatio(bytes: number, packedBytes: number, limits: FolderLimits): void {
  if (packedBytes > limits.packedBytes) refuse(`packed it has more than ${limits.packedBytes} bytes`);
  if (bytes > RATIO_FROM_BYTES && bytes > packedBytes * limits.ratio) {
    refuse(`${bytes} bytes of it are packed in ${packedBytes}, more than ${limits.ratio} to one`);
  }
}

function quote(path: string): string {
  return JSON.stringify(path.length > 200 ? `${path.slice(0, 200)}…` : path);
}

function refuse(why: string): never {
  throw new RuntimeEnvSetupError(`The folder is refused: ${why}`);
}
