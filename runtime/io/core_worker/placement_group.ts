/**
 * Placement groups as one process uses them: the value that users hold, and what it asks of the GCS.
 * @module
 */
import { MobulaError } from "../../common/errors.ts";
import type { GroupId } from "../../common/ids.ts";
import type { GroupOutcomes } from "../../protocol/group_messages.ts";
import { GROUP, type GroupInfo, groupInfoOf, type GroupSpec } from "../../common/placement_group.ts";
import type { CoreContext } from "./core_context.ts";
import { requireCoreWorker } from "./current.ts";
import { GroupRequests } from "./group_requests.ts";
import type { ObjectRef } from "./object_ref.ts";

/** A value: it may be passed to tasks and actors, where it works as here. */
export class PlacementGroup {
  readonly id: GroupId;

  constructor(info: GroupInfo) {
    this.id = info.groupId;
    // Not enumerable: what is shown of a group is its id.
    Object.defineProperty(this, GROUP, { value: info });
  }

  /** Resolves to the group when all of its bundles are reserved; PlacementGroupRemovedError. */
  ready(): ObjectRef<PlacementGroup> {
    return requireCoreWorker().groups.ready(this);
  }

  /** Whether all of its bundles are reserved within this time. PlacementGroupRemovedError. */
  async wait(timeoutMs: number): Promise<boolean> {
    if (typeof timeoutMs !== "number" || Number.isNaN(timeoutMs)) {
      throw new TypeError(`timeoutMs must be a number of milliseconds, is ${String(timeoutMs)}`);
    }
    if (timeoutMs < 0) throw new RangeError(`timeoutMs must be at least 0, is ${timeoutMs}`);
    return await requireCoreWorker().groups.wait(this.id, timeoutMs);
  }

  get [Symbol.toStringTag](): string {
    return "PlacementGroup";
  }

  toString(): string {
    return `PlacementGroup(${this.id})`;
  }
}

/** What stands behind a user's value. TypeError for anything but a placement group. */
export function requireGroup(value: unknown): GroupInfo {
  const info = groupInfoOf(value);
  if (info === null) {
    throw new TypeError(`a PlacementGroup is needed, not ${value === null ? "null" : typeof value}`);
  }
  return info;
}

/** While the head is away, a wait may take this much longer than it was told. */
const HEAD_AWAY_MS = 1_000;

/** See the module's header. */
export class PlacementGroups {
  readonly #core: CoreContext;
  readonly #requests: GroupRequests;
  /** One question for all that wait without limit for a group. */
  readonly #whole: Map<GroupId, Promise<void>> = new Map();

  constructor(core: CoreContext) {
    this.#core = core;
    this.#requests = new GroupRequests(async (method, params) => {
      const { result } = await core.link.request("head", { method, params });
      return result as GroupOutcomes;
    });
  }

  /** Answers when the creation is committed. */
  async create(
    spec: Omit<GroupSpec, "jobId" | "owner" | "ownerNode" | "namespace">,
  ): Promise<PlacementGroup> {
    await this.#core.connected;
    const { jobId, self: owner, node: ownerNode, namespace } = this.#core.identity;
    await this.#requests.create({ ...spec, jobId, owner, ownerNode, namespace });
    return new PlacementGroup({ groupId: spec.groupId, bundles: spec.bundles });
  }

  async get(name: string): Promise<PlacementGroup> {
    await this.#core.connected;
    const { namespace } = this.#core.identity;
    const params = { name, namespace };
    const { result } = await this.#core.link.request("head", { method: "getGroup", params });
    return new PlacementGroup(result as GroupInfo);
  }

  async remove(groupId: GroupId): Promise<void> {
    await this.#core.connected;
    await this.#requests.remove(groupId);
  }

  ready(group: PlacementGroup): ObjectRef<PlacementGroup> {
    const { objects, codec } = this.#core;
    const [entry] = objects.newReturns(this.#core.nextSequence(), 1, "placementGroup.ready");
    const ref = objects.refOf(entry!);
    this.#whenWhole(group.id).then(
      () => objects.settleInline(entry!, codec.encode(group, "group").body, null),
      (error) => objects.settleError(entry!, objects.encodeError(error)),
    );
    return ref as ObjectRef<PlacementGroup>;
  }

  async wait(groupId: GroupId, timeoutMs: number): Promise<boolean> {
    const { objects } = this.#core;
    const finite = Number.isFinite(timeoutMs);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<boolean>((resolve) => {
      // Only when the head is away: it keeps the time itself.
      if (finite) timer = setTimeout(() => resolve(false), Math.min(timeoutMs + HEAD_AWAY_MS, 2 ** 31 - 1));
    });
    const asked = finite
      ? this.#requests.wait(groupId, timeoutMs)
      : this.#whenWhole(groupId).then(() => true);
    try {
      return await objects.blocking(Promise.race([asked, late]));
    } finally {
      clearTimeout(timer);
    }
  }

  #whenWhole(groupId: GroupId): Promise<void> {
    let whole = this.#whole.get(groupId);
    if (whole === undefined) {
      whole = this.#askUntilWhole(groupId).finally(() => this.#whole.delete(groupId));
      this.#whole.set(groupId, whole);
    }
    return whole;
  }

  async #askUntilWhole(groupId: GroupId): Promise<void> {
    await this.#core.connected;
    for (;;) {
      try {
        if (await this.#requests.wait(groupId, null)) return;
      } catch (error) {
        // It was away for long: a group may take longer than that.
        if (!(error instanceof MobulaError) || error.code !== "HeadUnavailable") throw error;
      }
    }
  }
}
