/**
 * A bundle as it travels: one line of JSON that says what is in it, then code. The code is a module's body without
 * imports and exports: what it imports from outside stands in `modules`, and is bound by whoever runs it (bundle_loader.ts).
 *
 *     //mobula-bundle {"entry":[…],"body":…,"captures":[…],"modules":[…],"remotes":[…],"sources":[…],"mappings":"…"}
 *     const { readFileSync: readFileSync2 } = __mobula_module(0, …); …
 *
 * Definitions that the code itself makes remote are listed in `remotes`: where it runs, each is the same bundle with
 * another entry.
 * @module
 */
import { encode, type SourceMapMappings } from "@jridgewell/sourcemap-codec";
import type * as acorn from "acorn";
import { readFileSync } from "node:fs";
import { IMPORT_NAME, isKnownGlobal } from "../function_exporter_globals.ts";
import { analyseScope, childrenOf, declareLexical, declareVars, Scope } from "../function_exporter_scope.ts";
import { isCode, localScopes } from "./definition.ts";
import { lineAt, lineStartsOf, type MappedSource, MappedText, originalPlace } from "./mapped_text.ts";
import { parseProgram } from "./module_source.ts";
import { ENTRY_MARK } from "./module_slice.ts";
import { mobulaNames } from "./module_units.ts";

/** Names that a bundle's code finds bound. */
export const MODULE_NAME = "__mobula_module";
export const META_NAME = "__mobula_meta";
export const REMOTE_NAME = "__mobula_remote";
export const CLASS_NAME = "__mobula_class";

export interface BundleHeader {
  /** Range of the text that is the function or class. */
  readonly entry: readonly [start: number, end: number];
  /** Length of what is evaluated before the entry. */
  readonly body: number;
  /** Names that the entry takes from the option captures. */
  readonly captures: readonly string[];
  /** What it imports from outside of itself. */
  readonly modules: readonly string[];
  /** Ranges of the definitions that the code makes remote itself. */
  readonly remotes: readonly (readonly [start: number, end: number])[];
  /** Files that the user wrote, relative to the project. */
  readonly sources: readonly string[];
  readonly mappings: string;
}

export interface Bundle {
  readonly header: BundleHeader;
  readonly text: string;
}

const MARK = "//mobula-bundle ";
const PACKED_MARK = "//mobula-packed ";
/** Larger ones travel compressed: a frame has a limit. */
const PACKED_LENGTH_MIN = 4 * 1024 * 1024;
/** Loaded at the call: few bundles are that large, and it is a tenth of a worker's start. */
const zlib = () => process.getBuiltinModule("node:zlib");

/** As it travels, and its hash (the same however it is packed). */
export function writeBundle({ header, text }: Bundle, kind: string): { source: string; hash: string } {
  const plain = `${MARK}${JSON.stringify(header)}\n${text}`;
  const { createHash } = process.getBuiltinModule("node:crypto");
  const hash = createHash("sha256").update(`${kind}\n${plain}`).digest("hex");
  if (plain.length < PACKED_LENGTH_MIN) return { source: plain, hash };
  return { source: PACKED_MARK + zlib().deflateSync(plain, { level: 6 }).toString("base64"), hash };
}

/** The bundle in a source, or undefined when it is something else. */
export function readBundle(source: string): Bundle | undefined {
  let plain = source;
  if (source.startsWith(PACKED_MARK)) {
    const packed = Buffer.from(source.slice(PACKED_MARK.length), "base64");
    plain = zlib().inflateSync(packed, { maxOutputLength: 256 * 1024 * 1024 }).toString();
  }
  if (!plain.startsWith(MARK)) return undefined;
  const end = plain.indexOf("\n");
  return { header: JSON.parse(plain.slice(MARK.length, end)) as BundleHeader, text: plain.slice(end + 1) };
}

