/**
 * The definition that a call of remote() was given: found in the module's tree by the place of the call, through a wrapper
 * of the user's where there is one.
 * @module
 */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type * as acorn from "acorn";
import {
  analyseScope,
  childrenOf,
  declareLexical,
  declarePattern,
  declareVars,
  Scope,
} from "../function_exporter_scope.ts";
import type { CallSite } from "../function_exporter_names.ts";
import { mobulaNames, unitsOf } from "./module_units.ts";
import { IMPORT_NAME } from "../function_exporter_globals.ts";
import { loaderOf, type ModuleSource, placeIn, readModule } from "./module_source.ts";

export type DefinitionNode = acorn.Expression;

/** See the module's header. */
export interface Definition {
  readonly source: ModuleSource;
  /** A function or class expression, or the name of what is declared or imported. */
  readonly node: DefinitionNode;
  /** From the program down to the node, without it. */
  readonly ancestors: readonly acorn.AnyNode[];
}

/** How many callers up a wrapper's caller is looked for. */
const WRAPPERS_MAX = 4;

/** What is known of the function from itself. */
export interface Shape {
  readonly kind: "function" | "class";
  readonly parameterCount: number;
  /** What it takes from outside; an engine may have put constants into their places, so the module may show more. */
  readonly names: ReadonlySet<string>;
  /** As the engine shows it. */
  readonly text: string;
}

/** The definition, or undefined when the sources do not show it. SyntaxError for a module that cannot be parsed. */
export function findDefinition(callers: Iterable<CallSite>, shape: Shape): Definition | undefined {
  const sites = [...callers].slice(0, WRAPPERS_MAX + 1);
  for (const [depth, site] of sites.entries()) {
    const source = readModule(site.path);
    const call = source === undefined ? undefined : callAt(source, site);
    if (source === undefined || call === undefined) continue;
    const found = definitionIn(source, call, shape, depth === 0);
    if (found !== undefined) return found;
  }
  return searchCalls(sites, shape);
}

/** What the call was given: by remote() itself its first argument, by a wrapper whatever looks like the function. */
function definitionIn(
  source: ModuleSource,
  { node, ancestors }: CallFound,
  shape: Shape,
  isInnermost: boolean,
): Definition | undefined {
  const around = [...ancestors, node];
  const [first] = node.arguments;
  if (isInnermost && first !== undefined && isRemote(source, node.callee)) {
    if (isCode(first) ? fits(first, shape) : isName(first) && !isLocal(first, ancestors)) {
      return { source, node: first as acorn.Expression, ancestors: around };
    }
    return undefined;
  }
  const found = node.arguments.filter((argument): argument is acorn.Expression =>
    isCode(argument) ? fits(argument, shape) && takes(analyseScope(argument).names, shape) : argument.type ===
        "Identifier" && !isLocal(argument, ancestors) && isLike(source, argument.name, shape)
  );
  return found.length === 1 ? { source, node: found[0]!, ancestors: around } : undefined;
}

/** Whether the module's declaration of that name may be the function. */
function isLike(source: ModuleSource, name: string, shape: Shape): boolean {
  const unit = unitsOf(source).byName.get(name);
  return unit !== undefined && !unit.isImport && shape.names.size > 0 && takes(unit.uses, shape);
}

function takes(names: ReadonlySet<string>, shape: Shape): boolean {
  for (const name of shape.names) if (!names.has(name)) return false;
  return true;
}

