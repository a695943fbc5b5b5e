/**
 * The columns of nodes, workers, jobs, placement groups and stored objects.
 * @module
 */
import type { JobDto, NodeDto } from "../../../../dashboard/api_types.ts";
import type { MemoryRow } from "../../../common/memory_facts.ts";
import type { WorkerRow } from "../cluster_rows.ts";
import type { TrackedObject } from "../object_groups.ts";
import type { PlacementGroupRow } from "../placement_group_rows.ts";
import {
  amount,
  BYTES,
  type Column,
  columnsOver,
  DETAIL,
  flag,
  listOf,
  mapOf,
  objectOf,
  oneOf,
  orNull,
  text,
  TIME,
  whole,
} from "./column.ts";

const runtime = oneOf("bun", "deno", "node", "");
const node = columnsOver<NodeDto>();
const lateTime = { ...TIME, ...DETAIL };
const MEASURED = { measured: true };

export const NODE_COLUMNS: readonly Column<NodeDto>[] = [
  node("nodeId", text, "The node.", (row) => row.nodeId),
  node("state", oneOf("ALIVE", "SUSPECT", "DEAD"), "SUSPECT: its heartbeat is late.", (row) => row.state),
  node(
    "stateMessage",
    text,
    "Why it is in this state, if there is something to say.",
    (row) => row.stateMessage,
  ),
  node(
    "drain",
    orNull(objectOf({ reason: text, deadlineMs: amount })),
    "It takes no new work and leaves at the deadline; null: it stays.",
    (row) => row.drain,
  ),
  node("hostname", text, "Its machine.", (row) => row.hostname),
  node("address", text, "HOST:PORT of its agent.", (row) => row.address),
  node("pid", whole, "Process of its agent.", (row) => row.pid),
  node("runtime", runtime, "Runtime of its agent.", (row) => row.runtime),
  node("isHeadNode", flag, "Whether the head runs beside it.", (row) => row.isHeadNode),
  node(
    "resources",
    mapOf(objectOf({ total: amount, used: amount })),
    "By name, in whole units.",
    (row) => row.resources,
  ),
  node("labels", mapOf(text), "Its labels.", (row) => row.labels, DETAIL),
  node("storeBytes", amount, "Capacity of its object store.", (row) => row.storeBytes, BYTES),
  node("storeUsedBytes", amount, "Of these in use.", (row) => row.storeUsedBytes, BYTES),
  node("storeObjects", whole, "Objects in its store.", (row) => row.storeObjects, MEASURED),
  node("storeSpilledBytes", amount, "Objects on its disk.", (row) => row.storeSpilledBytes, BYTES),
  node("workers", whole, "Its worker processes.", (row) => row.workers, MEASURED),
  node("memoryKills", whole, "Workers that were ended for low memory.", (row) => row.memoryKills, MEASURED),
  node(
    "metricsAddress",
    orNull(text),
    "HOST:PORT where its metrics are scraped; null: nowhere.",
    (row) => row.metricsAddress,
  ),
  node("cpuPercent", amount, "Processor load of the machine.", (row) => row.cpuPercent),
  node(
    "rssBytes",
    amount,
    "Memory in use on the machine, or in its container.",
    (row) => row.rssBytes,
    BYTES,
  ),
  node("memoryBytes", amount, "What there is of it; 0: not known.", (row) => row.memoryBytes, BYTES),
  node(
    "netInPerSecond",
    amount,
    "Bytes that the machine received in the last second.",
    (row) => row.netInPerSecond,
  ),
  node("netOutPerSecond", amount, "Bytes that it sent in the last second.", (row) => row.netOutPerSecond),
  node(
    "diskBytes",
    amount,
    "The disk that objects are spilled to; 0: not known.",
    (row) => row.diskBytes,
    BYTES,
  ),
  node("diskFreeBytes", amount, "What is free of it.", (row) => row.diskFreeBytes, BYTES),
  node("startedMs", amount, "When its agent began.", (row) => row.startedMs, TIME),
  node("heardMs", amount, "When the head last heard of it.", (row) => row.heardMs, lateTime),
  node(
    "isFenced",
    flag,
    "It was declared dead, and what asks in its name is refused.",
    (row) => row.isFenced,
    DETAIL,
  ),
];

const worker = columnsOver<WorkerRow>();

export const WORKER_COLUMNS: readonly Column<WorkerRow>[] = [
  worker("workerId", text, "The worker.", (row) => row.workerId),
  worker("nodeId", text, "Its node.", (row) => row.nodeId),
  worker("pid", orNull(whole), "Its process, once it has started.", (row) => row.pid),
  worker("runtime", runtime, "Its runtime.", (row) => row.runtime),
  worker(
    "state",
    oneOf("STARTING", "IDLE", "LEASED", "ACTOR", "DEAD"),
    "LEASED: it runs tasks of a submitter; ACTOR: it hosts actors.",
    (row) => row.state,
  ),
  worker("jobId", orNull(text), "The job that it is bound to.", (row) => row.jobId),
  worker("actorId", orNull(text), "The actor that it hosts.", (row) => row.actorId),
  worker("startedMs", amount, "When it was started.", (row) => row.startedMs, TIME),
  worker("endedMs", orNull(amount), "When it ended.", (row) => row.endedMs, TIME),
  worker("exitDetail", orNull(text), "Why it ended.", (row) => row.exitDetail),
];

