/**
 * Which owners of objects, and which nodes, have died: what they had announced may still appear for a while (a report or a
 * result is on its way), and after that never.
 * @module
 */
import type { NodeId, ObjectId, ProcessId } from "../../common/ids.ts";
import { RecentMap } from "./recent_map.ts";

/** Dead owners, and dead nodes, that are remembered. */
export const DEATHS_KEPT: number = 10_000;
/** How long after its owner's death an object that was announced may still appear. */
export const OWNER_GRACE_MS: number = 2_000;

export interface Death {
  /** From then on nothing appears any more. */
  readonly dueMs: number;
  readonly reason: string;
}

export class OwnerDeaths {
  /** By the part of an owner's id that its objects' ids carry (common/ids.ts). */
  readonly #owners: RecentMap<string, Death> = new RecentMap(DEATHS_KEPT);
  readonly #nodes: RecentMap<NodeId, Death> = new RecentMap(DEATHS_KEPT);
  /** Owners whose objects were not looked for since they died, with when to look. Bounded like those remembered. */
  readonly #unswept: RecentMap<ProcessId, number> = new RecentMap(DEATHS_KEPT);
  /** Not before: looking is a walk over all objects. */
  #lookMs: number = -Infinity;

  ownerDied(nowMs: number, owner: ProcessId, reason: string): void {
    const dueMs = nowMs + OWNER_GRACE_MS;
    this.#owners.set(owner.slice(2), { dueMs, reason });
    this.#unswept.set(owner, dueMs);
  }

  ownerLives(owner: ProcessId): void {
    this.#owners.delete(owner.slice(2));
    this.#unswept.delete(owner);
  }

  /** Whether this owner's objects have lost it. */
  has(owner: ProcessId): boolean {
    return this.#owners.has(owner.slice(2));
  }

  /** Those that died a while ago, each once: what their nodes were still to report of them has been reported. */
  takeDue(nowMs: number): ReadonlySet<ProcessId> {
    const due = new Set<ProcessId>();
    if (nowMs < this.#lookMs) return due;
    for (const [owner, dueMs] of this.#unswept) {
      if (nowMs < dueMs) break; // In order.
      due.add(owner);
    }
    for (const owner of due) this.#unswept.delete(owner);
    if (due.size > 0) this.#lookMs = nowMs + OWNER_GRACE_MS;
    return due;
  }

  /** When `takeDue` has something again; Infinity for never. */
  get nextDueMs(): number {
    const [[, dueMs] = [null, Infinity]] = this.#unswept;
    return Math.max(dueMs, this.#lookMs);
  }

  /** The node died, and with it the owners of these objects: it may be back as another incarnation, they never. */
  nodeDied(nowMs: number, nodeId: NodeId, reason: string, owned: Iterable<ObjectId>): void {
    const death = { dueMs: nowMs + OWNER_GRACE_MS, reason: `its owner died with node ${nodeId}: ${reason}` };
    this.#nodes.set(nodeId, death);
    for (const id of owned) this.#owners.set(ownerOf(id), death);
  }

  /** The node is a member again. */
  nodeBack(nodeId: NodeId): void {
    this.#nodes.delete(nodeId);
  }

  /** The death that keeps an object from being made, or null. */
  of(id: ObjectId, home: NodeId): Death | null {
    return this.#nodes.get(home) ?? this.#owners.get(ownerOf(id)) ?? null;
  }

  ofNode(nodeId: NodeId): Death | null {
    return this.#nodes.get(nodeId) ?? null;
  }
}

function ownerOf(id: ObjectId): string {
  return id.slice(2, id.lastIndexOf("-"));
}
