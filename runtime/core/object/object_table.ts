/**
 * A node's object store: which objects are here, where in the pool or on disk, who pins them, and who waits for room. It owns
 * the pool's ranges; it does not own bytes, references (references.ts says what to delete) or transfers.
 *
 *     create --1--> waiting --2--> creating --4--> sealed --6--> doomed --7--> (gone)
 *                      |               |              |
 *                      3               5              +----7----> (gone)
 *                   (failed)        (aborted)
 *
 *   1 Creators wait in the order in which they came, also small ones behind a big one: nobody starves.
 *   2 There is room, perhaps after evicting what nobody pins and other nodes or the disk have too, longest unused first; or
 *     after other objects were spilled to disk for it (spills.ts).
 *   3 Nothing was freed for the grace: ObjectStoreFullError with a table of who holds what, or OutOfDiskError.
 *   4 The bytes are complete. A second creator of the same object (a retry whose first attempt was not dead after all)
 *     writes into a range of its own, which is dropped when it seals: the first result stays, as it may have been read.
 *   5 The creator gave up or died.
 *   6 Nobody refers to the object, but readers pin its bytes: it is not found any more, its range stays until they are done.
 *   7 The range is free.
 *
 * Objects without a range ("inline") lie in the agent's memory; they count against the capacity like the others. A spilled
 * object is still found; who reads it has it pulled from this node itself, which seals it once more.
 * @module
 */
import { assert } from "../../common/assert.ts";
import type { ObjectId } from "../../common/ids.ts";
import { OBJECT_STORE_FULL_GRACE_MS } from "../../common/config.ts";
import type { ObjectReport } from "../../protocol/messages.ts";
import type { Core } from "../core.ts";
import { type Creation, creationKey, granted } from "./creation.ts";
import { CreatorLine, CREATORS_WAITING_MAX, type Waiting } from "./creator_line.ts";
import { fullMessage, tooLargeMessage } from "./full_store.ts";
import { IdleSet } from "./idle_set.ts";
import type { Holder, StoredEntry, TableEffect, TableEvent } from "./object_table_types.ts";
import { type Pinned, PinTable } from "./pin_table.ts";
import { type Spillable, Spills } from "./spills.ts";
import { type Allocated, StoreMemory, type Taken } from "./store_memory.ts";

/** From this share of the capacity on, objects are spilled before anybody has to wait for it (as in Ray). */
const SPILL_SHARE = 0.8;

interface Entry extends StoredEntry, Pinned, Spillable {
  readonly id: ObjectId;
  offset: number | null;
  readonly size: number;
  resident: boolean;
  disk: StoredEntry["disk"];
  report: ObjectReport;
  readonly pins: Pinned["pins"];
}

export class ObjectTable implements Core<TableEvent, TableEffect> {
  readonly #memory: StoreMemory;
  /** All and only objects that can be found. */
  readonly #sealed = new Map<ObjectId, Entry>();
  /** All and only deleted objects whose range is still pinned. */
  readonly #doomed = new Set<Entry>();
  /** All and only ranges that somebody fills, by holder and object. */
  readonly #creating = new Map<string, Creation>();
  readonly #line: CreatorLine;
  /** Of sealed and doomed objects. */
  readonly #pins = new PinTable<Entry>();
  /** All and only objects in memory that other nodes or the disk have too and that nobody pins. */
  readonly #evictable: IdleSet<Entry> = new IdleSet((entry) => this.#memory.taken(entry));
  /** Null: nothing is spilled. */
  readonly #spills: Spills<Entry> | null;

