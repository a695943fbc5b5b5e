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
 *   4 No copy came, and none will: the owner, or its node, died OWNER_GRACE_MS ago; or the object was made on a node that
 *     died before it was reported, or that has not reported it for REPORT_GRACE_MS.
 *
 * A home hears of objects that are made elsewhere from their owner. One that dies first leaves objects that nobody would
 * ever free: the directory tells their homes of those that lie somewhere OWNER_GRACE_MS after it, or come later. It tells
 * a home again when that connects again: the word may have been lost with the connection.
 * @module
 */
import { AgedSet } from "../../common/aged_set.ts";
import { assert } from "../../common/assert.ts";
import type { NodeId, ObjectId, ProcessId } from "../../common/ids.ts";
import type { ObjectReport } from "../../protocol/messages.ts";
import type { Core } from "../core.ts";
import type { DirectoryEffect, DirectoryEvent, LocateErrorCode, Ownerless } from "./directory_events.ts";
import { ObjectWaiters, type Waiter } from "./object_waiters.ts";
import { OWNER_GRACE_MS, OwnerDeaths } from "./owner_deaths.ts";
import { RecentMap } from "./recent_map.ts";
import { ToldHomes } from "./told_homes.ts";

/** Freed ids that are remembered. */
export const FREED_KEPT: number = 100_000;
/** Lost objects whose reason is remembered. */
export const LOST_KEPT: number = 100_000;
/** Objects whose home died and that nobody counts any more; above that the oldest are freed. */
export const ORPHANS_MAX: number = 100_000;
/** Callbacks at once; above that a request is refused. */
export const WAITERS_MAX: number = 1_000_000;
/**
 * How long an object that the asker knows to have been made may stay unreported. Its node reports within milliseconds, and
 * again when its connection was broken; a node that does not come back is dead before this.
 */
export const REPORT_GRACE_MS: number = 15_000;

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

const FREED = "its last reference was released and it was deleted";

