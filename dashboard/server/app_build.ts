/**
 * The page as files: built from dashboard/app by Bun's bundler when they are not there yet, which takes a moment once. The
 * result is kept in dashboard/dist under a hash of everything that it is made from, so a changed source is a new build and a
 * finished one is used by every head, whatever runtime it runs on.
 * @module
 */
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { cp, mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { spawnRuntime } from "#platform";
import { RUNTIME_URL } from "../../runtime/platform/runtime_folder.ts";

const ROOT = fileURLToPath(new URL("../", RUNTIME_URL));
/** The program that bundles. */
const BUNDLER = join(ROOT, "dashboard", "server", "bundle.ts");
const SOURCE = join(ROOT, "dashboard", "app");
/** What the bundle is made from: the page and the types, with their few constants, that it shares with the server. */
const SOURCES = [SOURCE, join(ROOT, "dashboard", "api")];
const ENTRIES = ["main.tsx", "pages/graph/layout_worker.ts", "report_answers.ts"];
/** Files that go beside the bundle as they are. */
const STATIC = ["index.html", "icon.svg"];
const BUILD_TIMEOUT_MS = 60_000;

export interface BuildOptions {
  /** Where to build when dashboard/dist cannot be written (a session folder). */
  readonly fallbackDir?: string;
}

/**
 * The folder of the built page.
 * @throws when it is not built and cannot be: no Bun to be found, packages missing, no folder that can be written.
 */
export async function ensureDashboardApp(options: BuildOptions = {}): Promise<string> {
  const hash = sourceHash();
  const folders = [join(ROOT, "dashboard", "dist")];
  if (options.fallbackDir !== undefined) folders.push(options.fallbackDir);
  for (const folder of folders) {
    if (existsSync(join(folder, hash, "index.html"))) return join(folder, hash);
  }
  let failure: unknown;
  for (const folder of folders) {
    try {
      return await build(folder, hash);
    } catch (error) {
      failure = error;
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "EACCES" && code !== "EROFS" && code !== "EPERM" && code !== "ENOTDIR") break;
    }
  }
  throw failure;
}

/** Of sources, bundler options and the versions of packages, as package.json pins them (they need not be installed). */
function sourceHash(): string {
  const hash = createHash("sha256").update(readFileSync(BUNDLER));
  const { devDependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  for (const name of ["preact", "@preact/signals", "uplot", "bun"]) {
    hash.update(`${name} ${devDependencies[name]}\n`);
  }
  for (const folder of SOURCES) {
    const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile()
    );
    for (const path of files.map((entry) => join(entry.parentPath, entry.name)).sort()) {
      hash.update(`${path.slice(folder.length)}\n`).update(readFileSync(path));
    }
  }
  return hash.digest("hex").slice(0, 16);
}

async function build(folder: string, hash: string): Promise<string> {
  const finished = join(folder, hash);
  const unfinished = join(folder, `.building-${process.pid}-${randomBytes(4).toString("hex")}`);
  await mkdir(unfinished, { recursive: true });
  try {
    await bundle(unfinished);
    for (const name of STATIC) await cp(join(SOURCE, name), join(unfinished, name));
    await rename(unfinished, finished).catch((error: unknown) => {
      // Another head was faster: its build is as good.
      if (!existsSync(join(finished, "index.html"))) throw error;
    });
    await removeOthers(folder, hash);
    return finished;
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

/** Builds of older sources. Heads that still run have read theirs, or build again. */
async function removeOthers(folder: string, hash: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (/^[0-9a-f]{16}$/.test(name) && name !== hash) {
      await rm(join(folder, name), { recursive: true, force: true });
    }
  }
}

function bundle(outdir: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawnRuntime("bun", BUNDLER, {
      args: [outdir, ...ENTRIES.map((entry) => join(SOURCE, entry))],
      cwd: SOURCE,
      stdio: ["ignore", "ignore", "pipe"],
    });
    const timer = setTimeout(() => child.kill("SIGKILL"), BUILD_TIMEOUT_MS);
    let output = "";
    child.stderr!.on("data", (chunk) => {
      if (output.length < 4_000) output += String(chunk);
    });
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(timer);
      if (code === 0) resolve();
      else reject(new Error(`the bundler ended with ${code ?? "a signal"}: ${output.trim()}`));
    });
  });
}
