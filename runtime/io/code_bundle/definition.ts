/**
 * The definition that a call of remote() was given: found in the module's tree by the place of the call, through a wrapper
 * of the user's where there is one.
 * @module
 */
import type * as acorn from "acorn";
import {
  childrenOf,
  declareLexical,
  declarePattern,
  declareVars,
  Scope,
} from "../function_exporter_scope.ts";
import type { CallSite } from "../function_exporter_names.ts";
import { type ModuleSource, placeIn, readModule } from "./module_source.ts";

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
}

/** The definition, or undefined when the sources do not show it. */
export function findDefinition(callers: Iterable<CallSite>, shape: Shape): Definition | undefined {
  let depth = 0;
  for (const site of callers) {
    if (depth > WRAPPERS_MAX) return undefined;
    const source = readModule(site.path);
    if (source === undefined) return undefined;
    const call = callAt(source, site);
    if (call === undefined) return undefined;
    const { node, ancestors } = call;
    const around = [...ancestors, node];
    if (depth++ === 0) {
      const first = node.arguments[0];
      if (first === undefined || first.type === "SpreadElement") return undefined;
      if (isCode(first)) return fits(first, shape) ? { source, node: first, ancestors: around } : undefined;
      if (isName(first) && !isLocal(first, ancestors)) return { source, node: first, ancestors: around };
      continue;
    }
    const found = node.arguments.filter((argument): argument is acorn.Expression =>
      argument.type !== "SpreadElement" && isCode(argument) && fits(argument, shape)
    );
    if (found.length === 1) return { source, node: found[0]!, ancestors: around };
    const named = node.arguments.filter((argument) => argument.type === "Identifier");
    if (found.length > 0 || named.length !== 1) continue;
    if (!isLocal(named[0]!, ancestors)) return { source, node: named[0]!, ancestors: around };
  }
  return undefined;
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

/** The innermost call whose callee stands there: engines point at its name, its parenthesis or just behind. */
function callAt(source: ModuleSource, site: CallSite): CallFound | undefined {
  let best: CallFound | undefined;
  const path: acorn.AnyNode[] = [];
  const visit = (node: acorn.AnyNode): void => {
    if (node.type === "CallExpression" && node.arguments.length > 0 && stands(source, node, site)) {
      if (best === undefined || node.arguments[0]!.start > best.node.arguments[0]!.start) {
        best = { node, ancestors: [...path] };
      }
    }
    path.push(node);
    for (const child of childrenOf(node)) visit(child);
    path.pop();
  };
  visit(source.program);
  return best;
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
