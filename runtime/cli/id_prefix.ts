/**
 * Ids by how they begin, as git takes hashes: `t-1f3`, or without the letter, `1f3`.
 * @module
 */
import { type ActorId, creationTaskId, type TaskId } from "../common/ids.ts";
import { ID_KINDS, kindOfId } from "../common/id_kinds.ts";
import type { HeadClient } from "./head_client.ts";
import { UsageError } from "./usage.ts";

/** Candidates that are named when a prefix is not enough. */
const SHOWN = 10;
/** Rows that are looked through for each kind. */
const LOOKED_AT = 200;

/**
 * The id that this is or begins, of those that the cluster knows; null when there is none. UsageError with the candidates
 * when there are several.
 */
export async function resolveId(command: string, head: HeadClient, given: string): Promise<string | null> {
  const letter = /^([a-z])-./.exec(given)?.[1];
  if (letter === undefined && !/^[0-9a-z][\w.-]*$/.test(given)) kindOfId(given);
  if (letter !== undefined) {
    kindOfId(given);
    if ((await head.ask("state", { id: given })).rows.length > 0) return given;
  }
  const kinds = letter === undefined ? Object.entries(ID_KINDS) : [[letter, kindOfId(given)] as const];
  const found = (await Promise.all(kinds.map(async ([prefix, { kind, column }]) => {
    const wanted = letter === undefined ? `${prefix}-${given}` : given;
    const { rows } = await head.ask("list", { kind, filters: [`${column}~${wanted}`], limit: LOOKED_AT });
    return rows.map((row) => String(row[column])).filter((id) => id.startsWith(wanted));
  }))).flat();
  // An actor's creation has the actor's id with another letter: who gives none means the actor.
  const creations = new Set(
    found.filter((id) => id.startsWith("a-")).map((id) => creationTaskId(id as ActorId)),
  );
  const ids = [...new Set(found)].filter((id) => !creations.has(id as TaskId));
  if (ids.length <= 1) return ids[0] ?? null;
  const more = ids.length > SHOWN ? `, and ${ids.length - SHOWN} more` : "";
  throw new UsageError(
    `${command}: ${JSON.stringify(given)} begins ${ids.length} ids: ${ids.slice(0, SHOWN).join(", ")}${more}`,
  );
}