  /** `spillBatchBytes`: what is written to disk at a time; absent: nothing ever is. */
  constructor(
    options: {
      readonly capacity: number;
      readonly granuleBytes: number;
      /** Addresses of the pool; default: the capacity (RangeAllocator). */
      readonly span?: number;
      readonly graceMs?: number;
      readonly spillBatchBytes?: number;
    },
  ) {
    this.#memory = new StoreMemory(options.capacity, options.granuleBytes, options.span ?? options.capacity);
    this.#line = new CreatorLine(options.graceMs ?? OBJECT_STORE_FULL_GRACE_MS);
    const { spillBatchBytes } = options;
    this.#spills = spillBatchBytes === undefined
      ? null
      : new Spills(spillBatchBytes, this.#pins, (entry) => this.#memory.taken(entry));
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
    return this.#memory.wouldExtend(size);
  }

  /** All sealed objects. */
  reports(): ObjectReport[] {
    return [...this.#sealed.values()].map((entry) => entry.report);
  }

  entries(): Iterable<StoredEntry> {
    return this.#sealed.values();
  }

  get capacity(): number {
    return this.#memory.capacity;
  }

  /** Bytes that are taken: ranges, and inline objects. */
  get usedBytes(): number {
    return this.#memory.usedBytes;
  }

  /** What a new object could have at most, now or as soon as others are spilled. Nobody who waits is counted. */
  get roomBytes(): number {
    return this.#freeableBytes + (this.#spills?.candidateBytes ?? 0) + (this.#spills?.writingBytes ?? 0);
  }

  /** What is free or can be evicted at once. */
  get #freeableBytes(): number {
    return this.#memory.freeBytes + this.#evictable.bytes;
  }

  /** Bytes of an object that another creator's need could take the memory of, else 0. */
  evictableBytes(id: ObjectId): number {
    const entry = this.#sealed.get(id);
    if (entry === undefined) return 0;
    return this.#evictable.has(entry) || this.#spills?.candidates.has(entry) ? this.#memory.taken(entry) : 0;
  }

  /** What lies on disk, in memory too or not. */
  get spilled(): { readonly objects: number; readonly bytes: number } {
    return this.#spills?.onDisk ?? { objects: 0, bytes: 0 };
  }

  counts(): { objects: number; primaries: number; waiting: number; pinnedBytes: number } {
    let primaries = 0;
    let pinnedBytes = 0;
    for (const entry of [...this.#sealed.values(), ...this.#doomed]) {
      if (entry.report.primary) primaries++;
      if (entry.pins.size > 0 && entry.resident) pinnedBytes += this.#memory.taken(entry);
    }
    return { objects: this.#sealed.size, primaries, waiting: this.#line.length, pinnedBytes };
  }

  step(nowMs: number, event: TableEvent): readonly TableEffect[] {
    const effects: TableEffect[] = [];
    switch (event.type) {
      case "create":
        this.#create(nowMs, event, effects);
        break;
      case "cancelCreate":
        this.#line.dropWhere((waiting) => waiting.requestId === event.requestId);
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
        this.#unpin(nowMs, event.holder, event.id, event.count, effects);
        break;
      case "holderDied":
        this.#holderDied(nowMs, event.holder, effects);
        break;
      case "delete":
        for (const id of event.ids) this.#delete(nowMs, id, false, effects);
        break;
      case "promote": {
        const entry = this.#sealed.get(event.id);
        if (entry === undefined) break;
        entry.report = { ...entry.report, primary: true };
        this.#noteIdle(entry);
        break;
      }
      case "spilled":
      case "spillFailed":
        this.#spillOver(nowMs, event, effects);
        break;
      case "spillBroken": {
        const entry = this.#sealed.get(event.id);
        if (entry === undefined) break; // Deleted meanwhile.
        this.#spills!.forget(entry, effects);
        if (entry.resident) this.#noteIdle(entry);
        else this.#delete(nowMs, entry.id, true, effects);
        break;
      }
      case "limit":
        this.#memory.setLimit(event.bytes);
        break;
      case "timer":
        this.#line.timerFired();
        break;
      default:
        event satisfies never;
    }
    this.#serve(nowMs, effects);
    this.#spillAhead(nowMs, effects);
    return effects;
  }

  #create(nowMs: number, event: Extract<TableEvent, { type: "create" }>, effects: TableEffect[]): void {
    if (this.#grantedBefore(nowMs, event, effects)) return;
    const { requestId, holder, id, size, inline } = event;
    if (size > this.capacity) {
      effects.push({
        type: "createFailed",
        requestId,
        code: "ObjectStoreFullError",
        message: tooLargeMessage(id, size, this.capacity),
      });
      return;
    }
    if (this.#line.length >= CREATORS_WAITING_MAX) {
      effects.push({
        type: "createFailed",
        requestId,
        code: "ObjectStoreFullError",
        message:
          `Cannot store ${id}: ${CREATORS_WAITING_MAX} objects wait for room in the object store already`,
      });
      return;
    }
    this.#line.push({ requestId, holder, id, size, inline, sinceMs: nowMs });
  }

  /** Whether the same creator has a range for the object: a resent request is answered with it; one of another size
   *  replaces it. */
  #grantedBefore(nowMs: number, wanted: Omit<Waiting, "sinceMs">, effects: TableEffect[]): boolean {
    const { requestId, holder, id, size, inline } = wanted;
    const existing = this.#creating.get(creationKey(holder, id));
    if (existing === undefined) return false;
    if (existing.size === size && (existing.offset === null) === inline) {
      effects.push(granted(requestId, existing));
      return true;
    }
    this.#creating.delete(creationKey(holder, id));
    this.#free(nowMs, existing);
    return false;
  }

  /** Grants what fits, in order; fails those who waited too long; sets the timer for the next. */
  #serve(nowMs: number, effects: TableEffect[]): void {
    for (let first = this.#line.first; first !== undefined; first = this.#line.first) {
      if (this.#grantedBefore(nowMs, first, effects)) {
        this.#line.shift();
        continue;
      }
      const allocated = this.#allocate(nowMs, first, effects);
      if (allocated === null) {
        this.#spillFor(nowMs, first, effects);
        // What is being written will be room.
        if (nowMs < this.#line.deadlineMs(first) || (this.#spills?.writingBytes ?? 0) > 0) break;
        effects.push({ type: "createFailed", requestId: first.requestId, ...this.#fullness(first) });
      } else {
        const { holder, id, size } = first;
        const { offset, isCold, dropped } = allocated;
        const creation = { holder, id, size, offset, isCold };
        this.#creating.set(creationKey(holder, id), creation);
        for (const [from, bytes] of dropped) effects.push({ type: "dropPages", offset: from, bytes });
        effects.push(granted(first.requestId, creation));
      }
      this.#line.shift();
    }
    this.#line.wait(nowMs, this.#spills?.retryMs ?? Infinity, effects);
  }

  /** Null when there is no room. */
  #allocate(nowMs: number, wanted: Waiting, effects: TableEffect[]): Allocated | null {
    const { size, inline } = wanted;
    // Evicting helps nobody when it cannot be enough.
    if (this.#freeableBytes < this.#takenBy(wanted)) return null;
    for (;;) {
      const allocated = this.#memory.allocate(size, inline);
      if (allocated !== null) return allocated;
      const [victim] = this.#evictable;
      if (victim === undefined) return null;
      if (victim.disk === null) this.#delete(nowMs, victim.id, true, effects);
      else this.#unload(nowMs, victim, effects);
    }
  }

  #takenBy({ size, inline }: Waiting): number {
    return this.#memory.taken({ size, offset: inline ? null : 0 });
  }

  /** Its bytes are on disk as well: the memory is free. */
  #unload(nowMs: number, entry: Entry, effects: TableEffect[]): void {
    this.#evictable.note(entry, false);
    this.#free(nowMs, entry);
    entry.resident = false;
    effects.push({ type: "unloaded", id: entry.id });
  }

  /** Write to disk what takes the room that creators wait for. */
  #spillFor(nowMs: number, first: Waiting, effects: TableEffect[]): void {
    const short = this.#takenBy(first) - this.#freeableBytes;
    // Enough bytes, but not in one piece: what else is there goes, a batch at a time.
    this.#spills?.start(nowMs, Math.max(short, 1), effects);
  }

  /** Begin before anybody has to wait. */
  #spillAhead(nowMs: number, effects: TableEffect[]): void {
    this.#spills?.start(nowMs, this.capacity * (1 - SPILL_SHARE) - this.#freeableBytes, effects);
  }

