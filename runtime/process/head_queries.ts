/**
 * What the pages' queries may ask of the head, beyond the view's tables.
 * @module
 */
import type { Topic } from "../../dashboard/api_types.ts";
import type { QueryServices } from "../../dashboard/server/queries/query.ts";
import { parseQuestion, QueryRegistry } from "../../dashboard/server/queries/registry.ts";
import { MOBULA_VERSION } from "../common/config.ts";
import { EntityReads } from "../io/telemetry/entity_reads.ts";
import type { Handlers } from "../io/transport/rpc.ts";
import type { HeadMethods } from "../protocol/messages.ts";
import type { NodeClock } from "../protocol/node_questions.ts";
import { memoryReport } from "./head_memory.ts";
import type { HeadServices } from "./head_methods.ts";
import { metricsSource } from "./head_metrics.ts";
import { stateReader } from "./head_state.ts";
import { Why } from "./head_why.ts";

export function queryServices(services: HeadServices): Omit<QueryServices, "view"> {
  const { view, nowMs, console, reader, records } = services;
  return {
    console,
    history: reader,
    records,
    state: stateReader(services),
    metrics: metricsSource(services),
    entities: new EntityReads(view, nowMs),
    memory: (params) => memoryReport(services, params, nowMs()),
    why: (id) => new Why(services, nowMs).explain(id),
    logs: services.logs,
    telemetry: view.telemetry,
  };
}

/** How long a node may take to say what its clock says. */
const CLOCK_ANSWER_MS = 3_000;

/** The same queries for the command line. */
export function queryHandlers(services: HeadServices): Handlers<HeadMethods> {
  let registry: QueryRegistry | null = null;
  return {
    clocks: async () => ({ version: MOBULA_VERSION, nodes: await clocksOf(services) }),
    topics: ({ names }) => {
      const unknown = names.find((name) => !services.view.topics.includes(name as Topic));
      if (unknown !== undefined) {
        throw new RangeError(`there is no topic ${JSON.stringify(unknown.slice(0, 40))}`);
      }
      return {
        data: Object.fromEntries(names.map((name) => [name, services.view.read(name as Topic, null).data])),
      };
    },
    query: async ({ question }) => {
      // The first time that somebody asks: the head's parts are all there by then.
      registry ??= new QueryRegistry({ ...queryServices(services), view: services.view });
      const { name, params } = parseQuestion(String(question));
      return { data: await registry.run(name, params) };
    },
  };
}

function clocksOf({ gcs, nodes }: HeadServices): Promise<NodeClock[]> {
  return Promise.all(
    gcs.nodes.members().map(async (nodeId): Promise<NodeClock> => {
      const beforeMs = Date.now();
      const startMs = performance.now();
      const answer = await nodes.ask(nodeId, "clock", {}, CLOCK_ANSWER_MS);
      if (answer === null) return { nodeId, offsetMs: null, roundTripMs: null, version: null };
      const roundTripMs = performance.now() - startMs;
      return {
        nodeId,
        offsetMs: answer.nowMs - (beforeMs + roundTripMs / 2),
        roundTripMs,
        version: answer.version,
      };
    }),
  );
}
