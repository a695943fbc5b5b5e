/**
 * Names for functions that have none: `const add = remote((x, y) => x + y)` is the task "add". The engine names no
 * function that is written inside a call, so the source line of the call is read.
 * @module
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { isOwnFile } from "../platform/runtime_folder.ts";

export const ANONYMOUS = "anonymous";

/** Source files whose lines were asked for; small programs define all of their tasks in a few files. */
const FILES_MAX = 64;
const LINE_CHARS_MAX = 1000;
const FILE_BYTES_MAX = 2 * 1024 * 1024;
const files = new Map<string, readonly string[]>();

/**
 * The variable (or property) that the result of the call is assigned to, by `new Error().stack` taken inside the called
 * function of mobula; "anonymous" when there is none, or the source cannot be read.
 */
export function nameFromCallSite(stack: string | undefined): string {
  const frame = callerOf(stack ?? "");
  if (frame === undefined) return ANONYMOUS;
  const lines = linesOf(frame.path);
  const line = lines?.[frame.line - 1];
  // Nobody reads lines this long, and matching them takes long.
  if (lines === undefined || line === undefined || line.length > LINE_CHARS_MAX) return ANONYMOUS;
  // V8 points at the callee, JavaScriptCore at its parenthesis or behind: the nearest assignment up to there counts.
  const name = assignedName(line, frame.column);
  if (name !== undefined) return name;
  const before = lines[frame.line - 2] ?? "";
  // The assignment ends the line before only where the call begins this one.
  const isContinued = /[=:]\s*$/.test(before) && BEGINS_WITH_CALL.test(line);
  return (isContinued ? assignedName(`${before} ${line}`, Infinity) : undefined) ?? ANONYMOUS;
}

/** A place in a file of the user's; line and column from 1. */
export interface CallSite {
  readonly path: string;
  readonly line: number;
  readonly column: number;
}

function callerOf(stack: string): CallSite | undefined {
  for (const caller of callersOf(stack)) return caller;
  return undefined;
}

/** The calls that led into mobula, the innermost first. */
export function* callersOf(stack: string): Generator<CallSite> {
  for (const text of stack.split("\n")) {
    const match = /^\s*at .*?((?:file:\/\/)?\/[^()]*?):(\d+):(\d+)\)?\s*$/.exec(text);
    if (match === null) continue;
    const path = toPath(match[1]!);
    if (path === undefined || isOwnFile(path)) continue;
    yield { path, line: Number(match[2]), column: Number(match[3]) };
  }
}

function toPath(location: string): string | undefined {
  if (!location.startsWith("file:")) return location.split("?", 1)[0];
  try {
    return fileURLToPath(location.split("?", 1)[0]!);
  } catch {
    return undefined;
  }
}

/**
 * Of the last call that begins before the column: `remote(NAME` (Bun puts a constant that is used once into its place, and
 * with it the name is gone), else `const NAME = …remote(`, `NAME: remote(`, `this.NAME = remote(`.
 */
function assignedName(text: string, column: number): string | undefined {
  let name: string | undefined;
  for (const match of text.matchAll(CALL)) {
    if (match.index < column) name = match[2] ?? match[1];
  }
  return name;
}

const NAME = "[A-Za-z_$][\\w$]*";
const BEGINS_WITH_CALL = new RegExp(`^\\s*(?:await\\s+)?(?:${NAME}\\s*\\.\\s*)*remote\\b`);
const CALL = new RegExp(
  `(?:(${NAME})\\s*(?::(?:[^=]|=>)*?)?[=:]\\s*(?:await\\s+)?)?(?:\\b${NAME}\\s*\\.\\s*)*\\bremote\\s*(?:<[^(]*>)?\\s*\\(` +
    `(?:\\s*(${NAME})\\s*[,)])?`,
  "g",
);

const declarations = new Map<string, RegExp>();

/** Whether the file may declare (or import) the name: cheap, and sometimes wrong about other scopes and comments. */
export function declaresName(site: CallSite, name: string): boolean {
  let pattern = declarations.get(name);
  if (pattern === undefined) {
    const word = name.replaceAll("$", "\\$");
    pattern = new RegExp(
      `\\b(?:const|let|var|using|function\\s*\\*?|class|enum|namespace)\\s+(?:[{[][^=;]*?)?\\b${word}\\b|` +
        `\\bimport\\s+(?!type\\b)[^;"']*?\\b${word}\\b[^;"']*?\\bfrom\\b`,
    );
    declarations.set(name, pattern);
  }
  return linesOf(site.path)?.some((line) =>
    line.includes(name) && line.length <= LINE_CHARS_MAX && pattern.test(line)
  ) ??
    false;
}

function linesOf(path: string): readonly string[] | undefined {
  let lines = files.get(path);
  if (lines === undefined) {
    try {
      const text = readFileSync(path, "utf8");
      lines = text.length > FILE_BYTES_MAX ? [] : text.split("\n");
    } catch {
      lines = [];
    }
    if (files.size >= FILES_MAX) files.clear();
    files.set(path, lines);
  }
  return lines;
}
