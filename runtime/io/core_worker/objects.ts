/**
 * The objects that one process knows: entries behind refs, get and wait (put: puts.ts). Small values stay in the process until their
 * ref leaves it; large ones live in the node's store. Every entry that is stored or has left is counted at its home.
 * @module
 */
import { INLINE_BYTES_MAX } from "../../common/config.ts";
import { GetTimeoutError, MobulaError, ObjectStoreFullError } from "../../common/errors.ts";
import type { NodeId, ObjectId, ProcessId } from "../../common/ids.ts";
import { taskOfObject } from "../../common/ids.ts";
import type { GetOptions } from "../../common/public_types.ts";
import type { RefTarget } from "../../protocol/messages.ts";
import type { ValueCodec } from "./value_codec.ts";
import { ActorUse, type Held } from "./actor_uses.ts";
import type { AgentLink } from "./agent_link.ts";
import type { CallSites } from "./call_sites.ts";
import type { Identity } from "./core_context.ts";
import { Entry } from "./entry.ts";
import { sendingRegistry } from "./finalizers.ts";
import { lossOf } from "./cancels.ts";
import { entryOf, type EntryTable, ObjectRef } from "./object_ref.ts";
import { Prefetches } from "./prefetches.ts";
import { RefBundles } from "./ref_bundle.ts";
import { type ObjectTarget, type StoreAccess, type StoredBytes, targetOf } from "./store_access.ts";
import type { TaskRecorder } from "./recorder.ts";
import { bounded, firstOf, GetBatch, POLL_MS, WaitBatch } from "./waits.ts";

/** Told when a get or wait really has to wait: a worker gives its CPU back meanwhile. */
export interface BlockingObserver {
  /** Answers what to call when the wait is over. */
  enter(): () => void;
}

/** See the module's header. */
export class ObjectManager implements EntryTable {
  readonly #identity: Identity;
  readonly link: AgentLink;
  readonly #store: StoreAccess;
  readonly #codec: ValueCodec;
  readonly #recorder: TaskRecorder;
  readonly #blocking: BlockingObserver;
  readonly #released: (id: ObjectId) => void;
  readonly #lent: (id: ObjectId) => void;
  /** Null: they are not recorded. */
  readonly callSites: CallSites | null;
  /** Entries whose ids others know (stored, lent, borrowed): one entry per object in this process. */
  readonly #known = new Map<ObjectId, WeakRef<Entry>>();
  readonly #collected: FinalizationRegistry<{ id: ObjectId; home: NodeId; op: "disown" | "drop" }>;
  readonly #prefetches: Prefetches;
  /** Refs that came with values of many. */
  readonly bundles: RefBundles = new RefBundles(this);
  #nextRequest = 1;
  #closed: Error | null = null;

  constructor(
    init: {
      identity: Identity;
      link: AgentLink;
      store: StoreAccess;
      codec: ValueCodec;
      callSites: CallSites | null;
      recorder: TaskRecorder;
      blocking: BlockingObserver;
      /** The last use here of an object that this process owns and that others know has ended. */
      released: (id: ObjectId) => void;
      /** A ref of a stored object that this process owns leaves it. */
      lent: (id: ObjectId) => void;
    },
  ) {
    this.#identity = init.identity;
    this.link = init.link;
    this.#store = init.store;
    this.#codec = init.codec;
    this.callSites = init.callSites;
    this.#recorder = init.recorder;
    this.#blocking = init.blocking;
    this.#released = init.released;
    this.#lent = init.lent;
    this.#prefetches = new Prefetches(init.link, init.identity);
    this.#collected = sendingRegistry((target) => this.#forgetCollected(target));
  }

  get self(): ProcessId {
    return this.#identity.self;
  }
  get node(): NodeId {
    return this.#identity.node;
  }

  // ---- refs ----------------------------------------------------------------------------------------------------------

