/**
 * A node's object store: which objects are here, where in the pool, who pins them, and who waits for room. It owns the
 * pool's ranges; it does not own bytes, references (references.ts says what to delete) or transfers.
 *
 *     create --1--> waiting --2--> creating --4--> sealed --6--> doomed --7--> (gone)
 *                      |               |              |
 *                      3               5              +----7----> (gone)
 *                   (failed)        (aborted)
 *
 *   1 Creators wait in the order in which they came, also small ones behind a big one: nobody starves.
 *   2 There is room, perhaps after evicting copies that other nodes have too and that nobody pins, longest unused first.
 *   3 Nothing was freed for the grace: ObjectStoreFullError with a table of who holds what.
 *   4 The bytes are complete. A second creator of the same object (a retry whose first attempt was not dead after all)
 *     writes into a range of its own, which is dropped when it seals: the first result stays, as it may have been read.
 *   5 The creator gave up or died.
 *   6 Nobody refers to the object, but readers pin its bytes: it is not found any more, its range stays until they are done.
 *   7 The range is free.
 *
 * Objects without a range ("inline") lie in the agent's memory; they count against the capacity like the others.
 * @module
 */
import { assert } from "../../common/assert.ts";
import type { ObjectId } from "../../common/ids.ts";
import { OBJECT_STORE_FULL_GRACE_MS, OBJECT_STORE_FULL_WAIT_MAX_MS } from "../../common/config.ts";
import type { ObjectReport } from "../../protocol/messages.ts";
import type { Core } from "../core.ts";
import { holderTable } from "./holder_table.ts";
import type { Holder, StoredEntry, TableEffect, TableEvent } from "./object_table_types.ts";
import { type Pinned, PinTable } from "./pin_table.ts";
import { RangeAllocator } from "./range_allocator.ts";

/** How often processes are asked to collect garbage while somebody waits for room. */
const COLLECTIONS_PER_GRACE = 4;

/** Creators that may wait at once; the next is refused. */
export const CREATORS_WAITING_MAX: number = 10_000;

interface Entry extends StoredEntry, Pinned {
  report: ObjectReport;
}

interface Creation {
  readonly holder: Holder;
  readonly id: ObjectId;
  readonly offset: number | null;
  readonly size: number;
}

interface Waiting {
  readonly requestId: string;
  readonly holder: Holder;
  readonly id: ObjectId;
  readonly size: number;
  readonly inline: boolean;
  readonly sinceMs: number;
}

export class ObjectTable implements Core<TableEvent, TableEffect> {
  readonly #ranges: RangeAllocator;
  readonly #graceMs: number;
  #inlineBytes = 0;
  /** All and only objects that can be found. */
  readonly #sealed = new Map<ObjectId, Entry>();
  /** All and only deleted objects whose range is still pinned. */
  readonly #doomed = new Set<Entry>();
  /** All and only ranges that somebody fills, by holder and object. */
  readonly #creating = new Map<string, Creation>();
  /** In order of arrival. */
  readonly #waiting: Waiting[] = [];
  /** Of sealed and doomed objects. */
  readonly #pins = new PinTable<Entry>();
  /** All and only sealed objects that other nodes have too and that nobody pins, longest unused first; and their bytes. */
  readonly #evictable = new Set<Entry>();
  #evictableBytes = 0;
  #freedMs = -Infinity;
  #collectedMs = -Infinity;
  #timerMs = Infinity;

  constructor(
    options: { readonly capacity: number; readonly granuleBytes: number; readonly graceMs?: number },
  ) {
    this.#ranges = new RangeAllocator(options.capacity, options.granuleBytes);
    this.#graceMs = options.graceMs ?? OBJECT_STORE_FULL_GRACE_MS;
  }

  /** The sealed object, or undefined. */
  get(id: ObjectId): StoredEntry | undefined {
    return this.#sealed.get(id);
  }

  /** Where `holder` is to write the object, or undefined when it does not create it. */
  creation(
    holder: Holder,
    id: ObjectId,
  ): { readonly offset: number | null; readonly size: number } | undefined {
    return this.#creating.get(creationKey(holder, id));
  }

  /** Whether `holder` pins the object (also a deleted one). */
  pins(holder: Holder, id: ObjectId): StoredEntry | undefined {
    return this.#pinnedEntry(holder, id);
  }

  /** Whether a new object of this size needs bytes of the pool that were never used: then the limit matters. */
  wouldExtend(size: number): boolean {
    return this.#ranges.wouldExtend(size);
  }

