/**
 * A module's top level as units that can be taken one by one: an import's name, a function, a class, a variable (an enum
 * and a namespace are variables once their types are erased). Statements that declare nothing are no unit: they belong to
 * the program that runs the module.
 * @module
 */
import type * as acorn from "acorn";
import { analyseScope, childrenOf, declarePattern, Scope } from "../function_exporter_scope.ts";
import type { ModuleSource } from "./module_source.ts";

/** See the module's header. */
export interface Unit {
  readonly names: readonly string[];
  /** Its order in the module. */
  readonly start: number;
  readonly end: number;
  /** What stands before its text: `const `, or all of an import. */
  readonly prefix: string;
  readonly isImport: boolean;
  /** Names that it takes from outside of itself. */
  readonly uses: ReadonlySet<string>;
  /** Further ranges that belong to it: the bodies of a namespace. */
  readonly more: readonly acorn.AnyNode[];
  /** How its value comes from the running cluster ("put()"), which a worker cannot repeat. */
  readonly clusterCall: string | null;
}

/** The top level of one module. */
export interface ModuleUnits {
  readonly byName: ReadonlyMap<string, Unit>;
  /** Variables that are assigned to after their declaration, with the offset where. */
  readonly reassigned: ReadonlyMap<string, number>;
}

const known = new WeakMap<ModuleSource, ModuleUnits>();

/** The module's units; read once. */
export function unitsOf(source: ModuleSource): ModuleUnits {
  let units = known.get(source);
  if (units === undefined) known.set(source, units = readUnits(source));
  return units;
}

function readUnits(source: ModuleSource): ModuleUnits {
  const byName = new Map<string, Unit>();
  const reassigned = new Map<string, number>();
  const bodies = new Map<string, acorn.AnyNode[]>();
  const statements = source.program.body;
  for (const statement of statements) {
    const space = namespaceOf(statement);
    if (space !== undefined) bodies.set(space, [...bodies.get(space) ?? [], statement]);
    for (const [name, at] of analyseScope(statement).writes) {
      if (name !== space && !reassigned.has(name)) reassigned.set(name, at);
    }
  }
  const mobula = mobulaNames(statements);
  for (const statement of statements) {
    for (const unit of unitsIn(source, statement, bodies, mobula)) {
      for (const name of unit.names) byName.set(name, unit);
    }
  }
  return { byName, reassigned };
}

function* unitsIn(
  source: ModuleSource,
  statement: acorn.AnyNode,
  bodies: ReadonlyMap<string, acorn.AnyNode[]>,
  mobula: ReadonlyMap<string, string>,
): Generator<Unit> {
  switch (statement.type) {
    case "ImportDeclaration":
      yield* importUnits(source, statement);
      return;
    case "ExportNamedDeclaration":
      if (statement.declaration) yield* unitsIn(source, statement.declaration, bodies, mobula);
      return;
    case "ExportDefaultDeclaration":
      if (statement.declaration.type.endsWith("Declaration")) {
        yield* unitsIn(source, statement.declaration, bodies, mobula);
      }
      return;
    case "FunctionDeclaration":
    case "ClassDeclaration":
      if (statement.id) yield unit({ names: [statement.id.name], node: statement, prefix: "" });
      return;
    case "VariableDeclaration":
      for (const declarator of statement.declarations) {
        const scope = new Scope(null);
        declarePattern(declarator.id, scope);
        const names = [...scope.names];
        const more = names.flatMap((name) => bodies.get(name) ?? []);
        const clusterCall = declarator.init ? clusterCallIn(declarator.init, mobula) : null;
        yield unit({ names, node: declarator, prefix: `${statement.kind} `, more, clusterCall });
      }
  }
}

function unit(init: {
  names: readonly string[];
  node: acorn.AnyNode;
  prefix: string;
  more?: readonly acorn.AnyNode[];
  clusterCall?: string | null;
}): Unit {
  const { names, node, prefix, more = [], clusterCall = null } = init;
  const uses = new Set<string>(analyseScope(node).names);
  for (const body of more) for (const name of analyseScope(body).names) uses.add(name);
  return { names, start: node.start, end: node.end, prefix, isImport: false, uses, more, clusterCall };
}

function* importUnits(source: ModuleSource, node: acorn.ImportDeclaration): Generator<Unit> {
  const from = source.text.slice(node.source.start, node.end).replace(/;?\s*$/, ";");
  for (const specifier of node.specifiers) {
    const name = specifier.local.name;
    const clause = specifier.type === "ImportSpecifier"
      ? `{ ${source.text.slice(specifier.imported.start, specifier.imported.end)} as ${name} }`
      : specifier.type === "ImportNamespaceSpecifier"
      ? `* as ${name}`
      : name;
    const { start } = node;
    yield {
      names: [name],
      start,
      end: start,
      prefix: `import ${clause} from ${from}`,
      isImport: true,
      uses: new Set(),
      more: [],
      clusterCall: null,
    };
  }
}

/** `((NS) => { … })(NS || (NS = {}))`: what a TypeScript namespace becomes. */
function namespaceOf(statement: acorn.AnyNode): string | undefined {
  if (statement.type !== "ExpressionStatement" || statement.expression.type !== "CallExpression") {
    return undefined;
  }
  const argument = statement.expression.arguments[0];
  if (argument?.type !== "LogicalExpression" || argument.left.type !== "Identifier") return undefined;
  const { left, right } = argument;
  const assigns = right.type === "AssignmentExpression" && right.left.type === "Identifier" &&
    right.left.name === left.name;
  return assigns ? left.name : undefined;
}

/** Local names of what is imported from mobula, with their names there ("*" for all of it). */
export function mobulaNames(statements: readonly acorn.AnyNode[]): Map<string, string> {
  const names = new Map<string, string>();
  for (const statement of statements) {
    if (statement.type !== "ImportDeclaration" || statement.source.value !== "mobula") continue;
    for (const { type, local, ...rest } of statement.specifiers) {
      const imported = (rest as Partial<acorn.ImportSpecifier>).imported;
      names.set(
        local.name,
        type === "ImportSpecifier" && imported?.type === "Identifier" ? imported.name : "*",
      );
    }
  }
  return names;
}

/** What mobula gives that is the same in every process. */
const REPEATABLE: ReadonlySet<string> = new Set([
  "remote",
  "registerClass",
  "runtimeContext",
  "isInitialized",
]);

/** The first call in an initializer, not in functions within, whose value belongs to this run of the program. */
function clusterCallIn(node: acorn.AnyNode, mobula: ReadonlyMap<string, string>): string | null {
  if (/^(Arrow)?Function/.test(node.type) || node.type === "MethodDefinition") return null;
  if (node.type === "CallExpression") {
    const { callee } = node;
    if (callee.type === "Identifier") {
      const imported = mobula.get(callee.name);
      if (imported !== undefined && imported !== "*" && !REPEATABLE.has(imported)) return `${callee.name}()`;
    } else if (callee.type === "MemberExpression" && callee.property.type === "Identifier") {
      const { object, property } = callee;
      const isMobula = object.type === "Identifier" && mobula.get(object.name) === "*";
      if (isMobula && !REPEATABLE.has(property.name)) return `${property.name}()`;
      if (!isMobula && property.name === "remote" && mobula.size > 0) return ".remote()";
    }
  }
  for (const child of childrenOf(node)) {
    const found = clusterCallIn(child, mobula);
    if (found !== null) return found;
  }
  return null;
}
