/**
 * What an id names, by its prefix: the list that has its rows, and their column.
 * @module
 */

/** A kind of row, and the column that holds its id. */
export interface IdKind {
  readonly kind: string;
  readonly column: string;
}

/** By the letter that ids begin with. */
export const ID_KINDS: Readonly<Record<string, IdKind>> = {
  t: { kind: "tasks", column: "taskId" },
  a: { kind: "actors", column: "actorId" },
  o: { kind: "objects", column: "objectId" },
  n: { kind: "nodes", column: "nodeId" },
  w: { kind: "workers", column: "workerId" },
  j: { kind: "jobs", column: "jobId" },
  g: { kind: "placement-groups", column: "placementGroupId" },
};

/**
 * @throws {TypeError} for what is no text.
 * @throws {RangeError} for a text that is no id.
 */
export function kindOfId(id: unknown): IdKind {
  if (typeof id !== "string") throw new TypeError(`an id must be a string, is ${typeof id}`);
  const prefix = /^([a-z])-[\w.-]+$/.exec(id)?.[1];
  const found = prefix === undefined ? undefined : ID_KINDS[prefix];
  if (found !== undefined) return found;
  const known = Object.keys(ID_KINDS).map((letter) => `${letter}-…`).join(", ");
  throw new RangeError(`${JSON.stringify(id.slice(0, 80))} is no id; ids begin with ${known}`);
}
