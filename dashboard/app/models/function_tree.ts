/**
 * A job's functions as a tree: who submits whom. A function that several call stands below the one that calls it most;
 * circles are cut where they close.
 * @module
 */
import type { FunctionCallDto, FunctionProfileDto } from "../../api/tasks.ts";

export interface TreeRow {
  readonly row: FunctionProfileDto;
  /** 0 for what the driver submits. */
  readonly depth: number;
  /** Names of others that call it too. */
  readonly alsoFrom: readonly string[];
}

/** Rows in the order in which they are drawn: a parent, then its children; the order of the profile among brothers. */
export function functionTree(
  rows: readonly FunctionProfileDto[],
  calls: readonly FunctionCallDto[],
): TreeRow[] {
  const byId = new Map(rows.map((row) => [row.id, row]));
  const parents = new Map<string, FunctionCallDto[]>();
  for (const call of calls) {
    if (!byId.has(call.child) || call.parent === call.child) continue;
    (parents.get(call.child) ?? parents.set(call.child, []).get(call.child)!).push(call);
  }
  const mainParent = (id: string): string | null => {
    const most = [...parents.get(id) ?? []].sort((a, b) => b.count - a.count)[0];
    return most !== undefined && most.parent !== null && byId.has(most.parent) ? most.parent : null;
  };
  const children = new Map<string | null, FunctionProfileDto[]>();
  for (const row of rows) {
    const parent = mainParent(row.id);
    (children.get(parent) ?? children.set(parent, []).get(parent)!).push(row);
  }
  const seen = new Set<string>();
  const tree: TreeRow[] = [];
  const visit = (row: FunctionProfileDto, depth: number): void => {
    if (seen.has(row.id)) return;
    seen.add(row.id);
    const parent = mainParent(row.id);
    const others = (parents.get(row.id) ?? []).filter((call) =>
      call.parent !== parent && call.parent !== null
    );
    tree.push({ row, depth, alsoFrom: others.map((call) => byId.get(call.parent!)?.name ?? call.parent!) });
    for (const child of children.get(row.id) ?? []) visit(child, depth + 1);
  };
  for (const row of children.get(null) ?? []) visit(row, 0);
  // What is left is in circles that nothing outside calls.
  for (const row of rows) visit(row, 0);
  return tree;
}
