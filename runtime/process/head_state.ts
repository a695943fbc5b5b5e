/**
 * `mobula show` and getState(): all that is known of one id. Of an object the nodes are asked too, who holds it.
 * @module
 */
import { kindOfId } from "../common/id_kinds.ts";
import { objectState } from "../core/object/object_state.ts";
import { memoryReport } from "./head_memory.ts";
import type { HeadServices } from "./head_methods.ts";

/** A task has a row per attempt: more are cut. */
const ROWS_MAX = 100;

/** @throws {TypeError | RangeError} for what is no id. */
export async function stateOf(
  services: HeadServices,
  id: string,
  nowMs: number,
): Promise<Record<string, unknown>[]> {
  const { kind, column } = kindOfId(id);
  const query = { filters: [`${column}=${id}`], limit: ROWS_MAX, detail: true };
  const { rows } = services.view.list(kind, query);
  if (kind !== "objects") return rows;
  const { rows: [told] } = await memoryReport(services, { id }, nowMs);
  const object = objectState(id, rows[0] ?? null, told ?? null);
  return object === null ? [] : [object];
}
