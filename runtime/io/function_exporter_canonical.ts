/**
 * Code by what it says, not by how it is printed: the runtimes erase types and print the rest each in its own way (blanks,
 * quotes, semicolons), so that the same function in the same file has another text on each. Its syntax tree is the same.
 * @module
 */
import type * as acorn from "acorn";

/** Where a node stands and how a literal was spelled says nothing of what it means. */
const POSITIONS: ReadonlySet<string> = new Set(["start", "end", "loc", "range", "raw"]);

/** One text for a syntax tree: equal for code that differs in print only. */
export function canonicalText(node: acorn.Node): string {
  const parts: string[] = [];
  append(node, parts);
  return parts.join("");
}

function append(value: unknown, parts: string[]): void {
  if (Array.isArray(value)) {
    parts.push("[");
    for (const item of value) {
      // `;` alone is print, too.
      if ((item as { type?: unknown } | null)?.type === "EmptyStatement") continue;
      append(item, parts);
      parts.push(",");
    }
    parts.push("]");
  } else if (typeof value !== "object" || value === null) {
    parts.push(typeof value === "bigint" ? `${value}n` : JSON.stringify(value) ?? "undefined");
  } else if (value instanceof RegExp) {
    parts.push(String(value));
  } else {
    parts.push("{");
    for (const [key, field] of Object.entries(value)) {
      if (POSITIONS.has(key) || field === undefined) continue;
      // Inside a template, how a piece is spelled is a part of what it says.
      parts.push(key, ":");
      append(field, parts);
      parts.push(";");
    }
    parts.push("}");
  }
}
