/**
 * The log files of one folder. Outside, a file has an opaque id; nothing that comes from outside becomes a path.
 * @module
 */
import { closeSync, fstatSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { sha256Hex } from "../../common/sha256.ts";
import type { LogMark, LogOrigin } from "../../common/log_lines.ts";
import type { LogFileRow } from "../../common/log_query.ts";
import { LineReader } from "../../core/logs/line_reader.ts";

const PAGE = 4096;
const BLOCK = 512;
/** Where a file's first mark is looked for. */
const HEAD_BYTES = 16 * 1024;
const ID_LENGTH = 16;

export interface LogFile {
  readonly id: string;
  /** "w-1a2b3c", "head", … */
  readonly source: string;
  readonly path: string;
  readonly size: number;
  readonly bytes: number;
  readonly changedMs: number;
}

/** What tells a folder of one host from all others. */
export function folderId(folder: string): string {
  return sha256Hex(new TextEncoder().encode(`${hostname()}\n${folder}`)).slice(0, ID_LENGTH);
}

/** The folder's logs, those that were written last first. A folder that is not there has none. */
export function listLogs(folder: string): LogFile[] {
  const id = folderId(folder);
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return [];
  }
  const files: LogFile[] = [];
  for (const name of names) {
    const source = /^([\w.-]+?)\.(?:log|out|err)(?:\.old)?$/.exec(name)?.[1];
    if (source === undefined) continue;
    const path = join(folder, name);
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined || !found.isFile()) continue;
    files.push({
      id: sha256Hex(new TextEncoder().encode(`${id}\n${name}`)).slice(0, ID_LENGTH),
      source,
      path,
      size: found.size,
      bytes: Math.min(found.size, found.blocks * BLOCK),
      changedMs: Math.floor(found.mtimeMs),
    });
  }
  return files.sort((a, b) => b.changedMs - a.changedMs);
}

export function rowOf(file: LogFile): LogFileRow {
  const origin = originOf(file);
  return {
    file: file.id,
    source: file.source,
    node: origin?.node ?? null,
    pid: origin?.pid ?? null,
    bytes: file.bytes,
    changedMs: file.changedMs,
  };
}

/** What a file's first mark says, and of which size it was then: one without may get its first. */
const origins = new Map<string, { readonly origin: LogOrigin | null; readonly size: number }>();
const ORIGINS_MAX = 2_000;

/** Whose it is, from its first mark; null for one without, or whose beginning is gone. */
export function originOf({ id, path, size }: Pick<LogFile, "id" | "path" | "size">): LogOrigin | null {
  const known = origins.get(id);
  if (known !== undefined && (known.origin !== null || known.size === size)) return known.origin;
  if (origins.size >= ORIGINS_MAX) origins.delete(origins.keys().next().value!);
  const origin = readOrigin(path);
  origins.set(id, { origin, size });
  return origin;
}

function readOrigin(path: string): LogOrigin | null {
  let found: LogOrigin | null = null;
  try {
    withFile(path, (fd) => {
      const start = logStart(fd);
      const bytes = new Uint8Array(HEAD_BYTES);
      const length = readSync(fd, bytes, 0, HEAD_BYTES, start);
      new LineReader(start, () => {}, null, (mark: LogMark) => found ??= mark.origin ?? null)
        .feed(bytes.subarray(0, length));
    });
  } catch {
    return null; // It was removed meanwhile.
  }
  return found;
}

export function withFile<R>(path: string, use: (fd: number) => R): R {
  const fd = openSync(path, "r");
  try {
    return use(fd);
  } finally {
    closeSync(fd);
  }
}

/** Where the text of a log begins: behind the hole, if its beginning was given back to the disk. */
export function logStart(fd: number): number {
  const { size, blocks } = fstatSync(fd);
  if (blocks * BLOCK >= size) return 0;
  const piece = new Uint8Array(PAGE);
  const isHole = (page: number): boolean => {
    const length = readSync(fd, piece, 0, PAGE, page * PAGE);
    for (let i = 0; i < length; i++) if (piece[i] !== 0) return false;
    return true;
  };
  let low = 0;
  let high = Math.floor(size / PAGE);
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isHole(middle)) low = middle + 1;
    else high = middle;
  }
  return low * PAGE;
}
