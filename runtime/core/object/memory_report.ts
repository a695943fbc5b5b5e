/**
 * Makes one report of what the nodes say of their objects (`mobula mem`): a row for each object, and sums.
 * @module
 */
import type { NodeId } from "../../common/ids.ts";
import type {
  CopyState,
  MemoryGrouping,
  MemoryReport,
  MemoryRow,
  MemoryTotal,
  NodeObject,
  NodeObjects,
  ObjectHolder,
} from "../../common/memory_facts.ts";

export interface NodeAnswer {
  readonly nodeId: NodeId;
  /** Null: it did not answer in time. */
  readonly answer: NodeObjects | null;
}

/** The copy that says best where the object is comes first. */
const BEST: readonly CopyState[] = ["IN_MEMORY", "INLINE", "SPILLED", "IN_FLIGHT"];

type Copy = MemoryRow["nodes"][number] & { readonly bytes: number };

/** What is known of one object so far. */
interface Gathered {
  bytes: number;
  producer: string;
  owner: string;
  home: string;
  callSite: string | null;
  sealedMs: number | null;
  readonly copies: Copy[];
  readonly holders: ObjectHolder[];
}

/** `producerOf`: the function that made an object, when a node does not know. */
export function memoryReportOf(
  nodes: readonly NodeAnswer[],
  nowMs: number,
  producerOf: (id: string) => string | null,
): MemoryReport {
  const gathered = new Map<string, Gathered>();
  for (const { nodeId, answer } of nodes) {
    for (const object of answer?.objects ?? []) gather(gathered, nodeId, object);
  }
  const rows: MemoryRow[] = [];
  const totals = { node: new Totals(), owner: new Totals(), producer: new Totals() };
  for (const [id, found] of gathered) {
    const producer = found.producer === "" ? producerOf(id) ?? "" : found.producer;
    const row = rowOf(id, { ...found, producer }, nowMs);
    rows.push(row);
    if (row.state === "ACTOR") continue;
    totals.owner.add(row.owner, found.copies);
    totals.producer.add(row.producer, found.copies);
    for (const copy of found.copies) totals.node.add(copy.nodeId, [copy]);
  }
  return {
    rows,
    left: sum(nodes, (answer) => answer.left),
    unreachable: nodes.filter(({ answer }) => answer === null).map(({ nodeId }) => nodeId),
    silent: nodes.flatMap(({ answer }) => answer?.silent ?? []),
    totals: {
      node: totals.node.rows(),
      owner: totals.owner.rows(),
      producer: totals.producer.rows(),
    } satisfies Record<MemoryGrouping, MemoryTotal[]>,
    stores: nodes.flatMap(({ nodeId, answer }) =>
      answer === null ? [] : [{ nodeId, used: answer.used, capacity: answer.capacity }]
    ),
  };
}

function gather(all: Map<string, Gathered>, nodeId: NodeId, object: NodeObject): void {
  const { id, copy, owner, home, callSite, holders } = object;
  let found = all.get(id);
  if (found === undefined) {
    found = {
      bytes: 0,
      producer: "",
      owner: "",
      home: "",
      callSite: null,
      sealedMs: null,
      copies: [],
      holders: [],
    };
    all.set(id, found);
  }
  // Its home knows the owner; other nodes derive it from the id.
  if (found.owner === "" || home === nodeId) found.owner = owner ?? found.owner;
  found.home ||= home ?? "";
  found.callSite ??= callSite;
  found.holders.push(...holders);
  if (copy === null) return;
  const { state, bytes, primary, sealedMs, producer } = copy;
  found.bytes ||= bytes;
  found.producer ||= producer;
  found.copies.push({ nodeId, state, primary, bytes });
  if (sealedMs !== null) found.sealedMs = Math.min(found.sealedMs ?? sealedMs, sealedMs);
}

function rowOf(objectId: string, found: Gathered, nowMs: number): MemoryRow {
  const { bytes, producer, owner, home, callSite, sealedMs, copies, holders } = found;
  const best = BEST.find((state) => copies.some((copy) => copy.state === state));
  return {
    objectId,
    bytes,
    state: best ?? (objectId.startsWith("a-") ? "ACTOR" : "PENDING"),
    nodes: copies.map(({ nodeId, state, primary }) => ({ nodeId, state, primary })),
    producer,
    owner,
    home,
    callSite,
    ageMs: sealedMs === null ? null : Math.max(0, nowMs - sealedMs),
    holders,
  };
}

class Totals {
  readonly #totals = new Map<string, { -readonly [K in Exclude<keyof MemoryTotal, "key">]: number }>();

  /** One object with these copies. */
  add(key: string, copies: readonly Copy[]): void {
    let total = this.#totals.get(key);
    if (total === undefined) {
      total = { objects: 0, copies: 0, bytes: 0, inMemoryBytes: 0, spilledBytes: 0, inFlightBytes: 0 };
      this.#totals.set(key, total);
    }
    total.objects++;
    for (const { state, bytes } of copies) {
      total.copies++;
      total.bytes += bytes;
      if (state === "SPILLED") total.spilledBytes += bytes;
      else if (state === "IN_FLIGHT") total.inFlightBytes += bytes;
      else total.inMemoryBytes += bytes;
    }
  }

  /** The largest first. */
  rows(): MemoryTotal[] {
    return [...this.#totals].map(([key, total]) => ({ key, ...total })).sort((a, b) => b.bytes - a.bytes);
  }
}

function sum(nodes: readonly NodeAnswer[], of: (answer: NodeObjects) => number): number {
  let total = 0;
  for (const { answer } of nodes) if (answer !== null) total += of(answer);
  return total;
}
