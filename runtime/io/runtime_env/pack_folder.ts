/**
 * Packs a folder (manifest.ts tells the format): walks it, leaving out what is ignored, and reads its files in chunks.
 * Generators that yield now and then, so that the same code runs at once or in turns of a busy process.
 * @module
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
} from "node:fs";
import { basename, resolve } from "node:path";
import { RuntimeEnvSetupError } from "../../common/errors.ts";
import type { LocalFolder } from "../../common/runtime_env.ts";
import { maxWorkingDirBytes } from "../environment.ts";
import { type IgnoreRule, isIgnored, parseIgnoreRules } from "./gitignore.ts";
import {
  checkEntries,
  checkPath,
  CHUNK_BYTES,
  encodeManifest,
  FOLDER_LIMITS,
  type FolderEntry,
  type FolderLimits,
  type Manifest,
  MANIFEST_BYTES_MAX,
  sha256,
} from "./manifest.ts";

/** Stays behind unless a later rule says otherwise: history, and packages that belong to this platform. */
const LEFT_BEHIND = ".git\nnode_modules/\n";
/** A file of ignore rules that is longer is no such file. */
const IGNORE_BYTES_MAX = 1024 * 1024;

/** A folder, read. */
export interface ScannedFolder {
  readonly root: string;
  readonly manifest: Manifest;
  /** The manifest as it is kept. */
  readonly text: Uint8Array;
  readonly hash: string;
}

/** Limits of this process: MOBULA_MAX_WORKING_DIR_BYTES in the environment, else the default. */
export function packLimits(): FolderLimits {
  return { ...FOLDER_LIMITS, bytes: maxWorkingDirBytes() };
}

/**
 * Read a folder and tell its hash: that of its names and contents, and of nothing else. Equal files have it equal anywhere.
 * @throws {RuntimeEnvSetupError} for what is not there, cannot be read or cannot travel (links, sockets, devices, names
 * that would collide), and beyond the limits; with the path.
 */
export function* scanFolder(folder: LocalFolder, limits: FolderLimits): Generator<void, ScannedFolder> {
  const root = resolve(folder.path);
  const status = attempt(root, () => lstatSync(root, { throwIfNoEntry: false }));
  // The folder itself may be reached by a link: the user named it.
  const isFolder = status !== undefined && (status.isDirectory() ||
    (status.isSymbolicLink() && attempt(root, () => readdirSync(`${root}/`)) !== undefined));
  if (!isFolder) {
    throw new RuntimeEnvSetupError(
      `workingDir ${root} is ${status === undefined ? "missing" : "not a folder"}`,
    );
  }
  const excludes = parseIgnoreRules(folder.excludes.join("\n"));
  const entries: FolderEntry[] = [];
  yield* walk(root, "", parseIgnoreRules(LEFT_BEHIND), excludes, entries, limits);
  // Code units, not the locale: the same order everywhere.
  entries.sort(([left], [right]) => left < right ? -1 : left > right ? 1 : 0);
  inFolder(root, () => checkEntries(entries, limits), entries);
  const chunks: [string, number][] = [];
  for (const chunk of readChunks(root, entries)) {
    chunks.push([sha256(chunk), chunk.length]);
    yield;
  }
  const manifest: Manifest = { format: 1, entries, chunks };
  const text = encodeManifest(manifest);
  if (text.length > MANIFEST_BYTES_MAX) {
    throw new RuntimeEnvSetupError(
      `workingDir ${root} has too many long names: ${text.length} bytes of them`,
    );
  }
  return { root, manifest, text, hash: sha256(text) };
}

/** The contents of all files in order, in pieces of CHUNK_BYTES. Each piece is valid until the next one. */
export function* readChunks(root: string, entries: readonly FolderEntry[]): Generator<Uint8Array> {
  const buffer = new Uint8Array(CHUNK_BYTES);
  let filled = 0;
  for (const [path, kind, bytes] of entries) {
    if (kind === "d" || bytes === 0) continue;
    const full = `${root}/${path}`;
    // No link is followed, also when one took the file's place just now.
    const fd = attempt(
      full,
      () => openSync(full, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK),
    );
    try {
      const status = fstatSync(fd);
      if (!status.isFile() || status.size !== bytes) changed(full);
      let left = bytes;
      while (left > 0) {
        const got = attempt(
          full,
          () => readSync(fd, buffer, filled, Math.min(left, CHUNK_BYTES - filled), null),
        );
        if (got === 0) changed(full);
        left -= got;
        filled += got;
        if (filled < CHUNK_BYTES) continue;
        yield buffer;
        filled = 0;
      }
    } finally {
      closeSync(fd);
    }
  }
  if (filled > 0) yield buffer.subarray(0, filled);
}

function* walk(
  root: string,
  base: string,
  rules: readonly IgnoreRule[],
  excludes: readonly IgnoreRule[],
  entries: FolderEntry[],
  limits: FolderLimits,
): Generator<void> {
  const folder = `${root}/${base}`;
  const names = attempt(folder, () => readdirSync(folder));
  if (names.includes(".gitignore")) rules = [...rules, ...readRules(`${folder}.gitignore`, base)];
  const all = [...rules, ...excludes];
  for (const name of names) {
    const path = base + name;
    const full = `${root}/${path}`;
    const status = attempt(full, () => lstatSync(full));
    if (isIgnored(path, status.isDirectory(), all)) continue;
    inFolder(root, () => checkPath(path), entries);
    if (entries.length >= limits.entries) {
      throw new RuntimeEnvSetupError(
        `workingDir ${root} has more than ${limits.entries} files and folders: exclude some (runtimeEnv.excludes)`,
      );
    }
    if (status.isDirectory()) {
      entries.push([path, "d", 0]);
      yield* walk(root, `${path}/`, rules, excludes, entries, limits);
    } else if (status.isFile()) {
      entries.push([path, (status.mode & 0o100) === 0 ? "f" : "x", status.size]);
    } else {
      const what = status.isSymbolicLink() ? "a symbolic link" : "no plain file";
      throw new RuntimeEnvSetupError(
        `workingDir ${root}: ${path} is ${what} and cannot travel; put it into runtimeEnv.excludes, or put a file there`,
      );
    }
  }
  yield;
}

function readRules(path: string, base: string): IgnoreRule[] {
  const status = attempt(path, () => lstatSync(path));
  if (!status.isFile() || status.size > IGNORE_BYTES_MAX) return []; // As git does with a link.
  return parseIgnoreRules(attempt(path, () => readFileSync(path, "utf8")), base);
}

/** Says which folder, and for one that is too large what is large in it. */
function inFolder<T>(root: string, check: () => T, entries: readonly FolderEntry[]): T {
  try {
    return check();
  } catch (error) {
    const { message } = error as Error;
    const isLarge = message.includes("bytes");
    const largest = [...entries].sort((left, right) => right[2] - left[2]).slice(0, 3)
      .map(([path, , bytes]) => `${path} (${bytes})`).join(", ");
    const hint = isLarge
      ? `; its largest files: ${largest}. Exclude what is not needed (runtimeEnv.excludes)`
      : "";
    throw new RuntimeEnvSetupError(
      `workingDir ${root} (${basename(root)}) cannot be packed: ${
        message.replace("The folder is refused: ", "")
      }${hint}`,
    );
  }
}

function attempt<T>(path: string, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    throw new RuntimeEnvSetupError(`workingDir cannot be packed: ${path}: ${(cause as Error).message}`, {
      cause,
    });
  }
}

function changed(path: string): never {
  throw new RuntimeEnvSetupError(`workingDir cannot be packed: ${path} changes while it is read`);
}
