/**
 * One object as one process knows it: the state behind its refs. An entry that never left its process (a small result
 * that was awaited) costs no message; one that is stored, or whose ref left, is counted at its home.
 *
 *   pending --result--> value | bytes | stored | error        (owned: this process submitted or put it)
 *   stored  --lost----> pending                               (its task is run again: rebuilds.ts)
 *   remote  --get-----> bytes | error                          (borrowed: a ref that came from elsewhere; small values are kept)
 *
 * `count` is what keeps it alive here: unreleased refs, tasks under way that take it as an argument, and values that
 * contain it. Refs that are collected without release() are noticed when the whole entry is collected.
 *
 * There may be millions: at most 12 fields (112 bytes in JavaScriptCore; the next size is 160). What few entries have goes
 * into `Rare`.
 * @module
 */
import type { NodeId, ObjectId, ProcessId } from "../../common/ids.ts";
import { returnId, taskId } from "../../common/ids.ts";
import type { Held } from "./actor_uses.ts";
import type { Work } from "./work.ts";

export type EntryState = "pending" | "value" | "bytes" | "stored" | "error" | "remote";

/** Told once when an entry leaves `pending`. */
export interface EntryWaiter {
  /** `index`: what onSettled() was given. */
  entrySettled(entry: Entry, index: number): void;
}

/** Who counts an object: its owner, by the agent of the owner's node. Shared by many entries. */
export interface EntryHome {
  /** "" for a driver that is not connected yet. */
  readonly node: NodeId;
  /** This process, where it is the owner; null for what is borrowed. */
  readonly self: ProcessId | null;
}

/** What few entries have. */
interface Rare {
  /** Of a task's results. */
  index: number;
  contained: Held[] | null;
  location: NodeId | null;
}

const REGISTERED = 1;
const RELEASED = 2;
const CANCELLED = 4;

/** See the module's header. */
export class Entry {
  state: EntryState;
  /** A primitive (value), encoded bytes (bytes, error), what makes it (pending results, see maker), or null. */
  payload: unknown = null;
  /** Size in the store, or of the encoded bytes. */
  bytes = 0;
  count = 0;
  /** What made it, for the task graph: a function's name, or "put". */
  readonly producer: string;
  readonly #home: EntryHome;
  /** Its id; of a result, the number of its task until somebody asks for the id: most never need it as text. */
  #name: ObjectId | number;
  #flags = 0;
  /** The last wait that has looked at it, see seenIn(). */
  #round = 0;
  #waiter: EntryWaiter | null = null;
  #waiterIndex = 0;
  #rare: Rare | null = null;

  private constructor(state: EntryState, home: EntryHome, producer: string, name: ObjectId | number) {
    this.state = state;
    this.#home = home;
    this.producer = producer;
    this.#name = name;
  }

  /** The `index`-th result of this process's task `sequence`. */
  static ofReturn(home: EntryHome, sequence: number, index: number, producer: string): Entry {
    const entry = new Entry("pending", home, producer, sequence);
    if (index !== 0) entry.#rarely().index = index;
    return entry;
  }

  /** Something that this process puts. */
  static ofPut(home: EntryHome, id: ObjectId): Entry {
    return new Entry("pending", home, "put", id);
  }

  /** Something that came from elsewhere. */
  static ofBorrowed(node: NodeId, id: ObjectId): Entry {
    return new Entry("remote", { node, self: null }, "borrowed", id);
  }

  get id(): ObjectId {
    if (typeof this.#name === "number") {
      this.#name = returnId(taskId(this.#home.self!, this.#name), this.#rare?.index ?? 0);
    }
    return this.#name;
  }

  /** The node whose agent counts it; an owner's own node, which a driver learns when it is connected. */
  get home(): NodeId {
    return this.#home.node;
  }

  /** Whether this process submitted or put it. */
  get owned(): boolean {
    return this.#home.self !== null;
  }

