/**
 * Reference counting of one agent: what its own processes hold, and, for objects and actors whose home it is, who holds
 * them anywhere. The first is summed up towards other homes (one hold, one drop, however many processes); the second
 * decides when an object dies. It owns no objects and no messages; outbox.ts keeps the changes that are on their way.
 *
 * Of a counted id at its home:
 *
 *     (unknown) --1--> unclaimed --2--> owned --3--> handed over --4--> freed
 *                          |              +----------------------4----->
 *                          +--5--> (unknown)
 *
 *   1 A borrower was faster than the owner's own message.
 *   2 The owner says so, or its object is sealed here.
 *   3 The owner's count fell to 0, or it died: those who still hold the id keep it alive.
 *   4 Neither owner nor holder is left. Freed ids are remembered for a while: what is sealed late is freed again.
 *   5 The last borrower let go before the owner was heard of: the owner decides alone, later.
 *
 * A process that found a ref inside an object holds it before it drops the object. The two messages may go to different
 * homes, where the drop could win the race and free the inner object. So an agent sends (and applies) drops only after
 * every hold before them has been counted at its home.
 * @module
 */
import { assert } from "../../common/assert.ts";
import type { ActorId, NodeId, ObjectId, ProcessId } from "../../common/ids.ts";
import type { RefChange, RefTarget } from "../../protocol/messages.ts";
import type { Core } from "../core.ts";
import { Contents } from "./contents.ts";
import { Outbox } from "./outbox.ts";
import { RecentSet } from "./recent_set.ts";
import type {
  CountedFacts,
  CountedId,
  NodeChange,
  ReferencesEffect,
  ReferencesEvent,
} from "./references_types.ts";

/** Freed ids and dead processes that are remembered, at most. */
export const FREED_REMEMBERED: number = 100_000;
export const DEAD_REMEMBERED: number = 10_000;

/** A process of this node, or an object stored on it that contains the ref. Both are ids with a prefix of their own. */
type LocalHolder = ProcessId | ObjectId;

interface Counted {
  readonly id: CountedId;
  readonly home: NodeId;
  /** Processes of this node that hold it, and objects stored here that contain it. Not the owner's own count. */
  readonly holders: Set<LocalHolder>;
  /** At the home only: other nodes that hold it. */
  readonly nodes: Set<NodeId>;
  /** At the home only: whether the owner was heard of, who it is, and whether it still counts. */
  claimed: boolean;
  owner: ProcessId | null;
  owned: boolean;
  /** At the home only: the node that its owner says it is stored at. */
  at: NodeId | null;
  /** Elsewhere: whether the home was told that this node holds it. */
  announced: boolean;
}

/** A drop that waits for holds before it. */
interface Deferred {
  readonly holder: LocalHolder;
  readonly id: CountedId;
  /** It is applied when the outbox has delivered up to here. */
  readonly after: number;
}

export class References implements Core<ReferencesEvent, ReferencesEffect> {
  readonly #node: NodeId;
  /** Bounded by live refs of this node's processes, and live objects whose home it is. */
  readonly #counted = new Map<CountedId, Counted>();
  /** Refs inside objects that are stored here, or that processes here have read. */
  readonly #contents = new Contents();
  /** What each process holds or owns, so that its death costs no search. */
  readonly #ofProcess = new Map<ProcessId, Set<CountedId>>();
  readonly #outbox = new Outbox();
  /** Drops that wait, by holder and id, in order. A later hold of the same takes its drop away. */
  readonly #deferred = new Map<string, Deferred>();
  readonly #freed = new RecentSet<CountedId>(FREED_REMEMBERED);
  readonly #dead = new RecentSet<ProcessId>(DEAD_REMEMBERED);
  #freedNow: ObjectId[] = [];

  constructor(node: NodeId) {
    this.#node = node;
  }

  /** Who keeps an id alive as far as this agent knows, for people. */
  describe(
    id: CountedId,
  ): { owner: ProcessId | null; owned: boolean; holders: string[]; nodes: NodeId[] } | null {
    const counted = this.#counted.get(id);
    if (counted === undefined) return null;
    const { owner, owned, holders, nodes } = counted;
    return { owner, owned, holders: [...holders], nodes: [...nodes] };
  }

  /** All that is counted here, for people. */
  counted(): Iterable<CountedFacts> {
    return this.#counted.values();
  }

  /** The node that stored an object first, where its owner has said so: undefined elsewhere than at its home. */
  madeAt(id: ObjectId): NodeId | undefined {
    return this.#counted.get(id)?.at ?? undefined;
  }

  /** How many refs and handles an object contains, as far as that is known here. */
  contentsOf(id: ObjectId): number {
    return this.#contents.count(id);
  }

  get countedSize(): number {
    return this.#counted.size;
  }