interface Loss {
  readonly code: "ObjectLostError" | "OwnerDiedError";
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
  readonly #freed: AgedSet<ObjectId> = new AgedSet();
  readonly #lost: RecentMap<ObjectId, Loss> = new RecentMap(LOST_KEPT);
  /** Objects that are not stored, with the dead node that made them, as far as their homes have said. */
  readonly #madeAt: RecentMap<ObjectId, NodeId> = new RecentMap(LOST_KEPT);
  /** Stored objects whose home died. */
  readonly #orphans: Set<ObjectId> = new Set();
  readonly #deaths: OwnerDeaths = new OwnerDeaths();
  readonly #told: ToldHomes = new ToldHomes();
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
      case "objectsMadeAt":
        this.#madeAtDead(event.at, event.ids);
        break;
      case "freeObjects":
        this.#free(event.ids, changes, out);
        break;
      case "nodeDied":
        this.#nodeDied(nowMs, event.nodeId, event.reason, changes, out);
        break;
      case "ownerDied":
        this.#deaths.ownerDied(nowMs, event.owner, event.reason);
        this.#sweepAt(nowMs + OWNER_GRACE_MS);
        break;
      case "ownerLives":
        this.#deaths.ownerLives(event.owner);
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
    for (const [home, id] of this.#told.all()) {
      assert(this.#objects.get(id)?.home === home && !this.#orphans.has(id), `${home} was told of ${id}`);
    }
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
    const ownerless: ObjectId[] = [];
    for (const object of added) {
      if (this.#deaths.has(object.owner) && !this.#objects.has(object.id)) ownerless.push(object.id);
      // Freed while the copy was being made or its report was on its way.
      if (this.#freed.has(object.id)) late.push(object.id);
      else this.#add(nodeId, object, changes, out);
    }
    if (late.length > 0) out.push({ type: "deleteObjects", nodeId, ids: late });
    this.#tellHomes(ownerless.flatMap((id) => this.#objects.get(id) ?? []), out);
    for (const id of removed) this.#drop(id, nodeId, null, changes, out);
  }

  #replace(
    nodeId: NodeId,
    objects: readonly ObjectReport[],
    changes: Changes,
    out: DirectoryEffect[],
  ): void {
    const reported = new Set(objects.map((object) => object.id));
    const gone = [...this.#byNode.get(nodeId) ?? []].filter((id) => !reported.has(id));
    this.#deaths.nodeBack(nodeId);
    const told = this.#told.of(nodeId);
    this.#report(nodeId, objects, gone, changes, out);
    const again = told.filter(({ owner }) => this.#deaths.has(owner));
    this.#tellHomes(again.flatMap(({ id }) => this.#objects.get(id) ?? []), out);
  }

  #add(nodeId: NodeId, object: ObjectReport, changes: Changes, out: DirectoryEffect[]): void {
    let entry = this.#objects.get(object.id);
    if (entry === undefined) {
      const { id, bytes, home, owner, isError, producer } = object;
      entry = { id, bytes, home, owner, isError, producer, primary: null, holders: new Set() };
      this.#objects.set(id, entry);
      this.#lost.delete(id);
      this.#madeAt.delete(id);
      if (this.#deaths.ofNode(home) !== null) this.#adopt(id, changes, out);
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

  /** `death`: how the node died; null: it let go of its copy. */
  #drop(
    id: ObjectId,
    nodeId: NodeId,
    death: string | null,
    changes: Changes,
    out: DirectoryEffect[],
  ): void {
    const reason = death ?? `node ${nodeId} dropped its last copy`;
    const entry = this.#objects.get(id);
    // Resent, or removed because it was freed.
    if (entry === undefined || !entry.holders.delete(nodeId)) return;
    this.#unlist(nodeId, id);
    if (entry.primary === nodeId) entry.primary = null;
    changes.removed.push({ nodeId, id });
    if (entry.holders.size > 0) return;
    this.#objects.delete(id);
    this.#told.ended(entry.home, id);
    changes.ended.push(id);
    const orphan = this.#orphans.delete(id);
    this.#lost.set(id, { code: orphan ? "OwnerDiedError" : "ObjectLostError", reason });
    out.push({
      type: "objectLost",
      id,
      home: entry.home,
      owner: entry.owner,
      reason,
      dropped: death === null,
    });
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
    const fail = (code: LocateErrorCode, why: string): void =>
      void out.push(failedEffect(requestId, id, code, why));
    // Resent: the first one's answer has no taker.
    const key = waiterKey(event.nodeId, event.waitId);
    this.#cancel(key, out);
    const entry = this.#objects.get(id);
    if (entry !== undefined) return void out.push(locatedEffect(requestId, entry, false));
    const loss = this.#lost.get(id);
    if (loss !== undefined && event.remade !== true) return fail(loss.code, loss.reason);
    if (this.#freed.has(id)) {
      return fail("ObjectFreedError", FREED);
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
    if (this.#waiters.size >= WAITERS_MAX) {
      return fail("ObjectLostError", `${WAITERS_MAX} requests wait already`);
    }
    const at = event.at ?? this.#madeAt.get(id) ?? null;
    const remade = event.remade === true;
    const waiter = { key, requestId, nodeId: event.nodeId, home, at, sinceMs: nowMs, remade };
    const end = this.#endOf(id, waiter);
    if (end !== null && nowMs >= end.dueMs) return fail(end.code, end.reason);
    if (end !== null) this.#sweepAt(end.dueMs);
    this.#waiters.add(id, waiter);
  }

  /** Who waits for them was perhaps never told: the next sweep finds out whom to give up. */
  #madeAtDead(at: NodeId, ids: readonly ObjectId[]): void {
    for (const id of ids) {
      if (this.#objects.has(id) || this.#freed.has(id) || this.#lost.has(id)) continue;
      this.#madeAt.set(id, at);
      for (const waiter of this.#waiters.of(id)) waiter.at ??= at;
    }
    this.#sweepAt(0);
  }

  /** When and why a request that waits will be given up, as things stand; null for never. */
  #endOf(id: ObjectId, waiter: Waiter): (Loss & { readonly dueMs: number }) | null {
    const { home, at, sinceMs, remade } = waiter;
    const death = remade ? null : this.#deaths.of(id, home);
    if (death !== null) return { code: "OwnerDiedError", ...death };
    if (at === null) return null;
    const there = this.#deaths.ofNode(at);
    const reason = `node ${at}, which made it, ${
      there === null ? "does not have it" : "died with the only copy"
    }`;
    return { code: "ObjectLostError", reason, dueMs: there?.dueMs ?? sinceMs + REPORT_GRACE_MS };
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

  #free(ids: readonly ObjectId[], changes: Changes, out: DirectoryEffect[]): void {
    const perNode = new Map<NodeId, ObjectId[]>();
    for (const id of ids) {
      // Remembered also when nothing is known of it: the report of a copy may still come.
      this.#lost.delete(id);
      this.#madeAt.delete(id);
      this.#freed.add(id);
      if (this.#freed.size > FREED_KEPT) this.#freed.takeOldest();
      this.#orphans.delete(id);
      for (const { requestId } of this.#waiters.take(id)) {
        out.push(failedEffect(requestId, id, "ObjectFreedError", FREED));
      }
      const entry = this.#objects.get(id);
      if (entry === undefined) continue;
      this.#objects.delete(id);
      this.#told.ended(entry.home, id);
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
    this.#told.homeDied(nodeId);
    const orphaned = [...this.#objects.values()].filter((entry) => entry.home === nodeId).map((entry) =>
      entry.id
    );
    const announced = this.#waiters.all().filter(({ waiter }) => waiter.home === nodeId).map(({ id }) => id);
    this.#deaths.nodeDied(nowMs, nodeId, reason, [...announced, ...orphaned]);
    this.#sweepAt(nowMs + OWNER_GRACE_MS);
    for (const id of orphaned) this.#adopt(id, changes, out);
  }

  /** The object's home is dead: nobody counts it, so the number of these is bounded. */
  #adopt(id: ObjectId, changes: Changes, out: DirectoryEffect[]): void {
    this.#orphans.add(id);
    if (this.#orphans.size > ORPHANS_MAX) this.#free([this.#orphans.values().next().value!], changes, out);
  }

  #sweepAt(dueMs: number): void {
    this.#sweepMs = Math.min(this.#sweepMs ?? dueMs, dueMs);
  }

  /** The homes decide who is left to hold these, whose owners are dead. Nobody counts those whose homes are dead too. */
  #tellHomes(entries: readonly ObjectEntry[], out: DirectoryEffect[]): void {
    const perHome = new Map<NodeId, Ownerless[]>();
    for (const { id, owner, home } of entries) {
      if (this.#orphans.has(id)) continue;
      const list = perHome.get(home);
      if (list === undefined) perHome.set(home, [{ id, owner }]);
      else list.push({ id, owner });
    }
    for (const [home, objects] of perHome) {
      this.#told.told(home, objects);
      out.push({ type: "ownerless", home, objects });
    }
  }

  #sweep(nowMs: number, out: DirectoryEffect[]): void {
    this.#sweepMs = null;
    const due = this.#deaths.takeDue(nowMs);
    if (due.size > 0) {
      const ownerless: ObjectEntry[] = [];
      for (const entry of this.#objects.values()) if (due.has(entry.owner)) ownerless.push(entry);
      this.#tellHomes(ownerless, out);
    }
    if (this.#deaths.nextDueMs < Infinity) this.#sweepAt(this.#deaths.nextDueMs);
    for (const { id, waiter } of this.#waiters.all()) {
      const end = this.#endOf(id, waiter);
      if (end === null) continue;
      if (nowMs < end.dueMs) this.#sweepAt(end.dueMs);
      else {
        this.#waiters.forget(waiter.key);
        out.push(failedEffect(waiter.requestId, id, end.code, end.reason));
      }
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

function failedEffect(requestId: string, id: ObjectId, code: LocateErrorCode, why: string): DirectoryEffect {
  return { type: "locateFailed", requestId, code, message: `Cannot find object ${id}: ${why}` };
}

function waiterKey(nodeId: NodeId | null, waitId: string): string {
  return `${nodeId ?? "head"}/${waitId}`;
}
