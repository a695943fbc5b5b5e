/**
 * What one step of the GCS tells nodes of light actors: orders to start them and their states, put together so that a
 * thousand actors are one message. They leave at the end of the step or before its answer, after everything that it persists;
 * agents and callers go by incarnations, so that what another message of the same step says may come first.
 * @module
 */
import { haveCommonSpec, packSpecs } from "../../common/actor_batches.ts";
import type { NodeId } from "../../common/ids.ts";
import type { ActorSpec, ActorStatus } from "../../common/task_spec.ts";
import type { ActorEffect } from "../actor/actor_events.ts";
import type { GcsEffect, Of } from "./gcs_events.ts";
import { send } from "./gcs_replies.ts";

/** Actors of one message: it stays well below what a frame holds. */
const BATCH_MAX = 2_000;
/** Open batches of its node that a new actor is compared with, the last ones: most are like the one before. */
const COMPARED = 8;

type Start = Of<ActorEffect, "startActor">;
type Stop = Of<ActorEffect, "stopActor">;

/** What each node is told of one kind, in batches. */
class Batches<T> {
  readonly #byNode: Map<NodeId, T[][]> = new Map();
  readonly #areAlike: (one: T, other: T) => boolean;

  constructor(areAlike: (one: T, other: T) => boolean) {
    this.#areAlike = areAlike;
  }

  add(nodeId: NodeId, item: T): void {
    const batches = this.#byNode.get(nodeId) ?? [];
    this.#byNode.set(nodeId, batches);
    const open = batches.slice(-COMPARED).find((batch) =>
      batch.length < BATCH_MAX && this.#areAlike(batch[0]!, item)
    );
    if (open === undefined) batches.push([item]);
    else open.push(item);
  }

  /** All of them, which are none afterwards. */
  *take(): Generator<[NodeId, T[]]> {
    for (const [nodeId, batches] of this.#byNode) for (const batch of batches) yield [nodeId, batch];
    this.#byNode.clear();
  }
}

/** See the module's header. */
export class LightSends {
  /** Why each of them ends is the head's to say: those with the same code share a message. */
  readonly #stops: Batches<Stop> = new Batches((one, other) =>
    one.graceful === other.graceful && one.cause.code === other.cause.code
  );
  readonly #starts: Batches<Start> = new Batches((one, other) => haveCommonSpec(one.spec, other.spec));
  readonly #statuses: Batches<ActorStatus> = new Batches(areAlike);

  start(order: Start): void {
    this.#starts.add(order.nodeId, order);
  }

  stop(order: Stop): void {
    this.#stops.add(order.nodeId, order);
  }

  /** The states of others leave as they are. */
  publish({ nodes, status }: Of<ActorEffect, "publishStatus">, out: GcsEffect[]): void {
    // An error's bytes ride with a message of its own.
    const isBatched = status.shared === true && status.hasErrorValue !== true;
    for (const nodeId of nodes) {
      if (isBatched) this.#statuses.add(nodeId, status);
      else send(nodeId, "actorStatus", { status }, true, out);
    }
  }

  /** The end of a step, or its answer. */
  flush(out: GcsEffect[]): void {
    for (const [nodeId, orders] of this.#stops.take()) {
      const { graceful, cause } = orders[0]!;
      const actors = orders.map(({ actorId, incarnation }) => [actorId, incarnation] as const);
      send(nodeId, "stopActors", { actors, graceful, cause }, true, out);
    }
    for (const [nodeId, orders] of this.#starts.take()) {
      const specs: ActorSpec[] = orders.map(({ spec }) => spec);
      const incarnations = orders.map(({ incarnation }) => incarnation);
      const restarted = orders.map((order) => order.restarted);
      // Whoever sends it knows the arguments.
      send(nodeId, "startActors", { ...packSpecs(specs), argBytes: [], incarnations, restarted }, true, out);
    }
    for (const [nodeId, statuses] of this.#statuses.take()) {
      const { actorId: _id, incarnation: _incarnation, ...common } = statuses[0]!;
      const actors = statuses.map(({ actorId, incarnation }) => [actorId, incarnation] as const);
      send(nodeId, "actorStatuses", { common, actors }, true, out);
    }
  }
}

function areAlike(one: ActorStatus, other: ActorStatus): boolean {
  return one.state === other.state && one.workerId === other.workerId && one.nodeId === other.nodeId &&
    one.restartsLeft === other.restartsLeft && one.deathCause?.code === other.deathCause?.code &&
    one.deathCause?.message === other.deathCause?.message;
}
