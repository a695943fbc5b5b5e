/**
 * A node's object store within its agent: the object table, reference counting and pulls (all pure machines of core/object),
 * put to work on the pool, the GCS and the other agents. See store_host.ts for what each call means.
 *
 * Every public call runs its machines to the end before it returns or awaits, so that calls never see each other half done.
 * @module
 */
import { BUNDLED_REFS_MIN } from "../../common/config.ts";
import { ObjectLostError } from "../../common/errors.ts";
import type { ActorId, NodeId, ObjectId, ProcessId } from "../../common/ids.ts";
import type { NodeObject } from "../../common/memory_facts.ts";
import type { ArgumentRef } from "../../common/task_spec.ts";
import type { WantedObject } from "../../core/object/pull_types.ts";
import type { StoredEntry } from "../../core/object/object_table_types.ts";
import type { AgentMethods, ObjectReport } from "../../protocol/messages.ts";
import type { Ownerless } from "../../core/object/directory_events.ts";
import { HEADER_BYTES_MIN, parseLayout } from "../../protocol/object_layout.ts";
import { memoryOf, reportOf } from "./memory_rows.ts";
import type { ObjectAsk, Referral } from "../transport/object_stream.ts";
import { ObjectPool } from "./object_pool.ts";
import { ObjectPulls, PREFETCHES_MAX } from "./object_pulls.ts";
import { ObjectSources } from "./object_sources.ts";
import { cancelled, ObjectSpace } from "./object_space.ts";
import { PulledRanges } from "./pulled_ranges.ts";
import { ReferenceKeeper } from "./reference_keeper.ts";
import { SpillFiles } from "./spill_files.ts";
import { checkId, leaseKey, requestKey, sealOf } from "./store_keys.ts";
import type {
  CreationBytes,
  FoundObject,
  NodeRefChange,
  ObjectSourceBytes,
  ObjectStore,
  PullsView,
  StoreHost,
  StoreUsage,
} from "./store_host.ts";

/** Of the capacity: what arguments of tasks may hold together (as in Ray). */
const ARGUMENTS_SHARE = 0.7;

/** The process in whose name objects of leaving nodes are pulled. */
const ADOPTIONS = "adoptions" as ProcessId;

type Params<M extends keyof AgentMethods> = AgentMethods[M]["params"];
type Result<M extends keyof AgentMethods> = AgentMethods[M]["result"];
type None = Record<string, never>;
const NONE: None = {};

export interface LocalStoreOptions {
  /** Bytes, or null for the default share of the memory. */
  readonly objectStoreBytes: number | null;
  /** Folder for the pool, or null for the default. */
  readonly objectStoreDir: string | null;
  /** Folder for what does not fit into memory, or null: nothing is spilled. */
  readonly spillDir: string | null;
  /** How long a creator waits in a full store after the last progress; for tests. */
  readonly graceMs?: number;
}

/** Makes the pool and the store on it. Rejects with what is wrong with the options or the folder. */
export async function openLocalStore(host: StoreHost, options: LocalStoreOptions): Promise<LocalStore> {
  const pool = new ObjectPool({
    dir: options.objectStoreDir,
    capacity: options.objectStoreBytes,
    warn: (text) => host.warn(text),
  });
  const files = options.spillDir === null ? null : new SpillFiles(options.spillDir);
  return new LocalStore(host, pool, files, options.graceMs);
}

export class LocalStore implements ObjectStore {
  readonly #host: StoreHost;
  readonly #pool: ObjectPool;
  readonly #files: SpillFiles | null;
  readonly #space: ObjectSpace;
  readonly #references: ReferenceKeeper;
  readonly #pulls: ObjectPulls;
  readonly #sources: ObjectSources;
  #requests = 0;
  #closed = false;

