/**
 * The object directory: which nodes hold which object, and who waits for an object that does not exist yet.
 *
 * It owns: locations, callbacks, and what is known of objects that are gone. It does not own references (each object's home
 * agent counts them and says `freeObjects`), bytes, or transfers.
 *
 *               1             3
 *   (awaited) -----> stored -----> lost --1--> stored
 *       |              |             |
 *       +------2-------+------2------+---> freed
 *       |
 *       +--4--> failed
 *
 *   1 A node reports that it holds the object: every callback fires.
 *   2 The home says that nobody refers to it: every holder deletes it. Freed ids are remembered for a while, because a
 *     report or a copy may still be on its way: what comes late is deleted again.
 *   3 The last node that held it died or dropped it.
 *   4 The owner, or the owner's node, died OWNER_GRACE_MS ago and no copy came: what was on its way has arrived by then.
 * @module
 */
import { assert } from "../../common/assert.ts";
import type { NodeId, ObjectId, ProcessId } from "../../common/ids.ts";
import type { ObjectReport } from "../../protocol/messages.ts";
import type { Core } from "../core.ts";
import { ObjectWaiters } from "./object_waiters.ts";

/** Freed ids that are remembered. */
export const FREED_KEPT: number = 100_000;
/** Lost objects whose reason is remembered. */
export const LOST_KEPT: number = 100_000;
/** Dead owners, and dead nodes, that are remembered. */
export const DEAD_OWNERS_KEPT: number = 10_000;
/** Objects whose home died and that nobody counts any more; above that the oldest are freed. */
export const ORPHANS_MAX: number = 100_000;
/** Callbacks at once; above that a request is refused. */
export const WAITERS_MAX: number = 1_000_000;
/** How long after its owner's death an object that was announced may still appear. */
export const OWNER_GRACE_MS: number = 2_000;

type LocateErrorCode = "ObjectLostError" | "ObjectFreedError" | "OwnerDiedError";

export type DirectoryEvent =
  /** Changes of a node's store, in order; absolute per object, so a resent report changes nothing. */
  | {
    readonly type: "objectsReported";
    readonly nodeId: NodeId;
    readonly added: readonly ObjectReport[];
    readonly removed: readonly ObjectId[];
  }
  /** A node (re)joined: this is all that it holds. */
  | { readonly type: "nodeReported"; readonly nodeId: NodeId; readonly objects: readonly ObjectReport[] }
  /** `waitId` names the request within the node: resending replaces it, `cancelLocate` ends it. */
  | {
    readonly type: "locateObject";
    readonly requestId: string;
    readonly nodeId: NodeId | null;
    readonly waitId: string;
    readonly id: ObjectId;
    readonly home: NodeId;
    readonly wait: boolean;
  }
  | { readonly type: "cancelLocate"; readonly nodeId: NodeId | null; readonly waitId: string }
  | { readonly type: "freeObjects"; readonly ids: readonly ObjectId[] }
  | { readonly type: "nodeDied"; readonly nodeId: NodeId; readonly reason: string }
  | { readonly type: "ownerDied"; readonly owner: ProcessId; readonly reason: string }
  /** No job runs any more: objects whose home died have no user left. */
  | { readonly type: "lastJobEnded" }
  | { readonly type: "tick" };

export type DirectoryEffect =
  /** Written behind: after a restart the nodes report all that they hold. */
  | {
    readonly type: "persistObjects";
    readonly added: readonly { readonly nodeId: NodeId; readonly object: ObjectReport }[];
    readonly removed: readonly { readonly nodeId: NodeId; readonly id: ObjectId }[];
    /** Objects without any location from now on. */
    readonly ended: readonly ObjectId[];
  }
  | {
    readonly type: "located";
    readonly requestId: string;
    readonly nodes: readonly NodeId[];
    readonly bytes: number;
    readonly isError: boolean;
    readonly waited: boolean;
  }
  | {
    readonly type: "locateFailed";
    readonly requestId: string;
    readonly code: LocateErrorCode | "TaskCancelledError";
    readonly message: string;
  }
  | { readonly type: "deleteObjects"; readonly nodeId: NodeId; readonly ids: readonly ObjectId[] }
  | {
    readonly type: "objectLost";
    readonly id: ObjectId;
    readonly home: NodeId;
    readonly owner: ProcessId;
    readonly reason: string;
  };

/** What the directory knows of a stored object. */
export interface ObjectEntry {
  readonly id: ObjectId;
  bytes: number;
  readonly home: NodeId;
  readonly owner: ProcessId;
  isError: boolean;
  producer: string | undefined;
  /** The node that holds the copy which is never evicted; null when only other copies are left. */
  primary: NodeId | null;
  readonly holders: Set<NodeId>;
}

