/**
 * The placement group manager's memory: entries, names, and the bounded list of removed groups, kept consistent with each
 * other. What happens to a group when is decided elsewhere.
 * @module
 */
import { AgedSet } from "../../common/aged_set.ts";
import { assert } from "../../common/assert.ts";
import type { GroupId, NodeId } from "../../common/ids.ts";
import type { GroupSpec, GroupState } from "../../common/placement_group.ts";
import type { GroupEffect, GroupRecord } from "./group_events.ts";

/** Removed groups that are remembered, for late questions and for people. */
export const REMOVED_GROUPS_KEPT: number = 1_000;
/** The first pause before a reservation is tried again, and the longest (Ray's). */
export const RETRY_MS: number = 100;
export const RETRY_MS_MAX: number = 1_000;
/** How often nodes that refused are asked again before a SPREAD group does with fewer nodes; the pauses between are together longer than a heartbeat. */
export const PATIENCE: number = 2;

/** Which state may follow which. */
const TRANSITIONS: Readonly<Record<GroupState, readonly GroupState[]>> = {
  PENDING: ["PREPARED", "CREATED", "REMOVED"],
  PREPARED: ["PENDING", "CREATED", "REMOVED"],
  CREATED: ["RESCHEDULING", "REMOVED"],
  RESCHEDULING: ["CREATED", "REMOVED"],
  REMOVED: [],
};

/** What one node is asked for in a round. */
export interface Asked {
  readonly indices: readonly number[];
  /** The round that the node knows them by: after a head's restart an earlier one. */
  readonly attempt: number;
  /** It has answered in this phase. */
  readonly done: boolean;
}

/** One round of reservations. */
export interface Round {
  readonly attempt: number;
  /** All have agreed and the placement is written down: only a node's death can undo it. */
  committing: boolean;
  /** One node for the whole group: its agreement is the decision. */
  readonly final: boolean;
  readonly nodes: Map<NodeId, Asked>;
}

export interface GroupEntry {
  readonly spec: GroupSpec;
  readonly endsWithOwner: boolean;
  state: GroupState;
  message: string;
  readonly placements: (NodeId | null)[];
  readonly createdMs: number;
  readyMs: number | null;
  endedMs: number | null;
  /** The last round's number; rounds of an earlier head have lower ones. */
  attempt: number;
  round: Round | null;
  /** When to try (again); null while there is nothing to place or a round goes on. Changed by GroupTable.schedule. */
  tryAtMs: number | null;
  triedMs: number;
  /** The last try found no placement, by what the nodes had said: it is worth another one as soon as one has more. */
  lacksRoom: boolean;
  retryMs: number;
  /** Nodes that said no although they seemed to have room; left out until nothing else is left. */
  readonly refusedBy: Set<NodeId>;
  /** How often it still waits for a node that refused (PATIENCE). */
  patience: number;
  warned: boolean;
}

export class GroupTable {
  /** Live groups and the newest removed ones, in order of creation. */
  readonly #groups: Map<GroupId, GroupEntry> = new Map();
  /** All and only live groups. */
  readonly #live: Set<GroupEntry> = new Set();
  /** All and only groups that are to be tried at some time. */
  readonly #timed: Set<GroupEntry> = new Set();
  /** All and only names of live groups. */
  readonly #names: Map<string, GroupId> = new Map();
  /** All and only removed groups, oldest first. */
  readonly #removed: AgedSet<GroupId> = new AgedSet();

  restore(nowMs: number, record: GroupRecord): GroupEntry {
    const { spec, endsWithOwner, state, message, placements, createdMs, readyMs, endedMs } = record;
    const entry: GroupEntry = {
      ...newEntry(nowMs, spec, endsWithOwner),
      state,
      message,
      placements: [...placements],
      createdMs,
      readyMs,
      endedMs,
    };
    this.#groups.set(spec.groupId, entry);
    if (state === "REMOVED") this.#removed.add(spec.groupId);
    else this.#admit(entry);
    return entry;
  }

