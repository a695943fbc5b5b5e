/**
 * Finds and reads the text files below a folder.
 * @module
 */
import { type FileHandle, open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";

export interface TextFiles {
  readonly list: readonly string[];
  readonly bytes: number;
}

/** A file with a zero byte in its first bytes is not text (the rule that git uses). */
const SNIFF_BYTES = 8000;

/** All text files below `folder`, in a stable order. Links are not followed. Throws when the folder cannot be read. */
export async function textFiles(folder: string): Promise<TextFiles> {
  if (!(await stat(folder)).isDirectory()) throw new Error(`Cannot count words: ${folder} is not a folder`);
  const list: string[] = [];
  let bytes = 0;
  const folders = [folder];
  while (folders.length > 0) {
    const at = folders.pop()!;
    const entries = await readdir(at, { withFileTypes: true });
    for (const entry of entries.sort((a, b) => a.name < b.name ? -1 : 1)) {
      const path = join(at, entry.name);
      if (entry.isDirectory()) folders.push(path);
      if (!entry.isFile()) continue;
      const size = await textSize(path);
      if (size === 0) continue;
      list.push(path);
      bytes += size;
    }
  }
  return { list, bytes };
}

/** The contents, one file after another. */
export async function* readTexts(list: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const path of list) yield await withFile(path, (file) => file.readFile());
}

/** Whole files, joined by line ends, in batches of about `batchBytes`. */
export async function* readBatches(list: readonly string[], batchBytes: number): AsyncGenerator<Uint8Array> {
  let parts: Uint8Array[] = [];
  let length = 0;
  for await (const text of readTexts(list)) {
    parts.push(text);
    length += text.length + 1;
    if (length < batchBytes) continue;
    yield joinLines(parts, length);
    parts = [];
    length = 0;
  }
  if (parts.length > 0) yield joinLines(parts, length);
}

function joinLines(parts: readonly Uint8Array[], length: number): Uint8Array {
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
    all[at++] = 10;
  }
  return all;
}

/** The size of a text file; 0 for what is empty or not text. */
function textSize(path: string): Promise<number> {
  return withFile(path, async (file) => {
    const head = new Uint8Array(SNIFF_BYTES);
    const { bytesRead } = await file.read(head, 0, SNIFF_BYTES, 0);
    if (head.subarray(0, bytesRead).includes(0)) return 0;
    return bytesRead < SNIFF_BYTES ? bytesRead : (await file.stat()).size;
  });
}

async function withFile<T>(path: string, use: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}