  /** All sealed objects. */
  reports(): ObjectReport[] {
    return [...this.#sealed.values()].map((entry) => entry.report);
  }

  get capacity(): number {
    return this.#ranges.capacity;
  }

  /** Bytes that are taken: ranges, and inline objects. */
  get usedBytes(): number {
    return this.#ranges.usedBytes + this.#inlineBytes;
  }

  /** What a new object could have at most now: what is free, and what could be evicted. Nobody who waits is counted. */
  get roomBytes(): number {
    return this.capacity - this.usedBytes + this.#evictableBytes;
  }

  /** Bytes of an object that another creator's need could evict, else 0. */
  evictableBytes(id: ObjectId): number {
    const entry = this.#sealed.get(id);
    return entry !== undefined && this.#evictable.has(entry) ? this.#taken(entry) : 0;
  }

  counts(): { objects: number; primaries: number; waiting: number; pinnedBytes: number } {
    let primaries = 0;
    let pinnedBytes = 0;
    for (const entry of [...this.#sealed.values(), ...this.#doomed]) {
      if (entry.report.primary) primaries++;
      if (entry.pins.size > 0) pinnedBytes += this.#taken(entry);
    }
    return { objects: this.#sealed.size, primaries, waiting: this.#waiting.length, pinnedBytes };
  }

  step(nowMs: number, event: TableEvent): readonly TableEffect[] {
    const effects: TableEffect[] = [];
    switch (event.type) {
      case "create":
        this.#create(nowMs, event, effects);
        break;
      case "cancelCreate":
        this.#dropWaiting((waiting) => waiting.requestId === event.requestId);
        break;
      case "seal":
        this.#seal(nowMs, event, effects);
        break;
      case "abort":
        this.#abort(nowMs, event.holder, event.id);
        break;
      case "pin":
        this.#pin(event.holder, event.id);
        break;
      case "unpin":
        this.#unpin(nowMs, event.holder, event.id, event.count);
        break;
      case "holderDied":
        this.#holderDied(nowMs, event.holder);
        break;
      case "delete":
        for (const id of event.ids) this.#delete(nowMs, id, false, effects);
        break;
      case "promote": {
        const entry = this.#sealed.get(event.id);
        if (entry === undefined) break;
        entry.report = { ...entry.report, primary: true };
        this.#noteEvictable(entry);
        break;
      }
      case "limit":
        this.#ranges.setLimit(event.bytes);
        break;
      case "timer":
        this.#timerMs = Infinity;
        break;
      default:
        event satisfies never;
    }
    this.#serve(nowMs, effects);
    return effects;
  }

  #create(nowMs: number, event: Extract<TableEvent, { type: "create" }>, effects: TableEffect[]): void {
    if (this.#grantedBefore(nowMs, event, effects)) return;
    const { requestId, holder, id, size, inline } = event;
    if (size > this.capacity) {
      effects.push({
        type: "createFailed",
        requestId,
        message:
          `Cannot store ${id} (${size} bytes): the object store of this node has ${this.capacity} bytes in all; ` +
          "start the node with more (--object-store-bytes, objectStoreBytes)",
      });
      return;
    }
    if (this.#waiting.length >= CREATORS_WAITING_MAX) {
      effects.push({
        type: "createFailed",
        requestId,
        message:
          `Cannot store ${id}: ${CREATORS_WAITING_MAX} objects wait for room in the object store already`,
      });
      return;
    }
    this.#waiting.push({ requestId, holder, id, size, inline, sinceMs: nowMs });
  }

  /** Whether the same creator has a range for the object: a resent request is answered with it; one of another size
   *  replaces it. */
  #grantedBefore(nowMs: number, wanted: Omit<Waiting, "sinceMs">, effects: TableEffect[]): boolean {
    const { requestId, holder, id, size, inline } = wanted;
    const existing = this.#creating.get(creationKey(holder, id));
    if (existing === undefined) return false;
    if (existing.size === size && (existing.offset === null) === inline) {
      effects.push({ type: "granted", requestId, id, offset: existing.offset });
      return true;
    }
    this.#creating.delete(creationKey(holder, id));
    this.#free(nowMs, existing);
    return false;
  }

  /** Grants what fits, in order; fails those who waited too long; sets the timer for the next. */
  #serve(nowMs: number, effects: TableEffect[]): void {
    while (this.#waiting.length > 0) {
      const first = this.#waiting[0]!;
      if (this.#grantedBefore(nowMs, first, effects)) {
        this.#waiting.shift();
        continue;
      }
      const offset = this.#allocate(nowMs, first, effects);
      if (offset === undefined) {
        if (nowMs < this.#deadlineMs(first)) break;
        effects.push({ type: "createFailed", requestId: first.requestId, message: this.#fullMessage(first) });
      } else {
        const { requestId, holder, id, size } = first;
        this.#creating.set(creationKey(holder, id), { holder, id, offset, size });
        effects.push({ type: "granted", requestId, id, offset });
      }
      this.#waiting.shift();
    }
    if (this.#waiting.length === 0) return;
    // A collection stops every process of the node for a moment, and one alone may leave some garbage behind.
    const collectEveryMs = this.#graceMs / COLLECTIONS_PER_GRACE;
    if (nowMs - this.#collectedMs >= collectEveryMs) {
      this.#collectedMs = nowMs;
      effects.push({ type: "collectGarbage" });
    }
    const atMs = Math.min(this.#deadlineMs(this.#waiting[0]!), this.#collectedMs + collectEveryMs);
    if (atMs < this.#timerMs) {
      this.#timerMs = atMs;
      effects.push({ type: "setTimer", atMs });
    }
  }

  #deadlineMs(waiting: Waiting): number {
    return Math.min(
      Math.max(waiting.sinceMs, this.#freedMs) + this.#graceMs,
      waiting.sinceMs + OBJECT_STORE_FULL_WAIT_MAX_MS,
    );
  }

  /** An offset, null for an inline object, undefined when there is no room. */
  #allocate(nowMs: number, wanted: Waiting, effects: TableEffect[]): number | null | undefined {
    const taken = wanted.inline ? wanted.size : this.#ranges.rounded(wanted.size);
    // Evicting helps nobody when it cannot be enough.
    if (this.usedBytes + taken > this.capacity && this.roomBytes < taken) return undefined;
    for (;;) {
      if (this.usedBytes + taken <= this.capacity) {
        if (wanted.inline) {
          this.#inlineBytes += wanted.size;
          return null;
        }
        const offset = this.#ranges.allocate(wanted.size);
        if (offset !== null) return offset;
      }
      const victim = this.#evictable.values().next().value;
      if (victim === undefined) return undefined;
      this.#delete(nowMs, victim.id, true, effects);
    }
  }

  #seal(nowMs: number, event: Extract<TableEvent, { type: "seal" }>, effects: TableEffect[]): void {
    const { id, holder } = event;
    const key = creationKey(holder, id);
    const creation = this.#creating.get(key);
    const known = this.#sealed.get(id);
    if (known !== undefined) {
      // Resent, or a second attempt's result: the first stays.
      if (creation !== undefined) this.#abort(nowMs, holder, id);
      effects.push({ type: "sealed", id, first: false, report: known.report });
      return;
    }
    if (creation === undefined) {
      effects.push({
        type: "sealRefused",
        id,
        message: `Cannot seal ${id}: ${holder} has not created it here`,
      });
      return;
    }
    this.#creating.delete(key);
    const { home, owner, isError, producer, primary } = event.seal;
    const report: ObjectReport = {
      id,
      bytes: creation.size,
      home,
      owner,
      isError,
      primary,
      ...(producer === undefined ? {} : { producer }),
    };
    const entry: Entry = { id, offset: creation.offset, size: creation.size, report, pins: new Map() };
    this.#sealed.set(id, entry);
    this.#noteEvictable(entry);
    effects.push({ type: "sealed", id, first: true, report });
  }

  #abort(nowMs: number, holder: Holder, id: ObjectId): void {
    this.#dropWaiting((waiting) => waiting.holder === holder && waiting.id === id);
    const creation = this.#creating.get(creationKey(holder, id));
    if (creation === undefined) return; // Sealed or aborted before: messages may cross.
    this.#creating.delete(creationKey(holder, id));
    this.#free(nowMs, creation);
  }

  #pin(holder: Holder, id: ObjectId): void {
    const entry = this.#sealed.get(id);
    assert(entry !== undefined, `pinned object ${id} is sealed`);
    this.#pins.add(holder, entry);
    this.#noteEvictable(entry);
  }

  #unpin(nowMs: number, holder: Holder, id: ObjectId, count: number): void {
    const entry = this.#pinnedEntry(holder, id);
    // Late otherwise: its holder's death came first.
    if (entry !== undefined) this.#dropPins(nowMs, holder, entry, count);
  }

  #pinnedEntry(holder: Holder, id: ObjectId): Entry | undefined {
    const entry = this.#sealed.get(id);
    return entry?.pins.has(holder) === true ? entry : this.#pins.find(holder, id);
  }

