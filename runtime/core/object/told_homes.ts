/**
 * Which homes were told of which stored objects because their owners died. Such a word is lost with the connection that it
 * was sent on, so a home that connects again is told again, until the object is gone or its home is.
 * @module
 */
import type { NodeId, ObjectId, ProcessId } from "../../common/ids.ts";
import type { Ownerless } from "./directory_events.ts";

export class ToldHomes {
  /** Bounded by the objects that are stored. */
  readonly #byHome: Map<NodeId, Map<ObjectId, ProcessId>> = new Map();

  told(home: NodeId, objects: readonly Ownerless[]): void {
    let known = this.#byHome.get(home);
    if (known === undefined) this.#byHome.set(home, known = new Map());
    for (const { id, owner } of objects) known.set(id, owner);
  }

  /** What this home was told and that still lies somewhere. */
  of(home: NodeId): Ownerless[] {
    return [...this.#byHome.get(home) ?? []].map(([id, owner]) => ({ id, owner }));
  }

  /** The object lies nowhere any more. */
  ended(home: NodeId, id: ObjectId): void {
    const known = this.#byHome.get(home);
    if (known?.delete(id) === true && known.size === 0) this.#byHome.delete(home);
  }

  homeDied(home: NodeId): void {
    this.#byHome.delete(home);
  }

  /** All that is remembered, for checks. */
  *all(): IterableIterator<readonly [home: NodeId, id: ObjectId]> {
    for (const [home, ids] of this.#byHome) for (const id of ids.keys()) yield [home, id];
  }
}
