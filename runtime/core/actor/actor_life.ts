/**
 * What may happen to one actor, whatever the reason: placed, alive, restarted, dead. The actor manager decides which of
 * these it is; each is written down, told and followed up here, in the same order always: persist, then act, then publish.
 * @module
 */
import type { NodeId, ProcessId } from "../../common/ids.ts";
import type { DeathCause } from "../../common/task_spec.ts";
import type { ActorEffect } from "./actor_events.ts";
import type { ActorEntry, ActorTable } from "./actor_table.ts";

/** The second failed start in a row delays the next by this, doubling up to the maximum. */
export const START_DELAY_MS: number = 500;
export const START_DELAY_MAX_MS: number = 10_000;

export class ActorLife {
  readonly #table: ActorTable;
  /** All and only actors with a delay or a grace that runs. */
  readonly timed: Set<ActorEntry> = new Set();

  constructor(table: ActorTable) {
    this.#table = table;
  }

  /**
   * Asks for a place, now or after a delay; whatever the actor was told before is persisted first. `stops`: orders about the
   * incarnation before this one, which leave when this one is durable. Else a restarted head would hear of an end that it
   * knows no reason for, and take it for the actor's.
   */
  place(nowMs: number, entry: ActorEntry, out: ActorEffect[], stops: readonly ActorEffect[] = []): void {
    const tries = entry.failedStarts;
    if (tries >= 2) {
      entry.placeAtMs = nowMs + Math.min(START_DELAY_MAX_MS, START_DELAY_MS * 2 ** Math.min(10, tries - 2));
      this.timed.add(entry);
    }
    this.#table.persist(entry, out);
    out.push(...stops);
    this.#table.publish(entry, out);
    if (tries < 2) out.push({ type: "placeActor", spec: entry.spec, incarnation: entry.incarnation });
  }

  start({ spec, incarnation, state }: ActorEntry, nodeId: NodeId, out: ActorEffect[]): void {
    out.push({ type: "startActor", nodeId, spec, incarnation, restarted: state === "RESTARTING" });
  }

  alive(
    nowMs: number,
    entry: ActorEntry,
    at: { workerId: ProcessId | null; socketPath: string | null; pid: number | null },
    out: ActorEffect[],
  ): void {
    this.#table.transition(entry, "ALIVE");
    entry.workerId = at.workerId;
    entry.socketPath = at.socketPath;
    entry.pid = at.pid;
    entry.failedStarts = 0;
    entry.startedMs ??= nowMs;
    this.#table.persist(entry, out);
    this.#table.publish(entry, out);
  }

  /** Nothing is timed for it any more. */
  found(entry: ActorEntry): void {
    entry.placeAtMs = entry.missingSinceMs = null;
    this.timed.delete(entry);
  }

  restartOrDie(
    nowMs: number,
    entry: ActorEntry,
    cause: DeathCause,
    out: ActorEffect[],
    options: { stop: boolean },
  ): void {
    // A drained node is not the actor's fault: it costs no restart, also when none is left (as in Ray).
    const preempted = cause.code === "PREEMPTED" && entry.spec.maxRestarts !== 0;
    if (entry.ending !== null || (entry.restartsLeft === 0 && !preempted)) {
      return this.die(nowMs, entry, entry.ending ?? cause, out, options);
    }
    const stops: ActorEffect[] = [];
    if (options.stop) this.stop(entry, false, cause, stops);
    this.found(entry);
    if (entry.state !== "ALIVE") entry.failedStarts++;
    if (entry.restartsLeft > 0 && !preempted) entry.restartsLeft--;
    this.#table.transition(entry, "RESTARTING");
    entry.restartCause = cause;
    entry.incarnation++;
    entry.nodeId =
      entry.workerId =
      entry.socketPath =
      entry.pid =
        null;
    this.place(nowMs, entry, out, stops);
  }

  die(
    nowMs: number,
    entry: ActorEntry,
    cause: DeathCause,
    out: ActorEffect[],
    options: { stop: boolean } = { stop: true },
  ): void {
    const { spec, incarnation, state } = entry;
    if (state === "DEPENDENCIES_UNREADY" && spec.args.length > 0) {
      out.push({ type: "cancelDependencies", actorId: spec.actorId, args: spec.args });
    }
    if (isPending(entry) && entry.nodeId === null) {
      out.push({ type: "cancelPlacement", actorId: spec.actorId, incarnation });
    }
    this.found(entry);
    this.#table.bury(nowMs, entry, cause, out);
    if (options.stop) this.stop(entry, false, cause, out);
    this.#table.publish(entry, out);
  }

  stop(entry: ActorEntry, graceful: boolean, cause: DeathCause, out: ActorEffect[]): void {
    const { nodeId, incarnation, spec } = entry;
    if (nodeId === null) return;
    const shared = spec.isolation === "shared" ? { shared: true as const } : {};
    out.push({ type: "stopActor", nodeId, actorId: spec.actorId, incarnation, graceful, cause, ...shared });
  }
}

/** Whether it waits for its constructor to run. */
export function isPending(entry: ActorEntry): boolean {
  return entry.state === "PENDING_CREATION" || entry.state === "RESTARTING";
}
