/**
 * Environments whose workers do not start: how often in a row, why, and how long nobody should try again. An environment that
 * keeps failing is quarantined: its requests fail with the cause instead of waiting, until it is tried again.
 *
 *   (none) --1--> backing off --1--> … --2--> quarantined --3--> trying --1--> quarantined
 *      ^               |                                           |
 *      +-------4-------+---------------------4--------------------+
 *
 *   1 a start failed; several that ran at the same time count once.   2 often enough, or for a reason that stays.
 *   3 after QUARANTINE_MS the next request tries.   4 a worker came up.
 * @module
 */
import type { RuntimeEnvSpec } from "../../common/task_spec.ts";

const BACKOFF_MS = 100;
const BACKOFF_MS_MAX = 10_000;
/** A runtime environment of the user's own that failed this often in a row is quarantined (after 3 s and more) … */
export const ENV_FAILURES_MAX: number = 5;
/** … the plain one, which may have found the machine out of processes for a while, after so many (25 s and more). */
export const PLAIN_FAILURES_MAX: number = 9;
/** How long requests of a quarantined environment fail at once, before one tries again. */
export const QUARANTINE_MS: number = 10_000;
/** Environments whose failures are remembered. */
const ENVS_MAX = 1_000;

export interface StartFailure {
  /** In a row. */
  readonly failures: number;
  readonly atMs: number;
  /** Nobody should try before. */
  readonly untilMs: number;
  readonly quarantined: boolean;
  /** With the end of the worker's log. */
  readonly message: string;
}

export class StartFailures {
  /** Environments whose last start failed, by hash. */
  readonly #failures: Map<string, StartFailure> = new Map();

  of(envHash: string): StartFailure | undefined {
    return this.#failures.get(envHash);
  }

  /** Set while requests of the environment should fail at once. */
  quarantine(nowMs: number, envHash: string): StartFailure | null {
    const failure = this.#failures.get(envHash);
    return failure?.quarantined === true && nowMs < failure.untilMs ? failure : null;
  }

  succeeded(envHash: string): void {
    this.#failures.delete(envHash);
  }

  /** `final`: another try would fail alike. `startedMs`: when the start began. Null for one of a round that has counted. */
  failed(
    nowMs: number,
    env: RuntimeEnvSpec,
    startedMs: number,
    message: string,
    final: boolean,
  ): StartFailure | null {
    const before = this.#failures.get(env.hash);
    if (before !== undefined && startedMs <= before.atMs && !final) return null;
    const failures = (before?.failures ?? 0) + 1;
    const max = env.hash === "" ? PLAIN_FAILURES_MAX : ENV_FAILURES_MAX;
    const quarantined = failures >= max || (final && env.hash !== "");
    const delayMs = quarantined ? QUARANTINE_MS : Math.min(BACKOFF_MS * 2 ** (failures - 1), BACKOFF_MS_MAX);
    if (before === undefined && this.#failures.size >= ENVS_MAX) {
      this.#failures.delete(this.#failures.keys().next().value!);
    }
    const failure = { failures, atMs: nowMs, untilMs: nowMs + delayMs, quarantined, message };
    this.#failures.set(env.hash, failure);
    return failure;
  }
}
