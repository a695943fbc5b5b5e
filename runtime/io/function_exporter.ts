/**
 * Functions and classes to source that can run elsewhere. The source is what `toString()` says (already JavaScript) where
 * that uses nothing but its own names, globals and `import()`. `import()` becomes a call of IMPORT_NAME, which the loader
 * (function_loader.ts) binds to an importer that resolves from the job's folder. What uses more is looked up in its module
 * and travels as a bundle (code_bundle/); a variable that cannot travel is refused by name, unless the option `captures`
 * gives its value.
 *
 * The hash is over kind and source, not over the name that it was assigned to: it is the same on every runtime that shows
 * the same code, also where runtimes print it differently (function_exporter_canonical.ts).
 * @module
 */
import type * as acorn from "acorn";
import { sha256Hex } from "../common/sha256.ts";
import { canonicalText } from "./function_exporter_canonical.ts";
import { IMPORT_NAME, isKnownGlobal } from "./function_exporter_globals.ts";
import { refuseCapture, refuseOuterBindings } from "./function_exporter_refusal.ts";
import type { bundledSource } from "./code_bundle/bundle_loader.ts";
import type { exportFromModule } from "./code_bundle/module_export.ts";
import type { rememberSent } from "./code_bundle/source_stacks.ts";
import type { callersOf, declaresName } from "./function_exporter_names.ts";
import { analyseScope, type FreeUse } from "./function_exporter_scope.ts";

export type AnyCallable = ((...args: any[]) => unknown) | (abstract new (...args: any[]) => object);

/** A public method of a class, for handles. */
export interface ExportedMethod {
  readonly name: string;
  readonly isAsync: boolean;
  readonly isGenerator: boolean;
}

export interface ExportedFunction {
  readonly kind: "function" | "class";
  /** An expression: the function or class; or a bundle that has it. */
  readonly source: string;
  /** SHA-256, hexadecimal. */
  readonly hash: string;
  /** Its own name, or "". */
  readonly name: string;
  /** Parameters (of the constructor) before a rest parameter. */
  readonly parameterCount: number;
  readonly isAsync: boolean;
  readonly isGenerator: boolean;
  /** Of a class: public methods of the prototype and of its bases, and fields that hold a function. */
  readonly methods?: readonly ExportedMethod[];
  /** Of the captures that were given, those that it uses; null when it uses none. They travel beside the source: who
   *  serializes them must mix the bytes into the hash. */
  readonly captures: Readonly<Record<string, unknown>> | null;
}

export interface ExportOptions {
  /** Values of variables from outside, by name; those that the code does not use are left out. */
  readonly captures?: Readonly<Record<string, unknown>> | undefined;
  /** What it is called in errors where it has no name of its own. */
  readonly name?: string | undefined;
  /** Made where remote() was called: its stack says in which module. Without it, only the function itself is read. */
  readonly site?: Error | undefined;
}

/** Read the source of `fn`. TypeError for code that cannot run elsewhere; it names each captured variable. */
export function exportFunction(fn: AnyCallable, options: ExportOptions = {}): ExportedFunction {
  if (typeof fn !== "function") {
    throw new TypeError(`remote() takes a function or a class, not ${fn === null ? "null" : typeof fn}`);
  }
  const label = fn.name || options.name || "anonymous function";
  const subject = `remote(${label})`;
  const parsed = parseCallable(fn, subject);
  const captures = options.captures ?? {};
  const used: Record<string, unknown> = {};
  const missing: string[] = [];
  let isSelfReferring = false;
  for (const name of parsed.uses.names) {
    if (Object.hasOwn(captures, name)) used[name] = captures[name];
    else if (isKnownGlobal(name)) continue;
    // `const f = (n) => n * f(n - 1)`: the engine names an arrow function after the variable that it is assigned to.
    else if (name === fn.name && parsed.isNamedByVariable) isSelfReferring = true;
    else missing.push(name);
  }
  const kind = parsed.node.type === "ClassExpression" ? "class" : "function";
  const code = parsed.node.type === "ClassExpression" ? constructorOf(parsed.node) : parsed.node;
  const parameterCount = code?.params.filter((param) => param.type !== "RestElement").length ?? 0;
  const text = isSelfReferring
    ? `(() => { const ${fn.name} = ${parsed.source}; return ${fn.name}; })()`
    : parsed.source;
  const shape = { kind, parameterCount, names: parsed.uses.names, text: parsed.source } as const;
  const importsRelative = parsed.uses.imports.length > 0 && RELATIVE_IMPORT.test(parsed.source);
  const needsModule = missing.length > 0 || importsRelative || mayHideGlobal(parsed, options.site);
  const mayBeAlone = missing.length === 0 && !importsRelative;
  const bundled = modules?.bundledSource(fn, kind) ??
    (needsModule && options.site !== undefined
      ? modules?.exportFromModule(
        modules.callersOf(options.site.stack ?? ""),
        shape,
        subject,
        captures,
        mayBeAlone,
      )
      : undefined);
  if (missing.length > 0 && bundled === undefined) refuseCapture(parsed.node, subject, missing);
  const hash = bundled?.hash ??
    hashSource(kind, (isSelfReferring ? `${fn.name} ` : "") + canonicalText(parsed.node));
  if (bundled === undefined && options.site !== undefined) {
    modules?.rememberSent(hash, text, options.site, shape);
  }
  return {
    kind,
    source: bundled?.source ?? text,
    hash,
    name: fn.name,
    parameterCount,
    isAsync: kind === "function" && code?.async === true,
    isGenerator: kind === "function" && code?.generator === true,
    ...(parsed.node.type === "ClassExpression" ? { methods: methodsOf(fn as never, parsed.node) } : {}),
    captures: bundled !== undefined && "captures" in bundled
      ? bundled.captures
      : Object.keys(used).length === 0
      ? null
      : used,
  };
}