  #spillOver(
    nowMs: number,
    event: Extract<TableEvent, { type: "spilled" | "spillFailed" }>,
    effects: TableEffect[],
  ): void {
    const { batch } = event;
    const entries = event.type === "spilled"
      ? this.#spills!.written(batch, event.file, (entry) => this.#isFound(entry), effects)
      : this.#spills!.failed(nowMs, batch, event.message);
    for (const entry of entries) this.#dropPins(nowMs, batch, entry, 1, effects);
    if (event.type === "spilled") this.#line.freed(nowMs);
  }

  #seal(nowMs: number, event: Extract<TableEvent, { type: "seal" }>, effects: TableEffect[]): void {
    const { id, holder } = event;
    const key = creationKey(holder, id);
    const creation = this.#creating.get(key);
    const known = this.#sealed.get(id);
    const isBack = known?.resident === false && known.size === creation?.size && !event.seal.primary;
    if (isBack) {
      this.#creating.delete(key);
      known.offset = creation!.offset;
      known.resident = true;
      if (event.pin) this.#pins.add(holder, known);
      this.#noteIdle(known);
      effects.push({ type: "restored", id });
      return;
    }
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
    const { offset, size } = creation;
    const pins: Pinned["pins"] = new Map();
    const entry: Entry = { id, offset, size, resident: true, disk: null, report, pins, sealedMs: nowMs };
    this.#sealed.set(id, entry);
    if (event.pin) this.#pins.add(holder, entry);
    this.#noteIdle(entry);
    effects.push({ type: "sealed", id, first: true, report });
  }

  #abort(nowMs: number, holder: Holder, id: ObjectId): void {
    this.#line.dropWhere((waiting) => waiting.holder === holder && waiting.id === id);
    const creation = this.#creating.get(creationKey(holder, id));
    if (creation === undefined) return; // Sealed or aborted before: messages may cross.
    this.#creating.delete(creationKey(holder, id));
    this.#free(nowMs, creation);
  }

  #pin(holder: Holder, id: ObjectId): void {
    const entry = this.#sealed.get(id);
    assert(entry !== undefined, `pinned object ${id} is sealed`);
    this.#pins.add(holder, entry);
    this.#noteIdle(entry);
  }

  #unpin(nowMs: number, holder: Holder, id: ObjectId, count: number, effects: TableEffect[]): void {
    const entry = this.#pinnedEntry(holder, id);
    // Late otherwise: its holder's death came first.
    if (entry !== undefined) this.#dropPins(nowMs, holder, entry, count, effects);
  }

  #pinnedEntry(holder: Holder, id: ObjectId): Entry | undefined {
    const entry = this.#sealed.get(id);
    return entry?.pins.has(holder) === true ? entry : this.#pins.find(holder, id);
  }

  #dropPins(nowMs: number, holder: Holder, entry: Entry, count: number, effects: TableEffect[]): void {
    if (!this.#pins.remove(holder, entry, count)) return;
    if (this.#doomed.delete(entry)) {
      this.#discard(nowMs, entry, effects);
    } else {
      this.#noteIdle(entry);
      if (this.#evictable.has(entry)) this.#line.freed(nowMs);
    }
  }

  #isFound(entry: Entry): boolean {
    return this.#sealed.get(entry.id) === entry;
  }

  #isIdle(entry: Entry): boolean {
    return this.#isFound(entry) && entry.resident && entry.pins.size === 0;
  }

  /** Call after every change of what makes an entry evictable, or worth spilling. Entering again makes it the latest used. */
  #noteIdle(entry: Entry): void {
    const idle = this.#isIdle(entry);
    const evictable = idle && (!entry.report.primary || entry.disk !== null);
    this.#evictable.note(entry, evictable);
    this.#spills?.candidates.note(entry, idle && !evictable);
  }

  #holderDied(nowMs: number, holder: Holder, effects: TableEffect[]): void {
    for (const entry of this.#pins.of(holder)) this.#dropPins(nowMs, holder, entry, Infinity, effects);
    this.#line.dropWhere((waiting) => waiting.holder === holder);
    for (const creation of [...this.#creating.values()]) {
      if (creation.holder === holder) this.#abort(nowMs, holder, creation.id);
    }
  }

  #delete(nowMs: number, id: ObjectId, evicted: boolean, effects: TableEffect[]): void {
    const entry = this.#sealed.get(id);
    if (entry === undefined) return; // Never here, or deleted before.
    this.#sealed.delete(id);
    this.#noteIdle(entry);
    effects.push({ type: "removed", id, evicted });
    if (entry.pins.size > 0) this.#doomed.add(entry);
    else this.#discard(nowMs, entry, effects);
  }

  /** Nobody will read it again, in memory or on disk. */
  #discard(nowMs: number, entry: Entry, effects: TableEffect[]): void {
    if (entry.resident) this.#free(nowMs, entry);
    this.#spills?.forget(entry, effects);
  }

  #free(nowMs: number, taken: Taken): void {
    this.#memory.free(taken);
    this.#line.freed(nowMs);
  }

  #fullness(wanted: Waiting): { code: "ObjectStoreFullError" | "OutOfDiskError"; message: string } {
    const failure = this.#spills?.failure ?? null;
    const message = fullMessage({
      ...wanted,
      used: this.usedBytes,
      capacity: this.capacity,
      graceMs: this.#line.graceMs,
      spillFailure: failure,
      objects: [...this.#sealed.values(), ...this.#doomed].filter((entry) => entry.resident).map((entry) => ({
        owner: entry.report.owner,
        bytes: this.#memory.taken(entry),
        pinnedBy: [...entry.pins.keys()],
      })),
    });
    return { code: failure === null ? "ObjectStoreFullError" : "OutOfDiskError", message };
  }

  check(): void {
    const entries = [...this.#sealed.values(), ...this.#doomed];
    this.#memory.check([...entries.filter((entry) => entry.resident), ...this.#creating.values()]);
    for (const entry of this.#doomed) assert(entry.pins.size > 0, `doomed object ${entry.id} is pinned`);
    for (const entry of this.#sealed.values()) {
      assert(entry.resident || entry.disk !== null, `${entry.id} is in memory or on disk`);
    }
    this.#pins.check(entries);
    const isSafe = (entry: Entry): boolean => !entry.report.primary || entry.disk !== null;
    assert(
      this.#evictable.isTrue(entries, (entry) => this.#isIdle(entry) && isSafe(entry)),
      "all and only what can be evicted is known",
    );
    this.#spills?.check(entries, (entry) => this.#isIdle(entry) && !isSafe(entry));
    this.#line.check();
  }
}
