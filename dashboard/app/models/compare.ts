/**
 * Two runs of a job, function by function: what differs, and whether it is more than chance.
 * @module
 */
import type { ErrorGroupDto, FunctionProfileDto, ProfileDto, Spread } from "../../api/tasks.ts";

export interface ComparedFunction {
  readonly key: string;
  readonly name: string;
  readonly a: FunctionProfileDto | null;
  readonly b: FunctionProfileDto | null;
  /** Of the mean run time, b against a: 0.1 is 10 % slower. Null where one of them has none. */
  readonly change: number | null;
  readonly verdict: Verdict;
}

/** "clear": more than chance would do; "perhaps": it may be chance; "few": too few runs to say; "same": no difference to speak of. */
export type Verdict =
  | "slower"
  | "faster"
  | "perhaps slower"
  | "perhaps faster"
  | "same"
  | "few"
  | "only a"
  | "only b";

/** Fewer runs than these say nothing about a difference. */
const RUNS_MIN = 5;
/** Of the difference of two means, in its standard errors. */
const CLEAR = 3;
const PERHAPS = 2;
/** A difference below 3 % is none that anybody looks for. */
const CHANGE_MIN = 0.03;
/** Between the quartiles of a normal distribution, in standard deviations. */
const QUARTILES = 1.349;

/** Functions of both, those that differ most in time spent first. */
export function compareFunctions(a: ProfileDto, b: ProfileDto): ComparedFunction[] {
  const keyOf = ({ name, type }: FunctionProfileDto): string => `${type} ${name}`;
  const [inA, inB] = [a, b].map((profile) => new Map(profile.functions.map((one) => [keyOf(one), one])));
  const keys = new Set([...inA!.keys(), ...inB!.keys()]);
  const rows = [...keys].map((key) => compared(key, inA!.get(key) ?? null, inB!.get(key) ?? null));
  const weight = ({ a, b }: ComparedFunction): number => Math.abs((b?.runMs ?? 0) - (a?.runMs ?? 0));
  return rows.sort((x, y) => weight(y) - weight(x) || (x.name < y.name ? -1 : 1));
}

function compared(key: string, a: FunctionProfileDto | null, b: FunctionProfileDto | null): ComparedFunction {
  const name = (a ?? b)!.name;
  const spreads = [a?.run ?? null, b?.run ?? null] as const;
  const change = spreads[0] === null || spreads[1] === null || spreads[0].mean === 0
    ? null
    : spreads[1].mean / spreads[0].mean - 1;
  const verdict = a === null ? "only b" : b === null ? "only a" : verdictOf(spreads[0], spreads[1], change);
  return { key, name, a, b, change, verdict };
}

/**
 * Means are compared by their standard errors. How far values spread is taken from the quartiles, which a few very slow tasks
 * do not move.
 */
export function verdictOf(a: Spread | null, b: Spread | null, change: number | null): Verdict {
  if (a === null || b === null || change === null || Math.min(a.count, b.count) < RUNS_MIN) return "few";
  if (Math.abs(change) < CHANGE_MIN) return "same";
  const variance = (spread: Spread): number => ((spread.p75 - spread.p25) / QUARTILES) ** 2 / spread.count;
  const error = Math.sqrt(variance(a) + variance(b));
  // The middle must have moved as the mean has: else it is a few stray tasks.
  const difference = Math.abs(b.p50 - a.p50);
  const isSameWay = Math.sign(b.p50 - a.p50) === Math.sign(change);
  const errors = error === 0 ? Infinity : difference / error;
  const word = change > 0 ? "slower" : "faster";
  if (!isSameWay || errors < PERHAPS) return "same";
  return errors >= CLEAR ? word : `perhaps ${word}`;
}

export interface ComparedError {
  readonly key: string;
  readonly functionName: string;
  readonly errorType: string;
  readonly message: string;
  readonly a: number;
  readonly b: number;
}

/** Failures by what they look like; those of one run alone first. */
export function compareErrors(a: ProfileDto, b: ProfileDto): ComparedError[] {
  const rows = new Map<string, ComparedError>();
  const add = (group: ErrorGroupDto, side: "a" | "b"): void => {
    const { fingerprint, functionName, errorType, message, count } = group;
    const known = rows.get(fingerprint) ?? { key: fingerprint, functionName, errorType, message, a: 0, b: 0 };
    rows.set(fingerprint, { ...known, [side]: count });
  };
  for (const group of a.errors) add(group, "a");
  for (const group of b.errors) add(group, "b");
  const isOfOne = (row: ComparedError): number => row.a === 0 || row.b === 0 ? 0 : 1;
  return [...rows.values()].sort((x, y) => isOfOne(x) - isOfOne(y) || y.a + y.b - x.a - x.b);
}