/** Whether the module may declare a name that is a global elsewhere; then only a look at its scopes can tell. */
function mayHideGlobal({ uses }: Parsed, site: Error | undefined): boolean {
  if (modules === null) return false;
  for (const caller of modules.callersOf(site?.stack ?? "")) {
    for (const name of uses.names) if (isKnownGlobal(name) && modules.declaresName(caller, name)) return true;
    return false;
  }
  return false;
}

/** Meant from the module's folder. */
const RELATIVE_IMPORT = new RegExp(`${IMPORT_NAME}\\s*\\(\\s*["'\`]\\.\\.?/`);

export interface ExportedCodec {
  readonly kind: "codec";
  readonly source: string;
  readonly hash: string;
  readonly name: string;
}

/** A class and its codec as one source: an expression for {cls, codec}. The codec may use the class by its name. */
export function exportCodec(
  cls: abstract new (...args: any[]) => object,
  codec: { encode(value: any): unknown; decode(data: any): unknown },
): ExportedCodec {
  const name = cls.name;
  if (!/^[A-Za-z_$][\w$]*$/.test(name)) {
    throw new TypeError("registerClass: the class needs a name, which its codec and messages use");
  }
  const isGlobal = (globalThis as Record<string, unknown>)[name] === cls;
  const classSource = isGlobal ? `globalThis.${name}` : exportPart(cls, `registerClass(${name})`, name);
  const encode = exportPart(codec?.encode, `registerClass(${name}, { encode })`, name);
  const decode = exportPart(codec?.decode, `registerClass(${name}, { decode })`, name);
  const source =
    `(() => { const ${name} = ${classSource};\nreturn { cls: ${name}, codec: { encode: ${encode},\n` +
    `decode: ${decode} } }; })()`;
  return { kind: "codec", source, hash: hashSource("codec", source), name };
}

function exportPart(part: AnyCallable | undefined, subject: string, className: string): string {
  if (typeof part !== "function") throw new TypeError(`${subject}: it must be a function`);
  const parsed = parseCallable(part, subject);
  const missing = [...parsed.uses.names].filter((name) => name !== className && !isKnownGlobal(name));
  if (missing.length > 0) refuseCapture(parsed.node, subject, missing);
  return parsed.source;
}

/** Code goes to every worker that runs it, and into the function table. */
const SOURCE_LENGTH_MAX = 16 * 1024 * 1024;

type CallableNode = acorn.FunctionExpression | acorn.ArrowFunctionExpression | acorn.ClassExpression;

interface Parsed {
  /** An expression, `import()` already replaced. */
  readonly source: string;
  readonly node: CallableNode;
  readonly uses: FreeUse;
  /** Whether it has no name inside but the engine's guess from `const f = () => …` or `const f = class { … }`. */
  readonly isNamedByVariable: boolean;
}

function parseCallable(fn: AnyCallable, subject: string): Parsed {
  const text = Function.prototype.toString.call(fn);
  if (text.length > SOURCE_LENGTH_MAX) {
    throw new RangeError(
      `${subject}: the function's code is too large, ${text.length} characters, at most ${SOURCE_LENGTH_MAX}: ` +
        "put() large data and pass its ref",
    );
  }
  if (/\{\s*\[native code\]\s*\}\s*$/.test(text)) {
    throw new TypeError(
      `${subject} cannot take this function: it is native or bound, so it has no source. Wrap it: ` +
        `remote((...args) => …) with what it is bound to as an argument.`,
    );
  }
  const found = parseExpression(text) ?? parseMethod(text);
  if (found instanceof Error) throw unreadable(subject, found);
  const { expression, node } = found;
  const uses = analyseScope(node);
  refuseOuterBindings(subject, uses);
  // Free it is an `import()` of code that was exported before: a worker makes a function inside its task remote.
  if (uses.identifiers.has(IMPORT_NAME) && !uses.names.has(IMPORT_NAME)) {
    throw new TypeError(`${subject}: the name ${IMPORT_NAME} is reserved`);
  }
  let source = "";
  let from = 0;
  for (const position of uses.imports) {
    const at = position - PREFIX.length;
    source += expression.slice(from, at) + IMPORT_NAME;
    from = at + "import".length;
  }
  const isNamedByVariable = expression === text && !("id" in node && node.id);
  return { source: source + expression.slice(from), node, uses, isNamedByVariable };
}

