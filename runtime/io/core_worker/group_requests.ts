/**
 * What one process asks of the GCS about placement groups: requests of one tick travel as one message, and so do their
 * answers, so that a hundred groups cost little more than one. Errors are each request's own.
 * @module
 */
import { errorOfCode } from "../../common/errors.ts";
import type { GroupId } from "../../common/ids.ts";
import type { GroupSpec } from "../../common/placement_group.ts";
import { type GroupOutcomes, GROUPS_PER_MESSAGE } from "../../protocol/group_messages.ts";
import type { HeadMethods } from "../../protocol/messages.ts";

/** Bundles of one message's groups, but for a group with more: it stays well below what a frame holds. */
const BUNDLES_PER_MESSAGE = 2_000;

type GroupMethod = "createGroups" | "removeGroups" | "waitGroups";
/** Sends one message. */
type Ask = <M extends GroupMethod>(
  method: M,
  params: HeadMethods[M]["params"],
) => Promise<GroupOutcomes>;

interface Open<T> {
  readonly item: T;
  readonly resolve: (created: boolean) => void;
  readonly reject: (error: Error) => void;
}

/** Requests of one kind. */
class Queue<T> {
  #open: Open<T>[] = [];
  readonly #send: (items: T[]) => Promise<GroupOutcomes>;
  readonly #sizeOf: (item: T) => number;

  constructor(send: (items: T[]) => Promise<GroupOutcomes>, sizeOf: (item: T) => number) {
    this.#send = send;
    this.#sizeOf = sizeOf;
  }

  ask(item: T): Promise<boolean> {
    return new Promise((resolve, reject) => this.#add({ item, resolve, reject }));
  }

  #add(open: Open<T>): void {
    this.#open.push(open);
    if (this.#open.length > 1) return;
    queueMicrotask(() => {
      const all = this.#open;
      this.#open = [];
      for (const part of this.#parts(all)) void this.#exchange(part);
    });
  }

  *#parts(all: readonly Open<T>[]): Iterable<Open<T>[]> {
    let part: Open<T>[] = [];
    let size = 0;
    for (const open of all) {
      const own = this.#sizeOf(open.item);
      if (part.length > 0 && (part.length === GROUPS_PER_MESSAGE || size + own > BUNDLES_PER_MESSAGE)) {
        yield part;
        part = [];
        size = 0;
      }
      part.push(open);
      size += own;
    }
    yield part;
  }

  async #exchange(part: readonly Open<T>[]): Promise<void> {
    try {
      const { outcomes } = await this.#send(part.map(({ item }) => item));
      for (const [place, open] of part.entries()) {
        const outcome = outcomes[place] ?? null;
        // Others of its message were decided, it was not: it is asked for again.
        if (outcome === null) this.#add(open);
        else if ("created" in outcome) open.resolve(outcome.created);
        else open.reject(errorOfCode(outcome.code, outcome.message));
      }
    } catch (error) {
      for (const { reject } of part) reject(error as Error);
    }
  }
}

/** See the module's header. */
export class GroupRequests {
  readonly #creations: Queue<GroupSpec>;
  readonly #removals: Queue<GroupId>;
  readonly #waits: Queue<{ readonly groupId: GroupId; readonly dueMs: number | null }>;

  constructor(ask: Ask) {
    this.#creations = new Queue((specs) => ask("createGroups", { specs }), ({ bundles }) => bundles.length);
    this.#removals = new Queue((groupIds) => ask("removeGroups", { groupIds }), () => 1);
    this.#waits = new Queue((open) => {
      const nowMs = performance.now();
      const waits = open.map(({ groupId, dueMs }) => ({
        groupId,
        timeoutMs: dueMs === null ? null : Math.max(0, dueMs - nowMs),
      }));
      return ask("waitGroups", { waits });
    }, () => 1);
  }

  /** Resolves when the creation is committed. */
  async create(spec: GroupSpec): Promise<void> {
    await this.#creations.ask(spec);
  }

  /** Resolves when the removal is committed. */
  async remove(groupId: GroupId): Promise<void> {
    await this.#removals.ask(groupId);
  }

  /** Whether it is CREATED within this time (null: no limit). PlacementGroupRemovedError. */
  wait(groupId: GroupId, timeoutMs: number | null): Promise<boolean> {
    return this.#waits.ask({ groupId, dueMs: timeoutMs === null ? null : performance.now() + timeoutMs });
  }
}