interface Loss {
  readonly code: "ObjectLostError" | "OwnerDiedError";
  readonly reason: string;
}

/** A death whose objects may still appear until `dueMs`. */
interface Death {
  readonly dueMs: number;
  readonly reason: string;
}

interface Changes {
  added: { nodeId: NodeId; object: ObjectReport }[];
  removed: { nodeId: NodeId; id: ObjectId }[];
  ended: ObjectId[];
}

export class ObjectDirectory implements Core<DirectoryEvent, DirectoryEffect> {
  /** All and only objects with at least one holder. */
  readonly #objects: Map<ObjectId, ObjectEntry> = new Map();
  readonly #byNode: Map<NodeId, Set<ObjectId>> = new Map();
  readonly #waiters: ObjectWaiters = new ObjectWaiters();
  /** Freed ids, oldest first. */
  readonly #freed: Set<ObjectId> = new Set();
  readonly #lost: Map<ObjectId, Loss> = new Map();
  /** Stored objects whose home died. */
  readonly #orphans: Set<ObjectId> = new Set();
  /** Dead owners, by the part of their id that is in their objects' ids; and dead homes. */
  readonly #deadOwners: Map<string, Death> = new Map();
  readonly #deadHomes: Map<NodeId, Death> = new Map();
  /** When callbacks must be looked through for the dead; null when not. */
  #sweepMs: number | null = null;

  /** `restored`: the store's locations after a restart of the head; each node's own report replaces them. */
  constructor(restored: readonly { readonly nodeId: NodeId; readonly object: ObjectReport }[] = []) {
    const changes: Changes = { added: [], removed: [], ended: [] };
    for (const { nodeId, object } of restored) this.#add(nodeId, object, changes, []);
  }

  step(nowMs: number, event: DirectoryEvent): readonly DirectoryEffect[] {
    const out: DirectoryEffect[] = [];
    const changes: Changes = { added: [], removed: [], ended: [] };
    switch (event.type) {
      case "objectsReported":
        this.#report(event.nodeId, event.added, event.removed, changes, out);
        break;
      case "nodeReported":
        this.#replace(event.nodeId, event.objects, changes, out);
        break;
      case "locateObject":
        this.#locate(nowMs, event, out);
        break;
      case "cancelLocate":
        this.#cancel(waiterKey(event.nodeId, event.waitId), out);
        break;
      case "freeObjects":
        this.#free(event.ids, changes, out);
        break;
      case "nodeDied":
        this.#nodeDied(nowMs, event.nodeId, event.reason, changes, out);
        break;
      case "ownerDied":
        remember(this.#deadOwners, ownerKey(event.owner), {
          dueMs: nowMs + OWNER_GRACE_MS,
          reason: event.reason,
        });
        this.#sweepMs ??= nowMs + OWNER_GRACE_MS;
        break;
      case "lastJobEnded":
        this.#free([...this.#orphans], changes, out);
        break;
      case "tick":
        if (this.#sweepMs !== null && nowMs >= this.#sweepMs) this.#sweep(nowMs, out);
        break;
      default:
        event satisfies never;
    }
    if (changes.added.length + changes.removed.length + changes.ended.length === 0) return out;
    return [{ type: "persistObjects", ...changes }, ...out];
  }

  /** What is known of a stored object, or null. Not to be changed by the caller. */
  get(id: ObjectId): Readonly<ObjectEntry> | null {
    return this.#objects.get(id) ?? null;
  }

  /** All stored objects, oldest report first. */
  entries(): IterableIterator<Readonly<ObjectEntry>> {
    return this.#objects.values();
  }

  get size(): number {
    return this.#objects.size;
  }

  /** Callbacks that have not fired. */
  get waiterCount(): number {
    return this.#waiters.size;
  }

