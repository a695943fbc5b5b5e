/**
 * Words that the sentences of "why" share: durations, places, arguments and leases.
 * @module
 */
import { byteText } from "../../common/byte_text.ts";
import type { NodeId, ObjectId } from "../../common/ids.ts";
import type { LeaseFacts, PullFacts, RoomFacts, StandingFacts } from "../../common/why_facts.ts";

/** An argument that is not there, with what the head knows of it. */
export interface ArgumentFacts {
  readonly id: ObjectId;
  /** Nodes that hold it. */
  readonly nodes: readonly NodeId[];
  readonly bytes: number;
  /** The sentence about the task that makes it; null for one that was put, or whose task nobody knows. */
  readonly maker: string | null;
}

/** `350 ms`, `3.2 s`, `12 min`. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 120_000) return `${(ms / 1_000).toFixed(1)} s`;
  return `${Math.round(ms / 60_000)} min`;
}

/** `1 call`, `2 calls`. */
export function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

/** A sentence in the middle of another one: without its capital and its full stop. Ids stay as they are. */
export function clause(sentence: string): string {
  const text = sentence.replace(/\.$/, "");
  return /^[A-Z][a-z ]/.test(text) ? text[0]!.toLowerCase() + text.slice(1) : text;
}

export function describeArguments(missing: readonly ArgumentFacts[]): string {
  const first = missing[0];
  if (first === undefined) return "its arguments, which are about to be known";
  const more = missing.length > 1 ? ` (and ${missing.length - 1} more)` : "";
  const { id, nodes, bytes, maker } = first;
  if (nodes.length > 0) return `argument ${id}${more}, ${byteText(bytes)} at ${nodes.join(", ")}`;
  return maker === null
    ? `argument ${id}${more}, which no node has stored yet`
    : `argument ${id}${more}: ${maker}`;
}

export function describePull(pull: PullFacts, to: NodeId): string {
  const size = pull.bytes > 0 ? ` (${byteText(pull.bytes)})` : "";
  const failed = pull.lastError === "" ? "" : ` (the last try failed: ${pull.lastError})`;
  switch (pull.state) {
    case "locating":
      return `argument ${pull.id}, which no node has stored yet${failed}`;
    case "located":
    case "reserving":
      return `room in the object store of ${to} for argument ${pull.id}${size}${failed}`;
    case "fetching":
      return `argument ${pull.id}${size}, which ${to} pulls from ${pull.from.join(" and ")}: ${
        byteText(pull.arrivedBytes)
      } have arrived${failed}`;
    case "paused":
      return `argument ${pull.id}${size}, which could not be pulled to ${to} and is tried again${failed}`;
  }
}

/** `, 12.5 MiB of 16.0 MiB are taken, 12.0 MiB of them held by readers, and nothing may be spilled`. */
export function describeRoom({ capacity, usedBytes, pinnedBytes, canSpill }: RoomFacts): string {
  const pinned = pinnedBytes === 0 ? "" : `, ${byteText(pinnedBytes)} of them held by readers`;
  const spill = canSpill ? "" : ", and nothing may be spilled to disk";
  return `: ${byteText(usedBytes)} of ${byteText(capacity)} are taken${pinned}${spill}`;
}

/** Of a generator that may not go on. */
export function describeStanding({ unread, limit }: StandingFacts): string {
  return `it stands at its yield: its reader has ${
    count(unread, "unread item")
  }, and it may be ${limit} ahead ` +
    "(generatorBackpressure)";
}

/** What a lease request waits for. `remote`: as the node knows it that it was passed on to; `cluster`: why the global
 *  scheduler has not picked a node. */
export function describeLease(
  lease: LeaseFacts,
  remote: LeaseFacts | null,
  cluster: string | null,
): string {
  if (lease.phase === "forwarded") {
    const there = remote === null ? "" : `; there: ${describeLease(remote, null, null)}`;
    return `it was passed on to ${lease.forwardedTo}${there}`;
  }
  if (lease.phase === "deciding" && cluster !== null) return cluster;
  if (lease.phase === "starting" && lease.preparing) {
    return `${lease.nodeId} fetches and unpacks its workingDir before a worker process can start`;
  }
  const pull = lease.pulls[0];
  if (lease.phase === "pulling" && pull !== undefined) {
    const more = lease.pulls.length > 1 ? ` (and ${lease.pulls.length - 1} more)` : "";
    const room = lease.room == null ? "" : describeRoom(lease.room);
    return `${lease.nodeId} waits for ${describePull(pull, lease.nodeId)}${more}${room}`;
  }
  return `${lease.nodeId}: ${clause(lease.reason)}`;
}
