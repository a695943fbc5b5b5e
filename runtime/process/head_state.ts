/**
 * The state API as the head answers it: its view's rows, and for a single object also what the nodes say of its holders.
 * @module
 */
import type { StateReader, StateRow } from "../../dashboard/api/state.ts";
import { kindOfId } from "../common/id_kinds.ts";
import { objectState } from "../core/object/object_state.ts";
import type { Handlers } from "../io/transport/rpc.ts";
import type { HeadMethods } from "../protocol/messages.ts";
import { memoryReport } from "./head_memory.ts";
import type { HeadServices } from "./head_methods.ts";

export function stateReader(services: HeadServices): StateReader {
  const { state } = services.view;
  return {
    tables: state.tables,
    list: (kind, query) => state.list(kind, query),
    summarize: (kind, query) => state.summarize(kind, query),
    get: (id) => stateOf(services, id),
  };
}

export function stateHandlers(services: HeadServices): Handlers<HeadMethods> {
  const { state } = services.view;
  return {
    list: ({ kind, filters, limit, after, detail }) => state.list(kind, { filters, limit, after, detail }),
    summarize: ({ kind, by, filters }) => state.summarize(kind, { by, filters }),
    state: async ({ id }) => ({ rows: await stateOf(services, id) }),
  };
}

/** @throws {TypeError | RangeError} for what is no id. */
async function stateOf(services: HeadServices, id: string): Promise<StateRow[]> {
  const rows = await services.view.state.get(id);
  if (kindOfId(id).kind !== "objects") return rows;
  const { rows: [told] } = await memoryReport(services, { id }, services.nowMs());
  const object = objectState(id, rows[0] ?? null, told ?? null);
  return object === null ? [] : [object];
}