  /** A new group; its name, if it has one, must be free. */
  add(nowMs: number, spec: GroupSpec, endsWithOwner: boolean): GroupEntry {
    assert(!this.#groups.has(spec.groupId), `${spec.groupId} is new`);
    const entry = newEntry(nowMs, spec, endsWithOwner);
    this.#groups.set(spec.groupId, entry);
    this.#admit(entry);
    return entry;
  }

  get(groupId: GroupId): GroupEntry | undefined {
    return this.#groups.get(groupId);
  }

  named(namespace: string, name: string): GroupEntry | undefined {
    const id = this.#names.get(nameKey(namespace, name));
    return id === undefined ? undefined : this.#groups.get(id);
  }

  entries(): GroupEntry[] {
    return [...this.#groups.values()];
  }

  /** In order of creation. */
  live(): GroupEntry[] {
    return [...this.#live];
  }

  /** Those that are to be tried at some time, in order of when that was decided. */
  timed(): Iterable<GroupEntry> {
    return this.#timed;
  }

  get timedCount(): number {
    return this.#timed.size;
  }

  /** Try it (again) at this time; null: not at all. */
  schedule(entry: GroupEntry, atMs: number | null): void {
    entry.tryAtMs = atMs;
    if (atMs === null) this.#timed.delete(entry);
    else this.#timed.add(entry);
  }

  get liveCount(): number {
    return this.#live.size;
  }

  /** The only place where a group's state changes. */
  transition(entry: GroupEntry, state: GroupState): void {
    const { groupId } = entry.spec;
    assert(TRANSITIONS[entry.state].includes(state), `${groupId} may go from ${entry.state} to ${state}`);
    entry.state = state;
  }

  /** The group is no more: its name is free, and the oldest of the removed may be forgotten. */
  bury(nowMs: number, entry: GroupEntry, message: string, out: GroupEffect[]): void {
    const { groupId, namespace, name } = entry.spec;
    this.transition(entry, "REMOVED");
    entry.message = message;
    entry.endedMs = nowMs;
    entry.round = null;
    this.schedule(entry, null);
    this.#live.delete(entry);
    if (name !== "") this.#names.delete(nameKey(namespace, name));
    this.persist(entry, out);
    this.#removed.add(groupId);
    if (this.#removed.size <= REMOVED_GROUPS_KEPT) return;
    const oldest = this.#removed.takeOldest()!;
    this.#groups.delete(oldest);
    out.push({ type: "forgetGroup", groupId: oldest });
  }

  persist(entry: GroupEntry, out: GroupEffect[]): void {
    out.push({ type: "persistGroup", record: groupRecord(entry) });
  }

  check(): void {
    for (const [id, entry] of this.#groups) {
      const { spec, state, placements, round, tryAtMs } = entry;
      assert(spec.groupId === id, `${id} is filed under its own id`);
      assert(placements.length === spec.bundles.length, `${id} has a placement for each bundle`);
      assert((state === "REMOVED") === this.#removed.has(id), `${id} is in the list of the removed if it is`);
      assert((state === "REMOVED") === !this.#live.has(entry), `${id} is live or removed`);
      const placed = placements.filter((nodeId) => nodeId !== null).length;
      if (state === "PENDING") assert(placed === 0, `${id} holds nothing while it waits`);
      if (state === "CREATED" || state === "PREPARED") assert(placed === placements.length, `${id} is whole`);
      if (state === "CREATED" || state === "REMOVED") {
        assert(round === null, `${id}, ${state}, reserves nothing`);
      }
      if (state === "PREPARED") assert(round?.committing === true, `${id}'s nodes are being told`);
      if (state === "PENDING" || (state === "RESCHEDULING" && placed < placements.length)) {
        assert(round !== null || tryAtMs !== null, `${id} will be tried`);
      }
      assert(
        this.#timed.has(entry) === (tryAtMs !== null),
        `${id} is in the list of those to be tried if it is`,
      );
      if (round !== null) assert(tryAtMs === null, `${id} is tried once at a time`);
      for (const [nodeId, { indices }] of round?.nodes ?? []) {
        for (const index of indices) {
          const expected = round!.committing ? nodeId : null;
          assert(placements[index] === expected, `${id}'s bundle ${index} is placed when it is decided`);
        }
      }
      if (state === "REMOVED" || spec.name === "") continue;
      assert(this.#names.get(nameKey(spec.namespace, spec.name)) === id, `${id} has its name`);
    }
    for (const [name, id] of this.#names) {
      const entry = this.#groups.get(id);
      assert(entry !== undefined && entry.state !== "REMOVED", `the name ${name} belongs to a live group`);
    }
    assert(this.#removed.size <= REMOVED_GROUPS_KEPT, "the list of the removed is bounded");
  }

  #admit(entry: GroupEntry): void {
    const { groupId, namespace, name } = entry.spec;
    this.#live.add(entry);
    if (name === "") return;
    const key = nameKey(namespace, name);
    assert(!this.#names.has(key), `the name ${name} is free`);
    this.#names.set(key, groupId);
  }
}

export function groupRecord(entry: GroupEntry): GroupRecord {
  const { spec, endsWithOwner, state, message, placements, createdMs, readyMs, endedMs } = entry;
  return { spec, endsWithOwner, state, message, placements: [...placements], createdMs, readyMs, endedMs };
}

function newEntry(nowMs: number, spec: GroupSpec, endsWithOwner: boolean): GroupEntry {
  return {
    spec,
    endsWithOwner,
    state: "PENDING",
    message: "",
    placements: spec.bundles.map(() => null),
    createdMs: nowMs,
    readyMs: null,
    endedMs: null,
    attempt: Math.floor(nowMs),
    round: null,
    tryAtMs: null,
    triedMs: -Infinity,
    lacksRoom: false,
    retryMs: RETRY_MS,
    refusedBy: new Set(),
    patience: PATIENCE,
    warned: false,
  };
}

function nameKey(namespace: string, name: string): string {
  return `${namespace}\n${name}`;
}
