/**
 * A slice of the user's module to a bundle: relative modules, JSON files and packages of pure JavaScript go inside; `node:`
 * modules, mobula itself, native packages and those that the project's package.json lists under `mobula.external` are
 * looked up where the code runs.
 * @module
 */
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { decode } from "@jridgewell/sourcemap-codec";
import { byteText } from "../../common/byte_text.ts";
import { type CachedBundle, cachedBundle, keepBundle, outputKey } from "./bundle_cache.ts";
import { type Bundle, makeBundle } from "./bundle_text.ts";
import { runEsbuild } from "./esbuild.ts";
import type { ModuleSource } from "./module_source.ts";
import type { Slice } from "./module_slice.ts";

/** Above it a warning says what is large. */
export const BUNDLE_WARNING_BYTES: number = 10 * 1024 * 1024;
/** Above it a bundle is refused. */
export const BUNDLE_BYTES_MAX: number = 95 * 1024 * 1024;
/** How often the bundler is run again because a package turned out to be native. */
const NATIVE_ROUNDS_MAX = 20;

const OPTIONS: readonly string[] = [
  "--bundle",
  "--format=esm",
  "--platform=node",
  "--tree-shaking=true",
  "--sourcemap=external",
  "--sources-content=false",
  ...["mobula", "mobula/*", "bun", "bun:*", "deno:*", "npm:*", "jsr:*", "http://*", "https://*", "*.node"]
    .map((name) => `--external:${name}`),
];

/** The bundle. SyntaxError with the bundler's messages, RangeError when it is too large. */
export function bundleSlice(source: ModuleSource, slice: Slice, subject: string): Bundle {
  const folder = dirname(source.path);
  const externals = declaredExternals(folder);
  const key = outputKey([source.path, slice.text, ...slice.captured, ...externals]);
  let kept = cachedBundle(key);
  if (kept === undefined) {
    const output = runBundler(source, slice, subject, externals);
    const { text, mappings, inputs, largest } = output;
    const bytes = Buffer.byteLength(text);
    refuseSize(bytes, largest, subject);
    const root = projectOf(folder);
    const sources = output.sources.map((path) => relative(root, path).split(sep).join("/"));
    const made = makeBundle(
      { text, mappings: decode(mappings), sources, files: output.sources },
      slice.captured,
    );
    kept = { bundle: made, inputs, largest, bytes };
    keepBundle(key, kept);
  }
  warnOfSize(kept.bytes, kept.largest, subject);
  return kept.bundle;
}

/** What one run made. */
interface BundlerOutput {
  readonly text: string;
  readonly mappings: string;
  /** Absolute paths. */
  readonly sources: readonly string[];
  readonly inputs: readonly string[];
  readonly largest: CachedBundle["largest"];
}

interface Metafile {
  readonly inputs: Readonly<Record<string, { readonly bytes: number }>>;
  readonly outputs: Readonly<
    Record<string, { readonly inputs: Readonly<Record<string, { readonly bytesInOutput: number }>> }>
  >;
}

