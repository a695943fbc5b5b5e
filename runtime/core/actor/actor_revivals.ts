/**
 * Actors that are brought back for lineage: results of their calls were lost, and only they can make them again. A process
 * that has such results (a keeper) says so; when it must have calls run again and the actor has gone out of scope, the actor
 * is restarted, at the cost of a restart, and ends again when those calls are done. Part of the actor manager.
 *
 *   DEAD (OUT_OF_SCOPE) --a keeper revives it--> RESTARTING ... ALIVE --no reviver left--> DEAD (OUT_OF_SCOPE)
 *        \--no keeper left--> DEAD (REF_DELETED), for good
 *
 * Keepers are not persisted: what a restarted head finds dead stays so.
 * @module
 */
import type { ActorId, JobId, NodeId, ProcessId } from "../../common/ids.ts";
import type { ActorEffect, ActorEvent } from "./actor_events.ts";
import type { ActorLife } from "./actor_life.ts";
import { type ActorEntry, type ActorLineage, type ActorTable, isRevivable } from "./actor_table.ts";

type Event<T extends ActorEvent["type"]> = Extract<ActorEvent, { type: T }>;

/** Ends an actor that nobody refers to. */
type End = (entry: ActorEntry, out: ActorEffect[]) => void;

export class ActorRevivals {
  readonly #table: ActorTable;
  readonly #life: ActorLife;
  /** Actors with keepers, and perhaps some that were forgotten. */
  readonly #kept: Set<ActorId> = new Set();

  constructor(table: ActorTable, life: ActorLife) {
    this.#table = table;
    this.#life = life;
  }

  step(nowMs: number, event: Event<"actorLineage" | "reviveActor">, end: End, out: ActorEffect[]): void {
    if (event.type === "reviveActor") this.#revive(nowMs, event, out);
    else this.#heard(event, end, out);
  }

  #heard(event: Event<"actorLineage">, end: End, out: ActorEffect[]): void {
    const { actorId, process, nodeId, word } = event;
    const entry = this.#table.get(actorId);
    if (entry === undefined) return void this.#kept.delete(actorId); // It ended long ago.
    if (word === "kept") {
      return void this.#keeps(entry, process, nodeId);
    }
    this.#done(entry, process, end, out);
    if (word === "released") this.#released(entry, process, out);
  }

  #revive(nowMs: number, event: Event<"reviveActor">, out: ActorEffect[]): void {
    const { requestId, actorId, process, nodeId } = event;
    const entry = this.#table.get(actorId);
    const refuse = (why: string): void => {
      const message = `actor ${actorId} cannot be brought back: ${why}`;
      out.push({ type: "actorRefused", requestId, code: "ActorDiedError", message });
    };
    if (entry === undefined) return refuse("it ended long ago");
    if (entry.state === "DEAD") {
      if (!isRevivable(entry)) {
        const { code, message } = entry.deathCause!;
        const isUsedUp = code === "OUT_OF_SCOPE" && entry.restartsLeft === 0;
        return refuse(isUsedUp ? "it has used up its restarts (maxRestarts)" : message);
      }
      if (entry.restartsLeft > 0) entry.restartsLeft--;
      this.#table.exhume(entry);
      const lineage = this.#keeps(entry, process, nodeId);
      lineage.revivers.add(process);
      lineage.isUnreferenced = true;
      lineage.restarts++;
      this.#life.place(nowMs, entry, out);
    } else if (entry.ending === null) this.#keeps(entry, process, nodeId).revivers.add(process);
    const { incarnation, ending } = entry;
    out.push({ type: "actorRevived", requestId, incarnation, ending: ending !== null });
  }

  #keeps(entry: ActorEntry, process: ProcessId, nodeId: NodeId): ActorLineage {
    this.#kept.add(entry.spec.actorId);
    entry.lineage ??= { keepers: new Map(), revivers: new Set(), isUnreferenced: false, restarts: 0 };
    entry.lineage.keepers.set(process, nodeId);
    return entry.lineage;
  }

  /** Its last handle is gone. Whether it goes on nevertheless, until those who need it are done. */
  postpones({ lineage }: ActorEntry): boolean {
    if (lineage === null || lineage.revivers.size === 0) return false;
    lineage.isUnreferenced = true;
    return true;
  }

  /** A process is gone, as a keeper and as an owner. */
  processGone(process: ProcessId, end: End, out: ActorEffect[]): void {
    this.#each((entry) => {
      if (entry.spec.owner === process && entry.state === "DEAD") this.#releaseAll(entry, out);
      else this.#gone(entry, process, end, out);
    });
  }

  nodeGone(nodeId: NodeId, end: End, out: ActorEffect[]): void {
    this.#each((entry) => {
      if (entry.spec.ownerNode === nodeId && entry.state === "DEAD") return this.#releaseAll(entry, out);
      for (const [process, node] of [...entry.lineage?.keepers ?? []]) {
        if (node === nodeId) this.#gone(entry, process, end, out);
      }
    });
  }

  jobEnded(jobId: JobId, out: ActorEffect[]): void {
    this.#each((entry) => {
      if (entry.spec.jobId === jobId && entry.state === "DEAD") this.#releaseAll(entry, out);
    });
  }

  #each(visit: (entry: ActorEntry) => void): void {
    for (const actorId of [...this.#kept]) {
      const entry = this.#table.get(actorId);
      if (entry === undefined) this.#kept.delete(actorId);
      else visit(entry);
    }
  }

  #gone(entry: ActorEntry, process: ProcessId, end: End, out: ActorEffect[]): void {
    this.#done(entry, process, end, out);
    this.#released(entry, process, out);
  }

  /** A reviver has no calls left, or was none. */
  #done(entry: ActorEntry, process: ProcessId, end: End, out: ActorEffect[]): void {
    const { lineage } = entry;
    if (lineage === null || !lineage.revivers.delete(process)) return;
    if (lineage.revivers.size > 0 || !lineage.isUnreferenced) return;
    lineage.isUnreferenced = false;
    if (entry.state !== "DEAD") end(entry, out);
  }

  #releaseAll(entry: ActorEntry, out: ActorEffect[]): void {
    for (const process of [...entry.lineage?.keepers.keys() ?? []]) this.#released(entry, process, out);
  }

  #released(entry: ActorEntry, process: ProcessId, out: ActorEffect[]): void {
    const { lineage } = entry;
    if (lineage === null || !lineage.keepers.delete(process) || lineage.keepers.size > 0) return;
    const { actorId } = entry.spec;
    this.#kept.delete(actorId);
    if (entry.deathCause?.code !== "OUT_OF_SCOPE") return;
    const message =
      `actor ${actorId} ended because its last handle was released, and the last result of its calls since`;
    entry.deathCause = { code: "REF_DELETED", message };
    this.#table.persist(entry, out);
  }
}
