/**
 * Nothing is freed that is still referred to, and nothing stays that is not.
 * @module
 */
import type { ObjectId } from "../../../runtime/common/ids.ts";
import type { SimAgent } from "../sim_agent.ts";
import type { SimWorld } from "../sim_world.ts";

/** A home says that nobody refers to these any more. */
export function checkFreed(world: SimWorld, home: SimAgent, ids: readonly ObjectId[]): void {
  for (const id of ids) {
    const holder = world.refs.holderOf(id, world.fallen.size === 0);
    if (holder !== null) world.fail(`${home.nodeId} frees ${id}, which ${holder} refers to`);
  }
}

/** At rest: what lies on the nodes is what somebody refers to. */
export function checkNothingLeft(world: SimWorld): void {
  for (const agent of world.agents.values()) {
    agent.store.check();
    for (const { id, home } of agent.store.table.reports()) {
      // Nobody counts what a dead node was the home of; and a head that crashed no longer knows what had been freed while a
      // node was away.
      if (world.fallen.has(home) || world.head.lives > 1 || world.refs.isUsed(id)) continue;
      world.fail(`${id} lies on ${agent.nodeId}, and nobody refers to it`);
    }
    const { waiting, pinnedBytes } = agent.store.table.counts();
    if (waiting > 0) world.fail(`${waiting} creators wait on ${agent.nodeId}`);
    if (pinnedBytes > 0) world.fail(`${pinnedBytes} bytes are pinned on ${agent.nodeId}`);
    if (agent.store.pulls.pullCount > 0) {
      world.fail(`${agent.store.pulls.pullCount} objects are still being pulled to ${agent.nodeId}`);
    }
  }
}

/** Who really refers to what: processes that live, by what they were told. */
export class RefBook {
  /** Objects that a living process owns and has not let go. */
  readonly #owned: Map<ObjectId, string> = new Map();
  /** Objects inside others that lie somewhere: inner -> outer. */
  readonly #inside: Map<ObjectId, Set<ObjectId>> = new Map();

  /** Processes that hold an object of another one, and whose hold its home has counted. */
  readonly #borrowers: Map<ObjectId, Set<string>> = new Map();

  owned(id: ObjectId, owner: string): void {
    this.#owned.set(id, owner);
  }

  released(id: ObjectId): void {
    this.#owned.delete(id);
  }

  /** The process is gone, and perhaps its node: others' counts alone keep its objects. */
  ownerGone(owner: string): void {
    for (const [id, other] of this.#owned) {
      if (other !== owner) continue;
      this.#owned.delete(id);
      this.#inside.delete(id);
    }
  }

  /** The owner of `outer` has been told that it contains `inner`. */
  contains(outer: ObjectId, inner: ObjectId): void {
    let outers = this.#inside.get(inner);
    if (outers === undefined) this.#inside.set(inner, outers = new Set());
    outers.add(outer);
  }

  /** The home has counted the hold. It counts nothing of an object whose owner let go before. */
  borrowed(id: ObjectId, process: string): void {
    if (!this.#owned.has(id)) return;
    let borrowers = this.#borrowers.get(id);
    if (borrowers === undefined) this.#borrowers.set(id, borrowers = new Set());
    borrowers.add(process);
  }

  /** It let go, or is gone. */
  returned(id: ObjectId, process: string): void {
    const borrowers = this.#borrowers.get(id);
    if (borrowers?.delete(process) === true && borrowers.size === 0) this.#borrowers.delete(id);
  }

  /** Who must find the object: its owner, or (`deeply`) who borrows it or owns one that contains it. Null for nobody. */
  holderOf(id: ObjectId, deeply: boolean): string | null {
    const owner = this.#owned.get(id);
    if (owner !== undefined || !deeply) return owner ?? null;
    for (const borrower of this.#borrowers.get(id) ?? []) return borrower;
    for (const outer of this.#inside.get(id) ?? []) {
      const holder = this.#owned.get(outer);
      if (holder !== undefined) return `${outer} of ${holder}`;
    }
    return null;
  }

  isUsed(id: ObjectId): boolean {
    return this.holderOf(id, true) !== null;
  }
}