  constructor(host: StoreHost, pool: ObjectPool, files: SpillFiles | null, graceMs?: number) {
    this.#host = host;
    this.#pool = pool;
    this.#files = files;
    const nowMs = (): number => performance.timeOrigin + performance.now();
    this.#space = new ObjectSpace(pool, { nowMs, files, ...(graceMs === undefined ? {} : { graceMs }) }, {
      sealed: (id, report) => {
        host.report([report], []);
        this.#pulls.sealed(id);
      },
      removed: (id, evicted) => {
        host.report([], [id]);
        if (!evicted) this.#references.step({ type: "deleted", id });
        this.#pulls.removed(id);
      },
      unloaded: (id) => {
        this.#reportAgain(id);
        this.#pulls.removed(id);
      },
      restored: (id) => {
        this.#reportAgain(id);
        this.#pulls.sealed(id);
      },
      spillFailed: (message) => host.warn(`Objects could not be spilled: ${message}`),
      spillBroken: (id, message) => host.warn(`The spilled object ${id} is lost: ${message}`),
      collectGarbage: () => host.collectGarbage(),
    });
    const space = this.#space;
    this.#references = new ReferenceKeeper(host, nowMs, (ids) => this.deleteObjects(ids));
    const ranges = new PulledRanges(space, pool, () => this.#pulls.step({ type: "roomChanged" }));
    this.#pulls = new ObjectPulls({
      host,
      nowMs,
      capacity: pool.capacity,
      room: {
        bytes: () => space.table.roomBytes,
        evictableBytes: (id) => space.table.evictableBytes(id),
        bytesOf: (id) => space.table.get(id)?.size ?? 0,
        isHere: (id) => space.table.get(id)?.resident === true,
        argumentBytes: Math.floor(pool.capacity * ARGUMENTS_SHARE),
      },
      spilled: (id) => {
        const entry = space.table.get(id);
        return entry === undefined || entry.resident
          ? null
          : { bytes: entry.size, isError: entry.report.isError };
      },
      ranges,
      pin: (holder, id) => space.step({ type: "pin", holder, id }),
      unpin: (holder, id) => this.#unpin(holder, id, 1),
    });
    this.#sources = new ObjectSources({
      space,
      pool,
      unpin: (holder, id) => this.#unpin(holder, id, Infinity),
      incoming: (id) => this.#pulls.incoming(id),
    });
  }

  // ---- making objects ----------------------------------------------------------------------------------------------

  async createObject(
    process: ProcessId,
    { id, size }: Params<"createObject">,
  ): Promise<Result<"createObject">> {
    checkId(id);
    if (!Number.isSafeInteger(size) || size < HEADER_BYTES_MIN) {
      throw new RangeError(`Cannot create ${id}: ${size} is not the size of a stored object`);
    }
    const { offset, isCold } = await this.#space.create(process, id, size, false);
    return { path: this.#pool.path, offset: offset!, ...(isCold && { isCold }) };
  }

  async sealObject(process: ProcessId, params: Params<"sealObject">): Promise<None> {
    checkId(params.id);
    this.#space.seal(process, params.id, sealOf(params), null);
    return await this.#holdContents(params);
  }

  abortObject(process: ProcessId, { id }: Params<"abortObject">): void {
    this.#abort(process, id);
  }

  async putInline(process: ProcessId, params: Params<"putInline">, bytes: Uint8Array): Promise<None> {
    checkId(params.id);
    parseLayout(bytes);
    const copy = bytes.slice();
    if (this.#space.table.get(params.id) === undefined) {
      await this.#space.create(process, params.id, copy.byteLength, true);
      this.#space.seal(process, params.id, sealOf(params), copy);
    }
    return await this.#holdContents(params);
  }

  writeObject(process: ProcessId, { id, offset }: Params<"writeObject">, bytes: Uint8Array): None {
    const creation = this.#space.table.creation(process, id);
    if (creation === undefined || creation.offset === null) {
      throw new ObjectLostError(`Cannot write ${id}: ${process} is not creating it here`, { objectId: id });
    }
    if (!Number.isSafeInteger(offset) || offset < 0 || offset + bytes.byteLength > creation.size) {
      throw new RangeError(
        `Cannot write ${bytes.byteLength} bytes at ${offset} of ${id}: it has ${creation.size}`,
      );
    }
    this.#pool.write(creation.offset + offset, bytes);
    return NONE;
  }

  // ---- reading objects ---------------------------------------------------------------------------------------------

  getObject(
    process: ProcessId,
    { requestId, id, home, at, purpose, keep = false }: Params<"getObject">,
    { remote = false }: { readonly remote?: boolean } = {},
  ): Promise<FoundObject> {
    const found = (object: StoredEntry): FoundObject => {
      const place = this.#place(process, object, remote);
      return keep && this.#keepContents(process, id) ? { ...place, kept: true } : place;
    };
    checkId(id);
    const entry = this.#space.table.get(id);
    if (entry?.resident) {
      this.#host.step?.({ name: "local", id, purpose, detail: `${id} is on this node` });
      return Promise.resolve(found(entry));
    }
    return new Promise((resolve, reject) => {
      this.#pulls.want(
        {
          key: requestKey(process, requestId),
          purpose,
          fetch: true,
          bundle: false,
          objects: [this.#wanted({ id, home, at })],
          local: new Set(),
        },
        // Pinned in the very step that brought it: nothing can evict it in between.
        {
          ready: () => resolve(found(this.#space.table.get(id)!)),
          failed: reject,
        },
      );
    });
  }

  waitObject(
    process: ProcessId,
    { requestId, id, home, at, fetchLocal }: Params<"waitObject">,
  ): Promise<None> {
    checkId(id);
    if (this.#space.table.get(id) !== undefined) return Promise.resolve(NONE);
    return new Promise((resolve, reject) => {
      this.#pulls.want(
        {
          key: requestKey(process, requestId),
          purpose: "wait",
          fetch: fetchLocal,
          bundle: false,
          objects: [this.#wanted({ id, home, at })],
          local: new Set(),
        },
        { ready: () => resolve(NONE), failed: reject },
      );
    });
  }

  prefetch(process: ProcessId, { objects }: Params<"prefetch">): void {
    for (const object of objects.slice(0, PREFETCHES_MAX)) {
      checkId(object.id);
      if (this.#space.table.get(object.id) !== undefined) continue;
      this.#pulls.prefetch(requestKey(process, `prefetch ${object.id}`), this.#wanted(object));
    }
  }

  cancelGet(process: ProcessId, { requestId }: Params<"cancelGet">): void {
    this.#pulls.cancel(requestKey(process, requestId), cancelled("the caller no longer waits"));
  }

  unpin(process: ProcessId, { id, count }: Params<"unpin">): void {
    if (!Number.isSafeInteger(count) || count < 1) throw new RangeError(`Cannot unpin ${id} ${count} times`);
    this.#unpin(process, id, count);
  }

  readObject(process: ProcessId, { id, offset, length }: Params<"readObject">): Uint8Array {
    const entry = this.#space.table.pins(process, id) ?? this.#space.table.get(id);
    if (entry === undefined) {
      throw new ObjectLostError(`Cannot read ${id}: it is not on this node (any more)`, { objectId: id });
    }
    return this.#space.bytesOf(entry, offset, length);
  }

  openRead(id: ObjectId): ObjectSourceBytes | null {
    return this.#sources.open(id);
  }

  serve(ask: ObjectAsk): Promise<ObjectSourceBytes | Referral | null> {
    return this.#sources.serve(ask);
  }

  openCreation(process: ProcessId, id: ObjectId): CreationBytes | null {
    return this.#sources.openCreation(process, id);
  }

  isLocal(id: ObjectId): boolean {
    return this.#space.table.get(id)?.resident === true;
  }

  async pinArguments(key: string, args: readonly ArgumentRef[], depth: number = 0): Promise<void> {
    const local = new Set(args.map(({ id }) => id).filter((id) => this.isLocal(id)));
    for (const id of local) {
      this.#host.step?.({ name: "local", id, purpose: "argument", detail: "is on this node" });
    }
    await new Promise<void>((resolve, reject) => {
      this.#pulls.want({
        key: leaseKey(key),
        purpose: "argument",
        fetch: true,
        bundle: true,
        objects: args.map((arg) => this.#wanted(arg)),
        local,
        depth,
      }, { ready: resolve, failed: reject });
    });
  }

  argumentsLent(key: string): void {
    this.#pulls.step({ type: "released", key: leaseKey(key) });
  }

  releaseArguments(key: string): void {
    this.#pulls.cancel(leaseKey(key), cancelled("the lease is over"));
    this.#space.holderDied(leaseKey(key));
    this.#pulls.step({ type: "released", key: leaseKey(key) });
  }

  // ---- references and deaths ---------------------------------------------------------------------------------------

  references(process: ProcessId, { changes }: Params<"references">): void {
    this.#references.step({ type: "changed", process, changes });
  }

  async flushReferences(_process: ProcessId): Promise<None> {
    await this.#references.flush();
    return NONE;
  }

  peerReferences(from: NodeId, changes: readonly NodeRefChange[]): void {
    this.#references.step({ type: "nodeChanged", from, changes });
  }

  processDied(process: ProcessId): void {
    const reason = cancelled(`${process} is gone`);
    this.#pulls.cancelAllOf(requestKey(process, ""), reason);
    this.#space.holderDied(process);
    this.#references.step({ type: "processDied", process });
    this.#pulls.step({ type: "roomChanged" });
  }

  nodeDied(node: NodeId): void {
    for (const id of this.#pulls.nodeDied(node)) this.#promote(id);
    this.#references.step({ type: "nodeDied", node });
  }

  async adoptObjects(
    from: NodeId,
    objects: readonly { readonly id: ObjectId; readonly home: NodeId }[],
  ): Promise<ObjectId[]> {
    const adopted = objects.map(({ id, home }) =>
      new Promise<ObjectId | null>((resolve) => {
        const keep = (): void => resolve(this.#promote(id) ? id : null);
        if (this.isLocal(id)) return keep();
        const key = requestKey(ADOPTIONS, `${++this.#requests}`);
        this.#pulls.want(
          {
            key,
            purpose: "wait",
            fetch: true,
            bundle: false,
            objects: [{ id, home, at: from }],
            local: new Set(),
          },
          // In the very step that brought it: nothing can evict it in between.
          { ready: keep, failed: () => resolve(null) },
        );
      })
    );
    return (await Promise.all(adopted)).filter((id) => id !== null);
  }

  deleteObjects(ids: readonly ObjectId[]): void {
    this.#space.step({ type: "delete", ids });
    this.#pulls.step({ type: "roomChanged" });
  }

  holdersOf(id: ObjectId): ReturnType<ObjectStore["holdersOf"]> {
    return this.#references.holdersOf(id);
  }

  ownerless(objects: readonly Ownerless[]): void {
    // As if sealed here: who is counted stays, what a dead process was the only one to own goes.
    const home = this.#host.nodeId;
    for (const object of objects) this.#references.step({ type: "sealed", ...object, home, contains: [] });
  }

  objects(): ObjectReport[] {
    return [...this.#space.table.entries()].map(reportOf);
  }

  memory(id: ObjectId | ActorId | null): NodeObject[] {
    return memoryOf(
      this.#host.nodeId,
      this.#space.table.entries(),
      this.#references.counted(),
      this.#pulls.all(),
      id,
    );
  }

  usage(): StoreUsage {
    const { objects, primaries, waiting, pinnedBytes } = this.#space.table.counts();
    const { spilled } = this.#space.table;
    return {
      capacity: this.#space.table.capacity,
      used: this.#space.table.usedBytes,
      pinned: pinnedBytes,
      spilled: spilled.bytes,
      spilledObjects: spilled.objects,
      objects,
      primaries,
      waiting,
      pulls: this.#pulls.count,
      canSpill: this.#files !== null,
    };
  }

  waitsForRoom(process: ProcessId): { id: ObjectId; bytes: number } | null {
    return this.#space.waitingOf(process);
  }

  get pulls(): PullsView {
    return this.#pulls;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const reason = cancelled("the node's object store is closed");
    this.#pulls.close(reason);
    this.#space.close();
    this.#files?.close();
    this.#references.close();
    this.#pool.close();
  }

  // ---- the machines ------------------------------------------------------------------------------------------------

  /** It is primary now, or whether its bytes are in memory has changed. False when it is not here. */
  #reportAgain(id: ObjectId): boolean {
    const entry = this.#space.table.get(id);
    if (entry !== undefined) this.#host.report([reportOf(entry)], []);
    return entry !== undefined;
  }

  /** This copy is the one that stays. False when it is not here. */
  #promote(id: ObjectId): boolean {
    this.#space.step({ type: "promote", id });
    return this.#reportAgain(id);
  }

  #abort(holder: string, id: ObjectId): void {
    this.#space.abort(holder, id);
    this.#pulls.step({ type: "roomChanged" });
  }

  /** Where it was made: as the asker was told, else as its owner said, if this is its home. */
  #wanted({ id, home, at }: WantedObject): WantedObject {
    return { id, home, at: at ?? this.#references.madeAt(id) };
  }

  /** The contents of a sealed object are held from now on; resolves when their homes know. */
  async #holdContents(params: Params<"sealObject">): Promise<None> {
    const { id, home, owner, contains } = params;
    this.#references.step({ type: "sealed", id, home, owner, contains });
    if (contains.length > 0) await this.#references.flush();
    return NONE;
  }

  #unpin(holder: string, id: ObjectId, count: number): void {
    this.#space.step({ type: "unpin", holder, id, count });
    if (this.#pulls.count > 0) this.#pulls.step({ type: "roomChanged" });
  }

  /** Whether a process that reads an object holds what is in it as a whole from now on. */
  #keepContents(process: ProcessId, id: ObjectId): boolean {
    const isMany = this.#references.contentsOf(id) >= BUNDLED_REFS_MIN;
    if (isMany) this.#references.step({ type: "keepContents", process, id });
    return isMany;
  }

  #place(process: ProcessId, entry: StoredEntry, remote: boolean): FoundObject {
    const { id, offset, size, report: { isError } } = entry;
    if (offset === null) return { place: { type: "inline" }, isError, bytes: this.#space.inlineBytes(id) };
    this.#space.step({ type: "pin", holder: process, id });
    const place: FoundObject["place"] = remote
      ? { type: "remote", size }
      : { type: "shm", path: this.#pool.path, offset, size };
    return { place, isError, bytes: null };
  }

  /** Throws when a machine's invariant is broken; for tests. */
  check(): void {
    this.#space.table.check();
    this.#references.check();
    this.#pulls.check();
    this.#sources.check();
  }
}
