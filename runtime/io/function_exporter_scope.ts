/**
 * Scope analysis of one function or class expression: which names it takes from outside, whether it takes `this`,
 * `arguments`, `super` or `new.target` from outside, and where it calls `import()`.
 *
 * Scopes are entered with their names already declared (hoisting): `var` and parameters belong to functions, `let`,
 * `const`, `using`, classes and function declarations to blocks, as in strict code. Parameters have a scope of their own:
 * a default value does not see the body's variables.
 * @module
 */
import type * as acorn from "acorn";

type Node = acorn.AnyNode;
type FunctionNode = acorn.Function | acorn.FunctionDeclaration | acorn.FunctionExpression;
type ClassNode = acorn.Class;

/** What code takes from outside of itself. */
export interface FreeUse {
  /** Names in the order of their first use. */
  readonly names: ReadonlySet<string>;
  readonly usesThis: boolean;
  readonly usesArguments: boolean;
  readonly usesNewTarget: boolean;
  readonly usesSuper: boolean;
  readonly usesImportMeta: boolean;
  /** Offsets of the word `import` of each `import()`, ascending. */
  readonly imports: readonly number[];
  /** Names from outside that are assigned to, with the offset of the first time. */
  readonly writes: ReadonlyMap<string, number>;
  /** Identifiers that occur at all, so that a made-up one can avoid them. */
  readonly identifiers: ReadonlySet<string>;
}

/** What `this`, `arguments` and the like mean in a scope; "none" asks the parent. */
type Binding = "none" | "function" | "method" | "initializer";

export class Scope {
  readonly names: Set<string> = new Set<string>();
  readonly parent: Scope | null;
  readonly binding: Binding;

  constructor(parent: Scope | null, binding: Binding = "none") {
    this.parent = parent;
    this.binding = binding;
  }

  has(name: string): boolean {
    return this.names.has(name) || (this.parent !== null && this.parent.has(name));
  }

  /** The nearest thing that binds `this`. */
  owner(): Binding {
    return this.binding !== "none" || this.parent === null ? this.binding : this.parent.owner();
  }
}

/** Analyse an expression. `isMethod`: it stands for a method that was taken out of its object, so `super` is outside. */
export function analyseScope(root: Node): FreeUse {
  const analysis = new Analysis();
  analysis.visit(root, new Scope(null));
  return analysis;
}

class Analysis implements FreeUse {
  readonly names: Set<string> = new Set<string>();
  readonly identifiers: Set<string> = new Set<string>();
  readonly imports: number[] = [];
  readonly writes: Map<string, number> = new Map<string, number>();
  usesThis = false;
  usesArguments = false;
  usesNewTarget = false;
  usesSuper = false;
  usesImportMeta = false;

  visit(node: Node, scope: Scope): void {
    switch (node.type) {
      case "Identifier":
        return this.#reference(node.name, scope);
      case "ThisExpression":
        if (scope.owner() === "none") this.usesThis = true;
        return;
      case "Super":
        if (scope.owner() !== "method" && scope.owner() !== "initializer") this.usesSuper = true;
        return;
      case "MetaProperty":
        if (node.meta.name === "import") this.usesImportMeta = true;
        else if (scope.owner() === "none") this.usesNewTarget = true;
        return;
      case "FunctionDeclaration":
      case "FunctionExpression":
      case "ArrowFunctionExpression":
        return this.#function(node, scope, "function");
      case "ClassDeclaration":
      case "ClassExpression":
        return this.#class(node, scope);
      case "BlockStatement":
        return this.#block(node.body, new Scope(scope));
      case "SwitchStatement": {
        this.visit(node.discriminant, scope);
        const inner = new Scope(scope);
        for (const clause of node.cases) declareLexical(clause.consequent, inner);
        return this.#all(node.cases, inner);
      }
      case "ForStatement":
      case "ForInStatement":
      case "ForOfStatement":
        return this.#loop(node, scope);
      case "CatchClause": {
        const inner = new Scope(scope);
        if (node.param) {
          declarePattern(node.param, inner);
          this.#pattern(node.param, inner);
        }
        return this.#block(node.body.body, new Scope(inner));
      }
      case "VariableDeclarator":
        this.#pattern(node.id, scope);
        if (node.init) this.visit(node.init, scope);
        return;
      case "AssignmentExpression":
        this.#written(node.left, scope);
        break;
      case "UpdateExpression":
        this.#written(node.argument, scope);
        break;
      case "MemberExpression":
        this.visit(node.object, scope);
        if (node.computed) this.visit(node.property, scope);
        return;
      case "Property":
        return this.#property(node, scope);
      case "LabeledStatement":
        return this.visit(node.body, scope);
      case "BreakStatement":
      case "ContinueStatement":
        return;
      case "ImportExpression":
        this.imports.push(node.start);
        this.visit(node.source, scope);
        if (node.options) this.visit(node.options, scope);
        return;
    }
    for (const child of childrenOf(node)) this.visit(child, scope);
  }

