/**
 * mobula's modules as one file for workers, and another one for the other processes of a cluster, made once for an
 * installation and runtime and kept in the user's cache folder: a process that reads, erases and compiles hundreds of modules
 * takes two to four times the processor time to start. For Bun the files come with their bytecode. As long as there are no
 * bundles, and where none can be made, processes run the modules as they are.
 *
 * A bundle is the code of files that have not changed since: its name is the hash of their sizes and times. Bundles that
 * somebody else could have written are not for us.
 * @module
 */
import { createHash } from "node:crypto";
import { existsSync, lstatSync, mkdirSync, readdirSync, statSync, utimesSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { runtimeName } from "#platform";
import type { RuntimeName } from "../common/task_spec.ts";
import { ESBUILD_VERSION } from "../io/code_bundle/esbuild.ts";
import { cacheFolder } from "../platform/cache_folder.ts";
import { type Program, programHere, runningBundle, RUNTIME_URL } from "../platform/runtime_folder.ts";
import { bunBinary, BUNDLE_ADDRESS, bundleIn, makeBundle } from "./bundle_build.ts";

/** Raise it when bundles are made in another way. */
const FORMAT = 3;

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
      const folder = folderOf(runtime);
      const path = bundleIn(folder, "worker");
      if (path !== null) this.#paths.set(runtime, path);
      // On Bun the other processes of a cluster have one too; elsewhere they are few and start once.
      if (path !== null && (runtime !== "bun" || bundleIn(folder, "cluster") !== null)) return;
      this.#makings.set(runtime, this.#make(runtime, folder, path === null));
    } catch (error) {
      this.#makings.set(runtime, Promise.resolve());
      this.#log(`workers start without a bundle: ${(error as Error).message}`);
    }
  }

  async #make(runtime: RuntimeName, folder: string, lacksWorker: boolean): Promise<void> {
    const { signal } = this.#ending;
    try {
      if (lacksWorker) this.#paths.set(runtime, await makeBundle(runtime, "worker", folder, signal));
      if (runtime === "bun") await makeBundle(runtime, "cluster", folder, signal);
    } catch (error) {
      if (!signal.aborted) this.#log(`processes start without a bundle: ${(error as Error).message}`);
    }
  }
}

/** Where a runtime's bundles are or are to be. Who runs from them knows without looking at all modules. */
function folderOf(runtime: RuntimeName): string {
  const own = runningBundle();
  if (own !== null && runtime === runtimeName) return dirname(own);
  const folder = join(bundlesFolder(), bundleName(runtime));
  if (existsSync(folder)) utimesSync(folder, new Date(), new Date());
  return folder;
}

/** What is started here for a process of the cluster, by its module's path in `runtime/`: from the bundle where there is one. */
export function clusterProgram(runtime: RuntimeName, module: string): Program {
  return programHere(module, runtime === "bun" ? clusterBundle() : null);
}

/** A head and its agent are started at once: files are not looked at twice. */
const LOOK_AGAIN_MS = 1_000;
let looked: { readonly cache: string; readonly bundle: string | null; readonly atMs: number } | null = null;

function clusterBundle(): string | null {
  const cache = cacheFolder();
  if (looked?.cache === cache && performance.now() - looked.atMs < LOOK_AGAIN_MS) return looked.bundle;
  let bundle: string | null = null;
  try {
    bundle = bundleIn(folderOf("bun"), "cluster");
  } catch {
    // The agent that makes the bundle says why it cannot.
  }
  looked = { cache, bundle, atMs: performance.now() };
  return bundle;
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

/** Different for whatever else the bundles would be made of. */
function bundleName(runtime: RuntimeName): string {
  const hash = createHash("sha256").update(`${FORMAT} ${runtime} ${ESBUILD_VERSION} ${BUNDLE_ADDRESS}`);
  const root = fileURLToPath(new URL("../", RUNTIME_URL));
  const sources = ["runtime", "dashboard/server", "dashboard/api"].flatMap((name) =>
    readdirSync(join(root, name), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts")).sort().map((file) => join(root, name, file))
  );
  // Which versions of packages belong to it; and bytecode is good for the program that made it only.
  const others = [join(root, "package.json"), ...(runtime === "bun" ? [bunBinary()] : [])];
  for (const path of [...sources, ...others]) {
    // Packages come with times of their makers' choice, but nobody sets the time of the last change.
    const { size, mtimeMs, ctimeMs } = statSync(path);
    hash.update(`\n${path} ${size} ${mtimeMs} ${ctimeMs}`);
  }
  return `${runtime}-${hash.digest("hex").slice(0, 32)}`;
}
