/**
 * Bundles, kept in the user's cache folder by the hash of what the bundler was given: a program that starts again does
 * not bundle again. An entry holds only as long as every file that went into it still has the same content.
 * @module
 */
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "../../platform/cache_folder.ts";
import type { Bundle } from "./bundle_text.ts";
import { ESBUILD_VERSION } from "./esbuild.ts";

export interface CachedBundle {
  readonly bundle: Bundle;
  /** Absolute paths of the files that went into it. */
  readonly inputs: readonly string[];
  readonly largest: readonly (readonly [path: string, bytes: number])[];
  readonly bytes: number;
}

/** Loaded at the call: it is a third of a worker's start. */
const crypto = () => process.getBuiltinModule("node:crypto");

const ENTRIES_MAX = 200;
const ENTRY_BYTES_MAX = 16 * 1024 * 1024;

interface Entry extends CachedBundle {
  readonly hashes: readonly string[];
}

function codeFolder(): string {
  return join(cacheFolder(), "code");
}

/** The key of a request to the bundler. */
export function outputKey(parts: readonly string[]): string {
  const hash = crypto().createHash("sha256").update(`2 ${ESBUILD_VERSION}`);
  for (const part of parts) hash.update(`\n${part.length} ${part}`);
  return hash.digest("hex");
}

function hashOfFile(path: string): string {
  return crypto().createHash("sha256").update(readFileSync(path)).digest("base64");
}

/** The bundle that was kept, or undefined when there is none or a file has changed. */
export function cachedBundle(key: string): CachedBundle | undefined {
  const path = join(codeFolder(), `${key}.json`);
  try {
    const info = statSync(path);
    if (process.getuid !== undefined && info.uid !== process.getuid()) return undefined; // Code of somebody else's.
    const entry = JSON.parse(readFileSync(path, "utf8")) as Entry;
    if (entry.inputs.some((input, i) => hashOfFile(input) !== entry.hashes[i])) return undefined;
    utimesSync(path, new Date(), new Date());
    return entry;
  } catch {
    return undefined; // Not there, or half written by a machine that went down.
  }
}

/** Keep a bundle. A folder that cannot be written to costs time only. */
export function keepBundle(key: string, kept: CachedBundle): void {
  if (kept.bundle.text.length > ENTRY_BYTES_MAX) return;
  const folder = codeFolder();
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const entry: Entry = { ...kept, hashes: kept.inputs.map(hashOfFile) };
    const path = join(folder, `${key}.json`);
    const temporary = `${path}.${crypto().randomUUID()}`;
    writeFileSync(temporary, JSON.stringify(entry), { mode: 0o600 });
    renameSync(temporary, path);
    forgetOld(folder);
  } catch {
    return;
  }
}

/** The least used leave. */
function forgetOld(folder: string): void {
  const names = readdirSync(folder);
  if (names.length <= ENTRIES_MAX) return;
  const aged = names.map((name) => ({ name, usedMs: statSync(join(folder, name)).mtimeMs }));
  aged.sort((a, b) => a.usedMs - b.usedMs);
  for (const { name } of aged.slice(0, names.length - ENTRIES_MAX / 2)) {
    rmSync(join(folder, name), { force: true });
  }
}