  #all(nodes: readonly Node[], scope: Scope): void {
    for (const node of nodes) this.visit(node, scope);
  }

  #reference(name: string, scope: Scope): void {
    this.identifiers.add(name);
    if (scope.has(name)) return;
    if (name !== "arguments") this.names.add(name);
    // A function has its own; what is left belongs to whatever surrounds the exported code.
    else if (scope.owner() === "none") this.usesArguments = true;
  }

  /** Targets of an assignment; what stands in patterns is read by whoever visits them. */
  #written(target: Node, scope: Scope): void {
    const assigned = new Scope(null);
    if (target.type === "MemberExpression") return;
    declarePattern(target as acorn.Pattern, assigned);
    for (const name of assigned.names) {
      if (!scope.has(name) && !this.writes.has(name)) this.writes.set(name, target.start);
    }
  }

  #block(body: readonly Node[], scope: Scope): void {
    declareLexical(body, scope);
    this.#all(body, scope);
  }

  #loop(node: acorn.ForStatement | acorn.ForInStatement | acorn.ForOfStatement, scope: Scope): void {
    const inner = new Scope(scope);
    const head = node.type === "ForStatement" ? node.init : node.left;
    if (head?.type === "VariableDeclaration") declareLexical([head], inner);
    else if (node.type !== "ForStatement") this.#written(head as Node, inner);
    for (const child of childrenOf(node)) this.visit(child, inner);
  }

  #property(node: acorn.Property | acorn.AssignmentProperty, scope: Scope): void {
    if (node.computed) this.visit(node.key, scope);
    const isMethod = node.kind !== "init" || ("method" in node && node.method);
    if (isMethod) this.#function(node.value as FunctionNode, scope, "method");
    else this.visit(node.value, scope);
  }

  /** Of a declaration: its names are declared, what is left to read are default values and computed keys. */
  #pattern(node: acorn.Pattern, scope: Scope): void {
    switch (node.type) {
      case "Identifier":
        this.identifiers.add(node.name);
        return;
      case "ObjectPattern":
        for (const property of node.properties) {
          if (property.type === "RestElement") this.#pattern(property.argument, scope);
          else {
            if (property.computed) this.visit(property.key, scope);
            this.#pattern(property.value, scope);
          }
        }
        return;
      case "ArrayPattern":
        for (const element of node.elements) if (element) this.#pattern(element, scope);
        return;
      case "RestElement":
        return this.#pattern(node.argument, scope);
      case "AssignmentPattern":
        this.#pattern(node.left, scope);
        return this.visit(node.right, scope);
      default:
        return this.visit(node, scope);
    }
  }

  #function(node: FunctionNode | acorn.ArrowFunctionExpression, outer: Scope, binding: Binding): void {
    const isArrow = node.type === "ArrowFunctionExpression";
    let scope = outer;
    if (node.type === "FunctionExpression" && node.id) {
      scope = new Scope(outer);
      scope.names.add(node.id.name);
    }
    if (node.id) this.identifiers.add(node.id.name);
    const params = new Scope(scope, isArrow ? "none" : binding);
    for (const param of node.params) declarePattern(param, params);
    for (const param of node.params) this.#pattern(param, params);
    if (node.body.type !== "BlockStatement") return this.visit(node.body, params);
    const body = new Scope(params);
    declareVars(node.body, body);
    this.#block(node.body.body, body);
  }

  #class(node: ClassNode, outer: Scope): void {
    const scope = new Scope(outer);
    if (node.id) {
      scope.names.add(node.id.name);
      this.identifiers.add(node.id.name);
    }
    if (node.superClass) this.visit(node.superClass, scope);
    for (const member of node.body.body) {
      if (member.type === "StaticBlock") {
        const inner = new Scope(scope, "initializer");
        for (const statement of member.body) declareVars(statement, inner);
        this.#block(member.body, inner);
        continue;
      }
      if (member.computed) this.visit(member.key, scope);
      if (member.type === "MethodDefinition") this.#function(member.value, scope, "method");
      else if (member.value) this.visit(member.value, new Scope(scope, "initializer"));
    }
  }
}

export function declarePattern(node: acorn.Pattern, scope: Scope): void {
  switch (node.type) {
    case "Identifier":
      scope.names.add(node.name);
      return;
    case "ObjectPattern":
      for (const property of node.properties) {
        declarePattern(property.type === "RestElement" ? property.argument : property.value, scope);
      }
      return;
    case "ArrayPattern":
      for (const element of node.elements) if (element) declarePattern(element, scope);
      return;
    case "RestElement":
      return declarePattern(node.argument, scope);
    case "AssignmentPattern":
      return declarePattern(node.left, scope);
  }
}

/** Declarations that belong to the block that these statements stand in. */
export function declareLexical(statements: readonly Node[], scope: Scope): void {
  for (const statement of statements) {
    let node = statement;
    while (node.type === "LabeledStatement") node = node.body;
    if (node.type === "VariableDeclaration" && node.kind !== "var") {
      for (const declarator of node.declarations) declarePattern(declarator.id, scope);
    } else if ((node.type === "FunctionDeclaration" || node.type === "ClassDeclaration") && node.id) {
      scope.names.add(node.id.name);
    }
  }
}

/** `var` declarations at any depth below `node`, not in functions and classes within. */
export function declareVars(node: Node, scope: Scope): void {
  switch (node.type) {
    case "VariableDeclaration":
      if (node.kind === "var") {
        for (const declarator of node.declarations) declarePattern(declarator.id, scope);
      }
      return;
    case "FunctionDeclaration":
    case "FunctionExpression":
    case "ArrowFunctionExpression":
    case "ClassDeclaration":
    case "ClassExpression":
      return;
  }
  for (const child of childrenOf(node)) declareVars(child, scope);
}

export function* childrenOf(node: Node): Generator<Node> {
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (
        typeof child === "object" && child !== null && typeof (child as { type?: unknown }).type === "string"
      ) {
        yield child as Node;
      }
    }
  }
}
