/**
 * Where mobula's own modules are. No other file asks for its own address, so that this one's can stand for all of them in the
 * bundle that workers run (process/worker_bundle.ts): what is looked for from here is found in the installation.
 * @module
 */
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

/** The folder `runtime/`, with a slash at its end. */
export const RUNTIME_URL: URL = new URL("../", import.meta.url);

/** Loads a package that mobula depends on. */
export const requirePackage: NodeJS.Require = createRequire(import.meta.url);

const folder: string = fileURLToPath(RUNTIME_URL);
let bundle: string | null = null;

/** This process runs mobula's modules from a bundle, which is this file. */
export function runsFrom(bundleFile: string): void {
  bundle = bundleFile;
}

/** Whether a file is mobula's own code, and no frame of a stack that names it is the user's. */
export function isOwnFile(path: string): boolean {
  return path.startsWith(folder) || path === bundle;
}
