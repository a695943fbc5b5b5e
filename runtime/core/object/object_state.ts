/**
 * All that is known of one object: what the head keeps of stored ones, joined with what the nodes say when they are asked.
 * @module
 */
import type { MemoryRow } from "../../common/memory_facts.ts";

/**
 * `stored`: the head's row, if it has one. `told`: the nodes' row; null when no node knows the object (any more). Null when
 * nobody does. An object that is not stored anywhere (its task is not done, or only its owner has the value) has the columns
 * of a stored one, empty.
 */
export function objectState(
  objectId: string,
  stored: Readonly<Record<string, unknown>> | null,
  told: MemoryRow | null,
): Record<string, unknown> | null {
  if (stored === null && told === null) return null;
  const copies = told?.nodes ?? [];
  const known = stored ?? {
    objectId,
    bytes: told?.bytes ?? 0,
    producer: told?.producer ?? "",
    nodes: copies.filter(({ state }) => state !== "IN_FLIGHT").map(({ nodeId }) => nodeId),
    spilled: copies.filter(({ state }) => state === "SPILLED").map(({ nodeId }) => nodeId),
    inFlight: copies.filter(({ state }) => state === "IN_FLIGHT").map(({ nodeId }) => nodeId),
    primary: copies.find(({ primary }) => primary)?.nodeId ?? "",
    owner: told?.owner ?? "",
    home: told?.home ?? "",
    isError: null,
  };
  return {
    ...known,
    state: told?.state ?? null,
    copies,
    callSite: told?.callSite ?? null,
    ageMs: told?.ageMs ?? null,
    holders: told?.holders ?? [],
  };
}
