/**
 * The actor manager's memory: every actor's entry, the names, who watches, and the bounded list of the dead. It keeps
 * these consistent with each other; what happens to an actor when is the actor manager's decision.
 * @module
 */
import { AgedSet } from "../../common/aged_set.ts";
import { assert } from "../../common/assert.ts";
import type { ActorId, GroupId, NodeId, ProcessId } from "../../common/ids.ts";
import type { ActorSpec, ActorState, ActorStatus, DeathCause } from "../../common/task_spec.ts";
import type { ActorEffect, ActorRecord } from "./actor_events.ts";

/** Dead actors that are remembered, for late questions and for people. */
export const DEAD_ACTORS_KEPT: number = 10_000;

const NOBODY: readonly NodeId[] = Object.freeze([]);

/** Which state may follow which; a state may follow itself with a new incarnation. */
const TRANSITIONS: Readonly<Record<ActorState, readonly ActorState[]>> = {
  DEPENDENCIES_UNREADY: ["PENDING_CREATION", "DEAD"],
  PENDING_CREATION: ["ALIVE", "RESTARTING", "DEAD"],
  ALIVE: ["RESTARTING", "DEAD"],
  RESTARTING: ["ALIVE", "RESTARTING", "DEAD"],
  // Out of scope, and brought back (actor_revivals.ts).
  DEAD: ["RESTARTING"],
};

export interface ActorEntry {
  readonly spec: ActorSpec;
  state: ActorState;
  incarnation: number;
  /** Where it runs, or where it was told to start; null while it waits for a place. */
  nodeId: NodeId | null;
  workerId: ProcessId | null;
  socketPath: string | null;
  pid: number | null;
  restartsLeft: number;
  deathCause: DeathCause | null;
  /** Why the incarnation before this one ended, for people; null for the first, and after a restart of the head. */
  restartCause: DeathCause | null;
  hasErrorValue: boolean;
  readonly createdMs: number;
  startedMs: number | null;
  endedMs: number | null;
  /** It was told to end after its submitted calls, for this reason; whatever ends it, it does not come back. */
  ending: DeathCause | null;
  /** Deaths since it was last alive: what the delay before the next attempt grows with. */
  failedStarts: number;
  /** When the next attempt is due; null when none is delayed. */
  placeAtMs: number | null;
  /** Since when its node, which came back, has not reported it; null when all is well. */
  missingSinceMs: number | null;
  /** Who may want results of its calls made again; null for most actors. */
  lineage: ActorLineage | null;
}

/** See actor_revivals.ts. */
export interface ActorLineage {
  /** Processes that have results of its calls, which it may have to make again, and their nodes. */
  readonly keepers: Map<ProcessId, NodeId>;
  /** Those of them that have calls for it now, without a handle. */
  readonly revivers: Set<ProcessId>;
  /** It has no handles: it ends when no reviver is left. */
  isUnreferenced: boolean;
  /** How often it was brought back. */
  restarts: number;
}

export class ActorTable {
  /** Actors that are not dead and the newest dead ones, in order of creation. */
  readonly #actors: Map<ActorId, ActorEntry> = new Map();
  /** All and only names of actors that are not dead. */
  readonly #names: Map<string, ActorId> = new Map();
  /** Nodes that want to hear of an actor; of actors that are not known (yet) too. */
  readonly #watchers: Map<ActorId, readonly NodeId[]> = new Map();
  /** Most actors are watched by one node: those of one node share the list. */
  readonly #alone: Map<NodeId, readonly NodeId[]> = new Map();
  /** All and only dead actors, oldest first. */
  readonly #dead: AgedSet<ActorId> = new AgedSet();
  /** How many actors that are not dead end with each process. Most processes have none, and most that end are such. */
  readonly #owned: Map<ProcessId, number> = new Map();
  /** How many actors that are not dead each placement group has. Most groups that are removed have none. */
  readonly #grouped: Map<GroupId, number> = new Map();

  restore(record: ActorRecord): ActorEntry {
    const { spec, status, createdMs, startedMs, endedMs } = record;
    const entry: ActorEntry = {
      ...newEntry(spec, createdMs),
      state: status.state,
      incarnation: status.incarnation,
      nodeId: status.nodeId,
      workerId: status.workerId,
      socketPath: status.socketPath,
      pid: status.pid,
      restartsLeft: status.restartsLeft,
      deathCause: status.deathCause,
      hasErrorValue: status.hasErrorValue ?? false,
      startedMs,
      endedMs,
    };
    this.#actors.set(spec.actorId, entry);
    if (status.state === "DEAD") this.#dead.add(spec.actorId);
    else this.#count(spec, 1);
    if (status.state !== "DEAD" && spec.name !== "") {
      this.#names.set(nameKey(spec.namespace, spec.name), spec.actorId);
    }
    return entry;
  }

