/**
 * Why an actor is where it is, and where an object is, in one sentence with the numbers. Pure: facts in, words out.
 * @module
 */
import { byteText } from "../../common/byte_text.ts";
import type { ObjectId } from "../../common/ids.ts";
import type { ActorSpec, ActorStatus, DeathCause } from "../../common/task_spec.ts";
import type { LeaseFacts } from "../../common/why_facts.ts";
import { type ArgumentFacts, describeArguments, describeLease, duration } from "./words.ts";

export interface ActorFacts {
  readonly spec: ActorSpec;
  readonly status: ActorStatus;
  readonly nowMs: number;
  readonly createdMs: number;
  readonly startedMs: number | null;
  readonly endedMs: number | null;
  /** Constructor arguments that are not there yet. */
  readonly missing: readonly ArgumentFacts[];
  /** When it is placed again, after it has died repeatedly; null when nothing is delayed. */
  readonly placeAtMs: number | null;
  /** Why the global scheduler has not picked a node; null when it has. */
  readonly cluster: string | null;
  /** Its request at the picked node; null when that has been granted. */
  readonly lease: LeaseFacts | null;
  /** Why the store takes no writes; null when it does. */
  readonly storeWaiting: string | null;
  /** Why the incarnation before this one ended; null where that is not known. */
  readonly restartCause?: DeathCause | null;
}

export function actorSentence(facts: ActorFacts): string {
  const { spec, status, nowMs } = facts;
  const named = spec.name === "" ? "" : ` ${JSON.stringify(spec.name)}`;
  const who = `${spec.actorId} (${spec.className}${named})`;
  const { nodeId, workerId, pid } = status;
  switch (status.state) {
    case "DEAD": {
      const { code, message } = status.deathCause ?? { code: "unknown", message: "its cause is not known" };
      const dead = facts.endedMs === null
        ? "is dead"
        : `has been dead for ${duration(nowMs - facts.endedMs)}`;
      return `${who} ${dead} (${code}): ${message}`;
    }
    case "ALIVE": {
      const alive = facts.startedMs === null
        ? "is alive"
        : `has been alive for ${duration(nowMs - facts.startedMs)}`;
      return `${who} ${alive} on ${nodeId}, worker ${workerId} (pid ${pid})`;
    }
    case "DEPENDENCIES_UNREADY":
      return `${who} has waited ${duration(nowMs - facts.createdMs)} for ${describeArguments(facts.missing)}`;
    case "PENDING_CREATION":
    case "RESTARTING":
      return `${who} ${status.state === "RESTARTING" ? restarting(facts) : "is to be created"}: ${
        placement(facts)
      }`;
  }
}

function restarting({ status: { restartsLeft }, restartCause }: ActorFacts): string {
  const because = restartCause == null
    ? ""
    : ` after its end (${restartCause.code}: ${String(restartCause.message).replace(/\.$/, "")})`;
  return `restarts${because} (${restartsLeft < 0 ? "without end" : `${restartsLeft} more left`})`;
}

function placement(facts: ActorFacts): string {
  const { status, lease, cluster, placeAtMs, nowMs } = facts;
  if (facts.storeWaiting !== null) {
    return `nothing leaves the head before it is committed, and the store takes no writes: ${facts.storeWaiting}`;
  }
  if (placeAtMs !== null && placeAtMs > nowMs) {
    return `it died at once, and is placed again in ${duration(placeAtMs - nowMs)}`;
  }
  if (cluster !== null) return cluster;
  if (lease !== null) return describeLease(lease, null, null);
  if (status.nodeId === null) return "a node is being chosen";
  return `its constructor runs on ${status.nodeId}`;
}

export interface ObjectFacts {
  readonly id: ObjectId;
  readonly nodes: readonly string[];
  readonly bytes: number;
  readonly maker: string | null;
  /** How its last copy was lost; null when it was not. */
  readonly loss?: { readonly atMs: number; readonly reason: string } | null;
  readonly nowMs?: number;
}

/** Where an object is, or what makes it. */
export function objectSentence({ id, nodes, bytes, maker, loss, nowMs = 0 }: ObjectFacts): string {
  if (nodes.length > 0) return `${id} is stored at ${nodes.join(", ")}, ${byteText(bytes)}`;
  if (loss != null) {
    const made = maker === null ? "" : `; ${maker}`;
    return `${id} was lost ${duration(nowMs - loss.atMs)} ago: ${loss.reason.replace(/\.$/, "")}${made}`;
  }
  return `${id} is in no node's store: ${maker ?? "it is small and with its owner, or it is gone"}`;
}
