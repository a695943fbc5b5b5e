/**
 * Exported source to functions, classes and codecs, in the process that runs them. Code is kept by its hash: the same
 * definition is the same function, and a class has one identity. It runs as strict code in the global scope, with its
 * captured values, `import()` and `require` bound to the job's folder.
 *
 * `new Function` and not a module: modules cannot be dropped, cannot be given values, and resolve differently on the
 * three runtimes when they have no file.
 * @module
 */
import { createRequire } from "node:module";
import { join } from "node:path";
import { evaluateBundle } from "./code_bundle/bundle_loader.ts";
import { type Bundle, readBundle } from "./code_bundle/bundle_text.ts";
import { IMPORT_NAME } from "./function_exporter_globals.ts";
import { importerFor } from "./function_loader_import.ts";
import type { AnyClass, ClassCodec } from "../protocol/serialization/mod.ts";

export type LoadedCallable = ((...args: any[]) => any) & { readonly prototype?: object };

export interface LoadableFunction {
  readonly source: string;
  readonly kind: "function" | "class";
  /** The cache's key; with captures it covers them too. */
  readonly hash: string;
  /** For stacks, where the code has no name of its own. */
  readonly name?: string | undefined;
  readonly captures?: Readonly<Record<string, unknown>> | null | undefined;
}

export interface LoadOptions {
  /** Where relative and bare specifiers of `import()` are looked up; default: this process's working directory. */
  readonly workingDir?: string | undefined;
}

/** Definitions that stay loaded; a dropped one is evaluated again when it is called again. */
const LOADED_MAX = 5_000;
const loaded = new Map<string, LoadedCallable>();
const loadedCodecs = new Map<string, { cls: AnyClass; codec: ClassCodec }>();

let onSource: (source: string | null) => void = () => undefined;

/** Hear of all code before it is evaluated: its source, or null where that imports modules. One listener. */
export function beforeCodeRuns(listener: (source: string | null) => void): void {
  onSource = listener;
}

/** The function or class. SyntaxError or the like, naming it, when the source does not evaluate. */
export async function loadFunction(
  definition: LoadableFunction,
  options: LoadOptions = {},
): Promise<LoadedCallable> {
  const bundle = readBundle(definition.source);
  if (bundle === undefined) return loadFunctionSync(definition, options);
  const workingDir = options.workingDir ?? process.cwd();
  const key = `${definition.hash} ${workingDir}`;
  const known = loaded.get(key);
  if (known !== undefined) return known;
  let running = loading.get(key);
  if (running === undefined) {
    running = loadBundle(definition, bundle, workingDir).finally(() => loading.delete(key));
    loading.set(key, running);
  }
  return await running;
}

/** Bundles whose modules are being imported: two callers of one must not run its top level twice. */
const loading = new Map<string, Promise<LoadedCallable>>();

async function loadBundle(
  definition: LoadableFunction,
  bundle: Bundle,
  workingDir: string,
): Promise<LoadedCallable> {
  onSource(bundle.header.modules.length > 0 ? null : bundle.text);
  const label = definition.name || "anonymous";
  const file = fileNameOf(label, definition.hash);
  const value = await evaluateBundle(bundle, label, file, definition.captures ?? {}, workingDir);
  return keepCallable(definition, workingDir, value);
}

/** As loadFunction, at once; not for bundles, whose imports take time. */
export function loadFunctionSync(definition: LoadableFunction, options: LoadOptions = {}): LoadedCallable {
  const workingDir = options.workingDir ?? process.cwd();
  const key = `${definition.hash} ${workingDir}`;
  const known = loaded.get(key);
  if (known !== undefined) return known;
  const { source, hash } = definition;
  const label = definition.name || "anonymous";
  return keepCallable(
    definition,
    workingDir,
    evaluate(source, label, hash, definition.captures ?? {}, workingDir),
  );
}

function keepCallable(definition: LoadableFunction, workingDir: string, value: unknown): LoadedCallable {
  const { hash, kind } = definition;
  const label = definition.name || "anonymous";
  if (typeof value !== "function") {
    throw new TypeError(`cannot load ${kind} ${label} (${hash.slice(0, 12)}): its source is not a ${kind}`);
  }
  // Stacks and messages name it; a class may have a static `name` of its own.
  const name = Object.getOwnPropertyDescriptor(value, "name");
  if (name === undefined || name.value === "") {
    Object.defineProperty(value, "name", { value: label, configurable: true });
  }
  keep(loaded, `${hash} ${workingDir}`, value as LoadedCallable);
  return value as LoadedCallable;
}

/** The class and codec of exportCodec's source. */
export function loadCodec(
  definition: { readonly source: string; readonly hash: string; readonly name: string },
  options: LoadOptions = {},
): { cls: AnyClass; codec: ClassCodec } {
  const known = loadedCodecs.get(definition.hash);
  if (known !== undefined) return known;
  const { source, hash, name } = definition;
  const value = evaluate(source, name, hash, {}, options.workingDir ?? process.cwd()) as
    | { cls?: AnyClass; codec?: Partial<ClassCodec> }
    | undefined;
  const { cls, codec } = value ?? {};
  if (
    typeof cls !== "function" || typeof codec?.encode !== "function" || typeof codec.decode !== "function"
  ) {
    throw new TypeError(
      `cannot load the codec of class ${name} (${hash.slice(0, 12)}): its source is not a codec`,
    );
  }
  const result = { cls, codec: codec as ClassCodec };
  keep(loadedCodecs, hash, result);
  return result;
}

function keep<T>(table: Map<string, T>, key: string, value: T): void {
  if (table.size >= LOADED_MAX) table.delete(table.keys().next().value!);
  table.set(key, value);
}

/** A helper that esbuild and tsx put into code to keep the names of functions. */
function nameFunction(target: object, value: string): object {
  return Object.defineProperty(target, "name", { value, configurable: true });
}

/** In stacks. */
function fileNameOf(label: string, hash: string): string {
  return `${label.replace(/[^\w$.-]/g, "_")}.${hash.slice(0, 8)}.js`;
}

function evaluate(
  source: string,
  label: string,
  hash: string,
  captures: Readonly<Record<string, unknown>>,
  workingDir: string,
): unknown {
  onSource(source);
  const file = fileNameOf(label, hash);
  const body = (mode: string): string => `${mode}return (${source}\n);\n//# sourceURL=mobula/${file}`;
  const values: Record<string, unknown> = {
    [IMPORT_NAME]: importerFor(workingDir, label),
    require: createRequire(join(workingDir, "mobula_task.js")),
    __name: nameFunction,
    ...captures,
  };
  let make: (...values: unknown[]) => unknown;
  try {
    make = compile(Object.keys(values), body);
  } catch (cause) {
    const said = cause instanceof Error ? cause.message : String(cause);
    throw new SyntaxError(`cannot load ${label} (${hash.slice(0, 12)}) under this runtime: ${said}`, {
      cause,
    });
  }
  return make(...Object.values(values));
}

/** Strict, as modules are; what only parses as an old script's code runs as such. */
function compile(
  parameters: readonly string[],
  body: (mode: string) => string,
): (...values: unknown[]) => unknown {
  try {
    return new Function(...parameters, body(`"use strict"; `)) as never;
  } catch (problem) {
    try {
      return new Function(...parameters, body("")) as never;
    } catch {
      throw problem;
    }
  }
}
