/**
 * Reads the project's sources for test/tidy.test.ts: what a file imports, how long its functions are, and its code with
 * strings, comments and regular expressions blanked out. A scanner of characters, not a parser: it must keep working on
 * syntax that it has never seen.
 * @module
 */
import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";

export interface SourceFile {
  /** From the project's folder, with slashes. */
  readonly path: string;
  readonly text: string;
  /** The text with the insides of strings, comments and regular expressions replaced by spaces; same length, same lines. */
  readonly code: string;
  readonly lineCount: number;
}

export interface ImportEdge {
  readonly specifier: string;
  /** The imported file for relative specifiers, null for packages and `#platform`. */
  readonly path: string | null;
  readonly typeOnly: boolean;
  readonly dynamic: boolean;
}

export interface FunctionSpan {
  readonly name: string;
  readonly line: number;
  readonly lines: number;
}

const root = join(import.meta.dirname, "..", "..");

/** All TypeScript files below the folders (those that exist). */
export function sourceFiles(folders: readonly string[]): SourceFile[] {
  return folders.flatMap((folder) => {
    let names: string[];
    try {
      names = readdirSync(join(root, folder), { recursive: true, encoding: "utf8" });
    } catch {
      return []; // A part that is not there yet.
    }
    return names.filter((name) => /\.tsx?$/.test(name) && !/(^|\/)(node_modules|dist)\//.test(name)).sort()
      .map((name) => readSource(posix.join(folder, name)));
  });
}

function readSource(path: string): SourceFile {
  const text = readFileSync(join(root, path), "utf8");
  return { path, text, code: blank(text), lineCount: text.split("\n").length - 1 };
}

/** Every import and re-export of a file. */
export function importsOf(file: SourceFile): ImportEdge[] {
  const edges: ImportEdge[] = [];
  const add = (quoteAt: number, clause: string, dynamic: boolean) => {
    const specifier = /^(["'`])(.*?)\1/.exec(file.text.slice(quoteAt))?.[2];
    if (specifier === undefined) return; // A computed import.
    const relative = specifier.startsWith(".");
    const path = relative ? posix.join(posix.dirname(file.path), specifier) : null;
    edges.push({ specifier, path, typeOnly: isTypeOnly(clause), dynamic });
  };
  const statement = /^[ \t]*(?:import|export)\b(?:([^;"'`()=]*?)\bfrom)?\s*(["'])/gm;
  for (const match of file.code.matchAll(statement)) {
    add(match.index + match[0].length - 1, match[1] ?? "", false);
  }
  for (const match of file.code.matchAll(/(?<![\w$.])import\(\s*(["'`])/g)) {
    add(match.index + match[0].length - 1, "", true);
  }
  return edges;
}

function isTypeOnly(clause: string): boolean {
  if (/^\s*type\b(?!\s+from)/.test(clause)) return true;
  const named = /\{([^}]*)\}\s*$/.exec(clause.trim());
  if (named === null || !clause.trim().startsWith("{")) return false;
  const names = named[1]!.split(",").map((name) => name.trim()).filter((name) => name !== "");
  return names.length > 0 && names.every((name) => name.startsWith("type "));
}

/** Functions, methods and arrow functions with a body in braces, with their length in lines from head to closing brace. */
export function functionsOf(file: SourceFile): FunctionSpan[] {
  const spans: FunctionSpan[] = [];
  const lineOf = lineIndex(file.code);
  const open: number[] = [];
  for (let at = 0; at < file.code.length; at++) {
    const char = file.code[at];
    if (char === "{") open.push(at);
    if (char !== "}" || open.length === 0) continue;
    const start = open.pop()!;
    const name = functionName(file.code.slice(Math.max(0, start - 600), start));
    if (name !== null) {
      const first = lineOf(start);
      spans.push({ name, line: first, lines: lineOf(at) - first + 1 });
    }
  }
  return spans;
}

/** The name of the function whose body follows `before`, "=>" for an arrow, null when a block or an object follows. */
function functionName(before: string): string | null {
  if (/=>\s*$/.test(before)) return "=>";
  const tail = /\)\s*(?::\s*[^(){};]+)?$/.exec(before);
  if (tail === null) return null;
  let depth = 0;
  for (let at = tail.index; at >= 0; at--) {
    if (before[at] === ")") depth++;
    if (before[at] === "(" && --depth === 0) {
      const word = /([\w$#]+)\s*(?:<[^()]*>)?\s*$/.exec(before.slice(0, at))?.[1];
      if (word === undefined || /^(if|for|while|switch|catch|with|await)$/.test(word)) return null;
      return word;
    }
  }
  return null;
}

function lineIndex(code: string): (at: number) => number {
  const starts = [0];
  for (let at = 0; at < code.length; at++) if (code[at] === "\n") starts.push(at + 1);
  return (at) => {
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (starts[middle]! <= at) low = middle;
      else high = middle - 1;
    }
    return low + 1;
  };
}

/** See SourceFile.code. Quotes stay, so that import statements can be found. */
export function blank(text: string): string {
  const out = text.split("");
  /** Brace depths at which a template's expression was entered. */
  const templates: number[] = [];
  let depth = 0;
  let at = 0;
  const skipTo = (end: number) => {
    for (let i = at; i < Math.min(end, text.length); i++) if (text[i] !== "\n") out[i] = " ";
    at = end;
  };
  const template = () => {
    let end = at;
    while (end < text.length && text[end] !== "`" && !text.startsWith("${", end)) {
      end += text[end] === "\\" ? 2 : 1;
    }
    const expression = text[end] === "$";
    skipTo(end);
    at += expression ? 2 : 1;
    if (expression) templates.push(depth++);
  };
  while (at < text.length) {
    const char = text[at]!;
    if (text.startsWith("//", at)) skipTo(indexOr(text, "\n", at));
    else if (text.startsWith("/*", at)) skipTo(indexOr(text, "*/", at + 2) + 2);
    else if (char === '"' || char === "'") {
      at++;
      skipTo(endOfString(text, at, char));
      at++;
    } else if (char === "`") {
      at++;
      template();
    } else if (char === "/" && regexMayStart(out, at)) {
      at++;
      skipTo(endOfRegex(text, at));
    } else if (char === "}" && templates.at(-1) === depth - 1) {
      templates.pop();
      depth--;
      at++;
      template();
    } else {
      if (char === "{") depth++;
      if (char === "}") depth--;
      at++;
    }
  }
  return out.join("");
}

function indexOr(text: string, what: string, from: number): number {
  const found = text.indexOf(what, from);
  return found < 0 ? text.length : found;
}

function endOfString(text: string, from: number, quote: string): number {
  let at = from;
  while (at < text.length && text[at] !== quote && text[at] !== "\n") at += text[at] === "\\" ? 2 : 1;
  return at;
}

/** A slash begins a regular expression where an operand is expected. */
function regexMayStart(out: readonly string[], at: number): boolean {
  let before = at - 1;
  while (before >= 0 && /\s/.test(out[before]!)) before--;
  if (before < 0 || "(,=:[!&|?{};+-*%<>~^".includes(out[before]!)) return true;
  const word = /[\w$]+$/.exec(out.slice(Math.max(0, before - 12), before + 1).join(""))?.[0];
  return word !== undefined && /^(return|typeof|case|in|of|do|else|void|yield|await)$/.test(word);
}

function endOfRegex(text: string, from: number): number {
  let inClass = false;
  let at = from;
  for (; at < text.length && text[at] !== "\n"; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === "[") inClass = true;
    else if (text[at] === "]") inClass = false;
    else if (text[at] === "/" && !inClass) break;
  }
  return at;
}