  check(): void {
    for (const [id, entry] of this.#objects) {
      assert(entry.holders.size > 0, `${id} has a holder`);
      assert(entry.primary === null || entry.holders.has(entry.primary), `${id}'s primary copy is held`);
      assert(!this.#freed.has(id), `stored ${id} is not freed`);
      assert(!this.#lost.has(id), `stored ${id} is not lost`);
      assert(!this.#waiters.has(id), `nobody waits for stored ${id}`);
      for (const node of entry.holders) {
        assert(this.#byNode.get(node)?.has(id), `${id} is listed for ${node}`);
      }
    }
    for (const [node, ids] of this.#byNode) {
      assert(ids.size > 0, `${node} is listed only with objects`);
      for (const id of ids) assert(this.#objects.get(id)?.holders.has(node), `${node} holds ${id}`);
    }
    this.#waiters.check();
    for (const id of this.#orphans) assert(this.#objects.has(id), `orphan ${id} is stored`);
    assert(this.#freed.size <= FREED_KEPT && this.#lost.size <= LOST_KEPT, "what is gone is bounded");
  }

  #report(
    nodeId: NodeId,
    added: readonly ObjectReport[],
    removed: readonly ObjectId[],
    changes: Changes,
    out: DirectoryEffect[],
  ): void {
    const late: ObjectId[] = [];
    for (const object of added) {
      // Freed while the copy was being made or its report was on its way.
      if (this.#freed.has(object.id)) late.push(object.id);
      else this.#add(nodeId, object, changes, out);
    }
    if (late.length > 0) out.push({ type: "deleteObjects", nodeId, ids: late });
    for (const id of removed) this.#drop(id, nodeId, `node ${nodeId} dropped its last copy`, changes, out);
  }

  #replace(
    nodeId: NodeId,
    objects: readonly ObjectReport[],
    changes: Changes,
    out: DirectoryEffect[],
  ): void {
    const reported = new Set(objects.map((object) => object.id));
    const gone = [...this.#byNode.get(nodeId) ?? []].filter((id) => !reported.has(id));
    this.#deadHomes.delete(nodeId);
    this.#report(nodeId, objects, gone, changes, out);
  }

  #add(nodeId: NodeId, object: ObjectReport, changes: Changes, out: DirectoryEffect[]): void {
    let entry = this.#objects.get(object.id);
    if (entry === undefined) {
      const { id, bytes, home, owner, isError, producer } = object;
      entry = { id, bytes, home, owner, isError, producer, primary: null, holders: new Set() };
      this.#objects.set(id, entry);
      this.#lost.delete(id);
      if (this.#deadHomes.has(home)) this.#adopt(id, changes, out);
    }
    entry.bytes = object.bytes;
    entry.isError = object.isError;
    if (object.primary) entry.primary = nodeId;
    else if (entry.primary === nodeId) entry.primary = null;
    entry.holders.add(nodeId);
    let held = this.#byNode.get(nodeId);
    if (held === undefined) this.#byNode.set(nodeId, held = new Set());
    held.add(object.id);
    changes.added.push({ nodeId, object });
    for (const waiter of this.#waiters.take(object.id)) {
      out.push(locatedEffect(waiter.requestId, entry, true));
    }
  }

  #drop(id: ObjectId, nodeId: NodeId, reason: string, changes: Changes, out: DirectoryEffect[]): void {
    const entry = this.#objects.get(id);
    // Resent, or removed because it was freed.
    if (entry === undefined || !entry.holders.delete(nodeId)) return;
    this.#unlist(nodeId, id);
    if (entry.primary === nodeId) entry.primary = null;
    changes.removed.push({ nodeId, id });
    if (entry.holders.size > 0) return;
    this.#objects.delete(id);
    changes.ended.push(id);
    const orphan = this.#orphans.delete(id);
    remember(this.#lost, id, { code: orphan ? "OwnerDiedError" : "ObjectLostError", reason }, LOST_KEPT);
    out.push({ type: "objectLost", id, home: entry.home, owner: entry.owner, reason });
  }

  #unlist(nodeId: NodeId, id: ObjectId): void {
    const held = this.#byNode.get(nodeId)!;
    held.delete(id);
    if (held.size === 0) this.#byNode.delete(nodeId);
  }

  #locate(
    nowMs: number,
    event: Extract<DirectoryEvent, { type: "locateObject" }>,
    out: DirectoryEffect[],
  ): void {
    const { requestId, id, home } = event;
    const fail = (code: LocateErrorCode, why: string): void => {
      out.push({ type: "locateFailed", requestId, code, message: `Cannot find object ${id}: ${why}` });
    };
    // Resent: the first one's answer has no taker.
    const key = waiterKey(event.nodeId, event.waitId);
    this.#cancel(key, out);
    const entry = this.#objects.get(id);
    if (entry !== undefined) return void out.push(locatedEffect(requestId, entry, false));
    const loss = this.#lost.get(id);
    if (loss !== undefined) return fail(loss.code, loss.reason);
    if (this.#freed.has(id)) {
      return fail("ObjectFreedError", "its last reference was released and it was deleted");
    }
    if (!event.wait) {
      return void out.push({
        type: "located",
        requestId,
        nodes: [],
        bytes: 0,
        isError: false,
        waited: false,
      });
    }
    const death = this.#deathOf(id, home);
    if (death !== null && nowMs >= death.dueMs) return fail("OwnerDiedError", death.reason);
    if (death !== null) this.#sweepMs ??= death.dueMs;
    if (this.#waiters.size >= WAITERS_MAX) {
      return fail("ObjectLostError", `${WAITERS_MAX} requests wait already`);
    }
    this.#waiters.add(id, { key, requestId, nodeId: event.nodeId, home });
  }

  /** Every request gets an answer, so that nobody on the way keeps it open. */
  #cancel(key: string, out: DirectoryEffect[]): void {
    const waiter = this.#waiters.forget(key);
    if (waiter === undefined) return;
    const { requestId } = waiter;
    out.push({
      type: "locateFailed",
      requestId,
      code: "TaskCancelledError",
      message: "The request was cancelled",
    });
  }

  #failWaiters(
    id: ObjectId,
    code: LocateErrorCode,
    why: string,
    out: DirectoryEffect[],
  ): void {
    const message = `Cannot find object ${id}: ${why}`;
    for (const { requestId } of this.#waiters.take(id)) {
      out.push({ type: "locateFailed", requestId, code, message });
    }
  }

  #free(ids: readonly ObjectId[], changes: Changes, out: DirectoryEffect[]): void {
    const perNode = new Map<NodeId, ObjectId[]>();
    for (const id of ids) {
      // Remembered also when nothing is known of it: the report of a copy may still come.
      this.#lost.delete(id);
      this.#freed.delete(id);
      this.#freed.add(id);
      if (this.#freed.size > FREED_KEPT) this.#freed.delete(this.#freed.values().next().value!);
      this.#orphans.delete(id);
      this.#failWaiters(id, "ObjectFreedError", "its last reference was released", out);
      const entry = this.#objects.get(id);
      if (entry === undefined) continue;
      this.#objects.delete(id);
      changes.ended.push(id);
      for (const nodeId of entry.holders) {
        this.#unlist(nodeId, id);
        changes.removed.push({ nodeId, id });
        const list = perNode.get(nodeId);
        if (list === undefined) perNode.set(nodeId, [id]);
        else list.push(id);
      }
    }
    for (const [nodeId, list] of perNode) out.push({ type: "deleteObjects", nodeId, ids: list });
  }

  #nodeDied(nowMs: number, nodeId: NodeId, reason: string, changes: Changes, out: DirectoryEffect[]): void {
    const why = `node ${nodeId}, which held its last copy, died: ${reason}`;
    for (const id of [...this.#byNode.get(nodeId) ?? []]) this.#drop(id, nodeId, why, changes, out);
    this.#waiters.forgetNode(nodeId);
    const death = { dueMs: nowMs + OWNER_GRACE_MS, reason: `its owner died with node ${nodeId}: ${reason}` };
    remember(this.#deadHomes, nodeId, death);
    this.#sweepMs ??= death.dueMs;
    for (const { id, home } of this.#waiters.awaited()) {
      // By owner too: the node may be back as a new incarnation at once, its processes never.
      if (home === nodeId) remember(this.#deadOwners, ownerOf(id), death);
    }
    for (const entry of [...this.#objects.values()]) {
      if (entry.home !== nodeId) continue;
      remember(this.#deadOwners, ownerKey(entry.owner), death);
      this.#adopt(entry.id, changes, out);
    }
  }

  /** The object's home is dead: nobody counts it, so the number of these is bounded. */
  #adopt(id: ObjectId, changes: Changes, out: DirectoryEffect[]): void {
    this.#orphans.add(id);
    if (this.#orphans.size > ORPHANS_MAX) this.#free([this.#orphans.values().next().value!], changes, out);
  }

  #deathOf(id: ObjectId, home: NodeId): Death | null {
    return this.#deadHomes.get(home) ?? this.#deadOwners.get(ownerOf(id)) ?? null;
  }

  #sweep(nowMs: number, out: DirectoryEffect[]): void {
    this.#sweepMs = null;
    for (const { id, home } of this.#waiters.awaited()) {
      const death = this.#deathOf(id, home);
      if (death === null) continue;
      if (nowMs >= death.dueMs) this.#failWaiters(id, "OwnerDiedError", death.reason, out);
      else this.#sweepMs = Math.min(this.#sweepMs ?? death.dueMs, death.dueMs);
    }
  }
}

function locatedEffect(requestId: string, entry: ObjectEntry, waited: boolean): DirectoryEffect {
  const { primary, holders, bytes, isError } = entry;
  // The primary copy first: it is the one that stays.
  const nodes = primary === null
    ? [...holders]
    : [primary, ...[...holders].filter((node) => node !== primary)];
  return { type: "located", requestId, nodes, bytes, isError, waited };
}

function waiterKey(nodeId: NodeId | null, waitId: string): string {
  return `${nodeId ?? "head"}/${waitId}`;
}

/** The part of a process's id that its objects' ids carry (common/ids.ts). */
function ownerKey(owner: ProcessId): string {
  return owner.slice(2);
}

function ownerOf(id: ObjectId): string {
  return id.slice(2, id.lastIndexOf("-"));
}

function remember<K, V>(map: Map<K, V>, key: K, value: V, limit: number = DEAD_OWNERS_KEPT): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > limit) map.delete(map.keys().next().value!);
}
