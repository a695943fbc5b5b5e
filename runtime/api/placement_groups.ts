/**
 * Placement groups: bundles of resources that are reserved together, or not at all.
 * @module
 */
import { checkBundles, checkGroupOptions } from "../common/group_options.ts";
import { groupId } from "../common/ids.ts";
import { checkKnownOptions } from "../common/options.ts";
import type { PlacementGroup, PlacementGroupOptions } from "../common/public_types.ts";
import { randomHex } from "../io/core_worker/core_host.ts";
import { requireCoreWorker } from "../io/core_worker/current.ts";
import { requireGroup } from "../io/core_worker/placement_group.ts";
import { workerState } from "../io/core_worker/worker_state.ts";
import { keepAlive } from "./keep_alive.ts";

/**
 * Reserve bundles of resources, all or none. Resolves when the group is registered (and survives the head's death); its
 * `ready()` and `wait()` say when the bundles are reserved, for which it waits as long as it takes. Work goes inside with
 * `schedulingStrategy: { placementGroup, bundleIndex }`. It ends with its job, or with the detached actor that created it,
 * unless its lifetime is "detached".
 * @throws {TypeError | RangeError} for bad bundles and options.
 * @throws {NameTakenError} when a live group of the namespace has the name.
 */
export async function placementGroup(
  bundles: readonly Record<string, number>[],
  options: PlacementGroupOptions = {},
): Promise<PlacementGroup> {
  const units = checkBundles(bundles);
  checkKnownOptions(options, ["strategy", "name", "lifetime"]);
  checkGroupOptions(options);
  const created = requireCoreWorker().groups.create({
    groupId: groupId(randomHex(8)),
    name: options.name ?? "",
    detached: options.lifetime === "detached",
    byDetachedActor: workerState()?.actor?.spec.detached ?? false,
    strategy: options.strategy ?? "PACK",
    bundles: units,
  });
  return await keepAlive(created) as PlacementGroup;
}

/**
 * The live group of this name, in the job's namespace.
 * @throws {TypeError | RangeError} for a name that is no text or empty.
 * @throws {MobulaError} when there is no such group.
 */
export async function getPlacementGroup(name: string): Promise<PlacementGroup> {
  if (typeof name !== "string") throw new TypeError(`name must be a string, is ${typeof name}`);
  if (name.trim() === "") throw new RangeError("name must not be empty");
  return await keepAlive(requireCoreWorker().groups.get(name)) as PlacementGroup;
}

/**
 * Give a group's bundles back, and end what runs inside: a task fails with PlacementGroupRemovedError, a call to an actor
 * with ActorDiedError, caused by it. Resolves when the removal is committed; a group that is no more is left alone.
 */
export async function removePlacementGroup(group: PlacementGroup): Promise<void> {
  const { groupId } = requireGroup(group);
  await keepAlive(requireCoreWorker().groups.remove(groupId));
}
