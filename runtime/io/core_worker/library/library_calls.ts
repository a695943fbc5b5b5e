/**
 * How library actors are called: a call's value without a ref to care for, and a wait that its actor ends.
 * @module
 */
import type { ObjectRef } from "../../../common/public_types.ts";
import { requireCoreWorker } from "../current.ts";
import { entryOf } from "../object_ref.ts";
import { hold, letGo } from "../process_hold.ts";
import { stayAwake } from "../stay_awake.ts";
import { Timer } from "../timers.ts";

/** The value of a ref that nobody else has. */
export async function valueOf<T>(ref: ObjectRef<T>): Promise<T> {
  const { objects } = requireCoreWorker();
  hold();
  stayAwake();
  try {
    return await objects.getOne(entryOf(ref, "a call", objects), undefined) as T;
  } finally {
    letGo();
    ref.release();
  }
}

/** When a wait at a library actor ends before it is over. */
export interface WaitLimits {
  readonly timeoutMs: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Timers take no more. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/**
 * The value of a call that waits, and whether its limit was reached. Then the actor is asked to end it (`withdraw`), and its
 * answer is what counts: what was given before is not lost.
 */
export async function valueWithin<T>(
  ref: ObjectRef<T>,
  { timeoutMs = Infinity, signal }: WaitLimits,
  withdraw: () => ObjectRef<void>,
): Promise<{ readonly value: T; readonly isOver: boolean }> {
  let isOver = false;
  const end = (): void => {
    isOver = true;
    withdraw().release();
  };
  const timer = timeoutMs > TIMER_MS_MAX ? null : Timer.background(end, timeoutMs);
  signal?.addEventListener("abort", end, { once: true });
  try {
    const value = await valueOf(ref);
    return { value, isOver };
  } finally {
    timer?.clear();
    signal?.removeEventListener("abort", end);
  }
}

/** @throws {TypeError | RangeError} for what is no time. */
export function checkTimeout(timeoutMs: unknown): void {
  if (timeoutMs === undefined) return;
  if (typeof timeoutMs !== "number" || Number.isNaN(timeoutMs)) {
    throw new TypeError(`Option timeoutMs must be a number of milliseconds, is ${String(timeoutMs)}`);
  }
  if (timeoutMs < 0) throw new RangeError(`Option timeoutMs must be at least 0, is ${timeoutMs}`);
}

/** @throws {TypeError | RangeError} for what is no whole number from `minimum` on. */
export function checkCount(name: string, value: unknown, minimum: number): void {
  if (typeof value !== "number" || !Number.isInteger(value)) {
    throw new TypeError(`${name} must be an integer, is ${String(value)}`);
  }
  if (value < minimum) throw new RangeError(`${name} must be at least ${minimum}, is ${value}`);
}
