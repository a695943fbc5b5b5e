/**
 * Actors that somebody watches and that the head has not heard of: their creation is on its way, waits for arguments in its
 * owner's process, never comes, or was forgotten long ago.
 * @module
 */
import type { ActorId, ProcessId } from "../../common/ids.ts";
import type { ActorStatus, DeathCause } from "../../common/task_spec.ts";
import type { ActorEffect } from "./actor_events.ts";
import type { ActorTable } from "./actor_table.ts";

/** How long a watched actor may be unknown before its watchers hear that it does not exist. */
export const UNKNOWN_MS: number = 60_000;
/** Unknown actors that may be watched; above that the oldest are answered at once. */
export const UNKNOWN_MAX: number = 10_000;

/** See the module's header. */
export class UnknownActors {
  readonly #table: ActorTable;
  /** When they are given up, and whose they are, if their watchers know that. */
  readonly #actors: Map<ActorId, { readonly dueMs: number; readonly owner: ProcessId | undefined }> =
    new Map();

  constructor(table: ActorTable) {
    this.#table = table;
  }

  /** Somebody watches it. */
  add(nowMs: number, actorId: ActorId, owner: ProcessId | undefined, out: ActorEffect[]): void {
    if (!this.#actors.has(actorId)) this.#actors.set(actorId, { dueMs: nowMs + UNKNOWN_MS, owner });
    if (this.#actors.size > UNKNOWN_MAX) this.giveUp(this.#actors.keys().next().value!, out);
  }

  /** It is known now, or nobody watches it any more. */
  delete(actorId: ActorId): void {
    this.#actors.delete(actorId);
  }

  /** Watchers are gone. */
  prune(): void {
    for (const actorId of [...this.#actors.keys()]) {
      if (this.#table.watchersOf(actorId).length === 0) this.#actors.delete(actorId);
    }
  }

  /** Those of this owner never come. */
  ownerDied(owner: ProcessId, cause: DeathCause, out: ActorEffect[]): void {
    for (const [actorId, actor] of [...this.#actors]) {
      if (actor.owner === owner) this.giveUp(actorId, out, cause);
    }
  }

  tick(nowMs: number, out: ActorEffect[]): void {
    for (const [actorId, { dueMs }] of [...this.#actors]) if (nowMs >= dueMs) this.giveUp(actorId, out);
  }

  /** Its watchers hear that it is dead. */
  giveUp(actorId: ActorId, out: ActorEffect[], deathCause: DeathCause = notKnown(actorId)): void {
    this.#actors.delete(actorId);
    const nodes = this.#table.watchersOf(actorId);
    for (const node of nodes) this.#table.unwatch(actorId, node);
    const nothing = { nodeId: null, workerId: null, socketPath: null, pid: null, restartsLeft: 0 };
    const status: ActorStatus = { actorId, state: "DEAD", incarnation: 0, ...nothing, deathCause };
    out.push({ type: "publishStatus", nodes, status });
  }
}

function notKnown(actorId: ActorId): DeathCause {
  const message = `actor ${actorId} is not known: it ended long ago, or its creation never reached the head`;
  return { code: "CREATION_FAILED", message };
}
