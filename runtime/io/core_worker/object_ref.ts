/**
 * ObjectRef: the user's handle to an entry. Each ref counts once until it is released or collected.
 * @module
 */
import { MobulaError, RefReleasedError } from "../../common/errors.ts";
import type { ObjectRef as PublicRef } from "../../common/public_types.ts";
import type { Entry } from "./entry.ts";
import { BundledRef } from "./ref_bundle.ts";

/** Who is told that an entry's last use ended. */
export interface EntryTable {
  unused(entry: Entry): void;
}

let tableOf: (ref: ObjectRef<unknown>) => EntryTable;
let heldEntry: (ref: ObjectRef<unknown>) => Entry | null;

/** See the module's header. Users see the interface of the same name. */
export class ObjectRef<T> implements PublicRef<T> {
  /** Of a released ref: its id, or an entry that has no use left. */
  #held: Entry | BundledRef | string;
  readonly #table: EntryTable;

  static {
    heldEntry = (ref) => {
      const held = ref.#held;
      if (typeof held === "string") return null;
      if (!(held instanceof BundledRef)) return held.released ? null : held;
      const entry = held.leave();
      if (entry !== null) ref.#held = entry;
      return entry;
    };
    tableOf = (ref) => ref.#table;
  }

  constructor(held: Entry | BundledRef, table: EntryTable) {
    held.count++;
    this.#held = held;
    this.#table = table;
  }

  get id(): string {
    return typeof this.#held === "string" ? this.#held : this.#held.id;
  }

  release(): void {
    if (this.#held instanceof BundledRef) return this.#held.release();
    const entry = heldEntry(this);
    if (entry === null) return;
    if (--entry.count === 0) this.#table.unused(entry);
    // An entry whose id nobody knows is over for good: to keep it costs less than to make its id. Any other may live on,
    // or come back to life, without this ref.
    if (!entry.released || entry.registered) this.#held = entry.id;
  }

  [Symbol.dispose](): void {
    this.release();
  }

  get [Symbol.toStringTag](): string {
    return "ObjectRef";
  }

  toString(): string {
    return `ObjectRef(${this.id})`;
  }

  /** A ref in JSON would silently lose what it stands for. */
  toJSON(): never {
    throw new TypeError(`Cannot turn ${this.id} into JSON: pass the ref itself, or get() its value first`);
  }
}

export function isObjectRef(value: unknown): value is ObjectRef<unknown> {
  return value instanceof ObjectRef;
}

/**
 * The entry behind a ref of `table`. TypeError for anything else (`what` names it), RefReleasedError for a released one,
 * MobulaError for one of another table: refs of an ended cluster are of no use to the next one.
 */
export function entryOf(value: unknown, what: string, table: EntryTable | null): Entry {
  if (!(value instanceof ObjectRef)) {
    throw new TypeError(`${what} must be an ObjectRef, is ${value === null ? "null" : typeof value}`);
  }
  const entry = heldEntry(value);
  if (entry === null) throw new RefReleasedError(`${value.id} was released here and cannot be used any more`);
  if (tableOf(value) !== table) {
    throw new MobulaError(`${value.id} belongs to a cluster that this process has left`, {
      code: "ShutDown",
    });
  }
  return entry;
}

/** The same for an array of refs, which may be long: `what` is its name. */
export function entriesOf(values: readonly unknown[], what: string, table: EntryTable | null): Entry[] {
  const entries: Entry[] = new Array(values.length);
  for (let index = 0; index < values.length; index++) {
    const value = values[index];
    const isOurs = value instanceof ObjectRef && tableOf(value) === table;
    // What is wrong with another one is said there.
    entries[index] = (isOurs ? heldEntry(value) : null) ?? entryOf(value, `${what}[${index}]`, table);
  }
  return entries;
}
