/**
 * The page's files, from the folder that the build made. They are read once; only names that exist there are answered, so
 * no path can lead elsewhere.
 * @module
 */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { gzipSync } from "node:zlib";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
};

export interface StaticFile {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The same, compressed once: a third of the bytes. */
  readonly gzip: Uint8Array<ArrayBuffer>;
  readonly type: string;
  readonly etag: string;
}

/** Files by name, one folder deep: what is of no known type is left out. */
export async function readStaticFiles(folder: string): Promise<ReadonlyMap<string, StaticFile>> {
  const files = new Map<string, StaticFile>();
  for (const name of await readdir(folder)) {
    const type = TYPES[extname(name)];
    if (type === undefined) continue;
    const bytes = new Uint8Array(await readFile(join(folder, name)));
    const hash = createHash("sha256").update(bytes).digest("base64url").slice(0, 22);
    files.set(name, { bytes, gzip: new Uint8Array(gzipSync(bytes)), type, etag: `"${hash}"` });
  }
  if (!files.has("index.html")) throw new Error(`the dashboard's page is not in ${folder}`);
  return files;
}