  #dropPins(nowMs: number, holder: Holder, entry: Entry, count: number): void {
    if (!this.#pins.remove(holder, entry, count)) return;
    if (this.#doomed.delete(entry)) {
      this.#free(nowMs, entry);
    } else {
      this.#noteEvictable(entry);
      if (!entry.report.primary) this.#freedMs = nowMs; // It can be evicted now.
    }
  }

  /** Call after every change of what makes an entry evictable. Entering again makes it the latest used. */
  #noteEvictable(entry: Entry): void {
    const evictable = this.#sealed.get(entry.id) === entry && !entry.report.primary && entry.pins.size === 0;
    if (evictable === this.#evictable.has(entry)) return;
    if (evictable) this.#evictable.add(entry);
    else this.#evictable.delete(entry);
    this.#evictableBytes += evictable ? this.#taken(entry) : -this.#taken(entry);
  }

  #holderDied(nowMs: number, holder: Holder): void {
    for (const entry of this.#pins.of(holder)) this.#dropPins(nowMs, holder, entry, Infinity);
    this.#dropWaiting((waiting) => waiting.holder === holder);
    for (const creation of [...this.#creating.values()]) {
      if (creation.holder === holder) this.#abort(nowMs, holder, creation.id);
    }
  }

  #delete(nowMs: number, id: ObjectId, evicted: boolean, effects: TableEffect[]): void {
    const entry = this.#sealed.get(id);
    if (entry === undefined) return; // Never here, or deleted before.
    this.#sealed.delete(id);
    this.#noteEvictable(entry);
    effects.push({ type: "removed", id, evicted });
    if (entry.pins.size > 0) this.#doomed.add(entry);
    else this.#free(nowMs, entry);
  }

