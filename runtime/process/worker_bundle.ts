/**
 * mobula's modules as one file for workers, made once for an installation and runtime and kept in the user's cache folder: a
 * worker that reads, erases and compiles 150 modules takes twice the processor time to start. For Bun the file comes with its
 * bytecode. As long as there is no bundle, and where none can be made, workers run the modules as they are.
 *
 * A bundle is the code of files that have not changed since: its name is the hash of their sizes and times. Bundles that
 * somebody else could have written are not for us.
 * @module
 */
import type { ChildProcess } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { rename, rm } from "node:fs/promises";
import { constants, setPriority } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runtimeName } from "#platform";
import type { RuntimeName } from "../common/task_spec.ts";
import { ESBUILD_VERSION, esbuildBinary } from "../io/code_bundle/esbuild.ts";
import { cacheFolder } from "../platform/cache_folder.ts";
import { RUNTIME_URL } from "../platform/runtime_folder.ts";
import { findRuntime } from "../platform/spawn.ts";

const ENTRY: string = fileURLToPath(new URL("bundled_worker.ts", RUNTIME_URL));
/** Standing in for `import.meta.url` in all of the bundle. */
const ADDRESS: string = new URL("platform/runtime_folder.ts", RUNTIME_URL).href;
/** Raise it when bundles are made in another way. */
const FORMAT = 2;
/** Bundles that are kept: of several installations and runtimes. */
const BUNDLES_MAX = 12;
/** A bundle that is still being made after this long was given up. */
const MAKING_MS = 60_000;
const ERROR_TEXT_MAX = 2_000;

/** The bundles of one agent's workers. */
export class WorkerBundles {
  readonly #paths: Map<RuntimeName, string> = new Map();
  readonly #makings: Map<RuntimeName, Promise<void>> = new Map();
  readonly #ending: AbortController = new AbortController();
  readonly #log: (line: string) => void;

  constructor(log: (line: string) => void) {
    this.#log = log;
  }

  /** The file to start, or null when there is none yet; the first call has it made. */
  entryFor(runtime: RuntimeName): string | null {
    if (!this.#paths.has(runtime) && !this.#makings.has(runtime)) this.#find(runtime);
    const path = this.#paths.get(runtime);
    // Somebody may have emptied the cache.
    return path !== undefined && existsSync(path) ? path : null;
  }

  /** Resolves when `entryFor` will not change any more. */
  async settled(runtime: RuntimeName): Promise<void> {
    this.entryFor(runtime);
    await this.#makings.get(runtime);
  }

  /** Give up what is being made. */
  close(): void {
    this.#ending.abort();
  }

  #find(runtime: RuntimeName): void {
    try {
      const folder = join(bundlesFolder(), bundleName(runtime));
      const path = fileIn(folder);
      if (path !== null) {
        utimesSync(folder, new Date(), new Date());
        this.#paths.set(runtime, path);
        return;
      }
      const making = makeBundle(runtime, folder, this.#ending.signal).then(
        (made) => void this.#paths.set(runtime, made),
        (error: Error) => {
          if (!this.#ending.signal.aborted) this.#log(`workers start without a bundle: ${error.message}`);
        },
      );
      this.#makings.set(runtime, making);
    } catch (error) {
      this.#makings.set(runtime, Promise.resolve());
      this.#log(`workers start without a bundle: ${(error as Error).message}`);
    }
  }
}

const FILE = "worker.cjs";
/** What Bun's compiler calls it. */
const COMPILED = "worker.js";

/** The bundle in its folder; null when it is not there. */
function fileIn(folder: string): string | null {
  return [FILE, COMPILED].map((name) => join(folder, name)).find((path) => existsSync(path)) ?? null;
}

function bundlesFolder(): string {
  const folder = join(cacheFolder(), "workers");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { uid, mode } = lstatSync(folder);
  if ((process.getuid !== undefined && uid !== process.getuid()) || (mode & 0o022) !== 0) {
    throw new Error(`others may write to ${folder}`);
  }
  return folder;
}

/** Different for whatever else the bundle would be made of. */
function bundleName(runtime: RuntimeName): string {
  const hash = createHash("sha256").update(`${FORMAT} ${runtime} ${ESBUILD_VERSION} ${ADDRESS}`);
  const folder = fileURLToPath(RUNTIME_URL);
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".ts")
  );
  // Bytecode is good for the program that made it only.
  const compiler = runtime === "bun" ? [bunBinary()] : [];
  for (const path of [...files.sort().map((name) => join(folder, name)), ...compiler]) {
    // Packages come with times of their makers' choice, but nobody sets the time of the last change.
    const { size, mtimeMs, ctimeMs } = statSync(path);
    hash.update(`\n${path} ${size} ${mtimeMs} ${ctimeMs}`);
  }
  return `${runtime}-${hash.digest("hex").slice(0, 32)}`;
}