/** A replacement in the text. */
interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** esbuild's module to a bundle. */
export function makeBundle(
  output: {
    text: string;
    mappings: SourceMapMappings;
    sources: readonly string[];
    /** Their absolute paths. */
    files: readonly string[];
  },
  captures: readonly string[],
): Bundle {
  const source = { text: output.text, lineStarts: lineStartsOf(output.text), mappings: output.mappings };
  const program = parseProgram(output.text);
  const found = new Findings(program, (name) => originalName(source, output.files, name.start));
  const modules: string[] = [];
  const out = new MappedText();
  for (const node of program.body) {
    if (node.type === "ImportDeclaration") out.append(bindImport(node, modules));
  }
  out.append("\n");
  const { statement, definition } = found.entry();
  const starts = new Map<number, number>();
  const isOwnStatement = statement !== undefined;
  const bodyEnd = isOwnStatement ? statement.start : source.text.length;
  copyEdited(out, source, 0, bodyEnd, found.edits, starts);
  out.append("\n");
  const body = out.length;
  let entry: [number, number];
  if (isOwnStatement) {
    const start = out.length;
    copyEdited(out, source, definition.start, definition.end, found.edits, starts);
    entry = [start, out.length];
    out.append("\n");
  } else entry = rangeOf(definition, starts);
  const remotes = found.remotes.map((node) => rangeOf(node, starts));
  const { sources } = output;
  const mappings = encode(out.mappings);
  return { header: { entry, body, captures, modules, remotes, sources, mappings }, text: out.toString() };
}

/** The identifier that the user wrote where the bundler's stands. */
function originalName(source: MappedSource, files: readonly string[], offset: number): string | undefined {
  const row = lineAt(source.lineStarts, offset);
  const place = originalPlace(source.mappings, row, offset - source.lineStarts[row]!);
  const path = place === null ? undefined : files[place.source];
  if (path === undefined) return undefined;
  try {
    const line = readFileSync(path, "utf8").split("\n")[place!.line] ?? "";
    return /^(?:export\s+|default\s+|abstract\s+|class\s+)*([A-Za-z_$][\w$]*)/.exec(line.slice(place!.column))
      ?.[1];
  } catch {
    return undefined;
  }
}

function rangeOf(
  node: { start: number; end: number },
  starts: ReadonlyMap<number, number>,
): [number, number] {
  return [starts.get(node.start) ?? 0, starts.get(node.end) ?? 0];
}

/** Copies with the edits made; notes where the edits' edges came to stand. */
function copyEdited(
  out: MappedText,
  source: Parameters<MappedText["copy"]>[0],
  start: number,
  end: number,
  edits: readonly Edit[],
  starts: Map<number, number>,
): void {
  let at = start;
  for (const edit of edits) {
    if (edit.start < start || edit.end > end) continue;
    out.copy(source, at, edit.start);
    if (edit.text === ")" && !starts.has(edit.start)) starts.set(edit.start, out.length);
    out.append(edit.text);
    at = edit.end;
    if (edit.text.startsWith(REMOTE_NAME)) starts.set(edit.end, out.length);
  }
  out.copy(source, at, end);
}

function bindImport(node: acorn.ImportDeclaration, modules: string[]): string {
  const specifier = String(node.source.value);
  let index = modules.indexOf(specifier);
  if (index < 0) index = modules.push(specifier) - 1;
  let text = "";
  for (const item of node.specifiers) {
    const name = item.type === "ImportSpecifier"
      ? JSON.stringify(item.imported.type === "Identifier" ? item.imported.name : item.imported.value)
      : item.type === "ImportDefaultSpecifier"
      ? '"default"'
      : "";
    text += `const ${item.local.name} = ${MODULE_NAME}(${index}${name === "" ? "" : `, ${name}`}); `;
  }
  return text;
}

/** What has to be changed in the bundler's output. */
class Findings {
  readonly edits: Edit[] = [];
  readonly remotes: acorn.AnyNode[] = [];
  readonly #top = new Scope(null);
  readonly #mobula: ReadonlyMap<string, string>;
  #definition: acorn.AnyNode | undefined;
  #statement: acorn.AnyNode | undefined;

  readonly #originalName: (node: acorn.AnyNode) => string | undefined;

