/**
 * Names of groups in the graph: a letter for the kind, and the function's name. Opaque to those who get them.
 * @module
 */
import type { GraphGroupType } from "../../../../dashboard/api/graph.ts";
import type { TaskTypeName } from "../../../../dashboard/api_types.ts";

export const PUT_GROUP = "p:put";

const LETTERS: Readonly<Record<TaskTypeName, string>> = {
  NORMAL_TASK: "t",
  ACTOR_CREATION_TASK: "c",
  ACTOR_TASK: "a",
};

export function groupIdOf(name: string, type: TaskTypeName): string {
  return `${LETTERS[type]}:${name}`;
}

/** Null for what is no group of tasks. */
export function partsOfGroup(id: string): { readonly name: string; readonly type: TaskTypeName } | null {
  const type = (Object.keys(LETTERS) as TaskTypeName[]).find((each) => id.startsWith(`${LETTERS[each]}:`));
  return type === undefined ? null : { name: id.slice(2), type };
}

export function groupTypeOf(type: TaskTypeName): GraphGroupType {
  return type === "NORMAL_TASK" ? "task" : "actor";
}