function unreadable(subject: string, cause: Error): TypeError {
  const hint = /private/i.test(cause.message)
    ? " A method that uses private names cannot leave its class: make the class remote instead."
    : "";
  return new TypeError(
    `${subject} cannot take this function: its source cannot be read: ${cause.message}.${hint}`,
    {
      cause,
    },
  );
}

let loadParser: (() => typeof acorn) | null = null;
let parser: typeof acorn | undefined;

/** Where the parser comes from: loaded in a process when it is first needed (function_exporter_parser.ts), there from the start
 *  in a page. */
export function useParser(load: () => typeof acorn): void {
  loadParser = load;
}

/** What a process can do with the module that a function is defined in; a page cannot read it. */
export interface ModuleSources {
  readonly bundledSource: typeof bundledSource;
  readonly exportFromModule: typeof exportFromModule;
  readonly callersOf: typeof callersOf;
  readonly declaresName: typeof declaresName;
  readonly rememberSent: typeof rememberSent;
}

let modules: ModuleSources | null = null;

/** Where modules are read from; without it only the function itself is read. */
export function useModules(sources: ModuleSources): void {
  modules = sources;
}

function acornParser(): typeof acorn {
  if (loadParser === null) throw new Error("no parser was given to the function exporter");
  return parser ??= loadParser();
}

/** Inside a function, so that a stray `new.target` or `arguments` is ours to refuse and not a syntax error. */
const PREFIX = "(function () { return (";

function parseExpression(text: string): { expression: string; node: CallableNode } | undefined {
  const node = parseInside(text);
  return node instanceof Error ? undefined : { expression: text, node };
}

/** The expression's node; positions are shifted by PREFIX. Strict code as in modules, else (old scripts) sloppy code. */
function parseInside(expression: string): CallableNode | Error {
  let problem: Error | undefined;
  for (const sourceType of ["module", "script"] as const) {
    try {
      const program = acornParser().parse(`${PREFIX}${expression}\n) })`, {
        ecmaVersion: "latest",
        sourceType,
        allowSuperOutsideMethod: true,
      });
      const statement = program.body[0] as acorn.ExpressionStatement;
      const body = (statement.expression as acorn.FunctionExpression).body.body;
      return (body[0] as acorn.ReturnStatement).argument as CallableNode;
    } catch (error) {
      problem ??= error as Error;
    }
  }
  return problem!;
}

/** `toString()` of a method is `async *name(a) { … }`: make it an expression again. A getter becomes a plain method. */
function parseMethod(text: string): { expression: string; node: CallableNode } | Error {
  const wrapped = parseInside(`{${text}}`) as acorn.AnyNode | Error;
  if (wrapped instanceof Error) return wrapped;
  const property = wrapped.type === "ObjectExpression" ? wrapped.properties[0] : undefined;
  if (property?.type !== "Property" || property.value.type !== "FunctionExpression") {
    return new SyntaxError("it is neither a function nor a method");
  }
  const { value, key, computed } = property;
  const name = !computed && key.type === "Identifier" ? key.name : "method";
  const shift = PREFIX.length + 1;
  const body = text.slice(value.start - shift, value.end - shift);
  const expression = `({ ${value.async ? "async " : ""}${
    value.generator ? "*" : ""
  }${name}${body} }).${name}`;
  const node = parseInside(expression) as acorn.AnyNode | Error;
  if (node instanceof Error) return node;
  const object = (node as acorn.MemberExpression).object as acorn.ObjectExpression;
  return { expression, node: (object.properties[0] as acorn.Property).value as acorn.FunctionExpression };
}

function constructorOf(node: acorn.ClassExpression): acorn.FunctionExpression | undefined {
  for (const member of node.body.body) {
    if (member.type === "MethodDefinition" && member.kind === "constructor") return member.value;
  }
  return undefined;
}

function methodsOf(cls: { readonly prototype: object }, node: acorn.ClassExpression): ExportedMethod[] {
  const methods = new Map<string, ExportedMethod>();
  for (const member of node.body.body) {
    if (member.type !== "PropertyDefinition" || member.static || member.computed || !member.value) continue;
    const { key, value } = member;
    if (value.type !== "ArrowFunctionExpression" && value.type !== "FunctionExpression") continue;
    const name = key.type === "Identifier" ? key.name : key.type === "Literal" ? String(key.value) : "";
    if (name !== "") methods.set(name, { name, isAsync: value.async, isGenerator: value.generator });
  }
  for (
    let p: object | null = cls.prototype;
    p !== null && p !== Object.prototype;
    p = Object.getPrototypeOf(p)
  ) {
    for (const name of Object.getOwnPropertyNames(p)) {
      const value: unknown = Object.getOwnPropertyDescriptor(p, name)?.value;
      if (name === "constructor" || typeof value !== "function" || methods.has(name)) continue;
      const tag = Object.prototype.toString.call(value);
      methods.set(name, { name, isAsync: tag.includes("Async"), isGenerator: tag.includes("Generator") });
    }
  }
  return [...methods.values()];
}

function hashSource(kind: string, source: string): string {
  return sha256Hex(`${kind}\n${source}`);
}