  refOf(entry: Entry): ObjectRef<unknown> {
    return new ObjectRef(entry, this);
  }

  refsOf(entries: readonly Entry[]): ObjectRef<unknown>[] {
    if (entries.length === 1) return [new ObjectRef(entries[0]!, this)];
    return entries.map((entry) => new ObjectRef(entry, this));
  }

  entryOf(ref: unknown, what: string): Entry {
    return entryOf(ref, what, this);
  }

  /** A ref arrived inside a value: the entry that this process has for it, or a borrowed one. */
  arrived(target: RefTarget): Entry {
    const id = target.id as ObjectId;
    const known = this.#known.get(id)?.deref();
    if (known !== undefined) {
      // Pending and let go, it is counted still: it comes back to life.
      if (known.isPending) known.released = false;
      if (!known.released) return known;
    }
    const entry = Entry.ofBorrowed(target.home, id);
    entry.registered = true;
    this.link.reference({ op: "hold", id, home: target.home });
    this.#watch(entry);
    return entry;
  }

  /** The same as a ref: of the value that is being decoded, if that has many. */
  arrivedRef(target: RefTarget): ObjectRef<unknown> {
    const bundle = this.bundles.open;
    if (bundle === null) return this.refOf(this.arrived(target));
    return new ObjectRef(bundle.add(target.id as ObjectId, target.home), this);
  }

  /** The entry of an object whose ref has left this process or came from elsewhere, if it is in use here. */
  find(id: ObjectId): Entry | undefined {
    return this.#known.get(id)?.deref();
  }

  /** Every entry that is counted at its home. */
  *known(): Iterable<Entry> {
    for (const known of this.#known.values()) {
      const entry = known.deref();
      if (entry !== undefined) yield entry;
    }
  }

  /** A ref leaves this process: its home must count it, and its value must be where others can find it. */
  lend(entry: Entry): RefTarget {
    if (entry.home === "") throw new MobulaError("await init() before a ref is passed inside a value");
    if (entry.owned && !entry.registered) this.register(entry);
    if (entry.owned && entry.state === "stored") this.#lent(entry.id);
    return { id: entry.id, home: entry.home };
  }

  /** The same for what a value contains. */
  lendHeld(held: Held): RefTarget {
    return held instanceof ActorUse ? held.target : this.lend(held);
  }

  /** EntryTable: the last use of an entry ended. */
  unused(entry: Entry): void {
    if (entry.released) return;
    entry.released = true;
    // Others may wait for what is still to come: this process counts it until it is there (#settled).
    if (entry.isPending) return;
    if (entry.registered) this.#unregister(entry);
    this.dropContained(entry);
    entry.payload = null;
  }

  dropContained(entry: Entry): void {
    const contained = entry.contained;
    entry.contained = null;
    this.#dropAll(contained);
  }

