/**
 * Where mobula's own modules are. No other file asks for its own address, so that this one's can stand for all of them in the
 * bundle that workers run (process/worker_bundle.ts): what is looked for from here is found in the installation.
 * @module
 */
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

/** What is run for a process of mobula's own: a file, and arguments. */
export interface Program {
  readonly entry: string;
  readonly args: string[];
}

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

/** The bundle that this process runs from; null: it runs the modules. */
export function runningBundle(): string | null {
  return bundle;
}

/** How the module at this path in `runtime/` is started from a bundle that has it; by default the one that runs here, if any. */
export function programHere(module: string, from: string | null = bundle): Program {
  const path = folder + module;
  return from === null ? { entry: path, args: [] } : { entry: from, args: [path] };
}

/** Whether a file is mobula's own code, and no frame of a stack that names it is the user's. */
export function isOwnFile(path: string): boolean {
  return path.startsWith(folder) || path === bundle;
}