  #free(nowMs: number, taken: { readonly offset: number | null; readonly size: number }): void {
    if (taken.offset === null) this.#inlineBytes -= taken.size;
    else this.#ranges.free(taken.offset, taken.size);
    this.#freedMs = nowMs;
  }

  #dropWaiting(matches: (waiting: Waiting) => boolean): void {
    for (let index = this.#waiting.length - 1; index >= 0; index--) {
      if (matches(this.#waiting[index]!)) this.#waiting.splice(index, 1);
    }
  }

  #taken(entry: { readonly offset: number | null; readonly size: number }): number {
    return entry.offset === null ? entry.size : this.#ranges.rounded(entry.size);
  }

  #fullMessage(wanted: Waiting): string {
    const holders = holderTable([...this.#sealed.values(), ...this.#doomed].map((entry) => ({
      owner: entry.report.owner,
      bytes: this.#taken(entry),
      pinnedBy: [...entry.pins.keys()],
    })));
    return `Cannot store ${wanted.id} (${wanted.size} bytes): the object store of this node is full, ` +
      `${this.usedBytes} of ${this.capacity} bytes are taken and nothing was freed for ${this.#graceMs} ms. ${holders} ` +
      "Release refs and views that are no longer needed, or start the node with more (--object-store-bytes)";
  }

  check(): void {
    const used: [number, number][] = [];
    let inlineBytes = 0;
    const entries = [...this.#sealed.values(), ...this.#doomed];
    for (const taken of [...entries, ...this.#creating.values()]) {
      if (taken.offset === null) inlineBytes += taken.size;
      else used.push([taken.offset, taken.size]);
    }
    this.#ranges.check(used);
    assert(inlineBytes === this.#inlineBytes, "inline bytes add up");
    assert(this.usedBytes <= this.capacity, "the capacity is hard");
    for (const entry of this.#doomed) assert(entry.pins.size > 0, `doomed object ${entry.id} is pinned`);
    this.#pins.check(entries);
    let evictableBytes = 0;
    for (const entry of this.#sealed.values()) {
      const evictable = !entry.report.primary && entry.pins.size === 0;
      assert(
        evictable === this.#evictable.has(entry),
        `${entry.id} is known to be evictable exactly if it is`,
      );
      if (evictable) evictableBytes += this.#taken(entry);
    }
    assert(evictableBytes === this.#evictableBytes, "evictable bytes add up");
    assert(this.#waiting.length <= CREATORS_WAITING_MAX, "creators that wait are bounded");
    assert(this.#waiting.length === 0 || this.#timerMs < Infinity, "who waits has a timer");
  }
}

function creationKey(holder: Holder, id: ObjectId): string {
  return `${holder} ${id}`;
}
