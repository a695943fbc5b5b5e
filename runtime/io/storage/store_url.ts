/**
 * Where a store is: `file:…` (the default, in the session folder), or a libSQL server by `http://`, `https://` or
 * `libsql://`. Credentials come from the environment (MOBULA_STORE_AUTH_TOKEN), never from the URL.
 * @module
 */
import { isAbsolute, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { StoreError } from "./store_error.ts";

export type StorePlace =
  | { readonly type: "file"; readonly path: string; readonly url: string }
  | { readonly type: "remote"; readonly url: string };

/** Parse what the user gave; null is the default file below `dir`. Throws StoreError STORE_URL, naming the option. */
export function storePlace(url: string | null, dir: string): StorePlace {
  if (url === null || url === "") return filePlace(join(dir, "gcs.db"));
  if (/^file:/i.test(url)) {
    const rest = url.slice("file:".length);
    if (/[?#]/.test(rest)) throw refuse(url, "a file URL takes no query");
    if (rest.startsWith("//")) {
      if (!rest.startsWith("///")) throw refuse(url, "a file URL has no host: file:/absolute/path.db");
      return filePlace(fileURLToPath(url));
    }
    if (rest === "") throw refuse(url, "it names no file");
    return filePlace(isAbsolute(rest) ? rest : resolve(rest));
  }
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw refuse(url, "it is no URL");
  }
  if (!["http:", "https:", "libsql:"].includes(parsed.protocol)) {
    throw refuse(url, "it must start with file:, http://, https:// or libsql://");
  }
  if (parsed.username || parsed.password || parsed.searchParams.has("authToken")) {
    throw refuse(parsed.protocol + "//…", "credentials go into MOBULA_STORE_AUTH_TOKEN, not into the URL");
  }
  return { type: "remote", url };
}

function filePlace(path: string): StorePlace {
  return { type: "file", path, url: `file:${path}` };
}

function refuse(url: string, why: string): StoreError {
  return new StoreError("STORE_URL", `Cannot use --store ${url}: ${why}`);
}