  constructor(program: acorn.Program, originalName: (node: acorn.AnyNode) => string | undefined) {
    this.#originalName = originalName;
    this.#mobula = mobulaNames(program.body);
    declareLexical(program.body, this.#top);
    for (const node of program.body) {
      declareVars(node, this.#top);
      if (node.type === "ImportDeclaration") {
        for (const { local } of node.specifiers) this.#top.names.add(local.name);
      }
    }
    this.#visit(program, []);
    this.edits.sort((a, b) => a.start - b.start || a.end - b.end);
  }

  /** The marked definition; with its statement, where it is one of its own at the end. */
  entry(): { definition: acorn.AnyNode; statement: acorn.AnyNode | undefined } {
    if (this.#definition === undefined) throw new Error("the bundler dropped the definition");
    return { definition: this.#definition, statement: this.#statement };
  }

  #visit(node: acorn.AnyNode, ancestors: acorn.AnyNode[]): void {
    switch (node.type) {
      case "ImportDeclaration":
        this.#replace(node.start, node.end, "");
        return;
      case "ExportNamedDeclaration":
        if (node.declaration === null || node.declaration === undefined) {
          this.#replace(node.start, node.end, "");
          return;
        }
        break;
      case "ImportExpression":
        this.#replace(node.start, node.start + "import".length, IMPORT_NAME);
        break;
      case "MetaProperty":
        if (node.meta.name === "import") this.#replace(node.start, node.end, META_NAME);
        return;
      case "ClassDeclaration":
        this.#declaredClass(node);
        break;
      case "VariableDeclarator":
        if (node.init) this.#class(node.id, node.init);
        break;
      case "AssignmentExpression":
        this.#class(node.left, node.right);
        break;
      case "CallExpression":
        this.#call(node, ancestors);
    }
    ancestors.push(node);
    for (const child of childrenOf(node)) this.#visit(child, ancestors);
    ancestors.pop();
  }

  #call(node: acorn.CallExpression, ancestors: readonly acorn.AnyNode[]): void {
    const { callee } = node;
    const argument = node.arguments[0];
    if (callee.type === "Identifier" && callee.name === ENTRY_MARK && argument !== undefined) {
      this.#definition = argument;
      const parent = ancestors.at(-1)!;
      if (parent.type === "ExpressionStatement" && ancestors.length === 2) {
        this.#statement = parent;
        return;
      }
      this.#mark(node.start, node.end, argument);
      return;
    }
    if (argument === undefined || !this.#isRemote(callee) || argument.type === "CallExpression") return;
    if (!isCode(argument) && argument.type !== "Identifier") return;
    const locals = localScopes([...ancestors, node]);
    for (const name of analyseScope(argument).names) {
      if (locals.some(({ names }) => names.has(name))) return;
      if (!this.#top.names.has(name) && !isKnownGlobal(name)) return;
    }
    this.#mark(argument.start, argument.end, argument);
  }

  /** `var Circle2 = class _Circle2`: a class that the bundler renamed gets back the name that messages and errors show. */
  #class(target: acorn.AnyNode, value: acorn.AnyNode): void {
    if (target.type !== "Identifier" || value.type !== "ClassExpression") return;
    const name = value.id?.name ?? target.name;
    if (!/^_|\d$/.test(name)) return;
    const original = this.#originalName(target);
    if (original === undefined || original === name) return;
    this.#replace(value.start, value.start, `${CLASS_NAME}(${JSON.stringify(original)}, `);
    this.#replace(value.end, value.end, ")");
  }

  /** `class Refused2 {…}` within a function that hides an outer Refused. */
  #declaredClass(node: acorn.ClassDeclaration | acorn.AnonymousClassDeclaration): void {
    if (!node.id || !/\d$/.test(node.id.name)) return;
    const original = this.#originalName(node.id);
    if (original === undefined || original === node.id.name) return;
    this.#replace(node.end, node.end, ` ${CLASS_NAME}(${JSON.stringify(original)}, ${node.id.name});`);
  }

  #isRemote(callee: acorn.AnyNode): boolean {
    if (callee.type === "Identifier") return this.#mobula.get(callee.name) === "remote";
    return callee.type === "MemberExpression" && callee.object.type === "Identifier" &&
      this.#mobula.get(callee.object.name) === "*" && callee.property.type === "Identifier" &&
      callee.property.name === "remote";
  }

  /** `__mobula_remote(2, …)` around a definition: the worker's remote() knows it by that. */
  #mark(start: number, end: number, definition: acorn.AnyNode): void {
    const index = this.remotes.push(definition) - 1;
    this.#replace(start, definition.start, `${REMOTE_NAME}(${index}, `);
    this.#replace(definition.end, end, ")");
  }

  #replace(start: number, end: number, text: string): void {
    this.edits.push({ start, end, text });
  }
}