  step(_nowMs: number, event: ReferencesEvent): readonly ReferencesEffect[] {
    const effects: ReferencesEffect[] = [];
    switch (event.type) {
      case "changed":
        // A dead process's last messages: they were read before its end, or its death has dropped all of it.
        if (!this.#dead.has(event.process)) {
          for (const change of event.changes) this.#change(event.process, change, effects);
        }
        break;
      case "sealed":
        this.#sealed(event, effects);
        break;
      case "deleted":
        this.#dropAll(event.id, this.#contents.deleted(event.id), effects);
        break;
      case "keepContents":
        if (!this.#dead.has(event.process)) this.#contents.keep(event.process, event.id);
        break;
      case "nodeChanged":
        for (const change of event.changes) this.#nodeChange(event.from, change, effects);
        break;
      case "delivered":
        this.#outbox.delivered(event.batchId);
        break;
      case "processDied":
        this.#processDied(event.process, effects);
        break;
      case "nodeDied":
        for (const counted of [...this.#counted.values()]) {
          if (counted.nodes.delete(event.node)) this.#decide(counted, effects);
        }
        this.#strand(event.node, effects);
        this.#outbox.homeDied(event.node);
        break;
      case "flush":
        this.#outbox.flush(event.flushId);
        break;
      default:
        event satisfies never;
    }
    this.#applyDeferred(effects);
    this.#outbox.collect(effects);
    if (this.#freedNow.length > 0) effects.push({ type: "freeObjects", ids: this.#freedNow });
    this.#freedNow = [];
    return effects;
  }

  #change(process: ProcessId, change: RefChange, effects: ReferencesEffect[]): void {
    switch (change.op) {
      case "own":
        assert(change.home === this.#node, `the home of ${change.id} is its owner's node`);
        this.#deferred.delete(deferredKey(process, change.id));
        this.#claim(change.id, process, change.at);
        break;
      case "disown":
        this.#disown(process, change.id, effects);
        break;
      case "hold":
        this.#hold(process, change);
        break;
      case "drop":
        this.#drop(process, change.id, effects);
        break;
      case "dropContents": {
        const id = change.id as ObjectId;
        this.#dropAll(id, this.#contents.letGo(process, id), effects);
        break;
      }
      default:
        change satisfies never;
    }
  }

  /** The owner was heard of. */
  #claim(id: CountedId, owner: ProcessId, at: NodeId | null): void {
    const counted = this.#entry(id, this.#node);
    counted.at ??= at;
    if (counted.claimed && counted.owner === owner && counted.owned) return;
    counted.claimed = true;
    counted.owner = owner;
    counted.owned = true;
    this.#freed.delete(id);
    this.#remember(owner, id);
  }

  #disown(process: ProcessId, id: CountedId, effects: ReferencesEffect[]): void {
    if (!this.#counted.has(id)) {
      // The owner let go before its object was stored anywhere: whatever is sealed later is not wanted.
      this.#freed.add(id);
      return;
    }
    this.#drop(process, id, effects);
  }

  #sealed(event: Extract<ReferencesEvent, { type: "sealed" }>, effects: ReferencesEffect[]): void {
    const { id, home, owner, contains } = event;
    for (const target of this.#contents.sealed(id, contains)) this.#hold(id, target);
    if (home !== this.#node) return;
    if (this.#freed.has(id)) {
      this.#freedNow.push(id);
      return;
    }
    const counted = this.#entry(id, home);
    if (!counted.claimed) {
      if (this.#dead.has(owner)) {
        counted.claimed = true;
        counted.owner = owner;
        this.#decide(counted, effects);
      } else {
        this.#claim(id, owner, null);
      }
    }
  }

  #hold(holder: LocalHolder, target: RefTarget): void {
    const waitingDrop = deferredKey(holder, target.id);
    if (this.#deferred.delete(waitingDrop)) return; // It held it all along.
    const counted = this.#entry(target.id, target.home);
    if (counted.holders.has(holder)) return; // Resent.
    counted.holders.add(holder);
    if (isProcess(holder)) this.#remember(holder, target.id);
    if (counted.home === this.#node || counted.announced) return;
    counted.announced = true;
    this.#outbox.add(counted.home, { op: "hold", id: counted.id });
  }

  /** Ends a holder's hold, or the owner's own count, once every hold before has been counted. */
  #drop(holder: LocalHolder, id: CountedId, effects: ReferencesEffect[]): void {
    const after = this.#outbox.lastUndeliveredHold;
    if (after === null) {
      this.#dropNow(holder, id, effects);
      return;
    }
    const key = deferredKey(holder, id);
    if (!this.#deferred.has(key)) this.#deferred.set(key, { holder, id, after });
  }

  #dropAll(holder: ObjectId, targets: readonly RefTarget[], effects: ReferencesEffect[]): void {
    for (const target of targets) this.#drop(holder, target.id, effects);
  }

  #dropNow(holder: LocalHolder, id: CountedId, effects: ReferencesEffect[]): void {
    const counted = this.#counted.get(id);
    if (counted === undefined) return; // Resent, or freed meanwhile.
    counted.holders.delete(holder);
    if (counted.owner === holder) counted.owned = false;
    if (isProcess(holder)) this.#forget(holder, id);
    this.#decide(counted, effects);
  }

  #applyDeferred(effects: ReferencesEffect[]): void {
    for (const [key, { holder, id, after }] of this.#deferred) {
      if (!this.#outbox.deliveredUpTo(after)) break; // In order: those behind wait for at least as much.
      this.#deferred.delete(key);
      this.#dropNow(holder, id, effects);
    }
  }

  #nodeChange(from: NodeId, change: NodeChange, effects: ReferencesEffect[]): void {
    if (change.op === "hold") {
      this.#entry(change.id, this.#node).nodes.add(from);
      return;
    }
    const counted = this.#counted.get(change.id);
    // Unknown: resent after the answer was lost, or the node was declared dead in between.
    if (counted?.nodes.delete(from) === true) this.#decide(counted, effects);
  }