function runBundler(
  source: ModuleSource,
  slice: Slice,
  subject: string,
  declared: readonly string[],
): BundlerOutput {
  const folder = dirname(source.path);
  const name = `${basename(source.path)}.slice`; // A name of its own: the file itself may be imported too.
  const scratch = mkdtempSync(
    join(realpathSync(process.getBuiltinModule("node:os").tmpdir()), "mobula-bundle-"),
  );
  const externals = [...declared];
  try {
    for (let round = 0;; round++) {
      const metaPath = join(scratch, "meta.json");
      const outPath = join(scratch, "out.js");
      const args = [
        ...OPTIONS,
        "--loader=js",
        `--sourcefile=${name}`,
        `--metafile=${metaPath}`,
        `--outfile=${outPath}`,
        ...externals.flatMap((it) => [`--external:${it}`, `--external:${it}/*`]),
      ];
      bundle(folder, args, slice.text, subject);
      const meta = JSON.parse(readFileSync(metaPath, "utf8")) as Metafile;
      const parts = Object.values(meta.outputs).map((output) =>
        output.inputs
      ).find((it) => Object.keys(it).length > 0) ?? {};
      const native = nativePackages(folder, Object.keys(meta.inputs));
      const fresh = native.filter((name) => !externals.includes(name));
      if (fresh.length > 0 && round < NATIVE_ROUNDS_MAX) {
        externals.push(...fresh);
        continue;
      }
      const inputs = Object.keys(meta.inputs).filter((path) => path !== name).map((path) =>
        resolve(folder, path)
      );
      refuseCircle(source, inputs, subject);
      return readOutput(outPath, inputs, parts);
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function bundle(folder: string, args: readonly string[], input: string, subject: string): void {
  try {
    runEsbuild(folder, args, input);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new SyntaxError(`${subject}: what it uses cannot be bundled:\n${cause.message}`, { cause });
  }
}

/** The rest of the program would run on workers. */
function refuseCircle(source: ModuleSource, inputs: readonly string[], subject: string): void {
  const own = realpathSync(source.path);
  if (!inputs.some((path) => path === source.path || path === own)) return;
  throw new TypeError(
    `${subject}: a module that it uses imports ${source.path} back, so all of that module would run on the workers. ` +
      "Move what both use into a module of its own.",
  );
}

function readOutput(
  outPath: string,
  inputs: readonly string[],
  parts: Metafile["outputs"][string]["inputs"],
): BundlerOutput {
  const map = JSON.parse(readFileSync(`${outPath}.map`, "utf8")) as { mappings: string; sources: string[] };
  const sizes = Object.entries(parts).map((
    [path, { bytesInOutput }],
  ): [string, number] => [path, bytesInOutput]);
  return {
    text: readFileSync(outPath, "utf8"),
    mappings: map.mappings,
    sources: map.sources.map((path) => resolve(dirname(outPath), path)),
    inputs,
    largest: sizes.sort((a, b) => b[1] - a[1]).slice(0, 5),
  };
}

function sizeSaid(bytes: number, largest: CachedBundle["largest"], subject: string): string {
  const parts = largest.map(([path, size]) => `${path} (${byteText(size)})`).join(", ");
  return `${subject}: its code with all that it imports is ${byteText(bytes)}. The largest parts: ${parts}`;
}

function refuseSize(bytes: number, largest: CachedBundle["largest"], subject: string): void {
  if (bytes <= BUNDLE_BYTES_MAX) return;
  throw new RangeError(
    `${sizeSaid(bytes, largest, subject)}. At most ${
      byteText(BUNDLE_BYTES_MAX)
    } travel: put() data and pass its ref, ` +
      "or list packages under mobula.external in package.json and install them where the workers run.",
  );
}

function warnOfSize(bytes: number, largest: CachedBundle["largest"], subject: string): void {
  if (bytes <= BUNDLE_WARNING_BYTES) return;
  console.warn(
    `mobula warning: ${sizeSaid(bytes, largest, subject)}. Every worker that runs it loads all of this.`,
  );
}

const projects = new Map<string, string>();

/** The nearest folder above with a package.json, deno.json or repository; else the folder itself. */
export function projectOf(folder: string): string {
  let root = projects.get(folder);
  if (root !== undefined) return root;
  root = folder;
  for (let dir = folder;; dir = dirname(dir)) {
    if (["package.json", "deno.json", "deno.jsonc", ".git"].some((name) => existsSync(join(dir, name)))) {
      root = dir;
      break;
    }
    if (dir === dirname(dir)) break;
  }
  projects.set(folder, root);
  return root;
}

function readPackage(folder: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

function declaredExternals(folder: string): string[] {
  const mobula = readPackage(projectOf(folder))?.mobula as { external?: unknown } | undefined;
  const names = Array.isArray(mobula?.external) ? mobula.external : [];
  return names.filter((name): name is string => typeof name === "string");
}

/** Packages among the inputs that bring machine code, by name. */
function nativePackages(folder: string, inputs: readonly string[]): string[] {
  const found = new Map<string, boolean>();
  for (const input of inputs) {
    const match = /^(.*node_modules\/((?:@[^/]+\/)?[^/]+))\//.exec(input.split(sep).join("/"));
    if (match === null || found.has(match[2]!)) continue;
    found.set(match[2]!, isNative(resolve(folder, match[1]!)));
  }
  return [...found].filter(([, native]) => native).map(([name]) => name);
}

const NATIVE_HELPERS =
  /^(bindings|node-gyp-build|node-gyp-build-optional-packages|prebuild-install|node-addon-api|@mapbox\/node-pre-gyp|node-pre-gyp)$/;

function isNative(folder: string): boolean {
  const { gypfile, binary, napi, dependencies, optionalDependencies } = readPackage(folder) ?? {};
  if (gypfile === true || binary !== undefined || napi !== undefined) return true;
  if (existsSync(join(folder, "binding.gyp")) || existsSync(join(folder, "prebuilds"))) return true;
  if (Object.keys(dependencies ?? {}).some((name) => NATIVE_HELPERS.test(name))) return true;
  return Object.keys(optionalDependencies ?? {}).some((name) =>
    /(linux|darwin|win32).*(x64|arm64)/.test(name)
  );
}
