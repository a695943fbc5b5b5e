/**
 * What an agent says of itself, looked at before the machines take it: a registration that is none would spoil scheduling
 * for everybody. Agents are trusted with the cluster's token, not with being free of bugs or of our version.
 * @module
 */
import { isUnits, UNITS_MAX } from "../common/resources.ts";
import type { HeadMethods, NodeRegistration } from "../protocol/messages.ts";

/** Labels and resources that one node may name. */
const ENTRIES_MAX = 1_000;

/** Throws TypeError or RangeError that names the field. */
export function checkRegistration(registration: NodeRegistration): void {
  const fields = registration as unknown as Record<string, unknown>;
  for (const name of ["nodeId", "address", "hostname", "runtime", "sessionDir"]) {
    if (typeof fields[name] !== "string") {
      throw new TypeError(`registerNode: ${name} is ${typeof fields[name]}, not a text`);
    }
  }
  for (const name of ["epoch", "pid", "objectStoreBytes"]) {
    const value = fields[name];
    if (!Number.isSafeInteger(value) || (value as number) < 0) {
      throw new RangeError(`registerNode: ${name} is ${String(value)}, not a whole number from 0`);
    }
  }
  for (const name of ["objects", "actors", "drivers"]) {
    if (!Array.isArray(fields[name])) throw new TypeError(`registerNode: ${name} is no list`);
  }
  if (fields["bundles"] !== undefined && !Array.isArray(fields["bundles"])) {
    throw new TypeError("registerNode: bundles is no list");
  }
  checkQuantities("resources", fields["resources"]);
  for (const [name, value] of entriesOf("labels", fields["labels"])) {
    if (typeof value !== "string") {
      throw new TypeError(`registerNode: label ${name} is ${typeof value}, not a text`);
    }
  }
}

/** What a node's end may be called, for people. */
const REASON_CHARACTERS_MAX = 1_000;

/** Throws TypeError or RangeError that names the field. */
export function checkDrain({ nodeId, deadlineMs, reason }: HeadMethods["drainNode"]["params"]): void {
  if (typeof nodeId !== "string") throw new TypeError(`drainNode: nodeId is ${typeof nodeId}, not a text`);
  if (typeof reason !== "string") throw new TypeError(`drainNode: reason is ${typeof reason}, not a text`);
  if (reason.length > REASON_CHARACTERS_MAX) {
    throw new RangeError(`drainNode: reason has more than ${REASON_CHARACTERS_MAX} characters`);
  }
  if (typeof deadlineMs !== "number") throw new TypeError("drainNode: deadlineMs is no number");
  if (!Number.isFinite(deadlineMs) || deadlineMs < 0) {
    throw new RangeError(`drainNode: deadlineMs must be a finite number of at least 0, is ${deadlineMs}`);
  }
}

/** Fixed-point units by resource name. */
function checkQuantities(what: string, quantities: unknown): void {
  for (const [name, value] of entriesOf(what, quantities)) {
    if (!isUnits(value)) {
      throw new RangeError(
        `registerNode: ${what} ${name} is ${
          String(value)
        }, not a whole number of units from 0 to ${UNITS_MAX}`,
      );
    }
  }
}

function entriesOf(what: string, value: unknown): [string, unknown][] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError(`registerNode: ${what} is no object`);
  }
  const entries = Object.entries(value);
  if (entries.length > ENTRIES_MAX) throw new RangeError(`registerNode: more than ${ENTRIES_MAX} ${what}`);
  return entries;
}