  #dropAll(contained: readonly Held[] | null): void {
    if (contained !== null) { for (const inner of contained) this.drop(inner); }
  }

  drop(held: Held): void {
    if (--held.count > 0) return;
    if (held instanceof ActorUse) held.end();
    else this.unused(held);
  }

  // ---- results of own tasks --------------------------------------------------------------------------------------------

  /** The entry for the one result of this process's task `sequence`. */
  newReturn(sequence: number, producer: string): Entry {
    const entry = Entry.ofReturn(this.#identity, sequence, 0, producer);
    if (this.callSites !== null) this.callSites.note([entry]);
    return entry;
  }

  /** Entries for its results, where those may be several. */
  newReturns(sequence: number, count: number, producer: string): Entry[] {
    const returns: Entry[] = [];
    for (let index = 0; index < count; index++) {
      returns.push(Entry.ofReturn(this.#identity, sequence, index, producer));
    }
    return this.callSites === null ? returns : this.callSites.note(returns);
  }

  /** A pending entry has its value inline. A view of a received chunk is copied, or it would keep the chunk alive. */
  settleInline(entry: Entry, encoded: Uint8Array, contained: Held[] | null): void {
    if (!entry.isPending) return this.#dropAll(contained);
    entry.contained = contained;
    const primitive = this.#codec.primitive(encoded);
    if (primitive !== undefined) entry.settle("value", primitive.value, encoded.length);
    else {
      const own = encoded.byteLength === encoded.buffer.byteLength ? encoded : encoded.slice();
      entry.settle("bytes", own, own.length);
    }
    this.#settled(entry);
  }

  /** A pending entry's value is in the store of `node`. */
  settleStored(entry: Entry, node: NodeId, size: number, contained: Held[] | null): void {
    // The store's agent holds what the stored value contains.
    this.#dropAll(contained);
    // Of a task that was run again, but not for this one: it is where it was.
    if (!entry.isPending) return;
    entry.location = node;
    if (!entry.registered) this.register(entry, node);
    entry.settle("stored", null, size);
    if (entry.released) this.#unregister(entry);
  }

  /** A pending entry's task failed; `encoded` is the error, `contained` what is inside it, counted. */
  settleError(entry: Entry, encoded: Uint8Array, contained: Held[] | null = null): void {
    if (!entry.isPending) return this.#dropAll(contained);
    entry.contained = contained;
    if (encoded.byteLength !== encoded.buffer.byteLength) encoded = encoded.slice();
    entry.settle("error", encoded, encoded.length);
    this.#settled(entry);
  }

  /** An attempt ended without an answer. It may have stored results before that: their home counts them from now on, and frees
   *  them with the rest. */
  registerAll(entries: readonly Entry[]): void {
    for (const entry of entries) if (entry.isPending && !entry.registered) this.register(entry);
  }

  encodeError(error: unknown): Uint8Array {
    return this.#codec.encodeError(error);
  }

  #settled(entry: Entry): void {
    // Its ref left before the value was there ("publish"): others wait for it in the store.
    if (entry.registered) void this.#publish(entry);
    if (!entry.released) return;
    if (entry.registered) this.#unregister(entry);
    this.dropContained(entry);
    entry.payload = null;
  }

  // ---- get and wait ------------------------------------------------------------------------------------------------------

  /** User code waits from now on; answers how it ends. */
  beginWait(): () => void {
    return this.#blocking.enter();
  }

  /** Tell once when a pending entry is settled; user code waits meanwhile. */
  whenSettled(entry: Entry, settled: () => void): void {
    const leave = this.#blocking.enter();
    entry.onSettled({
      entrySettled: () => {
        leave();
        settled();
      },
    });
  }

  /** The same for what is no object: user code waits for it. */
  async blocking<T>(promise: Promise<T>): Promise<T> {
    const leave = this.#blocking.enter();
    try {
      return await promise;
    } finally {
      leave();
    }
  }

  async getOne(entry: Entry, options: GetOptions | undefined): Promise<unknown> {
    if (entry.state === "value") return entry.payload;
    return (await this.getMany([entry], options))[0];
  }

  /** Values in order; the first failure known rejects at once. */
  async getMany(entries: readonly Entry[], options: GetOptions | undefined): Promise<unknown[]> {
    for (;;) {
      try {
        return await this.#getAll(entries, options);
      } catch (error) {
        // A registered class that this process has not met: with its codec the same bytes decode.
        if (!await this.#codec.recover(error)) throw error;
      }
    }
  }

  async #getAll(entries: readonly Entry[], options: GetOptions | undefined): Promise<unknown[]> {
    const values: unknown[] = new Array(entries.length);
    let isWaiting = false;
    let isPending = false;
    for (let index = 0; index < entries.length; index++) {
      const entry = entries[index]!;
      if (entry.isPending) isPending = true;
      else if (entry.state === "stored" || entry.state === "remote") isWaiting = true;
      else values[index] = this.here(entry);
    }
    if (!isWaiting && !isPending) return values;
    const batch = new GetBatch(this, entries, values);
    const leave = this.#blocking.enter();
    try {
      await bounded(batch.start(), options, () => batch.missing, isPending ? 0 : POLL_MS);
    } finally {
      batch.stop();
      leave();
    }
    return values;
  }

  /** Indices of the first `wanted` ready entries, as soon as there are so many, or those there are at the timeout. */
  async wait(
    entries: readonly Entry[],
    wanted: number,
    fetchLocal: boolean,
    options: GetOptions | undefined,
  ): Promise<number[]> {
    const ready = firstOf(entries, wanted, (entry) => this.isReady(entry, fetchLocal));
    if (ready.length === wanted) {
      if (fetchLocal) this.#prefetches.ask(entries);
      return ready;
    }
    const isAway = entries.some((entry) => !entry.isPending && !this.isReady(entry, fetchLocal));
    if (options?.timeoutMs === 0 && !isAway) return ready;
    const batch = new WaitBatch(this, entries, wanted - ready.length, fetchLocal);
    const leave = this.#blocking.enter();
    try {
      await bounded(batch.start(), options, () => "", isAway ? POLL_MS : 0);
    } catch (error) {
      if (!(error instanceof GetTimeoutError)) throw error; // Running out of time is an answer, not an error.
    } finally {
      // First, so that transfers under way go on.
      if (fetchLocal) this.#prefetches.ask(entries);
      batch.stop();
      leave();
    }
    return firstOf(entries, wanted, (entry) => batch.isReady(entry));
  }

  /** Tell each entry's index once it is ready; answers how to stop. */
  watch(entries: readonly Entry[], ready: (index: number) => void): () => void {
    const batch = new WaitBatch(this, entries, entries.length, true, ready);
    for (let index = 0; index < entries.length; index++) {
      if (this.isReady(entries[index]!, true)) ready(index);
    }
    void batch.start();
    return () => batch.stop();
  }

  isReady(entry: Entry, fetchLocal: boolean): boolean {
    if (entry.isPending || entry.state === "remote") return false;
    return entry.state !== "stored" || !fetchLocal || entry.location === this.node;
  }

  /** The value of an entry that is in this process. Throws when it is an error. */
  here(entry: Entry): unknown {
    switch (entry.state) {
      case "value":
        return entry.payload;
      case "bytes":
        return this.#codec.decode(entry.payload as Uint8Array, null);
      case "error":
        throw this.#codec.decodeError(entry.payload as Uint8Array);
      default:
        throw new Error(`${entry.id} is ${entry.state}, not here`);
    }
  }

  /** The value of an entry that is settled, wherever it is. */
  async valueOf(entry: Entry, requests: Set<string>): Promise<unknown> {
    if (entry.state !== "stored" && entry.state !== "remote") return this.here(entry);
    const stored = await this.fetch(targetOf(entry), "get", requests).catch((error) => {
      throw lossOf(entry, error);
    });
    if (entry.state === "remote" && stored.size <= INLINE_BYTES_MAX) this.#keepSmall(entry, stored);
    const decode = (): unknown => {
      if (stored.isError) throw this.#codec.decodeError(stored.body);
      return this.#codec.decode(stored.body, stored.buffers);
    };
    return stored.kept ? this.bundles.around(entry, decode) : decode();
  }

  /** The stored bytes of an object, brought to this node if need be. */
  async fetch(
    target: ObjectTarget,
    purpose: "get" | "argument",
    requests: Set<string>,
  ): Promise<StoredBytes> {
    const { id } = target;
    const requestId = `${this.self}:g${this.#nextRequest++}`;
    requests.add(requestId);
    try {
      if (purpose === "get") this.#traceGet(id);
      return await this.#store.read(requestId, target, purpose);
    } finally {
      requests.delete(requestId);
    }
  }

  #traceGet(id: ObjectId): void {
    const task = taskOfObject(id);
    if (task !== null) {
      this.#recorder.step(task, "get", 1, "ask", `${this.self} asks its node's store for ${id}`);
    }
  }

  /** Borrowed small values are kept: the next get costs nothing. */
  #keepSmall(entry: Entry, stored: StoredBytes): void {
    if (stored.buffers.length > 0) return;
    entry.state = stored.isError ? "error" : "bytes";
    entry.payload = stored.body.slice();
    entry.bytes = stored.body.length;
  }

  waitRemote(entry: Entry, fetchLocal: boolean, requests: Set<string>): Promise<unknown> {
    const requestId = `${this.self}:w${this.#nextRequest++}`;
    requests.add(requestId);
    return this.link.request("waitObject", { requestId, ...targetOf(entry), fetchLocal })
      .finally(() => requests.delete(requestId));
  }

  cancelRequests(requests: Set<string>): void {
    for (const requestId of requests) this.link.notify("cancelGet", { requestId });
    requests.clear();
  }

  // ---- counting ------------------------------------------------------------------------------------------------------------

  /** Others may ask for it from now on: its home counts it. `at`: the node that has its value; null: nowhere yet, or here. */
  register(entry: Entry, at: NodeId | null = null): void {
    entry.registered = true;
    this.#watch(entry);
    this.link.reference({ op: "own", id: entry.id, home: entry.home, at });
    if (at === null && !entry.isPending && entry.state !== "stored") void this.#publish(entry);
  }

  #unregister(entry: Entry): void {
    if (this.#known.get(entry.id)?.deref() === entry) this.#known.delete(entry.id);
    this.#collected.unregister(entry);
    const { id, home, owned } = entry;
    this.link.reference({ op: owned ? "disown" : "drop", id, home });
    if (owned) this.#released(id);
  }

  #watch(entry: Entry): void {
    const { id, home, owned } = entry;
    this.#known.set(id, new WeakRef(entry));
    this.#collected.register(entry, { id, home, op: owned ? "disown" : "drop" }, entry);
  }

  #forgetCollected({ id, home, op }: { id: ObjectId; home: NodeId; op: "disown" | "drop" }): void {
    if (this.#closed !== null) return;
    // The same object may have arrived again since: the process holds it as long as that entry.
    if (this.#known.get(id)?.deref() !== undefined) return;
    this.#known.delete(id);
    this.link.reference({ op, id, home });
    if (op === "disown") this.#released(id);
  }

  /** Copy a small value of this process to the node's store, for others. */
  #publish(entry: Entry): Promise<void> {
    return this.publishAs(entry, { id: entry.id, home: entry.home, owner: this.self });
  }

  /** The same, as another object: one whose owner is gone. */
  async publishAs(
    entry: Entry,
    { id, home, owner }: { readonly id: ObjectId; readonly home: NodeId; readonly owner: ProcessId },
  ): Promise<void> {
    const isError = entry.state === "error";
    const body = entry.state === "value"
      ? this.#codec.encode(entry.payload, "value").body
      : entry.payload as Uint8Array;
    const contains = (entry.contained ?? []).map((inner) => this.lendHeld(inner));
    const info = { home, owner, isError, contains, producer: entry.producer };
    try {
      await this.#store.writeSmall(id, body, info);
    } catch (error) {
      // With the agent gone, everybody is gone who could ask for it. Else the store is full: whoever waits must hear of it.
      if (this.#closed !== null || !(error instanceof ObjectStoreFullError) || isError) return;
      const failed = { ...info, isError: true, contains: [] };
      await this.#store.writeSmall(id, this.encodeError(error), failed).catch(() => undefined);
    }
  }

  /** The cluster is gone for this process: what waits fails with `reason`. */
  close(reason: Error): void {
    this.#closed = reason;
    this.bundles.close();
    this.#known.clear();
  }
}