  get isPending(): boolean {
    return this.state === "pending";
  }

  /** Its home counts it: it is stored, or its ref has left this process. */
  get registered(): boolean {
    return (this.#flags & REGISTERED) !== 0;
  }
  set registered(is: boolean) {
    this.#flags = is ? this.#flags | REGISTERED : this.#flags & ~REGISTERED;
  }

  /** Set when its last use ended; nothing may touch it any more. */
  get released(): boolean {
    return (this.#flags & RELEASED) !== 0;
  }
  set released(is: boolean) {
    this.#flags = is ? this.#flags | RELEASED : this.#flags & ~RELEASED;
  }

  /** The task or call that makes it, while it is pending; null for what was put. */
  get maker(): Work | null {
    return this.state === "pending" ? this.payload as Work | null : null;
  }
  set maker(work: Work) {
    this.payload = work;
  }

  /** It was lost, and `work` makes it again. */
  remake(work: Work): void {
    this.state = "pending";
    this.payload = work;
  }

  /** Its owner cancelled it, for good: should it be lost, it is not made again. */
  get cancelled(): boolean {
    return (this.#flags & CANCELLED) !== 0;
  }
  set cancelled(is: boolean) {
    this.#flags = is ? this.#flags | CANCELLED : this.#flags & ~CANCELLED;
  }

  /** Refs and handles inside the value, held as long as it. */
  get contained(): Held[] | null {
    return this.#rare === null ? null : this.#rare.contained;
  }
  set contained(held: Held[] | null) {
    if (held !== null || this.#rare !== null) this.#rarely().contained = held;
  }

  /** Where a copy is known to be, as a hint for scheduling. */
  get location(): NodeId | null {
    return this.#rare === null ? null : this.#rare.location;
  }
  set location(node: NodeId | null) {
    this.#rarely().location = node;
  }

  #rarely(): Rare {
    return this.#rare ??= { index: 0, contained: null, location: null };
  }

  /** Whether this round (a number of newRound()) has met it already; from now on it has. Cheaper than a set of entries. */
  seenIn(round: number): boolean {
    if (this.#round === round) return true;
    this.#round = round;
    return false;
  }

  onSettled(waiter: EntryWaiter, index: number = 0): void {
    if (this.#waiter === null) {
      this.#waiter = waiter;
      this.#waiterIndex = index;
    } else if (this.#waiter instanceof SeveralWaiters) {
      this.#waiter.add(waiter, index);
    } else {
      const several = new SeveralWaiters();
      several.add(this.#waiter, this.#waiterIndex);
      several.add(waiter, index);
      this.#waiter = several;
    }
  }

  offSettled(waiter: EntryWaiter): void {
    if (this.#waiter === waiter) this.#waiter = null;
    else if (this.#waiter instanceof SeveralWaiters) this.#waiter.remove(waiter);
  }

  settle(state: EntryState, payload: unknown, bytes: number): void {
    if (this.state !== "pending") return; // A duplicate reply: the first one counts.
    this.state = state;
    this.payload = payload;
    this.bytes = bytes;
    const waiter = this.#waiter;
    if (waiter === null) return;
    this.#waiter = null;
    waiter.entrySettled(this, this.#waiterIndex);
  }
}

/** Where more than one waits. */
class SeveralWaiters implements EntryWaiter {
  #waiters: { readonly waiter: EntryWaiter; readonly index: number }[] = [];

  add(waiter: EntryWaiter, index: number): void {
    this.#waiters.push({ waiter, index });
  }

  remove(waiter: EntryWaiter): void {
    this.#waiters = this.#waiters.filter((one) => one.waiter !== waiter);
  }

  entrySettled(entry: Entry): void {
    for (const { waiter, index } of this.#waiters) waiter.entrySettled(entry, index);
  }
}

let rounds = 0;

/** A number for Entry.seenIn that no entry has met. */
export function newRound(): number {
  return ++rounds;
}
