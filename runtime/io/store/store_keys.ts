/**
 * The names under which the store's machines know what its callers want, and what they are given to seal.
 * @module
 */
import type { ObjectId, ProcessId } from "../../common/ids.ts";
import type { Seal } from "../../core/object/object_table_types.ts";
import type { AgentMethods } from "../../protocol/messages.ts";

/** Of a new object: what its creator made is the primary copy. */
export function sealOf(params: AgentMethods["sealObject"]["params"]): Seal {
  const { home, owner, isError, producer } = params;
  return { home, owner, isError, producer, primary: true };
}

/** Of one request of one process; with "": what all keys of the process begin with. */
export function requestKey(process: ProcessId, requestId: string): string {
  return `${process}/${requestId}`;
}

export function leaseKey(key: string): string {
  return `lease:${key}`;
}

export function checkId(id: unknown): asserts id is ObjectId {
  if (typeof id !== "string" || !id.startsWith("o-")) {
    throw new TypeError(`${String(id)} is not an object id`);
  }
}