  #processDied(process: ProcessId, effects: ReferencesEffect[]): void {
    this.#dead.add(process);
    for (const id of [...this.#ofProcess.get(process) ?? []]) this.#drop(process, id, effects);
    for (const id of this.#contents.keptBy(process)) {
      this.#dropAll(id, this.#contents.letGo(process, id), effects);
    }
  }

  #strand(node: NodeId, effects: ReferencesEffect[]): void {
    const ids: ObjectId[] = [];
    for (const { id, at } of this.#counted.values()) if (at === node) ids.push(id as ObjectId);
    if (ids.length > 0) effects.push({ type: "stranded", node, ids });
  }

  /** Frees or forgets what nobody needs. */
  #decide(counted: Counted, effects: ReferencesEffect[]): void {
    if (counted.holders.size > 0) return;
    const { id, home } = counted;
    if (home !== this.#node) {
      this.#counted.delete(id);
      if (counted.announced) this.#outbox.add(home, { op: "drop", id });
      return;
    }
    if (counted.owned || counted.nodes.size > 0) return;
    this.#counted.delete(id);
    if (!counted.claimed) return;
    this.#freed.add(id);
    if (isActor(id)) effects.push({ type: "freeActor", id });
    else this.#freedNow.push(id);
  }

  #entry(id: CountedId, home: NodeId): Counted {
    let counted = this.#counted.get(id);
    if (counted === undefined) {
      counted = {
        id,
        home,
        holders: new Set(),
        nodes: new Set(),
        claimed: false,
        owner: null,
        owned: false,
        at: null,
        announced: false,
      };
      this.#counted.set(id, counted);
    }
    return counted;
  }

  #remember(process: ProcessId, id: CountedId): void {
    const ids = this.#ofProcess.get(process);
    if (ids === undefined) this.#ofProcess.set(process, new Set([id]));
    else ids.add(id);
  }

  #forget(process: ProcessId, id: CountedId): void {
    const ids = this.#ofProcess.get(process);
    ids?.delete(id);
    if (ids?.size === 0) this.#ofProcess.delete(process);
  }

  check(): void {
    for (const counted of this.#counted.values()) {
      const { id, home, holders, nodes, owned, owner, announced } = counted;
      if (home === this.#node) {
        assert(!announced, `${id} is not announced to its own agent`);
        assert(
          owned || holders.size > 0 || nodes.size > 0,
          `${id} is counted because somebody needs it`,
        );
        assert(!owned || counted.claimed, `${id} is owned by an owner that was heard of`);
      } else {
        assert(nodes.size === 0 && !owned, `${id} is counted by its home only`);
        assert(holders.size > 0 && announced, `${id} of another home is held here and announced there`);
      }
      for (const holder of holders) {
        if (isProcess(holder)) {
          assert(this.#ofProcess.get(holder)?.has(id) === true, `${holder}'s refs are known by holder`);
        } else {
          const waits = this.#deferred.has(deferredKey(holder, id));
          assert(
            this.#contents.has(holder) || waits,
            `${holder}, which contains ${id}, is stored or kept here`,
          );
        }
      }
      if (owned) {
        assert(this.#ofProcess.get(owner!)?.has(id) === true, `${owner}'s objects are known by owner`);
      }
    }
    for (const [process, ids] of this.#ofProcess) {
      for (const id of ids) {
        const counted = this.#counted.get(id);
        assert(
          counted !== undefined && (counted.holders.has(process) || counted.owner === process),
          `${process} is known for ${id}`,
        );
      }
    }
    assert(
      this.#freed.size <= FREED_REMEMBERED && this.#dead.size <= DEAD_REMEMBERED,
      "memories are bounded",
    );
    this.#contents.check();
    this.#outbox.check();
  }
}

function deferredKey(holder: LocalHolder, id: CountedId): string {
  return `${holder} ${id}`;
}

function isProcess(holder: LocalHolder): holder is ProcessId {
  return !holder.startsWith("o-");
}

function isActor(id: CountedId): id is ActorId {
  return id.startsWith("a-");
}
