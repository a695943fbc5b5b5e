/**
 * Makes bundles: esbuild joins mobula's modules to one file, which for Bun is compiled to bytecode as well. What is made is
 * put in place whole.
 * @module
 */
import type { ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { constants, setPriority } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { runtimeName } from "#platform";
import type { RuntimeName } from "../common/task_spec.ts";
import { esbuildBinary } from "../io/code_bundle/esbuild.ts";
import { RUNTIME_URL } from "../platform/runtime_folder.ts";
import { findRuntime } from "../platform/spawn.ts";

/** Standing in for `import.meta.url` in all of a bundle. */
export const BUNDLE_ADDRESS: string = new URL("platform/runtime_folder.ts", RUNTIME_URL).href;
/** What a bundle is called, without its ending: of workers, and of the other processes of a cluster. */
export type BundleKind = "worker" | "cluster";

/** Bundles that are kept: of several installations and runtimes. */
const BUNDLES_MAX = 12;
/** A bundle that is still being made after this long was given up. */
const MAKING_MS = 60_000;
const ERROR_TEXT_MAX = 2_000;

/** As esbuild makes it, and what Bun's compiler calls it. */
const ENDINGS = [".cjs", ".js"];

/** A bundle in its folder; null when it is not there. */
export function bundleIn(folder: string, kind: BundleKind): string | null {
  return ENDINGS.map((ending) => join(folder, kind + ending)).find((path) => existsSync(path)) ?? null;
}

/** The program that compiles for Bun. @throws {Error} when there is none. */
export const bunBinary = (): string => findRuntime("bun", { name: runtimeName, path: process.execPath });

/**
 * Make a bundle in this folder, which need not be there yet; resolves with its path. Two that make the same at the same time
 * both may.
 */
export async function makeBundle(
  runtime: RuntimeName,
  kind: BundleKind,
  folder: string,
  signal: AbortSignal,
): Promise<string> {
  const temporary = `${folder}.${randomUUID()}`;
  mkdirSync(temporary, { mode: 0o700 });
  try {
    const plain = join(temporary, `${kind}.cjs`);
    await run(esbuildBinary(), esbuildArguments(runtime, kind, plain), { folder: temporary, signal });
    lighten(plain);
    if (runtime === "bun") await compile(plain, temporary, signal);
    // So that Deno looks for packages in node_modules folders, as it does beside the modules.
    if (runtime === "deno") writeFileSync(join(temporary, "deno.json"), '{ "nodeModulesDir": "manual" }\n');
    const made = bundleIn(temporary, kind)!;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    // The bundle itself last: who finds it finds what belongs to it.
    const others = readdirSync(temporary).filter((name) => name !== basename(made));
    for (const name of [...others, basename(made)]) await rename(join(temporary, name), join(folder, name));
    await forgetOld(dirname(folder));
    return join(folder, basename(made));
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

function esbuildArguments(runtime: RuntimeName, kind: BundleKind, outfile: string): string[] {
  return [
    fileURLToPath(new URL(`bundled_${kind}.ts`, RUNTIME_URL)),
    "--bundle",
    "--platform=node",
    "--format=cjs",
    "--target=esnext",
    "--charset=utf8",
    "--log-level=error",
    "--external:bun:*",
    `--external:${NATIVE}`,
    "--ignore-annotations",
    `--conditions=${runtime}`,
    `--define:import.meta.url=${JSON.stringify(BUNDLE_ADDRESS)}`,
    `--outfile=${outfile}`,
  ];
}

/** A package with a native part: it is loaded from where mobula is installed. */
const NATIVE = "libsql";

/**
 * esbuild's helper for `import` of a `node:` module copies all of its properties, and asking for them has the runtime open
 * standard input and load streams. What is imported here is there on the module itself, and the module is its default export,
 * unless it was a module of the language before a package's maker translated it.
 */
function lighten(path: string): void {
  const text = readFileSync(path, "utf8");
  const helper = /\nvar __toESM = \(mod, isNodeMode, target\) =>[\s\S]*?\n\)\);\n/;
  const light =
    "\nvar __toESM = (mod, isNodeMode) => !isNodeMode && mod.__esModule ? mod : { __proto__: mod, default: mod };\n";
  const load = `require("node:module").createRequire(${JSON.stringify(BUNDLE_ADDRESS)})("${NATIVE}")`;
  writeFileSync(path, text.replace(helper, () => light).replaceAll(`require("${NATIVE}")`, () => load));
}

/** Bun's bytecode, and beside it the file that it belongs to. */
async function compile(plain: string, folder: string, signal: AbortSignal): Promise<void> {
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
    bundleIn(path, "worker") === null && nowMs - usedMs > MAKING_MS;
  const leaving = aged.filter(({ path, usedMs }, place) => place >= BUNDLES_MAX || isHalfMade(path, usedMs));
  for (const { path } of leaving) await rm(path, { recursive: true, force: true });
}
