/**
 * Resource quantities in fixed point: whole numbers of 1/10,000, as in Ray (src/ray/common/scheduling/fixed_point.h),
 * so that a thousand acquisitions and releases return exactly to the start. What is counted in bytes has whole bytes: in
 * ten-thousandths, a terabyte would be more than a number holds exactly. Names are Ray's: CPU, GPU, memory (bytes), and
 * the user's own.
 * @module
 */

import { byteText } from "./byte_text.ts";

/** How many fixed-point units one whole CPU, GPU or resource of the user's own is. */
export const RESOURCE_UNIT = 10_000;

/** The largest quantity, in units: up to here, sums and differences of a node's quantities are exact. */
export const UNITS_MAX: number = 2 ** 53;

/** Resources of which a unit is a byte. */
const BYTES: ReadonlySet<string> = new Set(["memory", "object_store_memory"]);

/** Quantities in fixed-point units, by resource name. A resource that is absent is zero. */
export type ResourceSet = Readonly<Record<string, number>>;

/** How many units one whole of the resource is: 10,000, or 1 of what is counted in bytes. */
export function unitOf(name: string): number {
  return BYTES.has(name) ? 1 : RESOURCE_UNIT;
}

/** Whether it is a quantity in units: a whole number from 0 to UNITS_MAX. */
export function isUnits(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= UNITS_MAX;
}

/** The most that there may be of a resource, as users write it: 8 PiB of what is counted in bytes. */
export function amountMax(name: string): number {
  return Math.floor(UNITS_MAX / unitOf(name));
}

/** Throw a RangeError when there cannot be so much of a resource. `what` names it, for people. */
export function checkAmount(name: string, amount: number, what: string): void {
  const max = amountMax(name);
  if (amount <= max) return;
  throw new RangeError(
    BYTES.has(name)
      ? `${what} must be at most ${max} bytes (8 PiB), is ${amount}`
      : `${what} must be at most ${max}, is ${amount}: count it in a larger unit`,
  );
}

/**
 * From a user's quantities ({ CPU: 0.5 }) to units ({ CPU: 5000 }); zero quantities are dropped, and a part of a byte is one.
 * @throws {RangeError} for more than amountMax().
 */
export function toUnits(quantities: Readonly<Record<string, number>>): Record<string, number> {
  const units: Record<string, number> = {};
  for (const name of Object.keys(quantities).sort()) {
    const quantity = quantities[name]!;
    checkAmount(name, quantity, name);
    const unit = unitOf(name);
    const amount = unit === 1 ? Math.ceil(quantity) : Math.round(quantity * unit);
    if (amount !== 0) units[name] = amount;
  }
  return units;
}

/** From units to a user's quantities. */
export function fromUnits(units: ResourceSet): Record<string, number> {
  const quantities: Record<string, number> = {};
  for (const name of Object.keys(units)) quantities[name] = units[name]! / unitOf(name);
  return quantities;
}

/** Whether `available` holds at least `request` of everything. */
export function fits(available: ResourceSet, request: ResourceSet): boolean {
  for (const name in request) if ((available[name] ?? 0) < request[name]!) return false;
  return true;
}

/** Whether both have the same quantities under the same names. */
export function sameResources(a: ResourceSet, b: ResourceSet): boolean {
  for (const name in a) if (a[name] !== b[name]) return false;
  for (const name in b) if (a[name] === undefined) return false;
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

/** So many units of one resource: `16.5 GiB` of memory, others as they are. */
export function describeAmount(name: string, units: number): string {
  const quantity = units / unitOf(name);
  return BYTES.has(name) ? byteText(quantity) : String(quantity);
}

/** What is wanted and what there is of it, told apart: `memory 16.5 GiB (has 8.00 GiB)`. */
export function describeLack(name: string, needs: number, has: number): string {
  const [wanted, there] = [needs, has].map((units) => describeAmount(name, units));
  if (wanted !== there) return `${name} ${wanted} (has ${there})`;
  return `${name} ${needs / unitOf(name)} (has ${has / unitOf(name)})`;
}
