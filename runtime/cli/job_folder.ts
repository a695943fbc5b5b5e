/**
 * The folder that travels with a submitted job: which one it is, what is in it, and its way to the cluster.
 * @module
 */
import { existsSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { byteText } from "../common/byte_text.ts";
import { packLimits, scanFolder, type ScannedFolder } from "../io/runtime_env/pack_folder.ts";
import { type FolderSink, uploadFolder } from "../io/runtime_env/upload_folder.ts";
import type { HeadClient } from "./head_client.ts";

import { UsageError } from "./usage.ts";

/** Large files that are named before an upload. */
const OFFENDERS_SHOWN = 5;
const PACKAGE_FILES: readonly string[] = ["package.json", "deno.json", "deno.jsonc"];
/** Sending a chunk waits for its commit. */
const UPLOAD_TIMEOUT_MS = 120_000;

/** A program in its folder. */
export interface JobFolder {
  /** Absolute. */
  readonly root: string;
  /** Relative to it. */
  readonly program: string;
  /** The node_modules folder that the program's imports find here; null when there is none. */
  readonly modules: string | null;
}

/** Where a program's folder is: the one given, else the nearest with a package.json or deno.json, else the program's own. */
export function jobFolder(program: string, given: string | null): JobFolder {
  // As `cd DIR && mobula run app.ts` would find it.
  const file = given === null || existsSync(resolve(program)) ? resolve(program) : resolve(given, program);
  if (!statSync(file, { throwIfNoEntry: false })?.isFile()) {
    throw new UsageError(`there is no program ${program} (looked at ${file})`);
  }
  if (given !== null && !statSync(resolve(given), { throwIfNoEntry: false })?.isDirectory()) {
    throw new UsageError(`--working-dir ${given} is no folder`);
  }
  const root = given === null ? packageOf(file) : resolve(given);
  const inside = relative(root, file);
  if (inside.startsWith("..")) {
    throw new UsageError(`${program} is not inside of --working-dir ${root}: the cluster would not have it`);
  }
  return { root, program: inside, modules: modulesOf(root) };
}

/** Reads it; UsageError names what cannot travel, and the limit with its file. */
export function scanJobFolder(root: string, excludes: readonly string[]): ScannedFolder {
  try {
    const steps = scanFolder({ path: root, excludes }, packLimits());
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
    }
  } catch (error) {
    const advice = (error as Error).message.replaceAll("(runtimeEnv.excludes)", "(--exclude PATTERN)")
      .replaceAll("runtimeEnv.excludes", "--exclude");
    throw new UsageError(advice, { cause: error });
  }
}

/** What is uploaded, for people: files, bytes, and the largest. */
export function describeFolder({ root, manifest }: ScannedFolder): string[] {
  const files = manifest.entries.filter(([, kind]) => kind !== "d");
  const total = files.reduce((sum, [, , size]) => sum + size, 0);
  const largest = [...files].sort((a, b) => b[2] - a[2]).slice(0, OFFENDERS_SHOWN);
  return [
    `${root}: ${files.length} ${files.length === 1 ? "file" : "files"}, ${byteText(total)} ` +
    "(without .git, node_modules and what .gitignore names)",
    ...largest.map(([path, , size]) => `  ${byteText(size).padStart(8)}  ${path}`),
  ];
}

/** Whether anything had to be sent. */
export function uploadJobFolder(folder: ScannedFolder, head: HeadClient): Promise<boolean> {
  const sink: FolderSink = {
    has: async (key) => (await head.request("kvGet", { key }, [])).result.found,
    put: async (key, value) => {
      await head.request("kvPut", { key, overwrite: true }, [value], UPLOAD_TIMEOUT_MS);
    },
    export: async (hash, name, section) => {
      await head.request("exportFunction", { hash, kind: "folder", name }, [section], UPLOAD_TIMEOUT_MS);
    },
  };
  return uploadFolder(folder, sink);
}

function packageOf(file: string): string {
  const own = dirname(file);
  for (let folder = own;; folder = dirname(folder)) {
    if (PACKAGE_FILES.some((name) => existsSync(join(folder, name)))) return folder;
    if (dirname(folder) === folder) return own;
  }
}

function modulesOf(root: string): string | null {
  for (let folder = root;; folder = dirname(folder)) {
    const modules = join(folder, "node_modules");
    if (existsSync(modules)) return modules;
    if (dirname(folder) === folder) return null;
  }
}
