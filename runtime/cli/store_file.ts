/**
 * Reads the store's file of a cluster that does not run.
 * @module
 */
import { existsSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { runtimeName } from "#platform";
import { StoreReader } from "../io/storage/reader_client.ts";

/** Open, use, close. `file` may be the file, or a store's or a session's folder. */
export async function withStore<T>(file: string, use: (reader: StoreReader) => Promise<T>): Promise<T> {
  const path = storeFile(resolve(file));
  const reader = new StoreReader({ url: `file:${path}`, dir: dirname(path), runtime: runtimeName });
  try {
    return await use(reader);
  } finally {
    reader.close();
  }
}

function storeFile(path: string): string {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return path;
  const inside = join(path, "store", "gcs.db");
  return existsSync(inside) ? inside : join(path, "gcs.db");
}