/** Modules that are searched for a call that left no frame. */
const SEARCHED_MAX = 300;
const IMPORTED = /(?:\bfrom|\bimport)\s*\(?\s*["'](\.\.?\/[^"'\n]+)["']/g;

/**
 * `() => remote(…)` and `return remote(…)` leave no frame in JavaScriptCore, where such a call takes its caller's place. So
 * the modules that are on the stack, the program's own, and those that they import are searched for a call that was given
 * such a function.
 */
function searchCalls(sites: readonly CallSite[], shape: Shape): Definition | undefined {
  const wanted = tokensOf(shape.text);
  const found: Definition[] = [];
  const paths = new Set([...sites.map(({ path }) => path), process.argv[1] ?? ""]);
  for (const path of paths) { // It grows as it goes: modules near the call come first.
    const text = readText(path);
    if (text === undefined) continue;
    for (const [, specifier] of text.matchAll(IMPORTED)) {
      if (paths.size < SEARCHED_MAX) paths.add(join(dirname(path), specifier!));
    }
    if (!text.includes("mobula") || !text.includes("remote")) continue;
    const source = readModule(path)!;
    const here: Definition[] = [];
    walkCalls(source.program, (node, ancestors) => {
      const argument = node.arguments[0];
      if (argument === undefined || !isCode(argument) || !isRemote(source, node.callee)) return;
      if (!fits(argument, shape) || !takes(analyseScope(argument).names, shape)) return;
      here.push({ source, node: argument, ancestors: [...ancestors, node] });
    });
    const same = here.find(({ node }) => tokensOf(source.text.slice(node.start, node.end)) === wanted);
    if (same !== undefined) return same;
    found.push(...here);
  }
  // Where an engine has put constants into their places, the text differs; then there must be no doubt.
  return found.length === 1 && shape.names.size > 0 ? found[0] : undefined;
}

function readText(path: string): string | undefined {
  try {
    return loaderOf(path) === undefined ? undefined : readFileSync(path, "utf8");
  } catch {
    return undefined; // A specifier without its extension, or in a comment.
  }
}

/** Code without what printers do differently: space, comments, quotes, optional parentheses and separators. */
function tokensOf(text: string): string {
  const plain = text.replaceAll(IMPORT_NAME, "import").replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
  return plain.replace(/[\s;,()]/g, "").replace(/['`]/g, '"');
}

function isRemote(source: ModuleSource, callee: acorn.AnyNode): boolean {
  const names = mobulaNames(source.program.body);
  if (callee.type === "Identifier") return names.get(callee.name) === "remote";
  return callee.type === "MemberExpression" && callee.object.type === "Identifier" &&
    names.get(callee.object.name) === "*" && callee.property.type === "Identifier" &&
    callee.property.name === "remote";
}

/** A function or class expression. */
export function isCode(
  node: acorn.AnyNode,
): node is acorn.FunctionExpression | acorn.ArrowFunctionExpression | acorn.ClassExpression {
  return node.type === "FunctionExpression" || node.type === "ArrowFunctionExpression" ||
    node.type === "ClassExpression";
}

/** `work`, `tasks.work`. */
function isName(node: acorn.AnyNode): node is acorn.Identifier | acorn.MemberExpression {
  return node.type === "Identifier" ||
    (node.type === "MemberExpression" && !node.computed && isName(node.object));
}

function fits(node: acorn.AnyNode, { kind, parameterCount }: Shape): boolean {
  if (node.type === "ClassExpression") return kind === "class";
  const { params } = node as acorn.FunctionExpression;
  return kind === "function" && params.filter((p) => p.type !== "RestElement").length === parameterCount;
}

interface CallFound {
  readonly node: acorn.CallExpression;
  readonly ancestors: readonly acorn.AnyNode[];
}

/** The innermost call whose callee stands there: engines point at its name, its parenthesis or just behind. In a chain
 *  (`check(work(f)).is(1)`) the calls behind begin where the first one does: whose name is not behind the place comes first. */
function callAt(source: ModuleSource, site: CallSite): CallFound | undefined {
  let best: CallFound | undefined;
  let bestNamed = false;
  walkCalls(source.program, (node, ancestors) => {
    if (!stands(source, node, site)) return;
    const named = !isBefore(site, placeIn(source, nameOf(node.callee).start));
    if (best !== undefined && named === bestNamed) {
      if (node.arguments[0]!.start <= best.node.arguments[0]!.start) return;
    } else if (best !== undefined && !named) return;
    best = { node, ancestors: [...ancestors] };
    bestNamed = named;
  });
  return best;
}

/** Of `a.b` it is `b`. */
function nameOf(callee: acorn.AnyNode): acorn.AnyNode {
  return callee.type === "MemberExpression" ? callee.property : callee;
}

/** Calls with arguments. */
function walkCalls(
  root: acorn.AnyNode,
  visit: (node: acorn.CallExpression, ancestors: readonly acorn.AnyNode[]) => void,
): void {
  const path: acorn.AnyNode[] = [];
  const walk = (node: acorn.AnyNode): void => {
    if (node.type === "CallExpression" && node.arguments.length > 0) visit(node, path);
    path.push(node);
    for (const child of childrenOf(node)) walk(child);
    path.pop();
  };
  walk(root);
}

function stands(source: ModuleSource, node: acorn.CallExpression, site: CallSite): boolean {
  const start = placeIn(source, node.start);
  if (isBefore(site, start)) return false;
  return !isBefore(placeIn(source, node.arguments[0]!.start), site);
}

function isBefore(
  a: { readonly line: number; readonly column: number },
  b: { readonly line: number; readonly column: number },
): boolean {
  return a.line < b.line || (a.line === b.line && a.column < b.column);
}

/** Whether the name belongs to a function or block around the node, and so not to the module. */
function isLocal(name: acorn.AnyNode, ancestors: readonly acorn.AnyNode[]): boolean {
  let root = name;
  while (root.type === "MemberExpression") root = root.object;
  return root.type !== "Identifier" || localScopes(ancestors).some(({ names }) => names.has(root.name));
}

/** Names of the functions, blocks, loops and catches around, outermost first; the module's own are not among them. */
export function localScopes(
  ancestors: readonly acorn.AnyNode[],
): { node: acorn.AnyNode; names: ReadonlySet<string> }[] {
  return ancestors.slice(1).map((node) => {
    const scope = new Scope(null);
    declaredBy(node, scope);
    return { node, names: scope.names };
  });
}

function declaredBy(node: acorn.AnyNode, scope: Scope): void {
  switch (node.type) {
    case "FunctionExpression":
    case "FunctionDeclaration":
    case "ArrowFunctionExpression":
      if (node.type === "FunctionExpression" && node.id) scope.names.add(node.id.name);
      for (const param of node.params) declarePattern(param, scope);
      return declareVars(node.body, scope);
    case "ClassExpression":
      if (node.id) scope.names.add(node.id.name);
      return;
    case "BlockStatement":
    case "StaticBlock":
      return declareLexical(node.body, scope);
    case "SwitchStatement":
      for (const clause of node.cases) declareLexical(clause.consequent, scope);
      return;
    case "ForStatement":
    case "ForInStatement":
    case "ForOfStatement": {
      const head = node.type === "ForStatement" ? node.init : node.left;
      if (head?.type === "VariableDeclaration") declareLexical([head], scope);
      return;
    }
    case "CatchClause":
      if (node.param) declarePattern(node.param, scope);
      return;
  }
}
