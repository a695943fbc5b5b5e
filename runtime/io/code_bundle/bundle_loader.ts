/**
 * Bundles to functions and classes, in the process that runs them. What a bundle takes from outside is imported first;
 * then its body runs, once per worker and bundle, and its entry is evaluated in the body's scope.
 * @module
 */
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { IMPORT_NAME } from "../function_exporter_globals.ts";
import { importerFor } from "../function_loader_import.ts";
import { type Bundle, CLASS_NAME, META_NAME, MODULE_NAME, REMOTE_NAME, writeBundle } from "./bundle_text.ts";
import { addBundleStacks } from "./bundle_stacks.ts";

const AsyncFunction = (async () => {}).constructor as FunctionConstructor;

/** A definition inside a running bundle. */
interface RemotePart {
  readonly bundle: Bundle;
  readonly index: number;
}

const parts = new WeakMap<object, RemotePart>();

/** The source and hash of a function or class that a bundle's code makes remote; undefined for others. */
export function bundledSource(
  code: object,
  kind: "function" | "class",
): { source: string; hash: string } | undefined {
  const part = parts.get(code);
  if (part === undefined) return undefined;
  const { header, text } = part.bundle;
  const entry = header.remotes[part.index]!;
  return writeBundle({ header: { ...header, entry, captures: [] }, text }, kind);
}

/** Run the bundle; its entry, with the captures in place. Rejects with what its modules throw while they load. */
export async function evaluateBundle(
  bundle: Bundle,
  label: string,
  file: string,
  captures: Readonly<Record<string, unknown>>,
  workingDir: string,
): Promise<unknown> {
  const { header, text } = bundle;
  const load = importerFor(workingDir, label);
  const modules = await Promise.all(
    header.modules.map((specifier) => load(specifier) as Promise<Record<string, unknown>>),
  );
  const here = join(workingDir, "mobula_task.js");
  const values: Record<string, unknown> = {
    [IMPORT_NAME]: load,
    [MODULE_NAME]: (index: number, name?: string) => {
      const module = modules[index]!;
      if (name === undefined) return module;
      if (name in module) return module[name];
      throw new SyntaxError(`${header.modules[index]} has no export ${name} here, which ${label} imports`);
    },
    [META_NAME]: { url: pathToFileURL(here).href, filename: here, dirname: workingDir },
    [REMOTE_NAME]: (index: number, code: unknown) => {
      if (typeof code === "function") parts.set(code, { bundle, index });
      return code;
    },
    [CLASS_NAME]: nameClass,
    require: createRequire(here),
  };
  const [start, end] = header.entry;
  const body = text.slice(0, header.body);
  const source =
    `"use strict"; ${body}\nreturn ((${header.captures.join(", ")}) => (\n${text.slice(start, end)}\n));` +
    `\n//# sourceURL=mobula/${file}`;
  addBundleStacks(file, bundle);
  const run = compile(Object.keys(values), source, label);
  try {
    const make = await run(...Object.values(values)) as (...captured: unknown[]) => unknown;
    return make(...header.captures.map((name) => captures[name]));
  } catch (thrown) {
    const error = typeof thrown === "object" && thrown !== null
      ? thrown
      : new Error(String(thrown), { cause: thrown });
    loadFailures.add(error);
    throw error;
  }
}

const loadFailures = new WeakSet<object>();

/** Whether the user's modules threw this while they were loaded: the task's own failure, not the system's. */
export function isLoadFailure(error: unknown): boolean {
  return typeof error === "object" && error !== null && loadFailures.has(error);
}

function compile(
  names: readonly string[],
  source: string,
  label: string,
): (...values: unknown[]) => Promise<unknown> {
  try {
    return new AsyncFunction(...names, source) as never;
  } catch (cause) {
    const said = cause instanceof Error ? cause.message : String(cause);
    throw new SyntaxError(`cannot load ${label} under this runtime: ${said}`, { cause });
  }
}

/** A class whose static members say its name keeps theirs. */
function nameClass(name: string, cls: object): object {
  const own = Object.getOwnPropertyDescriptor(cls, "name");
  if (own === undefined || (own.configurable && !own.enumerable && own.writable === false)) {
    Object.defineProperty(cls, "name", { value: name, configurable: true });
  }
  return cls;
}