const bunBinary = (): string => findRuntime("bun", { name: runtimeName, path: process.execPath });

/** Make the bundle and put it in place, whole. Two that make the same at the same time both may. */
async function makeBundle(runtime: RuntimeName, folder: string, signal: AbortSignal): Promise<string> {
  const temporary = `${folder}.${randomUUID()}`;
  mkdirSync(temporary, { mode: 0o700 });
  try {
    await run(esbuildBinary(), [
      ENTRY,
      "--bundle",
      "--platform=node",
      "--format=cjs",
      "--target=esnext",
      "--charset=utf8",
      "--log-level=error",
      "--external:bun:*",
      "--ignore-annotations",
      `--conditions=${runtime}`,
      `--define:import.meta.url=${JSON.stringify(ADDRESS)}`,
      `--outfile=${join(temporary, FILE)}`,
    ], { folder: temporary, signal });
    lightenImports(join(temporary, FILE));
    if (runtime === "bun") await compile(temporary, signal);
    // So that Deno looks for packages in node_modules folders, as it does beside the modules.
    if (runtime === "deno") writeFileSync(join(temporary, "deno.json"), '{ "nodeModulesDir": "manual" }\n');
    await rename(temporary, folder).catch((error: Error) => {
      if (fileIn(folder) === null) throw error;
    });
    await forgetOld(join(folder, ".."));
    return fileIn(folder)!;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/**
 * esbuild's helper for `import` of a `node:` module copies all of its properties, and asking for them has the runtime open
 * standard input and load streams. What is imported here is there on the module itself, and the module is its default export.
 */
function lightenImports(path: string): void {
  const text = readFileSync(path, "utf8");
  const helper = /\nvar __toESM = \(mod, isNodeMode, target\) =>[\s\S]*?\n\)\);\n/;
  writeFileSync(
    path,
    text.replace(helper, () => "\nvar __toESM = (mod) => ({ __proto__: mod, default: mod });\n"),
  );
}

/** Bun's bytecode, and beside it the file that it belongs to. */
async function compile(folder: string, signal: AbortSignal): Promise<void> {
  const plain = join(folder, FILE);
  const args = ["build", plain, "--target=bun", "--format=cjs", "--bytecode", `--outdir=${folder}`];
  await run(bunBinary(), args, { folder, signal });
  await rm(plain);
}

/** Resolves when the program has ended well; it gives way to whatever else runs here. */
async function run(
  program: string,
  args: readonly string[],
  { folder, signal }: { readonly folder: string; readonly signal: AbortSignal },
): Promise<void> {
  const { spawn } = process.getBuiltinModule("node:child_process");
  const child: ChildProcess = spawn(program, args, {
    cwd: folder,
    stdio: ["ignore", "ignore", "pipe"],
    signal,
    timeout: MAKING_MS,
    killSignal: "SIGKILL",
  });
  try {
    if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW);
  } catch {
    // It has ended, or may not.
  }
  let errors = "";
  child.stderr!.on("data", (chunk: Uint8Array) => errors = (errors + String(chunk)).slice(-ERROR_TEXT_MAX));
  const how = await new Promise<string | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve(code === 0 ? null : `ended with ${signal ?? code}`));
  });
  if (how !== null) throw new Error(`${program} ${how}: ${errors.trim()}`);
}

/** The bundles used longest ago leave, and what was left half made. Who still starts workers from them finds out. */
async function forgetOld(folder: string): Promise<void> {
  const nowMs = Date.now();
  const aged = readdirSync(folder).map((name) => {
    const path = join(folder, name);
    return { path, usedMs: statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? nowMs };
  }).sort((a, b) => b.usedMs - a.usedMs);
  const isHalfMade = (path: string, usedMs: number): boolean =>
    fileIn(path) === null && nowMs - usedMs > MAKING_MS;
  const leaving = aged.filter(({ path, usedMs }, place) => place >= BUNDLES_MAX || isHalfMade(path, usedMs));
  for (const { path } of leaving) await rm(path, { recursive: true, force: true });
}
