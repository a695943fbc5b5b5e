/**
 * Requests that wait for objects that do not exist yet: the GCS's callbacks. Each has a key (its node and its name there),
 * so that a resent one replaces the first and a cancelled one is found.
 * @module
 */
import { assert } from "../../common/assert.ts";
import type { NodeId, ObjectId } from "../../common/ids.ts";

export interface Waiter {
  readonly key: string;
  readonly requestId: string;
  /** Who asked; null for the GCS itself. */
  readonly nodeId: NodeId | null;
  /** The node whose agent counts the object. */
  readonly home: NodeId;
  /** Where the object was made, as far as the asker was told. */
  at: NodeId | null;
  readonly sinceMs: number;
  /** It was made again there, for an owner that may be dead. */
  readonly remade: boolean;
}

export class ObjectWaiters {
  readonly #byObject: Map<ObjectId, Map<string, Waiter>> = new Map();
  readonly #byKey: Map<string, ObjectId> = new Map();

  /** Requests that wait. */
  get size(): number {
    return this.#byKey.size;
  }

  /** The key must be free: forget it first. */
  add(id: ObjectId, waiter: Waiter): void {
    assert(!this.#byKey.has(waiter.key), `${waiter.key} waits once`);
    let waiters = this.#byObject.get(id);
    if (waiters === undefined) this.#byObject.set(id, waiters = new Map());
    waiters.set(waiter.key, waiter);
    this.#byKey.set(waiter.key, id);
  }

  /** The request with this key waits no longer; undefined when it was answered before, or never arrived. */
  forget(key: string): Waiter | undefined {
    const id = this.#byKey.get(key);
    if (id === undefined) return undefined;
    this.#byKey.delete(key);
    const waiters = this.#byObject.get(id)!;
    const waiter = waiters.get(key);
    waiters.delete(key);
    if (waiters.size === 0) this.#byObject.delete(id);
    return waiter;
  }

  forgetNode(nodeId: NodeId): void {
    for (const [key, id] of [...this.#byKey]) {
      if (this.#byObject.get(id)!.get(key)!.nodeId === nodeId) this.forget(key);
    }
  }

  /** All that wait for the object, in order; they wait no longer. */
  take(id: ObjectId): Waiter[] {
    const waiters = [...this.#byObject.get(id)?.values() ?? []];
    for (const waiter of waiters) this.#byKey.delete(waiter.key);
    this.#byObject.delete(id);
    return waiters;
  }

  has(id: ObjectId): boolean {
    return this.#byObject.has(id);
  }

  /** Those that wait for the object, in order. */
  of(id: ObjectId): Iterable<Waiter> {
    return this.#byObject.get(id)?.values() ?? [];
  }

  /** All that wait, by object in order of the first request. */
  all(): { id: ObjectId; waiter: Waiter }[] {
    const all: { id: ObjectId; waiter: Waiter }[] = [];
    for (const [id, waiters] of this.#byObject) {
      for (const waiter of waiters.values()) all.push({ id, waiter });
    }
    return all;
  }

  check(): void {
    let count = 0;
    for (const [id, waiters] of this.#byObject) {
      assert(waiters.size > 0, `${id} is awaited`);
      for (const key of waiters.keys()) assert(this.#byKey.get(key) === id, `${key} waits for ${id}`);
      count += waiters.size;
    }
    assert(count === this.#byKey.size, "every request waits for one object");
  }
}
