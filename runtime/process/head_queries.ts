/**
 * What the pages' queries may ask of the head, beyond the view's tables.
 * @module
 */
import type { QueryServices } from "../../dashboard/server/queries/query.ts";
import { EntityReads } from "../io/telemetry/entity_reads.ts";
import { memoryReport } from "./head_memory.ts";
import type { HeadServices } from "./head_methods.ts";
import { metricsSource } from "./head_metrics.ts";
import { stateReader } from "./head_state.ts";
import { Why } from "./head_why.ts";

export function queryServices(services: HeadServices): Omit<QueryServices, "view"> {
  const { view, nowMs, console, reader, records } = services;
  return {
    console,
    telemetry: view.telemetry,
    history: reader,
    records,
    state: stateReader(services),
    metrics: metricsSource(services),
    entities: new EntityReads(view, nowMs),
    memory: (params) => memoryReport(services, params, nowMs()),
    why: (id) => new Why(services, nowMs).explain(id),
  };
}
