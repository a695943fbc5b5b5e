/**
 * What to say of code that cannot run elsewhere: which names it takes from outside, and every way out.
 * @module
 */
import type * as acorn from "acorn";
import type { FreeUse } from "./function_exporter_scope.ts";

function list(names: readonly string[]): string {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

/** Throws the TypeError for variables from outside; the base of a class is a case of its own. */
export function refuseCapture(node: acorn.AnyNode, subject: string, names: readonly string[]): never {
  const isClass = node.type === "ClassExpression";
  const base = isClass && node.superClass?.type === "Identifier" ? node.superClass.name : undefined;
  if (base !== undefined && names.includes(base)) {
    const others = names.filter((name) => name !== base);
    throw new TypeError(
      `${subject} cannot take this class: it extends ${base}, which is declared outside of it` +
        (others.length > 0 ? `, and it uses ${list(others)} from outside` : "") +
        `. A remote class may extend built-in classes only. Ways out: declare ${base} in place ` +
        `(class … extends (class ${base} { … }) { … }), or hold one in a field instead of extending it.`,
    );
  }
  const [it, them] = names.length === 1 ? ["it", "which is"] : ["them", "which are"];
  throw new TypeError(
    `${subject} cannot take this ${isClass ? "class" : "function"}: it uses ${
      list(names)
    }, ${them} declared ` +
      `outside of it. Remote code may use its parameters, its own variables, globals and import(). Ways out: pass ` +
      `${it} as ${
        names.length === 1 ? "an argument" : "arguments"
      }; put() a large value and pass its ref; give ` +
      `${it} in the option captures: { ${
        names.join(", ")
      } }; or move ${it} inside (for a module: const { … } = ` +
      `await import("…")).`,
  );
}

/** Throws for `this` and its kind where they belong to whatever surrounds the code. */
export function refuseOuterBindings(subject: string, uses: FreeUse): void {
  const refuse = (what: string, wayOut: string): never => {
    throw new TypeError(`${subject} cannot take this function: it uses ${what}. ${wayOut}`);
  };
  if (uses.usesThis) {
    refuse(
      "`this` of the code around it",
      "An arrow function has no `this` of its own: pass what it needs as an argument, or make the class remote.",
    );
  }
  if (uses.usesSuper) refuse("`super` of the object it was taken from", "Make the class remote instead.");
  if (uses.usesArguments) {
    refuse("`arguments` of the function around it", "Declare a rest parameter: (...args) => …");
  }
  if (uses.usesNewTarget) {
    refuse("`new.target` of the function around it", "Pass what it needs as an argument.");
  }
  if (uses.usesImportMeta) {
    refuse(
      "import.meta, which names the file that it was written in",
      "Pass the path or URL as an argument.",
    );
  }
}
