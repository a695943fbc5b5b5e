/**
 * An actor's concurrency groups as its handles see them: which ones there are, and which calls keep their order.
 * @module
 */
import type { HandleInfo } from "./handle_info.ts";
import type { MethodInfo } from "./own_call.ts";

/** Throws for a group that the class does not have. */
export function checkGroup(
  className: string,
  groups: Readonly<Record<string, number>> | undefined,
  { concurrencyGroup }: MethodInfo,
): void {
  if (concurrencyGroup === undefined || Object.hasOwn(groups ?? {}, concurrencyGroup)) return;
  const known = Object.keys(groups ?? {});
  throw new TypeError(
    `Option concurrencyGroup: ${className} has no group ${JSON.stringify(concurrencyGroup)}; ` +
      (known.length === 0
        ? "remote(Class, { concurrencyGroups }) declares groups"
        : `it has ${known.join(", ")}`),
  );
}

/**
 * The order that a call keeps: calls of the same answer leave in the order of their submission, those of null as soon as their
 * arguments are known. A group of one keeps its order, as an actor without groups does that runs one call at a time.
 */
export function laneOf({ groups, ordered }: HandleInfo, { concurrencyGroup }: MethodInfo): string | null {
  if (groups !== undefined && concurrencyGroup !== undefined) {
    return groups[concurrencyGroup] === 1 ? concurrencyGroup : null;
  }
  return ordered ? "" : null;
}
