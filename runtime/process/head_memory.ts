/**
 * `mobula mem`: asks all nodes at once what they hold and who holds it. Nodes that do not answer in time are named.
 * @module
 */
import type { ActorId, ObjectId } from "../common/ids.ts";
import type { MemoryReport } from "../common/memory_facts.ts";
import { memoryReportOf } from "../core/object/memory_report.ts";
import type { HeadMethods } from "../protocol/messages.ts";
import type { HeadServices } from "./head_methods.ts";

/** How long a node may take to answer, its processes included. */
const NODE_ANSWER_MS = 3_000;
const LIMIT = 1_000;
const LIMIT_MAX = 10_000;

/** @throws {RangeError} for a limit that is none, {TypeError} for an id that is none. */
export async function memoryReport(
  { gcs, nodes, view }: HeadServices,
  { limit = LIMIT, id }: HeadMethods["memory"]["params"],
  nowMs: number,
): Promise<MemoryReport> {
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > LIMIT_MAX) {
    throw new RangeError(`limit must be an integer from 1 to ${LIMIT_MAX}, is ${String(limit)}`);
  }
  if (id !== undefined && !/^[ao]-/.test(String(id))) {
    throw new TypeError(`${JSON.stringify(String(id).slice(0, 100))} is no id of an object or an actor`);
  }
  const params = { limit, id: id === undefined ? null : id as ObjectId | ActorId };
  const answers = await Promise.all(
    gcs.nodes.members().map(async (nodeId) => ({
      nodeId,
      answer: await nodes.ask(nodeId, "nodeMemory", params, NODE_ANSWER_MS),
    })),
  );
  return memoryReportOf(
    answers,
    nowMs,
    (object) => view.objects.objects.get(object as ObjectId)?.group ?? null,
  );
}
