/**
 * What options say about placement groups: checks that need more than one option, and the scheduler's form. Pure, so that a
 * call fails before anything is sent.
 * @module
 */
import { resourcesOf, strategyOf } from "./options.ts";
import { type AssignedGroup, BUNDLES_MAX, groupInfoOf, PLACEMENT_STRATEGIES } from "./placement_group.ts";
import type { PlacedOptions, PlacementGroupOptions } from "./public_types.ts";
import { checkAmount, describeResources, fits, type ResourceSet, toUnits } from "./resources.ts";
import type { Strategy } from "./task_spec.ts";

export interface Placement {
  readonly resources: ResourceSet;
  readonly strategy: Strategy;
  /** Its group, which work inside is told of. */
  readonly group: AssignedGroup | null;
}

/**
 * Where something is to run. `inherited`: the group of what submits it, where that captures its children.
 * @throws {RangeError} when no bundle that it may have could ever hold it.
 */
export function placementOf(
  what: string,
  options: PlacedOptions,
  defaultCpus: number,
  inherited: AssignedGroup | null,
): Placement {
  const resources = resourcesOf(options, defaultCpus);
  const given = options.schedulingStrategy;
  const isExplicit = typeof given === "object" && "placementGroup" in given;
  if (!isExplicit && (given !== undefined || inherited === null)) {
    return { resources, strategy: strategyOf(options), group: null };
  }
  const info = isExplicit ? groupInfoOf(given.placementGroup)! : inherited!.info;
  const bundleIndex = isExplicit ? given.bundleIndex ?? -1 : -1;
  const capture = isExplicit ? given.captureChildTasks ?? false : true;
  const { groupId, bundles } = info;
  const where = isExplicit
    ? `placement group ${groupId}`
    : `placement group ${groupId}, which captures it (schedulingStrategy: "DEFAULT" runs it outside)`;
  if (options.labelSelector !== undefined || options.fallbackStrategy !== undefined) {
    throw new RangeError(`${what}: labelSelector has no meaning in ${where}: its bundles have their nodes`);
  }
  const candidates = bundleIndex < 0 ? bundles : [bundles[bundleIndex]!];
  if (!candidates.some((bundle) => fits(bundle, resources))) {
    const has = candidates.slice(0, 4).map((bundle, index) =>
      `bundle ${bundleIndex < 0 ? index : bundleIndex} has ${describeResources(bundle)}`
    );
    const more = candidates.length > has.length ? ", …" : "";
    throw new RangeError(
      `${what} needs ${describeResources(resources)} and can never run in ${where}: ${has.join(", ")}${more}`,
    );
  }
  return { resources, strategy: { type: "group", groupId, bundleIndex, capture }, group: { info, capture } };
}

/**
 * The bundles of a new group, in units.
 * @throws {TypeError | RangeError} for what is no list of bundles, empty ones included.
 */
export function checkBundles(bundles: unknown): Record<string, number>[] {
  if (!Array.isArray(bundles)) {
    throw new TypeError("bundles must be an array of objects such as [{ CPU: 1 }]");
  }
  if (bundles.length === 0 || bundles.length > BUNDLES_MAX) {
    throw new RangeError(`bundles must be 1 to ${BUNDLES_MAX}, are ${bundles.length}`);
  }
  return bundles.map((bundle, index) => checkBundle(bundle, `bundles[${index}]`));
}

/** Ray renames resources of groups like this: kept free, so that no name means two things to its users. */
const RESERVED = /^bundle$|_group_/;

function checkBundle(bundle: unknown, path: string): Record<string, number> {
  if (typeof bundle !== "object" || bundle === null || Array.isArray(bundle)) {
    throw new TypeError(`${path} must be an object such as { CPU: 1 }`);
  }
  for (const [name, amount] of Object.entries(bundle)) {
    if (name === "" || RESERVED.test(name)) {
      throw new RangeError(`${path} cannot hold ${JSON.stringify(name)}: the name is reserved`);
    }
    if (typeof amount !== "number" || Number.isNaN(amount)) {
      throw new TypeError(`${path}.${name} must be a number, is ${String(amount)}`);
    }
    if (amount < 0 || !Number.isFinite(amount)) {
      throw new RangeError(`${path}.${name} must be a finite number of at least 0, is ${amount}`);
    }
    checkAmount(name, amount, `${path}.${name}`);
    if (name === "GPU" && amount > 1 && !Number.isInteger(amount)) {
      throw new RangeError(`${path}.GPU above 1 must be a whole number, is ${amount}`);
    }
  }
  const units = toUnits(bundle as Record<string, number>);
  if (Object.keys(units).length === 0) throw new RangeError(`${path} is empty: a bundle needs a resource`);
  return units;
}

/** @throws {TypeError | RangeError} unless these are options of placementGroup(). */
export function checkGroupOptions(options: PlacementGroupOptions): void {
  const { strategy, name, lifetime } = options;
  if (strategy !== undefined && !PLACEMENT_STRATEGIES.includes(strategy)) {
    throw new RangeError(
      `Option strategy must be one of ${PLACEMENT_STRATEGIES.join(", ")}, is ${JSON.stringify(strategy)}`,
    );
  }
  if (name !== undefined && typeof name !== "string") {
    throw new TypeError(`Option name must be a string, is ${typeof name}`);
  }
  if (name !== undefined && name.trim() === "") throw new RangeError("Option name must not be empty");
  if (lifetime !== undefined && lifetime !== "detached") {
    throw new RangeError(`Option lifetime must be "detached", is ${JSON.stringify(lifetime)}`);
  }
}
