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
/** Open batches that a new actor is compared with, the last ones: most are like the one before. */
const COMPARED = 8;

type Start = Of<ActorEffect, "startActor">;
type Stop = Of<ActorEffect, "stopActor">;

interface Starts {
  readonly nodeId: NodeId;
  readonly orders: Start[];
}
interface Statuses {
  readonly nodeId: NodeId;
  readonly statuses: ActorStatus[];
}

/** See the module's header. */
export class LightSends {
  #stops: Stop[][] = [];
  #starts: Starts[] = [];
  #statuses: Statuses[] = [];

  start(order: Start): void {
    const { nodeId, spec } = order;
    const batch = this.#starts.slice(-COMPARED).find((each) =>
      each.nodeId === nodeId && each.orders.length < BATCH_MAX && haveCommonSpec(each.orders[0]!.spec, spec)
    );
    if (batch === undefined) this.#starts.push({ nodeId, orders: [order] });
    else batch.orders.push(order);
  }

  /** Why each of them ends is the head's to say: those with the same code share a message. */
  stop(order: Stop): void {
    const batch = this.#stops.slice(-COMPARED).find((orders) => {
      const first = orders[0]!;
      return first.nodeId === order.nodeId && orders.length < BATCH_MAX &&
        first.graceful === order.graceful &&
        first.cause.code === order.cause.code;
    });
    if (batch === undefined) this.#stops.push([order]);
    else batch.push(order);
  }

  /** The states of others leave as they are. */
  publish({ nodes, status }: Of<ActorEffect, "publishStatus">, out: GcsEffect[]): void {
    // An error's bytes ride with a message of its own.
    const isBatched = status.shared === true && status.hasErrorValue !== true;
    for (const nodeId of nodes) {
      if (isBatched) this.#publish(nodeId, status);
      else send(nodeId, "actorStatus", { status }, true, out);
    }
  }

  #publish(nodeId: NodeId, status: ActorStatus): void {
    const batch = this.#statuses.slice(-COMPARED).find((each) =>
      each.nodeId === nodeId && each.statuses.length < BATCH_MAX && areAlike(each.statuses[0]!, status)
    );
    if (batch === undefined) this.#statuses.push({ nodeId, statuses: [status] });
    else batch.statuses.push(status);
  }

  /** The end of a step, or its answer. */
  flush(out: GcsEffect[]): void {
    if (this.#starts.length + this.#stops.length + this.#statuses.length === 0) return;
    for (const orders of this.#stops) {
      const { nodeId, graceful, cause } = orders[0]!;
      const actors = orders.map(({ actorId, incarnation }) => [actorId, incarnation] as const);
      send(nodeId, "stopActors", { actors, graceful, cause }, true, out);
    }
    for (const { nodeId, orders } of this.#starts) {
      const specs: ActorSpec[] = orders.map(({ spec }) => spec);
      const incarnations = orders.map(({ incarnation }) => incarnation);
      const restarted = orders.map((order) => order.restarted);
      // Whoever sends it knows the arguments.
      send(nodeId, "startActors", { ...packSpecs(specs), argBytes: [], incarnations, restarted }, true, out);
    }
    for (const { nodeId, statuses } of this.#statuses) {
      const { actorId: _id, incarnation: _incarnation, ...common } = statuses[0]!;
      const actors = statuses.map(({ actorId, incarnation }) => [actorId, incarnation] as const);
      send(nodeId, "actorStatuses", { common, actors }, true, out);
    }
    this.#stops = [];
    this.#starts = [];
    this.#statuses = [];
  }
}

function areAlike(one: ActorStatus, other: ActorStatus): boolean {
  return one.state === other.state && one.workerId === other.workerId && one.nodeId === other.nodeId &&
    one.restartsLeft === other.restartsLeft && one.deathCause?.code === other.deathCause?.code &&
    one.deathCause?.message === other.deathCause?.message;
}
