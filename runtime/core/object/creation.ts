/**
 * An object that somebody is writing. Part of the object table.
 * @module
 */
import type { ObjectId } from "../../common/ids.ts";
import type { Holder, TableEffect } from "./object_table_types.ts";

export interface Creation {
  readonly holder: Holder;
  readonly id: ObjectId;
  readonly offset: number | null;
  readonly size: number;
  readonly isCold: boolean;
}

/** The answer to its creator. */
export function granted(requestId: string, { id, offset, isCold }: Creation): TableEffect {
  return { type: "granted", requestId, id, offset, ...(isCold && { isCold }) };
}

/** Several may create one object at a time. */
export function creationKey(holder: Holder, id: ObjectId): string {
  return `${holder} ${id}`;
}
