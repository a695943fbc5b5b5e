/**
 * `import()` of exported code: relative paths from the job's working directory, packages from its node_modules upwards,
 * `mobula` always as this process's own. The three runtimes resolve a bare specifier from the importing file, which for
 * code without a file is no use, and their ways to say "from there" differ; so packages are looked up here, by the rules
 * that all three follow (package exports with conditions).
 * @module
 */
import { existsSync, readFileSync } from "node:fs";
import { createRequire, isBuiltin } from "node:module";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { runtimeName } from "#platform";
import { RUNTIME_URL } from "../platform/runtime_folder.ts";

/** What `import()` is bound to. */
export type Importer = (specifier: unknown, options?: ImportCallOptions) => Promise<unknown>;

const CONDITIONS: ReadonlySet<string> = new Set(
  [runtimeName === "node" ? "module-sync" : runtimeName, "node", "import", "default"],
);

/** The importer of code whose job works in `workingDir`; `label` names the code in errors. */
export function importerFor(workingDir: string, label: string): Importer {
  return async (specifier, options) => {
    const target = resolveSpecifier(String(specifier), workingDir);
    if (target === undefined) {
      throw new Error(
        `${label} imports "${specifier}", which is neither in ${
          join(workingDir, "node_modules")
        } nor in a folder above: ` +
          `install the package where the workers run, or set runtimeEnv.workingDir`,
      );
    }
    return options === undefined ? await import(target) : await import(target, options);
  };
}

/** What to import for a specifier, or undefined when there is no such package. */
export function resolveSpecifier(specifier: string, workingDir: string): string | undefined {
  if (specifier.startsWith("./") || specifier.startsWith("../") || specifier === "." || specifier === "..") {
    return urlOf(resolve(workingDir, specifier), specifier);
  }
  if (specifier.startsWith("/")) return urlOf(specifier, specifier);
  // node:, bun:, npm:, jsr:, https:, data:, file: are the runtime's own business.
  if (/^[a-z][a-z0-9+.-]*:/i.test(specifier)) return specifier;
  // By address: a worker's bundle has no package around it.
  if (specifier === "mobula") return new URL("mod.ts", RUNTIME_URL).href;
  if (specifier === "mobula/web") return new URL("web/mod.ts", RUNTIME_URL).href;
  if (isBuiltin(specifier)) return specifier === "bun" ? specifier : `node:${specifier}`;
  return resolvePackage(specifier, workingDir) ?? resolveByRequire(specifier, workingDir);
}

/** A query or fragment (`./x.ts?v=2`) is kept: it makes a module instance of its own. */
function urlOf(path: string, specifier: string): string {
  const suffix = /[?#].*$/.exec(specifier)?.[0] ?? "";
  return pathToFileURL(suffix === "" ? path : path.slice(0, -suffix.length)).href + suffix;
}

function resolveByRequire(specifier: string, workingDir: string): string | undefined {
  try {
    return pathToFileURL(createRequire(join(workingDir, "mobula_task.js")).resolve(specifier)).href;
  } catch {
    return undefined;
  }
}

function resolvePackage(specifier: string, workingDir: string): string | undefined {
  const match = /^((?:@[^/]+\/)?[^/]+)(\/.*)?$/.exec(specifier);
  if (match === null) return undefined;
  const [, name, path = ""] = match;
  for (let dir = resolve(workingDir);; dir = dirname(dir)) {
    const folder = join(dir, "node_modules", name!);
    if (existsSync(join(folder, "package.json"))) return resolveInPackage(folder, path);
    if (dir === dirname(dir)) return undefined;
  }
}

/** By the package's `exports`; undefined (and so require's rules) where it has none or they do not list it. */
function resolveInPackage(folder: string, path: string): string | undefined {
  const { exports } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { exports?: unknown };
  if (exports === undefined || exports === null) return undefined;
  const target = matchExports(exports, `.${path}`);
  if (target === undefined || !target.startsWith("./")) return undefined;
  return pathToFileURL(join(folder, target)).href;
}

function matchExports(exports: unknown, subpath: string): string | undefined {
  const isMap = typeof exports === "object" && exports !== null && !Array.isArray(exports) &&
    Object.keys(exports).some((key) => key.startsWith("."));
  const table = (isMap ? exports : { ".": exports }) as Record<string, unknown>;
  if (Object.hasOwn(table, subpath)) return pickCondition(table[subpath], "");
  let best: string | undefined;
  for (const key of Object.keys(table)) {
    const star = key.indexOf("*");
    if (star < 0 || !subpath.startsWith(key.slice(0, star)) || !subpath.endsWith(key.slice(star + 1))) {
      continue;
    }
    if (subpath.length >= key.length && (best === undefined || star > best.indexOf("*"))) best = key;
  }
  if (best === undefined) return undefined;
  const star = best.indexOf("*");
  return pickCondition(table[best], subpath.slice(star, subpath.length - (best.length - star - 1)));
}

/** The first target whose conditions hold, `*` replaced. */
function pickCondition(target: unknown, star: string): string | undefined {
  if (typeof target === "string") return target.replaceAll("*", star);
  if (Array.isArray(target)) {
    for (const item of target) {
      const found = pickCondition(item, star);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  if (typeof target !== "object" || target === null) return undefined;
  for (const [condition, value] of Object.entries(target)) {
    const found = CONDITIONS.has(condition) ? pickCondition(value, star) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}