  /** A new actor; its name, if it has one, must be free. */
  add(nowMs: number, spec: ActorSpec, out: ActorEffect[]): ActorEntry {
    assert(!this.#actors.has(spec.actorId), `${spec.actorId} is new`);
    const entry = newEntry(spec, nowMs);
    this.#actors.set(spec.actorId, entry);
    this.#count(spec, 1);
    if (spec.name !== "") {
      const key = nameKey(spec.namespace, spec.name);
      assert(!this.#names.has(key), `the name ${spec.name} is free`);
      this.#names.set(key, spec.actorId);
      out.push({ type: "persistName", namespace: spec.namespace, name: spec.name, actorId: spec.actorId });
    }
    return entry;
  }

  get(actorId: ActorId): ActorEntry | undefined {
    return this.#actors.get(actorId);
  }

  /** The actor that has this name and is not dead. */
  named(namespace: string, name: string): ActorEntry | undefined {
    const id = this.#names.get(nameKey(namespace, name));
    return id === undefined ? undefined : this.#actors.get(id);
  }

  entries(): ActorEntry[] {
    return [...this.#actors.values()];
  }

  living(): ActorEntry[] {
    return this.entries().filter((entry) => entry.state !== "DEAD");
  }

  /** Those that end with this process. A walk over all actors where it has some. */
  ownedBy(process: ProcessId): ActorEntry[] {
    if (!this.#owned.has(process)) return [];
    return this.living().filter(({ spec }) => spec.owner === process && !spec.detached);
  }

  /** Those that are placed in this group. A walk over all actors where it has some. */
  inGroup(groupId: GroupId): ActorEntry[] {
    if (!this.#grouped.has(groupId)) return [];
    return this.living().filter(({ spec }) => groupOf(spec) === groupId);
  }

  #count(spec: ActorSpec, by: 1 | -1): void {
    if (!spec.detached) addTo(this.#owned, spec.owner, by);
    const groupId = groupOf(spec);
    if (groupId !== null) addTo(this.#grouped, groupId, by);
  }

  /** The only place where an actor's state changes. */
  transition(entry: ActorEntry, state: ActorState): void {
    const { actorId } = entry.spec;
    assert(TRANSITIONS[entry.state].includes(state), `${actorId} may go from ${entry.state} to ${state}`);
    entry.state = state;
  }

  /** The actor is dead: its name is free, and the oldest of the dead may be forgotten. */
  bury(nowMs: number, entry: ActorEntry, cause: DeathCause, out: ActorEffect[]): void {
    const { actorId, namespace, name } = entry.spec;
    this.transition(entry, "DEAD");
    entry.deathCause = cause;
    entry.endedMs = nowMs;
    entry.placeAtMs = entry.missingSinceMs = null;
    if (name !== "") {
      this.#names.delete(nameKey(namespace, name));
      out.push({ type: "persistName", namespace, name, actorId: null });
    }
    this.persist(entry, out);
    this.#count(entry.spec, -1);
    this.#dead.add(actorId);
    if (this.#dead.size <= DEAD_ACTORS_KEPT) return;
    const oldest = this.#dead.takeOldest()!;
    this.#actors.delete(oldest);
    this.#watchers.delete(oldest);
    out.push({ type: "forgetActor", actorId: oldest });
  }

  /** A dead actor is to be constructed once more. */
  exhume(entry: ActorEntry): void {
    this.transition(entry, "RESTARTING");
    this.#count(entry.spec, 1);
    this.#dead.delete(entry.spec.actorId);
    entry.restartCause = entry.deathCause;
    entry.deathCause = entry.ending = entry.endedMs = null;
    entry.nodeId =
      entry.workerId =
      entry.socketPath =
      entry.pid =
        null;
    entry.incarnation++;
  }

  persist(entry: ActorEntry, out: ActorEffect[]): void {
    out.push({ type: "persistActor", record: recordOf(entry) });
  }

  publish(entry: ActorEntry, out: ActorEffect[]): void {
    const watchers = this.#watchers.get(entry.spec.actorId);
    if (watchers === undefined) return;
    out.push({ type: "publishStatus", nodes: watchers, status: statusOf(entry) });
  }

  watch(actorId: ActorId, nodeId: NodeId): void {
    const watchers = this.#watchers.get(actorId);
    if (watchers?.includes(nodeId)) return;
    this.#watchers.set(actorId, watchers === undefined ? this.#only(nodeId) : [...watchers, nodeId]);
  }

  unwatch(actorId: ActorId, nodeId: NodeId): void {
    const others = this.#watchers.get(actorId)?.filter((each) => each !== nodeId) ?? [];
    if (others.length === 0) this.#watchers.delete(actorId);
    else this.#watchers.set(actorId, others);
  }

  #only(nodeId: NodeId): readonly NodeId[] {
    let alone = this.#alone.get(nodeId);
    if (alone === undefined) this.#alone.set(nodeId, alone = [nodeId]);
    return alone;
  }

  /** Nodes that watch this actor, in order. */
  watchersOf(actorId: ActorId): readonly NodeId[] {
    return this.#watchers.get(actorId) ?? NOBODY;
  }

  watchedBy(nodeId: NodeId): ActorId[] {
    return [...this.#watchers].filter(([, nodes]) => nodes.includes(nodeId)).map(([actorId]) => actorId);
  }

  check(): void {
    for (const [id, entry] of this.#actors) {
      const { spec, state } = entry;
      assert(spec.actorId === id, `${id} is filed under its own id`);
      assert((state === "DEAD") === this.#dead.has(id), `${id} is in the list of the dead if it is`);
      assert((state === "DEAD") === (entry.deathCause !== null), `${id} has a cause of death if it is dead`);
      assert(
        state !== "ALIVE" || (entry.nodeId !== null && entry.workerId !== null),
        `${id}, alive, has a worker`,
      );
      assert(
        state === "ALIVE" || state === "DEAD" || entry.workerId === null,
        `${id}, ${state}, has no worker`,
      );
      assert(entry.placeAtMs === null || entry.nodeId === null, `${id} has no node while it is delayed`);
      assert(entry.incarnation >= 1, `${id} has an incarnation`);
      if (state === "DEAD" || spec.name === "") continue;
      assert(this.#names.get(nameKey(spec.namespace, spec.name)) === id, `${id} has its name`);
    }
    for (const [name, id] of this.#names) {
      const entry = this.#actors.get(id);
      assert(
        entry !== undefined && entry.state !== "DEAD",
        `the name ${name} belongs to an actor that lives`,
      );
    }
    const owned = new Map<ProcessId, number>();
    const grouped = new Map<GroupId, number>();
    for (const { spec } of this.living()) {
      if (!spec.detached) addTo(owned, spec.owner, 1);
      const groupId = groupOf(spec);
      if (groupId !== null) addTo(grouped, groupId, 1);
    }
    assertSame(this.#owned, owned, "owners of actors");
    assertSame(this.#grouped, grouped, "groups of actors");
    assert(this.#dead.size <= DEAD_ACTORS_KEPT, "the list of the dead is bounded");
  }
}

function groupOf({ strategy }: ActorSpec): GroupId | null {
  return strategy.type === "group" ? strategy.groupId : null;
}

function addTo<K>(counts: Map<K, number>, key: K, by: 1 | -1): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}

function assertSame<K>(counted: ReadonlyMap<K, number>, real: ReadonlyMap<K, number>, what: string): void {
  assert(counted.size === real.size, `all and only ${what} are counted`);
  for (const [key, count] of real) assert(counted.get(key) === count, `${what}: ${key} has ${count}`);
}

export function statusOf(entry: ActorEntry): ActorStatus {
  const { spec, state, incarnation, nodeId, workerId, socketPath, pid, restartsLeft, deathCause } = entry;
  const status = {
    actorId: spec.actorId,
    state,
    incarnation,
    nodeId,
    workerId,
    socketPath,
    pid,
    restartsLeft,
    deathCause,
    ...(spec.isolation === "shared" ? { shared: true as const } : {}),
  };
  return {
    ...status,
    ...(entry.hasErrorValue && { hasErrorValue: true }),
    ...(entry.lineage !== null && entry.lineage.restarts > 0 && { lineageRestarts: entry.lineage.restarts }),
  };
}

export function recordOf(entry: ActorEntry): ActorRecord {
  const { spec, createdMs, startedMs, endedMs, restartCause } = entry;
  const times = { createdMs, startedMs, endedMs };
  const record = { spec, status: statusOf(entry), ...times, ...(restartCause !== null && { restartCause }) };
  return isRevivable(entry) ? { ...record, revivable: true } : record;
}

/** Whether it ended only because nobody had a handle, while somebody has results of its calls. */
export function isRevivable({ deathCause, lineage, restartsLeft }: ActorEntry): boolean {
  const isKept = lineage !== null && lineage.keepers.size > 0;
  return isKept && deathCause?.code === "OUT_OF_SCOPE" && restartsLeft !== 0;
}

function newEntry(spec: ActorSpec, nowMs: number): ActorEntry {
  return {
    spec,
    state: "DEPENDENCIES_UNREADY",
    incarnation: 1,
    nodeId: null,
    workerId: null,
    socketPath: null,
    pid: null,
    restartsLeft: spec.maxRestarts,
    deathCause: null,
    restartCause: null,
    hasErrorValue: false,
    createdMs: nowMs,
    startedMs: null,
    endedMs: null,
    ending: null,
    failedStarts: 0,
    placeAtMs: null,
    missingSinceMs: null,
    lineage: null,
  };
}

function nameKey(namespace: string, name: string): string {
  return `${namespace}\n${name}`;
}
