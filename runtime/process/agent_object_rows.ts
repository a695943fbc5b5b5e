/**
 * This node's answer to `mobula mem`: what its store and its counts know, and what its processes say of the refs that they
 * hold. It only looks; a process that computes does not answer in time, and is named.
 * @module
 */
import type { ActorId, NodeId, ObjectId, ProcessId } from "../common/ids.ts";
import type { HeldRef, NodeObject, NodeObjects, ObjectHolder } from "../common/memory_facts.ts";
import type { AgentParts } from "./agent_handlers.ts";
import type { AttachedProcess } from "./agent_processes.ts";

/** People do not wait long. */
const PROCESS_ANSWER_MS = 1_000;
/** Refs that one process is asked for. */
const REFS_MAX = 20_000;
/** Objects that one node tells of. */
const OBJECTS_MAX = 10_000;

export async function nodeMemory(
  { nodeId, store, processes }: AgentParts,
  limit: number,
  id: ObjectId | ActorId | null,
): Promise<NodeObjects> {
  const refs = new Map<ProcessId, Map<string, HeldRef>>();
  const silent: ProcessId[] = [];
  await Promise.all([...processes.all()].map(async (process) => {
    const held = await heldBy(process, id);
    if (held === null) silent.push(process.id);
    else refs.set(process.id, held);
  }));
  // After the processes: what they have let go of meanwhile is not told of.
  const all = store.memory(id);
  all.sort((a, b) => (b.copy?.bytes ?? 0) - (a.copy?.bytes ?? 0));
  const told = all.slice(0, Math.min(limit, OBJECTS_MAX)).map((object) => withRefs(object, refs, nodeId));
  const { capacity, used } = store.usage();
  return { objects: told, left: all.length - told.length, silent, capacity, used };
}

async function heldBy(
  process: AttachedProcess,
  id: ObjectId | ActorId | null,
): Promise<Map<string, HeldRef> | null> {
  try {
    const asked = process.rpc.request("heldRefs", { limit: REFS_MAX, id }, [], {
      timeoutMs: PROCESS_ANSWER_MS,
    });
    const { refs } = (await asked).result;
    return new Map(refs.map((ref) => [ref.id, ref]));
  } catch {
    return null;
  }
}

/** What a process says replaces what its agent can only guess: that it has some ref; and adds what that does not know. */
function withRefs(
  object: NodeObject,
  refs: ReadonlyMap<ProcessId, ReadonlyMap<string, HeldRef>>,
  nodeId: NodeId,
): NodeObject {
  let { callSite } = object;
  const holders = object.holders.flatMap((held): ObjectHolder[] => {
    const ref = held.kind === "LOCAL_REFERENCE"
      ? refs.get(held.holder as ProcessId)?.get(object.id)
      : undefined;
    if (ref === undefined) return [held];
    callSite ??= ref.callSite;
    const kinds: ObjectHolder[] = [];
    if (ref.uses > 0 || ref.pendingCalls === 0) kinds.push(held);
    if (ref.pendingCalls > 0) kinds.push({ ...held, kind: "USED_BY_PENDING_TASK" });
    return kinds;
  });
  for (const [holder, held] of refs) {
    const isListed = holders.some((known) => known.holder === holder && known.kind === "LOCAL_REFERENCE");
    if (held.get(object.id)?.isBundled === true && !isListed) {
      holders.push({ holder, nodeId, kind: "LOCAL_REFERENCE" });
    }
  }
  return { ...object, callSite, holders };
}
