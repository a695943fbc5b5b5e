/**
 * What one definition uses of its module, as a module of its own: its imports, functions, classes and variables, in the
 * module's order, and the definition itself, marked. Variables of functions around it, variables that are reassigned and
 * values of the running cluster cannot be taken along; they are refused by name and place.
 * @module
 */
import { encode } from "@jridgewell/sourcemap-codec";
import { basename } from "node:path";
import { isKnownGlobal } from "../function_exporter_globals.ts";
import { analyseScope } from "../function_exporter_scope.ts";
import { type Definition, localScopes } from "./definition.ts";
import { MappedText } from "./mapped_text.ts";
import { type ModuleSource, placeIn } from "./module_source.ts";
import { type Unit, unitsOf } from "./module_units.ts";

/** Around the definition in the slice, and in the bundle made of it. */
export const ENTRY_MARK = "__mobula_entry";

export interface Slice {
  /** A module for the bundler, with an inline source map. */
  readonly text: string;
  /** Whether it uses nothing of its module. */
  readonly isAlone: boolean;
  /** Names that it takes from the option captures. */
  readonly captured: readonly string[];
}

/** A use that cannot travel. */
interface Problem {
  readonly name: string;
  /** "a local variable, /a/b.ts:3". */
  readonly what: string;
}

/** The slice. Names in `captures` are given otherwise. Undefined for names that nothing declares. */
export function sliceModule(
  definition: Definition,
  subject: string,
  captures: Readonly<Record<string, unknown>>,
): Slice | undefined {
  const { source, node, ancestors } = definition;
  const { byName } = unitsOf(source);
  const locals = localScopes(ancestors);
  const problems: Problem[] = [];
  const captured: string[] = [];
  const roots: string[] = [];
  for (const name of analyseScope(node).names) {
    const local = locals.findLast(({ names }) => names.has(name));
    if (Object.hasOwn(captures, name)) captured.push(name);
    else if (local !== undefined) {
      problems.push({ name, what: `a local variable, ${placeOf(source, declarationIn(local.node, name))}` });
    } else if (byName.has(name)) roots.push(name);
    else if (!isKnownGlobal(name)) return undefined;
  }
  const units = reachable(source, roots, problems);
  if (problems.length > 0) refuse(subject, node.type === "ClassExpression", problems);
  return { text: writeSlice(definition, units), captured, isAlone: units.size === 0 };
}

function placeOf(source: ModuleSource, offset: number): string {
  return `${source.path}:${placeIn(source, offset).line}`;
}

/** Where `name` is declared within a function or block: its first mention. */
function declarationIn(scope: { readonly start: number; readonly end: number }, name: string): number {
  const found = findIdentifier(scope, name);
  return found ?? scope.start;
}

function findIdentifier(node: object, name: string): number | undefined {
  if ((node as { type?: string }).type === "Identifier" && (node as { name?: string }).name === name) {
    return (node as { start: number }).start;
  }
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (typeof child !== "object" || child === null) continue;
      const found = findIdentifier(child as object, name);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function reachable(source: ModuleSource, roots: readonly string[], problems: Problem[]): Set<Unit> {
  const { byName, reassigned } = unitsOf(source);
  const units = new Set<Unit>();
  const seen = new Set<string>(roots);
  for (const name of seen) {
    const unit = byName.get(name);
    if (unit === undefined) continue;
    units.add(unit);
    const written = reassigned.get(name);
    if (written !== undefined) {
      const what = `a top-level variable that is reassigned, ${placeOf(source, written)}`;
      problems.push({ name, what });
    } else if (unit.clusterCall !== null) {
      const what = `a value of this run from ${unit.clusterCall}, ${placeOf(source, unit.start)}`;
      problems.push({ name, what });
    }
    for (const used of unit.uses) seen.add(used);
    // What a variable is destructured with goes along.
    for (const other of unit.names) seen.add(other);
  }
  return units;
}

function refuse(subject: string, isClass: boolean, problems: readonly Problem[]): never {
  const names = problems.map(({ name }) => name);
  const it = names.length === 1 ? "it" : "them";
  throw new TypeError(
    `${subject} cannot take this ${isClass ? "class" : "function"}: it uses ${
      problems.map(({ name, what }) => `${name} (${what})`).join(" and ")
    }. Of what is declared around it, only imports, functions, classes and constants of a module's top level travel ` +
      `with the code. Ways out: pass ${it} as ${
        names.length === 1 ? "an argument" : "arguments"
      }; put() a large value and pass its ref; or give ${it} in the option captures: { ${
        names.join(", ")
      } }.`,
  );
}

function writeSlice({ source, node }: Definition, units: ReadonlySet<Unit>): string {
  const text = new MappedText();
  let isMarked = false;
  for (const unit of [...units].sort((a, b) => a.start - b.start)) {
    text.append(unit.prefix);
    const holdsNode = unit.start <= node.start && node.end <= unit.end && !unit.isImport;
    if (holdsNode) {
      isMarked = true;
      text.copy(source, unit.start, node.start);
      copyMarked(text, source, node);
      text.copy(source, node.end, unit.end);
    } else text.copy(source, unit.start, unit.end);
    text.append(unit.prefix === "" || unit.isImport ? "\n" : ";\n");
    for (const body of unit.more) {
      text.copy(source, body.start, body.end);
      text.append("\n");
    }
  }
  if (!isMarked) {
    copyMarked(text, source, node);
    text.append(";\n");
  }
  const map = {
    version: 3,
    sources: [basename(source.path)],
    names: [],
    mappings: encode(text.mappings),
  };
  const data = Buffer.from(JSON.stringify(map)).toString("base64");
  return `${text}//# sourceMappingURL=data:application/json;base64,${data}\n`;
}

function copyMarked(text: MappedText, source: ModuleSource, node: { start: number; end: number }): void {
  text.append(`${ENTRY_MARK}(`);
  text.copy(source, node.start, node.end);
  text.append(")");
}
