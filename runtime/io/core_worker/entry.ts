/**
 * One object as one process knows it: the state behind its refs. An entry that never left its process (a small result
 * that was awaited) costs no message; one that is stored, or whose ref left, is counted at its home.
 *
 *   pending --result--> value | bytes | stored | error        (owned: this process submitted or put it)
 *   remote  --get-----> bytes | error                          (borrowed: a ref that came from elsewhere; small values are kept)
 *
 * `count` is what keeps it alive here: unreleased refs, tasks under way that take it as an argument, and values that
 * contain it. Refs that are collected without release() are noticed when the whole entry is collected.
 * @module
 */
import type { NodeId, ObjectId, TaskId } from "../../common/ids.ts";
import { returnId } from "../../common/ids.ts";
import type { Held } from "./actor_uses.ts";

export type EntryState = "pending" | "value" | "bytes" | "stored" | "error" | "remote";

/** Called once when an entry leaves `pending`. */
export interface EntryWaiter {
  entrySettled(entry: Entry): void;
}

/** See the module's header. */
export class Entry {
  state: EntryState;
  /** A primitive (value), encoded bytes (bytes, error), or null. */
  payload: unknown = null;
  /** Size in the store, or of the encoded bytes. */
  bytes = 0;
  readonly owned: boolean;
  count = 0;
  /** Its home counts it: it is stored, or its ref has left this process. */
  registered = false;
  /** Refs and handles inside the value, held as long as it. */
  contained: Held[] | null = null;
  /** What made it, for the task graph: a function's name, or "put". */
  producer: string;
  /** Where a copy is known to be, as a hint for scheduling. */
  location: NodeId | null = null;
  waiters: EntryWaiter[] | null = null;
  /** Set when its last use ended; nothing may touch it any more. */
  released = false;
  /** The node whose agent counts it; an owner's own node, which a driver learns when it is connected. */
  readonly #at: { readonly node: NodeId };
  #id: ObjectId | null;
  readonly #task: TaskId | (() => TaskId) | null;
  readonly #index: number;

  constructor(
    init: {
      id: ObjectId | null;
      task?: () => TaskId;
      index?: number;
      state: EntryState;
      at: { readonly node: NodeId };
      owned: boolean;
      producer: string;
    },
  ) {
    this.#id = init.id;
    this.#task = init.task ?? null;
    this.#index = init.index ?? 0;
    this.state = init.state;
    this.#at = init.at;
    this.owned = init.owned;
    this.producer = init.producer;
  }

  /** Made when first asked for: most results never need their id as text. */
  get id(): ObjectId {
    if (this.#id === null) {
      const task = this.#task as () => TaskId;
      this.#id = returnId(task(), this.#index);
    }
    return this.#id;
  }

  get home(): NodeId {
    return this.#at.node;
  }

  get isPending(): boolean {
    return this.state === "pending";
  }

  onSettled(waiter: EntryWaiter): void {
    if (this.waiters === null) this.waiters = [waiter];
    else this.waiters.push(waiter);
  }

  offSettled(waiter: EntryWaiter): void {
    const index = this.waiters?.indexOf(waiter) ?? -1;
    if (index >= 0) this.waiters!.splice(index, 1);
  }

  settle(state: EntryState, payload: unknown, bytes: number): void {
    if (this.state !== "pending") return; // A duplicate reply: the first one counts.
    this.state = state;
    this.payload = payload;
    this.bytes = bytes;
    const waiters = this.waiters;
    this.waiters = null;
    if (waiters !== null) { for (const waiter of waiters) waiter.entrySettled(this); }
  }
}
