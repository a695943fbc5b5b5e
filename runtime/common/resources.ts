/**
 * Resource quantities in fixed point: whole numbers of 1/10,000, as in Ray (src/ray/common/scheduling/fixed_point.h),
 * so that a thousand acquisitions and releases return exactly to the start. Names are Ray's: CPU, GPU, memory (bytes),
 * and the user's own.
 * @module
 */

/** How many fixed-point units one whole resource is. */
export const RESOURCE_UNIT = 10_000;

/** Quantities in fixed-point units, by resource name. A resource that is absent is zero. */
export type ResourceSet = Readonly<Record<string, number>>;

/** From a user's quantities ({ CPU: 0.5 }) to units ({ CPU: 5000 }); zero quantities are dropped. */
export function toUnits(quantities: Readonly<Record<string, number>>): Record<string, number> {
  const units: Record<string, number> = {};
  for (const name of Object.keys(quantities).sort()) {
    const amount = Math.round(quantities[name]! * RESOURCE_UNIT);
    if (amount !== 0) units[name] = amount;
  }
  return units;
}

/** From units to a user's quantities. */
export function fromUnits(units: ResourceSet): Record<string, number> {
  const quantities: Record<string, number> = {};
  for (const name of Object.keys(units)) quantities[name] = units[name]! / RESOURCE_UNIT;
  return quantities;
}

/** Whether `available` holds at least `request` of everything. */
export function fits(available: ResourceSet, request: ResourceSet): boolean {
  for (const name in request) if ((available[name] ?? 0) < request[name]!) return false;
  return true;
}

/** Add `delta` (times `sign`) to `target` in place. */
export function addResources(target: Record<string, number>, delta: ResourceSet, sign: 1 | -1 = 1): void {
  for (const name in delta) target[name] = (target[name] ?? 0) + sign * delta[name]!;
}

/** One line for people: `CPU 2, GPU 0.5, memory 16.5 GiB`. */
export function describeResources(units: ResourceSet): string {
  const names = Object.keys(units);
  if (names.length === 0) return "nothing";
  return names.map((name) => `${name} ${describeAmount(name, units[name]!)}`).join(", ");
}

/** So many units of one resource: memory in GiB (MiB below 0.1 GiB, bytes below 1 MiB), others as they are. */
export function describeAmount(name: string, units: number): string {
  const quantity = units / RESOURCE_UNIT;
  if (name !== "memory") return String(quantity);
  if (quantity < 2 ** 20) return `${quantity} B`;
  const [size, unit] = quantity < 0.1 * 2 ** 30 ? [quantity / 2 ** 20, "MiB"] : [quantity / 2 ** 30, "GiB"];
  return `${Number(size.toFixed(2))} ${unit}`;
}