const job = columnsOver<JobDto>();

export const JOB_COLUMNS: readonly Column<JobDto>[] = [
  job("jobId", text, "The job.", (row) => row.jobId),
  job(
    "type",
    oneOf("SUBMISSION", "DRIVER"),
    "SUBMISSION: its driver is the program of a submitted job; DRIVER: it was started by other means.",
    (row) => row.submissionId === undefined ? "DRIVER" : "SUBMISSION",
  ),
  job("submissionId", orNull(text), "The submitted job, if it is one.", (row) => row.submissionId ?? null),
  job(
    "state",
    oneOf("RUNNING", "SUCCEEDED", "FAILED"),
    "FAILED: its driver was lost or ended with an error.",
    (row) => row.state,
  ),
  job("message", text, "Why it ended.", (row) => row.message),
  job("entrypoint", text, "What was started.", (row) => row.entrypoint),
  job("namespace", text, "Where its named actors are.", (row) => row.namespace),
  job("nodeId", orNull(text), "The node that its driver is attached to.", (row) => row.nodeId),
  job("driverId", text, "Its driver.", (row) => row.driverId),
  job("pid", orNull(whole), "Process of its driver.", (row) => row.pid),
  job("runtime", text, "Runtime of its driver.", (row) => row.runtime),
  job("startedMs", amount, "When it began.", (row) => row.startedMs, TIME),
  job("endedMs", orNull(amount), "When it ended.", (row) => row.endedMs, TIME),
];

const group = columnsOver<PlacementGroupRow>();

export const GROUP_COLUMNS: readonly Column<PlacementGroupRow>[] = [
  group("placementGroupId", text, "The placement group.", (row) => row.placementGroupId),
  group("name", text, "Its name, or nothing.", (row) => row.name),
  group("namespace", text, "Where its name is known.", (row) => row.namespace),
  group(
    "state",
    oneOf("PENDING", "PREPARED", "CREATED", "RESCHEDULING", "REMOVED"),
    "CREATED: all of its bundles are reserved.",
    (row) => row.state,
  ),
  group("message", text, "Why it waits, or was removed.", (row) => row.message),
  group("strategy", oneOf("PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD"), "How bundles are laid out.", (
    row,
  ) => row.strategy),
  group(
    "bundles",
    listOf(objectOf({ index: whole, resources: mapOf(amount), nodeId: orNull(text) })),
    "What each reserves, and where.",
    (row) => row.bundles,
  ),
  group("jobId", text, "The job that made it.", (row) => row.jobId),
  group("owner", text, "The process that made it.", (row) => row.owner, DETAIL),
  group("detached", flag, "Whether it outlives its job.", (row) => row.detached),
  group("createdMs", amount, "When it was asked for.", (row) => row.createdMs, TIME),
  group("readyMs", orNull(amount), "When it was whole first.", (row) => row.readyMs, lateTime),
  group("endedMs", orNull(amount), "When it was removed.", (row) => row.endedMs, TIME),
];

const object = columnsOver<TrackedObject>();

export const OBJECT_COLUMNS: readonly Column<TrackedObject>[] = [
  object("objectId", text, "The object.", (row) => row.id),
  object("bytes", amount, "Size of one copy.", (row) => row.bytes, BYTES),
  object("producer", text, 'The function that made it, or "put".', (row) => row.group),
  object("nodes", listOf(text), "Nodes with a copy.", (row) => [...row.nodes]),
  object("spilled", listOf(text), "Of these, those whose copy is on disk alone.", (row) => [
    ...row.spilled ?? [],
  ]),
  object("inFlight", listOf(text), "Nodes that it is on its way to.", (row) => [...row.inFlight ?? []]),
  object("primary", text, "Node of the copy that is kept; nothing when it is lost.", (row) => row.primary),
  object("owner", text, "The process that counts its references.", (row) => row.owner),
  object("home", text, "The node that counts them for others.", (row) => row.home, DETAIL),
  object(
    "isError",
    orNull(flag),
    "Whether it is an error in place of a value.",
    (row) => row.isError,
    DETAIL,
  ),
];

const told = columnsOver<MemoryRow>();
const copyState = oneOf("IN_MEMORY", "INLINE", "SPILLED", "IN_FLIGHT");

/** What the nodes add of one object (core/object/object_state.ts). */
export const OBJECT_HOLDER_COLUMNS: readonly Column<MemoryRow>[] = [
  told(
    "state",
    orNull(oneOf(...copyState.enum as string[], "PENDING", "ACTOR")),
    "Of its best copy; PENDING: it is stored nowhere.",
    (row) => row.state,
  ),
  told(
    "copies",
    listOf(objectOf({ nodeId: text, state: copyState, primary: flag })),
    "Its copies.",
    (row) => row.nodes,
  ),
  told("callSite", orNull(text), "Where it was made, when call sites are recorded.", (row) => row.callSite),
  told("ageMs", orNull(amount), "Since it was complete.", (row) => row.ageMs, { unit: "ms" }),
  told(
    "holders",
    listOf(objectOf({
      holder: text,
      nodeId: text,
      kind: oneOf(
        "LOCAL_REFERENCE",
        "USED_BY_PENDING_TASK",
        "CAPTURED_IN_OBJECT",
        "PINNED_IN_MEMORY",
        "ACTOR_HANDLE",
      ),
    })),
    "Who keeps it.",
    (row) => row.holders,
  ),
];
