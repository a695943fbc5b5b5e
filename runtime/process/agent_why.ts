/**
 * What this node answers for people's sake. To "why is it not running?" it adds its processes' word on their calls, its
 * local scheduler's on requests, and its store's on arguments that are on their way. It only looks.
 * @module
 */
import { MOBULA_VERSION } from "../common/config.ts";
import type { ActorId, ProcessId, TaskId } from "../common/ids.ts";
import type { CallFacts, LeaseFacts, NodeFacts, RoomFacts } from "../common/why_facts.ts";
import type { ObjectStore } from "../io/store/store_host.ts";
import type { Handlers } from "../io/transport/rpc.ts";
import type { NodeMethods } from "../protocol/messages.ts";
import { actorLeaseId } from "./agent_actors.ts";
import type { AgentParts } from "./agent_handlers.ts";
import { nodeMemory } from "./agent_object_rows.ts";

/** A process that computes does not answer; people do not wait long. */
const PROCESS_ANSWER_MS = 1_000;

export function explainHandlers(parts: () => AgentParts): Handlers<NodeMethods> {
  return {
    explainCall: ({ id, process }) => explainCall(parts(), id, process),
    clock: () => ({ nowMs: Date.now(), version: MOBULA_VERSION }),
    explainWorker: ({ workerId }) => {
      const { store } = parts();
      const waiting = store.waitsForRoom(workerId);
      return { creating: waiting === null ? null : { ...waiting, room: roomFacts(store) } };
    },
    nodeMemory: ({ limit, id }) => nodeMemory(parts(), limit, id),
    explainLease: (params) => {
      if ("requestId" in params) return { lease: leaseFacts(parts(), params.submitter, params.requestId) };
      const { actorId, incarnation } = params;
      const submitter = parts().actors.ownerOf(actorId);
      const requestId = actorLeaseId(actorId, incarnation);
      return { lease: submitter === null ? null : leaseFacts(parts(), submitter, requestId) };
    },
  };
}

async function explainCall(
  parts: AgentParts,
  id: TaskId | ActorId,
  process: ProcessId | null,
): Promise<NodeFacts> {
  const asked = process === null ? [...parts.processes.all()] : [parts.processes.get(process)];
  const answers = await Promise.all(asked.map(async (attached): Promise<CallFacts | null> => {
    if (attached === undefined) return null;
    try {
      const { result } = await attached.rpc.request("explain", { id }, [], { timeoutMs: PROCESS_ANSWER_MS });
      return result.call;
    } catch {
      return null; // It computes, or is gone: what others know is said.
    }
  }));
  const call = answers.find((answer) => answer !== null) ?? null;
  if (call?.stage.at !== "queue" || process === null) return { call, lease: null };
  for (const requestId of call.stage.requests) {
    const lease = leaseFacts(parts, process, requestId);
    if (lease !== null) return { call, lease };
  }
  return { call, lease: null };
}

function leaseFacts(
  { leases, store, workers }: AgentParts,
  submitter: ProcessId,
  requestId: string,
): LeaseFacts | null {
  const request = leases.scheduler.explain(submitter, requestId);
  if (request === null) return null;
  const { args, runtimeEnv, ...facts } = request;
  const pulls = args.flatMap(({ id }) => store.pulls.facts(id) ?? []);
  const lacksRoom = pulls.some(({ state }) => state === "located" || state === "reserving");
  const room = lacksRoom ? roomFacts(store) : null;
  return { ...facts, pulls, preparing: workers.isPreparing(runtimeEnv), room };
}

function roomFacts(store: ObjectStore): RoomFacts {
  const { capacity, used, pinned, canSpill } = store.usage();
  return { capacity, usedBytes: used, pinnedBytes: pinned, canSpill };
}
