/**
 * Modules of the user's program as JavaScript with their types erased, parsed, and with the way back to what the user
 * wrote. Kept while their files stay as they are.
 * @module
 */
import { readFileSync, statSync } from "node:fs";
import { dirname, extname } from "node:path";
import { decode, type SourceMapMappings } from "@jridgewell/sourcemap-codec";
import type * as acorn from "acorn";
import { requirePackage } from "../../platform/runtime_folder.ts";
import { runEsbuild } from "./esbuild.ts";
import { lineAt, lineStartsOf, type MappedSource, originalPlace } from "./mapped_text.ts";

/** See the module's header. */
export interface ModuleSource extends MappedSource {
  readonly path: string;
  /** What the user wrote. */
  readonly original: string;
  readonly program: acorn.Program;
}

const MODULES_MAX = 64;
const modules = new Map<string, { stamp: string; source: ModuleSource }>();

const LOADERS: Readonly<Record<string, string>> = {
  ".ts": "ts",
  ".mts": "ts",
  ".cts": "ts",
  ".tsx": "tsx",
  ".jsx": "jsx",
  ".js": "jsx",
  ".mjs": "js",
  ".cjs": "js",
};

/** esbuild's loader for a file, or undefined for what is no module. */
export function loaderOf(path: string): string | undefined {
  return LOADERS[extname(path)];
}

/** The module, or undefined where there is no such file. SyntaxError, with the place, for what cannot be parsed. */
export function readModule(path: string): ModuleSource | undefined {
  const loader = loaderOf(path);
  const stats = loader === undefined ? undefined : statSync(path, { throwIfNoEntry: false });
  if (loader === undefined || stats === undefined || !stats.isFile()) return undefined;
  const stamp = `${stats.mtimeMs} ${stats.size} ${stats.ino}`;
  const known = modules.get(path);
  if (known?.stamp === stamp) return known.source;
  const source = parseModule(path, readFileSync(path, "utf8"), loader);
  if (modules.size >= MODULES_MAX) modules.delete(modules.keys().next().value!);
  modules.set(path, { stamp, source });
  return source;
}

function parseModule(path: string, original: string, loader: string): ModuleSource {
  const output = runEsbuild(
    dirname(path),
    [`--loader=${loader}`, "--sourcemap=inline", "--sources-content=false", `--sourcefile=${path}`],
    original,
  );
  const { text, mappings } = splitInlineMap(output);
  const program = parseProgram(text);
  return { path, original, text, lineStarts: lineStartsOf(text), mappings, program };
}

const MAP_COMMENT = "//# sourceMappingURL=data:application/json;base64,";

/** esbuild's output with an inline map: the text, and the map read. */
export function splitInlineMap(
  output: string,
): { text: string; mappings: SourceMapMappings; sources: string[] } {
  const at = output.lastIndexOf(MAP_COMMENT);
  const json = Buffer.from(output.slice(at + MAP_COMMENT.length).trim(), "base64").toString();
  const { mappings, sources } = JSON.parse(json) as { mappings: string; sources: string[] };
  return { text: output.slice(0, at), mappings: decode(mappings), sources };
}

/** Where the user wrote what stands at an offset of the module's text: line and column from 1. */
export function placeIn(source: ModuleSource, offset: number): { line: number; column: number } {
  const line = lineAt(source.lineStarts, offset);
  const place = originalPlace(source.mappings, line, offset - source.lineStarts[line]!);
  return { line: (place?.line ?? 0) + 1, column: (place?.column ?? 0) + 1 };
}

let parser: typeof acorn | undefined;

/** An ES module's tree. */
export function parseProgram(text: string): acorn.Program {
  parser ??= requirePackage("acorn") as typeof acorn;
  return parser.parse(text, {
    ecmaVersion: "latest",
    sourceType: "module",
    allowAwaitOutsideFunction: true,
    allowReturnOutsideFunction: true,
    allowHashBang: true,
  });
}
