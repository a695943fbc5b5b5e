/**
 * What a node says of its objects when people ask (`mobula mem`): what the table, the counts and the pulls know, by id.
 * @module
 */
import { type ActorId, type NodeId, type ObjectId, taskOfObject } from "../../common/ids.ts";
import type { NodeObject, ObjectHolder } from "../../common/memory_facts.ts";
import type { StoredEntry } from "../../core/object/object_table_types.ts";
import type { CountedFacts } from "../../core/object/references_types.ts";
import type { ObjectReport } from "../../protocol/messages.ts";

/** How a node reports an object to the GCS. */
export function reportOf({ report, resident }: StoredEntry): ObjectReport {
  return resident ? report : { ...report, spilled: true };
}

/** An object on its way to the node. */
interface Incoming {
  readonly id: ObjectId;
  readonly home: NodeId;
  readonly state: string;
  readonly bytes: number;
}

interface Row {
  copy: NodeObject["copy"];
  owner: NodeObject["owner"];
  home: NodeObject["home"];
  readonly holders: ObjectHolder[];
}

/** All of the node, or what it knows of `id`. */
export function memoryOf(
  nodeId: NodeId,
  entries: Iterable<StoredEntry>,
  counted: Iterable<CountedFacts>,
  incoming: Iterable<Incoming>,
  id: ObjectId | ActorId | null,
): NodeObject[] {
  const rows = new Map<ObjectId | ActorId, Row>();
  const rowOf = (of: ObjectId | ActorId): Row => {
    let row = rows.get(of);
    if (row === undefined) rows.set(of, row = { copy: null, owner: null, home: null, holders: [] });
    return row;
  };
  for (const entry of entries) if (id === null || entry.id === id) addCopy(nodeId, rowOf(entry.id), entry);
  for (const one of counted) if (id === null || one.id === id) addHolders(nodeId, rowOf(one.id), one);
  for (const pull of incoming) {
    if (id !== null && pull.id !== id) continue;
    const row = rowOf(pull.id);
    row.home ??= pull.home;
    if (row.copy !== null || pull.state !== "fetching") continue;
    const { bytes } = pull;
    row.copy = { state: "IN_FLIGHT", bytes, primary: false, sealedMs: null, producer: producerOf(pull.id) };
  }
  return [...rows].map(([id, row]) => ({ id, callSite: null, ...row }));
}

function addCopy(
  nodeId: NodeId,
  row: Row,
  { id, offset, size, resident, report, sealedMs, pins }: StoredEntry,
): void {
  row.copy = {
    state: !resident ? "SPILLED" : offset === null ? "INLINE" : "IN_MEMORY",
    bytes: size,
    primary: report.primary,
    sealedMs,
    producer: report.producer ?? producerOf(id),
  };
  row.owner = report.owner;
  row.home = report.home;
  for (const holder of pins.keys()) row.holders.push({ holder, nodeId, kind: "PINNED_IN_MEMORY" });
}

function addHolders(nodeId: NodeId, row: Row, { id, home, holders, owner, owned }: CountedFacts): void {
  row.home ??= home;
  row.owner = owner ?? row.owner;
  const isActor = id.startsWith("a-");
  const processes = new Set(holders);
  if (owned && owner !== null) processes.add(owner);
  for (const holder of processes) {
    const isInside = holder.startsWith("o-");
    const kind = isInside ? "CAPTURED_IN_OBJECT" : isActor ? "ACTOR_HANDLE" : "LOCAL_REFERENCE";
    row.holders.push({ holder, nodeId, kind });
  }
}

/** What was put has no task; the name of one that a pull brought is known where it was made. */
function producerOf(id: ObjectId): string {
  return taskOfObject(id) === null ? "put" : "";
}
