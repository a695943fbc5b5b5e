/**
 * Where mobula keeps what can be made again, between runs.
 * @module
 */
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

/** Files of Node's compile cache, above which it is begun anew: a run of a user's modules leaves some each time. */
const COMPILED_MAX = 5_000;

let compiled: string | null | undefined;

/** MOBULA_CACHE_DIR, else `mobula` in the user's cache folder. It need not exist. */
export function cacheFolder(): string {
  return process.env["MOBULA_CACHE_DIR"] ||
    join(
      process.env["XDG_CACHE_HOME"] || join(process.getBuiltinModule("node:os").homedir(), ".cache"),
      "mobula",
    );
}

/**
 * The folder of Node's compile cache (NODE_COMPILE_CACHE): a Node worker starts in a fifth of the CPU time when TypeScript was
 * erased and compiled before. Null when it cannot be made; that costs time only.
 */
export function compileCacheFolder(): string | null {
  if (compiled !== undefined) return compiled;
  const folder = join(cacheFolder(), "node");
  try {
    // Code of somebody else's is not for us: nobody else may write here.
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    if (readdirSync(folder, { recursive: true }).length > COMPILED_MAX) rmSync(folder, { recursive: true });
    compiled = folder;
  } catch {
    compiled = null;
  }
  return compiled;
}
